//! Intent made durable.
