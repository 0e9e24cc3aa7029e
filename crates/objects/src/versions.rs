//! Writing versions: the few changes that every operation on objects is made of.

use rusqlite::{Connection, OptionalExtension, params};

use crate::checksum::ObjectChecksum;
use crate::error::Error;
use crate::lock::{Lock, read_lock};
use crate::object::Attributes;
use crate::rows::AttributeColumns;
use crate::schema::sql;
use crate::store::collect;
use crate::writer::{Delta, Tx};

/// A key's newest version, as a write needs to know it.
pub(crate) struct Head {
    pub(crate) row: i64,
    pub(crate) marker: bool,
    pub(crate) nul: bool,
    pub(crate) size: i64,
    pub(crate) etag: String,
    /// None for a delete marker and for an object in several pieces.
    pub(crate) blob: Option<i64>,
    pub(crate) lock: Lock,
}

impl Head {
    /// The entity tag of the current object, if there is one.
    pub(crate) fn object_etag(&self) -> Option<&str> {
        (!self.marker).then_some(self.etag.as_str())
    }
}

pub(crate) fn head(conn: &Connection, bucket: i64, key: &str) -> Result<Option<Head>, Error> {
    const TEXT: &str = concat!(
        "SELECT id, marker, nul, size, etag, blob, lock_mode, lock_until, legal_hold FROM version ",
        "WHERE bucket = ?1 AND key = ?2 ORDER BY id DESC LIMIT 1"
    );
    let mut statement = sql(conn.prepare_cached(TEXT))?;
    sql(statement
        .query_row(params![bucket, key.as_bytes()], |row| {
            Ok(Head {
                row: row.get(0)?,
                marker: row.get(1)?,
                nul: row.get(2)?,
                size: row.get(3)?,
                etag: row.get(4)?,
                blob: row.get(5)?,
                lock: read_lock(row, 6)?,
            })
        })
        .optional())
}

/// A version about to be written.
pub(crate) struct NewVersion<'a> {
    pub(crate) size: u64,
    pub(crate) etag: &'a str,
    pub(crate) checksum: ObjectChecksum,
    /// Set for an object made by a multipart upload.
    pub(crate) parts: Option<u32>,
    /// None if the bytes are in `piece` rows.
    pub(crate) blob: Option<i64>,
    pub(crate) attributes: &'a Attributes,
}

impl Tx<'_> {
    /// Refuses a bucket that was retired.
    pub(crate) fn check_bucket(&self, bucket: i64) -> Result<(), Error> {
        let text = "SELECT name FROM bucket WHERE id = ?1 AND retired <> 0";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        match sql(statement.query_row([bucket], |row| row.get(0)).optional())? {
            Some(bucket) => Err(Error::NoSuchBucket { bucket }),
            None => Ok(()),
        }
    }

    /// Writes a version with this row number over `head`, the key's newest one.
    pub(crate) fn insert_version(
        &mut self,
        (bucket, key): (i64, &str),
        row: i64,
        nul: bool,
        version: &NewVersion<'_>,
    ) -> Result<(), Error> {
        let columns = AttributeColumns::new(version.attributes)?;
        let text = "INSERT INTO version (bucket, key, id, latest, marker, nul, modified, size, etag,
            algorithm, checksum, composite, parts, blob, class, sse, owner, meta, tags, acl, customer,
            lock_mode, lock_until, legal_hold)
            VALUES (?1, ?2, ?3, 1, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17,
            ?18, ?19, ?20, ?21, ?22)";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(params![
            bucket,
            key.as_bytes(),
            row,
            nul,
            self.now.0,
            version.size,
            version.etag,
            version.checksum.value.algorithm().number(),
            version.checksum.value.as_bytes(),
            version.checksum.parts,
            version.parts,
            version.blob,
            columns.class,
            columns.sse,
            columns.owner,
            columns.meta,
            columns.tags,
            columns.acl,
            columns.customer,
            columns.lock_mode,
            columns.lock_until,
            columns.legal_hold,
        ]))?;
        let size = version.size as i64;
        self.count(
            bucket,
            Delta {
                objects: 1,
                bytes: size,
                versions: 1,
                version_bytes: size,
            },
        );
        self.touch(bucket, key);
        Ok(())
    }

    /// Writes a version in the place of the `null` object that is the key's newest version: no other row
    /// and no order changes, so neither do the indexes.
    pub(crate) fn overwrite_version(
        &mut self,
        bucket: i64,
        key: &str,
        head: &Head,
        version: &NewVersion<'_>,
    ) -> Result<(), Error> {
        self.release_content(head.row, head.blob)?;
        let columns = AttributeColumns::new(version.attributes)?;
        let text = "UPDATE version SET modified = ?2, size = ?3, etag = ?4, algorithm = ?5,
            checksum = ?6, composite = ?7, parts = ?8, blob = ?9, class = ?10, sse = ?11,
            owner = ?12, meta = ?13, tags = ?14, acl = ?15, customer = ?16, lock_mode = ?17,
            lock_until = ?18, legal_hold = ?19 WHERE id = ?1";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(params![
            head.row,
            self.now.0,
            version.size,
            version.etag,
            version.checksum.value.algorithm().number(),
            version.checksum.value.as_bytes(),
            version.checksum.parts,
            version.parts,
            version.blob,
            columns.class,
            columns.sse,
            columns.owner,
            columns.meta,
            columns.tags,
            columns.acl,
            columns.customer,
            columns.lock_mode,
            columns.lock_until,
            columns.legal_hold,
        ]))?;
        let more = version.size as i64 - head.size;
        self.count(
            bucket,
            Delta {
                bytes: more,
                version_bytes: more,
                ..Delta::default()
            },
        );
        self.touch(bucket, key);
        Ok(())
    }

    pub(crate) fn insert_marker(
        &mut self,
        (bucket, key): (i64, &str),
        row: i64,
        nul: bool,
    ) -> Result<(), Error> {
        let text =
            "INSERT INTO version (bucket, key, id, latest, marker, nul, modified, size, etag,
            algorithm, checksum, sse) VALUES (?1, ?2, ?3, 1, 1, ?4, ?5, 0, '', 0, x'', 0)";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(params![bucket, key.as_bytes(), row, nul, self.now.0]))?;
        self.count(
            bucket,
            Delta {
                versions: 1,
                ..Delta::default()
            },
        );
        self.touch(bucket, key);
        Ok(())
    }

    /// The `null` version that is not the newest, and its lock.
    fn old_null(&self, bucket: i64, key: &str) -> Result<Option<(i64, Lock)>, Error> {
        let text = "SELECT id, lock_mode, lock_until, legal_hold FROM version
                    WHERE bucket = ?1 AND key = ?2 AND nul = 1 AND latest = 0";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement
            .query_row(params![bucket, key.as_bytes()], |row| {
                Ok((row.get(0)?, read_lock(row, 1)?))
            })
            .optional())
    }

    /// Refuses a write that would take a locked `null` version away. A bucket with Object Lock keeps all its
    /// versions, but the write may have begun before it had Object Lock.
    pub(crate) fn check_room(
        &self,
        bucket: i64,
        key: &str,
        head: Option<&Head>,
        nul: bool,
    ) -> Result<(), Error> {
        let lock = match head {
            Some(head) if nul && head.nul => Some(head.lock),
            Some(_) if nul => self.old_null(bucket, key)?.map(|(_, lock)| lock),
            _ => None,
        };
        match lock {
            Some(lock) => self.check_unlocked(key, &lock, false),
            None => Ok(()),
        }
    }

    /// Makes room for a new newest version: with `nul` the `null` version goes, and whatever is newest
    /// then becomes noncurrent.
    pub(crate) fn make_way(
        &mut self,
        bucket: i64,
        key: &str,
        head: Option<&Head>,
        nul: bool,
    ) -> Result<(), Error> {
        let Some(head) = head else { return Ok(()) };
        if nul {
            if head.nul {
                return self.remove_version(bucket, key, head.row);
            }
            if let Some((old, _)) = self.old_null(bucket, key)? {
                self.remove_version(bucket, key, old)?;
            }
        }
        let text = "UPDATE version SET latest = 0, superseded = ?2 WHERE id = ?1";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute(params![head.row, self.now.0]))?;
        if !head.marker {
            self.count(
                bucket,
                Delta {
                    objects: -1,
                    bytes: -head.size,
                    ..Delta::default()
                },
            );
        }
        self.touch(bucket, key);
        Ok(())
    }

    /// Removes a version and lets its bytes go. What becomes newest then is the caller's to say
    /// ([`Tx::promote`]).
    pub(crate) fn remove_version(&mut self, bucket: i64, key: &str, row: i64) -> Result<(), Error> {
        let text = "DELETE FROM version WHERE id = ?1 RETURNING latest, marker, size, blob";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        let (latest, marker, size, blob): (bool, bool, i64, Option<i64>) = sql(statement
            .query_row([row], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
            }))?;
        drop(statement);
        let current = i64::from(latest && !marker);
        self.count(
            bucket,
            Delta {
                objects: -current,
                bytes: -current * size,
                versions: -1,
                version_bytes: -size,
            },
        );
        self.touch(bucket, key);
        if marker {
            return Ok(());
        }
        self.release_content(row, blob)
    }

    /// Lets go of the blob of a version, or of those of its pieces.
    fn release_content(&mut self, row: i64, blob: Option<i64>) -> Result<(), Error> {
        if let Some(blob) = blob {
            return self.release(blob);
        }
        let text = "DELETE FROM piece WHERE version = ?1 RETURNING blob";
        let blobs = collect(self.conn, text, [row], |row| sql(row.get(0)))?;
        blobs.into_iter().try_for_each(|blob| self.release(blob))
    }

    /// Makes the newest remaining version of a key the current one.
    pub(crate) fn promote(&mut self, bucket: i64, key: &str) -> Result<(), Error> {
        let Some(head) = head(self.conn, bucket, key)? else {
            return Ok(());
        };
        let text = "UPDATE version SET latest = 1, superseded = NULL WHERE id = ?1 AND latest = 0";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        if sql(statement.execute([head.row]))? > 0 && !head.marker {
            self.count(
                bucket,
                Delta {
                    objects: 1,
                    bytes: head.size,
                    ..Delta::default()
                },
            );
        }
        self.touch(bucket, key);
        Ok(())
    }

    /// One user of a blob less; the last one takes it away.
    pub(crate) fn release(&mut self, blob: i64) -> Result<(), Error> {
        let text = "DELETE FROM blob WHERE id = ?1 AND refs <= 1 RETURNING file";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        let gone: Option<Option<String>> =
            sql(statement.query_row([blob], |row| row.get(0)).optional())?;
        match gone {
            Some(Some(file)) => self.freed(blob, file.into()),
            Some(None) => {}
            None => {
                let text = "UPDATE blob SET refs = refs - 1 WHERE id = ?1";
                let mut statement = sql(self.conn.prepare_cached(text))?;
                sql(statement.execute([blob]))?;
            }
        }
        Ok(())
    }

    /// One user of a blob more.
    pub(crate) fn share(&mut self, blob: i64) -> Result<(), Error> {
        let text = "UPDATE blob SET refs = refs + 1 WHERE id = ?1";
        let mut statement = sql(self.conn.prepare_cached(text))?;
        sql(statement.execute([blob])).map(drop)
    }
}
