//! `adit backup` and `adit restore`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;

use crate::args::{Restore, Target};

pub(crate) fn backup(target: &Target, file: &Path) -> anyhow::Result<ExitCode> {
    let body = target.client()?.adit_bytes("GetBackup")?;
    let named = || format!("cannot write `{}`", file.display());
    // It holds every secret of the installation.
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .with_context(named)?;
    out.write_all(&body).with_context(named)?;
    out.sync_all().with_context(named)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn restore(target: &Target, wish: Restore) -> anyhow::Result<ExitCode> {
    let state = target.state_dir()?;
    let etcd = wish.etcd.options()?;
    let count = adit_daemon::restore::restore(&wish.file, &state, etcd.as_ref(), wish.force)?;
    println!("{count} resources restored");
    Ok(ExitCode::SUCCESS)
}
