//! What an operation needs of the network plane: the table by which the API refuses to make what
//! no packet would notice.

use adit_snapshot::Feature;
use adit_wire::Value;

use crate::call::Planes;
use crate::input::Input;
use crate::refusal::Refusal;

/// Operations that need a feature whatever they are asked for.
const ALWAYS: &[(&str, Feature)] = &[
    ("CreateNetworkAcl", Feature::NetworkAcls),
    ("CreateNetworkAclEntry", Feature::NetworkAcls),
    ("ReplaceNetworkAclEntry", Feature::NetworkAcls),
    ("DeleteNetworkAclEntry", Feature::NetworkAcls),
    ("CreateNatGateway", Feature::NatGateways),
    ("AllocateAddress", Feature::ElasticIps),
    ("AssignPrivateIpAddresses", Feature::SecondaryAddresses),
    ("CreateVpnGateway", Feature::VpnGateways),
    ("CreateVpcPeeringConnection", Feature::Peering),
    ("CreateDhcpOptions", Feature::DhcpOptions),
    ("AssociateSubnetCidrBlock", Feature::Ipv6),
    ("DisassociateSubnetCidrBlock", Feature::Ipv6),
    ("AssignIpv6Addresses", Feature::Ipv6),
    ("UnassignIpv6Addresses", Feature::Ipv6),
    (
        "CreateEgressOnlyInternetGateway",
        Feature::EgressOnlyGateways,
    ),
    (
        "DeleteEgressOnlyInternetGateway",
        Feature::EgressOnlyGateways,
    ),
    (
        "DescribeEgressOnlyInternetGateways",
        Feature::EgressOnlyGateways,
    ),
    ("CreateFlowLogs", Feature::FlowLogs),
];

/// Whether packets follow everything that an operation makes: else it is always refused.
pub(crate) fn is_real(operation: &str) -> bool {
    let mut needed = ALWAYS.iter().filter(|(name, _)| *name == operation);
    needed.all(|(_, feature)| feature.is_real())
}

/// Operations that need a feature when a parameter is given.
const WITH: &[(&str, &str, Feature)] = &[
    ("CreateVpc", "AmazonProvidedIpv6CidrBlock", Feature::Ipv6),
    (
        "AssociateVpcCidrBlock",
        "CidrBlock",
        Feature::SecondaryCidrs,
    ),
    (
        "AssociateVpcCidrBlock",
        "AmazonProvidedIpv6CidrBlock",
        Feature::Ipv6,
    ),
    ("CreateSubnet", "Ipv6CidrBlock", Feature::Ipv6),
    ("CreateNetworkInterface", "Ipv6Addresses", Feature::Ipv6),
    ("CreateNetworkInterface", "Ipv6AddressCount", Feature::Ipv6),
    (
        "CreateNetworkInterface",
        "SecondaryPrivateIpAddressCount",
        Feature::SecondaryAddresses,
    ),
    ("AssociateRouteTable", "GatewayId", Feature::EdgeRouteTables),
    (
        "CreateRoute",
        "DestinationPrefixListId",
        Feature::PrefixListRoutes,
    ),
    ("CreateRoute", "DestinationIpv6CidrBlock", Feature::Ipv6),
    ("CreateNetworkAclEntry", "Ipv6CidrBlock", Feature::Ipv6),
    ("ReplaceNetworkAclEntry", "Ipv6CidrBlock", Feature::Ipv6),
];

/// Operations that need a feature when a parameter has one of these values.
const SAYING: &[(&str, &str, &[&str], Feature)] = &[
    (
        "CreateVpcEndpoint",
        "IpAddressType",
        &["ipv6", "dualstack"],
        Feature::Ipv6,
    ),
    (
        "ModifyVpcEndpoint",
        "IpAddressType",
        &["ipv6", "dualstack"],
        Feature::Ipv6,
    ),
];

/// What an operation needs with this input.
fn needed<'a>(operation: &'a str, input: Input<'a>) -> impl Iterator<Item = Feature> + 'a {
    let always = ALWAYS.iter().filter(move |(name, _)| *name == operation);
    let with = WITH.iter().filter(move |(name, parameter, _)| {
        *name == operation && !matches!(input.get(parameter), Value::Null | Value::Bool(false))
    });
    let saying = SAYING.iter().filter(move |(name, parameter, values, _)| {
        *name == operation
            && input
                .text(parameter)
                .is_some_and(|text| values.contains(&text))
    });
    always
        .map(|(_, feature)| *feature)
        .chain(with.map(|(_, _, feature)| *feature))
        .chain(saying.map(|(.., feature)| *feature))
}

/// Refuses an operation that needs what the planes do not carry.
pub(crate) fn check(operation: &str, input: Input<'_>, planes: &dyn Planes) -> Result<(), Refusal> {
    match needed(operation, input).find(|feature| !planes.carries(*feature)) {
        None => Ok(()),
        Some(feature) => Err(Refusal::unsupported(format!(
            "The operation {operation} is not supported: packets do not follow {} yet.",
            feature.name()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use adit_wire::Service;

    use super::*;

    #[test]
    fn every_name_is_one_of_the_service() {
        let table = Service::Ec2.table().unwrap();
        for (name, _) in ALWAYS {
            assert!(table.operation(name).is_some(), "{name}");
        }
        let saying = SAYING.iter().map(|(name, parameter, ..)| (name, parameter));
        let with = WITH.iter().map(|(name, parameter, _)| (name, parameter));
        for (name, parameter) in with.chain(saying) {
            let input = table.operation(name).unwrap().input.unwrap();
            let members = table.shape(input).structure().unwrap().members.iter();
            let mut members = members.map(|member| member.name);
            assert!(
                members.any(|member| member == *parameter),
                "{name} {parameter}"
            );
        }
    }

    #[test]
    fn a_value_needs_what_another_does_not() {
        for (kind, expected) in [
            ("ipv4", None),
            ("ipv6", Some(Feature::Ipv6)),
            ("dualstack", Some(Feature::Ipv6)),
        ] {
            let input = adit_wire::map! { "IpAddressType" => kind };
            for operation in ["CreateVpcEndpoint", "ModifyVpcEndpoint"] {
                assert_eq!(needed(operation, Input(&input)).next(), expected);
            }
        }
    }
}
