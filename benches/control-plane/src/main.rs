//! VPC endpoints through the API: what a call costs, whether it costs more the more there are, how
//! many durable creates there are in a second. Ratios of one run; see `run` beside this crate.
//!
//! CPU is that of the server's process alone. Every create is durable on Adit's side (a sync before
//! the answer) and in memory on the peer's.

mod client;
mod server;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::{Client, elements};
use server::Server;

const SERVICE: &str = "com.amazonaws.us-east-1.s3";
/// Endpoints of one VPC: below the quota of gateway endpoints.
const PER_VPC: usize = 200;
/// Creates of one round, and rounds: medians are compared.
const ROUND: usize = 50;
const ROUNDS: usize = 7;
const CLIENTS: usize = 64;

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
    let peer = arguments.moto.as_deref().map(measure_peer);
    let adit = Server::adit(&arguments.adit, &directory.path().join("state"));
    let mut world = World::new(&adit);
    if let Some(what) = &arguments.profile {
        return profile(&mut world, what, arguments.most);
    }
    world.fill(10);
    let few = world.measure();
    println!("{:44} {:>8.0} us", "CPU of a durable create, 10 endpoints", few.create);
    println!("{:44} {:>8.0} us", "CPU of describe by id, 10 endpoints", few.describe_one);
    world.fill(1_000);
    let page = world.page();
    if let Some(peer) = &peer {
        ratio("create / peer", few.create, peer.create, "1/20");
        ratio("describe, per endpoint / peer", page, peer.page, "1/100");
    }
    let memory = adit.memory();
    world.fill(arguments.most);
    let grown = (adit.memory() - memory) / (arguments.most.saturating_sub(1_000)).max(1) as f64;
    let many = world.measure();
    let n = arguments.most;
    times(&format!("create at {n} / at 10"), many.create / few.create, "1.5");
    times(&format!("describe by id at {n} / at 10"), many.describe_one / few.describe_one, "1.5");
    times(&format!("describe by VPC at {n} / at 10"), many.describe_vpc / few.describe_vpc, "1.5");
    times(&format!("page of 1,000 at {n} / at 1,000"), world.page() / page, "1.2");
    println!("{:44} {:>8.0} bytes (bar 2048)", "resident memory per endpoint", grown);
    let creates = world.rate(Duration::from_secs(5));
    let syncs = sync_rate(directory.path());
    println!("{:44} {:>8.0} /s (bar 1,000)", "durable creates, 64 clients", creates);
    println!("{:44} {:>8.0} /s", "write and sync of 4 KiB on the same disk", syncs);
}

/// Fills up, then repeats one call for ten seconds and prints what it costs.
fn profile(world: &mut World<'_>, what: &str, level: usize) {
    world.fill(level);
    let (_, id) = world.sample.clone().expect("filled");
    let begun = Instant::now();
    eprintln!("ready");
    let mut spent = Vec::new();
    while begun.elapsed() < Duration::from_secs(10) {
        spent.push(match what {
            "create" => world.round(),
            "describe" => cpu_of(world.server, 200, || {
                drop(world.client.call("DescribeVpcEndpoints", &[("VpcEndpointId.1", &id)]));
            }),
            "page" => world.page(),
            "idle" => cpu_of(world.server, 1, || std::thread::sleep(Duration::from_secs(1))),
            other => panic!("nothing is called {other}: create, describe, page, idle"),
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
    println!("{what:44} {:>8} (bar {bar})", format!("1/{:.0}", theirs / ours));
}

fn times(what: &str, ratio: f64, bar: &str) {
    println!("{what:44} {ratio:>7.2}x (bar {bar}x)");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// CPU microseconds of single calls.
struct Costs {
    create: f64,
    describe_one: f64,
    describe_vpc: f64,
}

struct Peer {
    create: f64,
    page: f64,
}

fn measure_peer(program: &Path) -> Peer {
    let moto = Server::moto(program);
    let mut client = Client::new(moto.address);
    let vpc = create_vpc(&mut client);
    let create = median(
        (0..3)
            .map(|_| cpu_of(&moto, ROUND, || drop(create(&mut client, &vpc))))
            .collect(),
    );
    let there = ROUND * 3;
    let pages = (0..3).map(|_| {
        let spent = cpu_of(&moto, 1, || {
            let shown = client.call("DescribeVpcEndpoints", &[]);
            assert_eq!(elements(&shown, "vpcEndpointId").len(), there);
        });
        spent / there as f64
    });
    let page = median(pages.collect());
    Peer { create, page }
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
        &[("VpcId", vpc), ("ServiceName", SERVICE), ("ClientToken", &token)],
    );
    elements(&made, "vpcEndpointId").first().expect("an id").to_string()
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
    /// A VPC for what is made and removed again.
    bench: String,
    /// One of those endpoints that stay, and its VPC.
    sample: Option<(String, String)>,
}

impl World<'_> {
    fn new(server: &Server) -> World<'_> {
        let mut client = Client::new(server.address);
        let bench = create_vpc(&mut client);
        World {
            server,
            client,
            there: 0,
            bench,
            sample: None,
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
        let vpc = vpcs.last().map(|(vpc, _)| vpc.clone());
        self.sample = vpc.map(|vpc| {
            let filter = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", vpc.as_str())];
            let shown = self.client.call("DescribeVpcEndpoints", &filter);
            let id = elements(&shown, "vpcEndpointId").first().expect("one").to_string();
            (vpc, id)
        });
    }

    fn measure(&mut self) -> Costs {
        let create = median((0..ROUNDS).map(|_| self.round()).collect());
        let (vpc, id) = self.sample.clone().expect("filled");
        // One endpoint in a VPC of its own, so that both levels show the same.
        let alone = create_vpc(&mut self.client);
        let single = self::create(&mut self.client, &alone);
        let mut one = |name: &str, value: &str, second: Option<&str>| {
            let mut parameters = vec![(name, value)];
            if let Some(value) = second {
                parameters.push(("Filter.1.Value.1", value));
            }
            let rounds = (0..ROUNDS).map(|_| {
                cpu_of(self.server, 200, || {
                    let shown = self.client.call("DescribeVpcEndpoints", &parameters);
                    assert!(shown.contains("<vpcEndpointId>"));
                })
            });
            median(rounds.collect())
        };
        let describe_one = one("VpcEndpointId.1", &id, None);
        let describe_vpc = one("Filter.1.Name", "vpc-id", Some(&alone));
        let _ = (vpc, single);
        self.there += 1;
        Costs {
            create,
            describe_one,
            describe_vpc,
        }
    }

    /// Some creates, which are removed again.
    fn round(&mut self) -> f64 {
        let mut made = Vec::new();
        let spent = cpu_of(self.server, ROUND, || {
            made.push(create(&mut self.client, &self.bench));
        });
        let names: Vec<String> = (1..=made.len()).map(|n| format!("VpcEndpointId.{n}")).collect();
        let ids: Vec<(&str, &str)> = names
            .iter()
            .zip(&made)
            .map(|(name, id)| (name.as_str(), id.as_str()))
            .collect();
        self.client.call("DeleteVpcEndpoints", &ids);
        spent
    }

    /// CPU microseconds of one endpoint in a page of a thousand.
    fn page(&mut self) -> f64 {
        let rounds = (0..ROUNDS).map(|_| {
            cpu_of(self.server, 1, || {
                let shown = self.client.call("DescribeVpcEndpoints", &[("MaxResults", "1000")]);
                assert_eq!(elements(&shown, "vpcEndpointId").len(), 1_000);
            })
        });
        median(rounds.collect()) / 1_000.0
    }

    /// Durable creates in a second, by many clients.
    fn rate(&mut self, time: Duration) -> f64 {
        let vpcs: Vec<String> = (0..CLIENTS * 8).map(|_| create_vpc(&mut self.client)).collect();
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

/// How often the disk takes 4 KiB and syncs them in a second.
fn sync_rate(directory: &Path) -> f64 {
    let mut file = std::fs::File::create(directory.join("sync")).expect("a file");
    let begun = Instant::now();
    let mut count = 0.0;
    while begun.elapsed() < Duration::from_secs(2) {
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).expect("a disk");
        count += 1.0;
    }
    count / begun.elapsed().as_secs_f64()
}
