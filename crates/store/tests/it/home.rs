//! Homes for a test's state: a directory, or an etcd of its own on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use adit_model::{Account, AccountId};
use adit_store::etcd::{Node, Options};
use adit_store::{Author, Committed, OpenError, Store};

pub(crate) const AUTHOR: Author<'static> = Author {
    who: "adit",
    operation: "test",
};

pub(crate) fn account(n: u64) -> Account {
    let id: AccountId = format!("{n:012}").parse().unwrap();
    Account {
        id,
        canonical_id: "c".into(),
        name: format!("a{n}"),
        created: 0,
    }
}

pub(crate) async fn put(store: &Store, n: u64) -> Committed<()> {
    store
        .write::<_, ()>(AUTHOR, |draft| {
            draft.put(account(n));
            Ok(())
        })
        .await
        .unwrap()
}

/// Where a test's state is.
pub(crate) enum Home {
    Directory(tempfile::TempDir),
    Etcd(Etcd, tempfile::TempDir),
}

impl Home {
    pub(crate) fn directory() -> Home {
        Home::Directory(tempfile::tempdir().unwrap())
    }

    pub(crate) fn etcd() -> Home {
        Home::Etcd(Etcd::start(), tempfile::tempdir().unwrap())
    }

    /// Opens it, waiting for one that was dropped a moment ago to let go.
    pub(crate) fn open(&self) -> Store {
        let once = || match self {
            Home::Directory(directory) => Store::open(directory.path()),
            Home::Etcd(etcd, directory) => {
                Store::connect(directory.path(), &etcd.options("one", false))
            }
        };
        patiently(once)
    }
}

/// The journal thread lets go of the lock a moment after its store is dropped.
pub(crate) fn patiently(once: impl Fn() -> Result<Store, OpenError>) -> Store {
    for _ in 0..400 {
        match once() {
            Err(OpenError::InUse(_)) => std::thread::sleep(Duration::from_millis(5)),
            other => return other.unwrap(),
        }
    }
    panic!("the lock was never released");
}

/// Waits for something that must come true soon.
pub(crate) async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(Instant::now() < end, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An etcd on loopback, gone with the value.
pub(crate) struct Etcd {
    process: Child,
    directory: tempfile::TempDir,
    pub(crate) port: u16,
    peer: u16,
}

impl Etcd {
    pub(crate) fn start() -> Etcd {
        let free = || {
            let probe = TcpListener::bind("127.0.0.1:0").unwrap();
            probe.local_addr().unwrap().port()
        };
        let (port, peer) = (free(), free());
        let directory = tempfile::tempdir().unwrap();
        let process = run(directory.path(), port, peer, None);
        let etcd = Etcd {
            process,
            directory,
            port,
            peer,
        };
        etcd.wait();
        etcd
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again on what it kept.
    pub(crate) fn again(&mut self) {
        self.process = run(self.directory.path(), self.port, self.peer, None);
        self.wait();
    }

    /// Starts it again on what it kept, speaking TLS to clients with this certificate and key.
    pub(crate) fn again_with_tls(&mut self, certificate: &Path, key: &Path) {
        let tls = Some((certificate, key));
        self.process = run(self.directory.path(), self.port, self.peer, tls);
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(30);
        while self
            .post("kv/range", r#"{"key":"AA=="}"#)
            .is_none_or(|a| !a.contains("revision"))
        {
            assert!(Instant::now() < end, "etcd does not answer");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// One call of its JSON gateway: the whole answer, head included.
    pub(crate) fn post(&self, method: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        write!(
            stream,
            "POST /v3/{method} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    pub(crate) fn options(&self, node: &str, planes: bool) -> Options {
        let address = format!("etcd://127.0.0.1:{}", self.port);
        Options::parse(&address).unwrap().as_node(Node {
            id: node.into(),
            address: "127.0.0.1:1".into(),
            planes,
        })
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(directory: &Path, port: u16, peer: u16, tls: Option<(&Path, &Path)>) -> Child {
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (client, peer) = (
        format!("{scheme}://127.0.0.1:{port}"),
        format!("http://127.0.0.1:{peer}"),
    );
    let mut command = Command::new("etcd");
    if let Some((certificate, key)) = tls {
        command.arg("--cert-file").arg(certificate);
        command.arg("--key-file").arg(key);
    }
    command
        .args(["--data-dir".as_ref(), directory.as_os_str()])
        .args([
            "--listen-client-urls",
            &client,
            "--advertise-client-urls",
            &client,
        ])
        .args([
            "--listen-peer-urls",
            &peer,
            "--initial-advertise-peer-urls",
            &peer,
        ])
        .args([
            "--initial-cluster",
            &format!("default={peer}"),
            "--log-level",
            "error",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the etcd of the Debian package etcd-server runs")
}
