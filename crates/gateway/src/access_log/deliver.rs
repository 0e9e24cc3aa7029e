//! Delivering what waits: one object per bucket and run, if the target lets the log service write.

use adit_objects::{Attributes, BodyChecks, BodyOptions, Encryption, Headers, PutOptions};
use adit_policy::{AclGrant, Context, Layers, Principal, Request, keys};
use adit_snapshot::acl::Grantee;
use adit_snapshot::bucket::Logging;
use adit_snapshot::build::PolicyState;
use adit_snapshot::{BucketView, Snapshot};
use adit_wire::time::iso8601;
use bytes::Bytes;

use super::Batch;
use crate::ask::stored_bucket;
use crate::gateway::Gateway;

/// Who writes access logs.
const SERVICE: &str = "logging.s3.amazonaws.com";

/// What became of the lines of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// Objects written.
    pub objects: u64,
    /// Deliveries that their target does not allow, or that have none any more.
    pub dropped: u64,
}

impl Gateway {
    /// Delivers the access logs that wait.
    pub async fn deliver_logs(&self) -> Delivered {
        let mut sum = Delivered::default();
        let waiting = self.inner.access_logs.take();
        let snapshot = self.inner.snapshots.borrow().clone();
        let Some(snapshot) = snapshot else {
            return sum;
        };
        for (bucket, batch) in waiting {
            match self.deliver(&snapshot, &bucket, batch).await {
                Ok(true) => sum.objects += 1,
                Ok(false) => sum.dropped += 1,
                Err(why) => {
                    sum.dropped += 1;
                    tracing::warn!(%why, %bucket, "an access log could not be written");
                }
            }
        }
        sum
    }

    /// Writes one object; false where it has no place.
    async fn deliver(
        &self,
        snapshot: &Snapshot,
        bucket: &str,
        batch: Batch,
    ) -> Result<bool, adit_objects::Error> {
        if batch.lost > 0 {
            tracing::warn!(%bucket, lines = batch.lost, "an access log has gaps: too much waited");
        }
        let source = snapshot
            .bucket(bucket)
            .filter(|view| view.bucket.incarnation == batch.incarnation);
        let Some((source, logging)) = source.and_then(|view| {
            let logging = view.settings.logging.as_ref()?;
            Some((view, logging))
        }) else {
            return Ok(false);
        };
        let Some(target) = snapshot.bucket(&logging.target_bucket) else {
            return Ok(false);
        };
        let number = self.inner.ids.next();
        let key = key(source, logging, batch.since, number.as_str());
        if !may_write(source, target, &key) {
            tracing::info!(%bucket, target = %target.bucket.name, "an access log is not let into its target");
            return Ok(false);
        }
        let account = snapshot.intent.accounts.get(target.bucket.owner.as_str());
        let length = batch.text.len() as u64;
        let options = PutOptions {
            attributes: Attributes {
                headers: Headers {
                    content_type: Some("text/plain".to_owned()),
                    ..Headers::default()
                },
                owner: account.map(|account| account.canonical_id.clone()),
                encryption: Encryption::managed(target.settings.encrypt),
                ..Attributes::default()
            },
            body: BodyOptions {
                etag: self.inner.settings.etag,
                length: Some(length),
                ..BodyOptions::default()
            },
            ..PutOptions::default()
        };
        let mut writer = self
            .inner
            .store
            .begin_put(&stored_bucket(&target.bucket), &key, options)
            .await?;
        writer.write(Bytes::from(batch.text)).await?;
        writer
            .finish(BodyChecks {
                length: Some(length),
                ..BodyChecks::default()
            })
            .await?;
        Ok(true)
    }
}

/// `PrefixYYYY-mm-DD-HH-MM-SS-Unique`, or in the partitioned form with account, Region, bucket and day
/// before it.
fn key(source: &BucketView, logging: &Logging, since: i64, unique: &str) -> String {
    let text = iso8601(since, false);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    let time = time.get(..8).unwrap_or_default().replace(':', "-");
    let file = format!("{date}-{time}-{unique}");
    let prefix = &logging.target_prefix;
    let partitioned = logging
        .target_object_key_format
        .as_ref()
        .is_some_and(|format| format.partitioned_prefix.is_some());
    match partitioned {
        false => format!("{prefix}{file}"),
        true => format!(
            "{prefix}{}/{}/{}/{}/{file}",
            source.bucket.owner,
            source.bucket.region,
            source.bucket.name,
            date.replace('-', "/"),
        ),
    }
}

/// Whether the target's policy, or its ACL, lets the log service write.
fn may_write(source: &BucketView, target: &BucketView, key: &str) -> bool {
    let same = target.bucket.owner == source.bucket.owner
        && target.bucket.region == source.bucket.region
        && target.bucket.origin.is_none();
    if !same {
        return false;
    }
    let policy = match &target.policy {
        None => None,
        Some(PolicyState::Ready(policy)) => Some(&**policy),
        Some(PolicyState::Broken(_)) => return false,
    };
    let mut context = Context::new();
    context.set(keys::SOURCE_ARN, source.bucket.arn());
    context.set(keys::SOURCE_ACCOUNT, source.bucket.owner.as_str());
    context.set(keys::SECURE_TRANSPORT, true);
    let by_list = target.has_acls()
        && target.settings.grants.iter().flatten().any(|grant| {
            grant.grantee == Grantee::LogDelivery
                && grant.permission.allows_on_bucket("s3:PutObject")
        });
    let principal = Principal::service(SERVICE);
    let resource = format!("{}/{key}", target.bucket.arn());
    let request = Request {
        principal: &principal,
        action: "s3:PutObject".into(),
        resource: &resource,
        resource_account: Some(target.bucket.owner.as_str()),
        context: &context,
    };
    let layers = Layers {
        resource: policy,
        acl: match by_list {
            true => AclGrant::Account,
            false => AclGrant::None,
        },
        ..Layers::default()
    };
    adit_policy::decide(&layers, &request, None).is_allowed()
}
