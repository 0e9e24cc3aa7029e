//! Where an installation keeps its files, and how a command finds the daemon behind an address.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The file in a state directory that tells commands how to reach and sign for the daemon.
const CLIENT_FILE: &str = "client.json";

/// What a command needs to call a daemon as its root user.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientFile {
    /// `http://127.0.0.1:4566`
    pub endpoint: String,
    /// The default Region.
    pub region: String,
    /// The root user's access key.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The local CA's certificate.
    pub ca_bundle: PathBuf,
    /// The daemon's process.
    pub pid: u32,
    /// Whether it is ephemeral.
    pub ephemeral: bool,
}

impl std::fmt::Debug for ClientFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ClientFile({})", self.endpoint)
    }
}

/// The state directory when none is given: the XDG state home.
pub fn default_state() -> PathBuf {
    let variable = |name: &str| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    let home = variable("XDG_STATE_HOME").filter(|path| path.is_absolute());
    let home = home.or_else(|| variable("HOME").map(|home| home.join(".local/state")));
    home.unwrap_or_else(|| PathBuf::from("/var/lib"))
        .join("adit")
}

/// Writes how to reach the daemon into its state directory, and into the registry by address.
pub fn publish(state: &Path, address: SocketAddr, file: &ClientFile) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(file)?;
    private_file(&state.join(CLIENT_FILE), &text)?;
    private_file(
        &registry()?.join(entry(address)),
        &state.display().to_string(),
    )
}

/// This node's id among those that share a state: made at its first start, and kept.
pub fn node_id(state: &Path) -> std::io::Result<String> {
    let path = state.join("node");
    match std::fs::read_to_string(&path) {
        Ok(id) if !id.trim().is_empty() => Ok(id.trim().to_string()),
        Err(why) if why.kind() != std::io::ErrorKind::NotFound => Err(why),
        _ => {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(state)?;
            let id = adit_api::Ids::random().uuid();
            private_file(&path, &id)?;
            Ok(id)
        }
    }
}

/// Takes the address out of the registry.
pub fn withdraw(state: &Path, address: SocketAddr) {
    let _ = std::fs::remove_file(state.join(CLIENT_FILE));
    if let Ok(registry) = registry() {
        let _ = std::fs::remove_file(registry.join(entry(address)));
    }
}

/// How to reach the daemon of a state directory.
pub fn client_of_state(state: &Path) -> std::io::Result<ClientFile> {
    Ok(serde_json::from_str(&std::fs::read_to_string(
        state.join(CLIENT_FILE),
    )?)?)
}

/// The state directory of the daemon that answers at an address, if this user may know.
pub fn state_of_address(address: SocketAddr) -> std::io::Result<PathBuf> {
    Ok(std::fs::read_to_string(registry()?.join(entry(address)))?.into())
}

fn entry(address: SocketAddr) -> String {
    address.to_string().replace([':', '[', ']'], "_")
}

/// This user's directory of running daemons. Refused when somebody else could write there.
fn registry() -> std::io::Result<PathBuf> {
    // The owner of this process decides which files it makes and trusts.
    let uid = std::fs::metadata("/proc/self")?.uid();
    let path = match uid {
        0 => PathBuf::from("/run/adit/by-address"),
        uid => std::env::temp_dir()
            .join(format!("adit-{uid}"))
            .join("by-address"),
    };
    if let Some(parent) = path.parent() {
        private_directory(parent, uid)?;
    }
    private_directory(&path, uid)?;
    Ok(path)
}

fn private_directory(path: &Path, uid: u32) -> std::io::Result<()> {
    match DirBuilder::new()
        .mode(0o700)
        .recursive(path.starts_with("/run"))
        .create(path)
    {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != uid {
        return Err(std::io::Error::other(format!(
            "`{}` belongs to somebody else",
            path.display()
        )));
    }
    Ok(())
}

/// Writes a file that only this user can read, whole or not at all.
pub fn private_file(path: &Path, text: &str) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&new, path)
}
