//! What can be changed on, or asked of, an object that exists: tags, ACL, attributes.

use std::sync::Arc;

use rusqlite::{Connection, ToSql, params};

use crate::error::Error;
use crate::get::Object;
use crate::key::check_tags;
use crate::multipart::{PartEntry, PartPage, PartResult, stored_checksum};
use crate::object::{Bucket, ObjectInfo, Tags, VersionId};
use crate::rows::encode_tags;
use crate::schema::sql;
use crate::store::{Store, collect};

impl Store {
    /// The tags of an object (empty if it has none), and its version.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub async fn tags(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
    ) -> Result<(Tags, Option<VersionId>), Error> {
        let object = self.peek(bucket, key, version).await?;
        Ok((object.info().attributes.tags.clone(), object.version_id))
    }

    /// Replaces the tags of an object; empty = delete them. Returns its version.
    ///
    /// # Errors
    /// `InvalidTag`; as [`Store::head`].
    pub async fn set_tags(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        tags: Tags,
    ) -> Result<Option<VersionId>, Error> {
        check_tags(&tags)?;
        let value = encode_tags(&tags)?;
        self.set(
            bucket,
            key,
            version,
            "UPDATE version SET tags = ?2 WHERE id = ?1",
            value,
        )
        .await
    }

    /// Replaces the ACL of an object (its present one is among its attributes). Returns its version.
    ///
    /// # Errors
    /// As [`Store::head`].
    pub async fn set_acl(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        acl: Option<Vec<u8>>,
    ) -> Result<Option<VersionId>, Error> {
        self.set(
            bucket,
            key,
            version,
            "UPDATE version SET acl = ?2 WHERE id = ?1",
            acl,
        )
        .await
    }

    /// GetObjectAttributes: what is known of an object, and the parts of a multipart one after `marker`
    /// (number, size and checksum; parts of a completed object have no entity tags).
    ///
    /// # Errors
    /// As [`Store::head`].
    pub async fn attributes(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        marker: u32,
        max_parts: usize,
    ) -> Result<(Object, Option<PartPage>), Error> {
        loop {
            let object = self.peek(bucket, key, version).await?;
            let Some(total) = object.info().parts else {
                return Ok((object, None));
            };
            let info = object.info().clone();
            let row = object.row();
            let page = self
                .inner
                .read(move |inner| {
                    inner
                        .readers
                        .snapshot(|conn| pieces_as_parts(conn, row, &info, marker, max_parts))
                })
                .await?;
            // None: replaced between the two looks.
            if let Some(page) = page {
                return Ok((object, Some(PartPage { total, ..page })));
            }
        }
    }

    /// Changes one column of an object that exists. If it is replaced between the look and the change,
    /// the look is repeated.
    async fn set(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        text: &'static str,
        value: impl ToSql + Send + Sync + 'static,
    ) -> Result<Option<VersionId>, Error> {
        let value = Arc::new(value);
        loop {
            let object = self.peek(bucket, key, version).await?;
            let id = object.row();
            let row = self.inner.bucket_row(&bucket.id).await?;
            let (key, value) = (key.to_owned(), value.clone());
            let changed = self
                .inner
                .writer
                .submit(move |tx| {
                    tx.check_bucket(row)?;
                    tx.touch(row, &key);
                    let mut statement = sql(tx.conn.prepare_cached(text))?;
                    sql(statement.execute(params![id, *value]))
                })
                .await?;
            if changed > 0 {
                return Ok(object.version_id);
            }
        }
    }
}

/// The pieces of a multipart object as its parts; none if it is no longer that object.
fn pieces_as_parts(
    conn: &Connection,
    version: i64,
    info: &ObjectInfo,
    marker: u32,
    max: usize,
) -> Result<Option<PartPage>, Error> {
    let same = "SELECT 1 FROM version WHERE id = ?1 AND etag = ?2 AND modified = ?3";
    let values = params![version, info.etag, info.last_modified.0];
    if !sql(conn
        .prepare_cached(same)
        .and_then(|mut statement| statement.exists(values)))?
    {
        return Ok(None);
    }
    let max = max.min(1000);
    let text = "SELECT number, size, checksum FROM piece
                WHERE version = ?1 AND number > ?2 ORDER BY number LIMIT ?3";
    let mut parts = collect(
        conn,
        text,
        params![version, marker, max as i64 + 1],
        |row| {
            Ok(PartEntry {
                part_number: sql(row.get(0))?,
                part: PartResult {
                    etag: String::new(),
                    size: sql(row.get(1))?,
                    checksum: sql(stored_checksum(row, 2))?,
                    last_modified: info.last_modified,
                },
            })
        },
    )?;
    let truncated = max > 0 && parts.len() > max;
    parts.truncate(max);
    let next_marker = parts.last().map_or(0, |last| last.part_number);
    Ok(Some(PartPage {
        truncated,
        next_marker,
        total: 0,
        parts,
    }))
}
