//! What others change is noticed and put right without looking everywhere.

use std::time::{Duration, Instant};

use crate::harness::{Outcome, Test};
use crate::helpers::{ip, output_in};
use crate::lab::{Lab, lab};
use crate::topology::{Vpc, internet};

pub(crate) const TESTS: &[Test] = &[
    (
        "mend::what_is_deleted_is_back_at_once",
        what_is_deleted_is_back_at_once,
    ),
    (
        "mend::silent_changes_are_found_in_turn",
        silent_changes_are_found_in_turn,
    ),
    (
        "mend::own_changes_are_not_looked_at",
        own_changes_are_not_looked_at,
    ),
    (
        "mend::a_large_group_is_not_looked_at_whole",
        a_large_group_is_not_looked_at_whole,
    ),
];

/// Sooner than the round could find it.
const SOON: Duration = Duration::from_millis(900);

fn ready() -> Result<Lab, Outcome> {
    let lab = Lab::new()?;
    if lab.agent().hello().rootless {
        return Err(Outcome::Ignored(
            "needs root to meddle with the namespaces".into(),
        ));
    }
    lab.settle("internet", &internet());
    lab.settle("vpc-a", &Vpc::whole('a', 1).build());
    // What came of making it has been heard.
    let _ = lab.agent().mend(Duration::from_millis(100)).unwrap();
    Ok(lab)
}

fn is_whole(lab: &Lab) -> bool {
    ["internet", "vpc-a"]
        .iter()
        .all(|group| lab.agent().drift(group).unwrap().is_empty())
}

/// Calls until all is as stated; how long that took.
fn mended(lab: &Lab) -> Duration {
    let start = Instant::now();
    loop {
        let mended = lab.agent().mend(Duration::from_millis(900)).unwrap();
        assert!(mended.failed.is_empty(), "{mended:?}");
        let took = start.elapsed();
        if is_whole(lab) {
            return took;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "never mended");
    }
}

fn what_is_deleted_is_back_at_once() -> Outcome {
    let lab = match ready() {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let exe = std::env::current_exe().unwrap();
    for (ns, line) in [
        ("a-r", "route del 198.51.100.0/24 table 101"),
        ("a-r", "route del 54.123.160.0/19 table 101"),
        ("a-r", "rule del pref 1101"),
        ("a-r", "nexthop del id 21"),
        ("a-r", "addr del 10.0.0.2/32 dev lo"),
        ("a-r", "neigh del 10.0.1.10 dev p-i1"),
        ("a-r", "link set p-i1 down"),
        ("a-r", "link del vpce-1"),
        ("a-i1", "link del eth0"),
        ("a-i1", "link set eth0 down"),
        ("a-i1", "addr flush dev eth0"),
        ("inet", "link del to-a"),
    ] {
        let handle = lab.agent().namespace(ns).unwrap();
        let files = adit_net::exec::NameFiles::default();
        let mut command = adit_net::exec::command_in(&handle, "ip", &files).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        // Not every topology has every object: what is not there cannot be lost.
        if !command.args(words).output().unwrap().status.success() {
            continue;
        }
        let took = mended(&lab);
        assert!(took < SOON, "{ns}: {line}: {took:?}");
    }
    output_in(
        lab.agent(),
        "a-r",
        exe.to_str().unwrap(),
        &["remove-tables"],
    );
    assert_eq!(
        lab.agent().drift("vpc-a").unwrap(),
        ["a-r: load table adit"]
    );
    let took = mended(&lab);
    assert!(took < SOON, "the table: {took:?}");
    Outcome::Passed
}

fn silent_changes_are_found_in_turn() -> Outcome {
    let lab = match ready() {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let file = "/proc/sys/net/ipv4/ip_forward";
    output_in(
        lab.agent(),
        "a-r",
        "sh",
        &["-c", &format!("echo 0 > {file}")],
    );
    assert!(!is_whole(&lab));
    mended(&lab);
    Outcome::Passed
}

fn own_changes_are_not_looked_at() -> Outcome {
    let lab = lab!();
    lab.agent().apply("internet", &internet()).unwrap();
    let mut vpc = Vpc::whole('a', 1);
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    // Carriers come up a moment later; the round has its turn too.
    let _ = lab.agent().mend(Duration::from_millis(1000)).unwrap();
    for n in 1..=20 {
        vpc.endpoint_number(n);
        lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    }
    let start = Instant::now();
    let mended = lab.agent().mend(Duration::from_millis(300)).unwrap();
    assert!(
        start.elapsed() >= Duration::from_millis(300),
        "something was heard"
    );
    assert_eq!((mended.steps.len(), mended.failed.len()), (0, 0));
    Outcome::Passed
}

fn a_large_group_is_not_looked_at_whole() -> Outcome {
    let lab = lab!();
    if lab.agent().hello().rootless {
        return Outcome::Ignored("needs root to meddle with the namespaces".into());
    }
    let mut vpc = Vpc::new('a', 1);
    for n in 1..=40 {
        vpc.endpoint_number(n);
    }
    lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    let _ = lab.agent().mend(Duration::from_millis(1000)).unwrap();
    ip(lab.agent(), "a-ep-7", "link del eth0");
    let mended = lab.agent().mend(Duration::from_millis(500)).unwrap();
    assert!(mended.steps.contains_key("vpc-a"), "{mended:?}");
    assert!(mended.looked <= 2 + 16, "{mended:?}");
    assert_eq!(lab.agent().drift("vpc-a").unwrap(), Vec::<String>::new());
    Outcome::Passed
}
