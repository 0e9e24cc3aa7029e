//! CPU per query against other servers with the same zone: Debian's `nsd`, `knot`, `unbound` and
//! `bind9`, driven by `dnsperf`.
//!
//! `cargo run --release -p adit-dns --example dns_peers [ENDPOINTS] [SECONDS]`. Servers that are
//! not installed are left out. Each runs with one worker on a free port of loopback; rounds are
//! interleaved and medians compared. The mix is 70 % exact names, 28 % under wildcards and 2 %
//! missing, a tenth of them for AAAA. The last line is held against the goal (at most 1.0).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_dns::Listener;
use adit_dns::serve::{Limits, Server};

#[path = "common/endpoints.rs"]
mod endpoints;

use endpoints::{APEX, endpoint, median, names};

const ROUNDS: usize = 5;
const QUERIES: u32 = 50_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    let count = first
        .as_deref()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000);
    match first.as_deref() {
        Some("serve") => {
            let port = arguments.next().unwrap().parse().unwrap();
            serve(port, arguments.next().unwrap().parse().unwrap());
        }
        Some("echo") => echo(arguments.next().unwrap().parse().unwrap()),
        _ => compare(
            count,
            arguments
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(3),
        ),
    }
}

fn compare(count: u32, seconds: u32) {
    let folder = std::env::temp_dir().join(format!("adit-dns-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    write_zone(&folder, count);
    let queries = folder.join("queries");
    std::fs::write(&queries, query_file(count)).unwrap();
    let mut servers = start_all(&folder, count);
    let mut costs: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for server in &mut servers {
            let before = cpu(server.child.id());
            let answered = dnsperf(&queries, server.port, seconds);
            let spent = cpu(server.child.id()) - before;
            costs
                .entry(server.name)
                .or_default()
                .push(spent / answered as f64);
        }
    }
    println!("{count} endpoints: CPU us per query, median of {ROUNDS} rounds; memory in MiB");
    for server in &servers {
        let cost = median(costs.get_mut(server.name).unwrap());
        println!(
            "  {:<8} {cost:>6.2} {:>6}",
            server.name,
            resident(server.child.id()) / 1024
        );
    }
    for server in &mut servers {
        server.child.kill().unwrap();
        server.child.wait().unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
    let mut of = |name| costs.get_mut(name).map(|costs| median(costs));
    let ours = of("adit").unwrap();
    if let Some(echo) = of("echo") {
        println!("adit / echo: {:.2}", ours / echo);
    }
    let better = [of("nsd"), of("knot")]
        .into_iter()
        .flatten()
        .fold(f64::INFINITY, f64::min);
    println!("adit / the better of nsd and knot: {:.2}", ours / better);
}

struct Peer {
    name: &'static str,
    port: u16,
    child: Child,
}

fn start_all(folder: &Path, count: u32) -> Vec<Peer> {
    let own = std::env::current_exe().unwrap();
    let mut peers = Vec::new();
    let mut start = |name, program: PathBuf, arguments: &dyn Fn(u16) -> Vec<String>| {
        let port = free_port();
        let log = std::fs::File::create(folder.join(format!("{name}.log"))).unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments(port))
            .current_dir(folder)
            .stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        match command.spawn() {
            Ok(child) => peers.push(Peer { name, port, child }),
            Err(error) => println!("{name} is left out: {error}"),
        }
    };
    start("echo", own.clone(), &|port| {
        vec!["echo".into(), port.to_string()]
    });
    start("adit", own, &|port| {
        vec!["serve".into(), port.to_string(), count.to_string()]
    });
    start("nsd", "nsd".into(), &|port| {
        vec![
            "-d".into(),
            "-c".into(),
            config(folder, "nsd.conf", &nsd(folder, port)),
        ]
    });
    start("knot", "knotd".into(), &|port| {
        vec![
            "-c".into(),
            config(folder, "knot.conf", &knot(folder, port)),
        ]
    });
    start("unbound", "unbound".into(), &|port| {
        vec![
            "-d".into(),
            "-c".into(),
            config(folder, "unbound.conf", &unbound(folder, port)),
        ]
    });
    start("bind", "named".into(), &|port| {
        let config = config(folder, "named.conf", &bind(folder, port));
        ["-f", "-n", "1", "-c", &config].map(str::to_owned).to_vec()
    });
    peers.retain_mut(|peer| answers(peer, folder));
    peers
}

fn config(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn nsd(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "server:\n ip-address: 127.0.0.1@{port}\n server-count: 1\n database: \"\"\n \
         username: \"\"\n zonesdir: \"{folder}\"\n pidfile: \"{folder}/nsd.pid\"\n \
         xfrdfile: \"{folder}/xfrd.state\"\n zonelistfile: \"{folder}/zone.list\"\n \
         rrl-ratelimit: 0\n rrl-whitelist-ratelimit: 0\n\
         remote-control:\n control-enable: no\nzone:\n name: \"{APEX}\"\n zonefile: \"zone\"\n"
    )
}

fn knot(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "server:\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 1\n  rundir: \"{folder}\"\ndatabase:\n  storage: \"{folder}/knot\"\n\
         log:\n  - target: stderr\n    any: error\nzone:\n  - domain: {APEX}\n    \
         storage: \"{folder}\"\n    file: zone\n    zonefile-sync: -1\n    journal-content: none\n"
    )
}

fn unbound(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "server:\n interface: 127.0.0.1@{port}\n num-threads: 1\n username: \"\"\n chroot: \"\"\n \
         directory: \"{folder}\"\n pidfile: \"\"\n use-syslog: no\n module-config: \"iterator\"\n\
         remote-control:\n control-enable: no\nauth-zone:\n name: \"{APEX}\"\n zonefile: \"zone\"\n \
         for-upstream: no\n for-downstream: yes\n"
    )
}

fn bind(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    format!(
        "options {{ directory \"{folder}\"; listen-on port {port} {{ 127.0.0.1; }}; \
         listen-on-v6 {{ none; }}; recursion no; pid-file none; session-keyfile none; \
         minimal-responses yes; }};\ncontrols {{ }};\n\
         zone \"{APEX}\" {{ type primary; file \"zone\"; }};\n"
    )
}

/// Whether the server answers before long; one that does not is ended.
fn answers(peer: &mut Peer, folder: &Path) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    socket.connect(("127.0.0.1", peer.port)).unwrap();
    let mut probe = b"\0\0\0\0\0\x01\0\0\0\0\0\0".to_vec();
    probe.extend_from_slice(endpoints::name(&endpoint(0)).wire());
    probe.extend_from_slice(b"\0\x01\0\x01");
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end && peer.child.try_wait().unwrap().is_none() {
        let _ = socket.send(&probe);
        let mut buf = [0; 2048];
        match socket.recv(&mut buf) {
            // NOERROR: the zone is loaded.
            Ok(len) if len > 12 && buf[3] & 15 == 0 => return true,
            Ok(_) => std::thread::sleep(Duration::from_millis(100)),
            Err(_) => {}
        }
    }
    let log = std::fs::read_to_string(folder.join(format!("{}.log", peer.name)));
    println!(
        "{} is left out, it does not answer: {}",
        peer.name,
        log.unwrap_or_default()
    );
    let _ = peer.child.kill();
    let _ = peer.child.wait();
    false
}

fn write_zone(folder: &Path, count: u32) {
    let mut text = format!(
        "$ORIGIN {APEX}.\n$TTL 60\n@ 900 SOA ns.test. root.test. 1 2 3 4 60\n@ NS ns.test.\n"
    );
    for i in 0..count {
        let [_, b, c, d] = i.to_be_bytes();
        let owner = endpoint(i);
        let id = owner.split('.').next().unwrap();
        for prefix in ["", "*.", "bucket."] {
            for b in [b, b ^ 1] {
                writeln!(text, "{prefix}{id} A 10.{b}.{c}.{d}").unwrap();
            }
        }
        writeln!(text, "{id}-us-east-1a A 10.{b}.{c}.{d}").unwrap();
    }
    std::fs::write(folder.join("zone"), text).unwrap();
    std::fs::create_dir_all(folder.join("knot")).unwrap();
}

fn query_file(count: u32) -> String {
    let mut text = String::new();
    for n in 0..QUERIES {
        let owner = endpoint(n.wrapping_mul(2_654_435_761) % count);
        let owner = match n % 100 {
            0..70 => format!("bucket.{owner}"),
            70..98 => format!("my-bucket-{n}.{owner}"),
            _ => format!("missing-{n}.{APEX}"),
        };
        let rtype = if n % 10 == 7 { "AAAA" } else { "A" };
        writeln!(text, "{owner} {rtype}").unwrap();
    }
    text
}

/// Queries completed in one run.
fn dnsperf(queries: &Path, port: u16, seconds: u32) -> u64 {
    let (port, seconds) = (port.to_string(), seconds.to_string());
    let output = Command::new("dnsperf")
        .args([
            "-s",
            "127.0.0.1",
            "-p",
            &port,
            "-l",
            &seconds,
            "-c",
            "4",
            "-T",
            "1",
            "-q",
            "100",
        ])
        .arg("-d")
        .arg(queries)
        .output()
        .expect("dnsperf is not installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text
        .lines()
        .find(|line| line.contains("Queries completed:"))
        .unwrap();
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

/// The process and its children, as some servers fork.
fn tree(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(id) = all.get(next).copied() {
        next += 1;
        for task in std::fs::read_dir(format!("/proc/{id}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = std::fs::read_to_string(task.path().join("children"));
            all.extend(
                children
                    .unwrap_or_default()
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
    }
    all
}

/// CPU of all threads of the tree in microseconds.
fn cpu(root: u32) -> f64 {
    let tasks = tree(root).into_iter().flat_map(|id| {
        std::fs::read_dir(format!("/proc/{id}/task"))
            .into_iter()
            .flatten()
            .flatten()
    });
    let spent = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    spent.sum::<f64>() / 1000.0
}

fn resident(root: u32) -> u64 {
    let sizes = tree(root).into_iter().filter_map(|id| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))?
            .to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    sizes.sum()
}

fn free_port() -> u16 {
    // Free for both transports: the servers open both.
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn serve(port: u16, count: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = Server::new(Arc::new(names(count)), None, None, Limits::default());
        let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let listener = Listener {
            id: 1,
            label: "bench".into(),
        };
        let _serving = server.serve_udp(socket, listener).unwrap();
        std::future::pending::<()>().await;
    });
}

fn echo(port: u16) {
    let socket = UdpSocket::bind(("127.0.0.1", port)).unwrap();
    let mut buf = [0; 2048];
    loop {
        let (len, peer) = socket.recv_from(&mut buf).unwrap();
        // A response, so that the load generator counts it.
        if let Some(flags) = buf.get_mut(2) {
            *flags |= 0x80;
        }
        socket.send_to(&buf[..len], peer).unwrap();
    }
}
