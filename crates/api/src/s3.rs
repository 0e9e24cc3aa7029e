//! Operations of s3.
