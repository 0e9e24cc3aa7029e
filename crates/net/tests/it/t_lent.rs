//! Devices of the host that are lent: an agent whose host is a namespace that the test made.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adit_net::client::{Agent, Mode};
use adit_net::desired::*;
use adit_net::exec::{NameFiles, command_in};

use adit_model::{Draft, HostDevice, InterfaceUser, NetworkInterface, NetworkInterfaceId};
use adit_net::protocol::{Listen, SocketSpec, Transport};
use adit_net::render::{self, Internet};
use adit_snapshot::build;

use crate::harness::{Outcome, Test};
use crate::helpers::{guard, ip, with};
use crate::lab::{Lab, lab, wait};
use crate::t_ipv6::{asked_at, at, open_world};
use crate::t_render::id;
use crate::world::{instance, nth, vpc_id};

pub(crate) const TESTS: &[Test] = &[
    ("lent::a_device_is_a_port_and_goes_back", goes_back),
    ("lent::a_device_may_vanish_and_return", may_vanish),
    ("lent::a_device_outlives_the_agent", outlives_the_agent),
    ("lent::devices_of_many_kinds_can_be_lent", kinds),
    ("lent::ipv6_passes_to_what_is_behind", ipv6),
    ("lent::what_may_not_be_lent_is_refused", refused),
    ("lent::rootless_there_is_nothing_to_lend", rootless),
];

/// A host with an agent, and a box at the other end of its device `v0`.
struct Host {
    /// The agent inside.
    agent: Option<Agent>,
    daemon: Child,
    dir: tempfile::TempDir,
    /// Its namespaces `host` and `box`.
    outer: Lab,
}

impl Host {
    fn new() -> Result<Self, Outcome> {
        let outer = Lab::new()?;
        if outer.agent().hello().rootless {
            let why = "needs root: devices of the host are root's";
            return Err(Outcome::Ignored(why.into()));
        }
        let mut desired = Desired::default();
        for name in ["host", "box"] {
            let namespace = Namespace::default();
            desired.namespaces.insert(name.into(), namespace);
        }
        outer.agent().apply("outer", &Arc::new(desired)).unwrap();
        let dir = tempfile::Builder::new()
            .prefix("adit-net-")
            .tempdir()
            .unwrap();
        guard(dir.path());
        let daemon = Self::start(&outer, &dir);
        let agent = Agent::find(&dir.path().join("state")).unwrap();
        let host = Self {
            agent,
            daemon,
            dir,
            outer,
        };
        host.cable("v0");
        Ok(host)
    }

    /// The namespace's file: entered like this, mounts stay where all others see them.
    fn file(outer: &Lab, ns: &str) -> PathBuf {
        outer.options.run_dir.join("outer").join(ns)
    }

    fn start(outer: &Lab, dir: &tempfile::TempDir) -> Child {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", Self::file(outer, "host").display()));
        command.arg(std::env::current_exe().unwrap());
        command.arg("as-daemon").arg(dir.path()).arg("auto");
        let mut daemon = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        let out = daemon.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut said).unwrap();
        assert!(said.starts_with("ready"), "{said}");
        daemon
    }

    fn agent(&self) -> &Agent {
        self.agent.as_ref().unwrap()
    }

    /// A cable from a device of the host to `eth0` in the box, which has an address there.
    fn cable(&self, device: &str) {
        let end = Self::file(&self.outer, "box");
        self.ip(&format!(
            "link add {device} type veth peer name eth0 netns {}",
            end.display()
        ));
        for line in [
            "address add 10.0.1.10/24 dev eth0",
            "link set eth0 up",
            "route add default via 10.0.1.1",
        ] {
            ip(self.outer.agent(), "box", line);
        }
    }

    /// Runs `ip` at the host.
    fn ip(&self, line: &str) -> String {
        ip(self.outer.agent(), "host", line)
    }

    /// What the host says of its device: nothing if it has none of this name.
    fn shown(&self, device: &str) -> String {
        let all = self.ip("-d -o link show");
        let name = format!(" {device}@");
        let other = format!(" {device}:");
        let mut lines = all.lines();
        let found = lines.find(|l| l.contains(&name) || l.contains(&other));
        found.unwrap_or_default().to_owned()
    }

    /// Has the agent look after the kernel until something holds.
    fn mend_until(&self, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < end, "waited in vain");
            let mended = self.agent().mend(Duration::from_millis(200)).unwrap();
            assert!(mended.failed.is_empty(), "{mended:?}");
        }
    }

    /// Demands that the box reaches the instance, and is seen as what it is.
    fn passes(&self) {
        let outer = &self.outer;
        outer.reaches("box", "10.0.2.10:80", "instance", "10.0.1.10");
    }

    fn absent(&self) -> Option<String> {
        let devices = self.agent().lent_devices().unwrap();
        assert_eq!(devices.len(), 1, "{devices:?}");
        devices[0].absent.clone()
    }

    fn examine(&self, device: &str, forced: bool) -> String {
        let here = File::open(Self::file(&self.outer, "host")).unwrap();
        let said = self.agent().examine(device, forced, here.as_fd());
        said.err().map_or("fit".into(), |error| error.to_string())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        if let Some(agent) = self.agent.take() {
            let _ = agent.shutdown();
        }
    }
}

macro_rules! host {
    () => {
        match Host::new() {
            Ok(host) => host,
            Err(outcome) => return outcome,
        }
    };
}

/// A router with an instance at one port and the lent device at another.
fn group() -> Arc<Desired> {
    let settings = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter();
        pairs
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let on = |device: &str, address: &str| Address {
        device: device.into(),
        address: address.parse().unwrap(),
    };
    let to = |destination: &str, device: &str| Route {
        device: Some(device.into()),
        ..Route::to(destination.parse().unwrap())
    };
    let router = Namespace {
        sysctls: settings(&[
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/p-1/proxy_arp", "1"),
            ("ipv4/neigh/p-1/proxy_delay", "0"),
        ]),
        links: vec![Link {
            name: "p-2".into(),
            altname: None,
            mac: None,
            mtu: None,
            kind: LinkKind::Veth {
                peer_ns: "instance".into(),
                peer_name: "eth0".into(),
                peer_mac: None,
            },
        }],
        lent: vec![Lent {
            name: "p-1".into(),
            device: "v0".into(),
            forced: false,
        }],
        addresses: vec![on("p-2", "10.0.2.1/32"), on("p-1", "10.0.1.1/32")],
        routes: vec![to("10.0.1.10/32", "p-1"), to("10.0.2.10/32", "p-2")],
        ..Namespace::default()
    };
    let instance = Namespace {
        addresses: vec![on("eth0", "10.0.2.10/24")],
        routes: vec![Route {
            via: Some("10.0.2.1".parse().unwrap()),
            ..to("0.0.0.0/0", "eth0")
        }],
        ..Namespace::default()
    };
    let mut desired = Desired::default();
    desired.namespaces.insert("router".into(), router);
    desired.namespaces.insert("instance".into(), instance);
    Arc::new(desired)
}

fn serve(host: &Host) {
    let listen = Listen::tcp("instance", [0, 0, 0, 0].into(), 80);
    let listener = host.agent().listen_tcp(&listen).unwrap();
    listener.set_nonblocking(false).unwrap();
    crate::lab::answer_all(listener, "instance");
}

fn settle(host: &Host, desired: &Arc<Desired>) {
    host.agent().apply("vpc", desired).unwrap();
    assert_eq!(host.agent().drift("vpc").unwrap(), Vec::<String>::new());
}

fn goes_back() -> Outcome {
    let host = host!();
    assert!(
        host.shown("v0").contains("state DOWN"),
        "{}",
        host.shown("v0")
    );
    host.ip("link set v0 alias the-door");
    host.ip("link set v0 group 7");
    let whole = group();
    settle(&host, &whole);
    serve(&host);
    host.passes();
    assert_eq!((host.shown("v0"), host.absent()), (String::new(), None));
    let text = host.agent().observe("vpc").unwrap();
    assert!(text.contains("lent by the host, there v0"), "{text}");

    // Other changes leave it alone, and nothing that stands is broken.
    let more = with(&whole, |desired| {
        let router = desired.namespaces.get_mut("router").unwrap();
        let route = router.routes[0].clone();
        let destination = "10.0.1.11/32".parse().unwrap();
        router.routes.push(Route {
            destination,
            ..route
        });
    });
    settle(&host, &more);
    host.passes();

    // No longer stated, it is what it was.
    let without = with(&whole, |desired| {
        let router = desired.namespaces.get_mut("router").unwrap();
        router.lent.clear();
        router.addresses.pop();
        router.routes.remove(0);
        router.sysctls.retain(|key, _| !key.contains("p-1"));
    });
    settle(&host, &without);
    let back = host.shown("v0");
    for part in ["state DOWN", "group 7", "alias the-door"] {
        assert!(back.contains(part), "{part} in {back}");
    }
    // Again, and up this time; then with its whole group.
    host.ip("link set v0 up");
    settle(&host, &whole);
    host.passes();
    host.agent().remove("vpc").unwrap();
    let back = host.shown("v0");
    assert!(
        back.contains("state UP") && back.contains("the-door"),
        "{back}"
    );
    // A namespace that goes gives it back, too.
    settle(&host, &whole);
    settle(&host, &with(&whole, |desired| desired.namespaces.clear()));
    assert!(
        host.shown("v0").contains("state UP"),
        "{}",
        host.shown("v0")
    );
    // Where another device has its name by then, it gets one of its own.
    settle(&host, &whole);
    host.ip("link add v0 type veth peer name v9");
    host.agent().remove("vpc").unwrap();
    assert!(
        host.shown("lent0").contains("the-door"),
        "{}",
        host.ip("link")
    );
    Outcome::Passed
}

fn may_vanish() -> Outcome {
    let host = host!();
    let whole = group();
    settle(&host, &whole);
    serve(&host);
    host.passes();
    let _ = host.agent().mend(Duration::from_millis(100)).unwrap();

    // Its owner takes it away: that is a fact, no fault.
    ip(host.outer.agent(), "box", "link del eth0");
    host.mend_until(|| host.absent().is_some());
    assert!(host.absent().unwrap().contains("no network device `v0`"));
    host.mend_until(|| host.agent().drift("vpc").unwrap().is_empty());
    // Its address leads nowhere, not somewhere else.
    let routes = ip(host.agent(), "router", "route show");
    assert!(routes.contains("blackhole 10.0.1.10"), "{routes}");
    // Everything else can be changed meanwhile.
    let more = with(&whole, |desired| {
        let router = desired.namespaces.get_mut("router").unwrap();
        let route = router.routes[0].clone();
        let destination = "10.0.1.11/32".parse().unwrap();
        router.routes.push(Route {
            destination,
            ..route
        });
    });
    settle(&host, &more);

    // It is made again: it is taken without being asked for.
    host.cable("v0");
    host.mend_until(|| host.absent().is_none());
    host.passes();
    assert_eq!(host.agent().drift("vpc").unwrap(), Vec::<String>::new());
    // Somebody sets it down there: it is up again.
    ip(host.agent(), "router", "link set p-1 down");
    host.mend_until(|| {
        let shown = ip(host.agent(), "router", "-o link show");
        shown.lines().any(|l| l.contains("p-1") && l.contains("UP"))
    });
    wait(|| {
        host.outer
            .ask("box", "10.0.2.10:80")
            .starts_with("instance")
    });

    // Stated before it is there, it is awaited.
    host.agent().remove("vpc").unwrap();
    host.ip("link del v0");
    settle(&host, &whole);
    assert!(host.absent().is_some());
    host.cable("v0");
    host.mend_until(|| host.absent().is_none());
    Outcome::Passed
}

fn outlives_the_agent() -> Outcome {
    let mut host = host!();
    settle(&host, &group());
    let mut stream = {
        serve(&host);
        host.passes();
        let outer = &host.outer;
        outer
            .connect("box", "10.0.2.10:80", Duration::from_secs(5))
            .unwrap()
    };
    let kill = |pid: u32| {
        let pid = pid.to_string();
        assert!(
            Command::new("kill")
                .args(["-9", &pid])
                .status()
                .unwrap()
                .success()
        );
    };
    let agent = host.agent.take().unwrap();
    kill(agent.hello().pid);
    host.daemon.kill().unwrap();
    host.daemon.wait().unwrap();
    assert_eq!(host.shown("v0"), "");
    host.daemon = Host::start(&host.outer, &host.dir);
    host.agent = Agent::find(&host.dir.path().join("state")).unwrap();
    // Found where it was: nothing is to do, and who speaks goes on speaking.
    let applied = host.agent().reconcile("vpc", &group()).unwrap();
    assert_eq!(applied.steps, 0, "{applied:?}");
    assert!(crate::lab::conversation(&mut stream).starts_with("instance"));
    assert_eq!(host.absent(), None);

    // One that knows nothing of the group puts it back as well.
    kill(host.agent.take().unwrap().hello().pid);
    host.daemon.kill().unwrap();
    host.daemon.wait().unwrap();
    host.daemon = Host::start(&host.outer, &host.dir);
    host.agent = Agent::find(&host.dir.path().join("state")).unwrap();
    host.agent.take().unwrap().shutdown().unwrap();
    assert!(
        host.shown("v0").contains("state DOWN"),
        "{}",
        host.ip("link")
    );
    Outcome::Passed
}

/// What the kernel has of: a virtual device on another one, tunnels, and what it does not let go.
fn kinds() -> Outcome {
    let host = host!();
    let make = |line: &str| {
        let handle = host.outer.agent().namespace("host").unwrap();
        let mut command = command_in(&handle, "ip", &NameFiles::default()).unwrap();
        let words = line.split(' ');
        command
            .args(words)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .success()
    };
    let lent = |device: &str| {
        with(&group(), |desired| {
            let router = desired.namespaces.get_mut("router").unwrap();
            router.lent[0].device = device.into();
        })
    };
    // Beside the device that it stands on, which stays with the host.
    if make("link add m0 link v0 type macvlan mode bridge") {
        settle(&host, &lent("m0"));
        assert_eq!((host.absent(), host.shown("m0")), (None, String::new()));
        host.ip("link set v0 up");
        serve(&host);
        host.passes();
        host.agent().remove("vpc").unwrap();
        assert!(host.shown("m0").contains("m0@v0"), "{}", host.ip("link"));
        host.ip("link set v0 down");
    }
    if make("link add v0.5 link v0 type vlan id 5") {
        // It comes up when the device below does, and stays at the host until then.
        settle(&host, &lent("v0.5"));
        let why = host.absent().unwrap();
        assert!(why.contains("Network is down"), "{why}");
        assert!(
            host.shown("v0.5").contains("v0.5@v0"),
            "{}",
            host.ip("link")
        );
        host.ip("link set v0 up");
        host.mend_until(|| host.absent().is_none());
        host.agent().remove("vpc").unwrap();
        assert!(
            host.shown("v0.5").contains("v0.5@v0"),
            "{}",
            host.ip("link")
        );
    }
    for (device, line) in [
        ("tap0", "tuntap add tap0 mode tap"),
        ("tun0", "tuntap add tun0 mode tun"),
        (
            "vx0",
            "link add vx0 type vxlan id 5 dstport 4789 local 127.0.0.1",
        ),
        ("wg0", "link add wg0 type wireguard"),
        ("d0", "link add d0 type dummy"),
    ] {
        if !make(line) {
            continue;
        }
        settle(&host, &lent(device));
        assert_eq!(host.absent(), None, "{device}");
        assert_eq!(host.shown(device), "");
        host.agent().remove("vpc").unwrap();
        assert_ne!(host.shown(device), "", "{device}");
    }
    if make("link add br0 type bridge") {
        settle(&host, &lent("br0"));
        let why = host.absent().unwrap();
        assert!(why.contains("does not let go of the device `br0`"), "{why}");
        host.ip("link add b0 type veth peer name b1");
        host.ip("link set b0 master br0");
        let said = host.examine("b0", false);
        assert!(said.contains("a port of `br0`"), "{said}");
    }
    Outcome::Passed
}

/// An interface of a VPC with IPv6, as the product states it: the machine behind has the interface's
/// addresses of both families.
fn ipv6() -> Outcome {
    let host = host!();
    let mut draft = Draft::new(&open_world(false).intent);
    let eni: NetworkInterfaceId = id("eni-", nth(1, 1010));
    draft.edit::<NetworkInterface>(&eni, |eni| {
        eni.user = InterfaceUser::HostDevice(HostDevice {
            name: "v0".into(),
            forced: false,
        });
    });
    let snapshot = build(&Arc::new(draft.finish().0));
    let internet = render::render_internet(&Internet::default());
    let agent = host.agent();
    agent.apply(render::INTERNET, &Arc::new(internet)).unwrap();
    let view = snapshot.vpc(vpc_id(1)).unwrap();
    let desired = Arc::new(render::render(view));
    agent.apply(view.vpc.id.as_str(), &desired).unwrap();
    let drift = agent.drift(view.vpc.id.as_str()).unwrap();
    assert_eq!(drift, Vec::<String>::new());
    assert_eq!(host.absent(), None);

    let own = at(1, 1, "a");
    for line in [
        "address flush dev eth0",
        "address add 10.1.1.10/24 dev eth0",
        "route add default via 10.1.1.1",
        &format!("address add {own}/128 dev eth0 nodad"),
        "route add default via fe80::1 dev eth0",
    ] {
        ip(host.outer.agent(), "box", line);
    }
    for any in [[0u16; 8].into(), [0u8; 4].into()] {
        let listen = Listen::tcp(&instance(1, 2), any, 443);
        let listener = agent.listen_tcp(&listen).unwrap();
        listener.set_nonblocking(false).unwrap();
        crate::lab::answer_all(listener, "instance");
        host.outer
            .serve_at(&Listen::tcp("box", any, 443), "machine");
    }
    let outer = &host.outer;
    outer.reaches("box", "10.1.2.10:443", "instance", "10.1.1.10");
    // Its own link-local address may still be on probation.
    let there = asked_at(1, 2, "a", 443);
    wait(|| outer.ask("box", &there) == format!("instance {own} {there}"));
    // Neither another's address nor a forged one gets anywhere.
    let forged = at(1, 1, "77");
    let change = |verb: &str, more: &str| {
        let line = format!("address {verb} {forged}/128 dev eth0{more}");
        ip(outer.agent(), "box", &line)
    };
    change("add", " nodad");
    let within = Duration::from_millis(400);
    let from = forged.parse().unwrap();
    assert!(outer.connect_from("box", from, &there, within).is_err());
    change("del", "");
    // And the other way: the router asks for it.
    let spec = SocketSpec {
        ns: instance(1, 2),
        transport: Transport::Tcp,
        v6: true,
        device: None,
        mark: None,
    };
    let socket = socket2::Socket::from(agent.socket(&spec).unwrap());
    let to: std::net::SocketAddr = asked_at(1, 1, "a", 443).parse().unwrap();
    let within = Duration::from_secs(5);
    socket.connect_timeout(&to.into(), within).unwrap();
    socket.set_nonblocking(false).unwrap();
    let said = crate::lab::conversation(&mut socket.into());
    assert!(said.starts_with("machine"), "{said}");
    Outcome::Passed
}

fn refused() -> Outcome {
    let host = host!();
    assert_eq!(host.examine("v0", false), "fit");
    let says = |device: &str, part: &str| {
        let said = host.examine(device, false);
        assert!(said.contains(part), "{device}: {said}");
    };
    says("v7", "no network device `v7`");
    says("lo", "loopback");
    // The way out of the host, also below and behind what it leads over.
    host.ip("link set v0 up");
    host.ip("route add default dev v0 table 77");
    says("v0", "default route");
    assert_eq!(host.examine("v0", true), "fit");
    let whole = group();
    settle(&host, &whole);
    assert!(host.absent().unwrap().contains("default route"));
    settle(
        &host,
        &with(&whole, |desired| {
            let router = desired.namespaces.get_mut("router").unwrap();
            router.lent[0].forced = true;
        }),
    );
    assert_eq!(host.absent(), None);
    says("v0", "lent already: it is `p-1` in the namespace `router`");
    // Asked from another namespace than the agent's host.
    let elsewhere = File::open(Host::file(&host.outer, "box")).unwrap();
    let said = host.agent().examine("v0", false, elsewhere.as_fd());
    assert!(
        said.unwrap_err()
            .to_string()
            .contains("runs in another one")
    );
    // Twice in one group, or under a name that is none.
    for name in ["v0", "a/b", ""] {
        let wrong = with(&whole, |desired| {
            let router = desired.namespaces.get_mut("router").unwrap();
            router.lent.push(Lent {
                name: "p-3".into(),
                device: name.into(),
                forced: false,
            });
        });
        assert!(host.agent().apply("other", &wrong).is_err(), "{name}");
    }
    Outcome::Passed
}

fn rootless() -> Outcome {
    let lab = match Lab::with(Mode::Rootless) {
        Ok(lab) => lab,
        Err(outcome) => return outcome,
    };
    let here = File::open("/proc/self/ns/net").unwrap();
    let said = lab.agent().examine("lo", false, here.as_fd());
    let said = said.unwrap_err().to_string();
    assert!(said.contains("rootless"), "{said}");
    // Stated nevertheless, it is absent and says so.
    lab.settle("vpc", &group());
    let devices = lab.agent().lent_devices().unwrap();
    assert!(devices[0].absent.as_ref().unwrap().contains("rootless"));
    let lab = lab!();
    assert_eq!(lab.agent().lent_devices().unwrap(), Vec::new());
    Outcome::Passed
}
