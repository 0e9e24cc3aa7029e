//! The embedded object store: S3's semantics over one directory of one machine, without HTTP or XML.
//!
//! A [`Bucket`] is an opaque incarnation id plus the settings a call depends on; owners, policies and
//! all other settings of a bucket are intent and live elsewhere. The store holds objects.
//!
//! # On disk
//!
//! - `index.sqlite`: keys, versions, delete markers, uploads, parts, metadata, tags, checksums, and the
//!   bytes of small objects.
//! - `blobs/xx/yy/…`: the bytes of larger ones, one file per body or part, under random names. Keys never
//!   become paths.
//! - `tmp/`: bodies on their way in. `lock`: one process. `master.key`: seals the data keys of SSE-S3
//!   (those of SSE-C are sealed by keys that callers bring and nobody keeps).
//!
//! # The order that makes a write durable
//!
//! body → temporary file → `fdatasync` → rename → directory `fsync` → index transaction → answer. The
//! index has one writer thread; all operations that wait share one transaction and one `fsync`. What was
//! acknowledged is there after a crash; what was not is wholly absent, and its file is swept.
//!
//! # Reading
//!
//! Readers have connections of their own and never wait for the writer. Records of recently used keys and
//! the bytes of small objects stay in a bounded cache that the writer clears before it commits, so no
//! reader sees an older state than a listing showed. A blob in use is not unlinked until it is let go.

mod body;
mod buffers;
mod cache;
mod checksum;
mod complete;
mod condition;
mod copy;
mod customer;
mod delete;
mod error;
mod expire;
mod files;
mod get;
mod ids;
mod key;
mod list;
mod lock;
mod md5;
mod multipart;
mod object;
mod pages;
mod put;
mod reading;
mod rows;
mod scan;
mod schema;
mod seal;
mod store;
mod tags;
mod verify;
mod versions;
mod writer;

pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum, RunningChecksum};
pub use copy::{CopyPart, CopyRequest, CopyResult, Directive, PartCopied, Source};
pub use customer::{CustomerKey, Encryption, KeyCheck};
pub use delete::{DeleteOptions, DeleteResult};
pub use error::{Condition, DigestName, Error, Fault};
pub use expire::{Departure, ExpireReport, Expiry, Gone, Rule};
pub use get::{GetOptions, Object, Range};
pub use list::{
    Entry, ListQuery, ListStart, Page, UploadEntry, UploadPage, UploadQuery, VersionEntry,
    VersionPage, VersionQuery,
};
pub use lock::{DefaultRetention, Lock, LockMode, ObjectLock, Period, Retention};
pub use md5::Md5;
pub use multipart::{
    Completion, NewUpload, PartClaim, PartEntry, PartPage, PartResult, PartWriter, UploadInfo,
};
pub use object::{
    Attributes, BodyChecks, BodyOptions, Bucket, EtagKind, EtagMatch, Headers, MD5_TAG_MAX,
    ObjectInfo, ReadConditions, STANDARD, Tags, UnixMillis, VersionId, Versioning, WriteConditions,
};
pub use put::{PutOptions, PutResult, PutWriter};
pub use reading::Body;
pub use store::{Clock, Limits, Options, Store, Usage};
pub use verify::{Problem, VerifyReport};
