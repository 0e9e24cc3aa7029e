//! `ChangeResourceRecordSets`: a batch is applied wholly or not at all, and every message of what is
//! wrong with it is told.

use std::collections::BTreeSet;

use adit_model::*;
use adit_wire::{Value, map};

use super::record_set::{describe, read};
use super::{change_info, find};
use crate::context::{Answer, Ctx};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// Most records in a batch, those of an UPSERT counted twice.
const MOST_RECORDS: usize = 1000;
/// Most characters of values in a batch, those of an UPSERT counted twice.
const MOST_CHARACTERS: usize = 32_000;

pub(crate) fn change(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let zone = find(draft, ctx, input.required("HostedZoneId")?)?;
    let batch = input.get("ChangeBatch");
    let changes = batch.get("Changes").list();
    if changes.is_empty() {
        return Err(refuse(vec![
            "The request must contain at least one change.".to_string(),
        ]));
    }
    limits(changes)?;
    let before = zone.records;
    let mut work = Batch {
        zone: &zone,
        draft,
        count: i64::from(before),
        touched: BTreeSet::new(),
        wrong: Vec::new(),
    };
    for change in changes {
        work.apply(change);
    }
    if work.wrong.is_empty() {
        work.check_names();
    }
    let (count, wrong) = (work.count, work.wrong);
    if !wrong.is_empty() {
        return Err(refuse(wrong));
    }
    let count = u32::try_from(count).unwrap_or_default();
    if count > before {
        quotas::RECORDS_PER_ZONE.check_total(draft, || count as usize)?;
    }
    if count != before {
        draft.edit::<HostedZone>(&zone.id, |zone| zone.records = count);
    }
    let change = change_info(ctx, draft.generation, batch.get("Comment").str());
    Ok(Answer::later(
        move |view| map! { "ChangeInfo" => change(view) },
    ))
}

fn refuse(messages: Vec<String>) -> Refusal {
    Refusal::new("InvalidChangeBatch", format!("[{}]", messages.join(", ")))
}

fn limits(changes: &[Value]) -> Result<(), Refusal> {
    let (mut records, mut characters) = (0, 0);
    for change in changes {
        let weight = match change.get("Action").str() {
            Some("UPSERT") => 2,
            _ => 1,
        };
        let values = change
            .get("ResourceRecordSet")
            .get("ResourceRecords")
            .list();
        records += weight * values.len().max(1);
        let lengths = values.iter().filter_map(|v| v.get("Value").str());
        characters += weight * lengths.map(str::len).sum::<usize>();
    }
    match () {
        () if records > MOST_RECORDS => Err(refuse(vec![format!(
            "Number of records limit of {MOST_RECORDS} exceeded."
        )])),
        () if characters > MOST_CHARACTERS => Err(refuse(vec![format!(
            "Number of characters limit of {MOST_CHARACTERS} exceeded."
        )])),
        () => Ok(()),
    }
}

/// A batch being applied to a draft, which is thrown away if anything is wrong.
struct Batch<'a> {
    zone: &'a HostedZone,
    draft: &'a mut Draft,
    /// Record sets of the zone.
    count: i64,
    /// Names whose sets changed: these are checked at the end.
    touched: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Batch<'_> {
    fn apply(&mut self, change: &Value) {
        let action = change.get("Action").str().unwrap_or_default();
        match read(self.zone, change.get("ResourceRecordSet")) {
            Ok(record) => {
                if let Err(what) = self.put_or_remove(action, record) {
                    self.wrong.push(what);
                }
            }
            Err(what) => self.wrong.push(what),
        }
    }

    fn put_or_remove(&mut self, action: &str, record: ZoneRecord) -> Result<(), String> {
        let key = record.key();
        let held = self.draft.get::<ZoneRecord>(&key).cloned();
        self.touched.insert(record.name.clone());
        match (action, held) {
            ("CREATE", Some(held)) => Err(format!(
                "Tried to create resource record set [{}] but it already exists",
                describe(&held)
            )),
            ("DELETE", None) => Err(format!(
                "Tried to delete resource record set [{}] but it was not found",
                describe(&record)
            )),
            ("DELETE", Some(held)) if !same(&held, &record) => Err(format!(
                "Tried to delete resource record set [{}] but the values provided do not match the current values",
                describe(&record)
            )),
            ("DELETE", Some(_)) => {
                self.refuse_required(&record)?;
                self.draft.remove::<ZoneRecord>(&key);
                self.count -= 1;
                Ok(())
            }
            ("CREATE" | "UPSERT", held) => {
                self.count += i64::from(held.is_none());
                self.draft.put(record);
                Ok(())
            }
            (other, _) => Err(format!("Invalid action: '{other}'")),
        }
    }

    /// A zone keeps its own NS and SOA.
    fn refuse_required(&self, record: &ZoneRecord) -> Result<(), String> {
        let what = match &*record.rtype {
            "SOA" => "A HostedZone must contain exactly one SOA record.",
            "NS" => "A HostedZone must contain at least one NS record for the zone itself.",
            _ => return Ok(()),
        };
        match record.name == self.zone.name {
            true => Err(what.to_string()),
            false => Ok(()),
        }
    }

    /// What must hold between the sets of one name once the batch is applied.
    fn check_names(&mut self) {
        for name in &self.touched {
            let prefix = format!("{} {} ", self.zone.id, reversed(name));
            let all = self.draft.records_from(&self.zone.id, prefix.clone());
            let sets: Vec<_> = all.take_while(|r| r.key().starts_with(&prefix)).collect();
            let cname = sets.iter().any(|set| set.rtype == "CNAME");
            if cname && sets.iter().any(|set| set.rtype != "CNAME") {
                self.wrong.push(format!(
                    "RRSet of type CNAME with DNS name {} is not permitted as it conflicts with other records with the same DNS name in zone {}",
                    record::shown_name(name),
                    self.zone.name
                ));
            }
            for set in &sets {
                let mut peers = sets.iter().filter(|other| other.rtype == set.rtype);
                if !peers.all(|other| goes_with(set, other)) {
                    self.wrong.push(format!(
                        "RRSet with DNS name {}, type {}, SetIdentifier {} cannot be created because other RRSets exist with the same name and type",
                        record::shown_name(name),
                        set.rtype,
                        set.set_identifier.as_deref().unwrap_or("null")
                    ));
                    break;
                }
            }
        }
    }
}

/// Whether two sets may share a name and a type: only those that are chosen in the same way.
fn goes_with(one: &ZoneRecord, other: &ZoneRecord) -> bool {
    match (one.routing, other.routing) {
        (None, None) => one == other,
        (Some(Routing::MultiValue), Some(Routing::MultiValue)) => true,
        _ => false,
    }
}

/// Whether a DELETE names what is there: values in any order.
fn same(held: &ZoneRecord, given: &ZoneRecord) -> bool {
    let sorted = |content: &RecordContent| match content {
        RecordContent::Values { ttl, values } => {
            let mut values = values.clone();
            values.sort();
            RecordContent::Values { ttl: *ttl, values }
        }
        alias => alias.clone(),
    };
    held.routing == given.routing && sorted(&held.content) == sorted(&given.content)
}
