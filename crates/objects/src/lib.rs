//! The embedded object store and the upstream client, behind one Origin.
