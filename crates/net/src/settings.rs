//! Files below `/proc/sys/net` of the calling thread's namespace.
//!
//! Each namespace has directories of its own there under the same names, and the kernel looks through
//! all of them for each path: among a thousand namespaces that costs more than the setting. So a visit
//! opens each directory once.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// The settings during one visit to a namespace.
#[derive(Default)]
pub(crate) struct Settings(BTreeMap<String, File>);

impl Settings {
    fn path(&mut self, key: &str) -> io::Result<PathBuf> {
        let (first, rest) = key.split_once('/').unwrap_or((key, ""));
        let directory = match self.0.get(first) {
            Some(directory) => directory,
            None => {
                let opened = File::open(format!("/proc/sys/net/{first}"))?;
                self.0.entry(first.to_owned()).or_insert(opened)
            }
        };
        Ok(format!("/proc/self/fd/{}/{rest}", directory.as_raw_fd()).into())
    }

    /// Writes a setting. What is about IPv6 needs none where the kernel has none.
    pub(crate) fn write(&mut self, key: &str, value: &str) -> io::Result<()> {
        match self.path(key).and_then(|path| fs::write(path, value)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && no_ipv6(key) => Ok(()),
            other => other,
        }
    }

    /// Reads settings, each as words with single spaces between; those that do not exist are left out.
    pub(crate) fn read(&mut self, wanted: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        for (key, value) in wanted {
            let text = match self.path(key).and_then(fs::read_to_string) {
                Ok(text) => text,
                // Where there is no IPv6, all that is said about it holds.
                Err(_) if no_ipv6(key) => value.clone(),
                Err(_) => continue,
            };
            let words: Vec<_> = text.split_whitespace().collect();
            seen.insert(key.clone(), words.join(" "));
        }
        seen
    }
}

/// Whether a setting is about IPv6 and the kernel has none.
fn no_ipv6(key: &str) -> bool {
    key.starts_with("ipv6/") && !fs::exists("/proc/sys/net/ipv6").unwrap_or(true)
}
