//! What the daemon is told at its start, and why it may not start.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::origins;

/// What the command line says.
#[derive(Clone, Default)]
pub struct UpOptions {
    /// The configuration file.
    pub config: Option<PathBuf>,
    /// The state directory.
    pub state: Option<PathBuf>,
    /// Where the API answers.
    pub listen: Option<SocketAddr>,
    /// State in a temporary place, nothing left at the end.
    pub ephemeral: bool,
    /// The account made at first start.
    pub account: Option<String>,
    /// A default VPC in each Region.
    pub default_vpc: bool,
    /// The root user's access key at first start: id and secret.
    pub root_key: Option<(String, String)>,
    /// A user namespace in any case.
    pub rootless: bool,
    /// Decision records of allowed requests name the statement too.
    pub explain_allowed: bool,
    /// Ends when standard input ends: for a parent that may be killed.
    pub while_stdin: bool,
    /// Which planes run.
    pub planes: PlaneChoice,
    /// An etcd that holds the state in place of the state directory.
    pub store: Option<adit_store::etcd::Options>,
    /// Log level.
    pub log: String,
}

/// Which planes of this node run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlaneChoice {
    /// Network, names and the S3 front door of endpoints.
    #[default]
    All,
    /// None: the control plane alone. Nothing is made true, and what would be stays `pending`.
    None,
}

/// Why the daemon did not start, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum UpError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// An upstream.
    #[error(transparent)]
    Origin(#[from] origins::OriginError),
    /// The state directory.
    #[error(transparent)]
    Store(#[from] adit_store::OpenError),
    /// An option's value.
    #[error("{0}")]
    Option(String),
    /// The API's address.
    #[error(
        "cannot listen on {address}: {why}; choose another address (--listen, or [metrics] listen in the configuration)"
    )]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
    /// The network agent.
    #[error("{0}")]
    Agent(String),
    /// A part that could not be opened.
    #[error("cannot open {what}: {why}")]
    Open {
        /// Which part.
        what: &'static str,
        /// Why.
        why: String,
    },
}

impl std::fmt::Debug for UpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpOptions")
    }
}
