//! The demonstration's own daemon, and calls to it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;

use adit_daemon::places::{self, ClientFile};
use adit_wire::Service;
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::World;
use crate::client::{Client, element};

/// The demonstration's daemon, for the one who must end it when the demonstration is interrupted.
static RUNNING: Mutex<Option<u32>> = Mutex::new(None);

/// From here on an interruption ends the daemon first, and then the demonstration.
pub(super) fn end_when_interrupted() -> anyhow::Result<()> {
    let (tell, ready) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let Ok(runtime) = runtime else { return };
        let interrupted = runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate()).ok()?;
            let mut interrupt = signal(SignalKind::interrupt()).ok()?;
            tell.send(()).ok()?;
            tokio::select! {
                got = terminate.recv() => got,
                got = interrupt.recv() => got,
            }
        });
        if interrupted.is_some() {
            end_and_exit();
        }
    });
    ready.recv().context("cannot watch for signals")
}

fn end_and_exit() -> ! {
    // Held to the end: no daemon is started any more.
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pid) = *running {
        let lease = adit_daemon::leases::lease_of(pid);
        let _ = kill(Pid::from_raw(pid as i32), Signal::SIGTERM);
        for _ in 0..1500 {
            if lease.is_none() || adit_daemon::leases::lease_of(pid) != lease {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    std::process::exit(130)
}

pub(super) struct Daemon {
    process: Child,
    /// Its standard input: the daemon ends when this does.
    _pipe: ChildStdin,
    pub(super) program: PathBuf,
    pub(super) state: PathBuf,
    pub(super) file: ClientFile,
    pub(super) client: Client,
}

impl Daemon {
    pub(super) fn start() -> anyhow::Result<Daemon> {
        let program = std::env::current_exe().context("cannot find the adit program")?;
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = Command::new(&program)
            .args([
                "up",
                "--ephemeral",
                "--listen",
                "127.0.0.1:0",
                "--explain-allowed",
                "--while-stdin",
                "--log",
                "warn",
            ])
            .env_remove("ADIT_ENDPOINT")
            // However the demonstration ends, the pipe ends with it.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the daemon")?;
        let pipe = process.stdin.take().context("the daemon has no input")?;
        *running = Some(process.id());
        drop(running);
        let stdout = process.stdout.take().context("the daemon has no output")?;
        let mut ready = String::new();
        BufReader::new(stdout).read_line(&mut ready)?;
        let state = ready
            .split("--state ")
            .nth(1)
            .and_then(|rest| rest.split(')').next());
        let Some(state) = state
            .filter(|_| ready.starts_with("adit ready"))
            .map(PathBuf::from)
        else {
            let _ = process.wait();
            bail!("the daemon did not start; its own line above says why");
        };
        let file = places::client_of_state(&state).context("the daemon left no client file")?;
        let client = Client::new(
            &file.endpoint,
            &file.region,
            &file.access_key_id,
            &file.secret_access_key,
            None,
        )?;
        Ok(Daemon {
            process,
            _pipe: pipe,
            program,
            state,
            file,
            client,
        })
    }

    /// An EC2 call; the answer's first element with this name.
    pub(super) fn ec2(
        &self,
        action: &str,
        parameters: &[(&str, &str)],
        wanted: &str,
    ) -> anyhow::Result<String> {
        let mut all = vec![("Action", action)];
        all.extend_from_slice(parameters);
        let xml = self
            .client
            .query(Service::Ec2, &all)
            .with_context(|| action.to_string())?;
        match element(&xml, wanted) {
            Some(text) => Ok(text.to_string()),
            None => bail!("{action}: the answer has no {wanted}: {xml}"),
        }
    }

    /// Ends the daemon, which removes everything it made.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        let _ = kill(Pid::from_raw(self.process.id() as i32), Signal::SIGTERM);
        let _ = self.process.wait();
    }

    /// Says how to look around, and waits until the daemon is ended.
    pub(super) fn keep(mut self, world: &World) -> anyhow::Result<()> {
        println!("\nIt keeps running (Ctrl-C ends it and removes everything). In another shell:");
        println!(
            "  eval \"$({} env --state {})\"",
            self.program.display(),
            self.state.display()
        );
        for place in &world.places {
            println!(
                "  {} run {} -- sh          # {}",
                self.program.display(),
                place.flags().join(" "),
                place.title
            );
        }
        // An interruption ends the daemon, and then this process.
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
