//! Whatever is called in whatever order, certain things hold.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use adit_model::*;
use adit_wire::{Service, Value, list, map};
use proptest::prelude::*;

mod surroundings;

use crate::world::World as Installation;
use crate::world::{S3, text};

/// A call. Numbers choose among what there is, so that most calls make sense and some do not.
#[derive(Debug, Clone, Copy)]
struct Step {
    what: u8,
    one: u8,
    two: u8,
    flag: bool,
}

fn step() -> impl Strategy<Value = Step> {
    (0..24u8, any::<u8>(), any::<u8>(), any::<bool>()).prop_map(|(what, one, two, flag)| Step {
        what,
        one,
        two,
        flag,
    })
}

/// The `n`-th of some ids, counted round; an id of nothing when there are none.
fn pick(ids: &[String], n: u8, absent: &str) -> String {
    match ids.len() {
        0 => format!("{absent}-0123456789abcdef0"),
        len => ids[usize::from(n) % len].clone(),
    }
}

struct Runner {
    world: Installation,
    deleted: BTreeSet<String>,
}

impl Runner {
    fn ids<R: Resource>(&self) -> Vec<String> {
        R::table(&self.world.intent()).keys().cloned().collect()
    }

    /// Calls; whether it is refused does not matter.
    fn call(&self, name: &str, input: Value) {
        let _ = self.world.call(Service::Ec2, name, input);
    }

    fn delete(&mut self, name: &str, member: &'static str, id: String) {
        let input = map! { member => id.as_str() };
        if self.world.call(Service::Ec2, name, input).is_ok() {
            self.deleted.insert(id);
        }
    }

    fn run(&mut self, step: Step) {
        let Step {
            what,
            one,
            two,
            flag,
        } = step;
        let vpc = pick(&self.ids::<Vpc>(), one, "vpc");
        let subnet = pick(&self.ids::<Subnet>(), one, "subnet");
        let other_subnet = pick(&self.ids::<Subnet>(), two, "subnet");
        let table = pick(&self.ids::<RouteTable>(), two, "rtb");
        let gateway = pick(&self.ids::<InternetGateway>(), two, "igw");
        let group = pick(&self.ids::<SecurityGroup>(), two, "sg");
        let endpoint = pick(&self.ids::<VpcEndpoint>(), one, "vpce");
        let eni = pick(&self.ids::<NetworkInterface>(), one, "eni");
        match what {
            0 => self.call(
                "CreateVpc",
                map! { "CidrBlock" => format!("10.{}.0.0/16", one % 3) },
            ),
            1 => self.delete("DeleteVpc", "VpcId", vpc),
            2 | 3 => {
                let cidr = format!("10.{}.{}.0/28", one % 3, two % 8);
                let zone = ["us-east-1a", "us-east-1b", "us-east-1c"][usize::from(two % 3)];
                let input =
                    map! { "VpcId" => vpc, "CidrBlock" => cidr, "AvailabilityZone" => zone };
                self.call("CreateSubnet", input);
            }
            4 => self.delete("DeleteSubnet", "SubnetId", subnet),
            5 => self.call("CreateRouteTable", map! { "VpcId" => vpc }),
            6 => self.delete("DeleteRouteTable", "RouteTableId", table),
            7 => {
                let input = map! { "RouteTableId" => table, "SubnetId" => subnet };
                self.call("AssociateRouteTable", input);
            }
            8 => {
                let tables = self
                    .world
                    .intent()
                    .route_tables
                    .values()
                    .cloned()
                    .collect::<Vec<_>>();
                let all = tables
                    .iter()
                    .flat_map(|t| t.associations.iter().map(|a| a.id.to_string()));
                let association = pick(&all.collect::<Vec<_>>(), one, "rtbassoc");
                let input = map! { "AssociationId" => association, "RouteTableId" => table };
                self.call("ReplaceRouteTableAssociation", input);
            }
            9 => {
                let (member, target) = match flag {
                    true => ("GatewayId", gateway),
                    false => ("NetworkInterfaceId", eni),
                };
                let destination = format!("{}.0.0.0/8", 20 + one % 3);
                let input = map! {
                    "RouteTableId" => table, "DestinationCidrBlock" => destination, member => target,
                };
                self.call("CreateRoute", input);
            }
            10 => {
                let destination = format!("{}.0.0.0/8", 20 + one % 3);
                let input = map! { "RouteTableId" => table, "DestinationCidrBlock" => destination };
                self.call("DeleteRoute", input);
            }
            11 => self.call("CreateInternetGateway", map! {}),
            12 => {
                let name = if flag {
                    "AttachInternetGateway"
                } else {
                    "DetachInternetGateway"
                };
                self.call(
                    name,
                    map! { "InternetGatewayId" => gateway, "VpcId" => vpc },
                );
            }
            13 => self.delete("DeleteInternetGateway", "InternetGatewayId", gateway),
            14 => {
                let name = format!("g{}", two % 3);
                let input = map! { "VpcId" => vpc, "GroupName" => name, "Description" => "d" };
                self.call("CreateSecurityGroup", input);
            }
            15 => {
                let to = pick(&self.ids::<SecurityGroup>(), one, "sg");
                let rule = map! {
                    "IpProtocol" => "-1",
                    "UserIdGroupPairs" => list![map! { "GroupId" => to }],
                };
                let input = map! { "GroupId" => group, "IpPermissions" => list![rule] };
                self.call("AuthorizeSecurityGroupIngress", input);
            }
            16 => self.delete("DeleteSecurityGroup", "GroupId", group),
            17 => {
                let input =
                    map! { "VpcId" => vpc, "ServiceName" => S3, "RouteTableIds" => list![table] };
                self.call("CreateVpcEndpoint", input);
            }
            18 => {
                let subnets = list![subnet, other_subnet];
                let mut input = map! {
                    "VpcId" => vpc, "ServiceName" => S3,
                    "VpcEndpointType" => "Interface", "SubnetIds" => subnets,
                };
                if flag {
                    input
                        .map_mut()
                        .unwrap()
                        .insert("SecurityGroupIds", list![group]);
                }
                self.call("CreateVpcEndpoint", input);
            }
            19 => {
                let (add, remove) = match flag {
                    true => ("AddRouteTableIds", "RemoveRouteTableIds"),
                    false => ("AddSubnetIds", "RemoveSubnetIds"),
                };
                let id = if flag { table } else { other_subnet };
                let member = if one % 2 == 0 { add } else { remove };
                self.call(
                    "ModifyVpcEndpoint",
                    map! { "VpcEndpointId" => endpoint, member => list![id] },
                );
            }
            20 => {
                let member = if flag {
                    "AddSecurityGroupIds"
                } else {
                    "RemoveSecurityGroupIds"
                };
                let input = map! { "VpcEndpointId" => endpoint, member => list![group] };
                self.call("ModifyVpcEndpoint", input);
            }
            21 => {
                let ids = list![endpoint.as_str()];
                let answer = self
                    .world
                    .ec2("DeleteVpcEndpoints", map! { "VpcEndpointIds" => ids });
                if answer.get("Unsuccessful").list().is_empty() {
                    self.deleted.insert(endpoint);
                }
            }
            22 => {
                let input = map! {
                    "SubnetId" => subnet, "PublicIp" => flag, "Pid" => 1i64, "Started" => 1i64,
                };
                let _ = self.world.call(Service::Adit, "CreateRun", input);
            }
            _ => {
                let input = map! { "NetworkInterfaceId" => eni.as_str() };
                if self.world.call(Service::Adit, "DeleteRun", input).is_ok() {
                    self.deleted.insert(eni);
                }
            }
        }
    }

    fn check(&self) {
        hold(&self.world.intent(), &self.deleted);
    }
}

/// What must hold after every call.
pub(crate) fn hold(intent: &Intent, deleted: &BTreeSet<String>) {
    addresses(intent);
    endpoints(intent);
    references(intent);
    surroundings::hold(intent);
    let all = intent.dump();
    let there: BTreeSet<&str> = all.iter().map(|(_, key, _)| key.as_str()).collect();
    for id in deleted {
        assert!(!there.contains(id.as_str()), "{id} was deleted");
    }
    for (kind, key, body) in &all {
        surroundings::names_what_there_is(*kind, key, body, &there);
        let mut one = Intent::default();
        one.load(kind.name(), key, body).unwrap();
    }
}

fn addresses(intent: &Intent) {
    let mut seen: BTreeSet<(VpcId, Ipv4Addr)> = BTreeSet::new();
    let mut public = BTreeSet::new();
    for eni in intent.network_interfaces.values() {
        let subnet = intent
            .get::<Subnet>(&eni.subnet)
            .expect("its subnet exists");
        assert_eq!(subnet.vpc, eni.vpc);
        for ip in eni.private_ips() {
            assert!(seen.insert((eni.vpc.clone(), ip)), "{ip} twice");
            assert!(subnet.cidr.contains(&ip), "{ip} outside {}", subnet.cidr);
            assert!(!net::is_reserved(subnet.cidr, ip), "{ip} is reserved");
        }
        for (_, ip) in eni.public_pairs() {
            assert!(public.insert(ip), "the public address {ip} twice");
        }
        // A NAT gateway's has none; whatever passes there was let through before.
        let nat = matches!(eni.user, InterfaceUser::NatGateway(_));
        assert_eq!(eni.groups.is_empty(), nat, "groups of {}", eni.id);
    }
}

fn endpoints(intent: &Intent) {
    let mut routes: BTreeSet<(RouteTableId, String)> = BTreeSet::new();
    let mut owned: BTreeMap<NetworkInterfaceId, VpcEndpointId> = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for endpoint in intent.vpc_endpoints.values() {
        assert!(
            numbers.insert((endpoint.vpc.clone(), endpoint.number)),
            "a number twice"
        );
        match &endpoint.kind {
            EndpointKind::Gateway { route_tables } => {
                for table in route_tables {
                    assert!(
                        routes.insert((table.clone(), endpoint.service.clone())),
                        "two routes in {table}"
                    );
                }
            }
            EndpointKind::Interface {
                interfaces,
                subnets,
                groups,
                ..
            } => {
                assert_eq!(interfaces.len(), subnets.len());
                assert!(!groups.is_empty());
                let mut zones = BTreeSet::new();
                for (eni, subnet) in interfaces.iter().zip(subnets) {
                    let eni = intent
                        .get::<NetworkInterface>(eni)
                        .expect("its interface exists");
                    assert_eq!(eni.subnet, *subnet);
                    assert_eq!(eni.groups, *groups);
                    assert!(zones.insert(intent.get::<Subnet>(subnet).unwrap().zone.clone()));
                    owned.insert(eni.id.clone(), endpoint.id.clone());
                }
            }
        }
    }
    for eni in intent.network_interfaces.values() {
        if let InterfaceUser::Endpoint { endpoint, .. } = &eni.user {
            assert_eq!(
                owned.get(&eni.id),
                Some(endpoint),
                "an interface nobody has"
            );
        }
    }
}

fn references(intent: &Intent) {
    for subnet in intent.subnets.values() {
        let vpc = intent.get::<Vpc>(&subnet.vpc).expect("its VPC exists");
        assert!(vpc.cidrs.iter().any(|c| c.cidr.contains(&subnet.cidr)));
        let others = intent
            .in_vpc::<Subnet>(&subnet.vpc)
            .filter(|other| other.id != subnet.id);
        assert_eq!(
            others
                .filter(|other| net::overlaps(other.cidr, subnet.cidr))
                .count(),
            0
        );
    }
    for vpc in intent.vpcs.values() {
        let mains = intent
            .in_vpc::<RouteTable>(&vpc.id)
            .filter(|table| table.is_main())
            .count();
        assert_eq!(mains, 1, "one main table");
        let gateways = intent.in_vpc::<InternetGateway>(&vpc.id).count();
        assert!(gateways <= 1, "one internet gateway");
        let defaults = intent
            .in_vpc::<SecurityGroup>(&vpc.id)
            .filter(|g| g.name == "default")
            .count();
        assert_eq!(defaults, 1, "one default group");
    }
    let mut associated = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for table in intent.route_tables.values() {
        assert!(
            numbers.insert((table.vpc.clone(), table.number)),
            "a number twice"
        );
        for association in &table.associations {
            let Some(subnet) = &association.subnet else {
                continue;
            };
            assert!(associated.insert(subnet.clone()), "{subnet} has two tables");
            assert_eq!(
                intent.get::<Subnet>(subnet).expect("it exists").vpc,
                table.vpc
            );
        }
        let destinations: BTreeSet<_> = table
            .routes
            .iter()
            .map(|route| route.destination.clone())
            .collect();
        assert_eq!(
            destinations.len(),
            table.routes.len(),
            "a destination twice"
        );
    }
    for group in intent.security_groups.values() {
        for rule in &group.rules {
            if let RulePeer::Group(peer) = &rule.peer {
                let peer = intent
                    .get::<SecurityGroup>(peer)
                    .expect("the group it names exists");
                assert_eq!(peer.vpc, group.vpc);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn they_hold_after_every_call(steps in prop::collection::vec(step(), 1..120)) {
        let mut runner = Runner { world: Installation::new(), deleted: BTreeSet::new() };
        for cidr in ["10.0.0.0/16", "10.1.0.0/16"] {
            runner.call("CreateVpc", map! { "CidrBlock" => cidr });
        }
        for step in steps {
            runner.run(step);
            runner.check();
        }
        // Everything can be described, and the whole of it builds.
        for name in ["DescribeVpcs", "DescribeSubnets", "DescribeRouteTables", "DescribeSecurityGroups",
            "DescribeNetworkInterfaces", "DescribeVpcEndpoints", "DescribeInternetGateways"] {
            runner.world.ec2(name, map! {});
        }
        let snapshot = adit_snapshot::build(&runner.world.intent());
        prop_assert_eq!(snapshot.problems().count(), 0);
    }
}

/// Refused calls leave a draft behind that must not be seen: twenty at once, of which one can win.
#[test]
fn i1_one_writer_at_a_time() {
    let world = Installation::new();
    let vpc = world.vpc("10.0.0.0/16");
    let table = world.table(&vpc);
    let input = map! { "VpcId" => vpc, "ServiceName" => S3, "RouteTableIds" => list![table] };
    let answers = world.all_at_once(vec![("CreateVpcEndpoint", input); 20]);
    let made: Vec<_> = answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .collect();
    assert_eq!(made.len(), 1);
    text(made[0].get("VpcEndpoint"), "VpcEndpointId");
    let codes: BTreeSet<_> = answers
        .iter()
        .filter_map(|answer| Some(answer.as_ref().err()?.code.to_string()))
        .collect();
    assert_eq!(codes, ["RouteAlreadyExists".to_string()].into());
}
