//! Route 53: zones, associations across accounts, batches, listing order, changes.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

fn r53(world: &World, name: &str, input: Value) -> Value {
    world.ok(Service::Route53, name, input)
}

fn refused(world: &World, name: &str, input: Value) -> (String, String) {
    let error = world.refused(Service::Route53, name, input);
    (error.code.into_owned(), error.message)
}

fn wish(vpc: &str, name: &str, reference: &str) -> Value {
    map! {
        "Name" => name, "CallerReference" => reference,
        "VPC" => map! { "VPCRegion" => "us-east-1", "VPCId" => vpc },
        "HostedZoneConfig" => map! { "Comment" => "a comment", "PrivateZone" => true },
    }
}

fn zone(world: &World, vpc: &str, name: &str) -> String {
    let made = r53(world, "CreateHostedZone", wish(vpc, name, name));
    let id = text(made.get("HostedZone"), "Id");
    id.strip_prefix("/hostedzone/").unwrap().to_string()
}

fn set(name: &str, rtype: &str, values: &[&str]) -> Value {
    let value = |text: &&str| map! { "Value" => *text };
    map! {
        "Name" => name, "Type" => rtype, "TTL" => 300i64,
        "ResourceRecords" => values.iter().map(value).collect::<Value>(),
    }
}

fn change(action: &str, set: Value) -> Value {
    map! { "Action" => action, "ResourceRecordSet" => set }
}

fn batch(zone: &str, changes: Vec<Value>) -> Value {
    map! { "HostedZoneId" => zone, "ChangeBatch" => map! { "Changes" => changes } }
}

fn put(world: &World, zone: &str, sets: Vec<Value>) -> Value {
    let changes = sets.into_iter().map(|s| change("CREATE", s)).collect();
    r53(world, "ChangeResourceRecordSets", batch(zone, changes))
}

fn shown(world: &World, zone: &str) -> Vec<String> {
    let all = r53(
        world,
        "ListResourceRecordSets",
        map! { "HostedZoneId" => zone },
    );
    let sets = all.get("ResourceRecordSets").list().iter();
    sets.map(|s| format!("{} {}", text(s, "Name"), text(s, "Type")))
        .collect()
}

#[test]
fn a_zone_is_private_and_begins_with_two_sets() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let made = r53(
        &world,
        "CreateHostedZone",
        wish(&vpc, "Corp.Example", "one"),
    );
    let shown_zone = made.get("HostedZone");
    assert_eq!(text(shown_zone, "Name"), "corp.example.");
    assert_eq!(shown_zone.get("ResourceRecordSetCount").int(), Some(2));
    assert_eq!(
        shown_zone.get("Config").get("PrivateZone").bool(),
        Some(true)
    );
    assert_eq!(text(made.get("ChangeInfo"), "Status"), "INSYNC");
    let id = text(shown_zone, "Id");
    assert!(text(&made, "Location").ends_with(id.trim_start_matches('/')));
    let got = r53(&world, "GetHostedZone", map! { "Id" => id.as_str() });
    assert_eq!(each(&got, "VPCs", "VPCId"), [vpc.as_str()]);
    let bare = id.trim_start_matches("/hostedzone/");
    assert_eq!(
        shown(&world, bare),
        ["corp.example. NS", "corp.example. SOA"]
    );
    let count = r53(&world, "GetHostedZoneCount", map! {});
    assert_eq!(count.get("HostedZoneCount").int(), Some(1));
    let input = map! { "Id" => bare, "Comment" => "other" };
    let updated = r53(&world, "UpdateHostedZoneComment", input);
    assert_eq!(
        text(updated.get("HostedZone").get("Config"), "Comment"),
        "other"
    );
    r53(&world, "DeleteHostedZone", map! { "Id" => bare });
    assert!(world.intent().zone_records.is_empty() && world.intent().zone_associations.is_empty());
}

#[test]
fn zones_are_refused_with_aws_codes() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    zone(&world, &vpc, "corp.example");
    let mut public = wish(&vpc, "x.example", "two");
    public.map_mut().unwrap().remove("VPC");
    for (input, code) in [
        (public, "InvalidInput"),
        (wish(&vpc, "corp.example", "two"), "ConflictingDomainExists"),
        (
            wish(&vpc, "other.example", "corp.example"),
            "HostedZoneAlreadyExists",
        ),
        (
            wish("vpc-0123456789abcdef0", "x.example", "two"),
            "InvalidVPCId",
        ),
        (wish(&vpc, "a..example", "two"), "InvalidDomainName"),
        (wish(&vpc, "*.example", "two"), "InvalidDomainName"),
    ] {
        assert_eq!(
            refused(&world, "CreateHostedZone", input.clone()).0,
            code,
            "{input:?}"
        );
    }
    // Parent and child go together; so does the same name in another VPC.
    zone(&world, &vpc, "sub.corp.example");
    let other = world.vpc("10.1.0.0/16");
    r53(
        &world,
        "CreateHostedZone",
        wish(&other, "corp.example", "three"),
    );
    let unknown = map! { "Id" => "Z0123456789" };
    let (code, message) = refused(&world, "DeleteHostedZone", unknown);
    assert_eq!(
        (code.as_str(), message.as_str()),
        (
            "NoSuchHostedZone",
            "No hosted zone found with ID: Z0123456789"
        )
    );
}

#[test]
fn a_batch_is_applied_wholly_or_not_at_all() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let zone = zone(&world, &vpc, "corp.example");
    put(
        &world,
        &zone,
        vec![set("www.corp.example", "A", &["10.0.0.1"])],
    );
    let wrong = batch(
        &zone,
        vec![
            change("CREATE", set("new.corp.example", "A", &["10.0.0.2"])),
            change("CREATE", set("www.corp.example", "A", &["10.0.0.3"])),
            change("DELETE", set("gone.corp.example", "A", &["10.0.0.3"])),
        ],
    );
    let (code, message) = refused(&world, "ChangeResourceRecordSets", wrong);
    assert_eq!(code, "InvalidChangeBatch");
    assert_eq!(
        message,
        "[Tried to create resource record set [name='www.corp.example.', type='A'] but it already exists, \
         Tried to delete resource record set [name='gone.corp.example.', type='A'] but it was not found]"
    );
    // Order counts: what is deleted may be created again.
    let swap = batch(
        &zone,
        vec![
            change("DELETE", set("www.corp.example", "A", &["10.0.0.1"])),
            change(
                "CREATE",
                set("www.corp.example", "CNAME", &["new.corp.example"]),
            ),
            change("UPSERT", set("new.corp.example", "A", &["10.0.0.2"])),
        ],
    );
    r53(&world, "ChangeResourceRecordSets", swap);
    let got = r53(&world, "GetHostedZone", map! { "Id" => zone.as_str() });
    assert_eq!(
        got.get("HostedZone").get("ResourceRecordSetCount").int(),
        Some(4)
    );
    assert_eq!(
        refused(&world, "DeleteHostedZone", map! { "Id" => zone.as_str() }).0,
        "HostedZoneNotEmpty"
    );
}

#[test]
fn what_a_zone_cannot_hold() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = zone(&world, &vpc, "corp.example");
    put(
        &world,
        &id,
        vec![set("www.corp.example", "A", &["10.0.0.1"])],
    );
    let with = |mut set: Value, name: &'static str, value: Value| {
        set.map_mut().unwrap().insert(name, value);
        set
    };
    let a = |name: &str| set(name, "A", &["10.0.0.9"]);
    let alias = |zone: &str, name: &str| {
        map! { "Name" => "a.corp.example", "Type" => "A", "AliasTarget" => map! {
        "HostedZoneId" => zone, "DNSName" => name, "EvaluateTargetHealth" => false } }
    };
    for (action, set, part) in [
        ("CREATE", a("www.other.example"), "is not permitted in zone"),
        (
            "CREATE",
            set("corp.example", "CNAME", &["x.y"]),
            "not permitted at apex",
        ),
        (
            "CREATE",
            set("www.corp.example", "CNAME", &["x.y"]),
            "conflicts with other records",
        ),
        (
            "CREATE",
            set("b.corp.example", "A", &["10.0.0.256"]),
            "Value is not a valid IPv4 address",
        ),
        (
            "CREATE",
            set("b.corp.example", "TXT", &["bare"]),
            "enclosed in quotation marks",
        ),
        (
            "CREATE",
            set("b.corp.example", "NS", &["ns.x"]),
            "cannot delegate",
        ),
        (
            "CREATE",
            set("b.corp.example", "HTTPS", &["1 ."]),
            "are not supported",
        ),
        (
            "CREATE",
            set("b.corp.example", "A", &[]),
            "Missing field 'ResourceRecords'",
        ),
        (
            "CREATE",
            with(a("b.corp.example"), "Weight", 1i64.into()),
            "Weight is not supported",
        ),
        (
            "CREATE",
            with(a("b.corp.example"), "MultiValueAnswer", true.into()),
            "Missing field 'SetIdentifier'",
        ),
        (
            "CREATE",
            with(a("b.corp.example"), "Failover", "PRIMARY".into()),
            "Failover is not supported",
        ),
        (
            "CREATE",
            alias(&id, "x.other.example"),
            "does not lie within the target zone",
        ),
        (
            "CREATE",
            alias("Z7HUB22UULQXV", "x.other.example"),
            "does not lie within",
        ),
        (
            "DELETE",
            set("www.corp.example", "A", &["10.0.0.2"]),
            "do not match the current values",
        ),
        (
            "DELETE",
            set("corp.example", "SOA", &["a. b. 1 1 1 1 1"]),
            "do not match",
        ),
    ] {
        let input = batch(&id, vec![change(action, set.clone())]);
        let (code, message) = refused(&world, "ChangeResourceRecordSets", input);
        assert_eq!(code, "InvalidChangeBatch", "{set:?}");
        assert!(message.contains(part), "{set:?}: {message}");
    }
    // One way of choosing for all sets of a name and type.
    let multi = |id: &str, ip: &str| {
        let one = set("w.corp.example", "A", &[ip]);
        with(
            with(one, "SetIdentifier", id.into()),
            "MultiValueAnswer",
            true.into(),
        )
    };
    put(
        &world,
        &id,
        vec![multi("one", "10.0.0.1"), multi("two", "10.0.0.2")],
    );
    let plain = batch(&id, vec![change("CREATE", a("w.corp.example"))]);
    let (_, message) = refused(&world, "ChangeResourceRecordSets", plain);
    assert!(
        message.contains("other RRSets exist with the same name and type"),
        "{message}"
    );
    // A thousand records at most, those of an UPSERT twice.
    let many: Vec<Value> = (0..501)
        .map(|n| change("UPSERT", a(&format!("h{n}.corp.example"))))
        .collect();
    let (_, message) = refused(&world, "ChangeResourceRecordSets", batch(&id, many));
    assert_eq!(message, "[Number of records limit of 1000 exceeded.]");
}

#[test]
fn an_alias_leads_to_an_endpoint_as_its_entry_is_shown() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let endpoint = world.interface_endpoint(&vpc, &[&subnet]);
    let input = map! { "VpcEndpointIds" => vec![endpoint.as_str()] };
    let shown_endpoint = world.ec2("DescribeVpcEndpoints", input);
    let entry = one(&shown_endpoint, "VpcEndpoints")
        .get("DnsEntries")
        .list()[0]
        .clone();
    let zone = zone(&world, &vpc, "s3.eu-west-2.amazonaws.com");
    let alias = map! {
        "HostedZoneId" => entry.get("HostedZoneId").str(),
        "DNSName" => entry.get("DnsName").str(), "EvaluateTargetHealth" => true,
    };
    for name in ["s3.eu-west-2.amazonaws.com", "*.s3.eu-west-2.amazonaws.com"] {
        let set = map! { "Name" => name, "Type" => "A", "AliasTarget" => alias.clone() };
        put(&world, &zone, vec![set.clone()]);
        // As it was given it can be deleted and made again.
        r53(
            &world,
            "ChangeResourceRecordSets",
            batch(&zone, vec![change("DELETE", set.clone())]),
        );
        put(&world, &zone, vec![set]);
    }
    let all = r53(
        &world,
        "ListResourceRecordSets",
        map! { "HostedZoneId" => zone.as_str() },
    );
    let last = all.get("ResourceRecordSets").list().last().unwrap();
    assert_eq!(text(last, "Name"), "\\052.s3.eu-west-2.amazonaws.com.");
    let target = text(last.get("AliasTarget"), "DNSName");
    let named = entry.get("DnsName").str().unwrap().replace('*', "\\052");
    assert_eq!(target, format!("{named}."), "as it was given");
    assert!(last.get("TTL").is_null());
}

#[test]
fn lists_come_in_route_53s_order_and_pages_lose_nothing() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = zone(&world, &vpc, "corp.example");
    let names = [
        "b.corp.example",
        "*.corp.example",
        "x.a.corp.example",
        "a.corp.example",
    ];
    put(
        &world,
        &id,
        names.iter().map(|n| set(n, "A", &["10.0.0.1"])).collect(),
    );
    put(&world, &id, vec![set("a.corp.example", "TXT", &["\"x\""])]);
    let whole = shown(&world, &id);
    assert_eq!(
        whole,
        [
            "corp.example. NS",
            "corp.example. SOA",
            "\\052.corp.example. A",
            "a.corp.example. A",
            "a.corp.example. TXT",
            "x.a.corp.example. A",
            "b.corp.example. A",
        ]
    );
    let mut paged = Vec::new();
    let mut input = map! { "HostedZoneId" => id.as_str(), "MaxItems" => "2" };
    loop {
        let page = r53(&world, "ListResourceRecordSets", input.clone());
        let sets = page.get("ResourceRecordSets").list().iter();
        paged.extend(sets.map(|s| format!("{} {}", text(s, "Name"), text(s, "Type"))));
        assert_eq!(text(&page, "MaxItems"), "2");
        if page.get("IsTruncated").bool() == Some(false) {
            break;
        }
        let members = input.map_mut().unwrap();
        members.insert("StartRecordName", text(&page, "NextRecordName"));
        members.insert("StartRecordType", text(&page, "NextRecordType"));
    }
    assert_eq!(paged, whole);

    for name in ["b.example", "a.test", "z.example"] {
        zone(&world, &vpc, name);
    }
    let all = r53(&world, "ListHostedZonesByName", map! {});
    assert_eq!(
        each(&all, "HostedZones", "Name"),
        ["b.example.", "corp.example.", "z.example.", "a.test."]
    );
    let page = map! { "DNSName" => "corp.example", "MaxItems" => "1" };
    let page = r53(&world, "ListHostedZonesByName", page);
    assert_eq!(text(&page, "NextDNSName"), "z.example.");
    let mut seen = 0;
    let mut marker = None;
    loop {
        let input = map! { "MaxItems" => "3", "Marker" => marker.clone() };
        let page = r53(&world, "ListHostedZones", input);
        seen += page.get("HostedZones").list().len();
        marker = page.get("NextMarker").str().map(str::to_string);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, 4);
    let input = map! { "VPCId" => vpc.as_str(), "VPCRegion" => "us-east-1" };
    let by_vpc = r53(&world, "ListHostedZonesByVPC", input);
    assert_eq!(by_vpc.get("HostedZoneSummaries").list().len(), 4);
}

#[test]
fn a_zone_has_several_vpcs_and_keeps_one() {
    let world = World::new();
    let (one, two) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let id = zone(&world, &one, "corp.example");
    let with = |vpc: &str| {
        map! { "HostedZoneId" => id.as_str(),
        "VPC" => map! { "VPCRegion" => "us-east-1", "VPCId" => vpc } }
    };
    r53(&world, "AssociateVPCWithHostedZone", with(&two));
    assert_eq!(
        refused(&world, "AssociateVPCWithHostedZone", with(&two)).0,
        "ConflictingDomainExists"
    );
    r53(&world, "DisassociateVPCFromHostedZone", with(&one));
    assert_eq!(
        refused(&world, "DisassociateVPCFromHostedZone", with(&one)).0,
        "VPCAssociationNotFound"
    );
    assert_eq!(
        refused(&world, "DisassociateVPCFromHostedZone", with(&two)).0,
        "LastVPCAssociation"
    );
    // A VPC that goes takes its associations along.
    world.ec2("DeleteVpc", map! { "VpcId" => two.as_str() });
    assert!(world.intent().zone_associations.is_empty());
}

#[test]
fn another_accounts_vpc_needs_an_authorization() {
    let world = World::new();
    let home = world.vpc("10.0.0.0/16");
    let id = zone(&world, &home, "corp.example");
    let made = world.ok(Service::Adit, "CreateAccount", map! { "Name" => "other" });
    let key = text(&made, "AccessKeyId");
    world.use_key(&key);
    let theirs = world.vpc("10.9.0.0/16");
    let with = map! { "HostedZoneId" => id.as_str(),
    "VPC" => map! { "VPCRegion" => "us-east-1", "VPCId" => theirs.as_str() } };
    let error = world.refused(Service::Route53, "AssociateVPCWithHostedZone", with.clone());
    assert_eq!(
        (error.code.as_ref(), error.status),
        ("NotAuthorizedException", 401)
    );
    world.use_key(ROOT);
    r53(&world, "CreateVPCAssociationAuthorization", with.clone());
    let listed = map! { "HostedZoneId" => id.as_str() };
    let listed = r53(&world, "ListVPCAssociationAuthorizations", listed);
    assert_eq!(each(&listed, "VPCs", "VPCId"), [theirs.as_str()]);
    world.use_key(&key);
    r53(&world, "AssociateVPCWithHostedZone", with.clone());
    assert_eq!(
        refused(&world, "GetHostedZone", map! { "Id" => id.as_str() }).0,
        "NoSuchHostedZone"
    );
    world.use_key(ROOT);
    r53(&world, "DeleteVPCAssociationAuthorization", with.clone());
    assert_eq!(
        refused(&world, "DeleteVPCAssociationAuthorization", with).0,
        "VPCAssociationAuthorizationNotFound"
    );
    let got = r53(&world, "GetHostedZone", map! { "Id" => id.as_str() });
    assert_eq!(
        got.get("VPCs").list().len(),
        2,
        "what is associated stays so"
    );
}

#[test]
fn i9_a_change_is_insync_once_the_planes_have_it() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = zone(&world, &vpc, "corp.example");
    world.planes.stick();
    let made = put(
        &world,
        &id,
        vec![set("www.corp.example", "A", &["10.0.0.1"])],
    );
    assert_eq!(text(made.get("ChangeInfo"), "Status"), "PENDING");
    let change = text(made.get("ChangeInfo"), "Id");
    let asked = map! { "Id" => change.trim_start_matches("/change/") };
    let status = |world: &World| {
        text(
            r53(world, "GetChange", asked.clone()).get("ChangeInfo"),
            "Status",
        )
    };
    assert_eq!(status(&world), "PENDING");
    world.planes.catch_up();
    assert_eq!(status(&world), "INSYNC");
    assert_eq!(
        refused(&world, "GetChange", map! { "Id" => "C0123456789ABCDEF" }).0,
        "NoSuchChange"
    );
}

#[test]
fn an_endpoints_private_names_and_a_zone_exclude_each_other() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    for attribute in ["EnableDnsSupport", "EnableDnsHostnames"] {
        let value = map! { "Value" => true };
        world.ec2(
            "ModifyVpcAttribute",
            map! { "VpcId" => vpc.as_str(), attribute => value },
        );
    }
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let endpoint = map! {
        "VpcId" => vpc.as_str(), "ServiceName" => S3, "VpcEndpointType" => "Interface",
        "SubnetIds" => vec![subnet.as_str()], "PrivateDnsEnabled" => true,
        "DnsOptions" => map! { "PrivateDnsOnlyForInboundResolverEndpoint" => false },
    };
    let taken = zone(&world, &vpc, "s3.us-east-1.amazonaws.com");
    let (code, message) = world.ec2_refused("CreateVpcEndpoint", endpoint.clone());
    assert_eq!(code, "InvalidParameter");
    assert!(message.contains("conflicting DNS domain"), "{message}");
    r53(&world, "DeleteHostedZone", map! { "Id" => taken.as_str() });
    world.ec2("CreateVpcEndpoint", endpoint);
    let again = wish(&vpc, "s3.us-east-1.amazonaws.com", "again");
    assert_eq!(
        refused(&world, "CreateHostedZone", again).0,
        "ConflictingDomainExists"
    );
}

#[test]
fn zones_have_tags_and_limits() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let id = zone(&world, &vpc, "corp.example");
    let tag = map! { "ResourceType" => "hostedzone", "ResourceId" => id.as_str(),
    "AddTags" => list![map! { "Key" => "team", "Value" => "blue" }] };
    r53(&world, "ChangeTagsForResource", tag);
    let asked = map! { "ResourceType" => "hostedzone", "ResourceId" => id.as_str() };
    let tags = r53(&world, "ListTagsForResource", asked);
    assert_eq!(each(tags.get("ResourceTagSet"), "Tags", "Key"), ["team"]);
    let limit = map! { "HostedZoneId" => id.as_str(), "Type" => "MAX_RRSETS_BY_ZONE" };
    let limit = r53(&world, "GetHostedZoneLimit", limit);
    assert_eq!(limit.get("Limit").get("Value").int(), Some(10_000));
    assert_eq!(limit.get("Count").int(), Some(2));
}
