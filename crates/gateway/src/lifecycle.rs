//! Lifecycle: a bucket's rules as the store takes them, what answers say of them, and letting go.

use adit_objects::{ExpireReport, Expiry, Gone, ObjectInfo, Rule, Tags, UnixMillis};
use adit_snapshot::bucket::{BucketSettings, LifecycleRule};
use adit_snapshot::{BucketView, Snapshot};
use adit_wire::time::http_date;
use http::header::HeaderName;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::access_log::expired;
use crate::ask::stored_bucket;
use crate::gateway::Gateway;
use crate::reply::Reply;

const EXPIRATION: HeaderName = HeaderName::from_static("x-amz-expiration");

/// The enabled rules of a bucket.
pub(crate) fn rules(settings: &BucketSettings) -> Vec<Rule> {
    settings.lifecycle.iter().map(rule).collect()
}

fn rule(given: &LifecycleRule) -> Rule {
    let filter = given.filter.clone().unwrap_or_default();
    let filter = match filter.and {
        Some(all) => *all,
        None => filter,
    };
    let tags = filter.tag.into_iter().chain(filter.tags);
    let expiration = given.expiration.clone().unwrap_or_default();
    let noncurrent = given.noncurrent_version_expiration.as_ref();
    let uploads = given.abort_incomplete_multipart_upload.as_ref();
    Rule {
        id: given.id.clone(),
        prefix: given.prefix.clone().or(filter.prefix).unwrap_or_default(),
        tags: tags.map(|tag| (tag.key, tag.value)).collect(),
        size_greater_than: filter.object_size_greater_than,
        size_less_than: filter.object_size_less_than,
        expiration: match (expiration.days, expiration.date) {
            (Some(days), _) => Some(Expiry::Days(days)),
            (None, Some(date)) => Some(Expiry::Date(UnixMillis(date.millis))),
            (None, None) => None,
        },
        expired_delete_markers: expiration.expired_object_delete_marker,
        noncurrent_days: noncurrent.and_then(|rule| rule.noncurrent_days),
        keep_noncurrent: noncurrent.map_or(0, |rule| rule.newer_noncurrent_versions),
        abort_uploads_days: uploads.and_then(|rule| rule.days_after_initiation),
    }
}

/// Says when an object goes, if a rule lets it go: the earliest counts.
pub(crate) fn tell(reply: &mut Reply, settings: &BucketSettings, info: &ObjectInfo) {
    let tags = &info.attributes.tags;
    tell_of(
        reply,
        settings,
        (&info.key, info.size, tags),
        info.last_modified,
    );
}

/// The same of an object that was just written.
pub(crate) fn tell_of(
    reply: &mut Reply,
    settings: &BucketSettings,
    (key, size, tags): (&str, u64, &Tags),
    written: UnixMillis,
) {
    let text = expiration(settings, (key, size, tags), written);
    reply.set_some(EXPIRATION, text);
}

/// The value of `x-amz-expiration`.
pub(crate) fn expiration(
    settings: &BucketSettings,
    (key, size, tags): (&str, u64, &Tags),
    written: UnixMillis,
) -> Option<String> {
    let rules = rules(settings);
    let due = rules
        .iter()
        .filter_map(|rule| Some((rule.lets_go(key, size, tags, written)?, &rule.id)));
    let (at, id) = due.min_by_key(|(at, _)| *at)?;
    Some(format!(
        "expiry-date=\"{}\", rule-id=\"{}\"",
        http_date(at.0),
        utf8_percent_encode(id, KEPT)
    ))
}

/// When an upload is aborted and by which rule, if one does.
pub(crate) fn abortion(
    settings: &BucketSettings,
    key: &str,
    begun: UnixMillis,
) -> Option<(UnixMillis, String)> {
    let rules = rules(settings);
    let due = rules
        .into_iter()
        .filter_map(|rule| Some((rule.aborts(key, begun)?, rule.id)));
    due.min_by_key(|(at, _)| *at)
}

/// What stands in a rule's id as it is.
const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl Gateway {
    /// Lets go what the rules of all buckets of the embedded store let go by now. What fails in one
    /// bucket is logged and tried again at the next run.
    pub async fn expire(&self) -> ExpireReport {
        let mut sum = ExpireReport::default();
        let snapshot = self.inner.snapshots.borrow().clone();
        let Some(snapshot) = snapshot else {
            return sum;
        };
        for view in snapshot.buckets() {
            if view.settings.lifecycle.is_empty() || view.bucket.origin.is_some() {
                continue;
            }
            let now = UnixMillis((self.inner.clock)());
            let rules = rules(&view.settings);
            let mut tell = self.teller(&snapshot, view);
            let done = self
                .inner
                .store
                .expire(&stored_bucket(&view.bucket), &rules, now, &mut tell)
                .await;
            match done {
                Ok(report) => {
                    sum.objects += report.objects;
                    sum.versions += report.versions;
                    sum.markers += report.markers;
                    sum.uploads += report.uploads;
                }
                Err(why) => {
                    tracing::warn!(%why, bucket = %view.bucket.name, "lifecycle rules could not be applied");
                }
            }
        }
        sum
    }
}

impl Gateway {
    /// Writes what is let go into the bucket's access log, if it keeps one.
    fn teller<'t>(
        &'t self,
        snapshot: &'t Snapshot,
        view: &'t BucketView,
    ) -> impl FnMut(Gone) + Send + 't {
        let (gateway, bucket) = (&self.inner, &view.bucket);
        let owner = snapshot.intent.accounts.get(bucket.owner.as_str());
        let owner = owner.map_or("", |owner| owner.canonical_id.as_str());
        let logs = view.settings.logging.is_some();
        move |gone| {
            if !logs {
                return;
            }
            let (name, now) = (bucket.name.as_str(), (gateway.clock)());
            let line = expired((owner, name), now, gateway.ids.next().as_str(), &gone);
            let logs = &gateway.access_logs;
            logs.add(name, &bucket.incarnation, now, &line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const DAY: i64 = 24 * 3600 * 1000;

    fn settings(rules: &str) -> BucketSettings {
        let documents = [("lifecycle".to_owned(), format!(r#"{{"Rules":[{rules}]}}"#))];
        BucketSettings::of(&BTreeMap::from(documents))
    }

    #[test]
    fn documents_become_rules() {
        let settings = settings(
            r#"{"ID":"a","Status":"Enabled","Filter":{"And":{"Prefix":"p/","Tags":[{"Key":"k","Value":"v"}],"ObjectSizeGreaterThan":5}},"Expiration":{"Days":3}},
               {"ID":"b","Status":"Enabled","Prefix":"old","Expiration":{"Date":{"@time":86400000}},"NoncurrentVersionExpiration":{"NoncurrentDays":2,"NewerNoncurrentVersions":1}},
               {"ID":"c","Status":"Enabled","Filter":{"Tag":{"Key":"k","Value":"w"}},"Expiration":{"ExpiredObjectDeleteMarker":true},"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7}},
               {"ID":"d","Status":"Disabled","Filter":{},"Expiration":{"Days":1}}"#,
        );
        let made = rules(&settings);
        let tag = |value: &str| vec![("k".to_owned(), value.to_owned())];
        let expected = [
            Rule {
                id: "a".into(),
                prefix: "p/".into(),
                tags: tag("v"),
                size_greater_than: Some(5),
                expiration: Some(Expiry::Days(3)),
                ..Rule::default()
            },
            Rule {
                id: "b".into(),
                prefix: "old".into(),
                expiration: Some(Expiry::Date(UnixMillis(DAY))),
                noncurrent_days: Some(2),
                keep_noncurrent: 1,
                ..Rule::default()
            },
            Rule {
                id: "c".into(),
                tags: tag("w"),
                expired_delete_markers: true,
                abort_uploads_days: Some(7),
                ..Rule::default()
            },
        ];
        assert_eq!(made, expected);
        let object = |key, size| expiration(&settings, (key, size, &tag("v")), UnixMillis(1));
        assert_eq!(
            object("p/x", 6).as_deref(),
            Some(r#"expiry-date="Mon, 05 Jan 1970 00:00:00 GMT", rule-id="a""#)
        );
        assert_eq!(object("p/x", 5), None);
        assert!(object("older", 0).is_some_and(|text| text.contains("02 Jan 1970")));
        let abort = abortion(&settings, "any", UnixMillis(1)).unwrap();
        assert_eq!(abort, (UnixMillis(8 * DAY), "c".to_owned()));
    }
}
