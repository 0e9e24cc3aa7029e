//! The object store as the front door uses it: one binary, one module per subject.

mod lab;
mod listing;
mod multipart;
mod objects;
