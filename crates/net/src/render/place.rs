//! Where the pieces of a VPC are, for those who open sockets there: names of namespaces and devices.

use adit_model::{
    NatGatewayId, NetworkInterfaceId, ResolverEndpointId, SiteName, VpcEndpointId, VpcId,
    VpcPeeringConnectionId,
};

/// The namespace of a VPC's router.
pub fn router(vpc: &VpcId) -> String {
    vpc.to_string()
}

/// The namespace of an endpoint.
pub fn endpoint(id: &VpcEndpointId) -> String {
    id.to_string()
}

/// The namespace of a resolver endpoint.
pub fn resolver(id: &ResolverEndpointId) -> String {
    id.to_string()
}

/// The namespace of an instance.
pub fn instance(id: &NetworkInterfaceId) -> String {
    id.to_string()
}

/// The namespace of a NAT gateway.
pub fn nat_gateway(id: &NatGatewayId) -> String {
    id.to_string()
}

/// The namespace, and the group, of a peering connection.
pub fn peering(id: &VpcPeeringConnectionId) -> String {
    id.to_string()
}

/// The namespace of an internet gateway.
pub fn internet_gateway(vpc: &VpcId) -> String {
    format!("{vpc}-igw")
}

/// The namespace of a site.
pub fn site(name: &SiteName) -> String {
    format!("site-{name}")
}

/// The device of an interface inside its endpoint's namespace.
pub fn endpoint_device(id: &NetworkInterfaceId) -> String {
    format!("e-{}", short(id.digits()))
}

/// The router's device of a peering connection, by its number at this side.
pub fn peering_device(number: u16) -> String {
    super::peering::device(number)
}

/// The device of a site's namespace behind which its real network is.
pub const SITE_LAN: &str = "lan";

/// The router's device of an interface.
pub fn port_device(id: &NetworkInterfaceId) -> String {
    format!("p-{}", short(id.digits()))
}

/// The router's device of a gateway endpoint.
pub fn gateway_device(id: &VpcEndpointId) -> String {
    format!("g-{}", short(id.digits()))
}

/// The router's device of a site, by the site's number in its VPC.
pub fn site_device(number: u16) -> String {
    format!("s-{number}")
}

/// The router's device of the internet gateway.
pub const INTERNET_GATEWAY_DEVICE: &str = "igw";

/// The last twelve digits of an id: unique enough inside one router, short enough for a device.
pub(super) fn short(digits: &str) -> &str {
    digits
        .get(digits.len().saturating_sub(12)..)
        .unwrap_or(digits)
}
