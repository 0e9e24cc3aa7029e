//! The demonstration's own daemon, and calls to it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use adit_daemon::places::{self, ClientFile};
use adit_wire::Service;
use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::world::World;
use crate::client::{Client, element};

pub(super) struct Daemon {
    process: Child,
    pub(super) program: PathBuf,
    pub(super) state: PathBuf,
    pub(super) file: ClientFile,
    pub(super) client: Client,
}

impl Daemon {
    pub(super) fn start() -> anyhow::Result<Daemon> {
        let program = std::env::current_exe().context("cannot find the adit program")?;
        let mut process = Command::new(&program)
            .args([
                "up",
                "--ephemeral",
                "--listen",
                "127.0.0.1:0",
                "--explain-allowed",
                "--log",
                "warn",
            ])
            .env_remove("ADIT_ENDPOINT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the daemon")?;
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            Ok::<_, std::io::Error>(())
        })?;
        self.end();
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
