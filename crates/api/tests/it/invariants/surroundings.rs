//! The same of what surrounds VPCs: ACLs, NAT gateways, Elastic IPs, peering, lists, VPNs.

use std::collections::{BTreeMap, BTreeSet};

use adit_model::*;
use serde_json::Value as Json;

pub(crate) fn hold(intent: &Intent) {
    acls(intent);
    elastic_ips(intent);
    gateways(intent);
    peerings(intent);
    lists(intent);
    services(intent);
}

fn acls(intent: &Intent) {
    let mut of: BTreeMap<&SubnetId, &NetworkAclId> = BTreeMap::new();
    for acl in intent.network_acls.values() {
        let numbers: BTreeSet<_> = acl.entries.iter().map(|e| (e.egress, e.number)).collect();
        assert_eq!(
            numbers.len(),
            acl.entries.len(),
            "a number twice in {}",
            acl.id
        );
        for association in &acl.associations {
            let subnet = intent
                .get::<Subnet>(&association.subnet)
                .expect("it exists");
            assert_eq!(subnet.vpc, acl.vpc);
            let other = of.insert(&association.subnet, &acl.id);
            assert!(other.is_none(), "{} has two ACLs", association.subnet);
        }
    }
    for subnet in intent.subnets.values() {
        assert!(of.contains_key(&subnet.id), "{} has no ACL", subnet.id);
    }
    for vpc in intent.vpcs.values() {
        let acls = intent.in_vpc::<NetworkAcl>(&vpc.id);
        assert_eq!(
            acls.filter(|acl| acl.is_default).count(),
            1,
            "one default ACL"
        );
    }
}

/// What an Elastic IP says of an interface is what the interface says, and the other way round.
fn elastic_ips(intent: &Intent) {
    let mut addresses = BTreeSet::new();
    let mut bound = BTreeSet::new();
    for eip in intent.elastic_ips.values() {
        assert!(addresses.insert(eip.ip), "{} twice", eip.ip);
        let Some(association) = &eip.association else {
            continue;
        };
        let eni = intent
            .get::<NetworkInterface>(&association.interface)
            .expect("the interface that it leads to exists");
        assert_eq!(association.vpc, eni.vpc);
        let mut pairs = eni.public_pairs();
        assert!(
            pairs.any(|pair| pair == (association.private_ip, eip.ip)),
            "{} does not know of {}",
            eni.id,
            eip.ip
        );
        let internet = intent.in_vpc::<InternetGateway>(&eni.vpc).count();
        assert_eq!(
            internet, 1,
            "{} leads to a VPC without internet gateway",
            eip.ip
        );
        bound.insert(eip.ip);
    }
    for eni in intent.network_interfaces.values() {
        for (_, public) in eni.public_pairs() {
            let elastic = addresses.contains(&public);
            assert_eq!(
                elastic,
                bound.contains(&public),
                "{} has {public} still",
                eni.id
            );
        }
    }
}

fn gateways(intent: &Intent) {
    let mut owned = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for nat in intent.nat_gateways.values() {
        assert!(numbers.insert((&nat.vpc, nat.number)), "a number twice");
        let eni = intent
            .get::<NetworkInterface>(&nat.interface)
            .expect("its interface exists");
        assert_eq!((&eni.subnet, &eni.vpc), (&nat.subnet, &nat.vpc));
        assert_eq!(eni.user, InterfaceUser::NatGateway(nat.id.clone()));
        assert_eq!(
            eni.public_ip.is_some(),
            nat.allocation.is_some(),
            "{}'s address",
            nat.id
        );
        owned.insert(&eni.id);
    }
    for eni in intent.network_interfaces.values() {
        let nat = matches!(eni.user, InterfaceUser::NatGateway(_));
        assert_eq!(
            nat,
            owned.contains(&eni.id),
            "the NAT gateway of {}",
            eni.id
        );
    }
    for vpc in intent.vpcs.values() {
        assert!(intent.in_vpc::<VpnGateway>(&vpc.id).count() <= 1);
    }
    let mut edges = BTreeSet::new();
    for table in intent.route_tables.values() {
        let attached = |id: &VpnGatewayId| {
            let gateway = intent.get::<VpnGateway>(id).expect("it exists");
            assert_eq!(gateway.attached.as_ref(), Some(&table.vpc), "{id}");
        };
        table.propagating.iter().for_each(attached);
        for gateway in table.associations.iter().filter_map(|a| a.gateway.as_ref()) {
            assert!(edges.insert(gateway.as_str()), "a gateway has two tables");
            match gateway {
                EdgeGateway::Vpn(id) => attached(id),
                EdgeGateway::Internet(id) => {
                    let gateway = intent.get::<InternetGateway>(id).expect("it exists");
                    assert_eq!(gateway.attached.as_ref(), Some(&table.vpc), "{id}");
                }
            }
        }
    }
    let tunnels = intent.vpn_connections.values().flat_map(|vpn| &vpn.tunnels);
    let mut outside = BTreeSet::new();
    for tunnel in tunnels {
        assert!(
            outside.insert(tunnel.outside_ip),
            "two tunnels of one address"
        );
    }
}

fn peerings(intent: &Intent) {
    let mut numbers = BTreeSet::new();
    let mut active = BTreeSet::new();
    for peering in intent.peering_connections.values() {
        for side in [&peering.requester, &peering.accepter] {
            assert!(numbers.insert((&side.vpc, side.number)), "a number twice");
        }
        if peering.is_active() {
            let (a, b) = (&peering.requester.vpc, &peering.accepter.vpc);
            let pair = if a < b { (a, b) } else { (b, a) };
            assert!(
                active.insert(pair),
                "{a} and {b} have two active connections"
            );
            let blocks = |id| &intent.get::<Vpc>(id).expect("it exists").cidrs;
            for one in blocks(a) {
                for two in blocks(b) {
                    assert!(
                        !net::overlaps(one.cidr, two.cidr),
                        "{} overlaps {}",
                        one.cidr,
                        two.cidr
                    );
                }
            }
        }
    }
}

fn lists(intent: &Intent) {
    for list in intent.prefix_lists.values() {
        let entries: BTreeSet<_> = list.entries.iter().collect();
        assert_eq!(
            entries.len(),
            list.entries.len(),
            "an entry twice in {}",
            list.id
        );
        assert!(list.owner.is_none() || list.entries.len() <= list.max_entries as usize);
        let past: Vec<u64> = list.history.iter().map(|past| past.version).collect();
        assert!(past.is_sorted() && past.iter().all(|version| *version < list.version));
    }
}

fn services(intent: &Intent) {
    let mut balancers = BTreeSet::new();
    for service in intent.endpoint_services.values() {
        assert!(!service.load_balancers.is_empty());
        for arn in &service.load_balancers {
            let balancer = intent.get::<LoadBalancer>(arn).expect("it exists");
            assert_eq!(balancer.owner, service.owner);
            assert!(balancers.insert(arn), "{arn} serves two services");
        }
    }
    for notification in intent.connection_notifications.values() {
        let subject = notification.subject.id();
        let there = intent.endpoint_services.contains_key(subject)
            || intent.vpc_endpoints.contains_key(subject);
        assert!(there, "{} is of {subject}, which is gone", notification.id);
    }
}

/// No resource names another that is not there. What may: a route, which leads nowhere then; a rule for
/// the group of a VPC that was a peer, which is stale then; an endpoint whose connection was rejected;
/// what is remembered of calls and recorded of what was.
pub(crate) fn names_what_there_is(kind: Kind, key: &str, body: &str, there: &BTreeSet<&str>) {
    if matches!(kind, Kind::UsedToken | Kind::FlowLog) {
        return;
    }
    let mut body: Json = serde_json::from_str(body).unwrap();
    match kind {
        Kind::RouteTable => {
            for route in body["routes"].as_array_mut().unwrap() {
                route["target"] = Json::Null;
            }
        }
        Kind::SecurityGroup => {
            for rule in body["rules"].as_array_mut().unwrap() {
                rule["peer"]["Group"] = Json::Null;
            }
        }
        Kind::VpcEndpoint if body["connection"]["answer"] == "Rejected" => {
            body["connection"] = Json::Null;
        }
        _ => {}
    }
    let mut names = Vec::new();
    texts(&body, &mut names);
    for name in names {
        assert!(
            !is_id(name) || there.contains(name),
            "{kind:?} {key} names {name}, which is gone"
        );
    }
}

fn texts<'a>(value: &'a Json, found: &mut Vec<&'a str>) {
    match value {
        Json::String(text) => found.push(text),
        Json::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Json::Object(members) => members.values().for_each(|item| texts(item, found)),
        _ => {}
    }
}

/// Whether a text is the id of a resource that stands for itself.
fn is_id(text: &str) -> bool {
    macro_rules! any {
        ($($name:ident)*) => { $(text.parse::<$name>().is_ok())||* };
    }
    any!(VpcId SubnetId RouteTableId InternetGatewayId SecurityGroupId NetworkAclId NetworkInterfaceId
        PrefixListId VpcEndpointId VpcEndpointServiceId DhcpOptionsId NatGatewayId
        EgressOnlyInternetGatewayId AllocationId VpnGatewayId CustomerGatewayId VpnConnectionId
        VpcPeeringConnectionId FlowLogId)
}
