//! A file of lines that begins anew when it is large or old; a bounded number of older ones is kept.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// When a file begins anew, and how many older ones stay.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes in one file.
    pub size: u64,
    /// Age of one file.
    pub age: Duration,
    /// Older files that are kept.
    pub keep: u32,
}

/// Such a file. A write that fails leaves no half line.
#[derive(Debug)]
pub(crate) struct Rotating {
    path: PathBuf,
    limits: Limits,
    file: File,
    length: u64,
    begun: SystemTime,
}

impl Rotating {
    pub(crate) fn open(path: &Path, limits: Limits) -> std::io::Result<Rotating> {
        let (file, length, begun) = append_to(path)?;
        let mut rotating = Rotating {
            path: path.to_path_buf(),
            limits,
            file,
            length,
            begun,
        };
        rotating.mend()?;
        Ok(rotating)
    }

    /// A crash may have left half a line: the next begins on one of its own.
    fn mend(&mut self) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt;
        let mut last = [b'\n'];
        if self.length > 0 {
            self.file.read_exact_at(&mut last, self.length - 1)?;
        }
        if last != [b'\n'] {
            self.file.write_all(b"\n")?;
            self.length += 1;
        }
        Ok(())
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        for number in (1..self.limits.keep).rev() {
            match std::fs::rename(self.older(number), self.older(number + 1)) {
                Err(why) if why.kind() != std::io::ErrorKind::NotFound => return Err(why),
                _ => {}
            }
        }
        match self.limits.keep {
            0 => std::fs::remove_file(&self.path)?,
            _ => std::fs::rename(&self.path, self.older(1))?,
        }
        (self.file, self.length, self.begun) = append_to(&self.path)?;
        Ok(())
    }
}

fn append_to(path: &Path) -> std::io::Result<(File, u64, SystemTime)> {
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    let known = file.metadata()?;
    let begun = known.created().unwrap_or_else(|_| SystemTime::now());
    Ok((file, known.len(), begun))
}

impl Write for Rotating {
    /// Writes all of some whole lines, or nothing.
    fn write(&mut self, lines: &[u8]) -> std::io::Result<usize> {
        let old = self.begun.elapsed().is_ok_and(|age| age > self.limits.age);
        if self.length > 0 && (old || self.length + lines.len() as u64 > self.limits.size) {
            self.rotate()?;
        }
        if let Err(why) = self.file.write_all(lines) {
            let _ = self.file.set_len(self.length);
            return Err(why);
        }
        self.length += lines.len() as u64;
        Ok(lines.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        size: 100,
        age: Duration::from_secs(3600),
        keep: 2,
    };

    #[test]
    fn a_large_file_begins_anew_and_the_oldest_goes() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let mut file = Rotating::open(&path, LIMITS).unwrap();
        for n in 0..10 {
            file.write_all(format!("{n:039}\n").as_bytes()).unwrap();
        }
        let lines = |path: PathBuf| {
            std::fs::read_to_string(path)
                .unwrap_or_default()
                .lines()
                .count()
        };
        assert_eq!(lines(path.clone()), 2);
        assert_eq!((lines(file.older(1)), lines(file.older(2))), (2, 2));
        assert!(!file.older(3).exists());
        let newest = std::fs::read_to_string(&path).unwrap();
        assert!(newest.trim_end().ends_with('9'), "{newest}");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn an_old_file_begins_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let limits = Limits {
            age: Duration::ZERO,
            ..LIMITS
        };
        let mut file = Rotating::open(&path, limits).unwrap();
        file.write_all(b"one\n").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        file.write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        assert_eq!(std::fs::read(file.older(1)).unwrap(), b"one\n");
    }

    #[test]
    fn half_a_line_stays_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        std::fs::write(&path, b"{\"whole\":1}\n{\"hal").unwrap();
        let mut file = Rotating::open(&path, LIMITS).unwrap();
        file.write_all(b"{}\n").unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"{\"whole\":1}\n{\"hal\n{}\n"
        );
    }

    /// `/dev/full` takes nothing: the lines are lost, counted, and requests go on.
    #[test]
    fn a_full_disk_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.jsonl");
        let mut file = Rotating::open(&path, LIMITS).unwrap();
        file.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(file.write_all(b"lost\n").is_err());
        file.file = append_to(&path).unwrap().0;
        file.write_all(b"kept\n").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"kept\n");
    }
}
