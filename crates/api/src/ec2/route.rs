//! Static routes [ec2-api §17].

pub(crate) mod check;
pub(crate) mod shown;
mod target;

use adit_model::*;
use adit_wire::map;
use ipnet::Ipv6Net;

use crate::context::{Answer, Ctx};
use crate::ec2::{prefix_list, vpc};
use crate::input::Input;
use crate::refusal::Refusal;
pub(crate) use check::check_room;
use check::{check_destination, check_room_for, is_local};
use shown::endpoint_routes;
use target::{named_target, refuse_endpoint_target, target, target_id};

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    let named = named_target(input)?;
    refuse_endpoint_target(named, draft, ctx)?;
    let destination = destination(input, draft, ctx)?;
    if let Some(there) = table
        .routes
        .iter()
        .find(|route| route.destination == destination)
    {
        // The same route again is no fault, even when its target is gone.
        return match target_id(&there.target) == named.1 {
            true => Ok(Answer::from(map! { "Return" => true })),
            false => Err(already(&table, &destination)),
        };
    }
    let target = target(named, draft, ctx, &table)?;
    if is_local(draft, &table, &destination) {
        return Err(already(&table, &destination));
    }
    check_destination(draft, &table, &destination, &target)?;
    if let Destination::PrefixList(list) = &destination
        && endpoint_routes(&table, draft).any(|(there, _)| there == *list)
    {
        return Err(already(&table, &destination));
    }
    check_room_for(draft, &table, &destination)?;
    let route = Route {
        destination,
        target,
    };
    draft.edit::<RouteTable>(&table.id, |table| table.routes.push(route));
    Ok(Answer::from(map! { "Return" => true }))
}

fn already(table: &RouteTable, destination: &Destination) -> Refusal {
    Refusal::new(
        "RouteAlreadyExists",
        match destination {
            Destination::PrefixList(list) => format!(
                "route table {} already has a route with destination-prefix-list-id {list}",
                table.id
            ),
            block => format!("The route identified by {block} already exists."),
        },
    )
}

pub(crate) fn replace(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    refuse_endpoint_route(input, draft, &table)?;
    let destination = destination(input, draft, ctx)?;
    let local = is_local(draft, &table, &destination);
    let there = table.routes.iter().any(|r| r.destination == destination);
    if input.flag("LocalTarget", false) {
        if !local {
            return Err(Refusal::invalid_value(format!(
                "There is no local route for '{destination}' in the route table."
            )));
        }
        draft.edit::<RouteTable>(&table.id, |table| {
            table
                .routes
                .retain(|route| route.destination != destination);
        });
        return Ok(Answer::done());
    }
    let named = named_target(input)?;
    refuse_endpoint_target(named, draft, ctx)?;
    let target = target(named, draft, ctx, &table)?;
    check_destination(draft, &table, &destination, &target)?;
    if !there && !local {
        return Err(Refusal::invalid_value(format!(
            "There is no route defined for '{destination}' in the route table. Use CreateRoute instead."
        )));
    }
    draft.edit::<RouteTable>(&table.id, |table| {
        let mut routes = table.routes.iter_mut();
        match routes.find(|route| route.destination == destination) {
            Some(route) => route.target = target,
            None => table.routes.push(Route {
                destination,
                target,
            }),
        }
    });
    Ok(Answer::done())
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    refuse_endpoint_route(input, draft, &table)?;
    let destination = destination(input, draft, ctx)?;
    if is_local(draft, &table, &destination) {
        return Err(Refusal::invalid_value(format!(
            "cannot remove local route {destination} in route table {}",
            table.id
        )));
    }
    if !table
        .routes
        .iter()
        .any(|route| route.destination == destination)
    {
        let kind = match destination {
            Destination::Ipv4(_) => "destination-cidr-block",
            Destination::Ipv6(_) => "destination-ipv6-cidr-block",
            Destination::PrefixList(_) => "destination-prefix-list-id",
        };
        return Err(not_found(&destination.to_string(), kind, &table));
    }
    draft.edit::<RouteTable>(&table.id, |table| {
        table
            .routes
            .retain(|route| route.destination != destination);
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
    match there.any(|(id, _)| id.as_str() == list) {
        true => Err(Refusal::invalid_value(format!(
            "cannot remove VPC endpoint route {list} in route table {}",
            table.id
        ))),
        false => Ok(()),
    }
}

/// The destination that a request names, as AWS keeps it: host bits cleared.
fn destination(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Destination, Refusal> {
    let named = [
        "DestinationCidrBlock",
        "DestinationIpv6CidrBlock",
        "DestinationPrefixListId",
    ];
    let mut given = named
        .iter()
        .filter_map(|name| Some((*name, input.text(name).filter(|text| !text.is_empty())?)));
    let Some((name, text)) = given.next() else {
        return Err(Refusal::missing("DestinationCidrBlock"));
    };
    if given.next().is_some() {
        return Err(Refusal::combination(
            "The request must contain exactly one of destinationCidrBlock, destinationIpv6CidrBlock and destinationPrefixListId",
        ));
    }
    match name {
        "DestinationCidrBlock" => Ok(vpc::cidr(text, "destinationCidrBlock")?.into()),
        "DestinationIpv6CidrBlock" => match text.parse::<Ipv6Net>() {
            Ok(block) => Ok(block.into()),
            Err(_) => Err(Refusal::invalid_value(format!(
                "Value ({text}) for parameter destinationIpv6CidrBlock is invalid. This is not a valid CIDR block."
            ))),
        },
        _ => {
            let list = prefix_list::find(intent, ctx, text)?;
            Ok(Destination::PrefixList(list.id.clone()))
        }
    }
}
