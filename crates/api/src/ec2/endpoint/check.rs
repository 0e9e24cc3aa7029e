//! The checks that creating and changing an endpoint share, with AWS's codes [ec2-api §5].

use std::collections::BTreeSet;
use std::sync::Arc;

use adit_model::*;
use adit_wire::Value;

use crate::context::Ctx;
use crate::ec2::endpoint_service::{self, Offer};
use crate::ec2::{prefix_list, route};
use crate::input::malformed;
use crate::policies;
use crate::quotas;
use crate::refusal::Refusal;
use crate::route53;

/// A route table that a gateway endpoint of this VPC may use: it exists there, leads to no other
/// endpoint of the service, and has room.
pub(super) fn route_table(
    intent: &Intent,
    ctx: &Ctx,
    vpc: &VpcId,
    service: &str,
    id: &str,
) -> Result<Arc<RouteTable>, Refusal> {
    id.parse::<RouteTableId>()
        .map_err(|error| malformed("InvalidRouteTableId.Malformed", "Id", &error))?;
    let table = ctx.find::<RouteTable>(intent, id).map_err(|_| {
        Refusal::new(
            "InvalidRouteTableId.NotFound",
            format!("The routeTable ID '{id}' does not exist"),
        )
    })?;
    if table.vpc != *vpc {
        return Err(Refusal::invalid(format!(
            "Route table {id} does not belong to VPC {vpc}."
        )));
    }
    let uses = |endpoint: &VpcEndpoint| match &endpoint.kind {
        EndpointKind::Gateway { route_tables } => {
            endpoint.service == service && route_tables.contains(&table.id)
        }
        EndpointKind::Interface { .. } => false,
    };
    if intent
        .in_vpc::<VpcEndpoint>(vpc)
        .any(|endpoint| uses(endpoint))
    {
        let list = prefix_list::of_service(intent, service);
        let list = list.map_or_else(String::new, |list| list.id.to_string());
        return Err(Refusal::new(
            "RouteAlreadyExists",
            format!("route table {id} already has a route with destination-prefix-list-id {list}"),
        ));
    }
    route::check_room(intent, &table)?;
    Ok(table)
}

/// A subnet in which an interface endpoint of this VPC may have an interface.
pub(super) fn subnet(
    intent: &Intent,
    ctx: &Ctx,
    vpc: &VpcId,
    id: &str,
) -> Result<Arc<Subnet>, Refusal> {
    id.parse::<SubnetId>()
        .map_err(|error| malformed("InvalidSubnetId.Malformed", "Subnet Id", &error))?;
    let subnet = ctx.find::<Subnet>(intent, id).map_err(|_| {
        Refusal::new(
            "InvalidSubnetId.NotFound",
            format!("The subnet ID '{id}' does not exist"),
        )
    })?;
    match subnet.vpc == *vpc {
        true => Ok(subnet),
        false => Err(Refusal::invalid(format!(
            "Subnet {id} does not belong to VPC {vpc}."
        ))),
    }
}

/// One subnet for each zone, and only zones in which the service is. Across Regions every zone
/// will do.
pub(super) fn zones(
    intent: &Intent,
    offer: &Offer,
    region: &Region,
    subnets: &[Arc<Subnet>],
) -> Result<(), Refusal> {
    if offer.region() == region {
        let served = offer.zones(intent);
        if let Some(subnet) = subnets.iter().find(|s| !served.contains(&s.zone)) {
            return Err(Refusal::invalid(format!(
                "The VPC endpoint service {} does not support the availability zone of the subnet: {}.",
                offer.name(),
                subnet.id
            )));
        }
    }
    for (index, subnet) in subnets.iter().enumerate() {
        if subnets
            .iter()
            .take(index)
            .any(|other| other.zone == subnet.zone)
        {
            return Err(Refusal::new(
                "DuplicateSubnetsInSameZone",
                format!(
                    "Found another VPC endpoint subnet in the availability zone of {}. VPC endpoint subnets should be in different availability zones supported by the VPC endpoint service.",
                    subnet.id
                ),
            ));
        }
    }
    Ok(())
}

/// A security group that interfaces of an endpoint of this VPC may have.
pub(super) fn group(
    intent: &Intent,
    ctx: &Ctx,
    vpc: &VpcId,
    id: &str,
) -> Result<SecurityGroupId, Refusal> {
    id.parse::<SecurityGroupId>().map_err(|error| {
        malformed(
            "InvalidSecurityGroupId.Malformed",
            "Security Group Id",
            &error,
        )
    })?;
    let group = ctx.find::<SecurityGroup>(intent, id).map_err(|_| {
        Refusal::new(
            "InvalidSecurityGroupID.NotFound",
            format!("The security group '{id}' does not exist"),
        )
    })?;
    match group.vpc == *vpc {
        true => Ok(group.id.clone()),
        false => Err(Refusal::invalid(format!(
            "Security group {id} does not belong to VPC {vpc}."
        ))),
    }
}

/// How many groups an interface may have.
pub(super) fn group_count(intent: &Intent, groups: &[SecurityGroupId]) -> Result<(), Refusal> {
    quotas::GROUPS_PER_INTERFACE.check_total(intent, || groups.len())
}

/// A policy that can be enforced: it compiles, and AWS would store it. Services that take none
/// store the one that allows everything, and nothing else.
pub(super) fn policy(text: &str, offer: &Offer, endpoint: &VpcEndpoint) -> Result<(), Refusal> {
    if [DEFAULT_GATEWAY_POLICY, DEFAULT_INTERFACE_POLICY].contains(&text) {
        return Ok(());
    }
    let kind = adit_snapshot::endpoint_policy_kind(endpoint);
    if let Some(finding) = policies::first_error(text, kind, &endpoint.owner, None) {
        return Err(Refusal::new(
            "InvalidPolicyDocument",
            format!(
                "The Policy Document is not valid. {} at position ({},{})",
                finding.explanation(),
                finding.line,
                finding.column
            ),
        ));
    }
    match offer.takes_policies() {
        true => Ok(()),
        false => Err(Refusal::invalid(format!(
            "Service {} only supports the full-access endpoint policy.",
            offer.name()
        ))),
    }
}

/// What `DnsOptions` wishes.
#[derive(Debug, Default)]
pub(super) struct DnsWish {
    pub(super) record: Option<DnsRecordType>,
    pub(super) inbound_only: Option<bool>,
}

/// Reads `DnsOptions` for an endpoint of this kind with these addresses.
pub(super) fn dns_options(
    options: &Value,
    gateway: bool,
    addresses: AddressType,
) -> Result<DnsWish, Refusal> {
    let preferences = !options.get("PrivateDnsPreference").is_null()
        || !options.get("PrivateDnsSpecifiedDomains").list().is_empty();
    if preferences {
        return Err(Refusal::invalid(
            "DnsOptions PrivateDnsPreference is applicable only to Resource and ServiceNetwork VPC Endpoints.",
        ));
    }
    let inbound_only = options
        .get("PrivateDnsOnlyForInboundResolverEndpoint")
        .bool();
    if gateway && inbound_only.is_some() {
        return Err(Refusal::invalid(
            "DnsOptions PrivateDnsOnlyForInboundResolverEndpoint is applicable only to Interface VPC Endpoints.",
        ));
    }
    let record = match options.get("DnsRecordIpType").str() {
        None => None,
        Some(text) => Some(text.parse::<DnsRecordType>().map_err(|_| {
            Refusal::invalid_value(format!(
                "Value ({text}) for parameter DnsRecordIpType is invalid."
            ))
        })?),
    };
    if let Some(record) = record {
        record_fits(record, gateway, addresses)?;
    }
    Ok(DnsWish {
        record,
        inbound_only,
    })
}

/// Which records the names of an endpoint can have [dns §5].
pub(super) fn record_fits(
    record: DnsRecordType,
    gateway: bool,
    addresses: AddressType,
) -> Result<(), Refusal> {
    let fits = match (record, addresses) {
        (DnsRecordType::ServiceDefined, AddressType::Dualstack) => true,
        (DnsRecordType::ServiceDefined, _) => gateway,
        (DnsRecordType::Ipv4, addresses) => addresses.has_v4(),
        (DnsRecordType::Ipv6, addresses) => addresses.has_v6(),
        (DnsRecordType::Dualstack, addresses) => addresses == AddressType::Dualstack,
    };
    match fits {
        true => Ok(()),
        false => Err(Refusal::invalid(format!(
            "DnsRecordIpType {} does not fit IpAddressType {}.",
            record.as_str(),
            addresses.as_str()
        ))),
    }
}

/// The type of addresses that a request names.
pub(super) fn address_type(text: &str) -> Result<AddressType, Refusal> {
    text.parse().map_err(|_| {
        let text: String = text.chars().take(64).collect();
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter IpAddressType is invalid."
        ))
    })
}

/// Whether service and subnets have addresses of a type.
pub(super) fn addresses(
    wanted: AddressType,
    offer: &Offer,
    subnets: &[Arc<Subnet>],
) -> Result<(), Refusal> {
    if !offer.has(wanted) {
        return Err(Refusal::invalid(format!(
            "The VPC endpoint service {} does not support IpAddressType {}.",
            offer.name(),
            wanted.as_str()
        )));
    }
    for subnet in subnets {
        // Every subnet has IPv4 addresses, and `ipv6` wants subnets without.
        let fits = match wanted {
            AddressType::Ipv4 => true,
            AddressType::Dualstack => subnet.ipv6.is_some(),
            AddressType::Ipv6 => false,
        };
        if !fits {
            return Err(Refusal::invalid(format!(
                "The subnet {} does not support IpAddressType {}.",
                subnet.id,
                wanted.as_str()
            )));
        }
    }
    Ok(())
}

/// Names of its own need both DNS attributes of the VPC.
pub(super) fn dns_attributes(vpc: &Vpc) -> Result<(), Refusal> {
    match vpc.dns_support && vpc.dns_hostnames {
        true => Ok(()),
        false => Err(Refusal::invalid(format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
            vpc.id
        ))),
    }
}

/// What private DNS of an interface endpoint needs: the VPC's attributes, names that are the
/// service's and that nobody else has, and for inbound-only a gateway endpoint that carries the
/// rest.
pub(super) fn private_dns(
    intent: &Intent,
    vpc: &Vpc,
    offer: &Offer,
    endpoint: &VpcEndpoint,
    inbound_only: bool,
) -> Result<(), Refusal> {
    dns_attributes(vpc)?;
    let names = offer.private_names();
    if names.is_empty() || !offer.is_verified() {
        return Err(Refusal::invalid(format!(
            "Private DNS can't be enabled because the service {} does not provide a private DNS name.",
            offer.name()
        )));
    }
    if let Some(domain) = conflict(intent, vpc, &names, &endpoint.id) {
        return Err(Refusal::invalid(format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {domain} in the VPC {}",
            vpc.id
        )));
    }
    if !inbound_only {
        return Ok(());
    }
    let mut gateways = gateways(intent, &vpc.id, &offer.name()).peekable();
    if gateways.peek().is_none() {
        return Err(Refusal::invalid(format!(
            "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {} must have a Gateway endpoint for the service.",
            vpc.id
        )));
    }
    // What the VPC itself is answered must be what the gateway endpoint carries [dns §4.2].
    let own = super::record_type(endpoint);
    let carries = |gateway: &VpcEndpoint| {
        let record = super::record_type(gateway);
        record == DnsRecordType::ServiceDefined || record == own
    };
    match gateways.any(|gateway| carries(gateway)) {
        true => Ok(()),
        false => Err(Refusal::invalid(format!(
            "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the DnsRecordIpType of the Gateway endpoint in the VPC {} must be service-defined or {}.",
            vpc.id,
            own.as_str()
        ))),
    }
}

/// The first of these names that another endpoint of the VPC or a hosted zone there has.
fn conflict(intent: &Intent, vpc: &Vpc, names: &[String], own: &VpcEndpointId) -> Option<String> {
    let mut taken = BTreeSet::new();
    for other in intent.in_vpc::<VpcEndpoint>(&vpc.id) {
        let has_names = matches!(
            other.kind,
            EndpointKind::Interface {
                private_dns: true,
                ..
            }
        );
        if has_names && other.id != *own {
            let offer = endpoint_service::of(intent, other);
            taken.extend(offer.iter().flat_map(Offer::private_names));
        }
    }
    let apex = |name: &str| name.trim_start_matches("*.").to_string();
    let taken: BTreeSet<String> = taken.iter().map(|name| apex(name)).collect();
    names.iter().map(|name| apex(name)).find(|name| {
        let zone = format!("{name}.");
        taken.contains(name) || route53::zone_in_vpc(intent, &vpc.id, &zone).is_some()
    })
}

/// The gateway endpoints of a VPC to a service.
pub(super) fn gateways<'a>(
    intent: &'a Intent,
    vpc: &VpcId,
    service: &str,
) -> impl Iterator<Item = &'a Arc<VpcEndpoint>> + use<'a> {
    let service = service.to_string();
    intent
        .in_vpc::<VpcEndpoint>(vpc)
        .filter(move |endpoint| super::is_gateway(endpoint) && endpoint.service == service)
}
