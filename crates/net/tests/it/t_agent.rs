//! The agent as a process: found again, adopted, rootless, refusing strangers, gone without a
//! trace.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use adit_net::client::{Agent, Mode};
use adit_net::protocol::{Listen, SOCKET};

use crate::harness::{Outcome, Test};
use crate::helpers::{self, installed, options};
use crate::lab::{Lab, conversation, lab, wait};
use crate::topology::{Vpc, internet};

pub(crate) const TESTS: &[Test] = &[
    ("agent::outlives_the_daemon", outlives_the_daemon),
    ("agent::ends_with_a_killed_test", ends_with_a_killed_test),
    (
        "agent::is_adopted_after_its_own_death",
        is_adopted_after_its_own_death,
    ),
    (
        "agent::clean_start_removes_leftovers",
        clean_start_removes_leftovers,
    ),
    ("agent::hands_over_to_the_next", hands_over_to_the_next),
    (
        "agent::foreign_directories_are_left_alone",
        foreign_directories_are_left_alone,
    ),
    ("agent::leaves_nothing_behind", leaves_nothing_behind),
    ("agent::works_without_root", works_without_root),
    (
        "agent::keeps_its_promises_without_root",
        keeps_its_promises_without_root,
    ),
    (
        "agent::two_starts_make_one_agent",
        two_starts_make_one_agent,
    ),
    ("agent::strangers_are_refused", strangers_are_refused),
    (
        "agent::one_other_user_may_be_allowed",
        one_other_user_may_be_allowed,
    ),
    (
        "agent::root_can_go_without_its_rights",
        root_can_go_without_its_rights,
    ),
    (
        "agent::nonsense_on_the_socket_does_no_harm",
        nonsense_on_the_socket_does_no_harm,
    ),
    ("agent::says_what_is_missing", says_what_is_missing),
    (
        "agent::listeners_are_what_was_asked",
        listeners_are_what_was_asked,
    ),
    (
        "agent::long_state_directories_work",
        long_state_directories_work,
    ),
];

/// Other users' numbers, for tests that run as root.
const USER: u32 = 64_123;

fn root() -> bool {
    fs::metadata("/proc/self").unwrap().permissions().mode() != 0
        && fs::read_to_string("/proc/self/status")
            .unwrap()
            .contains("Uid:\t0\t0")
}

macro_rules! as_root {
    () => {
        if !root() {
            return Outcome::Ignored("needs root".into());
        }
    };
}

fn alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn kill(pid: u32) {
    assert!(
        Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .unwrap()
            .success()
    );
    wait(|| !alive(pid));
}

fn ends_with_a_killed_test() -> Outcome {
    let lab = lab!();
    let dir = lab.dir.path().join("other");
    let mut test = helpers::command("killed-test")
        .arg(&dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let said = test.stdout.as_mut().unwrap();
    BufReader::new(said).read_line(&mut line).unwrap();
    let pid: u32 = line.trim().parse().unwrap();
    assert!(alive(pid));
    kill(test.id());
    test.wait().unwrap();
    wait(|| !alive(pid) && !dir.exists());
    Outcome::Passed
}

fn outlives_the_daemon() -> Outcome {
    let mut lab = lab!();
    lab.agent.take().unwrap().shutdown().unwrap();
    let mut daemon = helpers::command("as-daemon")
        .arg(lab.dir.path())
        .arg("auto")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(daemon.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let pid: u32 = line.trim().strip_prefix("ready ").unwrap().parse().unwrap();
    kill(daemon.id());
    daemon.wait().unwrap();

    // The next daemon finds the same agent, and nothing has to be done.
    let agent = Agent::start(&lab.options).unwrap();
    assert_eq!(agent.hello().pid, pid);
    assert_eq!(agent.reconcile("internet", &internet()).unwrap().steps, 0);
    lab.agent = Some(agent);
    lab.settle("vpc-a", &Vpc::whole('a', 1).build());
    Outcome::Passed
}

fn is_adopted_after_its_own_death() -> Outcome {
    let mut lab = lab!();
    if lab.agent().hello().rootless {
        return Outcome::Ignored("without root, namespaces end with the agent".into());
    }
    lab.settle("internet", &internet());
    let mut vpc = Vpc::whole('a', 1);
    lab.settle("vpc-a", &vpc.build());
    lab.serve("a-gw", "gateway", &[443]);
    let mut open = lab
        .connect("a-i2", "54.123.170.7:443", Duration::from_secs(5))
        .unwrap();
    assert!(conversation(&mut open).starts_with("gateway"));

    let old = lab.agent.take().unwrap().hello().pid;
    kill(old);
    assert!(
        conversation(&mut open).starts_with("gateway"),
        "connections go on without the agent"
    );
    let agent = Agent::start(&lab.options).unwrap();
    assert_ne!(agent.hello().pid, old);
    lab.agent = Some(agent);
    let groups = lab.agent().groups().unwrap();
    assert_eq!(groups["vpc-a"].len(), 7);
    // Nothing differs, filters included.
    let applied = lab.agent().apply("internet", &internet()).unwrap();
    assert_eq!((applied.steps, applied.touched), (0, vec![]));
    let applied = lab.agent().apply("vpc-a", &vpc.build()).unwrap();
    assert_eq!((applied.steps, applied.touched), (0, vec![]));
    // What differs is found, although the old agent's knowledge is lost.
    kill(lab.agent.take().unwrap().hello().pid);
    lab.agent = Some(Agent::start(&lab.options).unwrap());
    vpc.site();
    lab.agent().apply("internet", &internet()).unwrap();
    lab.settle("vpc-a", &vpc.build());
    assert!(conversation(&mut open).starts_with("gateway"));
    Outcome::Passed
}

fn clean_start_removes_leftovers() -> Outcome {
    let mut lab = lab!();
    if lab.agent().hello().rootless {
        return Outcome::Ignored("without root, namespaces end with the agent".into());
    }
    lab.settle("internet", &internet());
    kill(lab.agent.take().unwrap().hello().pid);
    // What is left of a group when the machine was restarted: a directory.
    fs::create_dir(lab.options.run_dir.join("vpc-a")).unwrap();
    // What an agent leaves that dies between two steps: a file that is no namespace.
    fs::write(lab.options.run_dir.join("internet/half"), "").unwrap();
    let clean = adit_net::client::Options {
        clean: true,
        ..lab.options.clone()
    };
    lab.agent = Some(Agent::start(&clean).unwrap());
    assert!(lab.agent().groups().unwrap().is_empty());
    assert!(!lab.options.run_dir.join("internet").exists());
    lab.settle("internet", &internet());
    lab.settle("vpc-a", &Vpc::whole('a', 1).build());
    lab.agent().remove("vpc-a").unwrap();
    assert!(!lab.options.run_dir.join("vpc-a").exists());
    Outcome::Passed
}

fn hands_over_to_the_next() -> Outcome {
    let mut lab = lab!();
    lab.settle("internet", &internet());
    let (pid, rootless) = (lab.agent().hello().pid, lab.agent().hello().rootless);
    let result = lab.agent.take().unwrap().leave();
    if rootless {
        assert!(
            result
                .unwrap_err()
                .to_string()
                .contains("do not outlive the agent")
        );
        return Outcome::Passed;
    }
    result.unwrap();
    let agent = Agent::start(&lab.options).unwrap();
    assert_ne!(agent.hello().pid, pid);
    assert_eq!(agent.apply("internet", &internet()).unwrap().steps, 0);
    lab.agent = Some(agent);
    Outcome::Passed
}

/// A run directory with other people's things in it could make them look like leftovers.
fn foreign_directories_are_left_alone() -> Outcome {
    let mut lab = lab!();
    if lab.agent().hello().rootless {
        return Outcome::Ignored("without root there is no run directory".into());
    }
    let precious = lab.dir.path().join("precious");
    fs::create_dir_all(precious.join("sub")).unwrap();
    fs::write(precious.join("sub/file"), "").unwrap();
    lab.agent.take().unwrap().shutdown().unwrap();
    let mut options = lab.options.clone();
    options.run_dir.clone_from(&precious);
    options.clean = true;
    let error = Agent::start(&options).unwrap_err().to_string();
    assert!(
        error.contains("precious") && error.contains("choose an empty one"),
        "{error}"
    );
    assert!(precious.join("sub/file").exists());
    Outcome::Passed
}

fn leaves_nothing_behind() -> Outcome {
    let mut lab = lab!();
    lab.settle("internet", &internet());
    lab.settle("vpc-a", &Vpc::whole('a', 1).build());
    let agent = lab.agent.take().unwrap();
    let pid = agent.hello().pid;
    agent.shutdown().unwrap();
    wait(|| !alive(pid));
    let dir = lab.dir.path().to_str().unwrap();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(dir), "{mounts}");
    assert!(!lab.options.run_dir.exists());
    let left: Vec<_> = fs::read_dir(&lab.options.state_dir)
        .unwrap()
        .map(|f| f.unwrap().file_name())
        .collect();
    assert_eq!(left, ["net-agent.log"]);
    assert_eq!(
        fs::read_to_string(lab.options.state_dir.join("net-agent.log")).unwrap(),
        ""
    );
    Outcome::Passed
}

/// A copy of this program and a directory that another user can use.
fn for_another_user(command: &str) -> (tempfile::TempDir, Command) {
    let dir = tempfile::Builder::new()
        .prefix("adit-net-")
        .tempdir()
        .unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = dir.path().join("it");
    // By another process: a copy that this one has open for writing while another test starts a
    // program could not be executed.
    let mut copy = Command::new("cp");
    copy.arg(std::env::current_exe().unwrap()).arg(&program);
    assert!(copy.status().unwrap().success());
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let own = dir.path().join("own");
    fs::create_dir(&own).unwrap();
    std::os::unix::fs::chown(&own, Some(USER), Some(USER)).unwrap();
    let mut child = Command::new(program);
    child.arg(command).uid(USER).gid(USER).current_dir("/");
    (dir, child)
}

/// Runs some of these tests by another user, whose agent works in a user namespace.
fn without_root(filters: &[&str]) -> Outcome {
    as_root!();
    for filter in filters {
        let (dir, mut child) = for_another_user(filter);
        let own = dir.path().join("own");
        // A few rounds of churn: here it matters that it works at all.
        let child = child.env("TMPDIR", &own).env("ADIT_CHURN", "12");
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        if said.contains("user namespaces are") {
            return Outcome::Ignored("user namespaces are not available".into());
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}{errors}");
        assert!(!said.contains(" 0 passed"), "{said}");
        // Its namespaces end with it.
        assert!(fs::read_dir(own).unwrap().next().is_none());
    }
    Outcome::Passed
}

/// All tests of paths and applying.
fn works_without_root() -> Outcome {
    without_root(&["paths::", "apply::", "exec::"])
}

/// Random worlds against what is predicted of them, and endpoints that come and go under traffic.
fn keeps_its_promises_without_root() -> Outcome {
    without_root(&["world::", "churn::"])
}

fn two_starts_make_one_agent() -> Outcome {
    let mut lab = lab!();
    lab.agent.take().unwrap().shutdown().unwrap();
    wait(|| !lab.options.state_dir.join(SOCKET).exists());
    let starts: Vec<_> = (0..4)
        .map(|_| {
            let options = lab.options.clone();
            std::thread::spawn(move || Agent::start(&options))
        })
        .collect();
    let agents: Vec<_> = starts.into_iter().map(|s| s.join().unwrap()).collect();
    // Whoever comes too late may be told so, but nobody gets another agent.
    let pids: std::collections::BTreeSet<u32> = agents
        .iter()
        .flatten()
        .map(|agent| agent.hello().pid)
        .collect();
    assert_eq!(pids.len(), 1, "{agents:?}");
    lab.agent = agents.into_iter().flatten().next();
    Outcome::Passed
}

fn strangers_are_refused() -> Outcome {
    as_root!();
    let lab = lab!();
    // Even if they get past the directory and the socket's mode.
    fs::set_permissions(lab.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&lab.options.state_dir, fs::Permissions::from_mode(0o755)).unwrap();
    let socket = lab.options.state_dir.join(SOCKET);
    assert_eq!(
        fs::metadata(&socket).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o666)).unwrap();
    let (_dir, mut child) = for_another_user("list-groups");
    let output = child.arg(&lab.options.state_dir).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "no agent\n");
    Outcome::Passed
}

/// A daemon that starts as root and goes on as another user.
fn one_other_user_may_be_allowed() -> Outcome {
    as_root!();
    let mut lab = lab!();
    lab.agent.take().unwrap().shutdown().unwrap();
    let mut allowing = lab.options.clone();
    allowing.allow_uid = Some(USER);
    let agent = Agent::start(&allowing).unwrap();
    agent.apply("internet", &internet()).unwrap();
    lab.agent = Some(agent);
    fs::set_permissions(lab.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&lab.options.state_dir, fs::Permissions::from_mode(0o711)).unwrap();
    let (_dir, mut child) = for_another_user("list-groups");
    let output = child.arg(&lab.options.state_dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "{\"internet\": [\"inet\"]}\n");
    Outcome::Passed
}

fn root_can_go_without_its_rights() -> Outcome {
    as_root!();
    let lab = match Lab::with(Mode::Rootless) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    assert!(lab.agent().hello().rootless);
    lab.settle("internet", &internet());
    lab.settle("vpc-a", &Vpc::whole('a', 1).build());
    lab.serve("a-gw", "gateway", &[443]);
    lab.reaches("a-i2", "54.123.170.7:443", "gateway", "10.0.1.11");
    assert!(helpers::ip(lab.agent(), "inet", "addr").contains("203.0.113.10"));
    assert!(!lab.options.run_dir.exists());
    Outcome::Passed
}

fn nonsense_on_the_socket_does_no_harm() -> Outcome {
    let lab = lab!();
    let socket = lab.options.state_dir.join(SOCKET);
    let connect = || {
        let stream = UnixStream::connect(&socket).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        stream
    };
    let frame = |text: &str| {
        let mut bytes = u32::try_from(text.len()).unwrap().to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    // Not a request: an answer says so, and the connection stays.
    let mut stream = connect();
    for text in ["", "{", "[1,2]", r#"{"dance":{}}"#, r#"{"apply":{}}"#] {
        stream.write_all(&frame(text)).unwrap();
        let mut length = [0; 4];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; u32::from_le_bytes(length) as usize];
        stream.read_exact(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.contains("failed") && answer.contains("not a request"),
            "{answer}"
        );
    }
    // Too large: the end, and no memory spent on the promise.
    let mut stream = connect();
    stream.write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert_eq!(stream.read(&mut [0; 4]).unwrap(), 0);
    // Half a frame and away.
    connect().write_all(&[9, 0, 0, 0, b'{']).unwrap();
    let idle: Vec<_> = (0..100).map(|_| connect()).collect();
    drop(idle);
    wait(|| Agent::find(&lab.options.state_dir).is_ok_and(|agent| agent.is_some()));
    lab.settle("internet", &internet());
    Outcome::Passed
}

fn says_what_is_missing() -> Outcome {
    as_root!();
    if !installed("setpriv") || !installed("unshare") {
        return Outcome::Ignored("needs setpriv and unshare".into());
    }
    let dir = tempfile::tempdir().unwrap();
    // Root without any capability, in a user namespace that may have no further ones.
    let script = format!(
        "echo 0 > /proc/sys/user/max_user_namespaces && \
         exec setpriv --bounding-set=-all --inh-caps=-all {} start-agent {}",
        std::env::current_exe().unwrap().display(),
        dir.path().display()
    );
    let output = Command::new("unshare")
        .args(["-U", "-r", "sh", "-c", &script])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("cannot make network namespaces") && said.contains("run as root, or allow"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(said.trim().lines().count(), 1);
    Outcome::Passed
}

fn listeners_are_what_was_asked() -> Outcome {
    let lab = lab!();
    lab.settle("internet", &internet());
    let vpc = Vpc::whole('a', 1);
    lab.settle("vpc-a", &vpc.build());
    let any = [0, 0, 0, 0].into();
    // One listener per port of the endpoint, on the same address and port: each takes what came
    // in by its own device.
    for (device, name) in [("eth0", "first"), ("eth1", "second")] {
        let spec = Listen {
            device: Some(device.into()),
            ..Listen::tcp("a-if", any, 443)
        };
        lab.serve_at(&spec, name);
    }
    lab.reaches("a-i3", "10.0.1.100:443", "first", "10.0.2.10");
    lab.reaches("a-i3", "10.0.2.100:443", "second", "10.0.2.10");
    let listener = lab
        .agent()
        .listen_tcp(&Listen::tcp("a-gw", any, 443))
        .unwrap();
    let congestion = socket2::SockRef::from(&listener).tcp_congestion().unwrap();
    assert!(congestion.starts_with(b"cubic"));
    assert_eq!(
        listener.accept().unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock
    );
    for (spec, reason) in [
        (Listen::tcp("a-gw", any, 443), "Address already in use"),
        (
            Listen::tcp("gone", any, 443),
            "there is no namespace `gone`",
        ),
        (
            Listen::tcp("a-gw", [10, 9, 9, 9].into(), 80),
            "Cannot assign requested address",
        ),
        (
            Listen {
                device: Some("eth9".into()),
                ..Listen::tcp("a-gw", any, 80)
            },
            "No such device",
        ),
    ] {
        let error = lab.agent().listen_tcp(&spec).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let v6 = Listen::tcp("a-gw", "::".parse().unwrap(), 443);
    lab.agent().listen_tcp(&v6).unwrap();
    Outcome::Passed
}

fn long_state_directories_work() -> Outcome {
    let dir = tempfile::Builder::new()
        .prefix("adit-net-")
        .tempdir()
        .unwrap();
    let long = dir.path().join("x".repeat(120));
    helpers::guard(&long);
    let mut options = options(&long, Mode::Auto);
    options.run_dir = dir.path().join("run");
    let agent = match Agent::start(&options) {
        Ok(agent) => agent,
        Err(error) => return Outcome::Ignored(error.to_string()),
    };
    agent.apply("internet", &internet()).unwrap();
    let other = Agent::find(&options.state_dir).unwrap().unwrap();
    other.apply("internet", &Arc::default()).unwrap();
    agent.shutdown().unwrap();
    assert!(Agent::find(Path::new("/nonexistent")).unwrap().is_none());
    Outcome::Passed
}
