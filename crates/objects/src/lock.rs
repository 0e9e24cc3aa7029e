//! Object Lock: retention and legal hold of versions, and who may change or remove what is locked
//! [S3 User Guide, "Locking objects with Object Lock"].
//!
//! A lock is a version's: it stops the version from being removed or replaced, whoever asks. A delete
//! without a version id puts a marker over it, which is never locked itself.

use std::sync::Arc;

use rusqlite::{Row, params};

use crate::error::Error;
use crate::get::Object;
use crate::object::{Bucket, UnixMillis, VersionId};
use crate::rows::{Found, Which, find};
use crate::schema::sql;
use crate::store::Store;
use crate::writer::Tx;

const DAY: i64 = 24 * 3600 * 1000;

/// How strictly a version is retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Who has a right of its own may bypass it.
    Governance,
    /// Nobody can shorten or lift it.
    Compliance,
}

impl LockMode {
    /// As S3 spells it.
    pub fn name(self) -> &'static str {
        match self {
            LockMode::Governance => "GOVERNANCE",
            LockMode::Compliance => "COMPLIANCE",
        }
    }

    /// Reads S3's spelling; letters in lower case are none.
    pub fn parse(text: &str) -> Option<LockMode> {
        [LockMode::Governance, LockMode::Compliance]
            .into_iter()
            .find(|mode| mode.name() == text)
    }

    fn number(self) -> i64 {
        match self {
            LockMode::Governance => 1,
            LockMode::Compliance => 2,
        }
    }
}

/// Until when a version is kept, and how strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How strictly.
    pub mode: LockMode,
    /// The first moment at which it binds nobody any more.
    pub until: UnixMillis,
}

impl Retention {
    fn is_active(&self, now: UnixMillis) -> bool {
        self.until > now
    }
}

/// What locks one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lock {
    /// The retention, also one that has run out.
    pub retention: Option<Retention>,
    /// The legal hold; none if it was never said.
    pub legal_hold: Option<bool>,
}

impl Lock {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Lock::default()
    }

    /// Whether the version must stay at `now`. `bypass`: the caller may, and wants to, go past governance.
    pub fn holds(&self, now: UnixMillis, bypass: bool) -> bool {
        let retained = self.retention.is_some_and(|retention| {
            retention.is_active(now) && !(bypass && retention.mode == LockMode::Governance)
        });
        retained || self.legal_hold == Some(true)
    }

    /// Whether the retention may become `new` at `now`: longer always, else only past governance.
    fn allows(&self, new: Option<Retention>, now: UnixMillis, bypass: bool) -> bool {
        let Some(old) = self.retention.filter(|old| old.is_active(now)) else {
            return true;
        };
        let extends = new.is_some_and(|new| new.mode == old.mode && new.until >= old.until);
        extends || (bypass && old.mode == LockMode::Governance)
    }
}

/// How long versions are retained whose writer does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// So many days of 24 hours.
    Days(u32),
    /// Until the same day so many years later.
    Years(u32),
}

/// The retention that a bucket gives to versions whose writer does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultRetention {
    /// How strictly.
    pub mode: LockMode,
    /// For how long.
    pub period: Period,
}

impl DefaultRetention {
    /// The retention of a version that is made at `now`.
    pub fn from(self, now: UnixMillis) -> Retention {
        let until = match self.period {
            Period::Days(days) => now.0.saturating_add(i64::from(days).saturating_mul(DAY)),
            Period::Years(years) => years_after(now.0, i64::from(years)),
        };
        Retention {
            mode: self.mode,
            until: UnixMillis(until),
        }
    }
}

/// The same time of the same day `years` later; a 29th of February becomes the 28th.
fn years_after(millis: i64, years: i64) -> i64 {
    // Days since the first of March of the year 0: leap days are then the last of their years.
    const TO_MARCH: i64 = 719_468;
    let days = millis.div_euclid(DAY) + TO_MARCH;
    let before =
        |year: i64| 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let mut year = (days * 400).div_euclid(146_097);
    while before(year + 1) <= days {
        year += 1;
    }
    while before(year) > days {
        year -= 1;
    }
    let later = year.saturating_add(years.min(10_000));
    let day = (days - before(year)).min(before(later + 1) - before(later) - 1);
    (before(later) + day - TO_MARCH) * DAY + millis.rem_euclid(DAY)
}

/// That a bucket has Object Lock, which it keeps for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObjectLock {
    /// What versions get whose writer does not say.
    pub default: Option<DefaultRetention>,
}

/// A [`Lock`] as its columns: `lock_mode, lock_until, legal_hold`.
pub(crate) fn lock_columns(lock: &Lock) -> (Option<i64>, Option<i64>, Option<bool>) {
    let retention = lock.retention;
    (
        retention.map(|retention| retention.mode.number()),
        retention.map(|retention| retention.until.0),
        lock.legal_hold,
    )
}

/// Reads the columns of a [`Lock`] beginning at column `at`. A mode that is unknown binds everybody.
pub(crate) fn read_lock(row: &Row<'_>, at: usize) -> rusqlite::Result<Lock> {
    let mode: Option<i64> = row.get(at)?;
    let until: Option<i64> = row.get(at + 1)?;
    let mode = mode.map(|number| match number {
        1 => LockMode::Governance,
        _ => LockMode::Compliance,
    });
    Ok(Lock {
        retention: mode.zip(until).map(|(mode, until)| Retention {
            mode,
            until: UnixMillis(until),
        }),
        legal_hold: row.get(at + 2)?,
    })
}

/// Refuses a lock in a bucket without Object Lock, and a retention that would be over already.
pub(crate) fn check_lock(bucket: &Bucket, lock: &Lock, now: UnixMillis) -> Result<(), Error> {
    if lock.is_empty() {
        return Ok(());
    }
    check_enabled(bucket)?;
    match lock.retention {
        Some(retention) if !retention.is_active(now) => Err(Error::RetainUntilPast {
            until: retention.until,
        }),
        _ => Ok(()),
    }
}

fn check_enabled(bucket: &Bucket) -> Result<(), Error> {
    match bucket.lock {
        Some(_) => Ok(()),
        None => Err(Error::request(
            "Bucket is missing Object Lock Configuration",
        )),
    }
}

/// How a version's lock is to change.
#[derive(Clone, Copy)]
enum Change {
    Retention {
        new: Option<Retention>,
        bypass: bool,
    },
    LegalHold(bool),
}

impl Change {
    fn apply(self, lock: Lock, now: UnixMillis) -> Option<Lock> {
        match self {
            Change::Retention { new, bypass } => lock.allows(new, now, bypass).then_some(Lock {
                retention: new,
                ..lock
            }),
            Change::LegalHold(on) => Some(Lock {
                legal_hold: Some(on),
                ..lock
            }),
        }
    }
}

impl Store {
    /// What locks a version, and its id.
    ///
    /// # Errors
    /// As [`Store::head`]; `InvalidRequest` for a bucket without Object Lock.
    pub async fn lock(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
    ) -> Result<(Lock, Option<VersionId>), Error> {
        check_enabled(bucket)?;
        let object = self.peek(bucket, key, version).await?;
        Ok((object.info().attributes.lock, object.version_id))
    }

    /// Sets or (with none) lifts the retention of a version. `bypass`: the caller may, and wants to, go past
    /// governance. Returns the version.
    ///
    /// # Errors
    /// `AccessDenied` where the present retention forbids it; `InvalidArgument` for a date that is past;
    /// `InvalidRequest` for a bucket without Object Lock; as [`Store::head`].
    pub async fn set_retention(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        new: Option<Retention>,
        bypass: bool,
    ) -> Result<Option<VersionId>, Error> {
        check_enabled(bucket)?;
        let said = Lock {
            retention: new,
            legal_hold: None,
        };
        check_lock(bucket, &said, (self.inner.options.clock)())?;
        let change = Change::Retention { new, bypass };
        self.change_lock(bucket, key, version, change).await
    }

    /// Puts a legal hold on a version, or takes it off. Returns the version.
    ///
    /// # Errors
    /// `InvalidRequest` for a bucket without Object Lock; as [`Store::head`].
    pub async fn set_legal_hold(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        on: bool,
    ) -> Result<Option<VersionId>, Error> {
        check_enabled(bucket)?;
        self.change_lock(bucket, key, version, Change::LegalHold(on))
            .await
    }

    /// Changes the lock of a version that exists, by what it is when the change is made. If the version
    /// goes between the look and the change, the look is repeated.
    async fn change_lock(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        change: Change,
    ) -> Result<Option<VersionId>, Error> {
        let row = self.inner.bucket_row(&bucket.id).await?;
        let key: Arc<str> = key.into();
        loop {
            let object: Object = self.peek(bucket, &key, version).await?;
            let (id, owned) = (object.row(), key.clone());
            let changed = self
                .inner
                .writer
                .submit(move |tx| tx.change_lock(row, &owned, id, change))
                .await?;
            if changed {
                return Ok(object.version_id);
            }
        }
    }
}

impl Tx<'_> {
    /// False if the version is gone.
    fn change_lock(
        &mut self,
        bucket: i64,
        key: &str,
        id: i64,
        change: Change,
    ) -> Result<bool, Error> {
        self.check_bucket(bucket)?;
        let found = find(self.conn, bucket, key, Which::Row(id))?;
        let Some((Found::Object(record), _)) = found else {
            return Ok(false);
        };
        let lock = change
            .apply(record.info.attributes.lock, self.now)
            .ok_or_else(|| Error::locked(key))?;
        let (mode, until, hold) = lock_columns(&lock);
        let text = "UPDATE version SET lock_mode = ?2, lock_until = ?3, legal_hold = ?4
                    WHERE id = ?1";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(params![id, mode, until, hold]))?;
        self.touch(bucket, key);
        Ok(true)
    }

    /// Refuses to take a version away that is locked.
    pub(crate) fn check_unlocked(&self, key: &str, lock: &Lock, bypass: bool) -> Result<(), Error> {
        match lock.holds(self.now, bypass) {
            true => Err(Error::locked(key)),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LockMode::{Compliance, Governance};
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn until(mode: LockMode, millis: i64) -> Option<Retention> {
        Some(Retention {
            mode,
            until: UnixMillis(millis),
        })
    }

    fn lock(retention: Option<Retention>, legal_hold: Option<bool>) -> Lock {
        Lock {
            retention,
            legal_hold,
        }
    }

    #[test]
    fn what_holds_a_version() {
        let (later, past) = (NOW.0 + 1, NOW.0);
        for (case, plainly, with_bypass) in [
            (lock(None, None), false, false),
            (lock(None, Some(false)), false, false),
            (lock(None, Some(true)), true, true),
            (lock(until(Governance, later), None), true, false),
            (lock(until(Governance, past), None), false, false),
            (lock(until(Compliance, later), Some(false)), true, true),
            (lock(until(Compliance, past), None), false, false),
            (lock(until(Governance, later), Some(true)), true, true),
            (lock(until(Compliance, past), Some(true)), true, true),
        ] {
            assert_eq!(case.holds(NOW, false), plainly, "{case:?}");
            assert_eq!(case.holds(NOW, true), with_bypass, "{case:?} bypassed");
        }
    }

    #[test]
    fn how_a_retention_changes() {
        let (old, longer, shorter) = (NOW.0 + 10, NOW.0 + 11, NOW.0 + 9);
        let past = NOW.0;
        for (from, to, plainly, with_bypass) in [
            (None, until(Governance, longer), true, true),
            (None, until(Compliance, longer), true, true),
            (None, None, true, true),
            (
                until(Governance, old),
                until(Governance, longer),
                true,
                true,
            ),
            (until(Governance, old), until(Governance, old), true, true),
            (
                until(Governance, old),
                until(Governance, shorter),
                false,
                true,
            ),
            (
                until(Governance, old),
                until(Compliance, longer),
                false,
                true,
            ),
            (until(Governance, old), None, false, true),
            (
                until(Compliance, old),
                until(Compliance, longer),
                true,
                true,
            ),
            (until(Compliance, old), until(Compliance, old), true, true),
            (
                until(Compliance, old),
                until(Compliance, shorter),
                false,
                false,
            ),
            (
                until(Compliance, old),
                until(Governance, longer),
                false,
                false,
            ),
            (until(Compliance, old), None, false, false),
            (
                until(Compliance, past),
                until(Governance, shorter),
                true,
                true,
            ),
            (until(Compliance, past), None, true, true),
        ] {
            let lock = lock(from, None);
            assert_eq!(lock.allows(to, NOW, false), plainly, "{from:?} to {to:?}");
            assert_eq!(
                lock.allows(to, NOW, true),
                with_bypass,
                "{from:?} to {to:?}"
            );
        }
    }

    /// Whatever is asked in whatever order, a compliance date never moves back before it is reached, and
    /// without bypass neither does a governance date.
    #[test]
    fn no_series_of_changes_shortens_what_binds() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let (mut now, mut lock) = (0_i64, Lock::default());
        for _ in 0..20_000 {
            now += next(20) as i64;
            let mode = if next(2) == 0 { Governance } else { Compliance };
            let new = (next(4) > 0)
                .then(|| until(mode, now + 1 + next(100) as i64))
                .flatten();
            let bypass = next(2) == 0;
            let (old, at) = (lock.retention, UnixMillis(now));
            let Some(changed) = (Change::Retention { new, bypass }).apply(lock, at) else {
                assert!(old.is_some_and(|old| old.is_active(at)), "nothing bound");
                continue;
            };
            lock = changed;
            let Some(old) = old.filter(|old| old.is_active(at)) else {
                continue;
            };
            let kept = lock
                .retention
                .is_some_and(|new| new.until >= old.until && new.mode == old.mode);
            assert!(
                kept || (bypass && old.mode == Governance),
                "{old:?} became {lock:?} at {now}"
            );
        }
    }

    #[test]
    fn default_periods_are_days_or_calendar_years() {
        const START: i64 = 1_767_225_600_000; // 2026-01-01T00:00:00Z
        let default = |period, from: i64| {
            let mode = Governance;
            DefaultRetention { mode, period }
                .from(UnixMillis(from))
                .until
                .0
        };
        assert_eq!(default(Period::Days(1), START + 5), START + 5 + DAY);
        assert_eq!(default(Period::Years(1), START + 5), START + 5 + 365 * DAY);
        // 2027-03-01 and one year hold a leap day; 2028-02-29 and one year end on the 28th.
        let march = START + (365 + 59) * DAY;
        assert_eq!(default(Period::Years(1), march), march + 366 * DAY);
        let leap = march + 365 * DAY;
        assert_eq!(default(Period::Years(1), leap), leap + 365 * DAY);
        assert_eq!(default(Period::Years(4), leap), leap + 1461 * DAY);
        assert_eq!(default(Period::Years(100), START), START + 36_524 * DAY);
        assert!(default(Period::Days(u32::MAX), i64::MAX) > 0);
    }

    #[test]
    fn modes_are_spelled_in_capitals() {
        assert_eq!(LockMode::parse("COMPLIANCE"), Some(Compliance));
        assert_eq!(LockMode::parse("GOVERNANCE"), Some(Governance));
        for text in ["", "governance", "Compliance", "NONE"] {
            assert_eq!(LockMode::parse(text), None, "{text}");
        }
    }
}
