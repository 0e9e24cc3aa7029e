//! The AWS-compatible operations, one file each.
