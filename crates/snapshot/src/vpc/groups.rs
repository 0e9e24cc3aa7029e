//! Security groups with their peers as addresses.

use adit_model::*;
use ipnet::IpNet;

use super::peering;
use super::{GroupView, PeerSet, ResolvedRule};

pub(super) fn build_group(intent: &Intent, group: &SecurityGroup) -> GroupView {
    let rules = |egress: bool| {
        let mut rules: Vec<ResolvedRule> = group
            .rules
            .iter()
            .filter(|rule| rule.egress == egress)
            .map(|rule| ResolvedRule {
                protocol: rule.protocol,
                ports: rule.from_port.zip(rule.to_port),
                peers: peers(intent, &group.vpc, &rule.peer),
            })
            .collect();
        rules.sort();
        rules.dedup();
        rules
    };
    GroupView {
        id: group.id.clone(),
        ingress: rules(false),
        egress: rules(true),
    }
}

fn peers(intent: &Intent, vpc: &VpcId, peer: &RulePeer) -> PeerSet {
    match peer {
        RulePeer::Cidr(block) => PeerSet::Cidr(*block),
        RulePeer::PrefixList(id) => PeerSet::Named {
            name: id.to_string(),
            blocks: intent
                .get::<PrefixList>(id)
                .map(|list| list.entries.clone())
                .unwrap_or_default(),
        },
        RulePeer::Group(id) => PeerSet::Named {
            name: id.to_string(),
            blocks: members(intent, vpc, id),
        },
    }
}

/// The addresses of a group's members. A group of another VPC counts while the two are peered in
/// one Region; otherwise the reference is stale and matches nobody, as on AWS.
fn members(intent: &Intent, vpc: &VpcId, id: &SecurityGroupId) -> Vec<IpNet> {
    let Some(group) = intent.get::<SecurityGroup>(id) else {
        return Vec::new();
    };
    if group.vpc != *vpc && !peering::share_groups(intent, vpc, &group.vpc) {
        return Vec::new();
    }
    let interfaces = intent.in_vpc::<NetworkInterface>(&group.vpc);
    let members = interfaces.filter(|eni| eni.groups.contains(id));
    members
        .flat_map(|eni| {
            let v4 = eni.private_ips().map(std::net::IpAddr::V4);
            v4.chain(eni.ipv6.iter().copied().map(std::net::IpAddr::V6))
        })
        .map(IpNet::from)
        .collect()
}
