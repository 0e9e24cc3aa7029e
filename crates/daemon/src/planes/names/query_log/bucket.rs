//! Query logs as objects of a bucket, in AWS's layout: lines gather for a while, and then make an object.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use adit_model::{Bucket, BucketName, Intent, Vpc};
use adit_objects::Store as Objects;
use adit_wire::time::iso8601;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::log_objects;

/// Bytes of lines that wait at most. What comes beyond is counted, and a line says how many are missing.
const WAITING: usize = 8 << 20;

/// Where the objects of one VPC's queries are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::planes::names) struct Folder {
    pub(in crate::planes::names) bucket: BucketName,
    pub(in crate::planes::names) prefix: String,
    pub(in crate::planes::names) vpc: String,
    pub(in crate::planes::names) account: String,
}

/// Lines that wait for their object.
#[derive(Debug)]
pub(super) struct Spool {
    folder: Folder,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    lost: u64,
}

impl Folder {
    pub(in crate::planes::names) fn of(bucket: &BucketName, prefix: &str, vpc: &Vpc) -> Folder {
        Folder {
            bucket: bucket.clone(),
            prefix: prefix.to_owned(),
            vpc: vpc.id.to_string(),
            account: vpc.owner.to_string(),
        }
    }

    fn key(&self, now: i64, unique: &str) -> String {
        let Folder { vpc, account, .. } = self;
        // 2026-11-25T10:09:44Z
        let time = iso8601(now, false);
        let part = |range: std::ops::Range<usize>| time.get(range).unwrap_or_default();
        let (year, month, day) = (part(0..4), part(5..7), part(8..10));
        let (hour, minute) = (part(11..13), part(14..16));
        let front = match self.prefix.is_empty() {
            true => String::new(),
            false => format!("{}/", self.prefix),
        };
        format!(
            "{front}AWSLogs/{account}/vpcdnsquerylogs/{vpc}/{year}/{month}/{day}/{vpc}_vpcdnsquerylogs_{account}_{year}{month}{day}T{hour}{minute}Z_{unique}.log.gz"
        )
    }
}

impl Spool {
    pub(super) fn new(folder: Folder) -> Spool {
        Spool {
            folder,
            waiting: Mutex::default(),
        }
    }

    /// Takes one line, without its end. Never waits for a disk.
    pub(super) fn line(&self, line: &[u8]) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() + line.len() >= WAITING {
            waiting.lost += 1;
            return;
        }
        waiting.lines.extend_from_slice(line);
        waiting.lines.push(b'\n');
    }

    fn take(&self) -> Waiting {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *waiting)
    }

    /// Puts back what could not be written, in front of what came since, as far as there is room.
    fn put_back(&self, mut taken: Waiting) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.lines.len() + waiting.lines.len() < WAITING {
            taken.lines.append(&mut waiting.lines);
        } else {
            let missed = taken.lines.iter().filter(|byte| **byte == b'\n').count();
            taken.lost += missed as u64;
            taken.lines = std::mem::take(&mut waiting.lines);
        }
        taken.lost += waiting.lost;
        *waiting = taken;
    }

    /// Makes an object of the lines that wait, if there are any.
    ///
    /// # Errors
    /// Why there is none; the lines wait on.
    pub(super) async fn deliver(
        &self,
        objects: &Objects,
        intent: &Intent,
        now: i64,
    ) -> Result<(), String> {
        let taken = self.take();
        if taken.lines.is_empty() && taken.lost == 0 {
            return Ok(());
        }
        let written = self.write(objects, intent, &taken, now).await;
        if written.is_err() {
            self.put_back(taken);
        }
        written
    }

    async fn write(
        &self,
        objects: &Objects,
        intent: &Intent,
        taken: &Waiting,
        now: i64,
    ) -> Result<(), String> {
        let bucket = intent.get::<Bucket>(&self.folder.bucket);
        // Another one of the name may be somebody else's.
        let bucket = bucket.filter(|bucket| {
            bucket.owner.as_str() == self.folder.account && bucket.origin.is_none()
        });
        let bucket = bucket.ok_or("the bucket is not there any more")?;
        let body = packed(taken).map_err(|e| e.to_string())?;
        let key = self.folder.key(now, &log_objects::unique());
        log_objects::put(objects, bucket, &key, body).await
    }

    pub(super) fn folder(&self) -> &Folder {
        &self.folder
    }
}

fn packed(taken: &Waiting) -> std::io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    out.write_all(&taken.lines)?;
    if taken.lost > 0 {
        writeln!(out, "{{\"lostRecords\":{}}}", taken.lost)?;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn spool(prefix: &str) -> Spool {
        Spool::new(Folder {
            bucket: "logs".parse().unwrap(),
            prefix: prefix.to_owned(),
            vpc: "vpc-1".to_owned(),
            account: "111122223333".to_owned(),
        })
    }

    #[test]
    fn keys_are_laid_out_as_on_aws() {
        let now = 1_795_601_384_000;
        let rest = "AWSLogs/111122223333/vpcdnsquerylogs/vpc-1/2026/11/25/vpc-1_vpcdnsquerylogs_111122223333_20261125T1009Z_ab.log.gz";
        assert_eq!(spool("").folder.key(now, "ab"), rest);
        assert_eq!(spool("a/b").folder.key(now, "ab"), format!("a/b/{rest}"));
    }

    #[test]
    fn what_could_not_be_written_comes_first_and_what_is_lost_is_told() {
        let spool = spool("");
        spool.line(b"one");
        let taken = spool.take();
        spool.line(b"two");
        spool.put_back(taken);
        let long = vec![b'x'; WAITING];
        spool.line(&long);
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed(&spool.take()).unwrap().as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "one\ntwo\n{\"lostRecords\":1}\n");
        // A full spool keeps what is newer.
        let half = vec![b'x'; WAITING * 2 / 3];
        spool.line(&half);
        let taken = spool.take();
        spool.line(&half);
        spool.put_back(taken);
        let left = spool.take();
        assert_eq!((left.lines.len(), left.lost), (half.len() + 1, 1));
    }
}
