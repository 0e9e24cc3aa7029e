//! An interface endpoint with two subnets, as the kernel sees it, without anybody who decides,
//! remembers, compares or answers a call: a namespace that is kept, two cables, addresses,
//! neighbours, routes, rules, settings, and the elements of the router's filter.

use std::fs;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::SockProtocol;
use nix::time::{ClockId, clock_gettime};

use crate::netlink::{APPEND, CREATE, EXCLUSIVE, REPLACE, REQUEST_ACK, Row, Socket};

const NEAR: [u8; 6] = [2, 0xad, 0x17, 0, 0, 1];

/// The sets of a router's filter that a port is in: name, further part of the key, value.
const SETS: [(&str, bool, Option<Value>); 6] = [
    ("table_of", false, Some(Value::Mark)),
    ("checked", false, None),
    ("own", true, None),
    ("groups_in", false, Some(Value::Goto("in_0"))),
    ("groups_out", false, Some(Value::Goto("out_0"))),
    ("ports", false, None),
];

#[derive(Clone, Copy)]
enum Value {
    Mark,
    Goto(&'static str),
}

const FILTER: &str = "table inet adit {
  map table_of { type ifname : mark; }
  set checked { type ifname; }
  set own { type ifname . ipv4_addr; }
  map groups_in { type ifname : verdict; }
  map groups_out { type ifname : verdict; }
  set ports { type ifname; }
  chain in_0 { accept
  }
  chain out_0 { accept
  }
  chain pre { type filter hook prerouting priority -150; policy accept;
    iifname @checked iifname . ip saddr != @own counter drop
    meta mark set iifname map @table_of
  }
  chain forward_0 { type filter hook forward priority 0; policy drop;
    ct state established,related accept
    iifname vmap @groups_out
    oifname vmap @groups_in
  }
}
";

struct Router {
    routes: Socket,
    filter: Socket,
    space: OwnedFd,
    number: u32,
}

/// Makes one endpoint for each line of standard input, which is the number of its router, and says what
/// processor time that took, in microseconds.
pub fn run(routers: u16, directory: &str) {
    let directory = Path::new(directory);
    let home = current();
    let mut made: Vec<PathBuf> = Vec::new();
    let mut all: Vec<(Router, u16)> = (0..routers).map(|_| (router(&home), 0)).collect();
    println!("{}", std::process::id());
    for line in io::stdin().lines() {
        let at: usize = line.unwrap().parse().unwrap();
        let (router, count) = &mut all[at];
        let name = directory.join(format!("raw-{at}-{count}"));
        let before = cpu();
        endpoint(router, *count, &home, &name);
        println!("{:.1}", cpu() - before);
        *count += 1;
        made.push(name);
    }
    for (router, _) in &all {
        enter(&router.space);
        // All cables of the router, by their group.
        let mut row = Row::default();
        let header = link(0, 0);
        row.message(17, REQUEST_ACK, &header, |row| row.number(27, 7));
        Socket::open(SockProtocol::NetlinkRoute).execute(&row, 1);
    }
    enter(&home);
    for path in made {
        umount2(&path, MntFlags::MNT_DETACH).unwrap();
        fs::remove_file(path).unwrap();
    }
}

/// CPU time of this process, in microseconds.
fn cpu() -> f64 {
    let now = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
    now.tv_sec() as f64 * 1e6 + now.tv_nsec() as f64 / 1e3
}

fn current() -> OwnedFd {
    fs::File::open("/proc/thread-self/ns/net").unwrap().into()
}

fn enter(space: &OwnedFd) {
    setns(space, CloneFlags::CLONE_NEWNET).unwrap();
}

fn set(key: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{key}"), value).unwrap();
}

/// A namespace; the calling thread stays in it.
fn space() -> OwnedFd {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    current()
}

fn router(home: &OwnedFd) -> Router {
    let space = space();
    set("ipv4/ip_forward", "1");
    set("ipv4/conf/default/proxy_arp", "1");
    set("ipv4/conf/default/rp_filter", "0");
    set("ipv6/conf/all/disable_ipv6", "1");
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = nft.stdin.take().unwrap();
    pipe.write_all(FILTER.as_bytes()).unwrap();
    drop(pipe);
    assert!(nft.wait().unwrap().success());
    let routes = Socket::open(SockProtocol::NetlinkRoute);
    let filter = Socket::open(SockProtocol::NetlinkNetFilter);
    enter(home);
    Router {
        routes,
        filter,
        space,
        number: 1000,
    }
}

fn endpoint(router: &mut Router, n: u16, home: &OwnedFd, name: &Path) {
    let space = space();
    for (key, value) in [
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/default/rp_filter", "0"),
        ("ipv4/conf/all/arp_ignore", "1"),
        ("ipv6/conf/all/disable_ipv6", "1"),
    ] {
        set(key, value);
    }
    let mut inside = Socket::open(SockProtocol::NetlinkRoute);
    enter(home);
    keep(&space, name);

    let ports = [0u8, 1].map(|subnet| Port {
        near: router.number + u32::from(subnet) * 2,
        subnet,
        name: format!("p-{n}-{subnet}"),
        far_name: format!("e-{n}-{subnet}"),
        address: Ipv4Addr::new(10, 0, subnet, 0) | Ipv4Addr::from(u32::from(n) + 10),
        mac: [2, subnet, 0, 0, (n >> 8) as u8, n as u8],
    });
    router.number += 4;
    let mut outside = Row::default();
    for port in &ports {
        port.cable(&mut outside, &space);
    }
    let mut within = Row::default();
    for port in &ports {
        port.outside(&mut outside);
        port.inside(&mut within);
    }
    router.routes.execute(&outside, outside.messages);
    inside.execute(&within, within.messages);
    enter(&router.space);
    for port in &ports {
        set(&format!("ipv4/neigh/{}/proxy_delay", port.name), "0");
    }
    enter(home);
    let mut row = Row::default();
    row.message(0x10, 1, &[0, 0, 0, 10], |_| {});
    for (at, (set, address, value)) in SETS.iter().enumerate() {
        // The last of them answers for the whole transaction.
        let ack = if at + 1 == SETS.len() { 4 } else { 0 };
        let flags = 1 | CREATE | ack;
        row.message(10 << 8 | 12, flags, &[1, 0, 0, 0], |row| {
            row.text(1, "adit");
            row.text(2, set);
            row.nest(3, |row| {
                for port in &ports {
                    row.nest(1, |row| port.element(row, *address, *value));
                }
            });
        });
    }
    row.message(0x11, 1, &[0, 0, 0, 10], |_| {});
    router.filter.execute(&row, 1);
}

/// Gives the namespace a name, as `ip netns add` does: it outlives the process.
fn keep(space: &OwnedFd, name: &Path) {
    drop(fs::File::create(name).unwrap());
    let source = format!("/proc/self/fd/{}", space.as_raw_fd());
    let (kind, data) = (None::<&str>, None::<&str>);
    mount(Some(source.as_str()), name, kind, MsFlags::MS_BIND, data).unwrap();
}

fn link(index: u32, up: u32) -> Vec<u8> {
    let parts = [0, index, up, up];
    parts.iter().flat_map(|part| part.to_ne_bytes()).collect()
}

/// One cable: its two ends, and what is true of them.
struct Port {
    near: u32,
    subnet: u8,
    name: String,
    far_name: String,
    address: Ipv4Addr,
    mac: [u8; 6],
}

impl Port {
    fn far(&self) -> u32 {
        self.near + 1
    }

    fn router_address(&self) -> [u8; 4] {
        [10, 0, self.subnet, 1]
    }

    fn cable(&self, row: &mut Row, space: &OwnedFd) {
        let flags = REQUEST_ACK | CREATE | EXCLUSIVE;
        row.message(16, flags, &link(self.near, 1), |row| {
            row.text(3, &self.name);
            row.number(27, 7);
            row.attr(1, &NEAR);
            row.nest(18, |row| {
                row.text(1, "veth");
                row.nest(2, |row| {
                    row.nest(1, |row| {
                        row.raw(&link(self.far(), 0));
                        row.text(3, &self.far_name);
                        row.number(27, 7);
                        row.attr(1, &self.mac);
                        row.number(28, space.as_raw_fd().unsigned_abs());
                    });
                });
            });
        });
        let flags = REQUEST_ACK | CREATE | EXCLUSIVE | APPEND;
        row.message(108, flags, &link(self.near, 0), |row| {
            let long = format!("eni-0123456789abc{}{}", self.name, self.near);
            row.nest(52, |row| row.text(53, &long));
        });
    }

    fn neighbour(&self, row: &mut Row, index: u32, address: [u8; 4], mac: [u8; 6]) {
        let mut header = vec![2, 0, 0, 0];
        header.extend(index.to_ne_bytes());
        header.extend([0x80, 0, 0, 0]);
        let flags = REQUEST_ACK | CREATE | REPLACE;
        row.message(28, flags, &header, |row| {
            row.attr(1, &address);
            row.attr(2, &mac);
        });
    }

    fn outside(&self, row: &mut Row) {
        let flags = REQUEST_ACK | CREATE | REPLACE;
        let header = [2, 32, 0, 0, 254, 4, 253, 1, 0, 0, 0, 0];
        row.message(24, flags, &header, |row| {
            row.attr(1, &self.address.octets());
            row.number(4, self.near);
        });
        self.neighbour(row, self.near, self.address.octets(), self.mac);
    }

    fn inside(&self, row: &mut Row) {
        row.message(16, REQUEST_ACK, &link(self.far(), 1), |_| {});
        let flags = REQUEST_ACK | CREATE | REPLACE;
        let mut header = vec![2, 32, 0, 0];
        header.extend(self.far().to_ne_bytes());
        row.message(20, flags, &header, |row| {
            row.attr(2, &self.address.octets());
            row.attr(1, &self.address.octets());
        });
        self.neighbour(row, self.far(), self.router_address(), NEAR);
        let table = u32::from(self.address);
        let mut header = vec![2, 0, 0, 0, 0, 4, 0, 1];
        header.extend(4u32.to_ne_bytes());
        row.message(24, flags, &header, |row| {
            row.number(15, table);
            row.number(4, self.far());
            row.attr(5, &self.router_address());
        });
        let flags = REQUEST_ACK | CREATE | EXCLUSIVE;
        row.message(32, flags, &[2, 0, 32, 0, 0, 0, 0, 1, 0, 0, 0, 0], |row| {
            row.number(6, 100);
            row.number(15, table);
            row.attr(2, &self.address.octets());
        });
    }

    fn element(&self, row: &mut Row, with_address: bool, value: Option<Value>) {
        let mut key = self.name.clone().into_bytes();
        key.resize(16, 0);
        if with_address {
            key.extend(self.address.octets());
        }
        row.nest(1, |row| row.attr(1, &key));
        match value {
            None => {}
            Some(Value::Mark) => row.nest(2, |row| row.attr(1, &10_000u32.to_ne_bytes())),
            Some(Value::Goto(chain)) => row.nest(2, |row| {
                row.nest(2, |row| {
                    row.attr(1, &(-4i32).to_be_bytes());
                    row.text(2, chain);
                });
            }),
        }
    }
}
