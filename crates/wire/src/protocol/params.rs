//! ec2 and Query requests: a flat list of dotted names becomes a value.
//!
//! The pairs are sorted by their names' pieces, so that all that belongs to one member stands
//! together; structures and lists are then runs of the sorted list. Nothing is allocated by index.

use std::cmp::Ordering;

use super::WireError;
use super::scalar::{self, Path};
use super::text::{Pair, pairs, shortened};
use crate::request::Parts;
use crate::tables::{Kind, Member, Operation, Protocol, Shape, ShapeId, Structure, Table};
use crate::value::{Map, Value};

/// Largest number of parameters in one request.
const MOST_PARAMETERS: usize = 20_000;
/// Largest query or form.
const MOST_BYTES: usize = 2 << 20;
/// Highest list index: beyond every quota, so that nobody's list is cut.
const HIGHEST_INDEX: usize = 10_000;
/// Deepest nesting of names. The models stay below ten, but two of them recur.
const DEEPEST: usize = 24;

/// Parameters that belong to the protocol, not to an operation.
const COMMON: [&str; 10] = [
    "Action",
    "Version",
    "AWSAccessKeyId",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
    "Expires",
    "SecurityToken",
    "AWSAuthParams",
];

/// All pairs of query and form.
pub(super) fn read<'a>(parts: &Parts<'a>) -> Result<Vec<Pair<'a>>, WireError> {
    if parts.query.len() + parts.body.len() > MOST_BYTES {
        return Err(WireError::TooLarge { what: "form" });
    }
    let mut all = pairs(parts.query, MOST_PARAMETERS)?;
    if parts.method == "POST" && !parts.body.is_empty() {
        let form = std::str::from_utf8(parts.body).map_err(|_| WireError::Malformed {
            reason: "the form is not UTF-8".to_owned(),
        })?;
        all.extend(pairs(form.trim_end_matches(['\r', '\n']), MOST_PARAMETERS)?);
    }
    Ok(all)
}

/// The value of `Action` and `Version`.
pub(super) fn action<'p>(all: &'p [Pair<'_>]) -> (Option<&'p str>, Option<&'p str>) {
    let find = |wanted: &str| {
        all.iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_ref())
    };
    (find("Action"), find("Version"))
}

/// Decodes the input of `op`.
pub(super) fn decode(
    table: &'static Table,
    op: &Operation,
    parts: &Parts<'_>,
) -> Result<Value, WireError> {
    let mut all = read(parts)?;
    all.retain(|(name, _)| !COMMON.contains(&name.as_ref()) && !name.starts_with("X-Amz-"));
    all.sort_by(|(a, _), (b, _)| compare(a, b));
    if let Some(window) = all
        .windows(2)
        .find(|w| matches!(w, [(a, _), (b, _)] if a == b))
    {
        let name = window
            .first()
            .map(|(name, _)| shortened(name))
            .unwrap_or_default();
        return Err(WireError::Malformed {
            reason: format!("parameter `{name}` is given twice"),
        });
    }
    let run: Vec<Named<'_>> = all
        .iter()
        .map(|(name, value)| Named {
            full: name,
            rest: name,
            value,
        })
        .collect();
    let reader = Reader { table };
    match op
        .input
        .map(|id| table.shape(id))
        .and_then(Shape::structure)
    {
        Some(structure) => reader.structure(structure, &run, &Path::Root, 0),
        None => match run.first() {
            Some(extra) => Err(unknown(extra)),
            None => Ok(Value::Map(Map::new())),
        },
    }
}

/// Sorts by pieces between dots, so that `A.1.B` stands beside `A.1` and before `A.10`'s neighbours.
fn compare(a: &str, b: &str) -> Ordering {
    a.split('.').cmp(b.split('.'))
}

/// A pair on the way down: what is left of its name.
#[derive(Clone, Copy)]
struct Named<'a> {
    full: &'a str,
    rest: &'a str,
    value: &'a str,
}

fn unknown(pair: &Named<'_>) -> WireError {
    WireError::UnknownParameter {
        parameter: shortened(pair.full),
    }
}

/// Runs of pairs with the same first piece, each with that piece taken off. A pair whose name ends
/// at the piece has an empty rest.
fn runs<'a>(pairs: &[Named<'a>]) -> Vec<(&'a str, Vec<Named<'a>>)> {
    let mut out: Vec<(&'a str, Vec<Named<'a>>)> = Vec::new();
    for pair in pairs {
        let (head, rest) = pair.rest.split_once('.').unwrap_or((pair.rest, ""));
        let cut = Named { rest, ..*pair };
        match out.last_mut() {
            Some((last, run)) if *last == head => run.push(cut),
            _ => out.push((head, vec![cut])),
        }
    }
    out
}

/// The value of a run that is one pair whose name has ended.
fn plain<'a>(run: &[Named<'a>]) -> Option<&'a str> {
    match run {
        [
            Named {
                rest: "", value, ..
            },
        ] => Some(value),
        _ => None,
    }
}

struct Reader {
    table: &'static Table,
}

impl Reader {
    fn structure(
        &self,
        structure: &'static Structure,
        run: &[Named<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value, WireError> {
        if depth > DEEPEST {
            return Err(WireError::TooLarge { what: "nesting" });
        }
        let mut map = Map::new();
        for (head, run) in runs(run) {
            let member = structure.members.iter().find(|member| member.param == head);
            let (Some(member), Some(first)) = (member, run.first()) else {
                return Err(run.first().map_or(WireError::MissingAction, unknown));
            };
            // A pair "A" beside pairs "A.1": one of them means nothing.
            if run.len() > 1 && run.iter().any(|pair| pair.rest.is_empty()) {
                return Err(unknown(first));
            }
            let path = Path::Member(path, member);
            map.push(member.name, self.member(member, &run, &path, depth + 1)?);
        }
        scalar::complete(self.table.service, path, structure, &map)?;
        Ok(Value::Map(map))
    }

    fn member(
        &self,
        member: &'static Member,
        run: &[Named<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value, WireError> {
        let shape = self.table.shape(member.shape);
        match &shape.kind {
            Kind::List {
                member: item,
                wire,
                flattened,
            } => {
                if plain(run) == Some("") {
                    return Ok(Value::List(Vec::new()));
                }
                let flat = self.table.service.protocol() == Protocol::Ec2
                    || *flattened
                    || member.flattened;
                self.list(shape, *item, (!flat).then_some(*wire), run, path, depth)
            }
            Kind::Map {
                key,
                value,
                key_wire,
                value_wire,
                flattened,
            } => {
                if plain(run) == Some("") {
                    return Ok(Value::Map(Map::new()));
                }
                let entry = (!*flattened && !member.flattened).then_some("entry");
                let parts = (*key, *value, *key_wire, *value_wire);
                self.map(parts, entry, run, path, depth)
            }
            _ => self.value(shape, run, path, depth),
        }
    }

    fn value(
        &self,
        shape: &'static Shape,
        run: &[Named<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value, WireError> {
        let Some(first) = run.first() else {
            return Ok(Value::Null);
        };
        match &shape.kind {
            Kind::Structure(structure) => match plain(run) {
                // An empty structure is sent as an empty value.
                Some("") => self.structure(structure, &[], path, depth),
                Some(_) => Err(unknown(first)),
                None => self.structure(structure, run, path, depth),
            },
            Kind::List {
                member,
                wire,
                flattened,
            } => {
                let flat = self.table.service.protocol() == Protocol::Ec2 || *flattened;
                self.list(shape, *member, (!flat).then_some(*wire), run, path, depth)
            }
            Kind::Map {
                key,
                value,
                key_wire,
                value_wire,
                ..
            } => self.map(
                (*key, *value, *key_wire, *value_wire),
                Some("entry"),
                run,
                path,
                depth,
            ),
            _ => match plain(run) {
                Some(text) => {
                    let form = crate::tables::TimeForm::Default;
                    scalar::parse(self.table.service, path, shape, form, text)
                }
                None => Err(unknown(first)),
            },
        }
    }

    /// The numbered runs below `run`, in the order of their numbers, after an optional fixed piece.
    fn numbered<'a>(
        &self,
        fixed: Option<&str>,
        run: &[Named<'a>],
    ) -> Result<Vec<(usize, Vec<Named<'a>>)>, WireError> {
        let mut below = run.to_vec();
        if let Some(fixed) = fixed {
            let mut groups = runs(run);
            match groups.pop() {
                Some((head, run)) if groups.is_empty() && head == fixed => below = run,
                _ => return Err(run.first().map_or(WireError::MissingAction, unknown)),
            }
        }
        let mut out = Vec::new();
        for (head, run) in runs(&below) {
            let number = head
                .parse::<usize>()
                .ok()
                .filter(|n| (1..=HIGHEST_INDEX).contains(n) && !head.starts_with(['0', '+']));
            match (number, run.first()) {
                (Some(number), _) => out.push((number, run)),
                (None, Some(pair)) => return Err(unknown(pair)),
                (None, None) => {}
            }
        }
        out.sort_by_key(|(number, _)| *number);
        Ok(out)
    }

    fn list(
        &self,
        shape: &'static Shape,
        item: ShapeId,
        fixed: Option<&str>,
        run: &[Named<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value, WireError> {
        if depth > DEEPEST {
            return Err(WireError::TooLarge { what: "nesting" });
        }
        let item = self.table.shape(item);
        let mut items = Vec::new();
        for (number, run) in self.numbered(fixed, run)? {
            items.push(self.value(item, &run, &Path::Item(path, number), depth + 1)?);
        }
        if self.table.service.protocol() != Protocol::Ec2 {
            scalar::length(self.table.service, path, shape, items.len(), "")?;
        }
        Ok(Value::List(items))
    }

    fn map(
        &self,
        (key, value, key_wire, value_wire): (ShapeId, ShapeId, &str, &str),
        fixed: Option<&str>,
        run: &[Named<'_>],
        path: &Path<'_>,
        depth: usize,
    ) -> Result<Value, WireError> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        for (number, run) in self.numbered(fixed, run)? {
            let path = Path::Item(path, number);
            let (mut name, mut content) = (None, None);
            for (head, run) in runs(&run) {
                let slot = match head {
                    h if h == key_wire => &mut name,
                    h if h == value_wire => &mut content,
                    _ => return Err(run.first().map_or(WireError::MissingAction, unknown)),
                };
                let shape = if head == key_wire { key } else { value };
                *slot = Some(self.value(self.table.shape(shape), &run, &path, depth + 1)?);
            }
            let missing = |piece: &str| WireError::MissingParameter {
                parameter: format!("{}.{piece}", path.show(self.table.service)),
            };
            match (name, content) {
                (Some(Value::Str(name)), Some(content)) => entries.push((name, content)),
                (Some(_), Some(_)) | (None, _) => return Err(missing(key_wire)),
                (_, None) => return Err(missing(value_wire)),
            }
        }
        unique(entries)
    }
}

/// A map of caller-chosen keys; a key given twice is refused, in `n log n`.
pub(super) fn unique(entries: Vec<(String, Value)>) -> Result<Value, WireError> {
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    if let Some([key, _]) = keys.windows(2).find(|w| matches!(w, [a, b] if a == b)) {
        return Err(WireError::Malformed {
            reason: format!("key `{}` is given twice", shortened(key)),
        });
    }
    Ok(Value::Map(entries.into_iter().collect()))
}
