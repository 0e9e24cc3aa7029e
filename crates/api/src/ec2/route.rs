//! Static routes [ec2-api §17].

pub(crate) mod shown;

use adit_model::*;
use adit_wire::map;
use ipnet::Ipv4Net;

use crate::context::{Answer, Ctx};
use crate::ec2::vpc;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use shown::endpoint_routes;

/// Targets that are not built; naming one is refused, never ignored.
const UNBUILT_TARGETS: &[&str] = &[
    "TransitGatewayId",
    "LocalGatewayId",
    "CarrierGatewayId",
    "CoreNetworkArn",
    "OdbNetworkArn",
    "EgressOnlyInternetGatewayId",
    "InstanceId",
    "VpcPeeringConnectionId",
    "NatGatewayId",
];

/// Instance metadata and the like live here: no route may lead there.
const LINK_LOCAL: &str = "169.254.168.0/22";

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    let named = named_target(input)?;
    refuse_endpoint_target(named, draft, ctx)?;
    let destination = destination(input)?;
    if let Some(there) = table
        .routes
        .iter()
        .find(|route| route.destination == destination.into())
    {
        // The same route again is no fault, even when its target is gone.
        return match target_id(&there.target) == named.1 {
            true => Ok(Answer::from(map! { "Return" => true })),
            false => Err(already(destination)),
        };
    }
    let target = target(named, draft, ctx, &table)?;
    check_destination(draft, &table, destination, &target)?;
    check_room(draft, &table)?;
    let route = Route {
        destination: destination.into(),
        target,
    };
    draft.edit::<RouteTable>(&table.id, |table| table.routes.push(route));
    Ok(Answer::from(map! { "Return" => true }))
}

fn already(destination: Ipv4Net) -> Refusal {
    let text = format!("The route identified by {destination} already exists.");
    Refusal::new("RouteAlreadyExists", text)
}

fn target_id(target: &RouteTarget) -> &str {
    match target {
        RouteTarget::InternetGateway(id) => id.as_str(),
        RouteTarget::NetworkInterface(id) => id.as_str(),
        RouteTarget::NatGateway(id) => id.as_str(),
        RouteTarget::EgressOnlyInternetGateway(id) => id.as_str(),
        RouteTarget::VpcPeeringConnection(id) => id.as_str(),
        RouteTarget::VpnGateway(id) => id.as_str(),
        RouteTarget::Local => "local",
    }
}

pub(crate) fn replace(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    refuse_endpoint_route(input, draft, &table)?;
    let destination = destination(input)?;
    let local = is_local(draft, &table, destination);
    if input.flag("LocalTarget", false) {
        // Local routes cannot be led elsewhere, so there is nothing to restore.
        return if local {
            Ok(Answer::done())
        } else {
            Err(no_local(destination))
        };
    }
    if local {
        return Err(Refusal::unsupported(format!(
            "The target of the local route {destination} cannot be replaced."
        )));
    }
    let named = named_target(input)?;
    refuse_endpoint_target(named, draft, ctx)?;
    let target = target(named, draft, ctx, &table)?;
    check_destination(draft, &table, destination, &target)?;
    if !table
        .routes
        .iter()
        .any(|route| route.destination == destination.into())
    {
        return Err(Refusal::invalid_value(format!(
            "There is no route defined for '{destination}' in the route table. Use CreateRoute instead."
        )));
    }
    draft.edit::<RouteTable>(&table.id, |table| {
        for route in table
            .routes
            .iter_mut()
            .filter(|route| route.destination == destination.into())
        {
            route.target = target.clone();
        }
    });
    Ok(Answer::done())
}

fn no_local(destination: Ipv4Net) -> Refusal {
    Refusal::invalid_value(format!(
        "There is no local route for '{destination}' in the route table."
    ))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    refuse_endpoint_route(input, draft, &table)?;
    let destination = destination(input)?;
    if is_local(draft, &table, destination) {
        return Err(Refusal::invalid_value(format!(
            "cannot remove local route {destination} in route table {}",
            table.id
        )));
    }
    if !table
        .routes
        .iter()
        .any(|route| route.destination == destination.into())
    {
        return Err(not_found(
            &destination.to_string(),
            "destination-cidr-block",
            &table,
        ));
    }
    draft.edit::<RouteTable>(&table.id, |table| {
        table
            .routes
            .retain(|route| route.destination != destination.into());
    });
    Ok(Answer::done())
}

fn not_found(destination: &str, kind: &str, table: &RouteTable) -> Refusal {
    let text = format!(
        "no route with {kind} {destination} in route table {}",
        table.id
    );
    Refusal::new("InvalidRoute.NotFound", text)
}

/// Routes to an endpoint come and go with its association alone.
fn refuse_endpoint_route(
    input: &Input<'_>,
    intent: &Intent,
    table: &RouteTable,
) -> Result<(), Refusal> {
    let Some(list) = input.text("DestinationPrefixListId") else {
        return Ok(());
    };
    let mut there = endpoint_routes(table, intent);
    Err(match there.any(|(id, _)| id.as_str() == list) {
        true => Refusal::invalid_value(format!(
            "cannot remove VPC endpoint route {list} in route table {}",
            table.id
        )),
        false => not_found(list, "destination-prefix-list-id", table),
    })
}

/// The block that a request names, as AWS keeps it: host bits cleared.
fn destination(input: &Input<'_>) -> Result<Ipv4Net, Refusal> {
    let named = [
        "DestinationCidrBlock",
        "DestinationIpv6CidrBlock",
        "DestinationPrefixListId",
    ];
    if named
        .iter()
        .filter(|name| input.text(name).is_some())
        .count()
        > 1
    {
        return Err(Refusal::combination(
            "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock and destinationPrefixListId",
        ));
    }
    input.refuse_unbuilt(&["DestinationIpv6CidrBlock", "DestinationPrefixListId"])?;
    vpc::cidr(
        input.required("DestinationCidrBlock")?,
        "destinationCidrBlock",
    )
}

/// The one target that a request names: the parameter and the id.
fn named_target<'a>(input: &Input<'a>) -> Result<(&'static str, &'a str), Refusal> {
    let kinds = ["GatewayId", "NetworkInterfaceId", "VpcEndpointId"];
    let all = kinds.iter().chain(UNBUILT_TARGETS);
    let mut named = all.filter_map(|name| Some((*name, input.text(name)?)));
    let Some(target) = named.next() else {
        return Err(Refusal::missing("gatewayId"));
    };
    if named.next().is_some() {
        return Err(Refusal::combination(
            "The request must contain exactly one route target",
        ));
    }
    input.refuse_unbuilt(UNBUILT_TARGETS)?;
    Ok(target)
}

/// Routes to endpoints of our kinds are never made by hand.
fn refuse_endpoint_target(
    (_, id): (&str, &str),
    intent: &Intent,
    ctx: &Ctx,
) -> Result<(), Refusal> {
    if !id.starts_with(VpcEndpointId::PREFIX) {
        return Ok(());
    }
    ctx.find::<VpcEndpoint>(intent, id)?;
    Err(Refusal::new(
        "RouteNotSupported",
        format!(
            "Route table contains unsupported route target: {id}. VPC Endpoints of this type cannot be used as route targets."
        ),
    ))
}

/// What a named target is, when the table can lead to it.
fn target(
    (parameter, id): (&str, &str),
    intent: &Intent,
    ctx: &Ctx,
    table: &RouteTable,
) -> Result<RouteTarget, Refusal> {
    match (parameter, id) {
        ("NetworkInterfaceId", id) => interface_target(intent, ctx, table, id),
        (_, "local") => Err(Refusal::unsupported("A route to `local` cannot be made.")),
        (_, id) => gateway_target(intent, ctx, table, id),
    }
}

fn gateway_target(
    intent: &Intent,
    ctx: &Ctx,
    table: &RouteTable,
    id: &str,
) -> Result<RouteTarget, Refusal> {
    let gateway = ctx.find::<InternetGateway>(intent, id).map_err(|_| {
        Refusal::new(
            "InvalidGatewayID.NotFound",
            format!("The gateway ID '{id}' does not exist"),
        )
    })?;
    if gateway.attached.as_ref() != Some(&table.vpc) {
        return Err(different_networks(table, "network gateway", id));
    }
    Ok(RouteTarget::InternetGateway(gateway.id.clone()))
}

fn interface_target(
    intent: &Intent,
    ctx: &Ctx,
    table: &RouteTable,
    id: &str,
) -> Result<RouteTarget, Refusal> {
    let interface = ctx.find::<NetworkInterface>(intent, id)?;
    if interface.vpc != table.vpc {
        return Err(different_networks(table, "interface", id));
    }
    let managed = match interface.user {
        InterfaceUser::Endpoint { .. } => Some("VPC endpoint"),
        InterfaceUser::ResolverEndpoint(_) => Some("Route 53 Resolver endpoint"),
        _ => None,
    };
    if let Some(user) = managed {
        return Err(Refusal::invalid(format!(
            "The network interface {id} belongs to a {user} and cannot be a route target."
        )));
    }
    Ok(RouteTarget::NetworkInterface(interface.id.clone()))
}

fn different_networks(table: &RouteTable, noun: &str, id: &str) -> Refusal {
    Refusal::invalid_value(format!(
        "route table {} and {noun} {id} belong to different networks",
        table.id
    ))
}

/// What a destination may be: not link-local, not local, and inside a VPC's block only a whole
/// subnet that is led through an interface.
fn check_destination(
    intent: &Intent,
    table: &RouteTable,
    destination: Ipv4Net,
    target: &RouteTarget,
) -> Result<(), Refusal> {
    if LINK_LOCAL
        .parse::<Ipv4Net>()
        .is_ok_and(|block| block.contains(&destination))
    {
        return Err(Refusal::invalid_value(format!(
            "The destination CIDR block {destination} is inside {LINK_LOCAL}, to which no route can lead."
        )));
    }
    let Some(vpc) = intent.get::<Vpc>(&table.vpc) else {
        return Ok(());
    };
    if is_local(intent, table, destination) {
        return Err(already(destination));
    }
    if !vpc.cidrs.iter().any(|c| c.cidr.contains(&destination)) {
        return Ok(());
    }
    let to_interface = matches!(target, RouteTarget::NetworkInterface(_));
    let whole_subnet = intent
        .in_vpc::<Subnet>(&vpc.id)
        .any(|s| s.cidr == destination);
    match (to_interface, whole_subnet) {
        (true, true) => Ok(()),
        (false, _) => Err(Refusal::invalid_value(format!(
            "The destination CIDR block {destination} is equal to or more specific than one of this VPC's CIDR blocks. This route can target only an interface or an instance."
        ))),
        (true, false) => Err(Refusal::invalid_value(format!(
            "The destination CIDR block {destination} is more specific than one of this VPC's CIDR blocks and does not match any subnet CIDR block."
        ))),
    }
}

fn is_local(intent: &Intent, table: &RouteTable, destination: Ipv4Net) -> bool {
    let vpc = intent.get::<Vpc>(&table.vpc);
    vpc.is_some_and(|vpc| vpc.cidrs.iter().any(|c| c.cidr == destination))
}

/// Refuses a route beyond the limit; each endpoint route counts as one.
pub(crate) fn check_room(intent: &Intent, table: &RouteTable) -> Result<(), Refusal> {
    let count = || table.routes.len() + endpoint_routes(table, intent).count();
    quotas::ROUTES_PER_TABLE.check(intent, count)
}
