//! The list of objects that a job acts on: `S3BatchOperations_CSV_20180820`, read in windows, one line an object.

use adit_model::{Job, JobFailure, JobManifest};
use http::Method;
use percent_encoding::percent_decode_str;

use super::client::{Acting, Call, HOST, Refused};
use super::task::encoded;

/// Bytes that are asked for at once.
const WINDOW: u64 = 1 << 20;
/// Longest line: a bucket, a key of 1,024 bytes in its encoded form, a version, and columns that are ignored.
const LONGEST: usize = 16 << 10;

/// One object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// A bucket's name, or the ARN of an access point.
    pub(super) bucket: String,
    /// As it is; the list has it percent-encoded.
    pub(super) key: String,
    /// As the list has it, for the report.
    pub(super) written: String,
    pub(super) version: Option<String>,
}

fn failure(code: &str, reason: impl Into<String>) -> JobFailure {
    // AWS's longest.
    let reason: String = reason.into().chars().take(256).collect();
    JobFailure {
        code: code.into(),
        reason,
    }
}

/// A list, being read.
pub(super) struct Manifest<'a> {
    acting: &'a Acting,
    call: Call,
    fields: &'a [String],
    size: u64,
    /// What was read, from `at` on not yet handed out.
    buffer: Vec<u8>,
    at: usize,
    /// Where in the list the first byte is that was not handed out.
    offset: u64,
}

impl<'a> Manifest<'a> {
    /// Looks whether the list is the one that was meant, and begins at `offset`.
    ///
    /// # Errors
    /// One that is not there, not to be read by the role, or another.
    pub(super) async fn open(
        acting: &'a Acting,
        job: &'a Job,
        offset: u64,
    ) -> Result<Manifest<'a>, JobFailure> {
        let JobManifest {
            object,
            version,
            etag,
            fields,
        } = &job.manifest;
        let rest = object.strip_prefix("arn:aws:s3:::").unwrap_or(object);
        let path = format!("/{}", encoded(rest));
        let mut call = Call::new(Method::HEAD, (HOST.into(), path));
        if let Some(version) = version {
            call.query = format!(
                "versionId={}",
                adit_wire::protocol::percent_encoded(version)
            );
        }
        let call = call.header("if-match", format!("\"{etag}\""));
        let head = acting.call(&call).await.map_err(|why| unreadable(&why))?;
        let size = head.headers.get("content-length");
        let size = size.and_then(|size| size.to_str().ok()?.parse().ok());
        let size =
            size.ok_or_else(|| failure("ManifestReadFailed", "The manifest has no length."))?;
        Ok(Manifest {
            acting,
            call: Call {
                method: Method::GET,
                ..call
            },
            fields,
            size,
            buffer: Vec::new(),
            at: 0,
            offset,
        })
    }

    /// Where the next line begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next object; none at the end.
    ///
    /// # Errors
    /// A list that cannot be read, or a line that names no object.
    pub(super) async fn next(&mut self) -> Result<Option<Entry>, JobFailure> {
        loop {
            let Some(line) = self.line().await? else {
                return Ok(None);
            };
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let entry = entry(&line, self.fields).ok_or_else(|| {
                let shown: String = String::from_utf8_lossy(&line).chars().take(100).collect();
                failure(
                    "ManifestInvalid",
                    format!("The manifest has a line that names no object: {shown}"),
                )
            })?;
            return Ok(Some(entry));
        }
    }

    /// The next objects; fewer than `most` at the end.
    ///
    /// # Errors
    /// As [`Manifest::next`].
    pub(super) async fn some(&mut self, most: usize) -> Result<Vec<Entry>, JobFailure> {
        let mut entries = Vec::with_capacity(most);
        while entries.len() < most
            && let Some(entry) = self.next().await?
        {
            entries.push(entry);
        }
        Ok(entries)
    }

    async fn line(&mut self) -> Result<Option<Vec<u8>>, JobFailure> {
        let mut looked = 0;
        loop {
            let rest = self.buffer.get(self.at..).unwrap_or_default();
            let found = rest.iter().skip(looked).position(|byte| *byte == b'\n');
            if let Some(end) = found.map(|found| found + looked) {
                let line = rest.get(..end).unwrap_or_default().to_vec();
                self.at += end + 1;
                self.offset += end as u64 + 1;
                return Ok(Some(line));
            }
            looked = rest.len();
            if looked > LONGEST {
                return Err(failure(
                    "ManifestInvalid",
                    "The manifest has a line that is too long.",
                ));
            }
            let known = self.offset + looked as u64;
            if known >= self.size {
                let line = rest.to_vec();
                self.at = self.buffer.len();
                self.offset = known;
                return Ok(Some(line).filter(|line| !line.is_empty()));
            }
            self.more(known).await?;
        }
    }

    async fn more(&mut self, from: u64) -> Result<(), JobFailure> {
        let last = (from + WINDOW).min(self.size) - 1;
        let call = self
            .call
            .clone()
            .header("range", format!("bytes={from}-{last}"));
        let answer = self
            .acting
            .call(&call)
            .await
            .map_err(|why| unreadable(&why))?;
        if answer.body.is_empty() {
            return Err(failure("ManifestReadFailed", "The manifest ended early."));
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(&answer.body);
        Ok(())
    }
}

fn unreadable(why: &Refused) -> JobFailure {
    match why.status {
        412 => failure(
            "ManifestETagMismatch",
            "The manifest is not the one that the job was made for: its ETag differs.",
        ),
        // An answer to HEAD has no body that could say more.
        404 => failure("ManifestNotFound", "The manifest does not exist."),
        403 => failure(
            "ManifestAccessDenied",
            "The job's role may not read the manifest.",
        ),
        _ => failure(
            "ManifestReadFailed",
            format!("The manifest could not be read. {why}"),
        ),
    }
}

/// The object that a line names.
fn entry(line: &[u8], fields: &[String]) -> Option<Entry> {
    let text = std::str::from_utf8(line).ok()?;
    let text = text.strip_suffix('\r').unwrap_or(text);
    let columns = columns(text)?;
    let column = |name: &str| {
        let at = fields.iter().position(|field| field == name)?;
        columns.get(at).map(|text| text.trim())
    };
    let (bucket, written) = (column("Bucket")?, column("Key")?);
    // Encoders of forms write spaces as plus signs and plus signs as %2B; others leave neither as it is.
    let spaced = written.replace('+', " ");
    let key = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    if bucket.is_empty() || key.is_empty() {
        return None;
    }
    Some(Entry {
        bucket: bucket.to_string(),
        key,
        written: written.to_string(),
        version: column("VersionId")
            .filter(|version| !version.is_empty())
            .map(str::to_string),
    })
}

/// The columns of a line (RFC 4180, without line ends inside quotes).
fn columns(line: &str) -> Option<Vec<String>> {
    let mut columns = vec![String::new()];
    let mut chars = line.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        let column = columns.last_mut()?;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                column.push('"');
            }
            '"' if quoted || column.trim().is_empty() => quoted = !quoted,
            ',' if !quoted => columns.push(String::new()),
            c => column.push(c),
        }
    }
    (!quoted).then_some(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_objects() {
        let fields = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
        let three = fields("Bucket Key VersionId");
        let found = |line: &str, fields: &[String]| {
            let found = entry(line.as_bytes(), fields)?;
            Some((found.bucket, found.key, found.version.unwrap_or_default()))
        };
        let is = |bucket: &str, key: &str, version: &str| {
            Some((bucket.to_string(), key.to_string(), version.to_string()))
        };
        for (line, expected) in [
            ("b,k,v", is("b", "k", "v")),
            ("b,k,\r", is("b", "k", "")),
            ("b,k", is("b", "k", "")),
            ("\"b\",\"a,b\",\"\"", is("b", "a,b", "")),
            ("\"b\", \"a\"\"b\", v", is("b", "a\"b", "v")),
            ("b,a%20b%2Cc+d%2B,", is("b", "a b,c d+", "")),
            ("b,,v", None),
            (",k,v", None),
            ("b", None),
            ("\"b,k,v", None),
            ("b,%ff,v", None),
        ] {
            assert_eq!(found(line, &three), expected, "{line}");
        }
        let mixed = fields("Ignore Key Bucket");
        assert_eq!(found("x,k,b", &mixed), is("b", "k", ""));
        assert_eq!(entry(b"b,\xff,v", &three), None);
    }
}
