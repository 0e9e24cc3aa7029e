//! The servers under measure, each a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::client::{ACCESS_KEY, SECRET};

/// A server that runs.
pub struct Server {
    child: Child,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Server {
    /// Adit's control plane alone, with its state in a directory.
    pub fn adit(program: &Path, state: &Path) -> Server {
        let mut child = Command::new(program)
            .args([
                "up",
                "--planes",
                "none",
                "--listen",
                "127.0.0.1:0",
                "--log",
                "error",
            ])
            .args(["--account", "123456789012", "--state"])
            .arg(state)
            .env("ADIT_ROOT_ACCESS_KEY_ID", ACCESS_KEY)
            .env("ADIT_ROOT_SECRET_ACCESS_KEY", SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .expect("adit starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("a pipe");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("a ready line");
        let address = line
            .split_once("http://")
            .and_then(|(_, rest)| rest.split_whitespace().next())
            .unwrap_or_else(|| panic!("no address in `{line}`"));
        Server {
            address: address.parse().expect("an address"),
            child,
        }
    }

    /// The peer, which keeps everything in memory.
    pub fn moto(program: &Path) -> Server {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto_server starts");
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "moto_server does not listen"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Server { child, address }
    }

    /// CPU time of the process with all its threads, in microseconds.
    pub fn cpu(&self) -> f64 {
        let pid = Pid::from_raw(self.child.id() as i32);
        let clock = ClockId::pid_cpu_clock_id(pid).expect("the process runs");
        let time = clock_gettime(clock).expect("a CPU clock");
        time.tv_sec() as f64 * 1e6 + time.tv_nsec() as f64 / 1e3
    }

    /// Resident memory, in bytes.
    pub fn memory(&self) -> f64 {
        let path = PathBuf::from(format!("/proc/{}/status", self.child.id()));
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|mut file| file.read_to_string(&mut text))
            .expect("the process runs");
        let line = text.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.expect("VmRSS") * 1024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
