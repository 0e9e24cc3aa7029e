//! Integration tests of the policy engine, through its public interface only.

mod evaluation;
mod language;
mod network;
mod scene;
mod targets;
