//! A real client in every place against every bucket.

use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::daemon::Daemon;
use super::paint::Paint;
use super::world::{At, KEY, Place, World};

/// One answer: a place, a bucket, what happened and why.
pub(super) struct Cell {
    place: &'static str,
    bucket: &'static str,
    expected: bool,
    allowed: bool,
    route: String,
    why: String,
}

impl Cell {
    pub(super) fn as_expected(&self) -> bool {
        self.allowed == self.expected
    }
}

pub(super) fn run(daemon: &Daemon, world: &World, paint: &Paint) -> anyhow::Result<Vec<Cell>> {
    let aws = has_aws_cli();
    let client = if aws {
        "the AWS CLI"
    } else {
        "a small client (the AWS CLI is not installed)"
    };
    println!(
        "\n{}",
        paint.title(&format!(
            "Asking from every place for every bucket, with {client}"
        ))
    );
    let jobs: Vec<(usize, usize)> = (0..world.places.len())
        .flat_map(|p| (0..world.buckets.len()).map(move |b| (p, b)))
        .collect();
    let next = AtomicUsize::new(0);
    let cells: Mutex<Vec<(usize, Cell)>> = Mutex::new(Vec::new());
    let failures: Mutex<Vec<anyhow::Error>> = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(2, 4);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match ask(daemon, world, *job, aws) {
                        Ok(cell) => {
                            let index = job.0 * world.buckets.len() + job.1;
                            lock(&cells).push((index, cell));
                            progress(lock(&cells).len(), jobs.len());
                        }
                        Err(error) => lock(&failures).push(error),
                    }
                }
            });
        }
    });
    progress_end();
    if let Some(error) = lock(&failures).pop() {
        return Err(error);
    }
    let mut cells = cells
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    cells.sort_by_key(|(index, _)| *index);
    let cells: Vec<Cell> = cells.into_iter().map(|(_, cell)| cell).collect();
    print(world, &cells, paint);
    Ok(cells)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn progress(done: usize, all: usize) {
    use std::io::{IsTerminal, Write};
    let mut out = std::io::stdout();
    if out.is_terminal() {
        let _ = write!(out, "\r  {done} of {all}");
        let _ = out.flush();
    }
}

fn progress_end() {
    use std::io::IsTerminal;
    if std::io::stdout().is_terminal() {
        print!("\r            \r");
    }
}

fn has_aws_cli() -> bool {
    let quiet = |mut c: Command| {
        c.stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    let mut command = Command::new("aws");
    command.arg("--version");
    quiet(command).is_ok_and(|status| status.success())
}

/// Runs one client, a process of its own, on a host of its own.
fn ask(daemon: &Daemon, world: &World, (p, b): (usize, usize), aws: bool) -> anyhow::Result<Cell> {
    let (Some(place), Some(bucket)) = (world.places.get(p), world.buckets.get(b)) else {
        anyhow::bail!("no such cell");
    };
    let program = daemon.program.display().to_string();
    let mut words = match aws {
        true => vec![
            "aws",
            "s3api",
            "get-object",
            "--cli-connect-timeout",
            "5",
            "--bucket",
            bucket.name,
            "--key",
            KEY,
            "/dev/null",
        ],
        false => vec![
            program.as_str(),
            "demo-client",
            "--bucket",
            bucket.name,
            "--key",
            KEY,
        ],
    };
    if let Some(url) = &place.endpoint_url {
        words.extend(["--endpoint-url", url]);
    }
    let before = decisions(daemon).len();
    let output = Command::new(&daemon.program)
        .args(["--endpoint", &daemon.file.endpoint, "run"])
        .args(place.flags())
        .arg("--")
        .args(&words)
        .env("AWS_ACCESS_KEY_ID", &daemon.file.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &daemon.file.secret_access_key)
        .env("AWS_DEFAULT_REGION", &daemon.file.region)
        .env("AWS_REGION", &daemon.file.region)
        .env("AWS_MAX_ATTEMPTS", "2")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_PROFILE")
        .stdin(Stdio::null())
        .output()?;
    let allowed = output.status.success();
    let record = find_record(daemon, before, place, bucket.name);
    let (route, why) = match record {
        Some(record) => (route_of(place, &record), reason_of(&record)),
        None => {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said
                .lines()
                .rfind(|line| !line.trim().is_empty())
                .unwrap_or("no answer");
            ("none".to_string(), last.to_string())
        }
    };
    Ok(Cell {
        place: place.name,
        bucket: bucket.name,
        expected: bucket.open_to.contains(&place.name),
        allowed,
        route,
        why,
    })
}

fn decisions(daemon: &Daemon) -> Vec<Value> {
    let text =
        std::fs::read_to_string(daemon.state.join(adit_daemon::audit::FILE)).unwrap_or_default();
    // Of each record what was decided, and how.
    text.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|mut record| Some(record.get_mut("additionalEventData")?.take()))
        .collect()
}

/// The decision about this bucket that came from this place since `before`. The record is written
/// beside the answer, so it may be a moment late.
fn find_record(daemon: &Daemon, before: usize, place: &Place, bucket: &str) -> Option<Value> {
    let arn = format!("arn:aws:s3:::{bucket}/{KEY}");
    for _ in 0..100 {
        let found = decisions(daemon).into_iter().skip(before).rfind(|record| {
            record.get("resource").and_then(Value::as_str) == Some(&arn) && came_from(record, place)
        });
        if found.is_some() {
            return found;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    None
}

/// Whether a record is of a request from this place: two VPCs have the same addresses, so the
/// endpoint's VPC tells them apart.
fn came_from(record: &Value, place: &Place) -> bool {
    let via = record.get("via");
    let text = |name: &str| via.and_then(|v| v.get(name)).and_then(Value::as_str);
    let from_site = text("sourceIp").is_some_and(|ip| ip.starts_with("192.168.50."));
    text("vpc") == place.vpc.as_deref() && from_site == matches!(place.at, At::Site(_))
}

fn route_of(place: &Place, record: &Value) -> String {
    let via = record.get("via");
    let text = |name: &str| via.and_then(|v| v.get(name)).and_then(Value::as_str);
    let source = text("sourceIp").unwrap_or("?");
    match text("endpoint") {
        Some(endpoint) => format!("{source} by {} {endpoint}", place.route),
        None => format!("{source} by {}", place.route),
    }
}

fn reason_of(record: &Value) -> String {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    match (text("layer"), text("statement")) {
        (Some(layer), Some(statement)) => format!("{layer} policy, statement {statement}"),
        (Some(layer), None) => format!("{layer} policy: no statement allows it"),
        (None, _) => text("decision").unwrap_or_default().to_lowercase(),
    }
}

fn print(world: &World, cells: &[Cell], paint: &Paint) {
    for bucket in &world.buckets {
        println!(
            "\n{}  {}",
            paint.title(bucket.name),
            paint.quiet(bucket.title)
        );
        for cell in cells.iter().filter(|cell| cell.bucket == bucket.name) {
            let verdict = match cell.allowed {
                true => paint.good("allowed"),
                false => paint.refused("refused"),
            };
            let mark = match cell.as_expected() {
                true => paint.quiet("as expected"),
                false => paint.bad("NOT EXPECTED"),
            };
            println!(
                "  {:<8} {verdict}  {mark}  {:<58} {}",
                cell.place,
                cell.route,
                paint.quiet(&cell.why)
            );
        }
    }
}
