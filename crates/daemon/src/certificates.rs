//! The operator's own certificates: read at the start, and again when their files change.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use adit_gateway::ca::CaError;
use adit_gateway::{Gateway, OwnCertificate};
use tokio::signal::unix::{SignalKind, signal};

use crate::config::CertificateConfig;
use crate::planes::net::chain;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Reads all of them.
///
/// # Errors
/// The first that cannot be used.
pub fn read(configured: &[CertificateConfig]) -> Result<Vec<OwnCertificate>, CaError> {
    configured
        .iter()
        .map(|one| OwnCertificate::read(&one.names, &one.certificate, &one.key))
        .collect()
}

/// Reads them again on SIGHUP, and when a file was replaced or written. While they cannot be used the old
/// ones stay: a renewal may replace its two files one after the other.
///
/// # Errors
/// If the signal cannot be listened for.
pub fn follow(configured: Vec<CertificateConfig>, gateway: Gateway) -> std::io::Result<()> {
    // Without certificates too: whoever sends the signal does not mean to end the daemon.
    let mut told = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        let mut seen = state(&configured);
        loop {
            let asked = tokio::time::timeout(LOOK, told.recv()).await.is_ok();
            let now = state(&configured);
            if !asked && now == seen {
                continue;
            }
            seen = now;
            match read(&configured) {
                Ok(own) => {
                    gateway.certificates().set_own(own);
                    tracing::info!("certificates were read again");
                }
                Err(why) => {
                    tracing::error!(why = chain(&why), "the old certificates stay in use");
                }
            }
        }
    });
    Ok(())
}

/// What tells that a file is another one: its inode, size and time of change.
type Seen = Option<(u64, u64, i64, i64)>;

fn state(configured: &[CertificateConfig]) -> Vec<Seen> {
    let seen = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.size(), found.mtime(), found.mtime_nsec()))
    };
    configured
        .iter()
        .flat_map(|one| [seen(&one.certificate), seen(&one.key)])
        .collect()
}
