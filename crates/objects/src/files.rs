//! Blob files: temporary, placed, pinned by readers, and let go.
//!
//! A blob's name is random text, the number of the run that made it and the blob's row:
//! `blobs/3f/a/3fa0…-<run>-<row>`. The run number makes the sweep of orphans exact without looking at a
//! clock: a file of an earlier run that the index does not know is nobody's.

use std::collections::{HashMap, HashSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use crate::error::{Doing, Error};
use crate::seal::random;

pub(crate) const BLOBS: &str = "blobs";
pub(crate) const TMP: &str = "tmp";

pub(crate) struct Files {
    shared: Arc<Shared>,
    waste: Sender<Waste>,
    run: u64,
    /// Fan-out directories known to exist durably.
    known: Mutex<HashSet<Box<str>>>,
}

struct Shared {
    root: PathBuf,
    pins: Mutex<Pins>,
    /// Held for reading from a look at the index until what was found is pinned.
    gate: RwLock<()>,
}

#[derive(Default)]
struct Pins {
    held: HashMap<i64, u32>,
    /// Deleted from the index while pinned.
    condemned: HashMap<i64, Box<str>>,
}

enum Waste {
    /// A blob that the index no longer knows.
    Blob(i64, Box<str>),
    /// A file that no index ever knew.
    Path(PathBuf),
}

impl Files {
    /// Makes the directories and clears what earlier runs left in `tmp`.
    pub(crate) fn open(root: &Path, run: u64) -> Result<Files, Error> {
        for name in [BLOBS, TMP] {
            make_dir(&root.join(name))?;
        }
        let tmp = root.join(TMP);
        for entry in fs::read_dir(&tmp).doing("read the directory", &tmp)? {
            let path = entry.doing("read the directory", &tmp)?.path();
            fs::remove_file(&path).doing("remove", &path)?;
        }
        let shared = Arc::new(Shared {
            root: root.to_owned(),
            pins: Mutex::default(),
            gate: RwLock::default(),
        });
        let (waste, inbox) = channel();
        let collector = shared.clone();
        std::thread::Builder::new()
            .name("objects-reclaim".into())
            .spawn(move || collect(&collector, &inbox))
            .doing("start a thread for", root)?;
        Ok(Files {
            shared,
            waste,
            run,
            known: Mutex::default(),
        })
    }

    /// A new file to write a body into; gone when dropped.
    pub(crate) fn create(self: &Arc<Files>, blob: i64) -> Result<Temporary, Error> {
        let name = format!(
            "{:032x}-{:x}-{blob:x}",
            u128::from_be_bytes(random()?),
            self.run
        );
        let path = self.shared.root.join(TMP).join(&name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .doing("create", &path)?;
        Ok(Temporary {
            file,
            trace: Trace {
                files: self.clone(),
                path,
                keep: false,
            },
            name,
        })
    }

    /// Take it before looking at the index for files to read; pin before letting it go.
    pub(crate) fn gate(&self) -> RwLockReadGuard<'_, ()> {
        self.shared
            .gate
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// [`Files::gate`], if that needs no waiting.
    pub(crate) fn try_gate(&self) -> Option<RwLockReadGuard<'_, ()>> {
        self.shared.gate.try_read().ok()
    }

    /// Keeps blobs from being unlinked while they are read.
    pub(crate) fn pin(&self, blobs: impl Iterator<Item = i64>) -> Pinned {
        let blobs: Vec<i64> = blobs.collect();
        let mut pins = self.shared.pins();
        for blob in &blobs {
            *pins.held.entry(*blob).or_default() += 1;
        }
        Pinned {
            shared: self.shared.clone(),
            waste: self.waste.clone(),
            blobs,
        }
    }

    /// Unlinks the file of a blob whose row is gone, as soon as no reader has it.
    pub(crate) fn discard(&self, blob: i64, name: Box<str>) {
        let _ = self.waste.send(Waste::Blob(blob, name));
    }

    /// All blob files of earlier runs: row and name.
    pub(crate) fn for_each_old(&self, mut visit: impl FnMut(i64, &str)) -> Result<(), Error> {
        self.for_each(|run, blob, name| {
            if run < self.run {
                visit(blob, name);
            }
        })
    }

    /// All blob files: run, row and name.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(u64, i64, &str)) -> Result<(), Error> {
        let root = self.shared.root.join(BLOBS);
        for outer in list(&root)? {
            for inner in list(&outer)? {
                for file in list(&inner)? {
                    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
                        continue;
                    };
                    if let Some((run, blob)) = parse(name) {
                        visit(run, blob, name);
                    }
                }
            }
        }
        Ok(())
    }

    fn ensure_dir(&self, name: &str) -> Result<PathBuf, Error> {
        let root = self.shared.root.join(BLOBS);
        let (outer, inner) = fan_out(name);
        let dir = root.join(outer).join(inner);
        let slot: Box<str> = format!("{outer}{inner}").into();
        if self.known().contains(&slot) {
            return Ok(dir);
        }
        make_dir(&root.join(outer))?;
        sync_dir(&root)?;
        make_dir(&dir)?;
        sync_dir(&root.join(outer))?;
        self.known().insert(slot);
        Ok(dir)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<Box<str>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a blob's file is, relative to the store.
pub(crate) fn relative(name: &str) -> PathBuf {
    let (outer, inner) = fan_out(name);
    [BLOBS, outer, inner, name].iter().collect()
}

fn fan_out(name: &str) -> (&str, &str) {
    (name.get(..2).unwrap_or("__"), name.get(2..3).unwrap_or("_"))
}

fn parse(name: &str) -> Option<(u64, i64)> {
    let mut fields = name.split('-').skip(1);
    let run = u64::from_str_radix(fields.next()?, 16).ok()?;
    let blob = i64::from_str_radix(fields.next()?, 16).ok()?;
    Some((run, blob))
}

fn list(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).doing("read the directory", dir)? {
        paths.push(entry.doing("read the directory", dir)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Makes a directory that only we may enter, unless it is there.
pub(crate) fn make_dir(dir: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        done => done.doing("make the directory", dir),
    }
}

pub(crate) fn sync_dir(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .doing("sync the directory", dir)
}

/// A body being written.
pub(crate) struct Temporary {
    pub(crate) file: File,
    name: String,
    trace: Trace,
}

impl Temporary {
    /// Makes the file durable under its final name. It is gone again when the result is dropped without
    /// [`Placed::keep`].
    pub(crate) fn place(mut self) -> Result<Placed, Error> {
        self.file.sync_data().doing("sync", &self.trace.path)?;
        let dir = self.trace.files.ensure_dir(&self.name)?;
        let path = dir.join(&self.name);
        fs::rename(&self.trace.path, &path).doing("rename", &path)?;
        self.trace.path = path;
        sync_dir(&dir)?;
        Ok(Placed {
            name: self.name.into(),
            trace: self.trace,
        })
    }
}

/// A durable file that no index knows yet.
pub(crate) struct Placed {
    pub(crate) name: Box<str>,
    trace: Trace,
}

impl Placed {
    /// The index knows it now.
    pub(crate) fn keep(mut self) {
        self.trace.keep = true;
    }
}

struct Trace {
    files: Arc<Files>,
    path: PathBuf,
    keep: bool,
}

impl Drop for Trace {
    fn drop(&mut self) {
        if !self.keep {
            let _ = self
                .files
                .waste
                .send(Waste::Path(std::mem::take(&mut self.path)));
        }
    }
}

/// Blobs held by a reader.
pub(crate) struct Pinned {
    shared: Arc<Shared>,
    waste: Sender<Waste>,
    blobs: Vec<i64>,
}

impl Pinned {
    pub(crate) fn open(&self, name: &str) -> Result<File, Error> {
        let path = self.shared.root.join(relative(name));
        File::open(&path).doing("open", &path)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut pins = self.shared.pins();
        for blob in &self.blobs {
            let Some(count) = pins.held.get_mut(blob) else {
                continue;
            };
            *count -= 1;
            if *count == 0 {
                pins.held.remove(blob);
                if let Some(name) = pins.condemned.remove(blob) {
                    let _ = self.waste.send(Waste::Blob(*blob, name));
                }
            }
        }
    }
}

fn collect(shared: &Shared, inbox: &Receiver<Waste>) {
    while let Ok(waste) = inbox.recv() {
        let path = match waste {
            Waste::Path(path) => path,
            Waste::Blob(blob, name) => {
                // Whoever looked at the index before the blob's row went has pinned it once this lock
                // is had; whoever looks later does not find it.
                drop(shared.gate.write().unwrap_or_else(PoisonError::into_inner));
                let mut pins = shared.pins();
                if pins.held.contains_key(&blob) {
                    pins.condemned.insert(blob, name);
                    continue;
                }
                shared.root.join(relative(&name))
            }
        };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                // The next start sweeps it.
                tracing::warn!(path = %path.display(), %error, "could not unlink a deleted blob");
            }
            _ => {}
        }
    }
}
