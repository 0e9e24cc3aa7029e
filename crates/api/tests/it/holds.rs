//! What something else uses is not taken away from it, and what leaves lets go of what it held.

use adit_wire::{Value, list, map};

use crate::world::*;

/// A VPC with a subnet and an internet gateway: the ids of all three.
fn place(world: &World) -> [String; 3] {
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let gateway = world.internet_gateway(Some(&vpc));
    [vpc, subnet, gateway]
}

fn interface(world: &World, subnet: &str) -> String {
    let made = world.ec2("CreateNetworkInterface", map! { "SubnetId" => subnet });
    text(made.get("NetworkInterface"), "NetworkInterfaceId")
}

fn allocate(world: &World) -> String {
    text(&world.ec2("AllocateAddress", map! {}), "AllocationId")
}

#[test]
fn an_internet_gateway_stays_while_any_address_needs_it() {
    let world = World::new();
    let [vpc, subnet, gateway] = place(&world);
    let (eni, eip) = (interface(&world, &subnet), allocate(&world));
    let input = map! {
        "NetworkInterfaceId" => eni.as_str(), "PrivateIpAddresses" => list!["10.0.1.77"],
    };
    world.ec2("AssignPrivateIpAddresses", input);
    let input = map! {
        "AllocationId" => eip.as_str(), "NetworkInterfaceId" => eni.as_str(),
        "PrivateIpAddress" => "10.0.1.77",
    };
    let bound = text(&world.ec2("AssociateAddress", input), "AssociationId");
    let both = map! { "InternetGatewayId" => gateway, "VpcId" => vpc };
    let (code, _) = world.ec2_refused("DetachInternetGateway", both.clone());
    assert_eq!(code, "DependencyViolation");
    world.ec2("DisassociateAddress", map! { "AssociationId" => bound });
    world.ec2("DetachInternetGateway", both);
}

#[test]
fn the_address_of_a_nat_gateway_leads_nowhere_else() {
    let world = World::new();
    let [_, subnet, _] = place(&world);
    let (eni, eip) = (interface(&world, &subnet), allocate(&world));
    let input = map! { "SubnetId" => subnet, "AllocationId" => eip.as_str() };
    world.ec2("CreateNatGateway", input);
    let input = map! {
        "AllocationId" => eip, "NetworkInterfaceId" => eni, "AllowReassociation" => true,
    };
    let (code, _) = world.ec2_refused("AssociateAddress", input);
    assert_eq!(code, "OperationNotPermitted");
}

#[test]
fn an_address_is_assigned_once() {
    let world = World::new();
    let [_, subnet, _] = place(&world);
    let (eni, other) = (interface(&world, &subnet), interface(&world, &subnet));
    let twice = |eni: &str| {
        map! {
            "NetworkInterfaceId" => eni, "AllowReassignment" => true,
            "PrivateIpAddresses" => list!["10.0.1.77", "10.0.1.77"],
        }
    };
    let refused = |eni: &str| world.ec2_refused("AssignPrivateIpAddresses", twice(eni)).0;
    assert_eq!(refused(&eni), "InvalidParameterValue");
    let input = map! {
        "NetworkInterfaceId" => eni.as_str(), "PrivateIpAddresses" => list!["10.0.1.77"],
    };
    world.ec2("AssignPrivateIpAddresses", input);
    assert_eq!(
        refused(&other),
        "InvalidParameterValue",
        "taken over, but once"
    );
    // What the interface has already is no fault, however often it is named.
    world.ec2("AssignPrivateIpAddresses", twice(&eni));
    let shown = world.ec2(
        "DescribeNetworkInterfaces",
        map! { "NetworkInterfaceIds" => list![eni] },
    );
    let all = one(&shown, "NetworkInterfaces").get("PrivateIpAddresses");
    assert_eq!(all.list().len(), 2);
}

#[test]
fn a_gateway_that_leaves_has_no_table() {
    let world = World::new();
    let [vpc, _, gateway] = place(&world);
    let table = world.table(&vpc);
    let input = map! { "GatewayId" => gateway.as_str(), "RouteTableId" => table.as_str() };
    world.ec2("AssociateRouteTable", input);
    let both = map! { "InternetGatewayId" => gateway, "VpcId" => vpc };
    world.ec2("DetachInternetGateway", both);
    let ids = list![table.as_str()];
    let shown = world.ec2("DescribeRouteTables", map! { "RouteTableIds" => ids });
    let associations = one(&shown, "RouteTables").get("Associations");
    assert_eq!(associations, &Value::List(Vec::new()));
    world.ec2("DeleteRouteTable", map! { "RouteTableId" => table });
}
