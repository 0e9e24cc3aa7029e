//! Prefix lists: versions of customers', ranges of services.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

fn make(world: &World, blocks: &[&str]) -> String {
    let entries: Vec<Value> = blocks.iter().map(|b| map! { "Cidr" => *b }).collect();
    let input = map! {
        "PrefixListName" => "mine", "AddressFamily" => "IPv4", "MaxEntries" => 3i64,
        "Entries" => Value::List(entries),
    };
    let made = world.ec2("CreateManagedPrefixList", input);
    text(made.get("PrefixList"), "PrefixListId")
}

fn entries(world: &World, id: &str, version: Option<i64>) -> Vec<String> {
    let input = map! { "PrefixListId" => id, "TargetVersion" => version };
    each(
        &world.ec2("GetManagedPrefixListEntries", input),
        "Entries",
        "Cidr",
    )
}

fn modify(id: &str, version: i64, add: &[&str], remove: &[&str]) -> Value {
    let entries =
        |blocks: &[&str]| Value::List(blocks.iter().map(|b| map! { "Cidr" => *b }).collect());
    map! {
        "PrefixListId" => id, "CurrentVersion" => version,
        "AddEntries" => entries(add), "RemoveEntries" => entries(remove),
    }
}

#[test]
fn entries_have_versions() {
    let world = World::new();
    let id = make(&world, &["192.0.2.0/24"]);
    let name = "ModifyManagedPrefixList";
    let made = world.ec2(
        name,
        modify(&id, 1, &["198.51.100.7/24"], &["192.0.2.0/24"]),
    );
    assert_eq!(made.get("PrefixList").get("Version").int(), Some(2));
    assert_eq!(entries(&world, &id, None), ["198.51.100.0/24"]);
    assert_eq!(entries(&world, &id, Some(1)), ["192.0.2.0/24"]);
    for (input, code) in [
        (
            modify(&id, 1, &["203.0.113.0/24"], &[]),
            "PrefixListVersionMismatch",
        ),
        (
            modify(&id, 2, &["198.51.100.0/24"], &[]),
            "InvalidPrefixListModification",
        ),
        (
            modify(&id, 2, &[], &["203.0.113.0/24"]),
            "InvalidPrefixListModification",
        ),
        (
            modify(&id, 2, &["198.51.100.0/24"], &["198.51.100.0/24"]),
            "InvalidParameterValue",
        ),
        (modify(&id, 2, &["fd00::/8"], &[]), "InvalidParameterValue"),
        (
            modify(&id, 2, &["1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8"], &[]),
            "PrefixListMaxEntriesExceeded",
        ),
        (
            map! { "PrefixListId" => id.as_str() },
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(world.ec2_refused(name, input.clone()).0, code, "{input:?}");
    }
    let restore = map! {
        "PrefixListId" => id.as_str(), "CurrentVersion" => 2i64, "PreviousVersion" => 1i64,
    };
    world.ec2("RestoreManagedPrefixListVersion", restore);
    assert_eq!(entries(&world, &id, None), ["192.0.2.0/24"]);
    let renamed = map! { "PrefixListId" => id.as_str(), "PrefixListName" => "other" };
    let renamed = world.ec2(name, renamed);
    assert_eq!(renamed.get("PrefixList").get("Version").int(), Some(3));
    let (code, _) = world.ec2_refused(
        "ModifyManagedPrefixList",
        modify("pl-63a5400a", 0, &["203.0.113.0/24"], &[]),
    );
    assert_eq!(code, "OperationNotPermitted");
}

#[test]
fn a_list_in_use_stays_and_routes_follow_it() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let gateway = world.internet_gateway(Some(&vpc));
    let table = world.table(&vpc);
    let id = make(&world, &["192.0.2.0/24"]);
    let route = map! {
        "RouteTableId" => table.as_str(), "DestinationPrefixListId" => id.as_str(),
        "GatewayId" => gateway.as_str(),
    };
    world.ec2("CreateRoute", route.clone());
    let uses = world.ec2(
        "GetManagedPrefixListAssociations",
        map! { "PrefixListId" => id.as_str() },
    );
    assert_eq!(
        each(&uses, "PrefixListAssociations", "ResourceId"),
        [table.as_str()]
    );
    let named = map! { "PrefixListId" => id.as_str() };
    assert_eq!(
        world
            .ec2_refused("DeleteManagedPrefixList", named.clone())
            .0,
        "DependencyViolation"
    );
    let built = || {
        let view = adit_snapshot::build(&world.intent());
        let view = view.vpc(&vpc).unwrap().clone();
        let table = view
            .tables
            .iter()
            .find(|t| t.id.as_str() == table)
            .unwrap()
            .clone();
        table
            .routes
            .iter()
            .map(|r| r.destination.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(built(), ["192.0.2.0/24"]);
    world.ec2(
        "ModifyManagedPrefixList",
        modify(&id, 1, &["198.51.100.0/24"], &[]),
    );
    assert_eq!(built(), ["192.0.2.0/24", "198.51.100.0/24"]);
    let gone = map! { "RouteTableId" => table.as_str(), "DestinationPrefixListId" => id.as_str() };
    world.ec2("DeleteRoute", gone);
    world.ec2("DeleteManagedPrefixList", named);
}

#[test]
fn an_operator_moves_the_ranges_of_a_service() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let table = world.table(&vpc);
    world.gateway_endpoint(&vpc, &[&table]);
    let set = |cidrs: Value| map! { "Service" => "s3", "Cidrs" => cidrs };
    for (cidrs, code) in [
        (list!["nonsense"], "InvalidParameterValue"),
        (list!["127.0.0.0/16"], "InvalidParameterValue"),
        (list!["198.18.32.0/24"], "InvalidParameterValue"),
        (list!["198.19.0.0/24"], "InvalidParameterValue"),
        (
            list!["198.18.0.0/20", "198.18.1.0/24"],
            "InvalidParameterValue",
        ),
        (list![], "MissingParameter"),
    ] {
        let error = world.refused(Service::Adit, "SetPrefixList", set(cidrs.clone()));
        assert_eq!(error.code, code, "{cidrs:?}");
    }
    let unknown = map! { "Service" => "nonsense", "Cidrs" => list!["198.18.0.0/20"] };
    let error = world.refused(Service::Adit, "SetPrefixList", unknown);
    assert_eq!(error.code, "InvalidServiceName");

    let before = adit_snapshot::build(&world.intent());
    world.ok(Service::Adit, "SetPrefixList", set(list!["198.18.64.0/24"]));
    let region = "us-east-1".parse().unwrap();
    for snapshot in [
        before.next(&world.intent()),
        adit_snapshot::build(&world.intent()),
    ] {
        let view = snapshot.vpc(&vpc).unwrap();
        let routes = view.tables.iter().find(|t| t.id.as_str() == table).unwrap();
        let routes: Vec<_> = routes
            .routes
            .iter()
            .map(|r| r.destination.to_string())
            .collect();
        assert_eq!(routes, ["198.18.64.0/24"]);
        let address = snapshot.service_address("s3", &region).unwrap();
        assert_eq!(address.to_string(), "198.18.64.10");
    }
}
