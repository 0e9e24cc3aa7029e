//! `adit restore`: a backup becomes the state.

use std::io::BufReader;
use std::path::Path;

use adit_store::backup::{Backup, BackupError};
use adit_store::etcd;

/// Reads a backup, checks all of it, and puts it in the place of the state: into the directory, or into an
/// etcd. Says how many resources it holds.
///
/// # Errors
/// When the backup is not whole, a daemon runs, or there is a state and `force` was not said.
pub fn restore(
    file: &Path,
    state: &Path,
    store: Option<&etcd::Options>,
    force: bool,
) -> Result<usize, BackupError> {
    let backup = Backup::read(BufReader::new(std::fs::File::open(file)?))?;
    match store {
        None => backup.restore(state, force)?,
        Some(wish) => backup.restore_to_etcd(state, wish, force)?,
    }
    Ok(backup.intent.dump().len())
}
