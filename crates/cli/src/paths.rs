//! `adit paths`: which way S3's bytes take out of each subnet, the question behind NAT bills.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::args::{self, Target};
use crate::status::{list, number, text};

/// The ways, in the order of what they cost.
const WAYS: [&str; 4] = ["gateway", "interface", "nat", "public"];

/// Bytes of one row, both directions.
fn bytes(row: &Value) -> u64 {
    number(row, "BytesToS3").saturating_add(number(row, "BytesFromS3"))
}

/// The sum of each way over the rows.
fn sums<'a>(rows: impl Iterator<Item = &'a Value>) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    for row in rows {
        let sum = sums.entry(text(row, "Path").to_owned()).or_default();
        *sum = sum.saturating_add(bytes(row));
    }
    sums
}

/// The share of a part in hundredths.
fn share(part: u64, all: u64) -> u64 {
    let hundredths = u128::from(part) * 100 / u128::from(all.max(1));
    u64::try_from(hundredths).unwrap_or(100)
}

/// One line for each subnet and way, the most bytes first, and one for each way.
pub(crate) fn run(target: &Target, options: &args::Paths) -> anyhow::Result<ExitCode> {
    let answer = target.client()?.adit("NetCounters", json!({}))?;
    let wanted = |row: &Value| {
        let vpc = options.vpc.as_deref();
        vpc.is_none_or(|vpc| text(row, "VpcId") == vpc)
    };
    let mut rows = list(&answer, "Paths");
    rows.retain(wanted);
    rows.sort_by_key(|row| std::cmp::Reverse(bytes(row)));
    println!("from\tpath\tthrough\tto S3\tfrom S3\tVPC");
    for row in &rows {
        println!(
            "{}\t{}\t{}\t{}\t{}\t{}",
            text(row, "From"),
            text(row, "Path"),
            text(row, "Through"),
            number(row, "BytesToS3"),
            number(row, "BytesFromS3"),
            text(row, "VpcId"),
        );
    }
    let sums = sums(rows.iter());
    let all = sums
        .values()
        .fold(0u64, |all, sum| all.saturating_add(*sum));
    for way in WAYS {
        let sum = sums.get(way).copied().unwrap_or(0);
        println!("total\t{way}\t{sum}\t{}%", share(sum, all));
    }
    let mut unread = list(&answer, "Unread");
    unread.retain(wanted);
    for vpc in &unread {
        println!("unread\t{}\t{}", text(vpc, "VpcId"), text(vpc, "Why"));
    }
    Ok(match unread.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The ways together, for `adit status`.
pub(crate) fn summary(traffic: &Value) {
    let rows = list(traffic, "Paths");
    for (way, sum) in sums(rows.iter()) {
        println!("S3 bytes by {way}\t{sum}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_summed_and_shared() {
        let row = |way: &str, to: u64, from: u64| json!({"Path": way, "BytesToS3": to, "BytesFromS3": from});
        let rows = [row("nat", 1, 2), row("gateway", 10, 20), row("nat", 0, 3)];
        let sums = sums(rows.iter());
        assert_eq!((sums["nat"], sums["gateway"]), (6, 30));
        assert_eq!(
            (share(6, 36), share(0, 0), share(u64::MAX, u64::MAX)),
            (16, 0, 100)
        );
    }
}
