//! A backup: the intent and a few files of one installation as lines of JSON, whatever home it has.
//!
//! The first line says what it is, the last how many lines there are and their digest: a copy that was cut
//! short or changed is refused as a whole.

use std::io::{BufRead, Write};
use std::path::Path;

use adit_model::{Generation, Intent};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::{Author, OpenError, Store, WriteError, etcd, sql};

/// The version of these lines. A newer one is refused.
const VERSION: u32 = 1;

/// What a backup holds.
#[derive(Debug)]
pub struct Backup {
    /// The intent.
    pub intent: Intent,
    /// Files beside it: a path below the state directory, and the content.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Why a backup cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Reading or writing failed.
    #[error("the backup cannot be read or written: {0}")]
    Io(#[from] std::io::Error),
    /// It is not one, or not whole.
    #[error("line {line} of the backup: {why}")]
    Content {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A newer adit made it.
    #[error("the backup has version {0}, this adit knows {VERSION}; use a newer adit")]
    Newer(u32),
    /// There is a state already.
    #[error("{0} holds a state already; --force puts the backup in its place")]
    NotEmpty(String),
    /// The state cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state did not take it.
    #[error("the state did not take the backup: {0}")]
    Write(String),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Head {
        adit_backup: u32,
        generation: u64,
    },
    Resource {
        kind: String,
        key: String,
        body: String,
    },
    File {
        file: String,
        content: String,
    },
    End {
        lines: usize,
        sha256: String,
    },
}

/// Writes a backup. The intent is one moment's, whatever is written meanwhile.
///
/// # Errors
/// When writing fails.
pub fn write(
    intent: &Intent,
    files: &[(String, Vec<u8>)],
    to: &mut impl Write,
) -> std::io::Result<()> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    let mut lines = 0;
    let mut put = |line: Line, counts: bool| -> std::io::Result<()> {
        let mut text = serde_json::to_string(&line)?;
        text.push('\n');
        if counts {
            lines += 1;
            digest.update(text.as_bytes());
        }
        to.write_all(text.as_bytes())
    };
    let generation = intent.generation.0;
    put(
        Line::Head {
            adit_backup: VERSION,
            generation,
        },
        true,
    )?;
    for (file, content) in files {
        let (file, content) = (file.clone(), STANDARD.encode(content));
        put(Line::File { file, content }, true)?;
    }
    for (kind, key, body) in intent.dump() {
        let kind = kind.name().to_string();
        put(Line::Resource { kind, key, body }, true)?;
    }
    let end = Line::End {
        lines,
        sha256: hex(digest.finish().as_ref()),
    };
    let mut text = serde_json::to_string(&end)?;
    text.push('\n');
    to.write_all(text.as_bytes())
}

impl Backup {
    /// Reads a backup and checks all of it.
    ///
    /// # Errors
    /// Names the line at fault.
    pub fn read(from: impl BufRead) -> Result<Backup, BackupError> {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let mut backup = Backup {
            intent: Intent::default(),
            files: Vec::new(),
        };
        let mut ended = false;
        let mut count = 0;
        for text in from.lines() {
            let text = text?;
            let bad = |why: String| BackupError::Content {
                line: count + 1,
                why,
            };
            if ended {
                return Err(bad("there is more after the end".into()));
            }
            let line: Line = serde_json::from_str(&text)
                .map_err(|_| bad("it is no line of a backup of adit, or was cut short".into()))?;
            match line {
                Line::Head {
                    adit_backup,
                    generation,
                } if count == 0 => {
                    if adit_backup > VERSION {
                        return Err(BackupError::Newer(adit_backup));
                    }
                    backup.intent.generation = Generation(generation);
                }
                _ if count == 0 => return Err(bad("it does not begin as a backup".into())),
                Line::Head { .. } => return Err(bad("a second beginning".into())),
                Line::File { file, content } => {
                    let content = STANDARD.decode(content).map_err(|e| bad(e.to_string()))?;
                    if !is_inside(&file) {
                        return Err(bad(format!(
                            "the file `{file}` is not inside the state directory"
                        )));
                    }
                    backup.files.push((file, content));
                }
                Line::Resource { kind, key, body } => backup
                    .intent
                    .load(&kind, &key, &body)
                    .map_err(|e| bad(said(&e)))?,
                Line::End { lines, sha256 } => {
                    if lines != count || sha256 != hex(digest.clone().finish().as_ref()) {
                        return Err(bad("the backup was changed or cut short".into()));
                    }
                    ended = true;
                }
            }
            if !ended {
                digest.update(text.as_bytes());
                digest.update(b"\n");
                count += 1;
            }
        }
        match ended {
            true => Ok(backup),
            false => Err(BackupError::Content {
                line: count + 1,
                why: "the backup ends before its end: it was cut short".into(),
            }),
        }
    }

    /// Puts the backup into a state directory in one step: before it, the old state is there wholly,
    /// after it, the new one.
    ///
    /// # Errors
    /// When a daemon uses the directory, when there is a state and `force` was not said, or when the disk fails.
    pub fn restore(&self, directory: &Path, force: bool) -> Result<(), BackupError> {
        let lock = sql::lock_directory(directory)?;
        if !force && sql::holds_a_state(directory) {
            return Err(BackupError::NotEmpty(format!("`{}`", directory.display())));
        }
        self.put_files(directory)?;
        sql::replace(directory, &self.intent)?;
        drop(lock);
        Ok(())
    }

    /// Puts the backup into an etcd, and its files into the state directory.
    ///
    /// # Errors
    /// As [`Backup::restore`].
    pub fn restore_to_etcd(
        &self,
        directory: &Path,
        wish: &etcd::Options,
        force: bool,
    ) -> Result<(), BackupError> {
        let store = Store::connect(directory, wish)?;
        let author = Author {
            who: "adit",
            operation: "adit:Restore",
        };
        let rows = self.intent.dump();
        let work = |draft: &mut adit_model::Draft| {
            if !force && draft.installation().is_some() {
                return Err(BackupError::NotEmpty(wish.shown()));
            }
            draft.clear();
            for (kind, key, body) in &rows {
                draft
                    .replay(kind.name(), key, Some(body))
                    .map_err(|e| BackupError::Write(said(&e)))?;
            }
            Ok(())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        match runtime.block_on(store.write(author, work)) {
            Ok(_) => self.put_files(directory).map_err(BackupError::from),
            Err(WriteError::Refused(refused)) => Err(refused),
            Err(other) => Err(BackupError::Write(other.to_string())),
        }
    }

    fn put_files(&self, directory: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        for (name, content) in &self.files {
            let path = directory.join(name);
            if let Some(parent) = path.parent() {
                std::fs::DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(parent)?;
            }
            let new = path.with_extension("restoring");
            let _ = std::fs::remove_file(&new);
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&new)?;
            file.write_all(content)?;
            file.sync_all()?;
            std::fs::rename(&new, &path)?;
        }
        Ok(())
    }
}

/// Whether a path stays below where it is joined.
fn is_inside(file: &str) -> bool {
    let path = Path::new(file);
    let mut parts = path.components();
    !file.is_empty() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
}

fn said(error: &adit_model::LoadError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
