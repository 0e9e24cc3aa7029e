//! Peering connections as one of their VPCs sees them.

use std::collections::BTreeSet;
use std::sync::Arc;

use adit_model::*;
use ipnet::IpNet;

/// An accepted peering connection, from one side.
#[derive(Debug, Clone)]
pub struct PeeringView {
    /// The connection.
    pub connection: Arc<VpcPeeringConnection>,
    /// Its number in this VPC.
    pub number: u16,
    /// Whether this VPC is the requester.
    pub requester: bool,
    /// The VPC at the other side.
    pub other: VpcId,
    /// The other VPC's blocks.
    pub blocks: Vec<IpNet>,
}

/// The connections over which packets pass: accepted, and both VPCs there.
pub(super) fn build_peerings(intent: &Intent, vpc: &VpcId) -> Vec<PeeringView> {
    let connections = intent.in_vpc::<VpcPeeringConnection>(vpc);
    connections
        .filter(|connection| connection.is_active())
        .filter_map(|connection| {
            let (own, other) = connection.sides(vpc)?;
            let there = intent.get::<Vpc>(&other.vpc)?;
            let v4 = there.cidrs.iter().map(|block| IpNet::V4(block.cidr));
            let v6 = there.ipv6.iter().map(|block| IpNet::V6(block.cidr));
            Some(PeeringView {
                connection: connection.clone(),
                number: own.number,
                requester: connection.requester.vpc == *vpc,
                other: other.vpc.clone(),
                blocks: v4.chain(v6).collect(),
            })
        })
        .collect()
}

/// Whether rules of one VPC may name groups of another: only within a Region.
pub(super) fn share_groups(intent: &Intent, vpc: &VpcId, other: &VpcId) -> bool {
    let mut connections = intent.in_vpc::<VpcPeeringConnection>(vpc);
    connections.any(|connection| {
        let there = connection
            .sides(vpc)
            .is_some_and(|(_, side)| side.vpc == *other);
        connection.carries_groups() && there
    })
}

/// The VPCs that a change of this one is to be built for too: its peers, when its blocks changed, and
/// those whose rules name its groups, when an interface came, went or changed.
pub(crate) fn neighbours(intent: &Intent, vpc: &VpcId, kind: Kind) -> BTreeSet<String> {
    let peers = intent.in_vpc::<VpcPeeringConnection>(vpc);
    let peers = peers.filter_map(|connection| Some(connection.sides(vpc)?.1.vpc.clone()));
    match kind {
        Kind::Vpc | Kind::VpcPeeringConnection => peers.map(|peer| peer.to_string()).collect(),
        Kind::NetworkInterface | Kind::SecurityGroup => peers
            .filter(|peer| names_groups_of(intent, peer, vpc))
            .map(|peer| peer.to_string())
            .collect(),
        _ => BTreeSet::new(),
    }
}

fn names_groups_of(intent: &Intent, vpc: &VpcId, other: &VpcId) -> bool {
    let rules = intent
        .in_vpc::<SecurityGroup>(vpc)
        .flat_map(|group| &group.rules);
    let mut named = rules.filter_map(|rule| match &rule.peer {
        RulePeer::Group(id) => Some(id),
        _ => None,
    });
    named.any(|id| {
        intent
            .get::<SecurityGroup>(id)
            .is_none_or(|group| group.vpc == *other)
    })
}
