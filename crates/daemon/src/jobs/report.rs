//! The report of a job: one row for each object that was tried, in the form `Report_CSV_20180820`.
//!
//! Rows are kept in two files of the state directory while the job acts, and uploaded at its end. How much of the
//! files belongs to what the job has written down as done is part of its progress; the rest a crash left behind.

use std::path::{Path, PathBuf};

use adit_model::{Intent, Job};
use adit_wire::time::iso8601;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use md5::{Digest, Md5};
use serde::Serialize;
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::client::{Acting, Call, Refused};
use super::manifest::Entry;
use super::task::place;
use crate::up::now_millis;

const SCHEMA: &str = "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, ResultMessage";
/// Bytes of rows in one object, cut at the end of a row.
const PIECE: usize = 8 << 20;

/// What became of one object.
pub(super) type Outcome = Result<(), Refused>;

/// The folder of a job.
fn folder(directory: &Path, job: &Job) -> PathBuf {
    // The id is one that Adit made.
    directory.join(&job.id)
}

/// Removes what belongs to no unfinished job.
pub(super) async fn sweep(directory: &Path, intent: &Intent) {
    let Ok(mut entries) = fs::read_dir(directory).await else {
        return;
    };
    let unfinished = |name: &str| {
        let mut jobs = intent.jobs.values();
        jobs.any(|job| job.id == name && !job.status.is_final())
    };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry
            .file_name()
            .to_str()
            .is_none_or(|name| !unfinished(name))
        {
            let _ = fs::remove_dir_all(entry.path()).await;
        }
    }
}

/// Rows that are not uploaded yet. A job without a report has none.
pub(super) struct Rows {
    succeeded: Part,
    failed: Part,
    /// Whether those that succeeded are written down at all.
    all: bool,
}

struct Part {
    file: File,
    length: u64,
}

impl Part {
    async fn open(path: &Path, length: u64) -> std::io::Result<Part> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).await?;
        if file.metadata().await?.len() < length {
            let why = "rows of the report are missing from the state directory";
            return Err(std::io::Error::other(why));
        }
        file.set_len(length).await?;
        file.seek(std::io::SeekFrom::Start(length)).await?;
        Ok(Part { file, length })
    }

    async fn append(&mut self, text: &str) -> std::io::Result<()> {
        self.file.write_all(text.as_bytes()).await?;
        self.length += text.len() as u64;
        Ok(())
    }
}

impl Rows {
    /// The rows up to what the job has written down; none when it reports nothing.
    pub(super) async fn open(directory: &Path, job: &Job) -> std::io::Result<Option<Rows>> {
        if !job.report.enabled {
            return Ok(None);
        }
        let folder = folder(directory, job);
        fs::create_dir_all(&folder).await?;
        let (succeeded, failed) = job.progress.rows;
        Ok(Some(Rows {
            succeeded: Part::open(&folder.join("succeeded.csv"), succeeded).await?,
            failed: Part::open(&folder.join("failed.csv"), failed).await?,
            all: job.report.scope.as_deref() != Some("FailedTasksOnly"),
        }))
    }

    /// Adds the rows of these objects.
    pub(super) async fn append(&mut self, done: &[(Entry, Outcome)]) -> std::io::Result<()> {
        let (mut succeeded, mut failed) = (String::new(), String::new());
        for (entry, outcome) in done {
            match outcome {
                Ok(()) if self.all => row(&mut succeeded, entry, outcome),
                Ok(()) => {}
                Err(_) => row(&mut failed, entry, outcome),
            }
        }
        self.succeeded.append(&succeeded).await?;
        self.failed.append(&failed).await
    }

    /// Makes the rows durable; how many bytes there are.
    pub(super) async fn sync(&mut self) -> std::io::Result<(u64, u64)> {
        for part in [&mut self.succeeded, &mut self.failed] {
            part.file.flush().await?;
            part.file.sync_data().await?;
        }
        Ok((self.succeeded.length, self.failed.length))
    }
}

fn row(out: &mut String, entry: &Entry, outcome: &Outcome) {
    let version = entry.version.as_deref().unwrap_or_default();
    let (status, code, http, message) = match outcome {
        Ok(()) => ("succeeded", "", 200, "Successful"),
        Err(why) => (
            "failed",
            why.code.as_str(),
            why.status,
            why.message.as_str(),
        ),
    };
    let http = http.to_string();
    let columns = [
        entry.bucket.as_str(),
        entry.written.as_str(),
        version,
        status,
        code,
        &http,
        message,
    ];
    for (at, column) in columns.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if column.contains([',', '"', '\n', '\r']) {
            let one_line = column.replace(['\n', '\r'], " ");
            out.push('"');
            out.push_str(&one_line.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(column);
        }
    }
    out.push('\n');
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    format: &'static str,
    report_creation_date: String,
    results: Vec<Uploaded>,
    report_schema: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Uploaded {
    task_execution_status: &'static str,
    bucket: String,
    #[serde(rename = "MD5Checksum")]
    md5_checksum: String,
    key: String,
}

/// Uploads the report, as the job's role.
///
/// # Errors
/// What the bucket says; rows that cannot be read.
pub(super) async fn upload(acting: &Acting, directory: &Path, job: &Job) -> Outcome {
    let unreadable = |why: std::io::Error| Refused::new(500, "InternalError", why.to_string());
    let bucket = job.report.bucket.clone().unwrap_or_default();
    let front = match job
        .report
        .prefix
        .as_deref()
        .map(|p| p.trim_end_matches('/'))
    {
        None | Some("") => format!("job-{}", job.id),
        Some(prefix) => format!("{prefix}/job-{}", job.id),
    };
    let Some(mut rows) = Rows::open(directory, job).await.map_err(unreadable)? else {
        return Ok(());
    };
    let mut results = Vec::new();
    for (part, status) in [
        (&mut rows.succeeded, "succeeded"),
        (&mut rows.failed, "failed"),
    ] {
        part.file
            .seek(std::io::SeekFrom::Start(0))
            .await
            .map_err(unreadable)?;
        let mut kept = Vec::new();
        loop {
            let piece = next_piece(&mut part.file, &mut kept)
                .await
                .map_err(unreadable)?;
            if piece.is_empty() {
                break;
            }
            let seed = format!("{}/{status}/{}", job.id, results.len());
            let key = format!("{front}/results/{}.csv", hex(&Md5::digest(seed.as_bytes())));
            let digest = put(acting, job, &key, "text/csv", piece).await?;
            results.push(Uploaded {
                task_execution_status: status,
                bucket: bucket.trim_start_matches("arn:aws:s3:::").to_string(),
                md5_checksum: digest,
                key,
            });
        }
    }
    let summary = Summary {
        format: "Report_CSV_20180820",
        report_creation_date: iso8601(now_millis(), true),
        results,
        report_schema: SCHEMA,
    };
    let summary = serde_json::to_vec(&summary)
        .map_err(|why| Refused::new(500, "InternalError", why.to_string()))?;
    let key = format!("{front}/manifest.json");
    let digest = put(acting, job, &key, "application/json", summary).await?;
    let key = format!("{key}.md5");
    put(acting, job, &key, "text/plain", digest.into_bytes()).await?;
    Ok(())
}

/// Removes the rows of a job.
pub(super) async fn forget(directory: &Path, job: &Job) {
    let _ = fs::remove_dir_all(folder(directory, job)).await;
}

/// Whole rows, as many as fit into a piece; `kept` is what was read beyond them.
async fn next_piece(file: &mut File, kept: &mut Vec<u8>) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0; 64 << 10];
    while kept.len() < PIECE {
        let read = file.read(&mut buffer).await?;
        if read == 0 {
            break;
        }
        kept.extend_from_slice(buffer.get(..read).unwrap_or_default());
    }
    let most = kept.get(..PIECE.min(kept.len())).unwrap_or_default();
    let end = match kept.len() < PIECE {
        true => kept.len(),
        false => most
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(most.len(), |at| at + 1),
    };
    let rest = kept.split_off(end);
    Ok(std::mem::replace(kept, rest))
}

/// Puts one object of the report; its MD5.
async fn put(
    acting: &Acting,
    job: &Job,
    key: &str,
    kind: &str,
    body: Vec<u8>,
) -> Result<String, Refused> {
    let digest = Md5::digest(&body);
    let bucket = job.report.bucket.as_deref().unwrap_or_default();
    let mut call = Call::new(Method::PUT, place(bucket, key))
        .header("content-type", kind)
        .header("content-md5", STANDARD.encode(digest));
    if let Some(owner) = &job.report.expected_owner {
        call = call.header("x-amz-expected-bucket-owner", owner);
    }
    call.body = Bytes::from(body);
    acting.call(&call).await?;
    Ok(hex(&digest))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> Entry {
        Entry {
            bucket: "b".into(),
            key: key.into(),
            written: key.into(),
            version: Some("v".into()),
        }
    }

    #[test]
    fn rows_are_of_the_published_form() {
        let mut out = String::new();
        row(&mut out, &entry("a"), &Ok(()));
        let why = Refused::new(403, "AccessDenied", "User: \"x\"\nmay not, ever");
        row(&mut out, &entry("b,c"), &Err(why));
        assert_eq!(
            out,
            "b,a,v,succeeded,,200,Successful\n\
             b,\"b,c\",v,failed,AccessDenied,403,\"User: \"\"x\"\" may not, ever\"\n"
        );
    }

    #[tokio::test]
    async fn pieces_end_with_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");
        let row = format!("{}\n", "x".repeat(999));
        let text = row.repeat(PIECE / 1000 + 500);
        std::fs::write(&path, &text).unwrap();
        let mut file = File::open(&path).await.unwrap();
        let mut kept = Vec::new();
        let first = next_piece(&mut file, &mut kept).await.unwrap();
        let second = next_piece(&mut file, &mut kept).await.unwrap();
        assert!(first.len() <= PIECE && first.ends_with(b"\n") && first.len() % 1000 == 0);
        assert_eq!(first.len() + second.len(), text.len());
        assert!(next_piece(&mut file, &mut kept).await.unwrap().is_empty());
    }
}
