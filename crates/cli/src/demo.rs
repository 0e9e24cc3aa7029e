//! `adit demo`: a hybrid network built through the public APIs, and who reaches which bucket in it.
//!
//! The story is in [`world`]: what is built. [`matrix`] runs a real S3 client in every place against
//! every bucket and compares with what the policies say. The demonstration starts a daemon of its
//! own and removes everything at the end.

mod daemon;
mod matrix;
mod paint;
mod s3;
mod world;

use std::process::ExitCode;

pub(crate) use s3::{Get, get};

use crate::args::Demo;
use daemon::Daemon;
use paint::Paint;

pub(crate) fn run(options: &Demo) -> anyhow::Result<ExitCode> {
    let paint = Paint::of_terminal();
    println!("{}", paint.title("Private VPC endpoints, on real packets"));
    println!("Starting an installation of its own; nothing of this machine is changed.");
    daemon::end_when_interrupted()?;
    let daemon = Daemon::start()?;
    let world = world::build(&daemon, &paint)?;
    let cells = matrix::run(&daemon, &world, &paint)?;
    let wrong = cells.iter().filter(|cell| !cell.as_expected()).count();
    match wrong {
        0 => println!(
            "\n{}",
            paint.good(&format!(
                "All {} cells are as the policies say.",
                cells.len()
            ))
        ),
        n => println!(
            "\n{}",
            paint.bad(&format!(
                "{n} of {} cells are NOT as expected.",
                cells.len()
            ))
        ),
    }
    if options.keep {
        daemon.keep(&world)?;
    } else {
        daemon.stop()?;
    }
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
