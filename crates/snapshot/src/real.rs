//! What the network plane makes true: the one list that the API refuses by and documents cite.
//!
//! A feature that is modelled and not on [`REAL`] is answered with `UnsupportedOperation` when
//! somebody wants to create it, so that nothing is ever shown that does nothing. Whoever makes a
//! feature real adds it here, in the same change as its tests with packets.

/// A feature of VPC networking that needs packets to be treated in a way of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Network ACLs other than "allow everything".
    NetworkAcls,
    /// Secondary IPv4 blocks of VPCs.
    SecondaryCidrs,
    /// IPv6 blocks, addresses and routes.
    Ipv6,
    /// NAT gateways.
    NatGateways,
    /// Egress-only internet gateways.
    EgressOnlyGateways,
    /// Elastic IPs.
    ElasticIps,
    /// Further private addresses of interfaces.
    SecondaryAddresses,
    /// Virtual private gateways, with sites behind VPN connections.
    VpnGateways,
    /// Peering connections.
    Peering,
    /// Route tables of gateways.
    EdgeRouteTables,
    /// Local routes led through an interface.
    LocalOverrides,
    /// Routes to prefix lists.
    PrefixListRoutes,
    /// DHCP options other than the default ones.
    DhcpOptions,
    /// Flow logs.
    FlowLogs,
}

/// What is real now.
pub const REAL: &[Feature] = &[
    Feature::NetworkAcls,
    Feature::SecondaryCidrs,
    Feature::Ipv6,
    Feature::NatGateways,
    Feature::EgressOnlyGateways,
    Feature::ElasticIps,
    Feature::SecondaryAddresses,
    Feature::VpnGateways,
    Feature::Peering,
    Feature::EdgeRouteTables,
    Feature::LocalOverrides,
    Feature::PrefixListRoutes,
    Feature::DhcpOptions,
    Feature::FlowLogs,
];

impl Feature {
    /// Whether packets are treated so.
    pub fn is_real(self) -> bool {
        REAL.contains(&self)
    }

    /// What it is called in refusals.
    pub fn name(self) -> &'static str {
        match self {
            Feature::NetworkAcls => "network ACLs",
            Feature::SecondaryCidrs => "secondary CIDR blocks",
            Feature::Ipv6 => "IPv6",
            Feature::NatGateways => "NAT gateways",
            Feature::EgressOnlyGateways => "egress-only internet gateways",
            Feature::ElasticIps => "Elastic IP addresses",
            Feature::SecondaryAddresses => "secondary private addresses",
            Feature::VpnGateways => "virtual private gateways",
            Feature::Peering => "VPC peering connections",
            Feature::EdgeRouteTables => "gateway route tables",
            Feature::LocalOverrides => "replaced local routes",
            Feature::PrefixListRoutes => "routes to prefix lists",
            Feature::DhcpOptions => "DHCP options",
            Feature::FlowLogs => "flow logs",
        }
    }
}
