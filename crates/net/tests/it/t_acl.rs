//! Network ACLs and connections that are open: what was remembered of a connection holds as long as the
//! ACLs that it was asked of, and not a packet longer.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use adit_model::*;
use adit_net::desired::Desired;
use adit_net::nft::{Expr, Rule};
use adit_net::render::{self, place};
use adit_snapshot::build;

use crate::harness::{Outcome, Test};
use crate::lab::{Lab, conversation, lab};
use crate::t_render::{VPC, id, owner, place_internet, world};

pub(crate) const TESTS: &[Test] = &[
    (
        "acl::a_changed_acl_holds_for_open_connections",
        a_changed_acl_holds_for_open_connections,
    ),
    (
        "acl::what_passed_in_both_directions_is_remembered",
        what_passed_in_both_directions_is_remembered,
    ),
    (
        "acl::middleboxes_and_detours_are_asked_each_time",
        middleboxes_and_detours_are_asked_each_time,
    ),
];

/// The server's address, in the second subnet.
const SERVER: &str = "10.0.2.10:443";

fn entry(number: u16, egress: bool, allow: bool, ports: (u16, u16)) -> AclEntry {
    AclEntry {
        number,
        egress,
        allow,
        protocol: IpProtocol::Tcp,
        cidr: "10.0.0.0/16".parse().unwrap(),
        ports: Some(ports),
        icmp: None,
    }
}

/// The world with an ACL per subnet: requests one way, answers the other.
fn fenced() -> Draft {
    let mut draft = world();
    let (asked, answers) = ((443, 443), (1024, 65_535));
    for (n, into, out) in [(1, answers, asked), (2, asked, answers)] {
        draft.put(NetworkAcl {
            id: id("acl-", n),
            vpc: id("vpc-", 1),
            owner: owner(),
            is_default: n == 1,
            entries: vec![entry(100, false, true, into), entry(100, true, true, out)],
            associations: vec![AclAssociation {
                id: id("aclassoc-", n),
                subnet: id("subnet-", n),
            }],
            tags: Tags::new(),
        });
    }
    draft
}

fn desired(intent: &Arc<Intent>) -> Desired {
    render::render(build(intent).vpc(VPC).unwrap())
}

fn ns(n: u64) -> String {
    place::instance(&id("eni-", n * 1000 + 10))
}

/// A connection from the first subnet to the second that has been talked on; later talk is impatient.
fn talking(lab: &Lab) -> TcpStream {
    lab.serve(&ns(2), "instance", &[443]);
    let mut stream = lab.connect(&ns(1), SERVER, Duration::from_secs(5)).unwrap();
    for _ in 0..3 {
        assert!(conversation(&mut stream).starts_with("instance"));
    }
    let patience = Some(Duration::from_millis(300));
    stream.set_read_timeout(patience).unwrap();
    stream
}

fn falls_silent(stream: &mut TcpStream) {
    let said = conversation(stream);
    assert!(said.starts_with("no answer"), "{said}");
}

/// What was lost is sent again: answers come, until nothing is left to say.
fn goes_on(stream: &mut TcpStream) {
    let patience = |stream: &TcpStream, millis| {
        let within = Duration::from_millis(millis);
        stream.set_read_timeout(Some(within)).unwrap();
    };
    patience(stream, 20_000);
    let said = conversation(stream);
    assert!(said.starts_with("instance"), "{said}");
    patience(stream, 300);
    while stream.read(&mut [0; 256]).is_ok_and(|count| count > 0) {}
}

fn a_changed_acl_holds_for_open_connections() -> Outcome {
    let lab = lab!();
    place_internet(&lab);
    let open = Arc::new(fenced().finish().0);
    lab.settle(VPC, &Arc::new(desired(&open)));
    let mut stream = talking(&lab);
    let denials = [
        (1, entry(90, true, false, (443, 443))),
        (2, entry(90, false, false, (443, 443))),
        (2, entry(90, true, false, (1024, 65_535))),
        (1, entry(90, false, false, (1024, 65_535))),
    ];
    for (n, denial) in denials {
        let mut draft = Draft::new(&open);
        let acl: NetworkAclId = id("acl-", n);
        draft
            .edit::<NetworkAcl>(acl.as_str(), |acl| acl.entries.push(denial))
            .unwrap();
        let closed = Arc::new(draft.finish().0);
        lab.settle(VPC, &Arc::new(desired(&closed)));
        falls_silent(&mut stream);
        lab.settle(VPC, &Arc::new(desired(&open)));
        goes_on(&mut stream);
    }
    Outcome::Passed
}

/// Shown by ACLs that deny everything and yet pretend to be the ones that were asked.
fn what_passed_in_both_directions_is_remembered() -> Outcome {
    let lab = lab!();
    place_internet(&lab);
    let asked = desired(&Arc::new(fenced().finish().0));
    lab.settle(VPC, &Arc::new(asked.clone()));
    let mut stream = talking(&lab);
    let mut denying = asked;
    let router = denying.namespaces.get_mut(VPC).unwrap();
    let chains = &mut router.nft.as_mut().unwrap().chains;
    for (_, chain) in chains
        .iter_mut()
        .filter(|(name, _)| name.starts_with("acl_"))
    {
        chain.rules = vec![Rule::from([Expr::DROP])];
    }
    lab.settle(VPC, &Arc::new(denying));
    for _ in 0..3 {
        assert!(conversation(&mut stream).starts_with("instance"));
    }
    lab.blocked(&ns(1), SERVER);
    Outcome::Passed
}

fn middleboxes_and_detours_are_asked_each_time() -> Outcome {
    let remembers = |change: fn(&mut Draft)| {
        let mut draft = fenced();
        change(&mut draft);
        let desired = desired(&Arc::new(draft.finish().0));
        let table = desired.namespaces[VPC].nft.as_ref().unwrap();
        let text = table.to_text();
        assert!(text.contains("vmap @acl_in"), "{text}");
        assert_eq!(text.contains("ct mark"), text.contains("chain remember"));
        text.contains("ct mark")
    };
    assert!(remembers(|_| ()));
    assert!(remembers(|draft| lead(draft, "192.0.2.0/24")));
    assert!(!remembers(|draft| lead(draft, "10.0.1.0/24")));
    assert!(!remembers(|draft| lead(draft, "10.0.0.0/16")));
    assert!(!remembers(|draft| {
        let eni: NetworkInterfaceId = id("eni-", 1010);
        draft
            .edit::<NetworkInterface>(eni.as_str(), |eni| eni.source_dest_check = false)
            .unwrap();
    }));
    Outcome::Passed
}

/// Leads a block to the first subnet's instance.
fn lead(draft: &mut Draft, block: &str) {
    let route = Route {
        destination: block.parse().unwrap(),
        target: RouteTarget::NetworkInterface(id("eni-", 1010)),
    };
    let table: RouteTableId = id("rtb-", 2);
    draft
        .edit::<RouteTable>(table.as_str(), |table| table.routes.push(route))
        .unwrap();
}
