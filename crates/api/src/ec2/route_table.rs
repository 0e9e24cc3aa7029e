//! Route tables and which subnets use them [ec2-api §11, §17].

pub(crate) mod edge;

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use crate::addresses;
use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags, yes};
use crate::ec2::route::shown;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    let tags = input.tags("route-table")?;
    let token = Token::of(input, "CreateRouteTable", ctx)?;
    let echo = token.as_ref().map(|token| token.text.clone());
    let made = match &token {
        Some(token) => token.replay(draft, ctx)?,
        None => None,
    };
    let made = made.and_then(|id| draft.get::<RouteTable>(id).cloned());
    let table = match made {
        Some(table) => table,
        None => {
            let tables = || draft.in_vpc::<RouteTable>(&vpc.id);
            quotas::ROUTE_TABLES_PER_VPC.check(draft, || tables().count())?;
            let number = addresses::number(tables().map(|table| table.number));
            let table = draft.put(RouteTable {
                id: RouteTableId::from_digits(ctx.ids.digits()),
                vpc: vpc.id.clone(),
                owner: vpc.owner.clone(),
                number: number.ok_or_else(full)?,
                associations: Vec::new(),
                routes: Vec::new(),
                propagating: Vec::new(),
                tags,
            });
            if let Some(token) = &token {
                token.remember(draft, ctx, &table.id);
            }
            table
        }
    };
    Ok(Answer::later(move |view| {
        map! { "RouteTable" => show(&table, view), "ClientToken" => echo }
    }))
}

fn full() -> Refusal {
    Refusal::new(
        "RouteTableLimitExceeded",
        "The maximum number of route tables has been reached.",
    )
}

/// A table that subnets use or that is the main one cannot be deleted. One that a gateway endpoint
/// lists can: the endpoint loses it.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    if !table.associations.is_empty() {
        return Err(Refusal::dependency(&format!("routeTable '{}'", table.id)));
    }
    let endpoints = draft.in_vpc::<VpcEndpoint>(&table.vpc);
    let listing: Vec<VpcEndpointId> = endpoints
        .filter(|endpoint| match &endpoint.kind {
            EndpointKind::Gateway { route_tables } => route_tables.contains(&table.id),
            EndpointKind::Interface { .. } => false,
        })
        .map(|endpoint| endpoint.id.clone())
        .collect();
    for endpoint in listing {
        draft.edit::<VpcEndpoint>(endpoint, |endpoint| {
            if let EndpointKind::Gateway { route_tables } = &mut endpoint.kind {
                route_tables.retain(|id| *id != table.id);
            }
        });
    }
    draft.remove::<RouteTable>(&table.id);
    Ok(Answer::done())
}

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let table = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    input.refuse_unbuilt(&["PublicIpv4Pool"])?;
    match (input.text("SubnetId"), input.text("GatewayId")) {
        (Some(_), Some(_)) => Err(Refusal::combination(
            "The request must contain either subnetId or gatewayId, not both",
        )),
        (None, Some(_)) => edge::associate(input, draft, ctx, &table),
        _ => associate_subnet(input, draft, ctx, &table),
    }
}

fn associate_subnet(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    table: &RouteTable,
) -> Result<Answer, Refusal> {
    let subnet = ctx.required::<Subnet>(draft, input, "SubnetId")?;
    if subnet.vpc != table.vpc {
        return Err(Refusal::invalid_value(format!(
            "Route table {} and subnet {} belong to different networks",
            table.id, subnet.id
        )));
    }
    let there = association_of(draft, &subnet);
    let user = User::Subnet(subnet.id.clone());
    associate_to(draft, ctx, table, there, user, |_| Ok(()))
}

/// Who uses a route table.
enum User {
    Subnet(SubnetId),
    Gateway(EdgeGateway),
}

/// Associates a user that has `there`, a table and its association, already. The same association again is
/// answered with the one there is; a new one is made if `check` has nothing against it.
fn associate_to(
    draft: &mut Draft,
    ctx: &mut Ctx,
    table: &RouteTable,
    there: Option<(RouteTableId, RouteTableAssociationId)>,
    user: User,
    check: impl FnOnce(&Intent) -> Result<(), Refusal>,
) -> Result<Answer, Refusal> {
    let id = match there {
        Some((of, id)) if of == table.id => id,
        Some(_) => {
            return Err(Refusal::new(
                "Resource.AlreadyAssociated",
                format!(
                    "the specified association for route table {} conflicts with an existing association",
                    table.id
                ),
            ));
        }
        None => {
            check(draft)?;
            let id = RouteTableAssociationId::from_digits(ctx.ids.digits());
            let (subnet, gateway) = match user {
                User::Subnet(subnet) => (Some(subnet), None),
                User::Gateway(gateway) => (None, Some(gateway)),
            };
            let made = RouteTableAssociation {
                id: id.clone(),
                subnet,
                gateway,
            };
            draft.edit::<RouteTable>(&table.id, |table| table.associations.push(made));
            id
        }
    };
    Ok(Answer::from(
        map! { "AssociationId" => id.as_str(), "AssociationState" => associated() },
    ))
}

/// The table that a subnet uses by an association of its own, and the association.
fn association_of(
    intent: &Intent,
    subnet: &Subnet,
) -> Option<(RouteTableId, RouteTableAssociationId)> {
    intent.in_vpc::<RouteTable>(&subnet.vpc).find_map(|table| {
        let mut uses = table.associations.iter();
        let found = uses.find(|a| a.subnet.as_ref() == Some(&subnet.id))?;
        Some((table.id.clone(), found.id.clone()))
    })
}

pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let (table, association) = association(draft, ctx, input.required("AssociationId")?)?;
    if association.is_main() {
        return Err(Refusal::invalid_value(format!(
            "cannot disassociate the main route table association {}",
            association.id
        )));
    }
    draft.edit::<RouteTable>(&table.id, |table| {
        table.associations.retain(|a| a.id != association.id);
    });
    Ok(Answer::done())
}

/// Moves an association to another table of the VPC; it gets a new id. Moving the main association
/// makes the other table the main one.
pub(crate) fn replace_association(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let (from, association) = association(draft, ctx, input.required("AssociationId")?)?;
    let to = ctx.required::<RouteTable>(draft, input, "RouteTableId")?;
    if to.vpc != from.vpc {
        return Err(Refusal::invalid_value(format!(
            "Route table {} and route table {} belong to different networks",
            from.id, to.id
        )));
    }
    if association.gateway.is_some() {
        edge::check_routes(draft, &to)?;
    }
    let id = RouteTableAssociationId::from_digits(ctx.ids.digits());
    draft.edit::<RouteTable>(&from.id, |table| {
        table.associations.retain(|a| a.id != association.id);
    });
    draft.edit::<RouteTable>(&to.id, |table| {
        table.associations.push(RouteTableAssociation {
            id: id.clone(),
            ..association
        });
    });
    Ok(Answer::from(
        map! { "NewAssociationId" => id.as_str(), "AssociationState" => associated() },
    ))
}

/// The association with an id, and the table that has it.
fn association(
    intent: &Intent,
    ctx: &Ctx,
    id: &str,
) -> Result<(Arc<RouteTable>, RouteTableAssociation), Refusal> {
    let tables = intent
        .route_tables
        .values()
        .filter(|table| ctx.sees(intent, &***table));
    let mut all = tables.flat_map(|table| table.associations.iter().map(move |a| (table, a)));
    match all.find(|(_, association)| association.id.as_str() == id) {
        Some((table, association)) => Ok((table.clone(), association.clone())),
        None => Err(Refusal::new(
            "InvalidAssociationID.NotFound",
            format!("The association ID '{id}' does not exist"),
        )),
    }
}

const FILTERS: &[&str] = &[
    "route-table-id",
    "vpc-id",
    "association.gateway-id",
    "association.main",
    "association.route-table-association-id",
    "association.route-table-id",
    "association.subnet-id",
    "route.destination-cidr-block",
    "route.destination-ipv6-cidr-block",
    "route.destination-prefix-list-id",
    "route.egress-only-internet-gateway-id",
    "route.gateway-id",
    "route.instance-id",
    "route.nat-gateway-id",
    "route.transit-gateway-id",
    "route.vpc-peering-connection-id",
    "route.origin",
    "route.state",
];

const DESCRIBE: Describe<RouteTable> = Describe {
    ids: "RouteTableIds",
    items: "RouteTables",
    pages: 5..=100,
    filters: FILTERS,
    show,
    filter: |table, name, view| {
        let associations = table.associations.iter();
        let of_routes = |member: &str| {
            let routes = shown::all(table, view.intent).into_iter();
            routes
                .filter_map(|r| r.get(member).str().map(str::to_string))
                .collect()
        };
        Some(match name {
            "route-table-id" => vec![table.id.to_string()],
            "vpc-id" => vec![table.vpc.to_string()],
            // Only the main association makes this true; a table without it has `false`.
            "association.main" => yes(table.is_main()),
            "association.route-table-association-id" => {
                associations.map(|a| a.id.to_string()).collect()
            }
            "association.route-table-id" => associations.map(|_| table.id.to_string()).collect(),
            "association.subnet-id" => associations
                .filter_map(|a| a.subnet.as_ref())
                .map(String::from)
                .collect(),
            "route.destination-cidr-block" => of_routes("DestinationCidrBlock"),
            "route.destination-prefix-list-id" => of_routes("DestinationPrefixListId"),
            "route.gateway-id" => of_routes("GatewayId"),
            "route.origin" => of_routes("Origin"),
            "route.state" => of_routes("State"),
            "association.gateway-id" => associations
                .filter_map(|a| Some(a.gateway.as_ref()?.as_str().to_string()))
                .collect(),
            "route.destination-ipv6-cidr-block" => of_routes("DestinationIpv6CidrBlock"),
            "route.egress-only-internet-gateway-id" => of_routes("EgressOnlyInternetGatewayId"),
            "route.nat-gateway-id" => of_routes("NatGatewayId"),
            "route.vpc-peering-connection-id" => of_routes("VpcPeeringConnectionId"),
            "route.instance-id" | "route.transit-gateway-id" => Vec::new(),
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

fn associated() -> Value {
    map! { "State" => "associated" }
}

fn show(table: &RouteTable, view: View<'_>) -> Value {
    let association = |a: &RouteTableAssociation| {
        map! {
            "Main" => a.is_main(),
            "RouteTableAssociationId" => a.id.as_str(),
            "RouteTableId" => table.id.as_str(),
            "SubnetId" => a.subnet.as_ref().map(String::from),
            "GatewayId" => a.gateway.as_ref().map(|gateway| gateway.as_str().to_string()),
            "AssociationState" => associated(),
        }
    };
    let gateway = |id: &VpnGatewayId| map! { "GatewayId" => id.as_str() };
    map! {
        "RouteTableId" => table.id.as_str(),
        "VpcId" => table.vpc.as_str(),
        "OwnerId" => table.owner.as_str(),
        "Routes" => Value::List(shown::all(table, view.intent)),
        "Associations" => table.associations.iter().map(association).collect::<Value>(),
        "PropagatingVgws" => table.propagating.iter().map(gateway).collect::<Value>(),
        "Tags" => tags(&table.tags),
    }
}
