//! Peering connections, as both sides see them.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

fn ask(world: &World, vpc: &str, peer: &str) -> String {
    let input = map! { "VpcId" => vpc, "PeerVpcId" => peer };
    let made = world.ec2("CreateVpcPeeringConnection", input);
    text(made.get("VpcPeeringConnection"), "VpcPeeringConnectionId")
}

fn named(id: &str) -> Value {
    map! { "VpcPeeringConnectionId" => id }
}

fn state(world: &World, id: &str) -> String {
    let input = map! { "VpcPeeringConnectionIds" => list![id] };
    let shown = world.ec2("DescribeVpcPeeringConnections", input);
    text(one(&shown, "VpcPeeringConnections").get("Status"), "Code")
}

#[test]
fn states_follow_answers_blocks_and_the_clock() {
    let world = World::new();
    let a = world.vpc("10.0.0.0/16");
    let b = world.vpc("10.1.0.0/16");
    let same = world.vpc("10.0.0.0/16");

    let rejected = ask(&world, &a, &b);
    world.ec2("RejectVpcPeeringConnection", named(&rejected));
    assert_eq!(state(&world, &rejected), "rejected");
    let (code, _) = world.ec2_refused("AcceptVpcPeeringConnection", named(&rejected));
    assert_eq!(code, "InvalidStateTransition");

    let failed = ask(&world, &a, &same);
    assert_eq!(state(&world, &failed), "failed");

    let late = ask(&world, &a, &b);
    assert_eq!(state(&world, &late), "pending-acceptance");
    let twice = map! { "VpcId" => b.as_str(), "PeerVpcId" => a.as_str() };
    assert_eq!(
        world.ec2_refused("CreateVpcPeeringConnection", twice).0,
        "VpcPeeringConnectionAlreadyExists"
    );
    world.sleep(7 * 24 * 3600 * 1000);
    assert_eq!(state(&world, &late), "expired");
    let (code, _) = world.ec2_refused("AcceptVpcPeeringConnection", named(&late));
    assert_eq!(code, "InvalidStateTransition");

    let active = ask(&world, &a, &b);
    world.ec2("AcceptVpcPeeringConnection", named(&active));
    assert_eq!(state(&world, &active), "active");
    let overlapping = map! { "VpcId" => b.as_str(), "CidrBlock" => "10.0.128.0/17" };
    assert_eq!(
        world.ec2_refused("AssociateVpcCidrBlock", overlapping).0,
        "InvalidVpc.Range"
    );
    let (code, _) = world.ec2_refused("DeleteVpc", map! { "VpcId" => a.as_str() });
    assert_eq!(code, "DependencyViolation");

    let table = world.main_table(&a);
    let route = map! {
        "RouteTableId" => table.as_str(), "DestinationCidrBlock" => "10.1.0.0/16",
        "VpcPeeringConnectionId" => active.as_str(),
    };
    world.ec2("CreateRoute", route);
    let foreign = map! {
        "RouteTableId" => world.main_table(&same), "DestinationCidrBlock" => "10.1.0.0/16",
        "VpcPeeringConnectionId" => active.as_str(),
    };
    assert_eq!(
        world.ec2_refused("CreateRoute", foreign).0,
        "InvalidParameterValue"
    );
    world.ec2("DeleteVpcPeeringConnection", named(&active));
    let shown = world.ec2(
        "DescribeRouteTables",
        map! { "RouteTableIds" => list![table] },
    );
    let routes = one(&shown, "RouteTables").get("Routes").list().to_vec();
    assert_eq!(text(&routes[1], "State"), "blackhole");
    // What is over keeps nobody.
    world.ec2("DeleteVpc", map! { "VpcId" => a });
    assert_eq!(world.intent().peering_connections.size(), 0);
}

#[test]
fn another_block_is_held_against_connections_that_stand_or_wait() {
    let world = World::new();
    let a = world.vpc("10.0.0.0/16");
    let b = world.vpc("10.1.0.0/16");
    let add = |vpc: &str, cidr: &str| {
        let input = map! { "VpcId" => vpc, "CidrBlock" => cidr };
        let made = world.call(Service::Ec2, "AssociateVpcCidrBlock", input);
        made.map_or_else(|why| why.code.to_string(), |_| "added".into())
    };
    // While it waits, the side that asked adds nothing, whatever overlaps.
    let waiting = ask(&world, &a, &b);
    assert_eq!(add(&a, "10.9.0.0/24"), "OperationNotPermitted");
    assert_eq!(add(&b, "10.0.1.0/24"), "added", "and fails the connection");
    assert_eq!(state(&world, &waiting), "failed");
    assert_eq!(add(&a, "10.1.1.0/24"), "added", "what failed keeps nobody");

    let (c, d) = (world.vpc("10.2.0.0/16"), world.vpc("10.3.0.0/16"));
    let rejected = ask(&world, &c, &d);
    world.ec2("RejectVpcPeeringConnection", named(&rejected));
    assert_eq!(add(&c, "10.3.1.0/24"), "added");
    let (e, f) = (world.vpc("10.4.0.0/16"), world.vpc("10.5.0.0/16"));
    let late = ask(&world, &e, &f);
    world.sleep(7 * 24 * 3600 * 1000);
    assert_eq!(state(&world, &late), "expired");
    assert_eq!(add(&e, "10.5.1.0/24"), "added");
    let (g, h) = (world.vpc("10.6.0.0/16"), world.vpc("10.7.0.0/16"));
    let active = ask(&world, &g, &h);
    world.ec2("AcceptVpcPeeringConnection", named(&active));
    assert_eq!(add(&g, "10.7.1.0/24"), "InvalidVpc.Range");
    assert_eq!(add(&g, "10.8.0.0/24"), "added");
}

#[test]
fn only_the_side_that_was_asked_answers_and_in_its_region() {
    let world = World::new();
    let here = world.vpc("10.0.0.0/16");
    world.go_to("eu-west-1");
    let there = world.vpc("10.1.0.0/16");
    world.go_to("us-east-1");
    let unknown = map! { "VpcId" => here.as_str(), "PeerVpcId" => there.as_str() };
    let (code, _) = world.ec2_refused("CreateVpcPeeringConnection", unknown);
    assert_eq!(code, "InvalidVpcID.NotFound", "without its Region");
    let input = map! {
        "VpcId" => here.as_str(), "PeerVpcId" => there.as_str(), "PeerRegion" => "eu-west-1",
    };
    let made = world.ec2("CreateVpcPeeringConnection", input);
    let made = made.get("VpcPeeringConnection");
    assert!(made.get("AccepterVpcInfo").get("CidrBlock").is_null());
    let id = text(made, "VpcPeeringConnectionId");
    let (code, message) = world.ec2_refused("AcceptVpcPeeringConnection", named(&id));
    assert_eq!(code, "OperationNotPermitted");
    assert!(message.contains("eu-west-1"), "{message}");
    world.go_to("eu-west-1");
    let accepted = world.ec2("AcceptVpcPeeringConnection", named(&id));
    let accepted = accepted.get("VpcPeeringConnection");
    assert_eq!(
        text(accepted.get("RequesterVpcInfo"), "CidrBlock"),
        "10.0.0.0/16"
    );
    let tags = list![map! { "Key" => "side", "Value" => "there" }];
    world.ec2(
        "CreateTags",
        map! { "Resources" => list![id.as_str()], "Tags" => tags },
    );
    let filters = || list![filter("tag:side", &["there"])];
    let mine = world.ec2(
        "DescribeVpcPeeringConnections",
        map! { "Filters" => filters() },
    );
    assert_eq!(
        each(&mine, "VpcPeeringConnections", "VpcPeeringConnectionId"),
        [id.as_str()]
    );
    world.go_to("us-east-1");
    let theirs = world.ec2(
        "DescribeVpcPeeringConnections",
        map! { "Filters" => filters() },
    );
    assert_eq!(theirs.get("VpcPeeringConnections").list().len(), 0);
}

#[test]
fn another_account_is_asked_and_answers() {
    let world = World::new();
    let mine = world.vpc("10.0.0.0/16");
    let made = world.ok(Service::Adit, "CreateAccount", map! { "Name" => "other" });
    let key = text(&made, "AccessKeyId");
    let account = text(&made, "AccountId");
    world.use_key(&key);
    let theirs = world.vpc("10.1.0.0/16");
    world.use_key(ROOT);
    let input = map! {
        "VpcId" => mine.as_str(), "PeerVpcId" => theirs.as_str(), "PeerOwnerId" => account.as_str(),
    };
    let made = world.ec2("CreateVpcPeeringConnection", input);
    let id = text(made.get("VpcPeeringConnection"), "VpcPeeringConnectionId");
    let (code, _) = world.ec2_refused("AcceptVpcPeeringConnection", named(&id));
    assert_eq!(code, "OperationNotPermitted");
    world.use_key(&key);
    assert_eq!(state(&world, &id), "pending-acceptance");
    let (code, _) = world.ec2_refused("DeleteVpcPeeringConnection", named(&id));
    assert_eq!(
        code, "InvalidStateTransition",
        "who is asked answers, and does not withdraw"
    );
    world.ec2("AcceptVpcPeeringConnection", named(&id));
    let on = map! { "AllowDnsResolutionFromRemoteVpc" => true };
    let options = |member: &'static str| {
        map! { "VpcPeeringConnectionId" => id.as_str(), member => on.clone() }
    };
    let modify = "ModifyVpcPeeringConnectionOptions";
    let (code, _) = world.ec2_refused(modify, options("AccepterPeeringConnectionOptions"));
    assert_eq!(
        code,
        "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled"
    );
    let (code, _) = world.ec2_refused(modify, options("RequesterPeeringConnectionOptions"));
    assert_eq!(code, "OperationNotPermitted");
    let names = map! { "VpcId" => theirs, "EnableDnsHostnames" => map! { "Value" => true } };
    world.ec2("ModifyVpcAttribute", names);
    world.ec2(modify, options("AccepterPeeringConnectionOptions"));
    let intent = world.intent();
    let (_, connection) = intent.peering_connections.first().unwrap();
    assert!(connection.accepter.allow_dns && !connection.requester.allow_dns);
}

#[test]
fn rules_name_groups_of_peers() {
    let world = World::new();
    let (mine, theirs) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let (web, clients) = (world.group(&mine, "web"), world.group(&theirs, "clients"));
    let pair = |more: Option<&str>| {
        let mut pair = adit_wire::Map::new();
        pair.push("GroupId", clients.as_str());
        if let Some(peering) = more {
            pair.push("VpcPeeringConnectionId", peering);
        }
        let rule = map! {
            "IpProtocol" => "tcp", "FromPort" => 443i64, "ToPort" => 443i64,
            "UserIdGroupPairs" => list![Value::Map(pair)],
        };
        map! { "GroupId" => web.as_str(), "IpPermissions" => list![rule] }
    };
    let (code, _) = world.ec2_refused("AuthorizeSecurityGroupIngress", pair(None));
    assert_eq!(code, "InvalidGroup.NotFound", "nothing joins them yet");
    let both = map! { "VpcId" => mine.as_str(), "PeerVpcId" => theirs.as_str() };
    let made = world.ec2("CreateVpcPeeringConnection", both);
    let id = text(made.get("VpcPeeringConnection"), "VpcPeeringConnectionId");
    let (code, _) = world.ec2_refused("AuthorizeSecurityGroupIngress", pair(None));
    assert_eq!(code, "InvalidGroup.NotFound", "nobody has accepted");
    world.ec2("AcceptVpcPeeringConnection", named(&id));
    let other = "pcx-0123456789abcdef0";
    let (code, _) = world.ec2_refused("AuthorizeSecurityGroupIngress", pair(Some(other)));
    assert_eq!(code, "InvalidVpcPeeringConnectionID.NotFound");
    let made = world.ec2("AuthorizeSecurityGroupIngress", pair(Some(&id)));
    let info = one(&made, "SecurityGroupRules")
        .get("ReferencedGroupInfo")
        .clone();
    assert_eq!(
        (
            text(&info, "GroupId"),
            text(&info, "VpcId"),
            text(&info, "PeeringStatus")
        ),
        (clients.clone(), theirs.clone(), "active".to_string())
    );
    let shown = || {
        let input = map! { "GroupIds" => list![web.as_str()] };
        let groups = world.ec2("DescribeSecurityGroups", input);
        let group = one(&groups, "SecurityGroups").clone();
        let rule = one(&group, "IpPermissions").clone();
        one(&rule, "UserIdGroupPairs").clone()
    };
    assert_eq!(text(&shown(), "VpcPeeringConnectionId"), id);
    let input = map! { "GroupId" => list![clients.as_str()] };
    let found = world.ec2("DescribeSecurityGroupReferences", input);
    assert_eq!(
        text(one(&found, "SecurityGroupReferenceSet"), "ReferencingVpcId"),
        mine
    );
    let stale = || {
        let input = map! { "VpcId" => mine.as_str() };
        let found = world.ec2("DescribeStaleSecurityGroups", input);
        each(&found, "StaleSecurityGroupSet", "GroupId")
    };
    assert_eq!(stale(), Vec::<String>::new());

    world.ec2("DeleteVpcPeeringConnection", named(&id));
    assert_eq!(text(&shown(), "PeeringStatus"), "deleted");
    assert_eq!(stale(), std::slice::from_ref(&web));
    world.ec2(
        "DeleteSecurityGroup",
        map! { "GroupId" => clients.as_str() },
    );
    assert_eq!(text(&shown(), "PeeringStatus"), "deleted");
    world.ec2("RevokeSecurityGroupIngress", pair(None));
    assert_eq!(stale(), Vec::<String>::new());
}
