//! `CreateVpcEndpoint`, every check in the order of [ec2-api §5].

use std::sync::Arc;

use adit_model::*;
use adit_wire::map;

use super::check::{self, DnsWish};
use super::interface::{self, Addresses};
use super::{default_policy, is_gateway, modify, show};
use crate::addresses;
use crate::context::{Answer, Ctx};
use crate::ec2::endpoint_service::{self, Offer};
use crate::ec2::security_group;
use crate::input::{Input, malformed};
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let token = Token::of(input, "CreateVpcEndpoint", ctx)?;
    if let Some(token) = &token
        && let Some(id) = token.replay(draft, ctx)?
        && let Some(made) = draft.get::<VpcEndpoint>(id).cloned()
    {
        return Ok(answer(made));
    }
    let vpc = vpc(input, draft, ctx)?;
    let offer = service(input, draft, ctx)?;
    let gateway = wants_gateway(input, &offer)?;
    let address_type = match input.text("IpAddressType") {
        Some(text) => check::address_type(text)?,
        None => AddressType::default(),
    };
    let mut places = Vec::new();
    let kind = match gateway {
        true => EndpointKind::Gateway {
            route_tables: route_tables(input, draft, ctx, &vpc, &offer)?,
        },
        false => interface_parts(input, draft, ctx, &vpc, &offer, address_type, &mut places)?,
    };
    if gateway {
        check::addresses(address_type, &offer, &[])?;
    }
    let policy = input
        .text("PolicyDocument")
        .unwrap_or(default_policy(gateway));
    let dns = check::dns_options(input.get("DnsOptions"), gateway, address_type)?;
    let mut endpoint = VpcEndpoint {
        id: VpcEndpointId::from_digits(ctx.ids.digits()),
        vpc: vpc.id.clone(),
        owner: vpc.owner.clone(),
        service: offer.name(),
        service_region: (*offer.region() != vpc.region).then(|| offer.region().clone()),
        kind,
        policy: policy.to_string(),
        number: 0,
        changed: draft.generation,
        created: ctx.now,
        client_token: token.as_ref().map(|token| token.text.clone()),
        address_type,
        dns_record: dns.record,
        connection: connection(&offer, ctx),
        tags: Tags::new(),
    };
    check::policy(policy, &offer, &endpoint)?;
    private_names(input, draft, &vpc, &offer, &dns, &mut endpoint)?;
    if gateway
        && dns
            .record
            .is_some_and(|r| r != DnsRecordType::ServiceDefined)
    {
        check::dns_attributes(&vpc)?;
    }
    endpoint.number = number_within_limits(draft, &vpc, gateway)?;
    endpoint.tags = input.tags("vpc-endpoint")?;
    place(&mut endpoint, &places, draft, ctx);
    let endpoint = draft.put(endpoint);
    if let Some(token) = &token {
        token.remember(draft, ctx, &endpoint.id);
    }
    Ok(answer(endpoint))
}

fn answer(endpoint: Arc<VpcEndpoint>) -> Answer {
    Answer::later(move |view| {
        map! {
            "VpcEndpoint" => show(&endpoint, view),
            "ClientToken" => endpoint.client_token.clone(),
        }
    })
}

/// Checks 1 and 2.
fn vpc(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Arc<Vpc>, Refusal> {
    let id = input.required("VpcId")?;
    id.parse::<VpcId>()
        .map_err(|error| malformed("InvalidVpcID.Malformed", "Vpc Id", &error))?;
    ctx.find::<Vpc>(intent, id)
}

/// Checks 3, 4 and 24: the one service that is meant, which exists for the caller in its Region.
fn service(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Offer, Refusal> {
    let selectors = [
        "ServiceName",
        "ResourceConfigurationArn",
        "ServiceNetworkArn",
    ];
    let given = selectors
        .iter()
        .filter(|name| input.text(name).is_some())
        .count();
    if given > 1 {
        return Err(Refusal::combination(
            "Only one of ServiceName, ResourceConfigurationArn and ServiceNetworkArn can be given",
        ));
    }
    input.refuse_unbuilt(&["ResourceConfigurationArn", "ServiceNetworkArn"])?;
    let region = input.text("ServiceRegion").filter(|text| !text.is_empty());
    endpoint_service::find(intent, ctx, input.required("ServiceName")?, region)
}

/// Checks 5 to 8: a type that the service has, and nothing that belongs to the other type.
fn wants_gateway(input: &Input<'_>, offer: &Offer) -> Result<bool, Refusal> {
    let kind = input.text("VpcEndpointType").unwrap_or("Gateway");
    let all = [
        "Gateway",
        "Interface",
        "GatewayLoadBalancer",
        "Resource",
        "ServiceNetwork",
    ];
    if !all.contains(&kind) {
        let text = format!("'{kind}' is not a valid VPC endpoint type.");
        return Err(Refusal::new("InvalidVpcEndpointType", text));
    }
    if !offer.types().contains(&kind) {
        return Err(Refusal::invalid(format!(
            "Endpoint type ({kind}) does not match available service types ([{}]).",
            offer.types().join(", ")
        )));
    }
    match kind {
        "Gateway" => refuse_interface_parts(input)?,
        _ => refuse_route_tables(input, &["RouteTableIds"])?,
    }
    Ok(kind == "Gateway")
}

/// Refuses what only interface endpoints have.
fn refuse_interface_parts(input: &Input<'_>) -> Result<(), Refusal> {
    let has = |name: &str| !input.get(name).list().is_empty();
    if has("SubnetIds") || has("SubnetConfigurations") {
        return Err(modify::no_subnets());
    }
    if has("SecurityGroupIds") {
        return Err(modify::no_groups());
    }
    if input.flag("PrivateDnsEnabled", false) {
        return Err(modify::no_private_dns());
    }
    Ok(())
}

/// Refuses what only gateway endpoints have.
pub(super) fn refuse_route_tables(input: &Input<'_>, names: &[&str]) -> Result<(), Refusal> {
    match names.iter().any(|name| !input.get(name).list().is_empty()) {
        true => Err(Refusal::invalid(
            "Route table IDs are only supported for Gateway type VPC Endpoint.",
        )),
        false => Ok(()),
    }
}

/// Checks 9 to 11.
fn route_tables(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    vpc: &Vpc,
    offer: &Offer,
) -> Result<Vec<RouteTableId>, Refusal> {
    let mut tables = Vec::new();
    for id in input.texts("RouteTableIds") {
        let table = check::route_table(intent, ctx, &vpc.id, &offer.name(), id)?;
        if !tables.contains(&table.id) {
            tables.push(table.id.clone());
        }
    }
    Ok(tables)
}

/// Checks 12, 14 and 15; where interfaces are to be goes to `places`.
fn interface_parts(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &mut Ctx,
    vpc: &Vpc,
    offer: &Offer,
    address_type: AddressType,
    places: &mut Vec<(Arc<Subnet>, Addresses)>,
) -> Result<EndpointKind, Refusal> {
    let wanted = interface::wanted(input, "SubnetIds")?;
    let mut subnets = Vec::new();
    for wanted in &wanted {
        subnets.push(check::subnet(intent, ctx, &vpc.id, wanted.subnet)?);
    }
    check::zones(intent, offer, &vpc.region, &subnets)?;
    check::addresses(address_type, offer, &subnets)?;
    let mut groups = Vec::new();
    for id in input.texts("SecurityGroupIds") {
        let group = check::group(intent, ctx, &vpc.id, id)?;
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    check::group_count(intent, &groups)?;
    if groups.is_empty() {
        let default = security_group::by_name(intent, &vpc.id, security_group::DEFAULT);
        groups.extend(default.map(|group| group.id.clone()));
    }
    for (subnet, wanted) in subnets.into_iter().zip(&wanted) {
        let addresses = wanted.addresses(intent, &subnet, address_type)?;
        places.push((subnet, addresses));
    }
    Ok(EndpointKind::Interface {
        interfaces: Vec::new(),
        subnets: places.iter().map(|(subnet, _)| subnet.id.clone()).collect(),
        groups,
        dns_suffix: ctx.ids.dns_suffix(),
        private_dns: false,
        inbound_only: false,
    })
}

/// The connection to a customer's service. One that accepts everybody it permits accepts at once.
fn connection(offer: &Offer, ctx: &mut Ctx) -> Option<Connection> {
    let service = offer.customer()?;
    Some(Connection {
        id: VpcEndpointConnectionId::from_digits(ctx.ids.digits()),
        service: service.id.clone(),
        answer: match service.acceptance_required {
            true => ConnectionAnswer::Awaited,
            false => ConnectionAnswer::Accepted,
        },
    })
}

/// Checks 17 to 21. Left out, private DNS is off for S3 and customers' services and on for others;
/// switched on for S3 without saying more, it is for inbound queries alone.
fn private_names(
    input: &Input<'_>,
    intent: &Intent,
    vpc: &Vpc,
    offer: &Offer,
    dns: &DnsWish,
    endpoint: &mut VpcEndpoint,
) -> Result<(), Refusal> {
    if is_gateway(endpoint) {
        return Ok(());
    }
    let private = input
        .get("PrivateDnsEnabled")
        .bool()
        .unwrap_or_else(|| offer.private_dns_by_default());
    let both_types = offer.types().contains(&"Gateway");
    let only = private && dns.inbound_only.unwrap_or(both_types);
    modify::check_inbound_only(dns.inbound_only, private, offer)?;
    if private {
        check::private_dns(intent, vpc, offer, endpoint, only)?;
    }
    if let EndpointKind::Interface {
        private_dns,
        inbound_only,
        ..
    } = &mut endpoint.kind
    {
        (*private_dns, *inbound_only) = (private, only);
    }
    Ok(())
}

/// Check 23, and a number that no other endpoint of the VPC has: one look at each of them.
fn number_within_limits(intent: &Intent, vpc: &Vpc, gateway: bool) -> Result<u16, Refusal> {
    let (mut same, mut numbers) = (0, Vec::new());
    for endpoint in intent.in_vpc::<VpcEndpoint>(&vpc.id) {
        same += usize::from(is_gateway(endpoint) == gateway);
        numbers.push(endpoint.number);
    }
    match gateway {
        false => quotas::INTERFACE_ENDPOINTS_PER_VPC.check(intent, || same)?,
        true => {
            quotas::GATEWAY_ENDPOINTS_PER_VPC.check(intent, || same)?;
            quotas::GATEWAY_ENDPOINTS_PER_REGION.check(intent, || {
                endpoint_service::with_gateways(&vpc.region)
                    .map(|service| VpcEndpoint::gateways_of(&vpc.owner, &service))
                    .map(|what| intent.tally(&what))
                    .sum()
            })?;
        }
    }
    // The limits of a VPC are far below the numbers there are.
    addresses::number(numbers.into_iter())
        .ok_or_else(|| Refusal::new("VpcEndpointLimitExceeded", "No number is left."))
}

/// Makes the interfaces.
fn place(
    endpoint: &mut VpcEndpoint,
    places: &[(Arc<Subnet>, Addresses)],
    draft: &mut Draft,
    ctx: &mut Ctx,
) {
    let EndpointKind::Interface {
        interfaces, groups, ..
    } = &mut endpoint.kind
    else {
        return;
    };
    for (subnet, addresses) in places {
        let made = interface::make(draft, ctx, &endpoint.id, subnet, *addresses, groups);
        interfaces.push(made.id.clone());
    }
}
