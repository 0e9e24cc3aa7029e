//! `CreateVpcEndpoint`, every check in the order of [ec2-api §5].

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_model::*;
use adit_wire::map;

use super::check::{self, DnsWish};
use super::{default_policy, interface, show};
use crate::addresses;
use crate::context::{Answer, Ctx};
use crate::ec2::{endpoint_service, security_group};
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
    let service = service(input, draft, ctx)?;
    let gateway = is_gateway(input)?;
    let kind = match gateway {
        true => Parts::Gateway(route_tables(input, draft, ctx, &vpc, &service)?),
        false => interface_parts(input, draft, ctx, &vpc)?,
    };
    let policy = input
        .text("PolicyDocument")
        .unwrap_or(default_policy(gateway));
    check::policy(policy, gateway, &vpc.owner)?;
    let dns = check::dns_options(input.get("DnsOptions"), gateway)?;
    let names = private_names(input, draft, &vpc, &service, gateway, &dns)?;
    if gateway && dns.record == Some(DnsRecordType::Ipv4) {
        check::dns_attributes(&vpc)?;
    }
    limits(draft, &vpc, gateway)?;
    let tags = input.tags("vpc-endpoint")?;

    let id = VpcEndpointId::from_digits(ctx.ids.digits());
    let used = draft
        .in_vpc::<VpcEndpoint>(&vpc.id)
        .map(|endpoint| endpoint.number);
    let number = addresses::number(used);
    let kind = realise(kind, names, draft, ctx, &id);
    let endpoint = draft.put(VpcEndpoint {
        id: id.clone(),
        vpc: vpc.id.clone(),
        owner: vpc.owner.clone(),
        service,
        kind,
        policy: policy.to_string(),
        // The limits of a VPC are far below the numbers there are.
        number: number
            .ok_or_else(|| Refusal::new("VpcEndpointLimitExceeded", "No number is left."))?,
        changed: draft.generation,
        created: ctx.now,
        client_token: token.as_ref().map(|token| token.text.clone()),
        service_region: None,
        address_type: AddressType::Ipv4,
        dns_record: dns.record,
        connection: None,
        tags,
    });
    if let Some(token) = &token {
        token.remember(draft, ctx, &id);
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

/// Checks 3, 4 and 24: the one service that is meant, which exists in this Region.
fn service(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<String, Refusal> {
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
    let name = input.required("ServiceName")?;
    let here = input
        .text("ServiceRegion")
        .is_none_or(|region| region == ctx.region.as_str());
    match here && endpoint_service::exists(intent, &ctx.region, name) {
        true => Ok(name.to_string()),
        false => Err(endpoint_service::unknown(name)),
    }
}

/// Checks 5 to 8: the kind, and nothing that belongs to the other kind.
fn is_gateway(input: &Input<'_>) -> Result<bool, Refusal> {
    let kind = input.text("VpcEndpointType").unwrap_or("Gateway");
    let gateway = match kind {
        "Gateway" => true,
        "Interface" => false,
        "GatewayLoadBalancer" | "Resource" | "ServiceNetwork" => {
            return Err(Refusal::invalid(format!(
                "Endpoint type ({kind}) does not match available service types ([Gateway, Interface])."
            )));
        }
        other => {
            let text = format!("'{other}' is not a valid VPC endpoint type.");
            return Err(Refusal::new("InvalidVpcEndpointType", text));
        }
    };
    match gateway {
        true => refuse_interface_parts(input)?,
        false => refuse_route_tables(input, &["RouteTableIds"])?,
    }
    check::ip_address_type(input.text("IpAddressType"))?;
    Ok(gateway)
}

/// Refuses what only interface endpoints have.
fn refuse_interface_parts(input: &Input<'_>) -> Result<(), Refusal> {
    let has = |name: &str| !input.get(name).list().is_empty();
    if has("SubnetIds") || has("SubnetConfigurations") {
        return Err(super::modify::no_subnets());
    }
    if has("SecurityGroupIds") {
        return Err(super::modify::no_groups());
    }
    if input.flag("PrivateDnsEnabled", false) {
        return Err(super::modify::no_private_dns());
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

/// What an endpoint will have, checked and not made yet.
enum Parts {
    Gateway(Vec<RouteTableId>),
    Interface {
        places: Vec<(Arc<Subnet>, Ipv4Addr)>,
        groups: Vec<SecurityGroupId>,
    },
}

/// Checks 9 to 11.
fn route_tables(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    vpc: &Vpc,
    service: &str,
) -> Result<Vec<RouteTableId>, Refusal> {
    let mut tables = Vec::new();
    for id in input.texts("RouteTableIds") {
        let table = check::route_table(intent, ctx, &vpc.id, service, id)?;
        if !tables.contains(&table.id) {
            tables.push(table.id.clone());
        }
    }
    Ok(tables)
}

/// Checks 12, 14 and 15.
fn interface_parts(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    vpc: &Vpc,
) -> Result<Parts, Refusal> {
    let wanted = interface::wanted(input, "SubnetIds")?;
    let mut subnets = Vec::new();
    for (id, _) in &wanted {
        subnets.push(check::subnet(intent, ctx, &vpc.id, id)?);
    }
    check::zones(&subnets)?;
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
    let mut places = Vec::new();
    for (subnet, (_, designated)) in subnets.into_iter().zip(&wanted) {
        let address = interface::address(intent, &subnet, *designated)?;
        places.push((subnet, address));
    }
    Ok(Parts::Interface { places, groups })
}

/// Whether private DNS is on, and whether for inbound queries alone.
#[derive(Clone, Copy)]
struct Names {
    private: bool,
    inbound_only: bool,
}

/// Checks 17 to 21. Left out, private DNS is off for S3; switched on without saying more, it is for
/// inbound queries alone.
fn private_names(
    input: &Input<'_>,
    intent: &Intent,
    vpc: &Vpc,
    service: &str,
    gateway: bool,
    dns: &DnsWish,
) -> Result<Names, Refusal> {
    let private = !gateway && input.flag("PrivateDnsEnabled", false);
    let inbound_only = private && dns.inbound_only.unwrap_or(true);
    if !private && dns.inbound_only == Some(true) {
        return Err(super::modify::inbound_needs_private());
    }
    if private {
        check::private_dns(intent, vpc, service, None, inbound_only)?;
    }
    Ok(Names {
        private,
        inbound_only,
    })
}

/// Check 23.
fn limits(intent: &Intent, vpc: &Vpc, gateway: bool) -> Result<(), Refusal> {
    let same = |endpoint: &VpcEndpoint| super::is_gateway(endpoint) == gateway;
    let here = || {
        intent
            .in_vpc::<VpcEndpoint>(&vpc.id)
            .filter(|e| same(e))
            .count()
    };
    if !gateway {
        return quotas::INTERFACE_ENDPOINTS_PER_VPC.check(intent, here);
    }
    quotas::GATEWAY_ENDPOINTS_PER_VPC.check(intent, here)?;
    quotas::GATEWAY_ENDPOINTS_PER_REGION.check(intent, || {
        let services = endpoint_service::with_gateways(&vpc.region);
        let relations = services.map(|service| VpcEndpoint::gateways_of(&vpc.owner, &service));
        let counts = relations.map(|what| intent.related_to::<VpcEndpoint>(&what).count());
        counts.sum()
    })
}

/// Makes the interfaces.
fn realise(
    parts: Parts,
    names: Names,
    draft: &mut Draft,
    ctx: &mut Ctx,
    id: &VpcEndpointId,
) -> EndpointKind {
    match parts {
        Parts::Gateway(route_tables) => EndpointKind::Gateway { route_tables },
        Parts::Interface { places, groups } => {
            let mut interfaces = Vec::new();
            for (subnet, address) in &places {
                let made = interface::make(draft, ctx, id, subnet, *address, &groups);
                interfaces.push(made.id.clone());
            }
            EndpointKind::Interface {
                interfaces,
                subnets: places.iter().map(|(subnet, _)| subnet.id.clone()).collect(),
                groups,
                dns_suffix: ctx.ids.dns_suffix(),
                private_dns: names.private,
                inbound_only: names.inbound_only,
            }
        }
    }
}
