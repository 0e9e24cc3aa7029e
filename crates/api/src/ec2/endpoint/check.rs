//! The checks that creating and changing an endpoint share, with AWS's codes [ec2-api §5].

use std::sync::Arc;

use adit_model::*;
use adit_policy::PolicyKind;
use adit_snapshot::names;
use adit_wire::Value;

use crate::context::Ctx;
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

/// One subnet for each zone.
pub(super) fn zones(subnets: &[Arc<Subnet>]) -> Result<(), Refusal> {
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

/// A policy that can be enforced: it compiles, and AWS would store it.
pub(super) fn policy(text: &str, gateway: bool, owner: &AccountId) -> Result<(), Refusal> {
    let kind = if gateway {
        PolicyKind::S3_GATEWAY
    } else {
        PolicyKind::S3_INTERFACE
    };
    match policies::first_error(text, kind, owner, None) {
        None => Ok(()),
        Some(finding) => Err(Refusal::new(
            "InvalidPolicyDocument",
            format!(
                "The Policy Document is not valid. {} at position ({},{})",
                finding.explanation(),
                finding.line,
                finding.column
            ),
        )),
    }
}

/// What `DnsOptions` wishes.
#[derive(Debug, Default)]
pub(super) struct DnsWish {
    pub(super) record: Option<DnsRecordType>,
    pub(super) inbound_only: Option<bool>,
}

/// Reads `DnsOptions` for an endpoint of this kind.
pub(super) fn dns_options(options: &Value, gateway: bool) -> Result<DnsWish, Refusal> {
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
        Some("ipv4") => Some(DnsRecordType::Ipv4),
        Some("service-defined") if gateway => Some(DnsRecordType::ServiceDefined),
        Some(other) => {
            return Err(Refusal::invalid(format!(
                "DnsRecordIpType {other} does not fit IpAddressType ipv4."
            )));
        }
    };
    Ok(DnsWish {
        record,
        inbound_only,
    })
}

/// Address types other than IPv4 are not built.
pub(super) fn ip_address_type(wanted: Option<&str>) -> Result<(), Refusal> {
    match wanted {
        None | Some("ipv4") => Ok(()),
        Some(other) => Err(Refusal::unsupported(format!(
            "IpAddressType {other} is not supported."
        ))),
    }
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

/// What private DNS of an interface endpoint needs: the VPC's attributes, names that nobody else
/// has, and for inbound-only a gateway endpoint that carries the rest.
pub(super) fn private_dns(
    intent: &Intent,
    vpc: &Vpc,
    service: &str,
    own: Option<&VpcEndpointId>,
    inbound_only: bool,
) -> Result<(), Refusal> {
    dns_attributes(vpc)?;
    let mut others = intent
        .in_vpc::<VpcEndpoint>(&vpc.id)
        .filter(|other| other.service == service && Some(&other.id) != own);
    let has_names = |other: &VpcEndpoint| {
        matches!(
            other.kind,
            EndpointKind::Interface {
                private_dns: true,
                ..
            }
        )
    };
    let domains = names::private_names(&vpc.region);
    let in_zone = domains
        .iter()
        .find(|name| route53::zone_in_vpc(intent, &vpc.id, &format!("{name}.")).is_some());
    let by_other = others.any(|other| has_names(other));
    if let Some(domain) = in_zone.or(domains.first().filter(|_| by_other)) {
        return Err(Refusal::invalid(format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {domain} in the VPC {}",
            vpc.id
        )));
    }
    if inbound_only && !has_gateway(intent, &vpc.id, service, &[]) {
        return Err(Refusal::invalid(format!(
            "To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {} must have a Gateway endpoint for the service.",
            vpc.id
        )));
    }
    Ok(())
}

/// Whether a VPC has a gateway endpoint for a service, besides some.
pub(super) fn has_gateway(intent: &Intent, vpc: &VpcId, service: &str, besides: &[&str]) -> bool {
    intent.in_vpc::<VpcEndpoint>(vpc).any(|endpoint| {
        super::is_gateway(endpoint)
            && endpoint.service == service
            && !besides.contains(&endpoint.id.as_str())
    })
}
