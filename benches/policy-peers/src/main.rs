//! `adit-policy` beside other engines, in one run, as ratios.
//!
//! `cargo run --release` prints everything; `cargo run --release -- run ENGINE CASE COUNT` decides
//! COUNT times over all requests of a case, for an instruction counter. Peers are pinned. Rounds are
//! interleaved and medians of CPU time compared. Where `valgrind` is installed, instructions per
//! decision are counted too, as the difference between a long and a short run.

#[path = "../../../crates/policy/benches/cases.rs"]
mod cases;
mod engines;
mod statement;

use std::hint::black_box;
use std::process::Command;
use std::time::Duration;

use cases::Case;
use cpu_time::ThreadTime;
use engines::{NAMES, Prepared, prepare};

const ROUNDS: usize = 7;
/// CPU time that one measurement takes at least.
const LEAST: Duration = Duration::from_millis(20);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["run", engine, case, count] => run(engine, case, count.parse().expect("a number")),
        [] => table(),
        _ => eprintln!("usage: policy-peers [run ENGINE CASE COUNT]"),
    }
}

fn case(name: &str) -> &'static Case {
    let case = cases::all().into_iter().find(|case| case.name == name);
    Box::leak(Box::new(case.unwrap_or_else(|| panic!("no case `{name}`"))))
}

/// Decides every request of the case `count` times.
fn run(engine: &str, name: &str, count: usize) {
    let case = case(name);
    let mut prepared = prepare(engine, case).expect("the engine can express the case");
    for _ in 0..count {
        for request in 0..case.requests.len() {
            black_box(prepared.decide(request));
        }
    }
}

/// CPU nanoseconds per call.
fn measure(mut call: impl FnMut()) -> f64 {
    let mut count = 1_u32;
    loop {
        let start = ThreadTime::now();
        for _ in 0..count {
            call();
        }
        let elapsed = start.elapsed();
        if elapsed >= LEAST {
            return elapsed.as_nanos() as f64 / f64::from(count);
        }
        count = count.saturating_mul(2);
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of interleaved rounds, one per engine; `None` where the engine cannot express the case.
fn compare(
    prepared: &mut [Option<Box<dyn Prepared>>],
    mut call: impl FnMut(&mut dyn Prepared),
) -> Vec<Option<f64>> {
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); prepared.len()];
    for _ in 0..ROUNDS {
        for (engine, samples) in prepared.iter_mut().zip(&mut samples) {
            if let Some(engine) = engine {
                samples.push(measure(|| call(&mut **engine)));
            }
        }
    }
    samples
        .iter_mut()
        .map(|s| (!s.is_empty()).then(|| median(s)))
        .collect()
}

fn table() {
    println!(
        "{:<24}{}",
        "",
        NAMES.map(|name| format!("{name:>12}")).concat()
    );
    let mut times = Vec::new();
    for case in cases::all() {
        let case: &'static Case = Box::leak(Box::new(case));
        let mut prepared: Vec<_> = NAMES.iter().map(|name| prepare(name, case)).collect();
        answers(case, &mut prepared);
        let count = case.requests.len();
        let each = |engine: &mut dyn Prepared| {
            for request in 0..count {
                black_box(engine.decide(request));
            }
        };
        let medians = compare(&mut prepared, each);
        let per_decision: Vec<_> = medians
            .iter()
            .map(|m| m.map(|m| m / count as f64))
            .collect();
        row(&format!("{} ns", case.name), &per_decision);
        times.push((case.name, per_decision));
        if case.name == "seed" {
            raw(case, &mut prepared, count);
            allocations(case, &mut prepared);
        }
        if matches!(case.name, "bucket20k" | "syn100") {
            let medians = compare(&mut prepared, |engine| engine.compile());
            row(&format!("{} compile ns", case.name), &medians);
            println!("  compile, of cedar's: {:.4}", ratio(&medians, 0, 3));
        }
    }
    let of = |name: &str| {
        times
            .iter()
            .find(|(case, _)| *case == name)
            .and_then(|(_, t)| t[0])
    };
    let growth = |a: &str, b: &str| of(a).unwrap_or(0.0) / of(b).unwrap_or(1.0);
    println!(
        "P3 growth: syn1000/syn1 {:.2}, bucket20k/seed {:.2}",
        growth("syn1000", "syn1"),
        growth("bucket20k", "seed")
    );
    hostile();
    instructions();
}

fn row(name: &str, values: &[Option<f64>]) {
    let cells: Vec<String> = values
        .iter()
        .map(|value| value.map_or_else(|| format!("{:>12}", "-"), |value| format!("{value:>12.0}")))
        .collect();
    println!("{name:<24}{}", cells.concat());
}

fn ratio(values: &[Option<f64>], ours: usize, theirs: usize) -> f64 {
    values[ours].unwrap_or(f64::NAN) / values[theirs].unwrap_or(f64::NAN)
}

/// An engine that answers wrongly is not compared.
fn answers(case: &Case, prepared: &mut [Option<Box<dyn Prepared>>]) {
    for (name, engine) in NAMES.iter().zip(prepared) {
        if let Some(prepared) = engine {
            let wrong = (0..case.requests.len())
                .find(|request| prepared.decide(*request) != case.requests[*request].allowed);
            if let Some(request) = wrong {
                assert_ne!(*name, "adit", "{}: request {request}", case.name);
                println!(
                    "  {name} answers request {request} of {} wrongly",
                    case.name
                );
                *engine = None;
            }
        }
    }
}

fn raw(case: &'static Case, prepared: &mut [Option<Box<dyn Prepared>>], count: usize) {
    let medians = compare(prepared, |engine| {
        for request in 0..count {
            black_box(engine.decide_raw(request));
        }
    });
    let per: Vec<_> = medians
        .iter()
        .map(|m| m.map(|m| m / count as f64))
        .collect();
    row(&format!("{} from raw values ns", case.name), &per);
    println!(
        "P2 from raw values, of iam-rs: 1/{:.0}, of cedar: 1/{:.0}",
        1.0 / ratio(&per, 0, 2),
        1.0 / ratio(&per, 0, 3)
    );
}

fn allocations(case: &'static Case, prepared: &mut [Option<Box<dyn Prepared>>]) {
    let mut counts = Vec::new();
    for engine in prepared.iter_mut() {
        counts.push(engine.as_mut().map(|engine| {
            let counted = allocation_counter::measure(|| {
                for request in 0..case.requests.len() {
                    black_box(engine.decide_raw(request));
                }
            });
            counted.count_total as f64 / case.requests.len() as f64
        }));
    }
    row("  allocations, raw", &counts);
}

/// The worst key of several for the hostile patterns, and its growth with the key's length.
fn hostile() {
    for middle in ["b", "?b"] {
        let mut worst = 0.0_f64;
        let mut longer = 0.0_f64;
        for shape in 0..4 {
            let time = |length| {
                let case: &'static Case =
                    Box::leak(Box::new(cases::hostile_key(length, middle, shape)));
                let mut engine = prepare("adit", case).expect("own engine");
                let mut samples: Vec<f64> = (0..ROUNDS)
                    .map(|_| {
                        measure(|| {
                            black_box(engine.decide(0));
                        })
                    })
                    .collect();
                median(&mut samples)
            };
            worst = worst.max(time(1000));
            longer = longer.max(time(2000));
        }
        println!(
            "P6 hostile patterns (`{middle}`): worst key of 1,000 bytes {:.1} us, 2,000 bytes {:.2} times that",
            worst / 1000.0,
            longer / worst
        );
    }
}

/// Instructions per decision, if an instruction counter is installed.
fn instructions() {
    let program = std::env::current_exe().expect("own path");
    let count = |engine: &str, case: &str, count: &str| -> Option<f64> {
        let output = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(&program)
            .args(["run", engine, case, count])
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find(|line| line.contains("Collected"))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    for name in ["seed", "syn1", "syn1000", "bucket20k"] {
        let requests = case(name).requests.len() as f64;
        let values: Vec<Option<f64>> = NAMES
            .iter()
            .map(|engine| {
                Some((count(engine, name, "60")? - count(engine, name, "10")?) / 50.0 / requests)
            })
            .collect();
        if values[0].is_none() {
            println!("instructions: no valgrind here");
            return;
        }
        row(&format!("{name} instructions"), &values);
        if name == "seed" {
            let best = values[2..]
                .iter()
                .flatten()
                .copied()
                .fold(f64::INFINITY, f64::min);
            println!(
                "P1 instructions, of the best peer: 1/{:.0}; of the limit: {:.2}",
                best / values[0].unwrap_or(f64::NAN),
                ratio(&values, 0, 1)
            );
        }
    }
}
