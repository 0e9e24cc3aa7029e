//! GetObject and HeadObject: find the version, ask the conditions, resolve the range, stream.

use std::sync::Arc;

use crate::cache::cache_key;
use crate::condition::{Subject, check_read};
use crate::customer::CustomerKey;
use crate::error::Error;
use crate::files::Pinned;
use crate::key::check_key;
use crate::object::{Bucket, ObjectInfo, ReadConditions, UnixMillis, VersionId, Versioning};
use crate::reading::Body;
use crate::rows::{Found, PieceBytes, Record, Which, find, load_pieces};
use crate::store::{Inner, Store};

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

impl Range {
    /// Reads a `Range` header. None if it is to be ignored, as S3 does: another unit, several ranges, or
    /// not well-formed (RFC 9110 14.2).
    pub fn parse(header: &str) -> Option<Range> {
        let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            // More digits than fit mean "beyond any object".
            digits.then(|| text.parse().unwrap_or(u64::MAX))
        };
        match (first.trim(), last.trim()) {
            ("", count) => number(count).map(Range::Last),
            (first, "") => number(first).map(Range::From),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Range::Between(first, last))
            }
        }
    }

    /// First byte and count in an object of that size; none if no byte is inside (416).
    pub fn resolve(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Range::From(first) => (first < size).then(|| (first, size - first)),
            Range::Between(first, last) => {
                (first < size).then(|| (first, last.min(size - 1) - first + 1))
            }
            Range::Last(count) => {
                let count = count.min(size);
                (count > 0).then(|| (size - count, count))
            }
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Range::From(first) => write!(f, "bytes={first}-"),
            Range::Between(first, last) => write!(f, "bytes={first}-{last}"),
            Range::Last(count) => write!(f, "bytes=-{count}"),
        }
    }
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
    /// SSE-C: the key that the object is sealed with.
    pub customer: Option<CustomerKey>,
}

/// An object found.
#[derive(Debug)]
pub struct Object {
    record: Arc<Record>,
    /// Its version; none when the bucket is unversioned.
    pub version_id: Option<VersionId>,
    /// First byte and number of bytes of the answer when it is partial (206), else none.
    pub partial: Option<(u64, u64)>,
    /// The bytes (empty for `head`).
    pub body: Body,
}

impl Object {
    /// What is known of it.
    pub fn info(&self) -> &ObjectInfo {
        &self.record.info
    }

    pub(crate) fn row(&self) -> i64 {
        self.record.row
    }

    /// Bytes of the answer.
    pub fn length(&self) -> u64 {
        self.partial.map_or(self.info().size, |(_, count)| count)
    }
}

/// A version that was looked up, with its files kept from being unlinked.
pub(crate) struct Located {
    pub(crate) record: Arc<Record>,
    /// None if no file is needed.
    pub(crate) pins: Option<Pinned>,
}

/// What a look at the index found.
enum Look {
    Nothing,
    Object(Located),
    Marker {
        row: i64,
        nul: bool,
        modified: UnixMillis,
    },
}

impl Store {
    /// Finds an object and opens its bytes.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`, `MethodNotAllowed`, `InvalidArgument` (version id),
    /// `PreconditionFailed`, `NotModified`, `InvalidRange`, `InvalidPartNumber`; `InvalidRequest` and
    /// `AccessDenied` as [`Encryption::admits`](crate::Encryption::admits); [`Error::Fault`].
    pub async fn get(
        &self,
        bucket: &Bucket,
        key: &str,
        options: &GetOptions,
    ) -> Result<Object, Error> {
        let located = self
            .inner
            .locate(bucket, key, options.version.as_ref(), true)
            .await?;
        let mut object = self.describe(bucket, &located.record, options)?;
        let (first, len) = object.partial.unwrap_or((0, object.info().size));
        let key = options.customer.as_ref();
        object.body = Body::open(
            &self.inner,
            &located.record,
            located.pins,
            (first, len),
            key,
        )
        .await?;
        Ok(object)
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
        // The parts' sizes are needed to say where a part is.
        let pieces = options.part.is_some();
        let located = self
            .inner
            .locate(bucket, key, options.version.as_ref(), pieces)
            .await?;
        self.describe(bucket, &located.record, options)
    }

    /// What is known of an object, for decisions about it: neither its key nor conditions are asked for.
    ///
    /// # Errors
    /// As [`Store::get`].
    pub async fn peek(
        &self,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
    ) -> Result<Object, Error> {
        let located = self.inner.locate(bucket, key, version, false).await?;
        let record = located.record;
        Ok(Object {
            version_id: self
                .inner
                .shown_id(bucket.versioning, record.row, record.nul),
            record,
            partial: None,
            body: Body::empty(),
        })
    }

    fn describe(
        &self,
        bucket: &Bucket,
        record: &Arc<Record>,
        options: &GetOptions,
    ) -> Result<Object, Error> {
        let info = &record.info;
        info.attributes
            .encryption
            .admits(options.customer.as_ref())?;
        let subject = Subject {
            etag: &info.etag,
            last_modified: info.last_modified,
        };
        let id = || {
            self.inner
                .shown_id(bucket.versioning, record.row, record.nul)
        };
        check_read(&options.conditions, subject, id)?;
        let partial = match (options.part, options.range) {
            (Some(part), _) => Some(part_range(record, part)?),
            (None, Some(range)) => {
                let outside = || Error::InvalidRange {
                    range_requested: range.to_string(),
                    actual_object_size: info.size,
                };
                Some(range.resolve(info.size).ok_or_else(outside)?)
            }
            (None, None) => None,
        };
        Ok(Object {
            record: record.clone(),
            version_id: id(),
            partial,
            body: Body::empty(),
        })
    }
}

/// Where part `number` is. Any object that was not made of parts has one part, itself.
fn part_range(record: &Record, number: u32) -> Result<(u64, u64), Error> {
    let parts = record.info.parts;
    if parts.is_none() && number == 1 {
        return Ok((0, record.info.size));
    }
    let mut first = 0;
    // Parts need not be numbered without gaps; `partNumber` counts them in order.
    for (at, piece) in record.pieces.iter().enumerate() {
        if parts.is_some() && at as u64 + 1 == u64::from(number) {
            return Ok((first, piece.size));
        }
        first += piece.size;
    }
    Err(Error::InvalidPartNumber {
        requested: number,
        actual: parts.unwrap_or(1),
    })
}

impl Inner {
    /// The id a version is shown with.
    pub(crate) fn shown_id(
        &self,
        versioning: Versioning,
        row: i64,
        nul: bool,
    ) -> Option<VersionId> {
        match (versioning, nul) {
            (Versioning::Unversioned, true) => None,
            (_, true) => Some(VersionId::null()),
            (_, false) => Some(self.ids.version(row)),
        }
    }

    /// Looks an object up, in the cache first; with `pieces`, ready to be read.
    pub(crate) async fn locate(
        self: &Arc<Inner>,
        bucket: &Bucket,
        key: &str,
        version: Option<&VersionId>,
        pieces: bool,
    ) -> Result<Located, Error> {
        check_key(key)?;
        let which = version.map(|version| self.which(version)).transpose()?;
        let missing = || match version {
            None => Error::NoSuchKey {
                key: key.to_owned(),
                delete_marker: None,
            },
            Some(version) => Error::NoSuchVersion {
                key: key.to_owned(),
                version_id: version.clone(),
            },
        };
        let row = self.known_bucket(&bucket.id).ok_or_else(missing)?;
        if which.is_none()
            && let Some(located) = self.cached(row, key)
        {
            return Ok(located);
        }
        let (versioning, owned) = (bucket.versioning, key.to_owned());
        let found = self
            .read(move |inner| inner.look_up(row, &owned, which.unwrap_or(Which::Current), pieces))
            .await?;
        match found {
            Look::Nothing => Err(missing()),
            Look::Object(located) => Ok(located),
            Look::Marker { row, nul, modified } => {
                let id = self
                    .shown_id(versioning, row, nul)
                    .unwrap_or_else(VersionId::null);
                match version {
                    None => Err(Error::NoSuchKey {
                        key: key.to_owned(),
                        delete_marker: Some(id),
                    }),
                    Some(_) => Err(Error::MethodNotAllowed {
                        key: key.to_owned(),
                        version_id: id,
                        last_modified: modified,
                    }),
                }
            }
        }
    }

    fn cached(&self, bucket: i64, key: &str) -> Option<Located> {
        let record = self.cache.get(bucket, key)?;
        if record.in_memory() {
            return Some(Located { record, pins: None });
        }
        // What is found while the gate is held is pinned before its files can go.
        let gate = self.files.try_gate()?;
        let record = self.cache.get(bucket, key)?;
        let pins = self.pin(&record);
        drop(gate);
        Some(Located { record, pins })
    }

    fn pin(&self, record: &Record) -> Option<Pinned> {
        let in_file = |piece: &&crate::rows::Piece| matches!(piece.bytes, PieceBytes::File { .. });
        let files = record.pieces.iter().filter(in_file).map(|piece| piece.blob);
        (!record.in_memory()).then(|| self.files.pin(files))
    }

    /// Looks a version up in the index. Blocks.
    fn look_up(&self, bucket: i64, key: &str, which: Which, pieces: bool) -> Result<Look, Error> {
        let gate = self.files.gate();
        let slot = cache_key(bucket, key);
        let ticket = self.cache.ticket(&slot).filter(|_| which == Which::Current);
        let (found, loaded) = self.readers.snapshot(|conn| {
            let mut found = find(conn, bucket, key, which)?;
            let mut loaded = false;
            if let Some((Found::Object(record), blob)) = &mut found {
                // One blob costs little, and a GET often follows a HEAD.
                loaded = pieces || blob.is_some();
                if loaded {
                    load_pieces(conn, &self.master, record, *blob)?;
                }
            }
            Ok((found, loaded))
        })?;
        let record = match found {
            None => return Ok(Look::Nothing),
            Some((Found::Marker { row, nul, modified }, _)) => {
                return Ok(Look::Marker { row, nul, modified });
            }
            Some((Found::Object(record), _)) => Arc::new(*record),
        };
        let pins = self.pin(&record);
        drop(gate);
        if let Some(ticket) = ticket.filter(|_| loaded) {
            self.cache
                .fill(ticket, slot, record.clone(), record.weight());
        }
        Ok(Look::Object(Located { record, pins }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_resolved_as_s3_does() {
        // header, size, first byte and count, or none = not satisfiable; a header that is ignored = "ignored"
        let cases = [
            ("bytes=0-0", 10, Some((0, 1))),
            ("bytes=0-", 10, Some((0, 10))),
            ("bytes=9-", 10, Some((9, 1))),
            ("bytes=10-", 10, None),
            ("bytes=5-99", 10, Some((5, 5))),
            ("bytes=10-20", 10, None),
            ("bytes=-3", 10, Some((7, 3))),
            ("bytes=-99", 10, Some((0, 10))),
            ("bytes=-0", 10, None),
            ("bytes=-1", 0, None),
            ("bytes=0-", 0, None),
            ("bytes=99999999999999999999999-", 10, None),
            ("bytes=2-99999999999999999999999", 10, Some((2, 8))),
        ];
        for (header, size, expected) in cases {
            let range = Range::parse(header).unwrap();
            assert_eq!(range.resolve(size), expected, "{header} of {size}");
        }
        for ignored in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=2-1",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=--1",
        ] {
            assert_eq!(Range::parse(ignored), None, "{ignored}");
        }
    }
}
