//! Other processes that tests need, in this same program.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use adit_net::client::{Agent, Mode, Options};
use adit_net::desired::Desired;
use adit_net::exec::{NameFiles, command_in};
use socket2::{Domain, Protocol, Socket, Type};

use crate::topology::{Vpc, internet};

type Helper = fn(&[String]);

pub(crate) fn find(word: &str) -> Option<Helper> {
    match word {
        "as-daemon" => Some(as_daemon),
        "remove-tables" => Some(remove_tables),
        "run-in" => Some(run_in),
        "start-agent" => Some(start_agent),
        "clean-up" => Some(clean_up),
        "killed-test" => Some(killed_test),
        "list-groups" => Some(list_groups),
        "measure" => Some(measure),
        "echo-ipv6" => Some(echo_ipv6),
        _ => None,
    }
}

/// This program with the word for a helper.
pub(crate) fn command(word: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(word);
    command
}

/// How tests start agents in the directory.
pub(crate) fn options(dir: &Path, mode: Mode) -> Options {
    Options {
        program: std::env::current_exe().unwrap(),
        args: vec!["net-agent".into()],
        state_dir: dir.join("state"),
        run_dir: dir.join("run"),
        mode,
        allow_uid: None,
        clean: false,
    }
}

/// Has the agent of a test's directory removed even if this process is killed before it can do that:
/// a process of its own waits for the end of a pipe that only this one holds.
pub(crate) fn guard(dir: &Path) {
    static PIPE: LazyLock<Mutex<ChildStdin>> = LazyLock::new(|| {
        let mut watching = command("clean-up");
        // Not in the group that somebody may kill as a whole, and not holding what they read.
        watching.process_group(0).stdin(Stdio::piped());
        watching.stdout(Stdio::null()).stderr(Stdio::null());
        Mutex::new(watching.spawn().unwrap().stdin.unwrap())
    });
    writeln!(PIPE.lock().unwrap(), "{}", dir.display()).unwrap();
}

/// `clean-up`: reads directories of tests; at the end, removes what is left of them.
fn clean_up(_: &[String]) {
    let dirs: Vec<_> = std::io::stdin().lines().map_while(Result::ok).collect();
    // A test that came to its end has removed its directory.
    for dir in dirs.iter().map(Path::new).filter(|dir| dir.exists()) {
        let mut options = options(dir, Mode::Auto);
        options.clean = true;
        if let Ok(agent) = Agent::start(&options) {
            let _ = agent.shutdown();
        }
        let _ = std::fs::remove_dir_all(dir);
    }
}

/// `killed-test DIR`: does what a test does, says its agent's process and waits to be killed.
fn killed_test(arguments: &[String]) {
    let dir = Path::new(&arguments[0]);
    guard(dir);
    let agent = Agent::start(&options(dir, Mode::Auto)).unwrap();
    agent.apply("internet", &internet()).unwrap();
    println!("{}", agent.hello().pid);
    loop {
        std::thread::park();
    }
}

/// `as-daemon DIR MODE`: starts an agent, applies a group, says `ready` and stays.
fn as_daemon(arguments: &[String]) {
    let mode = if arguments[1] == "rootless" {
        Mode::Rootless
    } else {
        Mode::Auto
    };
    let agent = Agent::start(&options(&PathBuf::from(&arguments[0]), mode)).unwrap();
    agent.apply("internet", &internet()).unwrap();
    println!("ready {}", agent.hello().pid);
    loop {
        std::thread::park();
    }
}

/// `start-agent DIR`: says why no agent can be started, or `started`.
fn start_agent(arguments: &[String]) {
    match Agent::start(&options(&PathBuf::from(&arguments[0]), Mode::Auto)) {
        Ok(agent) => {
            println!("started");
            agent.shutdown().unwrap();
        }
        Err(error) => println!("{error}"),
    }
}

/// `list-groups STATE_DIR`: says which groups the agent has.
fn list_groups(arguments: &[String]) {
    match Agent::find(Path::new(&arguments[0])).unwrap() {
        Some(agent) => println!("{:?}", agent.groups().unwrap()),
        None => println!("no agent"),
    }
}

/// `remove-tables`: removes all nftables tables of family inet of the namespace it runs in, as
/// somebody else could.
fn remove_tables(_: &[String]) {
    let mut batch = Vec::new();
    for (kind, header) in [
        (0x10u16, [0, 0, 0, 10]),
        (0x0a02, [1, 0, 0, 0]),
        (0x11, [0, 0, 0, 10]),
    ] {
        batch.extend_from_slice(&20u32.to_ne_bytes());
        batch.extend_from_slice(&kind.to_ne_bytes());
        batch.extend_from_slice(&1u16.to_ne_bytes());
        batch.extend_from_slice(&[0; 8]);
        batch.extend_from_slice(&header);
    }
    let (netlink, netfilter) = (Domain::from(16), Protocol::from(12));
    let socket = Socket::new(netlink, Type::RAW, Some(netfilter)).unwrap();
    socket.send(&batch).unwrap();
}

/// `echo-ipv6 ADDRESS`: sends ICMPv6 echo requests for a while; says `answered` or `silence`.
fn echo_ipv6(arguments: &[String]) {
    let to: std::net::Ipv6Addr = arguments[0].parse().unwrap();
    let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_millis(100)))
        .unwrap();
    socket
        .connect(&std::net::SocketAddr::from((to, 0)).into())
        .unwrap();
    for number in 0..4 {
        if socket.send(&[128, 0, 0, 0, 0, 7, 0, number]).is_err() {
            continue;
        }
        let mut buffer = [0; 64];
        let read = std::io::Read::read(&mut &socket, &mut buffer);
        if read.is_ok_and(|length| length > 0 && buffer[0] == 129) {
            return println!("answered");
        }
    }
    println!("silence");
}

/// `run-in STATE_DIR NS PROGRAM ARGUMENT…`: runs a program in a namespace with names of its own.
fn run_in(arguments: &[String]) {
    let agent = Agent::find(Path::new(&arguments[0])).unwrap().unwrap();
    let handle = agent.namespace(&arguments[1]).unwrap();
    let files = NameFiles::resolver([10, 0, 0, 2].into());
    let mut command = command_in(&handle, &arguments[2], &files).unwrap();
    let status = command.args(&arguments[3..]).status().unwrap();
    std::process::exit(status.code().unwrap_or(1));
}

/// `measure COUNT`: what it costs to add an endpoint (namespace, link, addresses, neighbours,
/// routes, an element of the filter) to a VPC that has up to COUNT, one apply each. For people.
fn measure(arguments: &[String]) {
    let count: u16 = arguments[0].parse().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let agent = Agent::start(&options(dir.path(), Mode::Auto)).unwrap();
    // Nanoseconds on a processor, exact.
    let ticks = |pid: &str| -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        let stats = tasks.map(|t| std::fs::read_to_string(t.unwrap().path().join("schedstat")));
        stats
            .map(|s| {
                s.unwrap()
                    .split(' ')
                    .next()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
            })
            .sum()
    };
    let pid = agent.hello().pid.to_string();
    let mut vpc = Vpc::new('a', 1);
    agent.apply("vpc-a", &vpc.build()).unwrap();
    let mut mark = (0, ticks(&pid), ticks("self"), std::time::Instant::now());
    for n in 1..=count {
        vpc.endpoint_number(n);
        agent.apply("vpc-a", &vpc.build()).unwrap();
        if n == count || n % 50 == 0 {
            let made = f64::from(n - mark.0);
            let cost = |now: u64, then: u64| (now - then) as f64 / 1e6 / made;
            let (agent_cpu, own) = (cost(ticks(&pid), mark.1), cost(ticks("self"), mark.2));
            let wall = mark.3.elapsed().as_secs_f64() * 1000.0 / made;
            println!("{n}: agent {agent_cpu:.2} ms CPU, client {own:.2} ms CPU, {wall:.2} ms wall");
            mark = (n, ticks(&pid), ticks("self"), std::time::Instant::now());
        }
    }
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split(' ').collect();
    println!(
        "agent in all: user {}0 ms, system {}0 ms",
        fields[12], fields[13]
    );
    let start = std::time::Instant::now();
    let steps = agent.reconcile("vpc-a", &vpc.build()).unwrap().steps;
    println!("look at everything: {:?}, {steps} steps", start.elapsed());
    let start = std::time::Instant::now();
    agent.shutdown().unwrap();
    println!("removed: {:?}", start.elapsed());
}

/// Runs a program in a namespace and returns what it said.
pub(crate) fn output_in(agent: &Agent, ns: &str, program: &str, arguments: &[&str]) -> String {
    let handle = agent.namespace(ns).unwrap();
    let mut command = command_in(&handle, program, &NameFiles::default()).unwrap();
    let output = command
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{program} {arguments:?} in {ns}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs `ip` in a namespace; tests may, the product may not.
pub(crate) fn ip(agent: &Agent, ns: &str, line: &str) -> String {
    output_in(agent, ns, "ip", &line.split(' ').collect::<Vec<_>>())
}

/// Runs `nft -f -` in a namespace.
pub(crate) fn nft(agent: &Agent, ns: &str, text: &str) {
    let handle = agent.namespace(ns).unwrap();
    let mut command = command_in(&handle, "nft", &NameFiles::default()).unwrap();
    let mut child = command
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
}

/// Whether a program is installed.
pub(crate) fn installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_ok()
}

/// A group with changes.
pub(crate) fn with(desired: &Desired, change: impl FnOnce(&mut Desired)) -> Arc<Desired> {
    let mut desired = desired.clone();
    change(&mut desired);
    Arc::new(desired)
}
