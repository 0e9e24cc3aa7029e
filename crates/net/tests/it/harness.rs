//! Runs the tests, as the usual harness would, in a program with its own `main`.

use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

/// A test's name and body.
pub(crate) type Test = (&'static str, fn() -> Outcome);

/// How a test that did not panic ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was claimed holds.
    Passed,
    /// This machine cannot do what the test needs.
    Ignored(String),
}

/// Runs the tests that the command line names (all without one) and reports.
pub(crate) fn run(tests: &[Test]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let exact = arguments.iter().any(|a| a == "--exact");
    let filters: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let filters: Vec<&String> = filters.into_iter().filter(|a| *a != "terse").collect();
    let wanted = |name: &str| {
        filters.is_empty()
            || filters.iter().any(|f| {
                if exact {
                    name == *f
                } else {
                    name.contains(f.as_str())
                }
            })
    };
    let chosen: Vec<&Test> = tests.iter().filter(|(name, _)| wanted(name)).collect();
    if arguments.iter().any(|a| a == "--list") {
        if !arguments.iter().any(|a| a == "--ignored") {
            chosen.iter().for_each(|(name, _)| println!("{name}: test"));
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let (failed, ignored) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((name, test)) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    let result = panic::catch_unwind(test);
                    let time = start.elapsed().as_millis();
                    match result {
                        Ok(Outcome::Passed) => println!("test {name} ... ok ({time} ms)"),
                        Ok(Outcome::Ignored(reason)) => {
                            ignored.fetch_add(1, Ordering::Relaxed);
                            println!("test {name} ... ignored, {reason}");
                        }
                        Err(_) => {
                            println!("test {name} ... FAILED");
                            failed.lock().unwrap().push(*name);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let ignored = ignored.into_inner();
    let passed = chosen.len() - failed.len() - ignored;
    let word = if failed.is_empty() { "ok" } else { "FAILED" };
    let out = tests.len() - chosen.len();
    let (failures, count) = (failed.join(", "), failed.len());
    if count > 0 {
        println!("\nfailures: {failures}");
    }
    println!(
        "\ntest result: {word}. {passed} passed; {count} failed; {ignored} ignored; 0 measured; {out} filtered out\n"
    );
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
