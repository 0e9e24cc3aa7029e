//! Operations of own.
