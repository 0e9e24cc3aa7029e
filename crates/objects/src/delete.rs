//! DeleteObject and DeleteObjects, with delete markers.

use crate::condition::check_write;
use crate::error::Error;
use crate::key::check_key;
use crate::object::{Bucket, VersionId, Versioning, WriteConditions};
use crate::rows::{Found, Which, find};
use crate::store::{Inner, Store};
use crate::versions::{Head, head};
use crate::writer::Tx;

/// What is to be deleted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// Remove this version for good, instead of the current object.
    pub version: Option<VersionId>,
    /// `If-Match` on the current object (or the version).
    pub conditions: WriteConditions,
    /// The caller may, and wants to, remove a version in spite of its governance retention.
    pub bypass_governance: bool,
}

/// What a delete did. Deleting what is not there succeeds, as on S3.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeleteResult {
    /// Whether a delete marker was made or removed (`x-amz-delete-marker`).
    pub delete_marker: bool,
    /// The marker made, or the version removed.
    pub version_id: Option<VersionId>,
}

/// A delete in terms of rows.
struct Plan {
    key: String,
    options: DeleteOptions,
    which: Option<Which>,
}

/// What came of it: whether a marker is concerned, and the row of a marker made.
struct Done {
    marker: bool,
    made: Option<i64>,
}

impl Store {
    /// Deletes an object, makes a delete marker, or removes a version.
    ///
    /// # Errors
    /// `AccessDenied` for a version that is locked; `InvalidArgument` (version id), `PreconditionFailed`, `NoSuchKey` (only with `If-Match`), `KeyTooLong`,
    /// `NoSuchBucket`; [`Error::Fault`].
    pub async fn delete(
        &self,
        bucket: &Bucket,
        key: &str,
        options: DeleteOptions,
    ) -> Result<DeleteResult, Error> {
        let plan = self.inner.plan_delete(key.to_owned(), options)?;
        let version = plan.options.version.clone();
        let row = self.inner.bucket_row(&bucket.id).await?;
        let versioning = bucket.versioning;
        let done = self
            .inner
            .writer
            .submit(move |tx| tx.delete(row, versioning, &plan))
            .await?;
        Ok(self.inner.deleted(versioning, version, &done))
    }

    /// Deletes many in one transaction; one result per item, in order. An item that fails does not
    /// touch the others.
    pub async fn delete_many(
        &self,
        bucket: &Bucket,
        items: Vec<(String, DeleteOptions)>,
    ) -> Vec<Result<DeleteResult, Error>> {
        let count = items.len();
        let plans: Vec<Result<Plan, Error>> = items
            .into_iter()
            .map(|(key, options)| self.inner.plan_delete(key, options))
            .collect();
        match self.delete_planned(bucket, plans).await {
            Ok(results) => results,
            // What failed the whole failed each of them.
            Err(error) => {
                let text = error.to_string();
                let mut results = vec![Err(error)];
                let again = || {
                    let fault =
                        crate::error::Fault::new("delete in", "one transaction", text.clone());
                    Err(Error::Fault(fault))
                };
                results.resize_with(count.max(1), again);
                results.truncate(count);
                results
            }
        }
    }

    async fn delete_planned(
        &self,
        bucket: &Bucket,
        plans: Vec<Result<Plan, Error>>,
    ) -> Result<Vec<Result<DeleteResult, Error>>, Error> {
        let row = self.inner.bucket_row(&bucket.id).await?;
        let versioning = bucket.versioning;
        let done = self
            .inner
            .writer
            .submit(move |tx| {
                Ok(plans
                    .into_iter()
                    .map(|plan| {
                        let plan = plan?;
                        let done = tx.attempt(|tx| tx.delete(row, versioning, &plan))?;
                        Ok((plan.options.version, done))
                    })
                    .collect::<Vec<Result<_, Error>>>())
            })
            .await?;
        let shown = |(version, done)| self.inner.deleted(versioning, version, &done);
        Ok(done.into_iter().map(|one| one.map(shown)).collect())
    }
}

impl Inner {
    fn plan_delete(&self, key: String, options: DeleteOptions) -> Result<Plan, Error> {
        check_key(&key)?;
        let which = options
            .version
            .as_ref()
            .map(|version| self.which(version))
            .transpose()?;
        Ok(Plan {
            key,
            options,
            which,
        })
    }

    fn deleted(
        &self,
        versioning: Versioning,
        version: Option<VersionId>,
        done: &Done,
    ) -> DeleteResult {
        let made = done.made.and_then(|row| self.written_id(versioning, row));
        let version_id = version
            .filter(|_| versioning != Versioning::Unversioned)
            .or(made);
        DeleteResult {
            delete_marker: done.marker,
            version_id,
        }
    }
}

impl Tx<'_> {
    fn delete(&mut self, bucket: i64, versioning: Versioning, plan: &Plan) -> Result<Done, Error> {
        self.check_bucket(bucket)?;
        let key = plan.key.as_str();
        match plan.which {
            Some(which) => self.delete_version(bucket, which, plan),
            None => {
                let head = head(self.conn, bucket, key)?;
                let etag = head.as_ref().and_then(Head::object_etag);
                check_write(&plan.options.conditions, key, etag)?;
                self.delete_over(bucket, key, versioning, head)
            }
        }
    }

    /// Deletes the current object as the bucket's versioning state wants it.
    pub(crate) fn delete_current(
        &mut self,
        bucket: i64,
        key: &str,
        versioning: Versioning,
    ) -> Result<(), Error> {
        let head = head(self.conn, bucket, key)?;
        self.delete_over(bucket, key, versioning, head).map(drop)
    }

    fn delete_over(
        &mut self,
        bucket: i64,
        key: &str,
        versioning: Versioning,
        head: Option<Head>,
    ) -> Result<Done, Error> {
        let nul = versioning != Versioning::Enabled;
        self.check_room(bucket, key, head.as_ref(), nul)?;
        if versioning == Versioning::Unversioned {
            if let Some(head) = head {
                self.remove_version(bucket, key, head.row)?;
                self.promote(bucket, key)?;
            }
            return Ok(Done {
                marker: false,
                made: None,
            });
        }
        self.make_way(bucket, key, head.as_ref(), nul)?;
        let row = self.next_id()?;
        self.insert_marker((bucket, key), row, nul)?;
        Ok(Done {
            marker: true,
            made: Some(row),
        })
    }

    fn delete_version(&mut self, bucket: i64, which: Which, plan: &Plan) -> Result<Done, Error> {
        let key = plan.key.as_str();
        let found = find(self.conn, bucket, key, which)?;
        let (row, marker) = match &found {
            None => {
                check_write(&plan.options.conditions, key, None)?;
                return Ok(Done {
                    marker: false,
                    made: None,
                });
            }
            Some((Found::Marker { row, .. }, _)) => {
                check_write(&plan.options.conditions, key, None)?;
                (*row, true)
            }
            Some((Found::Object(record), _)) => {
                check_write(&plan.options.conditions, key, Some(&record.info.etag))?;
                let lock = &record.info.attributes.lock;
                self.check_unlocked(key, lock, plan.options.bypass_governance)?;
                (record.row, false)
            }
        };
        self.remove_version(bucket, key, row)?;
        self.promote(bucket, key)?;
        Ok(Done { marker, made: None })
    }
}
