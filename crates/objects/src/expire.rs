//! Lifecycle expiry: which objects a bucket's rules let go, and letting them go.

use rusqlite::{Connection, params};

use crate::error::Error;
use crate::object::{Bucket, ObjectInfo, Tags, UnixMillis, Versioning};
use crate::rows::{decode_tags, key_text};
use crate::scan::after_prefix;
use crate::schema::sql;
use crate::store::{Store, collect};
use crate::writer::Tx;

/// When something expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// This many days after it was written, at the next midnight UTC.
    Days(u32),
    /// At this time (midnight UTC).
    Date(UnixMillis),
}

/// One enabled lifecycle rule, as far as it expires things.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// The rule's id.
    pub id: String,
    /// Only keys that begin so.
    pub prefix: String,
    /// Only objects that have all of these tags.
    pub tags: Tags,
    /// Only objects of more bytes.
    pub size_greater_than: Option<u64>,
    /// Only objects of fewer bytes.
    pub size_less_than: Option<u64>,
    /// Current objects: deleted, or covered by a delete marker when versioned.
    pub expiration: Option<Expiry>,
    /// Remove delete markers that have no other versions under them.
    pub expired_delete_markers: bool,
    /// Noncurrent versions: this many days after they became noncurrent.
    pub noncurrent_days: Option<u32>,
    /// Keep this many of the newest noncurrent versions anyway.
    pub keep_noncurrent: u32,
    /// Abort uploads this many days after they began.
    pub abort_uploads_days: Option<u32>,
}

/// What one run of [`Store::expire`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpireReport {
    /// Current objects deleted or covered by a marker.
    pub objects: u64,
    /// Noncurrent versions removed.
    pub versions: u64,
    /// Delete markers removed.
    pub markers: u64,
    /// Uploads aborted.
    pub uploads: u64,
}

/// Rows looked at, and at most deleted, in one step.
const STEP: usize = 500;
const DAY: i64 = 24 * 3600 * 1000;

/// As S3 counts: so many days after, then the next midnight UTC.
fn days_after(moment: UnixMillis, days: u32) -> UnixMillis {
    let due = moment.0.saturating_add(i64::from(days) * DAY);
    UnixMillis((due.div_euclid(DAY) + 1).saturating_mul(DAY))
}

impl Expiry {
    fn of(self, written: UnixMillis) -> UnixMillis {
        match self {
            Expiry::Days(days) => days_after(written, days),
            Expiry::Date(date) => date,
        }
    }
}

impl Rule {
    /// When this rule lets a *current* object go, for `x-amz-expiration`; none if it does not.
    pub fn expires_at(&self, info: &ObjectInfo) -> Option<UnixMillis> {
        let tags = &info.attributes.tags;
        self.lets_go(&info.key, info.size, tags, info.last_modified)
    }

    /// The same for an object of which only this is known.
    pub fn lets_go(
        &self,
        key: &str,
        size: u64,
        tags: &Tags,
        written: UnixMillis,
    ) -> Option<UnixMillis> {
        self.expiration
            .filter(|_| self.covers(key, size, tags))
            .map(|expiry| expiry.of(written))
    }

    /// When this rule aborts an upload that began then; none if it does not.
    pub fn aborts(&self, key: &str, begun: UnixMillis) -> Option<UnixMillis> {
        let days = self.abort_uploads_days?;
        key.starts_with(&self.prefix)
            .then(|| days_after(begun, days))
    }

    fn covers(&self, key: &str, size: u64, tags: &Tags) -> bool {
        key.starts_with(&self.prefix)
            && self.size_greater_than.is_none_or(|bound| size > bound)
            && self.size_less_than.is_none_or(|bound| size < bound)
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

/// A version as a rule looks at it.
struct Candidate {
    row: i64,
    key: String,
    latest: bool,
    marker: bool,
    written: UnixMillis,
    /// Written, or for a noncurrent version superseded.
    since: UnixMillis,
    size: u64,
    tags: Tags,
}

/// What a rule lets go.
#[derive(Clone, Copy)]
enum Fate {
    Current,
    Noncurrent,
    Marker,
}

/// Where the walk over a bucket's versions is.
#[derive(Default)]
struct Walk {
    key: Vec<u8>,
    below: i64,
    /// Noncurrent versions of `key` seen so far, newest first.
    noncurrent: u32,
    /// Whether the newest version of `key` was seen.
    begun: bool,
}

impl Store {
    /// Applies the rules as of `now`, in bounded steps beside other traffic. An object that was replaced
    /// meanwhile is left alone.
    ///
    /// # Errors
    /// [`Error::Fault`]; what was done so far stays done.
    pub async fn expire(
        &self,
        bucket: &Bucket,
        rules: &[Rule],
        now: UnixMillis,
    ) -> Result<ExpireReport, Error> {
        let mut report = ExpireReport::default();
        let Some(row) = self.inner.known_bucket(&bucket.id) else {
            return Ok(report);
        };
        for rule in rules {
            self.expire_versions(bucket, row, rule, now, &mut report)
                .await?;
            if let Some(days) = rule.abort_uploads_days {
                report.uploads += self.expire_uploads(row, rule, days, now).await?;
            }
        }
        Ok(report)
    }

    async fn expire_versions(
        &self,
        bucket: &Bucket,
        row: i64,
        rule: &Rule,
        now: UnixMillis,
        report: &mut ExpireReport,
    ) -> Result<(), Error> {
        if rule.expiration.is_none()
            && rule.noncurrent_days.is_none()
            && !rule.expired_delete_markers
        {
            return Ok(());
        }
        let versioning = bucket.versioning;
        let mut walk = Walk {
            key: rule.prefix.clone().into_bytes(),
            below: i64::MAX,
            ..Walk::default()
        };
        loop {
            let owned = rule.clone();
            let (next, due, more) = self
                .inner
                .read(move |inner| {
                    inner.readers.snapshot(|conn| {
                        let seen = candidates(conn, row, &owned, &walk)?;
                        let more = seen.len() == STEP;
                        let due = walk.judge(conn, row, &owned, now, seen)?;
                        Ok((walk, due, more))
                    })
                })
                .await?;
            walk = next;
            if !due.is_empty() {
                let done = self
                    .inner
                    .writer
                    .submit(move |tx| tx.let_go(row, versioning, due))
                    .await?;
                report.objects += done.objects;
                report.versions += done.versions;
                report.markers += done.markers;
            }
            if !more {
                return Ok(());
            }
        }
    }

    async fn expire_uploads(
        &self,
        row: i64,
        rule: &Rule,
        days: u32,
        now: UnixMillis,
    ) -> Result<u64, Error> {
        let (mut count, mut after) = (0, 0);
        loop {
            let prefix = rule.prefix.clone();
            let page: Vec<(i64, UnixMillis)> = self
                .inner
                .read(move |inner| {
                    inner.readers.with(|conn| {
                        let text = "SELECT id, initiated FROM upload INDEXED BY upload_by_key
                            WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND id > ?4
                            ORDER BY id LIMIT ?5";
                        let end = after_prefix(&prefix);
                        let values = params![row, prefix.as_bytes(), end, after, STEP as i64];
                        collect(conn, text, values, |row| {
                            Ok((sql(row.get(0))?, UnixMillis(sql(row.get(1))?)))
                        })
                    })
                })
                .await?;
            let Some((last, _)) = page.last() else {
                return Ok(count);
            };
            after = *last;
            let overdue = |(_, initiated): &&(i64, UnixMillis)| days_after(*initiated, days) <= now;
            for upload in page.iter().filter(overdue).map(|(upload, _)| *upload) {
                self.inner
                    .writer
                    .submit(move |tx| tx.remove_upload(upload))
                    .await?;
                count += 1;
            }
        }
    }
}

/// The next versions of a bucket in listing order, from where the walk is.
fn candidates(
    conn: &Connection,
    bucket: i64,
    rule: &Rule,
    walk: &Walk,
) -> Result<Vec<Candidate>, Error> {
    let columns = "id, key, latest, marker, modified, superseded, size, tags";
    let read = |row: &rusqlite::Row<'_>| {
        let written: i64 = sql(row.get(4))?;
        Ok(Candidate {
            row: sql(row.get(0))?,
            key: key_text(sql(row.get_ref(1))?)?.to_owned(),
            latest: sql(row.get(2))?,
            marker: sql(row.get(3))?,
            written: UnixMillis(written),
            since: UnixMillis(sql(row.get::<_, Option<i64>>(5))?.unwrap_or(written)),
            size: sql(row.get(6))?,
            tags: decode_tags(row, 7)?,
        })
    };
    let text = format!(
        "SELECT {columns} FROM version INDEXED BY version_by_key
         WHERE bucket = ?1 AND key = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4"
    );
    let values = params![bucket, walk.key, walk.below, STEP as i64];
    let mut seen = collect(conn, &text, values, read)?;
    let text = format!(
        "SELECT {columns} FROM version INDEXED BY version_by_key
         WHERE bucket = ?1 AND key > ?2 AND key < ?3 ORDER BY key, id DESC LIMIT ?4"
    );
    let left = (STEP - seen.len()) as i64;
    let values = params![bucket, walk.key, after_prefix(&rule.prefix), left];
    seen.extend(collect(conn, &text, values, read)?);
    Ok(seen)
}

impl Walk {
    /// Goes over the next versions and says which are to go.
    fn judge(
        &mut self,
        conn: &Connection,
        bucket: i64,
        rule: &Rule,
        now: UnixMillis,
        seen: Vec<Candidate>,
    ) -> Result<Vec<(Candidate, Fate)>, Error> {
        let mut due = Vec::new();
        for version in seen {
            if !self.begun || self.key != version.key.as_bytes() {
                *self = Walk {
                    key: version.key.clone().into_bytes(),
                    begun: true,
                    ..Walk::default()
                };
            }
            self.below = version.row;
            let fate = match (version.latest, version.marker) {
                (true, false) => rule.current_fate(&version, now),
                (true, true) => {
                    let alone = rule.expired_delete_markers && is_alone(conn, bucket, &version)?;
                    alone.then_some(Fate::Marker)
                }
                (false, _) => {
                    self.noncurrent += 1;
                    rule.noncurrent_fate(&version, self.noncurrent, now)
                }
            };
            due.extend(fate.map(|fate| (version, fate)));
        }
        Ok(due)
    }
}

impl Rule {
    fn current_fate(&self, version: &Candidate, now: UnixMillis) -> Option<Fate> {
        let due = self.expiration?.of(version.since) <= now;
        (due && self.covers(&version.key, version.size, &version.tags)).then_some(Fate::Current)
    }

    fn noncurrent_fate(&self, version: &Candidate, place: u32, now: UnixMillis) -> Option<Fate> {
        let due =
            days_after(version.since, self.noncurrent_days?) <= now && place > self.keep_noncurrent;
        let covers = self.covers(&version.key, version.size, &version.tags);
        (due && covers).then_some(Fate::Noncurrent)
    }
}

/// Whether a marker has no other versions under it.
fn is_alone(conn: &Connection, bucket: i64, marker: &Candidate) -> Result<bool, Error> {
    let text = "SELECT 1 FROM version WHERE bucket = ?1 AND key = ?2 AND id < ?3";
    let mut statement = sql(conn.prepare_cached(text))?;
    let others = sql(statement.exists(params![bucket, marker.key.as_bytes(), marker.row]))?;
    Ok(!others)
}

impl Tx<'_> {
    /// Lets versions go that are still what they were when they were judged.
    fn let_go(
        &mut self,
        bucket: i64,
        versioning: Versioning,
        due: Vec<(Candidate, Fate)>,
    ) -> Result<ExpireReport, Error> {
        let mut done = ExpireReport::default();
        for (version, fate) in due {
            let key = version.key.as_str();
            let text = "SELECT 1 FROM version WHERE id = ?1 AND latest = ?2 AND modified = ?3";
            let same = {
                let mut statement = sql(self.conn.prepare_cached(text))?;
                sql(statement.exists(params![version.row, version.latest, version.written.0]))?
            };
            if !same || (matches!(fate, Fate::Marker) && !is_alone(self.conn, bucket, &version)?) {
                continue;
            }
            match fate {
                Fate::Current => {
                    self.delete_current(bucket, key, versioning)?;
                    done.objects += 1;
                }
                Fate::Noncurrent => {
                    self.remove_version(bucket, key, version.row)?;
                    done.versions += 1;
                }
                Fate::Marker => {
                    self.remove_version(bucket, key, version.row)?;
                    done.markers += 1;
                }
            }
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_end_at_the_next_midnight() {
        // 2014-01-15T10:30Z and three days: 2014-01-19T00:00Z (S3's own example).
        let written = UnixMillis(1_389_781_800_000);
        assert_eq!(days_after(written, 3), UnixMillis(1_390_089_600_000));
        assert_eq!(days_after(UnixMillis(0), 1), UnixMillis(2 * DAY));
        assert_eq!(days_after(UnixMillis(DAY - 1), 0), UnixMillis(DAY));
    }
}
