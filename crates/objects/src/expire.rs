//! Lifecycle expiry: which objects a bucket's rules let go, and letting them go.

use rusqlite::{Connection, OptionalExtension, params};

use crate::error::Error;
use crate::lock::read_lock;
use crate::object::{Bucket, ObjectInfo, Tags, UnixMillis, VersionId, Versioning};
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

/// Something that a rule let go, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// What was done.
    pub what: Departure,
    /// The object's key.
    pub key: String,
    /// The version that is gone, where there are versions.
    pub version: Option<VersionId>,
    /// Bytes it had.
    pub size: u64,
}

/// What was done to something that expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It is gone for good.
    Removed,
    /// A delete marker covers it.
    Covered,
    /// An upload was aborted.
    Aborted,
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
    /// Its version id is `null`.
    null: bool,
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
    /// Applies the rules as of `now`, in bounded steps beside other traffic, and tells what went. An object
    /// that was replaced meanwhile is left alone.
    ///
    /// # Errors
    /// [`Error::Fault`]; what was done so far stays done.
    pub async fn expire(
        &self,
        bucket: &Bucket,
        rules: &[Rule],
        now: UnixMillis,
        tell: &mut (dyn FnMut(Gone) + Send),
    ) -> Result<ExpireReport, Error> {
        let mut report = ExpireReport::default();
        let Some(row) = self.inner.known_bucket(&bucket.id) else {
            return Ok(report);
        };
        for rule in rules {
            let mut gone = |gone: Gone, fate| {
                match fate {
                    Some(Fate::Current) => report.objects += 1,
                    Some(Fate::Noncurrent) => report.versions += 1,
                    Some(Fate::Marker) => report.markers += 1,
                    None => report.uploads += 1,
                }
                tell(gone);
            };
            self.expire_versions(bucket, row, rule, now, &mut gone)
                .await?;
            if let Some(days) = rule.abort_uploads_days {
                self.expire_uploads(row, rule, days, now, &mut gone).await?;
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
        gone: &mut Tell<'_>,
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
                for (version, fate) in done {
                    gone(self.told(versioning, version, fate), Some(fate));
                }
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
        gone: &mut Tell<'_>,
    ) -> Result<(), Error> {
        let mut after = 0;
        loop {
            let prefix = rule.prefix.clone();
            let page: Vec<(i64, UnixMillis, String)> = self
                .inner
                .read(move |inner| {
                    inner.readers.with(|conn| {
                        let text = "SELECT id, initiated, key FROM upload INDEXED BY upload_by_key
                            WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND id > ?4
                            ORDER BY id LIMIT ?5";
                        let end = after_prefix(&prefix);
                        let values = params![row, prefix.as_bytes(), end, after, STEP as i64];
                        collect(conn, text, values, |row| {
                            let key = key_text(sql(row.get_ref(2))?)?.to_owned();
                            Ok((sql(row.get(0))?, UnixMillis(sql(row.get(1))?), key))
                        })
                    })
                })
                .await?;
            let Some((last, ..)) = page.last() else {
                return Ok(());
            };
            after = *last;
            for (upload, initiated, key) in page {
                if days_after(initiated, days) > now {
                    continue;
                }
                self.inner
                    .writer
                    .submit(move |tx| tx.remove_upload(upload))
                    .await?;
                let aborted = Gone {
                    what: Departure::Aborted,
                    key,
                    version: None,
                    size: 0,
                };
                gone(aborted, None);
            }
        }
    }
}

/// Takes what is gone, and by which fate; none for an upload.
type Tell<'t> = dyn FnMut(Gone, Option<Fate>) + Send + 't;

impl Store {
    fn told(&self, versioning: Versioning, version: Candidate, fate: Fate) -> Gone {
        let versions = versioning != Versioning::Unversioned;
        let covered = versions && matches!(fate, Fate::Current);
        Gone {
            what: match covered {
                true => Departure::Covered,
                false => Departure::Removed,
            },
            version: (versions && !covered).then(|| match version.null {
                true => VersionId::new("null"),
                false => self.inner.ids.version(version.row),
            }),
            key: version.key,
            size: version.size,
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
    let columns = "id, key, latest, marker, modified, superseded, size, tags, nul";
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
            null: sql(row.get(8))?,
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
    ) -> Result<Vec<(Candidate, Fate)>, Error> {
        let mut done = Vec::new();
        for (version, fate) in due {
            let key = version.key.as_str();
            // A delete marker over what is current takes nothing away; all else leaves what is locked.
            let covers = matches!(fate, Fate::Current) && versioning == Versioning::Enabled;
            if !self.is_as_judged(&version, covers)?
                || (matches!(fate, Fate::Marker) && !is_alone(self.conn, bucket, &version)?)
            {
                continue;
            }
            match fate {
                Fate::Current => self.delete_current(bucket, key, versioning)?,
                Fate::Noncurrent | Fate::Marker => {
                    self.remove_version(bucket, key, version.row)?;
                }
            }
            done.push((version, fate));
        }
        Ok(done)
    }

    /// Whether a version is still what it was when it was judged, and may go: by itself or `covers`.
    fn is_as_judged(&self, version: &Candidate, covers: bool) -> Result<bool, Error> {
        let text = "SELECT lock_mode, lock_until, legal_hold FROM version
                    WHERE id = ?1 AND latest = ?2 AND modified = ?3";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        let values = params![version.row, version.latest, version.written.0];
        let lock = sql(statement
            .query_row(values, |row| read_lock(row, 0))
            .optional())?;
        Ok(lock.is_some_and(|lock| covers || !lock.holds(self.now, false)))
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
