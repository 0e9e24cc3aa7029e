//! Endpoints come and go while traffic runs: nothing leaks, and nobody else notices.
//!
//! A small version runs always; `ADIT_CHURN=1000` makes it a soak.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use adit_model::*;
use adit_net::render;
use adit_snapshot::{Snapshot, build};

use crate::harness::{Outcome, Test};
use crate::helpers::ip;
use crate::lab::{Lab, conversation, lab};
use crate::t_render::{self, id, owner};
use crate::world::{Plan, instance, nth, put_interface, settle, vpc_id, world};

pub(crate) const TESTS: &[Test] = &[(
    "churn::endpoints_come_and_go_under_traffic",
    endpoints_come_and_go_under_traffic,
)];

/// Route tables that gateway endpoints are associated with.
const TABLES: u64 = 50;
/// Endpoints at the same time.
const ALIVE: u64 = 8;

fn rounds() -> u64 {
    let given = std::env::var("ADIT_CHURN").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(130)
}

fn start() -> Draft {
    let plan = Plan {
        seed: 1,
        ..Plan::default()
    };
    let mut draft = world(&plan);
    draft.remove::<Vpc>(vpc_id(2));
    for n in 10..10 + TABLES {
        draft.put(RouteTable {
            id: id("rtb-", nth(1, n)),
            vpc: vpc_id(1),
            owner: owner(),
            number: n as u16,
            associations: Vec::new(),
            routes: Vec::new(),
            propagating: Vec::new(),
            tags: Tags::new(),
        });
    }
    draft
}

fn endpoint(draft: &mut Draft, n: u64) {
    let kind = match n % 2 {
        0 => EndpointKind::Gateway {
            route_tables: (0..3)
                .map(|k| id("rtb-", nth(1, 10 + (n + k * 7) % TABLES)))
                .collect(),
        },
        _ => {
            let user = InterfaceUser::Endpoint {
                endpoint: id("vpce-", n),
                attachment: id("eni-attach-", n),
            };
            // An address that no other endpoint alive has.
            let last = 100 + n % 100;
            put_interface(draft, 1, 2, last, "10.1.2.", user, |eni| {
                eni.id = id("eni-", nth(9, n));
            });
            EndpointKind::Interface {
                interfaces: vec![id("eni-", nth(9, n))],
                subnets: vec![id("subnet-", nth(1, 2))],
                groups: vec![id("sg-", 1)],
                dns_suffix: "abcd1234".into(),
                private_dns: false,
                inbound_only: false,
            }
        }
    };
    draft.put(t_render::endpoint(
        &vpc_id(1),
        n,
        (n % 1000) as u16 + 1,
        kind,
    ));
}

fn gone(draft: &mut Draft, n: u64) {
    draft.remove::<VpcEndpoint>(id::<VpcEndpointId>("vpce-", n));
    draft.remove::<NetworkInterface>(id::<NetworkInterfaceId>("eni-", nth(9, n)));
}

fn place(lab: &Lab, snapshot: &Snapshot) {
    let desired = Arc::new(render::render(snapshot.vpc(vpc_id(1)).unwrap()));
    if let Err(error) = lab.agent().apply(vpc_id(1).as_str(), &desired) {
        let log = std::fs::read_to_string(lab.options.state_dir.join("net-agent.log"));
        panic!("{error}: {error:?}\n{}", log.unwrap_or_default());
    }
}

/// What a leak would show in: descriptors of the agent, its namespaces, links and rules of the router.
fn held(lab: &Lab) -> (usize, usize, usize, usize) {
    let pid = lab.agent().hello().pid;
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .count();
    let spaces = lab.agent().groups().unwrap().values().map(Vec::len).sum();
    let lines = |what: &str| ip(lab.agent(), vpc_id(1).as_str(), what).lines().count();
    (descriptors, spaces, lines("-o link"), lines("rule"))
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn endpoints_come_and_go_under_traffic() -> Outcome {
    let lab = lab!();
    let mut intent = Arc::new(start().finish().0);
    let mut snapshot = build(&intent);
    settle(&lab, &snapshot);
    let there = instance(1, 2);
    lab.serve(&there, "instance", &[443]);
    let to = "10.1.2.10:443";
    let mut kept = lab
        .connect(&instance(1, 1), to, Duration::from_secs(5))
        .unwrap();
    let before = held(&lab);
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (lab, done, asked) = (&lab, &done, &asked);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let said = conversation(&mut kept);
                assert_eq!(
                    said,
                    format!("instance 10.1.1.10 {to}"),
                    "an open connection"
                );
                lab.reaches(&instance(1, 1), to, "instance", "10.1.1.10");
                asked.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        // Also when a round fails: the traffic must end.
        let _ends = Ends(done);
        for n in 10..10 + rounds() + ALIVE {
            let mut draft = Draft::new(&intent);
            if n < 10 + rounds() {
                endpoint(&mut draft, n);
            }
            if n >= 10 + ALIVE {
                gone(&mut draft, n - ALIVE);
            }
            intent = Arc::new(draft.finish().0);
            snapshot = snapshot.next(&intent);
            place(lab, &snapshot);
        }
    });
    assert!(asked.load(Ordering::Relaxed) > 0);
    let group = vpc_id(1);
    assert_eq!(
        lab.agent().drift(group.as_str()).unwrap(),
        Vec::<String>::new()
    );
    // Namespaces that were let go are taken apart by the kernel in its own time.
    let end = std::time::Instant::now() + Duration::from_secs(5);
    // A connection to the agent, which calls at the same time may add, is two descriptors.
    let leaked = |now: (usize, usize, usize, usize)| {
        let few = now.0 <= before.0 + 2 * 3;
        !few || (now.1, now.2, now.3) != (before.1, before.2, before.3)
    };
    while leaked(held(&lab)) && std::time::Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let now = held(&lab);
    assert!(!leaked(now), "{now:?}, before {before:?}");
    Outcome::Passed
}
