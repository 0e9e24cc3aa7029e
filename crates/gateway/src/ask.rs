//! One request after it was understood: what every operation looks at.

use std::borrow::Cow;
use std::sync::Arc;

use adit_model::Millis;
use adit_snapshot::bucket::ObjectLock;
use adit_snapshot::{BucketView, Snapshot};
use adit_wire::s3::Address;
use adit_wire::{ErrorReply, OperationRef, Parts, Value, protocol, s3};
use percent_encoding::percent_decode_str;

use crate::account::Account;
use crate::address::{Place, Way};
use crate::authenticate::Identity;
use crate::connection::Connection;
use crate::decide::not_implemented;
use crate::gateway::Inner;
use crate::ids::RequestId;
use crate::operations::Caller;
use crate::reply::Reply;
use crate::upload::Upload;

/// What a request asks, and of whom.
pub(crate) struct Ask<'a> {
    pub(crate) gateway: &'a Inner,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) connection: &'a Connection,
    pub(crate) way: &'a Way,
    pub(crate) place: &'a Place,
    pub(crate) wire: Parts<'a>,
    pub(crate) identity: &'a Identity,
    pub(crate) op: &'a OperationRef,
    pub(crate) now: Millis,
    pub(crate) id: &'a RequestId,
}

/// What a request uses up: its body, and what is written down about it.
pub(crate) struct Uses<'a> {
    pub(crate) upload: &'a mut Upload,
    pub(crate) account: &'a mut Account,
}

impl<'a> Ask<'a> {
    /// A header as text; none when absent, empty or no UTF-8.
    pub(crate) fn header(&self, name: &str) -> Option<&'a str> {
        self.wire
            .headers
            .get(name)
            .filter(|value| !value.is_empty())
    }

    /// A query parameter, decoded; its first occurrence.
    ///
    /// # Errors
    /// One that is no UTF-8.
    pub(crate) fn query(&self, name: &str) -> Result<Option<Cow<'a, str>>, ErrorReply> {
        let mut rest = self.wire.query;
        while !rest.is_empty() {
            let end = memchr::memchr(b'&', rest.as_bytes()).unwrap_or(rest.len());
            let (pair, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            let (raw, value) = pair.split_once('=').unwrap_or((pair, ""));
            if raw == name || is_escaped(raw, name) {
                let plain = value.contains('+').then(|| value.replace('+', " "));
                let decoded = match plain {
                    Some(plain) => percent_decode_str(&plain)
                        .decode_utf8()
                        .map(|text| Cow::Owned(text.into_owned())),
                    None => percent_decode_str(value).decode_utf8(),
                };
                return decoded
                    .map(Some)
                    .map_err(|_| argument(name, value, "The value is not valid UTF-8."));
            }
        }
        Ok(None)
    }

    /// A query parameter that holds a number.
    ///
    /// # Errors
    /// One that does not.
    pub(crate) fn query_number(&self, name: &str) -> Result<Option<u32>, ErrorReply> {
        let Some(text) = self.query(name)? else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(argument(name, &text, &format!("{name} must be a number"))),
        }
    }

    /// The version that is named in the query.
    pub(crate) fn version(&self) -> Result<Option<adit_objects::VersionId>, ErrorReply> {
        match self.query("versionId")? {
            Some(text) if text.is_empty() => Err(argument(
                "versionId",
                "",
                "Version id cannot be the empty string",
            )),
            Some(text) => Ok(Some(adit_objects::VersionId::new(text.into_owned()))),
            None => Ok(None),
        }
    }

    pub(crate) fn address(&self) -> &'a Address {
        &self.place.address
    }

    /// The key; empty where none is addressed.
    pub(crate) fn key(&self) -> &'a str {
        self.place.address.key().unwrap_or_default()
    }

    /// The bucket's name as addressed; empty where none is.
    pub(crate) fn bucket_name(&self) -> Cow<'a, str> {
        self.place
            .address
            .bucket()
            .map(s3::Bucket::text)
            .unwrap_or_default()
    }

    /// The bucket's own name, also where an access point led to it.
    pub(crate) fn real_bucket(&self) -> Cow<'a, str> {
        match &self.place.bucket {
            Some(view) => Cow::Borrowed(view.bucket.name.as_str()),
            None => self.bucket_name(),
        }
    }

    /// The bucket.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub(crate) fn bucket(&self) -> Result<&'a Arc<BucketView>, ErrorReply> {
        self.place
            .bucket
            .as_ref()
            .ok_or_else(|| no_such_bucket(&self.bucket_name()))
    }

    /// The bucket as the embedded store knows it.
    ///
    /// # Errors
    /// `NoSuchBucket`; `NotImplemented` for one that an upstream keeps: what is not asked of it must not be
    /// done here instead.
    pub(crate) fn stored(&self) -> Result<adit_objects::Bucket, ErrorReply> {
        let view = self.bucket()?;
        match view.bucket.origin {
            None => Ok(stored_bucket(&view.bucket)),
            Some(_) => Err(not_implemented(self.op.name())),
        }
    }

    /// The input by the codec's table, with a body or without.
    ///
    /// # Errors
    /// What the codec does not take.
    pub(crate) fn decode(&self, body: &[u8]) -> Result<Value, ErrorReply> {
        let parts = Parts { body, ..self.wire };
        s3::decode(self.op, self.address(), &parts).map_err(|why| {
            let mut reply = why.reply(self.op.service());
            // Lists have a name of their own for it.
            if reply.code == "MalformedXML"
                && matches!(self.op.name(), "PutBucketAcl" | "PutObjectAcl")
            {
                reply.code = "MalformedACLError".into();
            }
            reply
        })
    }

    /// The answer by the codec's table.
    pub(crate) fn encode(&self, output: &Value) -> Reply {
        Reply::of(protocol::encode(self.op, output, self.id.as_str()))
    }

    /// The caller, for operations.
    pub(crate) fn caller(&self) -> Caller {
        match &self.identity.key {
            Some(key) => Caller::Signed(key.clone()),
            None => Caller::Anonymous,
        }
    }

    /// The canonical id of the bucket owner's account.
    pub(crate) fn owner(&self) -> Option<String> {
        self.owner_of(self.place.bucket.as_ref()?)
    }

    /// The canonical id of the account that owns a bucket.
    pub(crate) fn owner_of(&self, view: &BucketView) -> Option<String> {
        let owner = &view.bucket.owner;
        Some(
            self.snapshot
                .intent
                .accounts
                .get(owner.as_str())?
                .canonical_id
                .clone(),
        )
    }
}

/// A bucket as the store knows it.
pub fn stored_bucket(bucket: &adit_model::Bucket) -> adit_objects::Bucket {
    let versioning = match bucket.versioning.as_deref() {
        Some("Enabled") => adit_objects::Versioning::Enabled,
        Some(_) => adit_objects::Versioning::Suspended,
        None => adit_objects::Versioning::Unversioned,
    };
    adit_objects::Bucket::new(bucket.incarnation.as_str())
        .versioned(versioning)
        .locked(object_lock(bucket))
}

fn object_lock(bucket: &adit_model::Bucket) -> Option<adit_objects::ObjectLock> {
    let lock = ObjectLock::of(&bucket.documents)?;
    let default = lock.rule.and_then(|rule| {
        let default = rule.default_retention;
        let period = match (default.days, default.years) {
            (Some(days), _) => adit_objects::Period::Days(days),
            (None, years) => adit_objects::Period::Years(years?),
        };
        Some(adit_objects::DefaultRetention {
            mode: adit_objects::LockMode::parse(&default.mode)?,
            period,
        })
    });
    Some(adit_objects::ObjectLock { default })
}

/// Whether a parameter's name is `name` in another spelling: what stands behind would read it so.
fn is_escaped(raw: &str, name: &str) -> bool {
    raw.contains('%') && percent_decode_str(raw).eq(name.bytes())
}

pub(crate) fn no_such_bucket(name: &str) -> ErrorReply {
    ErrorReply::new("NoSuchBucket", 404, "The specified bucket does not exist")
        .with("BucketName", name)
}

pub(crate) fn argument(name: &str, value: &str, message: &str) -> ErrorReply {
    let value: String = value.chars().take(256).collect();
    ErrorReply::new("InvalidArgument", 400, message)
        .with("ArgumentName", name)
        .with("ArgumentValue", value)
}
