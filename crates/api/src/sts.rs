//! Operations of sts.
