//! S3 Control: access points, batch jobs and the account's settings [s3-policy §D.4, §H].
//!
//! As with S3, the front door decides with the path in mind who may; and that the account of a request
//! is the caller's own.

pub(crate) mod access_point;
pub(crate) mod account_block;
pub(crate) mod job;
pub(crate) mod point_policy;
pub(crate) mod tagging;
