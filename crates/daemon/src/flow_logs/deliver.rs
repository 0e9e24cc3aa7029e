//! Where records go: objects in AWS's layout, or files, which stand for log groups.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use adit_model::{FlowField, FlowLog, FlowLogDestination, TrafficType, Vpc};
use adit_objects::Store as Objects;
use adit_snapshot::Snapshot;
use adit_wire::time::iso8601;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::record::Line;
use crate::rotate::{Limits, Rotating};
use crate::{log_groups, log_objects};

/// Records in one object at most.
const CHUNK: usize = 200_000;
/// One file of a log group, and how many older ones stay.
const LIMITS: Limits = Limits {
    size: 16 << 20,
    age: std::time::Duration::from_secs(7 * 24 * 3600),
    keep: 4,
};

/// Writes records.
pub(super) struct Deliverer {
    objects: Objects,
    state: PathBuf,
}

impl Deliverer {
    pub(super) fn new(objects: Objects, state: PathBuf) -> Deliverer {
        Deliverer { objects, state }
    }

    /// Writes a log's records; the error says why they are lost.
    pub(super) async fn deliver(
        &self,
        log: &FlowLog,
        snapshot: &Snapshot,
        records: Vec<Line>,
        now: i64,
    ) -> Result<(), String> {
        let region = snapshot.intent.get::<Vpc>(&log.vpc);
        let region = region.map_or_else(String::new, |vpc| vpc.region.to_string());
        if records.is_empty() {
            return Ok(());
        }
        match &log.destination {
            FlowLogDestination::S3 { .. } => {
                for lines in records.chunks(CHUNK) {
                    self.put(log, snapshot, &region, lines, now).await?;
                }
                Ok(())
            }
            FlowLogDestination::LogGroup(group) => {
                let directory = log_groups::directory(log.owner.as_str(), &region, group);
                let directory = self.state.join(log_groups::FOLDER).join(directory);
                let suffix = stream(log.traffic);
                let work = move || write_streams(&directory, suffix, &records);
                let written = tokio::task::spawn_blocking(work).await;
                written
                    .map_err(|e| e.to_string())?
                    .map_err(|e| format!("cannot write the log group: {e}"))
            }
        }
    }

    async fn put(
        &self,
        log: &FlowLog,
        snapshot: &Snapshot,
        region: &str,
        lines: &[Line],
        now: i64,
    ) -> Result<(), String> {
        let Some(Some(bucket)) = log.bucket(&snapshot.intent) else {
            return Err("the bucket is not there any more".into());
        };
        let body = packed(&log.format, lines).map_err(|e| e.to_string())?;
        let key = key(log, region, now, &log_objects::unique());
        log_objects::put(&self.objects, bucket, &key, body).await
    }
}

/// The lines below the names of their fields, compressed.
fn packed(format: &str, lines: &[Line]) -> std::io::Result<Vec<u8>> {
    let mut out = GzEncoder::new(Vec::new(), Compression::default());
    let fields = FlowField::parse(format).unwrap_or_default();
    let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    writeln!(out, "{}", names.join(" "))?;
    for line in lines {
        writeln!(out, "{}", line.text)?;
    }
    out.finish()
}

/// The object's key, as AWS makes it: folders by account, Region and day.
fn key(log: &FlowLog, region: &str, now: i64, unique: &str) -> String {
    let FlowLogDestination::S3 {
        prefix,
        hive_compatible,
        per_hour,
        ..
    } = &log.destination
    else {
        return String::new();
    };
    let account = &log.owner;
    // 2026-11-25T10:09:44Z
    let time = iso8601(now, false);
    let part = |range: std::ops::Range<usize>| time.get(range).unwrap_or_default();
    let (year, month, day, hour) = (part(0..4), part(5..7), part(8..10), part(11..13));
    let minute = part(14..16);
    let folder = match prefix.is_empty() {
        true => String::new(),
        false => format!("{prefix}/"),
    };
    let mut place = match hive_compatible {
        false => {
            format!("{folder}AWSLogs/{account}/vpcflowlogs/{region}/{year}/{month}/{day}/")
        }
        true => format!(
            "{folder}AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}/year={year}/month={month}/day={day}/"
        ),
    };
    if *per_hour {
        place += &match hive_compatible {
            false => format!("{hour}/"),
            true => format!("hour={hour}/"),
        };
    }
    let id = &log.id;
    format!(
        "{place}{account}_vpcflowlogs_{region}_{id}_{year}{month}{day}T{hour}{minute}Z_{unique}.log.gz"
    )
}

/// How the streams of a log group end, as AWS names them.
fn stream(traffic: TrafficType) -> &'static str {
    match traffic {
        TrafficType::All => "all",
        TrafficType::Accept => "accept",
        TrafficType::Reject => "reject",
    }
}

/// A file for each interface.
fn write_streams(directory: &Path, suffix: &str, records: &[Line]) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)?;
    let mut streams: BTreeMap<&str, String> = BTreeMap::new();
    for record in records {
        let text = streams.entry(&record.interface).or_default();
        text.push_str(&record.text);
        text.push('\n');
    }
    for (interface, text) in streams {
        let path = directory.join(format!("{interface}-{suffix}.log"));
        Rotating::open(&path, LIMITS)?.write_all(text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use adit_model::{FlowLogResource, Tags};

    use super::*;

    fn log(hive_compatible: bool, per_hour: bool) -> FlowLog {
        FlowLog {
            id: "fl-0123456789abcdef0".parse().unwrap(),
            owner: "111122223333".parse().unwrap(),
            vpc: "vpc-0123456789abcdef0".parse().unwrap(),
            resource: FlowLogResource::Vpc,
            traffic: TrafficType::All,
            destination: FlowLogDestination::S3 {
                bucket: "records".parse().unwrap(),
                prefix: "net/flows".into(),
                hive_compatible,
                per_hour,
            },
            format: "${version} ${bytes}".into(),
            interval: 60,
            role: None,
            created: 0,
            tags: Tags::new(),
        }
    }

    #[test]
    fn keys_are_laid_out_as_on_aws() {
        let now = 1_795_601_384_000;
        let name =
            "111122223333_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261125T1009Z_ab.log.gz";
        let plain = "net/flows/AWSLogs/111122223333/vpcflowlogs/us-east-1/2026/11/25/";
        let hive = "net/flows/AWSLogs/aws-account-id=111122223333/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=11/day=25/";
        let key = |log: &FlowLog| key(log, "us-east-1", now, "ab");
        assert_eq!(key(&log(false, false)), format!("{plain}{name}"));
        assert_eq!(key(&log(false, true)), format!("{plain}10/{name}"));
        assert_eq!(key(&log(true, true)), format!("{hive}hour=10/{name}"));
    }

    #[test]
    fn files_begin_with_the_names_of_their_fields() {
        let line = Line {
            interface: "eni-1".into(),
            text: "2 400".into(),
        };
        let packed = packed("${version} ${bytes}", &[line]).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "version bytes\n2 400\n");
    }

    #[test]
    fn every_interface_has_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path().join("a/b");
        let line = |interface: &str, text: &str| Line {
            interface: interface.into(),
            text: text.into(),
        };
        let records = [line("eni-1", "x"), line("eni-2", "y"), line("eni-1", "z")];
        write_streams(&at, "all", &records).unwrap();
        write_streams(&at, "all", &records[..1]).unwrap();
        let text = std::fs::read_to_string(at.join("eni-1-all.log")).unwrap();
        assert_eq!(text, "x\nz\nx\n");
        let mode = std::os::unix::fs::PermissionsExt::mode(&at.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o700);
    }
}
