//! `adit status` and `adit top`: how the installation is, and what passes through it.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::args::{Target, Top};
use crate::client::Client;
use crate::paths;

pub(crate) fn list(value: &Value, name: &str) -> Vec<Value> {
    let found = value.get(name).and_then(Value::as_array).cloned();
    found.unwrap_or_default()
}

pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("-")
}

pub(crate) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// Prints planes, counts and problems; fails when something is wrong.
pub(crate) fn status(target: &Target) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    let answer = client.adit("Status", json!({}))?;
    let generation = number(&answer, "Generation");
    println!("generation\t{generation}");
    let mut wrong = Vec::new();
    for plane in list(&answer, "Planes") {
        let reached = number(&plane, "Generation");
        let behind = if reached < generation {
            " (behind)"
        } else {
            ""
        };
        println!("plane {}\t{reached}{behind}", text(&plane, "Name"));
        for fault in list(&plane, "Faults") {
            let (name, vpc) = (text(&plane, "Name"), text(&fault, "VpcId"));
            wrong.push(format!("{name}\t{vpc}\t{}", text(&fault, "What")));
        }
    }
    for origin in list(&answer, "Origins") {
        let (name, state) = (text(&origin, "Name"), text(&origin, "State"));
        let (requests, failures) = (number(&origin, "Requests"), number(&origin, "Failures"));
        let url = text(&origin, "Endpoint");
        println!("origin {name}\t{state}\t{url}\t{requests} requests, {failures} failed");
        if state == "down" {
            wrong.push(format!("origin {name}\t{}", text(&origin, "LastFailure")));
        }
    }
    for count in list(&answer, "Counts") {
        println!("{}\t{}", text(&count, "What"), number(&count, "Count"));
    }
    // Who may not see what passes, or asks a node without planes, is shown the rest.
    if let Ok(traffic) = client.adit("NetCounters", json!({})) {
        paths::summary(&traffic);
        for device in list(&traffic, "Absent") {
            let (holder, why) = (text(&device, "Holder"), text(&device, "Why"));
            wrong.push(format!("{holder}\tabsent: {why}"));
        }
        for vpc in list(&traffic, "Unread") {
            wrong.push(format!("{}\t{}", text(&vpc, "VpcId"), text(&vpc, "Why")));
        }
    }
    for problem in list(&answer, "Problems") {
        wrong.push(format!(
            "{}\t{}",
            text(&problem, "Resource"),
            text(&problem, "What")
        ));
    }
    for line in &wrong {
        println!("problem\t{line}");
    }
    Ok(match wrong.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Bytes into and out of a place.
type Bytes = (u64, u64);

fn bytes(row: &Value) -> Bytes {
    let of = |name: &str| row.get(name).map_or(0, |count| number(count, "Bytes"));
    (of("In"), of("Out"))
}

/// What has passed, and how many connections were let through.
type Seen = (Bytes, u64);

fn seen(row: &Value) -> Seen {
    (bytes(row), number(row, "NewConnections"))
}

/// What a row is told by: the interface, or the gateway endpoint.
fn name(row: &Value) -> String {
    let interface = text(row, "NetworkInterfaceId");
    match interface {
        "-" => text(row, "VpcEndpointId").to_string(),
        interface => interface.to_string(),
    }
}

/// Prints rates, the busiest first.
pub(crate) fn top(target: &Target, options: &Top) -> anyhow::Result<ExitCode> {
    let client = target.client()?;
    let mut before = BTreeMap::new();
    let mut at = Instant::now();
    for round in 0..=options.count {
        let answer = client.adit("NetCounters", json!({}))?;
        let rows = list(&answer, "Rows");
        let seconds = at.elapsed().as_secs_f64();
        at = Instant::now();
        if round > 0 {
            print(&rows, &before, seconds);
        }
        before = rows.iter().map(|row| (name(row), seen(row))).collect();
        if round < options.count {
            std::thread::sleep(Duration::from_secs(options.interval));
        }
    }
    drops(&client)?;
    Ok(ExitCode::SUCCESS)
}

fn print(rows: &[Value], before: &BTreeMap<String, Seen>, seconds: f64) {
    let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds) as u64;
    let mut lines: Vec<(u64, String)> = rows
        .iter()
        .map(|row| {
            let (into, out) = bytes(row);
            let new = number(row, "NewConnections");
            let now = ((into, out), new);
            let (then, before) = before.get(&name(row)).copied().unwrap_or(now);
            let (into, out) = (rate(into, then.0), rate(out, then.1));
            let connections = [
                number(row, "ActiveConnections"),
                rate(new, before),
                number(row, "PacketsDropped"),
                number(row, "RstPackets"),
            ];
            let connections = connections.map(|n| n.to_string()).join("\t");
            let place = [
                text(row, "VpcEndpointId"),
                text(row, "SubnetId"),
                text(row, "VpcId"),
            ];
            let place = place.join("\t");
            (
                into + out,
                format!("{}\t{into}\t{out}\t{place}\t{connections}", name(row)),
            )
        })
        .collect();
    lines.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    println!("interface\tin B/s\tout B/s\tendpoint\tsubnet\tVPC\tactive\tnew/s\tdropped\tresets");
    for (_, line) in lines {
        println!("{line}");
    }
}

/// What filters dropped since they were loaded.
fn drops(client: &Client) -> anyhow::Result<()> {
    let answer = client.adit("NetCounters", json!({}))?;
    for drop in list(&answer, "Drops") {
        let packets = number(&drop, "Packets");
        if packets > 0 {
            let (vpc, filter) = (text(&drop, "VpcId"), text(&drop, "Filter"));
            println!("dropped\t{packets}\t{filter}\t{vpc}");
        }
    }
    Ok(())
}
