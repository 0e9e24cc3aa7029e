//! VPC endpoints through the API: what a call costs, whether it costs more the more there are, how
//! many durable creates there are in a second. Ratios of one run; see `run` beside this crate.
//!
//! CPU is that of the server's process alone. Every create is durable on Adit's side (a sync before
//! the answer) and in memory on the peer's.

mod client;
mod server;

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::{Client, elements};
use nix::time::{ClockId, clock_gettime};
use server::Server;

const SERVICE: &str = "com.amazonaws.us-east-1.s3";
/// Endpoints of one VPC: below the quota of gateway endpoints.
const PER_VPC: usize = 200;
/// Creates of one round, and rounds: medians are compared.
const ROUND: usize = 50;
const ROUNDS: usize = 7;
const CLIENTS: usize = 64;
/// Creates of each client in a round of all of them.
const EACH: usize = 4;
/// Endpoints of one answer to a describe, and such answers of one round.
const PAGE: usize = 500;
const PAGES: usize = 5;

struct Arguments {
    adit: PathBuf,
    moto: Option<PathBuf>,
    most: usize,
    /// Repeats one call for a while, for a profiler.
    profile: Option<String>,
}

fn main() {
    let arguments = arguments();
    let directory = tempfile::Builder::new()
        .prefix("control-plane-")
        .tempdir_in(std::env::var_os("BENCH_DIR").unwrap_or_else(|| "/var/tmp".into()))
        .expect("a directory");
    let adit = |name: &str| Server::adit(&arguments.adit, &directory.path().join(name));
    let (small, large) = (adit("small"), adit("large"));
    let (mut small, mut large) = (World::new(&small), World::new(&large));
    if let Some(what) = &arguments.profile {
        return profile(&mut small, what, arguments.most);
    }
    let most = arguments.most;
    small.fill(10);
    large.fill(PAGE);
    let memory = large.server.memory();
    large.fill(most);
    let added = most.saturating_sub(PAGE).max(1);
    let grown = (large.server.memory() - memory) / added as f64;

    // What is compared is measured in turn: other work on the machine falls on all alike.
    let mut peer = arguments.moto.as_deref().map(Peer::new);
    let (mut at_few, mut at_most) = (Costs::default(), Costs::default());
    let (mut alone, mut at_once, mut many_at_once) = (Vec::new(), Vec::new(), Vec::new());
    let mut at_once_of_peer = Vec::new();
    for _ in 0..ROUNDS {
        at_few.add(&mut small);
        at_most.add(&mut large);
        alone.extend(peer.as_mut().map(Peer::creates));
        at_once.push(small.creates_at_once());
        many_at_once.push(large.creates_at_once());
        at_once_of_peer.extend(peer.as_mut().map(Peer::creates_at_once));
    }
    let (few, many) = (at_few.medians(), at_most.medians());
    let at_once = median(at_once);
    small.fill(PAGE);
    let (mut pages, mut pages_of_many, mut pages_of_peer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        pages.push(small.page());
        pages_of_many.push(large.page());
        pages_of_peer.extend(peer.as_mut().map(Peer::page));
    }
    let page = median(pages);

    if peer.is_some() {
        let clients = format!("create / peer, {CLIENTS} clients");
        ratio(&clients, at_once, median(at_once_of_peer), " (bar 1/20)");
        // Alone, each create pays for a sync of its own, which the peer never does.
        ratio("create / peer, one client", few[0], median(alone), "");
        let pages = median(pages_of_peer);
        ratio("describe, per endpoint / peer", page, pages, " (bar 1/100)");
    }
    times(
        &format!("create at {most} / at 10"),
        many[0] / few[0],
        "1.5",
    );
    let clients = format!("the same, {CLIENTS} clients");
    times(&clients, median(many_at_once) / at_once, "1.5");
    times(
        &format!("describe by id at {most} / at 10"),
        many[1] / few[1],
        "1.5",
    );
    times(
        &format!("describe by VPC at {most} / at 10"),
        many[2] / few[2],
        "1.5",
    );
    let pages = format!("page of {PAGE} at {most} / at {PAGE}");
    times(&pages, median(pages_of_many) / page, "1.2");
    println!(
        "{:44} {:>8.0} bytes (bar 2048)",
        "resident memory per endpoint", grown
    );
    // Disks differ from second to second: the disk's own rate is taken before and after.
    let before = sync_rate(directory.path());
    let creates = large.rate(Duration::from_secs(10));
    let after = sync_rate(directory.path());
    println!(
        "{:44} {:>8.0} /s (bar 1,000)",
        "durable creates, 64 clients", creates
    );
    println!(
        "{:44} {:>8.0} /s, then {:.0} /s",
        "write and sync of 4 KiB on the same disk", before.0, after.0
    );
    // What no server that keeps its promise can save.
    let disk = before.1.min(after.1);
    println!(
        "{:44} {:>8.2} of one by one client, {:.2} of one by {CLIENTS}",
        "CPU of that write and sync / of a create",
        disk / few[0],
        disk / at_once
    );
}

/// Fills up, then repeats one call for ten seconds and prints what it costs.
fn profile(world: &mut World<'_>, what: &str, level: usize) {
    world.fill(level);
    let begun = Instant::now();
    eprintln!("ready");
    let mut spent = Vec::new();
    while begun.elapsed() < Duration::from_secs(10) {
        spent.push(match what {
            "create" => world.round(),
            "creates" => world.creates_at_once(),
            "describe" => world.describe_one(),
            "page" => world.page(),
            "idle" => cpu_of(world.server, 1, || {
                std::thread::sleep(Duration::from_secs(1))
            }),
            other => panic!("nothing is called {other}: create, creates, describe, page, idle"),
        });
    }
    println!("{what:44} {:>8.1} us", median(spent));
}

fn arguments() -> Arguments {
    let mut found = Arguments {
        adit: "adit".into(),
        moto: None,
        most: 100_000,
        profile: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--adit" => found.adit = words.next().expect("a program").into(),
            "--moto" => found.moto = words.next().map(PathBuf::from),
            "--most" => found.most = words.next().and_then(|n| n.parse().ok()).expect("a number"),
            "--without-peer" => {}
            "--profile" => found.profile = words.next(),
            other => panic!("unknown argument {other}"),
        }
    }
    found
}

fn ratio(what: &str, ours: f64, theirs: f64, bar: &str) {
    println!("{what:44} {:>8}{bar}", format!("1/{:.0}", theirs / ours));
}

fn times(what: &str, ratio: f64, bar: &str) {
    println!("{what:44} {ratio:>7.2}x (bar {bar}x)");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU microseconds of single calls, round by round: a create, a describe by id, one by VPC.
#[derive(Default)]
struct Costs([Vec<f64>; 3]);

impl Costs {
    fn add(&mut self, world: &mut World<'_>) {
        let round = [world.round(), world.describe_one(), world.describe_vpc()];
        for (all, one) in self.0.iter_mut().zip(round) {
            all.push(one);
        }
    }

    fn medians(self) -> [f64; 3] {
        self.0.map(median)
    }
}

/// The peer with its endpoints.
struct Peer {
    server: Server,
    client: Client,
    vpc: String,
    there: usize,
}

impl Peer {
    fn new(program: &Path) -> Peer {
        let server = Server::moto(program);
        let mut client = Client::new(server.address);
        let vpc = create_vpc(&mut client);
        Peer {
            server,
            client,
            vpc,
            there: 0,
        }
    }

    fn creates(&mut self) -> f64 {
        self.there += ROUND;
        let Peer {
            server,
            client,
            vpc,
            ..
        } = self;
        cpu_of(server, ROUND, || drop(create(client, vpc)))
    }

    fn creates_at_once(&mut self) -> f64 {
        self.there += CLIENTS * EACH;
        creates_at_once(&self.server, std::slice::from_ref(&self.vpc)).0
    }

    /// CPU microseconds of one endpoint of an answer with all.
    fn page(&mut self) -> f64 {
        let Peer {
            server,
            client,
            there,
            ..
        } = self;
        let spent = cpu_of(server, PAGES, || {
            let shown = client.call("DescribeVpcEndpoints", &[]);
            assert_eq!(elements(&shown, "vpcEndpointId").len(), *there);
        });
        spent / *there as f64
    }
}

/// CPU microseconds of one of the creates that all clients make at once, and what they made.
fn creates_at_once(server: &Server, vpcs: &[String]) -> (f64, Vec<String>) {
    let before = server.cpu();
    let made: Vec<String> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                scope.spawn(move || -> Vec<String> {
                    let mut client = Client::new(server.address);
                    let vpc = &vpcs[n % vpcs.len()];
                    (0..EACH).map(|_| create(&mut client, vpc)).collect()
                })
            })
            .collect();
        let made = clients
            .into_iter()
            .map(|client| client.join().expect("creates"));
        made.flatten().collect()
    });
    ((server.cpu() - before) / made.len() as f64, made)
}

/// CPU microseconds of one of `count` calls.
fn cpu_of(server: &Server, count: usize, mut call: impl FnMut()) -> f64 {
    let before = server.cpu();
    for _ in 0..count {
        call();
    }
    (server.cpu() - before) / count as f64
}

fn create_vpc(client: &mut Client) -> String {
    let made = client.call("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]);
    elements(&made, "vpcId").first().expect("an id").to_string()
}

fn create(client: &mut Client, vpc: &str) -> String {
    let token = token();
    let made = client.call(
        "CreateVpcEndpoint",
        &[
            ("VpcId", vpc),
            ("ServiceName", SERVICE),
            ("ClientToken", &token),
        ],
    );
    elements(&made, "vpcEndpointId")
        .first()
        .expect("an id")
        .to_string()
}

/// A token like those that clients make: nothing about it is ordered.
fn token() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let n = NEXT.fetch_add(1, Ordering::Relaxed) as u128;
    let mixed = n.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645);
    format!("{mixed:032x}")
}

/// Adit with some endpoints.
struct World<'a> {
    server: &'a Server,
    client: Client,
    there: usize,
    /// VPCs for what is made and removed again.
    bench: Vec<String>,
    /// One of those endpoints that stay.
    sample: Option<String>,
    /// A VPC with one endpoint.
    alone: Option<String>,
}

impl World<'_> {
    fn new(server: &Server) -> World<'_> {
        let mut client = Client::new(server.address);
        let bench = (0..8).map(|_| create_vpc(&mut client)).collect();
        World {
            server,
            client,
            there: 0,
            bench,
            sample: None,
            alone: None,
        }
    }

    /// Makes endpoints until there are this many.
    fn fill(&mut self, total: usize) {
        let mut missing = total.saturating_sub(self.there);
        let mut vpcs = Vec::new();
        while missing > 0 {
            let here = missing.min(PER_VPC);
            vpcs.push((create_vpc(&mut self.client), here));
            missing -= here;
        }
        let next = AtomicUsize::new(0);
        let made = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Client::new(self.server.address);
                    while let Some((vpc, count)) = vpcs.get(next.fetch_add(1, Ordering::Relaxed)) {
                        for _ in 0..*count {
                            create(&mut client, vpc);
                        }
                        made.fetch_add(*count, Ordering::Relaxed);
                    }
                });
            }
        });
        self.there += made.into_inner();
        if let Some((vpc, _)) = vpcs.last() {
            let filter = [
                ("Filter.1.Name", "vpc-id"),
                ("Filter.1.Value.1", vpc.as_str()),
            ];
            let shown = self.client.call("DescribeVpcEndpoints", &filter);
            let ids = elements(&shown, "vpcEndpointId");
            self.sample = ids.first().map(|id| id.to_string());
        }
    }

    fn describe_one(&mut self) -> f64 {
        let id = self.sample.clone().expect("filled");
        self.describe(&[("VpcEndpointId.1", &id)])
    }

    /// Of the endpoints of a VPC that has one.
    fn describe_vpc(&mut self) -> f64 {
        if self.alone.is_none() {
            let alone = create_vpc(&mut self.client);
            create(&mut self.client, &alone);
            self.there += 1;
            self.alone = Some(alone);
        }
        let alone = self.alone.clone().expect("made");
        self.describe(&[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &alone)])
    }

    fn describe(&mut self, parameters: &[(&str, &str)]) -> f64 {
        cpu_of(self.server, 200, || {
            let shown = self.client.call("DescribeVpcEndpoints", parameters);
            assert_eq!(elements(&shown, "vpcEndpointId").len(), 1);
        })
    }

    /// Some creates, which are removed again.
    fn round(&mut self) -> f64 {
        let mut made = Vec::new();
        let spent = cpu_of(self.server, ROUND, || {
            made.push(create(&mut self.client, &self.bench[0]));
        });
        self.remove(&made);
        spent
    }

    /// The same by many clients.
    fn creates_at_once(&mut self) -> f64 {
        let (spent, made) = creates_at_once(self.server, &self.bench);
        self.remove(&made);
        spent
    }

    fn remove(&mut self, made: &[String]) {
        let names: Vec<String> = (1..=made.len())
            .map(|n| format!("VpcEndpointId.{n}"))
            .collect();
        let ids = names
            .iter()
            .zip(made)
            .map(|(name, id)| (name.as_str(), id.as_str()));
        self.client
            .call("DeleteVpcEndpoints", &ids.collect::<Vec<_>>());
    }

    /// CPU microseconds of one endpoint of a page.
    fn page(&mut self) -> f64 {
        let size = PAGE.to_string();
        let spent = cpu_of(self.server, PAGES, || {
            let shown = self
                .client
                .call("DescribeVpcEndpoints", &[("MaxResults", &size)]);
            assert_eq!(elements(&shown, "vpcEndpointId").len(), PAGE);
        });
        spent / PAGE as f64
    }

    /// Durable creates in a second, by many clients.
    fn rate(&mut self, time: Duration) -> f64 {
        let vpcs: Vec<String> = (0..CLIENTS * 8)
            .map(|_| create_vpc(&mut self.client))
            .collect();
        let next = AtomicUsize::new(0);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    let mut client = Client::new(self.server.address);
                    while begun.elapsed() < time {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        create(&mut client, &vpcs[n % vpcs.len()]);
                    }
                });
            }
        });
        next.into_inner() as f64 / begun.elapsed().as_secs_f64()
    }
}

/// How often the disk takes 4 KiB and syncs them in a second, and CPU microseconds of once.
fn sync_rate(directory: &Path) -> (f64, f64) {
    let spent = || {
        let clock = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a CPU clock");
        clock.tv_sec() as f64 * 1e6 + clock.tv_nsec() as f64 / 1e3
    };
    let path = directory.join("sync");
    let mut file = std::fs::File::create(&path).expect("a file");
    let (begun, before) = (Instant::now(), spent());
    let mut count = 0.0;
    while begun.elapsed() < Duration::from_secs(2) {
        // Over and over the same MiB, as a log that is begun again.
        if count as usize % 256 == 0 {
            file.rewind().expect("a file");
        }
        file.write_all(&[7; 4096])
            .and_then(|()| file.sync_data())
            .expect("a disk");
        count += 1.0;
    }
    (
        count / begun.elapsed().as_secs_f64(),
        (spent() - before) / count,
    )
}
