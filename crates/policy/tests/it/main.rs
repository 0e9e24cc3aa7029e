//! Integration tests of the policy engine, through its public interface only.

mod targets;
