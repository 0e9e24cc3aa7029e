//! GetObject and HeadObject: find the version, ask the conditions, resolve the range, stream.

use std::task::{Context, Poll};

use bytes::Bytes;

use crate::error::Error;
use crate::object::{Bucket, ObjectInfo, ReadConditions, VersionId};
use crate::store::Store;

/// One range of a `Range` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// `bytes=first-`
    From(u64),
    /// `bytes=first-last`, both included.
    Between(u64, u64),
    /// `bytes=-count`: the last bytes.
    Last(u64),
}

/// What is to be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GetOptions {
    /// This version instead of the current one.
    pub version: Option<VersionId>,
    /// Only these bytes.
    pub range: Option<Range>,
    /// Only this part (exclusive with `range`).
    pub part: Option<u32>,
    /// Conditions.
    pub conditions: ReadConditions,
}

/// An object found.
#[derive(Debug)]
pub struct Object {
    /// What is known of it.
    pub info: ObjectInfo,
    /// First byte and number of bytes of the answer when it is partial (206), else none.
    pub partial: Option<(u64, u64)>,
    /// The bytes (empty for `head`).
    pub body: Body,
}

/// The bytes of an answer: a stream of chunks of at most 256 KiB.
///
/// A blob that is read as a whole is compared with its checksum; if it differs the stream ends with an
/// error *instead of* its last chunk, so that the client sees a truncated answer.
#[derive(Debug)]
pub struct Body {}

impl Body {
    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        0
    }

    /// The next chunk; none at the end.
    ///
    /// # Errors
    /// [`Error::Fault`]; nothing follows it.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// [`Body::next`] for adapters to `http_body::Body` and streams.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let _ = cx;
        Poll::Ready(None)
    }
}

impl Store {
    /// Finds an object and opens its bytes.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed`, `InvalidArgument` (version id),
    /// `PreconditionFailed`, `NotModified`, `InvalidRange`, `InvalidPartNumber`; [`Error::Fault`].
    pub async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
        options: &GetOptions,
    ) -> Result<Object, Error> {
        let _ = (bucket, key, options);
        Err(Error::Closed)
    }

    /// [`Store::get`] without the bytes.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn head(
        &self,
        bucket: &Bucket,
        key: &str,
        options: &GetOptions,
    ) -> Result<Object, Error> {
        let _ = (bucket, key, options);
        Err(Error::Closed)
    }
}
