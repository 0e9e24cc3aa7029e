//! IPv6: blocks of VPCs and subnets, addresses of interfaces, egress-only internet gateways and the routes
//! to them, endpoints of both types of address.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use adit_wire::{Value, list, map};
use ipnet::Ipv6Net;
use proptest::prelude::*;

use super::{Driver, cases, keys, pick};
use crate::world::{S3, each, text};

/// Blocks of one VPC.
const MOST_BLOCKS: usize = 5;

/// What the model knows. Ids are the installation's own.
#[derive(Debug, Default)]
struct Model {
    vpcs: BTreeMap<String, Vpc>,
    subnets: BTreeMap<String, Subnet>,
    /// Interface that is no endpoint's.
    interfaces: BTreeMap<String, Interface>,
    /// Egress-only gateway: its VPC.
    gateways: BTreeMap<String, String>,
    endpoints: BTreeMap<String, Endpoint>,
}

#[derive(Debug)]
struct Vpc {
    /// Association: block.
    blocks: BTreeMap<String, Ipv6Net>,
    /// Its main route table.
    table: String,
    /// The gateway to which that leads everything.
    out: Option<String>,
}

#[derive(Debug)]
struct Subnet {
    vpc: String,
    octet: u8,
    /// Its association and block.
    block: Option<(String, Ipv6Net)>,
    /// Whether it gives an address to interfaces that are made in it.
    gives: bool,
}

#[derive(Debug)]
struct Interface {
    subnet: String,
    addresses: BTreeSet<Ipv6Addr>,
}

#[derive(Debug)]
struct Endpoint {
    subnet: String,
    dual: bool,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    CreateVpc {
        block: bool,
    },
    DeleteVpc(u8),
    AddBlock(u8),
    RemoveBlock {
        vpc: u8,
        nth: u8,
    },
    CreateSubnet {
        vpc: u8,
        octet: u8,
        slice: Option<u8>,
    },
    DeleteSubnet(u8),
    AddSlice {
        subnet: u8,
        of: u8,
        nth: u8,
        slice: u8,
    },
    RemoveSlice(u8),
    Give {
        subnet: u8,
        on: bool,
    },
    CreateInterface {
        subnet: u8,
        count: u8,
    },
    DeleteInterface(u8),
    Assign {
        interface: u8,
        count: u8,
    },
    Unassign {
        interface: u8,
        nth: u8,
        stranger: bool,
    },
    CreateGateway(u8),
    DeleteGateway(u8),
    Route {
        vpc: u8,
        gateway: u8,
    },
    DeleteRoute(u8),
    CreateEndpoint {
        subnet: u8,
        dual: bool,
    },
    ChangeType {
        endpoint: u8,
        dual: bool,
    },
    DeleteEndpoint(u8),
    DeleteAgain(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let n = || 0..4u8;
    let blocks = prop_oneof![
        1 => any::<bool>().prop_map(|block| Call::CreateVpc { block }),
        1 => n().prop_map(Call::DeleteVpc),
        3 => n().prop_map(Call::AddBlock),
        2 => (n(), n()).prop_map(|(vpc, nth)| Call::RemoveBlock { vpc, nth }),
        4 => (n(), n(), prop::option::of(n()))
            .prop_map(|(vpc, octet, slice)| Call::CreateSubnet { vpc, octet, slice }),
        1 => n().prop_map(Call::DeleteSubnet),
        4 => (n(), n(), n(), n())
            .prop_map(|(subnet, of, nth, slice)| Call::AddSlice { subnet, of, nth, slice }),
        2 => n().prop_map(Call::RemoveSlice),
        2 => (n(), any::<bool>()).prop_map(|(subnet, on)| Call::Give { subnet, on }),
    ];
    let uses = prop_oneof![
        3 => (n(), 0..3u8).prop_map(|(subnet, count)| Call::CreateInterface { subnet, count }),
        1 => n().prop_map(Call::DeleteInterface),
        3 => (n(), 1..4u8).prop_map(|(interface, count)| Call::Assign { interface, count }),
        3 => (n(), n(), prop::bool::weighted(0.2))
            .prop_map(|(interface, nth, stranger)| Call::Unassign { interface, nth, stranger }),
        2 => n().prop_map(Call::CreateGateway),
        1 => n().prop_map(Call::DeleteGateway),
        3 => (n(), n()).prop_map(|(vpc, gateway)| Call::Route { vpc, gateway }),
        1 => n().prop_map(Call::DeleteRoute),
        3 => (n(), any::<bool>()).prop_map(|(subnet, dual)| Call::CreateEndpoint { subnet, dual }),
        2 => (n(), any::<bool>()).prop_map(|(endpoint, dual)| Call::ChangeType { endpoint, dual }),
        1 => n().prop_map(Call::DeleteEndpoint),
        1 => n().prop_map(Call::DeleteAgain),
    ];
    prop_oneof![blocks, uses]
}

/// The `n`-th /64 of a block.
fn slice(block: Ipv6Net, n: u8) -> Ipv6Net {
    let start = u128::from(block.network()) | u128::from(n) << 64;
    Ipv6Net::new(start.into(), 64).unwrap()
}

/// The addresses that a member of an answer holds.
fn addresses(texts: impl IntoIterator<Item = String>) -> BTreeSet<Ipv6Addr> {
    texts
        .into_iter()
        .map(|text| text.parse().unwrap())
        .collect()
}

fn address_type(dual: bool) -> &'static str {
    if dual { "dualstack" } else { "ipv4" }
}

type Machine = super::Machine<Model>;

impl Machine {
    /// Something that the call needs is not there: then there is nothing to call.
    fn run(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateVpc { .. }
            | Call::DeleteVpc(_)
            | Call::AddBlock(_)
            | Call::RemoveBlock { .. } => self.of_vpcs(call),
            Call::CreateSubnet { .. }
            | Call::DeleteSubnet(_)
            | Call::AddSlice { .. }
            | Call::RemoveSlice(_)
            | Call::Give { .. } => self.of_subnets(call),
            Call::CreateInterface { .. }
            | Call::DeleteInterface(_)
            | Call::Assign { .. }
            | Call::Unassign { .. } => self.of_interfaces(call),
            Call::DeleteAgain(n) => {
                self.driver.delete_again(&self.model, n);
                Some(())
            }
            _ => self.of_ways(call),
        }
    }

    fn of_vpcs(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateVpc { block } => {
                let input = map! {
                    "CidrBlock" => "10.0.0.0/16", "AmazonProvidedIpv6CidrBlock" => block,
                };
                let answer = self.expect("CreateVpc", input, true)?;
                let made = answer.get("Vpc");
                let id = text(made, "VpcId");
                let vpc = Vpc {
                    blocks: blocks(made),
                    table: self.driver.world.main_table(&id),
                    out: None,
                };
                self.model.vpcs.insert(id, vpc);
            }
            Call::DeleteVpc(n) => {
                let id = pick(&self.model.vpcs, n)?;
                let empty = !self.model.subnets.values().any(|subnet| subnet.vpc == id)
                    && !self.model.gateways.values().any(|vpc| *vpc == id);
                if self.delete("DeleteVpc", "VpcId", &id, empty) {
                    self.model.vpcs.remove(&id);
                }
            }
            Call::AddBlock(n) => {
                let id = pick(&self.model.vpcs, n)?;
                let room = self.model.vpcs[&id].blocks.len() < MOST_BLOCKS;
                let input = map! { "VpcId" => id.as_str(), "AmazonProvidedIpv6CidrBlock" => true };
                let answer = self.expect("AssociateVpcCidrBlock", input, room)?;
                let made = answer.get("Ipv6CidrBlockAssociation");
                let block = text(made, "Ipv6CidrBlock").parse().unwrap();
                let blocks = &mut self.model.vpcs.get_mut(&id)?.blocks;
                blocks.insert(text(made, "AssociationId"), block);
            }
            Call::RemoveBlock { vpc, nth } => {
                let id = pick(&self.model.vpcs, vpc)?;
                let association = pick(&self.model.vpcs[&id].blocks, nth)?;
                let block = self.model.vpcs[&id].blocks[&association];
                let mut subnets = self.model.subnets.values();
                let used = subnets.any(|subnet| {
                    let own = subnet.block.as_ref();
                    own.is_some_and(|(_, slice)| block.contains(slice))
                });
                let name = "DisassociateVpcCidrBlock";
                if self.delete(name, "AssociationId", &association, !used) {
                    self.model.vpcs.get_mut(&id)?.blocks.remove(&association);
                }
            }
            _ => return None,
        }
        Some(())
    }

    fn of_subnets(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateSubnet {
                vpc,
                octet,
                slice: n,
            } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let first = self.model.vpcs[&vpc].blocks.values().next();
                let wanted = n.and_then(|n| Some(slice(*first?, n)));
                let mut there = self.model.subnets.values();
                let free = !there.any(|subnet| subnet.vpc == vpc && subnet.octet == octet)
                    && wanted.is_none_or(|block| self.is_free(&vpc, block));
                let mut input = map! {
                    "VpcId" => vpc.as_str(), "CidrBlock" => format!("10.0.{octet}.0/24"),
                };
                if let Some(block) = wanted {
                    let input = input.map_mut()?;
                    input.insert("Ipv6CidrBlock", block.to_string());
                }
                let answer = self.expect("CreateSubnet", input, free)?;
                let subnet = Subnet {
                    vpc,
                    octet,
                    block: blocks(answer.get("Subnet")).into_iter().next(),
                    gives: false,
                };
                let id = text(answer.get("Subnet"), "SubnetId");
                self.model.subnets.insert(id, subnet);
            }
            Call::DeleteSubnet(n) => {
                let id = pick(&self.model.subnets, n)?;
                let used = self.model.interfaces.values().any(|i| i.subnet == id)
                    || self.model.endpoints.values().any(|e| e.subnet == id);
                if self.delete("DeleteSubnet", "SubnetId", &id, !used) {
                    self.model.subnets.remove(&id);
                }
            }
            Call::AddSlice {
                subnet,
                of,
                nth,
                slice: n,
            } => {
                let id = pick(&self.model.subnets, subnet)?;
                // Perhaps another VPC's block.
                let of = pick(&self.model.vpcs, of)?;
                let blocks = &self.model.vpcs[&of].blocks;
                let wanted = slice(blocks[&pick(blocks, nth)?], n);
                let subnet = &self.model.subnets[&id];
                let good = subnet.vpc == of && subnet.block.is_none() && self.is_free(&of, wanted);
                let input = map! {
                    "SubnetId" => id.as_str(), "Ipv6CidrBlock" => wanted.to_string(),
                };
                let answer = self.expect("AssociateSubnetCidrBlock", input, good)?;
                let association = text(answer.get("Ipv6CidrBlockAssociation"), "AssociationId");
                self.model.subnets.get_mut(&id)?.block = Some((association, wanted));
            }
            Call::RemoveSlice(n) => {
                let id = pick(&self.model.subnets, n)?;
                let (association, _) = self.model.subnets[&id].block.clone()?;
                let mut interfaces = self.model.interfaces.values();
                let used = interfaces.any(|i| i.subnet == id && !i.addresses.is_empty())
                    || self
                        .model
                        .endpoints
                        .values()
                        .any(|e| e.subnet == id && e.dual);
                let name = "DisassociateSubnetCidrBlock";
                if self.delete(name, "AssociationId", &association, !used) {
                    let subnet = self.model.subnets.get_mut(&id)?;
                    subnet.block = None;
                    subnet.gives = false;
                }
            }
            Call::Give { subnet, on } => {
                let id = pick(&self.model.subnets, subnet)?;
                let good = !on || self.model.subnets[&id].block.is_some();
                let input = map! {
                    "SubnetId" => id.as_str(),
                    "AssignIpv6AddressOnCreation" => map! { "Value" => on },
                };
                self.expect("ModifySubnetAttribute", input, good)?;
                self.model.subnets.get_mut(&id)?.gives = on;
            }
            _ => return None,
        }
        Some(())
    }

    fn of_interfaces(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateInterface { subnet, count } => {
                let id = pick(&self.model.subnets, subnet)?;
                let subnet = &self.model.subnets[&id];
                let good = count == 0 || subnet.block.is_some();
                let expected = match count {
                    0 => usize::from(subnet.gives),
                    count => usize::from(count),
                };
                let mut input = map! { "SubnetId" => id.as_str() };
                if count > 0 {
                    let input = input.map_mut()?;
                    input.insert("Ipv6AddressCount", i64::from(count));
                }
                let answer = self.expect("CreateNetworkInterface", input, good)?;
                let made = answer.get("NetworkInterface");
                let addresses = addresses(each(made, "Ipv6Addresses", "Ipv6Address"));
                assert_eq!(addresses.len(), expected, "{made:?}");
                let interface = Interface {
                    subnet: id,
                    addresses,
                };
                let id = text(made, "NetworkInterfaceId");
                self.model.interfaces.insert(id, interface);
            }
            Call::DeleteInterface(n) => {
                let id = pick(&self.model.interfaces, n)?;
                if self.delete("DeleteNetworkInterface", "NetworkInterfaceId", &id, true) {
                    self.model.interfaces.remove(&id);
                }
            }
            Call::Assign { interface, count } => {
                let id = pick(&self.model.interfaces, interface)?;
                let subnet = &self.model.subnets[&self.model.interfaces[&id].subnet];
                let good = subnet.block.is_some();
                let input = map! {
                    "NetworkInterfaceId" => id.as_str(), "Ipv6AddressCount" => i64::from(count),
                };
                let answer = self.expect("AssignIpv6Addresses", input, good)?;
                let added = crate::world::texts(&answer, "AssignedIpv6Addresses");
                assert_eq!(added.len(), usize::from(count));
                let there = &mut self.model.interfaces.get_mut(&id)?.addresses;
                for address in addresses(added) {
                    assert!(there.insert(address), "{address} was there");
                }
            }
            Call::Unassign {
                interface,
                nth,
                stranger,
            } => {
                let id = pick(&self.model.interfaces, interface)?;
                let there = &self.model.interfaces[&id].addresses;
                let chosen = there
                    .iter()
                    .nth(usize::from(nth) % there.len().max(1))
                    .copied();
                let address = match stranger {
                    true => "fd00::1".parse().unwrap(),
                    false => chosen?,
                };
                let input = map! {
                    "NetworkInterfaceId" => id.as_str(),
                    "Ipv6Addresses" => list![address.to_string()],
                };
                self.expect("UnassignIpv6Addresses", input, !stranger)?;
                let there = &mut self.model.interfaces.get_mut(&id)?.addresses;
                there.remove(&address);
            }
            _ => return None,
        }
        Some(())
    }

    fn of_ways(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateGateway(n) => {
                let vpc = pick(&self.model.vpcs, n)?;
                let name = "CreateEgressOnlyInternetGateway";
                let answer = self.expect(name, map! { "VpcId" => vpc.as_str() }, true)?;
                let made = answer.get("EgressOnlyInternetGateway");
                let id = text(made, "EgressOnlyInternetGatewayId");
                self.model.gateways.insert(id, vpc);
            }
            Call::DeleteGateway(n) => {
                let id = pick(&self.model.gateways, n)?;
                let name = "DeleteEgressOnlyInternetGateway";
                if self.delete(name, "EgressOnlyInternetGatewayId", &id, true) {
                    self.model.gateways.remove(&id);
                }
            }
            Call::Route { vpc, gateway } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let gateway = pick(&self.model.gateways, gateway)?;
                let there = &self.model.vpcs[&vpc];
                // The same route once more changes nothing.
                let fits = there.out.as_ref().is_none_or(|by| *by == gateway);
                let good = fits && self.model.gateways[&gateway] == vpc;
                let input = map! {
                    "RouteTableId" => there.table.as_str(), "DestinationIpv6CidrBlock" => "::/0",
                    "EgressOnlyInternetGatewayId" => gateway.as_str(),
                };
                self.expect("CreateRoute", input, good)?;
                self.model.vpcs.get_mut(&vpc)?.out = Some(gateway);
            }
            Call::DeleteRoute(n) => {
                let vpc = pick(&self.model.vpcs, n)?;
                let there = &self.model.vpcs[&vpc];
                let input = map! {
                    "RouteTableId" => there.table.as_str(), "DestinationIpv6CidrBlock" => "::/0",
                };
                self.expect("DeleteRoute", input, there.out.is_some())?;
                self.model.vpcs.get_mut(&vpc)?.out = None;
            }
            Call::CreateEndpoint { subnet, dual } => {
                let subnet = pick(&self.model.subnets, subnet)?;
                let there = &self.model.subnets[&subnet];
                let good = !dual || there.block.is_some();
                let input = map! {
                    "VpcId" => there.vpc.as_str(), "ServiceName" => S3,
                    "VpcEndpointType" => "Interface", "SubnetIds" => list![subnet.as_str()],
                    "IpAddressType" => address_type(dual),
                };
                let answer = self.expect("CreateVpcEndpoint", input, good)?;
                let id = text(answer.get("VpcEndpoint"), "VpcEndpointId");
                self.model.endpoints.insert(id, Endpoint { subnet, dual });
            }
            Call::ChangeType { endpoint, dual } => {
                let id = pick(&self.model.endpoints, endpoint)?;
                let there = &self.model.endpoints[&id];
                // Records of the type that the endpoint had would not fit the new one.
                let input = map! {
                    "VpcEndpointId" => id.as_str(), "IpAddressType" => address_type(dual),
                    "DnsOptions" => map! { "DnsRecordIpType" => address_type(dual) },
                };
                let good = !dual || self.model.subnets[&there.subnet].block.is_some();
                self.expect("ModifyVpcEndpoint", input, good)?;
                self.model.endpoints.get_mut(&id)?.dual = dual;
            }
            Call::DeleteEndpoint(n) => {
                let id = pick(&self.model.endpoints, n)?;
                let input = map! { "VpcEndpointIds" => list![id.as_str()] };
                let answer = self.expect("DeleteVpcEndpoints", input, true)?;
                assert!(answer.get("Unsuccessful").list().is_empty(), "{answer:?}");
                self.model.endpoints.remove(&id);
            }
            _ => return None,
        }
        Some(())
    }

    /// Whether no subnet of a VPC has this block.
    fn is_free(&self, vpc: &str, block: Ipv6Net) -> bool {
        let mut subnets = self.model.subnets.values();
        !subnets.any(|subnet| {
            let own = subnet.block.as_ref();
            subnet.vpc == vpc && own.is_some_and(|(_, own)| *own == block)
        })
    }

    /// What the API shows is what the model says.
    fn check(&self) {
        self.driver.check();
        self.check_blocks();
        self.check_ways();
        self.check_interfaces();
    }

    fn check_blocks(&self) {
        let (world, model) = (&self.driver.world, &self.model);
        let shown = world.ec2("DescribeVpcs", map! {});
        let shown = shown.get("Vpcs").list().iter();
        let shown: BTreeMap<_, _> = shown.map(|vpc| (text(vpc, "VpcId"), blocks(vpc))).collect();
        let known = model.vpcs.iter();
        let known = known.map(|(id, vpc)| (id.clone(), vpc.blocks.clone()));
        assert_eq!(shown, known.collect());
        // No two VPCs share an address.
        let mut all: Vec<Ipv6Net> = shown
            .into_values()
            .flat_map(BTreeMap::into_values)
            .collect();
        all.sort();
        let apart = |pair: &[Ipv6Net]| pair[0].broadcast() < pair[1].network();
        assert!(all.windows(2).all(apart), "{all:?}");

        let shown = world.ec2("DescribeSubnets", map! {});
        let shown = shown.get("Subnets").list().iter();
        let shown: BTreeMap<_, _> = shown
            .map(|subnet| {
                let gives = subnet.get("AssignIpv6AddressOnCreation").bool();
                let block = blocks(subnet).into_iter().next();
                (text(subnet, "SubnetId"), (block, gives.unwrap()))
            })
            .collect();
        let known = model.subnets.iter();
        let known = known.map(|(id, subnet)| (id.clone(), (subnet.block.clone(), subnet.gives)));
        assert_eq!(shown, known.collect());
    }

    fn check_ways(&self) {
        let (world, model) = (&self.driver.world, &self.model);
        let (name, items) = (
            "DescribeEgressOnlyInternetGateways",
            "EgressOnlyInternetGateways",
        );
        assert_eq!(
            self.driver
                .shown(name, items, "EgressOnlyInternetGatewayId"),
            keys(&model.gateways)
        );
        let shown = world.ec2("DescribeRouteTables", map! {});
        for table in shown.get("RouteTables").list() {
            let vpc = &model.vpcs[&text(table, "VpcId")];
            let mut routes: BTreeMap<String, (Option<String>, String)> = BTreeMap::new();
            for route in table.get("Routes").list() {
                if let Some(to) = route.get("DestinationIpv6CidrBlock").str() {
                    let by = route.get("EgressOnlyInternetGatewayId").str();
                    let row = (by.map(str::to_string), text(route, "State"));
                    routes.insert(to.to_string(), row);
                }
            }
            let local = vpc.blocks.values().map(|block| {
                let row = (None, "active".to_string());
                (block.to_string(), row)
            });
            let out = vpc.out.iter().map(|gateway| {
                let stands = model.gateways.contains_key(gateway);
                let state = if stands { "active" } else { "blackhole" };
                (
                    "::/0".to_string(),
                    (Some(gateway.clone()), state.to_string()),
                )
            });
            assert_eq!(routes, local.chain(out).collect());
        }
    }

    fn check_interfaces(&self) {
        let (world, model) = (&self.driver.world, &self.model);
        let shown = world.ec2("DescribeNetworkInterfaces", map! {});
        let shown = shown.get("NetworkInterfaces").list();
        let mut taken = BTreeSet::new();
        let mut own = BTreeMap::new();
        let mut of_endpoints: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for interface in shown {
            let there = addresses(each(interface, "Ipv6Addresses", "Ipv6Address"));
            let subnet = text(interface, "SubnetId");
            let block = model.subnets[&subnet].block.as_ref();
            for address in &there {
                let inside = block.is_some_and(|(_, block)| block.contains(address));
                assert!(inside, "{address} is not of {block:?}");
                assert!(taken.insert(*address), "{address} stands twice");
            }
            match text(interface, "InterfaceType").as_str() {
                "interface" => drop(own.insert(text(interface, "NetworkInterfaceId"), there)),
                _ => of_endpoints.entry(subnet).or_default().push(there.len()),
            }
        }
        let known = model.interfaces.iter();
        let known = known.map(|(id, interface)| (id.clone(), interface.addresses.clone()));
        assert_eq!(own, known.collect());
        let mut known: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for endpoint in model.endpoints.values() {
            let counts = known.entry(endpoint.subnet.clone()).or_default();
            counts.push(usize::from(endpoint.dual));
        }
        for counts in known.values_mut().chain(of_endpoints.values_mut()) {
            counts.sort_unstable();
        }
        assert_eq!(of_endpoints, known);
    }
}

/// The blocks that a VPC or subnet shows, by association.
fn blocks(of: &Value) -> BTreeMap<String, Ipv6Net> {
    let all = of.get("Ipv6CidrBlockAssociationSet").list().iter();
    all.map(|block| {
        let cidr = text(block, "Ipv6CidrBlock").parse().unwrap();
        (text(block, "AssociationId"), cidr)
    })
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn ipv6_is_where_it_was_asked_for(calls in prop::collection::vec(call(), 1..100)) {
        let mut machine = Machine { driver: Driver::new(), model: Model::default() };
        for block in [true, false] {
            machine.run(Call::CreateVpc { block });
        }
        for call in calls {
            if machine.run(call).is_some() {
                machine.check();
            }
        }
    }
}
