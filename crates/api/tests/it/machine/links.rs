//! What joins VPCs with others, and what refers to what: peering, prefix lists with versions, routes,
//! VPNs, tables of gateways, DHCP options.

use std::collections::{BTreeMap, BTreeSet};

use adit_wire::{Value, list, map};
use proptest::prelude::*;

use super::{Driver, cases, keys, pick};
use crate::world::{each, text};

#[derive(Debug, Default)]
struct Model {
    vpcs: BTreeMap<String, Vpc>,
    /// Route tables that are not a main one.
    tables: BTreeMap<String, Table>,
    /// Group that is not a default one: its VPC and the lists that its rules name.
    groups: BTreeMap<String, (String, BTreeSet<String>)>,
    lists: BTreeMap<String, List>,
    peerings: BTreeMap<String, Peering>,
    /// Internet or virtual private gateway: its VPC.
    gateways: BTreeMap<String, Option<String>>,
    /// Gateway whose incoming packets a table routes: the table.
    edges: BTreeMap<String, String>,
    /// Customer gateway: its number.
    customers: BTreeMap<String, u8>,
    vpns: BTreeMap<String, Vpn>,
    options: BTreeMap<String, ()>,
}

#[derive(Debug)]
struct Vpc {
    /// It has the block 10.N.0.0/16.
    block: u8,
    options: Option<String>,
}

#[derive(Debug)]
struct Table {
    vpc: String,
    /// Destination: target.
    routes: BTreeMap<String, String>,
    propagating: BTreeSet<String>,
}

#[derive(Debug)]
struct List {
    max: i64,
    version: i64,
    entries: BTreeSet<String>,
    past: BTreeMap<i64, BTreeSet<String>>,
}

impl List {
    fn next(&mut self, entries: BTreeSet<String>) {
        let old = std::mem::replace(&mut self.entries, entries);
        self.past.insert(self.version, old);
        self.version += 1;
    }
}

#[derive(Debug)]
struct Peering {
    ends: [String; 2],
    /// What the accepter said.
    answer: Option<bool>,
}

#[derive(Debug)]
struct Vpn {
    gateway: String,
    customer: String,
    fixed: bool,
    routes: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    CreateVpc(u8),
    DeleteVpc(u8),
    CreateTable(u8),
    DeleteTable(u8),
    Route {
        table: u8,
        to: u8,
        by: u8,
        with_list: bool,
        kind: u8,
    },
    DeleteRoute {
        table: u8,
        nth: u8,
    },
    CreateGroup(u8),
    DeleteGroup(u8),
    Rule {
        group: u8,
        list: u8,
        add: bool,
    },
    CreateList {
        max: u8,
        entries: u8,
    },
    Entry {
        list: u8,
        block: u8,
        add: bool,
        stale: bool,
    },
    Resize {
        list: u8,
        max: u8,
    },
    Restore {
        list: u8,
        version: u8,
    },
    DeleteList(u8),
    Peer {
        one: u8,
        two: u8,
    },
    Answer {
        peering: u8,
        accept: bool,
    },
    DeletePeering(u8),
    CreateGateway {
        vpn: bool,
    },
    Attach {
        gateway: u8,
        vpc: u8,
    },
    Detach {
        gateway: u8,
        vpc: u8,
    },
    DeleteGateway(u8),
    Edge {
        gateway: u8,
        table: u8,
    },
    EndEdge(u8),
    Propagate {
        table: u8,
        gateway: u8,
        on: bool,
    },
    CreateCustomer(u8),
    DeleteCustomer(u8),
    CreateVpn {
        gateway: u8,
        customer: u8,
        fixed: bool,
    },
    DeleteVpn(u8),
    VpnRoute {
        vpn: u8,
        to: u8,
        add: bool,
    },
    CreateOptions,
    SetOptions {
        vpc: u8,
        options: Option<u8>,
    },
    DeleteOptions(u8),
    DeleteAgain(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let n = || 0..6u8;
    let networks = prop_oneof![
        2 => (0..3u8).prop_map(Call::CreateVpc),
        1 => n().prop_map(Call::DeleteVpc),
        3 => n().prop_map(Call::CreateTable),
        1 => n().prop_map(Call::DeleteTable),
        8 => (n(), n(), n(), any::<bool>(), 0..2u8).prop_map(
            |(table, to, by, with_list, kind)| Call::Route { table, to, by, with_list, kind }
        ),
        2 => (n(), n()).prop_map(|(table, nth)| Call::DeleteRoute { table, nth }),
        1 => n().prop_map(Call::CreateGroup),
        1 => n().prop_map(Call::DeleteGroup),
        3 => (n(), n(), any::<bool>()).prop_map(|(group, list, add)| Call::Rule { group, list, add }),
    ];
    let lists = prop_oneof![
        2 => (1..4u8, 0..4u8).prop_map(|(max, entries)| Call::CreateList { max, entries }),
        4 => (n(), 0..4u8, any::<bool>(), prop::bool::weighted(0.2))
            .prop_map(|(list, block, add, stale)| Call::Entry { list, block, add, stale }),
        1 => (n(), 1..4u8).prop_map(|(list, max)| Call::Resize { list, max }),
        2 => (n(), n()).prop_map(|(list, version)| Call::Restore { list, version }),
        1 => n().prop_map(Call::DeleteList),
    ];
    let links = prop_oneof![
        5 => (n(), n()).prop_map(|(one, two)| Call::Peer { one, two }),
        4 => (n(), any::<bool>()).prop_map(|(peering, accept)| Call::Answer { peering, accept }),
        1 => n().prop_map(Call::DeletePeering),
        2 => any::<bool>().prop_map(|vpn| Call::CreateGateway { vpn }),
        5 => (n(), n()).prop_map(|(gateway, vpc)| Call::Attach { gateway, vpc }),
        2 => (n(), n()).prop_map(|(gateway, vpc)| Call::Detach { gateway, vpc }),
        1 => n().prop_map(Call::DeleteGateway),
        4 => (n(), n()).prop_map(|(gateway, table)| Call::Edge { gateway, table }),
        1 => n().prop_map(Call::EndEdge),
        3 => (n(), n(), any::<bool>())
            .prop_map(|(table, gateway, on)| Call::Propagate { table, gateway, on }),
        1 => (0..3u8).prop_map(Call::CreateCustomer),
        1 => n().prop_map(Call::DeleteCustomer),
        2 => (n(), n(), any::<bool>())
            .prop_map(|(gateway, customer, fixed)| Call::CreateVpn { gateway, customer, fixed }),
        1 => n().prop_map(Call::DeleteVpn),
        2 => (n(), 0..2u8, any::<bool>()).prop_map(|(vpn, to, add)| Call::VpnRoute { vpn, to, add }),
        1 => Just(Call::CreateOptions),
        2 => (n(), prop::option::of(n()))
            .prop_map(|(vpc, options)| Call::SetOptions { vpc, options }),
        1 => n().prop_map(Call::DeleteOptions),
        1 => n().prop_map(Call::DeleteAgain),
    ];
    prop_oneof![4 => networks, 3 => lists, 7 => links]
}

fn is_vpn(gateway: &str) -> bool {
    gateway.starts_with("vgw-")
}

fn cidr(block: u8) -> String {
    format!("10.{block}.0.0/16")
}

fn entry(n: u8) -> String {
    format!("192.0.{n}.0/24")
}

type Machine = super::Machine<Model>;

impl Machine {
    fn attached(&self, gateway: &str, vpc: &str) -> bool {
        self.model.gateways[gateway].as_deref() == Some(vpc)
    }

    /// Where a peering connection stands.
    fn state(&self, peering: &Peering) -> &'static str {
        let [one, two] = peering
            .ends
            .each_ref()
            .map(|vpc| self.model.vpcs[vpc].block);
        match peering.answer {
            Some(true) => "active",
            Some(false) => "rejected",
            None if one == two => "failed",
            None => "pending-acceptance",
        }
    }

    /// Whether a connection keeps its VPCs.
    fn holds(&self, peering: &Peering) -> bool {
        matches!(self.state(peering), "active" | "pending-acceptance")
    }

    /// Something that the call needs is not there: then there is nothing to call.
    fn run(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateVpc(block) => {
                let input = map! { "CidrBlock" => cidr(block) };
                let made = self.expect("CreateVpc", input, true)?;
                let id = text(made.get("Vpc"), "VpcId");
                self.model.vpcs.insert(
                    id,
                    Vpc {
                        block,
                        options: None,
                    },
                );
                Some(())
            }
            Call::DeleteVpc(n) => self.delete_vpc(n),
            Call::CreateTable(n) => {
                let vpc = pick(&self.model.vpcs, n)?;
                let input = map! { "VpcId" => vpc.as_str() };
                let made = self.expect("CreateRouteTable", input, true)?;
                let id = text(made.get("RouteTable"), "RouteTableId");
                let (routes, propagating) = (BTreeMap::new(), BTreeSet::new());
                let table = Table {
                    vpc,
                    routes,
                    propagating,
                };
                self.model.tables.insert(id, table);
                Some(())
            }
            Call::DeleteTable(n) => {
                let id = pick(&self.model.tables, n)?;
                let free = !self.model.edges.values().any(|table| *table == id);
                if self.delete("DeleteRouteTable", "RouteTableId", &id, free) {
                    self.model.tables.remove(&id);
                }
                Some(())
            }
            Call::Route {
                table,
                to,
                by,
                with_list,
                kind,
            } => self.route(table, to, by, with_list, kind),
            Call::DeleteRoute { table, nth } => {
                let id = pick(&self.model.tables, table)?;
                let to = pick(&self.model.tables[&id].routes, nth)?;
                let member = destination(&to);
                let input = map! { "RouteTableId" => id.as_str(), member => to.as_str() };
                self.expect("DeleteRoute", input, true)?;
                self.model.tables.get_mut(&id)?.routes.remove(&to);
                Some(())
            }
            Call::CreateGroup(n) => {
                let vpc = pick(&self.model.vpcs, n)?;
                let input = map! {
                    "VpcId" => vpc.as_str(), "Description" => "d",
                    "GroupName" => format!("g{}", self.model.groups.len()),
                };
                // A name may have been taken by one that is still there.
                let made =
                    self.driver
                        .world
                        .call(adit_wire::Service::Ec2, "CreateSecurityGroup", input);
                let id = text(&made.ok()?, "GroupId");
                self.model.groups.insert(id, (vpc, BTreeSet::new()));
                Some(())
            }
            Call::DeleteGroup(n) => {
                let id = pick(&self.model.groups, n)?;
                if self.delete("DeleteSecurityGroup", "GroupId", &id, true) {
                    self.model.groups.remove(&id);
                }
                Some(())
            }
            Call::Rule { group, list, add } => {
                let id = pick(&self.model.groups, group)?;
                let to = pick(&self.model.lists, list)?;
                let there = self.model.groups[&id].1.contains(&to);
                let peer = list![map! { "PrefixListId" => to.as_str() }];
                let rule = map! {
                    "IpProtocol" => "tcp", "FromPort" => 443i64, "ToPort" => 443i64,
                    "PrefixListIds" => peer,
                };
                let name = match add {
                    true => "AuthorizeSecurityGroupIngress",
                    false => "RevokeSecurityGroupIngress",
                };
                let input = map! { "GroupId" => id.as_str(), "IpPermissions" => list![rule] };
                self.expect(name, input, there != add)?;
                let lists = &mut self.model.groups.get_mut(&id)?.1;
                match add {
                    true => lists.insert(to),
                    false => lists.remove(&to),
                };
                Some(())
            }
            Call::CreateList { max, entries } => {
                let all: BTreeSet<String> = (0..entries).map(entry).collect();
                let given: Value = all.iter().map(|e| map! { "Cidr" => e.as_str() }).collect();
                let input = map! {
                    "PrefixListName" => "mine", "AddressFamily" => "IPv4",
                    "MaxEntries" => i64::from(max), "Entries" => given,
                };
                let made = self.expect("CreateManagedPrefixList", input, entries <= max)?;
                let id = text(made.get("PrefixList"), "PrefixListId");
                let list = List {
                    max: max.into(),
                    version: 1,
                    entries: all,
                    past: BTreeMap::new(),
                };
                self.model.lists.insert(id, list);
                Some(())
            }
            Call::Entry {
                list,
                block,
                add,
                stale,
            } => self.entry(list, block, add, stale),
            Call::Resize { list, max } => {
                let id = pick(&self.model.lists, list)?;
                let good = self.model.lists[&id].entries.len() <= usize::from(max);
                let input = map! { "PrefixListId" => id.as_str(), "MaxEntries" => i64::from(max) };
                self.expect("ModifyManagedPrefixList", input, good)?;
                self.model.lists.get_mut(&id)?.max = max.into();
                Some(())
            }
            Call::Restore { list, version } => {
                let id = pick(&self.model.lists, list)?;
                let list = &self.model.lists[&id];
                let version = i64::from(version);
                let past = match version == list.version {
                    true => Some(&list.entries),
                    false => list.past.get(&version),
                };
                let fits = |past: &&BTreeSet<String>| past.len() as i64 <= list.max;
                let past = past.filter(fits).cloned();
                let input = map! {
                    "PrefixListId" => id.as_str(), "CurrentVersion" => list.version,
                    "PreviousVersion" => version,
                };
                self.expect("RestoreManagedPrefixListVersion", input, past.is_some())?;
                self.model.lists.get_mut(&id)?.next(past?);
                Some(())
            }
            Call::DeleteList(n) => {
                let id = pick(&self.model.lists, n)?;
                let free = self.users(&id).is_empty();
                if self.delete("DeleteManagedPrefixList", "PrefixListId", &id, free) {
                    self.model.lists.remove(&id);
                }
                Some(())
            }
            Call::Peer { one, two } => {
                let ends = [pick(&self.model.vpcs, one)?, pick(&self.model.vpcs, two)?];
                let [from, to] = &ends;
                let mut others = self.model.peerings.values();
                let joined = others.any(|there| {
                    there.ends.contains(from) && there.ends.contains(to) && self.holds(there)
                });
                let input = map! { "VpcId" => from.as_str(), "PeerVpcId" => to.as_str() };
                let good = from != to && !joined;
                let made = self.expect("CreateVpcPeeringConnection", input, good)?;
                let id = text(made.get("VpcPeeringConnection"), "VpcPeeringConnectionId");
                self.model
                    .peerings
                    .insert(id, Peering { ends, answer: None });
                Some(())
            }
            Call::Answer { peering, accept } => {
                let id = pick(&self.model.peerings, peering)?;
                let state = self.state(&self.model.peerings[&id]);
                let (name, already) = match accept {
                    true => ("AcceptVpcPeeringConnection", "active"),
                    false => ("RejectVpcPeeringConnection", "rejected"),
                };
                let good = state == "pending-acceptance" || state == already;
                self.expect(name, map! { "VpcPeeringConnectionId" => id.as_str() }, good)?;
                self.model.peerings.get_mut(&id)?.answer = Some(accept);
                Some(())
            }
            Call::DeletePeering(n) => {
                let id = pick(&self.model.peerings, n)?;
                let name = "DeleteVpcPeeringConnection";
                if self.delete(name, "VpcPeeringConnectionId", &id, true) {
                    self.model.peerings.remove(&id);
                }
                Some(())
            }
            Call::CreateGateway { vpn } => {
                let id = match vpn {
                    true => {
                        let input = map! { "Type" => "ipsec.1" };
                        let made = self.expect("CreateVpnGateway", input, true)?;
                        text(made.get("VpnGateway"), "VpnGatewayId")
                    }
                    false => {
                        let made = self.expect("CreateInternetGateway", map! {}, true)?;
                        text(made.get("InternetGateway"), "InternetGatewayId")
                    }
                };
                self.model.gateways.insert(id, None);
                Some(())
            }
            Call::Attach { gateway, vpc } => {
                let id = pick(&self.model.gateways, gateway)?;
                let vpc = pick(&self.model.vpcs, vpc)?;
                let mut others = self.model.gateways.iter();
                let taken = others
                    .any(|(other, at)| is_vpn(other) == is_vpn(&id) && at.as_ref() == Some(&vpc));
                // The same again is no fault of a virtual private gateway.
                let again = is_vpn(&id) && self.attached(&id, &vpc);
                let good = again || (self.model.gateways[&id].is_none() && !taken);
                let name = match is_vpn(&id) {
                    true => "AttachVpnGateway",
                    false => "AttachInternetGateway",
                };
                self.expect(name, joined(&id, &vpc), good)?;
                self.model.gateways.insert(id, Some(vpc));
                Some(())
            }
            Call::Detach { gateway, vpc } => {
                let id = pick(&self.model.gateways, gateway)?;
                let vpc = pick(&self.model.vpcs, vpc)?;
                let good = self.attached(&id, &vpc);
                let name = match is_vpn(&id) {
                    true => "DetachVpnGateway",
                    false => "DetachInternetGateway",
                };
                self.expect(name, joined(&id, &vpc), good)?;
                self.model.edges.remove(&id);
                for table in self.model.tables.values_mut() {
                    table.propagating.remove(&id);
                }
                self.model.gateways.insert(id, None);
                Some(())
            }
            Call::DeleteGateway(n) => {
                let id = pick(&self.model.gateways, n)?;
                let used = self.model.vpns.values().any(|vpn| vpn.gateway == id);
                let free = self.model.gateways[&id].is_none() && !used;
                let done = match is_vpn(&id) {
                    true => self.delete("DeleteVpnGateway", "VpnGatewayId", &id, free),
                    false => self.delete("DeleteInternetGateway", "InternetGatewayId", &id, free),
                };
                if done {
                    self.model.gateways.remove(&id);
                }
                Some(())
            }
            Call::Edge { gateway, table } => {
                let id = pick(&self.model.gateways, gateway)?;
                let to = pick(&self.model.tables, table)?;
                let table = &self.model.tables[&to];
                let good = self.attached(&id, &table.vpc)
                    && match self.model.edges.get(&id) {
                        Some(there) => *there == to,
                        // Every route of the model leads out of the VPC.
                        None => table.routes.is_empty() && table.propagating.is_empty(),
                    };
                let input = map! { "GatewayId" => id.as_str(), "RouteTableId" => to.as_str() };
                self.expect("AssociateRouteTable", input, good)?;
                self.model.edges.insert(id, to);
                Some(())
            }
            Call::EndEdge(n) => {
                let gateway = pick(&self.model.edges, n)?;
                let tables = self.driver.world.ec2("DescribeRouteTables", map! {});
                let tables = tables.get("RouteTables").list().iter();
                let mut all = tables.flat_map(|table| table.get("Associations").list());
                let it = all.find(|a| a.get("GatewayId").str() == Some(&gateway))?;
                let input = map! { "AssociationId" => text(it, "RouteTableAssociationId") };
                self.expect("DisassociateRouteTable", input, true)?;
                self.model.edges.remove(&gateway);
                Some(())
            }
            Call::Propagate { table, gateway, on } => {
                let to = pick(&self.model.tables, table)?;
                let id = pick(&self.model.gateways, gateway).filter(|id| is_vpn(id))?;
                let edge = self.model.edges.values().any(|table| *table == to);
                let good = !on || (self.attached(&id, &self.model.tables[&to].vpc) && !edge);
                let name = match on {
                    true => "EnableVgwRoutePropagation",
                    false => "DisableVgwRoutePropagation",
                };
                let input = map! { "GatewayId" => id.as_str(), "RouteTableId" => to.as_str() };
                self.expect(name, input, good)?;
                let propagating = &mut self.model.tables.get_mut(&to)?.propagating;
                match on {
                    true => propagating.insert(id),
                    false => propagating.remove(&id),
                };
                Some(())
            }
            Call::CreateCustomer(n) => {
                let input = map! {
                    "Type" => "ipsec.1", "IpAddress" => format!("203.0.113.{n}"),
                    "BgpAsn" => 65001i64,
                };
                let made = self.expect("CreateCustomerGateway", input, true)?;
                let id = text(made.get("CustomerGateway"), "CustomerGatewayId");
                // The same again is the one that is there.
                let there = self.model.customers.iter().find(|(_, of)| **of == n);
                assert!(there.is_none_or(|(there, _)| *there == id));
                self.model.customers.insert(id, n);
                Some(())
            }
            Call::DeleteCustomer(n) => {
                let id = pick(&self.model.customers, n)?;
                let free = !self.model.vpns.values().any(|vpn| vpn.customer == id);
                if self.delete("DeleteCustomerGateway", "CustomerGatewayId", &id, free) {
                    self.model.customers.remove(&id);
                }
                Some(())
            }
            Call::CreateVpn {
                gateway,
                customer,
                fixed,
            } => {
                let gateway = pick(&self.model.gateways, gateway).filter(|id| is_vpn(id))?;
                let customer = pick(&self.model.customers, customer)?;
                let input = map! {
                    "Type" => "ipsec.1", "CustomerGatewayId" => customer.as_str(),
                    "VpnGatewayId" => gateway.as_str(),
                    "Options" => map! { "StaticRoutesOnly" => fixed },
                };
                let made = self.expect("CreateVpnConnection", input, true)?;
                let id = text(made.get("VpnConnection"), "VpnConnectionId");
                let routes = BTreeSet::new();
                let vpn = Vpn {
                    gateway,
                    customer,
                    fixed,
                    routes,
                };
                self.model.vpns.insert(id, vpn);
                Some(())
            }
            Call::DeleteVpn(n) => {
                let id = pick(&self.model.vpns, n)?;
                if self.delete("DeleteVpnConnection", "VpnConnectionId", &id, true) {
                    self.model.vpns.remove(&id);
                }
                Some(())
            }
            Call::VpnRoute { vpn, to, add } => {
                let id = pick(&self.model.vpns, vpn)?;
                let vpn = &self.model.vpns[&id];
                let block = format!("192.168.{to}.0/24");
                let (name, good) = match add {
                    true => ("CreateVpnConnectionRoute", vpn.fixed),
                    false => ("DeleteVpnConnectionRoute", vpn.routes.contains(&block)),
                };
                let input = map! {
                    "VpnConnectionId" => id.as_str(), "DestinationCidrBlock" => block.as_str(),
                };
                self.expect(name, input, good)?;
                let routes = &mut self.model.vpns.get_mut(&id)?.routes;
                match add {
                    true => routes.insert(block),
                    false => routes.remove(&block),
                };
                Some(())
            }
            Call::CreateOptions => {
                let value = map! { "Key" => "domain-name", "Values" => list!["example.com"] };
                let input = map! { "DhcpConfigurations" => list![value] };
                let made = self.expect("CreateDhcpOptions", input, true)?;
                let id = text(made.get("DhcpOptions"), "DhcpOptionsId");
                self.model.options.insert(id, ());
                Some(())
            }
            Call::SetOptions { vpc, options } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let options = match options {
                    Some(n) => Some(pick(&self.model.options, n)?),
                    None => None,
                };
                let input = map! {
                    "VpcId" => vpc.as_str(),
                    "DhcpOptionsId" => options.as_deref().unwrap_or("default"),
                };
                self.expect("AssociateDhcpOptions", input, true)?;
                self.model.vpcs.get_mut(&vpc)?.options = options;
                Some(())
            }
            Call::DeleteOptions(n) => {
                let id = pick(&self.model.options, n)?;
                let mut vpcs = self.model.vpcs.values();
                let free = !vpcs.any(|vpc| vpc.options.as_ref() == Some(&id));
                if self.delete("DeleteDhcpOptions", "DhcpOptionsId", &id, free) {
                    self.model.options.remove(&id);
                }
                Some(())
            }
            Call::DeleteAgain(n) => {
                self.driver.delete_again(&self.model, n);
                Some(())
            }
        }
    }

    fn delete_vpc(&mut self, n: u8) -> Option<()> {
        let id = pick(&self.model.vpcs, n)?;
        let model = &self.model;
        let mut peerings = model.peerings.values();
        let empty = !model.tables.values().any(|table| table.vpc == id)
            && !model.groups.values().any(|(vpc, _)| *vpc == id)
            && !model.gateways.values().flatten().any(|vpc| *vpc == id)
            && !peerings.any(|p| p.ends.contains(&id) && self.holds(p));
        if self.delete("DeleteVpc", "VpcId", &id, empty) {
            self.model.vpcs.remove(&id);
            // What was over goes with one of its ends.
            self.model
                .peerings
                .retain(|_, peering| !peering.ends.contains(&id));
        }
        Some(())
    }

    fn route(&mut self, table: u8, to: u8, by: u8, with_list: bool, kind: u8) -> Option<()> {
        let id = pick(&self.model.tables, table)?;
        let to = match with_list {
            true => pick(&self.model.lists, to)?,
            false => cidr(to % 3),
        };
        let (member, target) = match kind {
            0 => ("VpcPeeringConnectionId", pick(&self.model.peerings, by)?),
            _ => ("GatewayId", pick(&self.model.gateways, by)?),
        };
        let table = &self.model.tables[&id];
        let leads = match kind {
            0 => self.model.peerings[&target].ends.contains(&table.vpc),
            _ => self.attached(&target, &table.vpc),
        };
        let edge = self.model.edges.values().any(|table| *table == id);
        let local = to == cidr(self.model.vpcs[&table.vpc].block);
        let good = match table.routes.get(&to) {
            Some(there) => *there == target,
            None => leads && !edge && !local,
        };
        let input = map! {
            "RouteTableId" => id.as_str(), destination(&to) => to.as_str(), member => target.as_str(),
        };
        self.expect("CreateRoute", input, good)?;
        self.model.tables.get_mut(&id)?.routes.insert(to, target);
        Some(())
    }

    fn entry(&mut self, list: u8, block: u8, add: bool, stale: bool) -> Option<()> {
        let id = pick(&self.model.lists, list)?;
        let list = &self.model.lists[&id];
        let block = entry(block);
        let there = list.entries.contains(&block);
        let room = !add || (list.entries.len() as i64) < list.max;
        let member = if add { "AddEntries" } else { "RemoveEntries" };
        let input = map! {
            "PrefixListId" => id.as_str(), member => list![map! { "Cidr" => block.as_str() }],
            "CurrentVersion" => list.version - i64::from(stale),
        };
        let good = there != add && room && !stale;
        self.expect("ModifyManagedPrefixList", input, good)?;
        let list = self.model.lists.get_mut(&id)?;
        let mut entries = list.entries.clone();
        match add {
            true => entries.insert(block),
            false => entries.remove(&block),
        };
        list.next(entries);
        Some(())
    }

    /// What names a list.
    fn users(&self, list: &str) -> BTreeSet<String> {
        let tables = self.model.tables.iter();
        let tables = tables.filter(|(_, table)| table.routes.contains_key(list));
        let groups = self.model.groups.iter();
        let groups = groups.filter(|(_, (_, lists))| lists.contains(list));
        let all = tables.map(|(id, _)| id).chain(groups.map(|(id, _)| id));
        all.cloned().collect()
    }

    /// What the API shows is what the model says.
    fn check(&self) {
        self.driver.check();
        self.check_lists();
        self.check_tables();
        self.check_links();
    }

    fn check_lists(&self) {
        let (model, world) = (&self.model, &self.driver.world);
        let shown = world.ec2("DescribeManagedPrefixLists", map! {});
        let all = shown.get("PrefixLists").list().iter();
        let own: Vec<&Value> = all
            .filter(|l| l.get("OwnerId").str() != Some("AWS"))
            .collect();
        assert_eq!(own.len(), model.lists.len());
        for shown in own {
            let id = text(shown, "PrefixListId");
            let list = model
                .lists
                .get(&id)
                .expect("a list that was made and not deleted");
            let numbers = (shown.get("Version").int(), shown.get("MaxEntries").int());
            assert_eq!(numbers, (Some(list.version), Some(list.max)));
            let entries = |version: Option<i64>| {
                let mut input = map! { "PrefixListId" => id.as_str() };
                if let Some(version) = version {
                    input.map_mut().unwrap().insert("TargetVersion", version);
                }
                let shown = world.ec2("GetManagedPrefixListEntries", input);
                each(&shown, "Entries", "Cidr")
                    .into_iter()
                    .collect::<BTreeSet<_>>()
            };
            assert_eq!(entries(None), list.entries);
            if let Some((version, past)) = list.past.iter().next_back() {
                assert_eq!(entries(Some(*version)), *past);
            }
            let input = map! { "PrefixListId" => id.as_str() };
            let users = world.ec2("GetManagedPrefixListAssociations", input);
            let users = each(&users, "PrefixListAssociations", "ResourceId");
            assert_eq!(users.into_iter().collect::<BTreeSet<_>>(), self.users(&id));
        }
    }

    fn check_tables(&self) {
        let model = &self.model;
        let shown = self.driver.world.ec2("DescribeRouteTables", map! {});
        let (mut edges, mut tables) = (BTreeMap::new(), BTreeSet::new());
        for shown in shown.get("RouteTables").list() {
            let id = text(shown, "RouteTableId");
            for association in shown.get("Associations").list() {
                if let Some(gateway) = association.get("GatewayId").str() {
                    edges.insert(gateway.to_string(), id.clone());
                }
            }
            let Some(table) = model.tables.get(&id) else {
                continue;
            };
            let propagating = each(shown, "PropagatingVgws", "GatewayId");
            assert_eq!(
                propagating.into_iter().collect::<BTreeSet<_>>(),
                table.propagating
            );
            let mut routes = BTreeMap::new();
            for route in shown.get("Routes").list() {
                let of = |name: &str| route.get(name).str().map(str::to_string);
                let target = of("VpcPeeringConnectionId").or(of("GatewayId"));
                let to = of("DestinationCidrBlock").or(of("DestinationPrefixListId"));
                if of("Origin").as_deref() == Some("CreateRoute") {
                    routes.insert(to.unwrap(), target.unwrap());
                    self.check_state(route, table);
                }
            }
            assert_eq!(routes, table.routes, "{id}");
            tables.insert(id);
        }
        assert_eq!(edges, model.edges);
        assert_eq!(tables, keys(&model.tables));
    }

    /// A route whose target is gone, or leads nowhere any more, is a black hole.
    fn check_state(&self, route: &Value, table: &Table) {
        let model = &self.model;
        let leads = match route.get("VpcPeeringConnectionId").str() {
            Some(id) => model
                .peerings
                .get(id)
                .is_some_and(|p| self.state(p) == "active"),
            None => {
                let gateway = model
                    .gateways
                    .get(route.get("GatewayId").str().unwrap_or_default());
                gateway.is_some_and(|at| at.as_ref() == Some(&table.vpc))
            }
        };
        let wanted = if leads { "active" } else { "blackhole" };
        assert_eq!(route.get("State").str(), Some(wanted), "{route:?}");
    }

    fn check_links(&self) {
        let (model, world) = (&self.model, &self.driver.world);
        let shown = world.ec2("DescribeVpcPeeringConnections", map! {});
        let all = shown.get("VpcPeeringConnections").list().iter();
        let states = all.map(|p| {
            let code = text(p.get("Status"), "Code");
            (text(p, "VpcPeeringConnectionId"), code)
        });
        let wanted = model.peerings.iter();
        let wanted = wanted.map(|(id, p)| (id.clone(), self.state(p).to_string()));
        assert_eq!(
            states.collect::<BTreeMap<_, _>>(),
            wanted.collect::<BTreeMap<_, _>>()
        );
        let mut gateways = BTreeMap::new();
        let internet = world.ec2("DescribeInternetGateways", map! {});
        for gateway in internet.get("InternetGateways").list() {
            let at = each(gateway, "Attachments", "VpcId").pop();
            gateways.insert(text(gateway, "InternetGatewayId"), at);
        }
        let private = world.ec2("DescribeVpnGateways", map! {});
        for gateway in private.get("VpnGateways").list() {
            let at = each(gateway, "VpcAttachments", "VpcId").pop();
            gateways.insert(text(gateway, "VpnGatewayId"), at);
        }
        assert_eq!(gateways, model.gateways);
        let shown = self.driver.shown(
            "DescribeCustomerGateways",
            "CustomerGateways",
            "CustomerGatewayId",
        );
        assert_eq!(shown, keys(&model.customers));
        let shown = world.ec2("DescribeVpnConnections", map! {});
        for shown in shown.get("VpnConnections").list() {
            let vpn = &model.vpns[&text(shown, "VpnConnectionId")];
            let routes = each(shown, "Routes", "DestinationCidrBlock");
            assert_eq!(routes.into_iter().collect::<BTreeSet<_>>(), vpn.routes);
        }
        assert_eq!(shown.get("VpnConnections").list().len(), model.vpns.len());
        let shown = world.ec2("DescribeVpcs", map! {});
        for vpc in shown.get("Vpcs").list() {
            let known = &model.vpcs[&text(vpc, "VpcId")];
            if let Some(options) = &known.options {
                assert_eq!(vpc.get("DhcpOptionsId").str(), Some(options.as_str()));
            }
        }
        assert_eq!(shown.get("Vpcs").list().len(), model.vpcs.len());
    }
}

/// The parameter that a destination is given by.
fn destination(to: &str) -> &'static str {
    match to.starts_with("pl-") {
        true => "DestinationPrefixListId",
        false => "DestinationCidrBlock",
    }
}

fn joined(gateway: &str, vpc: &str) -> Value {
    let member = match is_vpn(gateway) {
        true => "VpnGatewayId",
        false => "InternetGatewayId",
    };
    map! { member => gateway, "VpcId" => vpc }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn links_and_what_refers_to_what(calls in prop::collection::vec(call(), 1..100)) {
        let mut machine = Machine { driver: Driver::new(), model: Model::default() };
        for call in [
            Call::CreateVpc(0), Call::CreateVpc(1), Call::Peer { one: 0, two: 1 },
            Call::CreateTable(0), Call::CreateTable(1), Call::CreateGateway { vpn: true },
            Call::CreateGateway { vpn: false }, Call::CreateList { max: 3, entries: 1 },
        ] {
            machine.run(call);
        }
        for call in calls {
            if machine.run(call).is_some() {
                machine.check();
            }
        }
    }
}
