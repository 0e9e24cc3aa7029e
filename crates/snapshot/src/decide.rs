//! The questions that planes ask, and the only place that answers them.

pub mod control;
pub mod name;
pub mod path;
pub mod request;
pub mod service;
