//! Where an intent is made durable: SQLite for one node, etcd for several.

use adit_model::Intent;

use crate::journal::Entry;

/// A durable home of the intent. The journal alone uses it, one call at a time.
pub trait Backend: Send {
    /// Makes entries durable, in order, each wholly or not at all. How many are, and why the others
    /// are not: when it is fewer than were given, there is a reason.
    fn append(&mut self, batch: &[Entry]) -> (usize, Option<AppendError>);

    /// Whether a task of a runtime may call it: it has no runtime of its own, and is not waited for
    /// longer than a disk takes.
    fn in_place(&self) -> bool {
        false
    }

    /// The newest durable intent if somebody else made one newer than this.
    ///
    /// # Errors
    /// When it cannot be read: what is known already stays in force.
    fn newer(&mut self, than: &Intent) -> Result<Option<Intent>, AppendError>;
}

/// Why something was not made durable.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// Another node wrote first: what was built must be built again on what it wrote.
    #[error("another node wrote first")]
    Overtaken,
    /// The home does not take it.
    #[error("{0}")]
    Failed(String),
    /// The home does not answer. Reads go on with the newest intent that was read.
    #[error("{0}")]
    Unreachable(String),
}
