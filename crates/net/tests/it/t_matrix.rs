//! The access matrix: who reaches S3 by which name, by which path. Names are asked of the pure
//! decision, connections are real; what is seen must be what `docs/access-matrix.md` says.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use adit_model::*;
use adit_net::protocol::Listen;
use adit_net::render;
use adit_snapshot::decide::name::{Found, Viewpoint, name};
use adit_snapshot::{Snapshot, build};

use crate::harness::{Outcome, Test};
use crate::lab::{Lab, conversation, lab};
use crate::t_render::{endpoint, id, owner};
use crate::world::{Dice, Plan, instance, nth, put_interface, put_vpc, settle, vpc_id, world};

pub(crate) const TESTS: &[Test] = &[(
    "matrix::the_access_matrix_is_as_documented",
    the_access_matrix_is_as_documented,
)];

const PUBLIC_NAME: &str = "s3.us-east-1.amazonaws.com";
const ENDPOINT_NAME: &str =
    "bucket.vpce-00000000000000002-abcd1234.s3.us-east-1.vpce.amazonaws.com";

/// Which endpoints the VPC has.
#[derive(Clone, Copy)]
struct Endpoints {
    title: &'static str,
    gateway: bool,
    /// Whether there is an interface endpoint: with private DNS, and for the inbound resolver
    /// endpoint alone.
    interface: Option<(bool, bool)>,
}

const COLUMNS: [Endpoints; 5] = [
    Endpoints {
        title: "gateway only",
        gateway: true,
        interface: None,
    },
    Endpoints {
        title: "interface only, private DNS",
        gateway: false,
        interface: Some((true, false)),
    },
    Endpoints {
        title: "both, no private DNS",
        gateway: true,
        interface: Some((false, false)),
    },
    Endpoints {
        title: "both, private DNS for the inbound resolver endpoint only",
        gateway: true,
        interface: Some((true, true)),
    },
    Endpoints {
        title: "none",
        gateway: false,
        interface: None,
    },
];

/// Where somebody asks: title, namespace, whose names.
fn rows() -> Vec<(&'static str, String, Viewpoint)> {
    vec![
        ("private subnet", instance(1, 2), Viewpoint::Vpc(vpc_id(1))),
        ("public subnet", instance(1, 1), Viewpoint::Vpc(vpc_id(1))),
        ("site, public names", site_host(), Viewpoint::Public),
        (
            "site, inbound resolver endpoint",
            site_host(),
            Viewpoint::Inbound(vpc_id(1)),
        ),
        ("peer VPC", instance(2, 2), Viewpoint::Vpc(vpc_id(2))),
        (
            "VPC of another Region",
            instance(3, 1),
            Viewpoint::Vpc(vpc_id(3)),
        ),
    ]
}

fn site_host() -> String {
    format!("host-{:017}", 1)
}

/// VPC 1 with a private and a public subnet, a site, and two peers: one in the same Region without
/// internet of its own, one in another Region with it.
fn place(endpoints: Endpoints) -> Snapshot {
    let plan = Plan {
        peering: true,
        site: true,
        seed: 1,
        ..Plan::default()
    };
    let mut draft = world(&plan);
    put_vpc(&mut draft, &Plan::default(), 3, &mut Dice(1));
    draft.edit::<Vpc>(vpc_id(3), |vpc| vpc.region = "eu-west-1".parse().unwrap());
    let side = |v: u64, number, region: &str| PeerSide {
        vpc: vpc_id(v),
        owner: owner(),
        region: region.parse().unwrap(),
        number,
        allow_dns: false,
        tags: Tags::new(),
    };
    draft.put(VpcPeeringConnection {
        id: id("pcx-", 2),
        requester: side(1, 4, "us-east-1"),
        accepter: side(3, 4, "eu-west-1"),
        answer: PeeringAnswer::Accepted,
        created: 0,
    });
    for (v, peers) in [
        (1, vec![(2, 1), (3, 2)]),
        (2, vec![(1, 1)]),
        (3, vec![(1, 2)]),
    ] {
        for n in 1..=3 {
            draft.edit::<RouteTable>(id::<RouteTableId>("rtb-", nth(v, n)), |table| {
                let peered =
                    |route: &Route| matches!(route.target, RouteTarget::VpcPeeringConnection(_));
                table.routes.retain(|route| !peered(route));
                // Subnet 2 of the peer and of VPC 1 are private; subnet 3 is of no concern here.
                for (peer, connection) in &peers {
                    table.routes.push(Route {
                        destination: format!("10.{peer}.0.0/16").parse().unwrap(),
                        target: RouteTarget::VpcPeeringConnection(id("pcx-", *connection)),
                    });
                }
            });
        }
    }
    put_endpoints(&mut draft, endpoints);
    build(&Arc::new(draft.finish().0))
}

fn put_endpoints(draft: &mut Draft, endpoints: Endpoints) {
    let mut put = |n: u64, kind| {
        draft.put(endpoint(&vpc_id(1), n, n as u16, kind));
    };
    if endpoints.gateway {
        put(
            1,
            EndpointKind::Gateway {
                route_tables: vec![id("rtb-", nth(1, 2))],
            },
        );
    }
    let Some((private_dns, inbound_only)) = endpoints.interface else {
        return;
    };
    put(
        2,
        EndpointKind::Interface {
            interfaces: vec![id("eni-", nth(1, 1100)), id("eni-", nth(1, 2100))],
            subnets: vec![id("subnet-", nth(1, 1)), id("subnet-", nth(1, 2))],
            groups: vec![id("sg-", 1)],
            dns_suffix: "abcd1234".into(),
            private_dns,
            inbound_only,
        },
    );
    for n in 1..=2 {
        let user = InterfaceUser::Endpoint {
            endpoint: id("vpce-", 2),
            attachment: id("eni-attach-", n),
        };
        put_interface(draft, 1, n, 100, &format!("10.1.{n}."), user, |_| {});
    }
}

/// What a place sees behind a name.
fn cell(lab: &Lab, snapshot: &Snapshot, from: &Viewpoint, ns: &str, asked: &str) -> String {
    let addresses: Vec<IpAddr> = match name(snapshot, from, asked).found {
        Found::Addresses(addresses) => addresses,
        _ => return "no such name".into(),
    };
    let Some(first) = addresses.first() else {
        return "no address".into();
    };
    let shown: Vec<String> = addresses.iter().map(|a| format!("`{a}`")).collect();
    let shown = shown.join(", ");
    let to = format!("{first}:443");
    match lab.connect(ns, &to, Duration::from_millis(700)) {
        Err(_) => format!("{shown}: unreachable"),
        Ok(mut stream) => {
            let said = conversation(&mut stream);
            let said = said.trim_end_matches(&to).trim_end();
            let (path, source) = said.rsplit_once(' ').unwrap_or((said, "?"));
            format!("{shown}: **{path}**, seen as `{source}`")
        }
    }
}

fn serve(lab: &Lab, endpoints: Endpoints) {
    let any: IpAddr = [0, 0, 0, 0].into();
    let at = |ns: &str, name| lab.serve_at(&Listen::tcp(ns, any, 443), name);
    at(render::INTERNET, "internet");
    if endpoints.gateway {
        at("vpce-00000000000000001", "gateway endpoint");
    }
    if endpoints.interface.is_some() {
        at("vpce-00000000000000002", "interface endpoint");
    }
}

const HEAD: &str = "# Who reaches S3, by which name and path

This table is what `cargo nextest run -p adit-net matrix::` sees: names decided as the resolvers decide them,
connections made of packets. The test fails when they differ; `ADIT_WRITE_DOCS=1` writes the table anew.

The VPC has blocks `10.1.0.0/16` and a public S3 address range `198.18.0.0/22`. Its gateway endpoint is associated with
the private subnet's route table alone; its interface endpoint has an address in both subnets. The public subnet's
hosts have public addresses and a default route to the internet gateway. The site has no internet of its own. The
peer VPC's host has no internet; the one in the other Region has a public address there. All are peered with the
VPC, with routes on both sides. Each cell gives the addresses of a name and what a connection to the first of them
meets.
";

fn the_access_matrix_is_as_documented() -> Outcome {
    let mut text = HEAD.to_string();
    for (title, asked) in [
        ("The public name", PUBLIC_NAME),
        ("The endpoint's own name", ENDPOINT_NAME),
    ] {
        let _ = write!(text, "\n## {title}\n\n`{asked}`\n\n| from |");
        let mut columns: Vec<Vec<String>> = Vec::new();
        for endpoints in COLUMNS {
            let _ = write!(text, " {} |", endpoints.title);
            let lab = lab!();
            let snapshot = place(endpoints);
            settle(&lab, &snapshot);
            serve(&lab, endpoints);
            let cells = std::thread::scope(|scope| {
                let rows = rows();
                let asking: Vec<_> = rows
                    .into_iter()
                    .map(|(_, ns, from)| {
                        let (lab, snapshot) = (&lab, &snapshot);
                        scope.spawn(move || cell(lab, snapshot, &from, &ns, asked))
                    })
                    .collect();
                asking
                    .into_iter()
                    .map(|cell| cell.join().unwrap())
                    .collect()
            });
            columns.push(cells);
        }
        let _ = write!(text, "\n|{}\n", " --- |".repeat(COLUMNS.len() + 1));
        for (n, (row, _, _)) in rows().iter().enumerate() {
            let cells: Vec<&str> = columns.iter().map(|column| column[n].as_str()).collect();
            let _ = writeln!(text, "| {row} | {} |", cells.join(" | "));
        }
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/access-matrix.md");
    if std::env::var_os("ADIT_WRITE_DOCS").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(
        text,
        std::fs::read_to_string(&file).unwrap_or_default(),
        "{}",
        file.display()
    );
    Outcome::Passed
}
