//! Blocks of VPCs, network ACLs, network interfaces, Elastic IPs, NAT and egress-only gateways.

use std::collections::{BTreeMap, BTreeSet};

use adit_wire::{Value, list, map};
use proptest::prelude::*;

use super::{Driver, cases, keys, pick};
use crate::world::{each, filter, one, text};

/// What the model knows. Every VPC has the block 10.0.0.0/16.
#[derive(Debug, Default)]
struct Model {
    /// VPC: further blocks 100.64.N.0/24 by association.
    vpcs: BTreeMap<String, BTreeMap<String, u8>>,
    subnets: BTreeMap<String, Subnet>,
    acls: BTreeMap<String, Acl>,
    /// Internet gateway: its VPC.
    internet: BTreeMap<String, Option<String>>,
    /// Egress-only gateway: its VPC.
    egress_only: BTreeMap<String, String>,
    interfaces: BTreeMap<String, Interface>,
    /// Elastic IP: the interface and private address that it leads to.
    addresses: BTreeMap<String, Option<(String, String)>>,
    /// NAT gateway: its interface.
    nats: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Subnet {
    vpc: String,
    /// The first three bytes of its /28.
    start: String,
    acl: String,
}

#[derive(Debug)]
struct Acl {
    vpc: String,
    is_default: bool,
    /// Direction and number: whether it allows.
    entries: BTreeMap<(bool, i64), bool>,
}

#[derive(Debug)]
struct Interface {
    subnet: String,
    primary: String,
    secondary: BTreeSet<String>,
    of_nat: bool,
}

impl Interface {
    fn has(&self, ip: &str) -> bool {
        self.primary == ip || self.secondary.contains(ip)
    }
}

/// How many addresses of a /28 interfaces may have.
const USABLE: usize = 11;

#[derive(Debug, Clone, Copy)]
enum Verb {
    Create,
    Replace,
    Delete,
}

#[derive(Debug, Clone, Copy)]
enum Call {
    CreateVpc,
    DeleteVpc(u8),
    AddBlock {
        vpc: u8,
        block: u8,
    },
    RemoveBlock {
        vpc: u8,
        block: u8,
    },
    CreateSubnet {
        vpc: u8,
        place: u8,
    },
    DeleteSubnet(u8),
    CreateAcl(u8),
    DeleteAcl(u8),
    MoveSubnet {
        subnet: u8,
        acl: u8,
    },
    Entry {
        acl: u8,
        number: u8,
        egress: bool,
        allow: bool,
        verb: Verb,
    },
    CreateInternet,
    Attach {
        gateway: u8,
        vpc: u8,
    },
    Detach {
        gateway: u8,
        vpc: u8,
    },
    CreateEgressOnly(u8),
    DeleteEgressOnly(u8),
    CreateInterface {
        subnet: u8,
        more: u8,
    },
    DeleteInterface(u8),
    AssignCount {
        interface: u8,
        count: u8,
    },
    AssignNamed {
        interface: u8,
        host: u8,
        take: bool,
        twice: bool,
    },
    Unassign {
        interface: u8,
        nth: u8,
    },
    Allocate,
    Release(u8),
    Associate {
        address: u8,
        interface: u8,
        nth: u8,
        again: bool,
    },
    Disassociate(u8),
    CreateNat {
        subnet: u8,
        address: Option<u8>,
    },
    DeleteNat(u8),
    DeleteAgain(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let n = || 0..6u8;
    let verb = prop_oneof![
        3 => Just(Verb::Create), 2 => Just(Verb::Replace), 2 => Just(Verb::Delete)
    ];
    let networks = prop_oneof![
        1 => Just(Call::CreateVpc),
        1 => n().prop_map(Call::DeleteVpc),
        2 => (n(), 0..4u8).prop_map(|(vpc, block)| Call::AddBlock { vpc, block }),
        1 => (n(), n()).prop_map(|(vpc, block)| Call::RemoveBlock { vpc, block }),
        4 => (n(), n()).prop_map(|(vpc, place)| Call::CreateSubnet { vpc, place }),
        1 => n().prop_map(Call::DeleteSubnet),
        2 => n().prop_map(Call::CreateAcl),
        2 => n().prop_map(Call::DeleteAcl),
        3 => (n(), n()).prop_map(|(subnet, acl)| Call::MoveSubnet { subnet, acl }),
        4 => (n(), 0..3u8, any::<bool>(), any::<bool>(), verb).prop_map(
            |(acl, number, egress, allow, verb)| Call::Entry { acl, number, egress, allow, verb }
        ),
        1 => Just(Call::CreateInternet),
        3 => (n(), n()).prop_map(|(gateway, vpc)| Call::Attach { gateway, vpc }),
        2 => (n(), n()).prop_map(|(gateway, vpc)| Call::Detach { gateway, vpc }),
        1 => n().prop_map(Call::CreateEgressOnly),
        1 => n().prop_map(Call::DeleteEgressOnly),
    ];
    let interfaces = prop_oneof![
        4 => (n(), 0..4u8).prop_map(|(subnet, more)| Call::CreateInterface { subnet, more }),
        2 => n().prop_map(Call::DeleteInterface),
        2 => (n(), 1..5u8).prop_map(|(interface, count)| Call::AssignCount { interface, count }),
        3 => (n(), 0..16u8, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
            |(interface, host, take, twice)| Call::AssignNamed { interface, host, take, twice }
        ),
        2 => (n(), n()).prop_map(|(interface, nth)| Call::Unassign { interface, nth }),
        3 => Just(Call::Allocate),
        1 => n().prop_map(Call::Release),
        4 => (n(), n(), n(), any::<bool>()).prop_map(
            |(address, interface, nth, again)| Call::Associate { address, interface, nth, again }
        ),
        1 => n().prop_map(Call::Disassociate),
        3 => (n(), prop::option::of(n()))
            .prop_map(|(subnet, address)| Call::CreateNat { subnet, address }),
        1 => n().prop_map(Call::DeleteNat),
        1 => n().prop_map(Call::DeleteAgain),
    ];
    prop_oneof![networks, interfaces]
}

type Machine = super::Machine<Model>;

impl Machine {
    fn online(&self, vpc: &str) -> bool {
        let mut attached = self.model.internet.values();
        attached.any(|of| of.as_deref() == Some(vpc))
    }

    fn free(&self, subnet: &str) -> usize {
        let here = self.model.interfaces.values();
        let here = here.filter(|i| i.subnet == subnet);
        USABLE - here.map(|i| 1 + i.secondary.len()).sum::<usize>()
    }

    fn vpc_of(&self, interface: &str) -> &str {
        let subnet = &self.model.interfaces[interface].subnet;
        &self.model.subnets[subnet].vpc
    }

    /// No Elastic IP leads to an interface, or to one of its addresses, any more.
    fn unbind(&mut self, interface: &str, ip: Option<&str>) {
        for bound in self.model.addresses.values_mut() {
            let is_it =
                |(eni, at): &(String, String)| eni == interface && ip.is_none_or(|ip| at == ip);
            if bound.as_ref().is_some_and(is_it) {
                *bound = None;
            }
        }
    }

    /// Something that the call needs is not there: then there is nothing to call.
    fn run(&mut self, call: Call) -> Option<()> {
        match call {
            Call::CreateVpc => self.create_vpc(),
            Call::DeleteVpc(n) => {
                let id = pick(&self.model.vpcs, n)?;
                let model = &self.model;
                let empty = !model.subnets.values().any(|s| s.vpc == id)
                    && !model.acls.values().any(|a| a.vpc == id && !a.is_default)
                    && !model.egress_only.values().any(|vpc| *vpc == id)
                    && !self.online(&id);
                if self.delete("DeleteVpc", "VpcId", &id, empty) {
                    self.model.vpcs.remove(&id);
                    self.model.acls.retain(|_, acl| acl.vpc != id);
                }
                Some(())
            }
            Call::AddBlock { vpc, block } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let good = !self.model.vpcs[&vpc].values().any(|there| *there == block);
                let input = map! {
                    "VpcId" => vpc.as_str(), "CidrBlock" => format!("100.64.{block}.0/24"),
                };
                let made = self.expect("AssociateVpcCidrBlock", input, good)?;
                let id = text(made.get("CidrBlockAssociation"), "AssociationId");
                self.model.vpcs.get_mut(&vpc)?.insert(id, block);
                Some(())
            }
            Call::RemoveBlock { vpc, block } => {
                let vpc = pick(&self.model.vpcs, vpc)?;
                let id = pick(&self.model.vpcs[&vpc], block)?;
                let start = format!("100.64.{}", self.model.vpcs[&vpc][&id]);
                let mut subnets = self.model.subnets.values();
                let free = !subnets.any(|s| s.vpc == vpc && s.start == start);
                let (name, member) = ("DisassociateVpcCidrBlock", "AssociationId");
                if self.delete(name, member, &id, free) {
                    self.model.vpcs.get_mut(&vpc)?.remove(&id);
                }
                Some(())
            }
            Call::CreateSubnet { vpc, place } => self.create_subnet(vpc, place),
            Call::DeleteSubnet(n) => {
                let id = pick(&self.model.subnets, n)?;
                let free = self.free(&id) == USABLE;
                if self.delete("DeleteSubnet", "SubnetId", &id, free) {
                    self.model.subnets.remove(&id);
                }
                Some(())
            }
            Call::CreateAcl(n) => {
                let vpc = pick(&self.model.vpcs, n)?;
                let input = map! { "VpcId" => vpc.as_str() };
                let made = self.expect("CreateNetworkAcl", input, true)?;
                let id = text(made.get("NetworkAcl"), "NetworkAclId");
                let (is_default, entries) = (false, BTreeMap::new());
                let acl = Acl {
                    vpc,
                    is_default,
                    entries,
                };
                self.model.acls.insert(id, acl);
                Some(())
            }
            Call::DeleteAcl(n) => {
                let id = pick(&self.model.acls, n)?;
                let used = self.model.subnets.values().any(|s| s.acl == id);
                let good = !used && !self.model.acls[&id].is_default;
                if self.delete("DeleteNetworkAcl", "NetworkAclId", &id, good) {
                    self.model.acls.remove(&id);
                }
                Some(())
            }
            Call::MoveSubnet { subnet, acl } => self.move_subnet(subnet, acl),
            Call::Entry {
                acl,
                number,
                egress,
                allow,
                verb,
            } => self.entry(acl, i64::from(number) * 50 + 100, egress, allow, verb),
            Call::CreateInternet => {
                let made = self.expect("CreateInternetGateway", map! {}, true)?;
                let id = text(made.get("InternetGateway"), "InternetGatewayId");
                self.model.internet.insert(id, None);
                Some(())
            }
            Call::Attach { gateway, vpc } => {
                let id = pick(&self.model.internet, gateway)?;
                let vpc = pick(&self.model.vpcs, vpc)?;
                let free = self.model.internet[&id].is_none() && !self.online(&vpc);
                let input = map! { "InternetGatewayId" => id.as_str(), "VpcId" => vpc.as_str() };
                self.expect("AttachInternetGateway", input, free)?;
                self.model.internet.insert(id, Some(vpc));
                Some(())
            }
            Call::Detach { gateway, vpc } => {
                let id = pick(&self.model.internet, gateway)?;
                let vpc = pick(&self.model.vpcs, vpc)?;
                let mut bound = self.model.addresses.values().flatten();
                let mapped = bound.any(|(eni, _)| self.vpc_of(eni) == vpc);
                let good = self.model.internet[&id].as_ref() == Some(&vpc) && !mapped;
                let input = map! { "InternetGatewayId" => id.as_str(), "VpcId" => vpc.as_str() };
                self.expect("DetachInternetGateway", input, good)?;
                self.model.internet.insert(id, None);
                Some(())
            }
            Call::CreateEgressOnly(n) => {
                let vpc = pick(&self.model.vpcs, n)?;
                let input = map! { "VpcId" => vpc.as_str() };
                let made = self.expect("CreateEgressOnlyInternetGateway", input, true)?;
                let made = made.get("EgressOnlyInternetGateway");
                let id = text(made, "EgressOnlyInternetGatewayId");
                self.model.egress_only.insert(id, vpc);
                Some(())
            }
            Call::DeleteEgressOnly(n) => {
                let id = pick(&self.model.egress_only, n)?;
                let name = "DeleteEgressOnlyInternetGateway";
                if self.delete(name, "EgressOnlyInternetGatewayId", &id, true) {
                    self.model.egress_only.remove(&id);
                }
                Some(())
            }
            Call::CreateInterface { subnet, more } => self.create_interface(subnet, more),
            Call::DeleteInterface(n) => {
                let id = pick(&self.model.interfaces, n)?;
                let good = !self.model.interfaces[&id].of_nat;
                if self.delete("DeleteNetworkInterface", "NetworkInterfaceId", &id, good) {
                    self.model.interfaces.remove(&id);
                    self.unbind(&id, None);
                }
                Some(())
            }
            Call::AssignCount { interface, count } => {
                let id = pick(&self.model.interfaces, interface)?;
                let there = &self.model.interfaces[&id];
                let good = !there.of_nat && self.free(&there.subnet) >= usize::from(count);
                let input = map! {
                    "NetworkInterfaceId" => id.as_str(),
                    "SecondaryPrivateIpAddressCount" => i64::from(count),
                };
                let made = self.expect("AssignPrivateIpAddresses", input, good)?;
                let new = each(&made, "AssignedPrivateIpAddresses", "PrivateIpAddress");
                self.model.interfaces.get_mut(&id)?.secondary.extend(new);
                Some(())
            }
            Call::AssignNamed {
                interface,
                host,
                take,
                twice,
            } => self.assign_named(interface, host, take, twice),
            Call::Unassign { interface, nth } => {
                let id = pick(&self.model.interfaces, interface)?;
                let secondary = &self.model.interfaces[&id].secondary;
                let nth = usize::from(nth) % secondary.len().max(1);
                let ip = secondary.iter().nth(nth)?.clone();
                let input = map! {
                    "NetworkInterfaceId" => id.as_str(), "PrivateIpAddresses" => list![ip.as_str()],
                };
                self.expect("UnassignPrivateIpAddresses", input, true)?;
                self.model.interfaces.get_mut(&id)?.secondary.remove(&ip);
                self.unbind(&id, Some(&ip));
                Some(())
            }
            Call::Allocate => {
                let made = self.expect("AllocateAddress", map! {}, true)?;
                self.model
                    .addresses
                    .insert(text(&made, "AllocationId"), None);
                Some(())
            }
            Call::Release(n) => {
                let id = pick(&self.model.addresses, n)?;
                let free = self.model.addresses[&id].is_none();
                if self.delete("ReleaseAddress", "AllocationId", &id, free) {
                    self.model.addresses.remove(&id);
                }
                Some(())
            }
            Call::Associate {
                address,
                interface,
                nth,
                again,
            } => self.associate(address, interface, nth, again),
            Call::Disassociate(n) => {
                let id = pick(&self.model.addresses, n)?;
                let (eni, _) = self.model.addresses[&id].as_ref()?;
                let good = !self.model.interfaces[eni].of_nat;
                let mine = map! { "AllocationIds" => list![id.as_str()] };
                let shown = self.driver.world.ec2("DescribeAddresses", mine);
                let input = map! {
                    "AssociationId" => text(one(&shown, "Addresses"), "AssociationId"),
                };
                self.expect("DisassociateAddress", input, good)?;
                self.model.addresses.insert(id, None);
                Some(())
            }
            Call::CreateNat { subnet, address } => self.create_nat(subnet, address),
            Call::DeleteNat(n) => {
                let id = pick(&self.model.nats, n)?;
                if self.delete("DeleteNatGateway", "NatGatewayId", &id, true) {
                    let eni = self.model.nats.remove(&id)?;
                    self.model.interfaces.remove(&eni);
                    self.unbind(&eni, None);
                }
                Some(())
            }
            Call::DeleteAgain(n) => {
                self.driver.delete_again(&self.model, n);
                Some(())
            }
        }
    }

    fn create_vpc(&mut self) -> Option<()> {
        let input = map! { "CidrBlock" => "10.0.0.0/16" };
        let made = self.expect("CreateVpc", input, true)?;
        let vpc = text(made.get("Vpc"), "VpcId");
        let filters = list![filter("vpc-id", &[&vpc]), filter("default", &["true"])];
        let input = map! { "Filters" => filters };
        let shown = self.driver.world.ec2("DescribeNetworkAcls", input);
        let id = text(one(&shown, "NetworkAcls"), "NetworkAclId");
        let acl = Acl {
            vpc: vpc.clone(),
            is_default: true,
            entries: [((true, 100), true), ((false, 100), true)].into(),
        };
        self.model.acls.insert(id, acl);
        self.model.vpcs.insert(vpc, BTreeMap::new());
        Some(())
    }

    fn create_subnet(&mut self, vpc: u8, place: u8) -> Option<()> {
        let vpc = pick(&self.model.vpcs, vpc)?;
        let start = match place {
            0..3 => format!("10.0.{place}"),
            _ => format!("100.64.{}", place - 3),
        };
        let mut blocks = self.model.vpcs[&vpc].values();
        let inside = place < 3 || blocks.any(|block| *block == place - 3);
        let mut subnets = self.model.subnets.values();
        let free = !subnets.any(|s| s.vpc == vpc && s.start == start);
        let input = map! { "VpcId" => vpc.as_str(), "CidrBlock" => format!("{start}.0/28") };
        let made = self.expect("CreateSubnet", input, inside && free)?;
        let id = text(made.get("Subnet"), "SubnetId");
        let mut acls = self.model.acls.iter();
        let (acl, _) = acls.find(|(_, acl)| acl.is_default && acl.vpc == vpc)?;
        let acl = acl.clone();
        self.model.subnets.insert(id, Subnet { vpc, start, acl });
        Some(())
    }

    fn move_subnet(&mut self, subnet: u8, acl: u8) -> Option<()> {
        let id = pick(&self.model.subnets, subnet)?;
        let to = pick(&self.model.acls, acl)?;
        let good = self.model.acls[&to].vpc == self.model.subnets[&id].vpc;
        let filters = list![filter("association.subnet-id", &[&id])];
        let input = map! { "Filters" => filters };
        let shown = self.driver.world.ec2("DescribeNetworkAcls", input);
        let all = one(&shown, "NetworkAcls").get("Associations").list();
        let is_it = |a: &&Value| text(a, "SubnetId") == id;
        let input = map! {
            "AssociationId" => text(all.iter().find(is_it)?, "NetworkAclAssociationId"),
            "NetworkAclId" => to.as_str(),
        };
        self.expect("ReplaceNetworkAclAssociation", input, good)?;
        self.model.subnets.get_mut(&id)?.acl = to;
        Some(())
    }

    fn entry(&mut self, acl: u8, number: i64, egress: bool, allow: bool, verb: Verb) -> Option<()> {
        let id = pick(&self.model.acls, acl)?;
        let there = self.model.acls[&id].entries.contains_key(&(egress, number));
        let mut input = map! {
            "NetworkAclId" => id.as_str(), "RuleNumber" => number, "Egress" => egress,
        };
        if !matches!(verb, Verb::Delete) {
            let rest = [
                ("Protocol", "-1"),
                ("CidrBlock", "0.0.0.0/0"),
                ("RuleAction", if allow { "allow" } else { "deny" }),
            ];
            for (name, value) in rest {
                input.map_mut()?.insert(name, value);
            }
        }
        let (name, good) = match verb {
            Verb::Create => ("CreateNetworkAclEntry", !there),
            Verb::Replace => ("ReplaceNetworkAclEntry", there),
            Verb::Delete => ("DeleteNetworkAclEntry", there),
        };
        self.expect(name, input, good)?;
        let entries = &mut self.model.acls.get_mut(&id)?.entries;
        match verb {
            Verb::Delete => entries.remove(&(egress, number)),
            _ => entries.insert((egress, number), allow),
        };
        Some(())
    }

    fn create_interface(&mut self, subnet: u8, more: u8) -> Option<()> {
        let subnet = pick(&self.model.subnets, subnet)?;
        let good = self.free(&subnet) > usize::from(more);
        let mut input = map! { "SubnetId" => subnet.as_str() };
        if more > 0 {
            let count = i64::from(more);
            input
                .map_mut()?
                .insert("SecondaryPrivateIpAddressCount", count);
        }
        let made = self.expect("CreateNetworkInterface", input, good)?;
        let made = made.get("NetworkInterface");
        let primary = text(made, "PrivateIpAddress");
        let all = each(made, "PrivateIpAddresses", "PrivateIpAddress");
        let secondary: BTreeSet<_> = all.into_iter().filter(|ip| *ip != primary).collect();
        assert_eq!(secondary.len(), usize::from(more));
        let interface = Interface {
            subnet,
            primary,
            secondary,
            of_nat: false,
        };
        let id = text(made, "NetworkInterfaceId");
        self.model.interfaces.insert(id, interface);
        Some(())
    }

    fn assign_named(&mut self, interface: u8, host: u8, take: bool, twice: bool) -> Option<()> {
        let id = pick(&self.model.interfaces, interface)?;
        let there = &self.model.interfaces[&id];
        let ip = format!("{}.{host}", self.model.subnets[&there.subnet].start);
        let mut others = self.model.interfaces.iter();
        let other = others.find(|(_, i)| i.subnet == there.subnet && i.has(&ip));
        let free = match other {
            Some((of, _)) if *of == id => true,
            Some((_, of)) => take && !twice && of.secondary.contains(&ip),
            None => !twice && (4..15).contains(&host),
        };
        let from = other.map(|(of, _)| of.clone());
        let named = vec![ip.as_str(); if twice { 2 } else { 1 }];
        let input = map! {
            "NetworkInterfaceId" => id.as_str(), "PrivateIpAddresses" => named,
            "AllowReassignment" => take,
        };
        self.expect("AssignPrivateIpAddresses", input, !there.of_nat && free)?;
        match from {
            Some(from) if from == id => return Some(()),
            Some(from) => {
                self.model.interfaces.get_mut(&from)?.secondary.remove(&ip);
                self.unbind(&from, Some(&ip));
            }
            None => {}
        }
        self.model.interfaces.get_mut(&id)?.secondary.insert(ip);
        Some(())
    }

    fn associate(&mut self, address: u8, interface: u8, nth: u8, again: bool) -> Option<()> {
        let id = pick(&self.model.addresses, address)?;
        let eni = pick(&self.model.interfaces, interface)?;
        let to = &self.model.interfaces[&eni];
        let nth = usize::from(nth) % (1 + to.secondary.len());
        let mut all = std::iter::once(&to.primary).chain(&to.secondary);
        let bound = (eni.clone(), all.nth(nth)?.clone());
        let movable = match &self.model.addresses[&id] {
            None => true,
            Some(there) if *there == bound => true,
            Some((from, _)) => again && !self.model.interfaces[from].of_nat,
        };
        let good = movable && !to.of_nat && self.online(self.vpc_of(&eni));
        let input = map! {
            "AllocationId" => id.as_str(), "NetworkInterfaceId" => eni.as_str(),
            "PrivateIpAddress" => bound.1.as_str(), "AllowReassociation" => again,
        };
        self.expect("AssociateAddress", input, good)?;
        self.unbind(&eni, Some(&bound.1));
        self.model.addresses.insert(id, Some(bound));
        Some(())
    }

    fn create_nat(&mut self, subnet: u8, address: Option<u8>) -> Option<()> {
        let subnet = pick(&self.model.subnets, subnet)?;
        let address = match address {
            Some(n) => Some(pick(&self.model.addresses, n)?),
            None => None,
        };
        let room = self.free(&subnet) > 0;
        let mut input = map! { "SubnetId" => subnet.as_str() };
        let good = match &address {
            Some(id) => {
                input.map_mut()?.insert("AllocationId", id.as_str());
                let vpc = &self.model.subnets[&subnet].vpc;
                room && self.model.addresses[id].is_none() && self.online(vpc)
            }
            None => {
                input.map_mut()?.insert("ConnectivityType", "private");
                room
            }
        };
        let made = self.expect("CreateNatGateway", input, good)?;
        let made = made.get("NatGateway");
        let at = one(made, "NatGatewayAddresses");
        let (eni, primary) = (text(at, "NetworkInterfaceId"), text(at, "PrivateIp"));
        let interface = Interface {
            subnet,
            primary: primary.clone(),
            secondary: BTreeSet::new(),
            of_nat: true,
        };
        self.model.interfaces.insert(eni.clone(), interface);
        if let Some(id) = address {
            let bound = Some((eni.clone(), primary));
            self.model.addresses.insert(id, bound);
        }
        self.model.nats.insert(text(made, "NatGatewayId"), eni);
        Some(())
    }

    /// What the API shows is what the model says.
    fn check(&self) {
        self.driver.check();
        let (model, world) = (&self.model, &self.driver.world);
        let shown = world.ec2("DescribeVpcs", map! {});
        let mut vpcs = BTreeMap::new();
        for vpc in shown.get("Vpcs").list() {
            let blocks = vpc.get("CidrBlockAssociationSet").list().iter();
            let blocks = blocks.map(|b| (text(b, "AssociationId"), text(b, "CidrBlock")));
            let blocks = blocks.filter(|(_, block)| block != "10.0.0.0/16");
            vpcs.insert(text(vpc, "VpcId"), blocks.collect::<BTreeMap<_, _>>());
        }
        let blocks = |of: &BTreeMap<String, u8>| {
            let block = |(id, n): (&String, &u8)| (id.clone(), format!("100.64.{n}.0/24"));
            of.iter().map(block).collect::<BTreeMap<_, _>>()
        };
        let wanted = model.vpcs.iter().map(|(id, of)| (id.clone(), blocks(of)));
        assert_eq!(vpcs, wanted.collect());

        let shown = world.ec2("DescribeSubnets", map! {});
        for subnet in shown.get("Subnets").list() {
            let free = subnet.get("AvailableIpAddressCount").int();
            let wanted = self.free(&text(subnet, "SubnetId"));
            assert_eq!(free, i64::try_from(wanted).ok(), "{subnet:?}");
        }
        assert_eq!(shown.get("Subnets").list().len(), model.subnets.len());
        self.check_acls();
        self.check_interfaces();

        let gateways = self.driver.shown(
            "DescribeEgressOnlyInternetGateways",
            "EgressOnlyInternetGateways",
            "EgressOnlyInternetGatewayId",
        );
        assert_eq!(gateways, keys(&model.egress_only));
        let nats = self
            .driver
            .shown("DescribeNatGateways", "NatGateways", "NatGatewayId");
        assert_eq!(nats, keys(&model.nats));
    }

    fn check_acls(&self) {
        let shown = self.driver.world.ec2("DescribeNetworkAcls", map! {});
        let mut subnets = BTreeMap::new();
        for acl in shown.get("NetworkAcls").list() {
            let id = text(acl, "NetworkAclId");
            let known = self
                .model
                .acls
                .get(&id)
                .expect("an ACL that was made and not deleted");
            assert_eq!(acl.get("IsDefault").bool(), Some(known.is_default));
            let entry = |e: &Value| {
                let (egress, number) = (e.get("Egress").bool()?, e.get("RuleNumber").int()?);
                let own = number < 32767;
                own.then(|| ((egress, number), text(e, "RuleAction") == "allow"))
            };
            let entries = acl.get("Entries").list().iter();
            let entries: BTreeMap<_, _> = entries.filter_map(entry).collect();
            assert_eq!(entries, known.entries, "{id}");
            for association in acl.get("Associations").list() {
                subnets.insert(text(association, "SubnetId"), id.clone());
            }
        }
        assert_eq!(shown.get("NetworkAcls").list().len(), self.model.acls.len());
        let wanted = self.model.subnets.iter();
        let wanted = wanted.map(|(id, subnet)| (id.clone(), subnet.acl.clone()));
        assert_eq!(subnets, wanted.collect());
    }

    fn check_interfaces(&self) {
        let (model, world) = (&self.model, &self.driver.world);
        let shown = world.ec2("DescribeAddresses", map! {});
        let mut addresses = BTreeMap::new();
        // What leads where, by interface and private address.
        let mut public = BTreeMap::new();
        for address in shown.get("Addresses").list() {
            let bound = address.get("NetworkInterfaceId").str().map(str::to_string);
            let bound = bound.map(|eni| (eni, text(address, "PrivateIpAddress")));
            if let Some(bound) = &bound {
                public.insert(bound.clone(), text(address, "PublicIp"));
            }
            addresses.insert(text(address, "AllocationId"), bound);
        }
        assert_eq!(addresses, model.addresses);

        let shown = world.ec2("DescribeNetworkInterfaces", map! {});
        let mut seen = BTreeMap::new();
        for eni in shown.get("NetworkInterfaces").list() {
            let id = text(eni, "NetworkInterfaceId");
            let known = model
                .interfaces
                .get(&id)
                .expect("one that was made and not deleted");
            assert_eq!(text(eni, "PrivateIpAddress"), known.primary);
            let all = eni.get("PrivateIpAddresses").list();
            for address in all {
                let ip = text(address, "PrivateIpAddress");
                assert!(known.has(&ip), "{id} has {ip}");
                if let Some(public) = address.get("Association").get("PublicIp").str() {
                    seen.insert((id.clone(), ip), public.to_string());
                }
            }
            assert_eq!(all.len(), 1 + known.secondary.len());
            let status = if known.of_nat { "in-use" } else { "available" };
            assert_eq!(text(eni, "Status"), status);
        }
        assert_eq!(seen, public);
        assert_eq!(
            shown.get("NetworkInterfaces").list().len(),
            model.interfaces.len()
        );
        let gateways = world.ec2("DescribeInternetGateways", map! {});
        for gateway in gateways.get("InternetGateways").list() {
            let attached = each(gateway, "Attachments", "VpcId").pop();
            let id = text(gateway, "InternetGatewayId");
            assert_eq!(model.internet.get(&id), Some(&attached));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn addresses_and_what_has_them(calls in prop::collection::vec(call(), 1..100)) {
        let mut machine = Machine { driver: Driver::new(), model: Model::default() };
        for call in [
            Call::CreateVpc, Call::CreateInternet, Call::Attach { gateway: 0, vpc: 0 },
            Call::CreateSubnet { vpc: 0, place: 0 }, Call::Allocate,
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
