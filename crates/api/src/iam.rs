//! Operations of iam.
