//! Runs and sites.

use adit_wire::{Service, Value, map};

use crate::world::*;

fn adit(world: &World, name: &str, input: Value) -> Value {
    world.ok(Service::Adit, name, input)
}

fn refused(world: &World, name: &str, input: Value) -> String {
    world.refused(Service::Adit, name, input).code.into_owned()
}

fn lease(name: &'static str, value: &str) -> Value {
    map! { name => value, "Pid" => 17i64, "Started" => 4_000_000_000i64 }
}

fn with(mut value: Value, name: &'static str, more: impl Into<Value>) -> Value {
    value.map_mut().unwrap().insert(name, more);
    value
}

#[test]
fn a_run_is_an_interface_with_the_default_group() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let made = adit(&world, "CreateRun", lease("SubnetId", &subnet));
    let id = text(&made, "NetworkInterfaceId");
    assert_eq!(text(&made, "Namespace"), id);
    assert_eq!(text(&made, "VpcId"), vpc);
    assert_eq!(text(&made, "PrivateIpAddress"), "10.0.1.10");
    assert_eq!(text(&made, "Resolver"), "10.0.0.2");
    assert!(made.get("PublicIpAddress").is_null());
    let shown = world.ec2("DescribeNetworkInterfaces", map! {});
    let eni = one(&shown, "NetworkInterfaces");
    assert_eq!(each(eni, "Groups", "GroupId"), [world.default_group(&vpc)]);
    assert_eq!(
        (text(eni, "Status"), text(eni, "InterfaceType")),
        ("in-use".into(), "interface".into())
    );
    let run = one(&adit(&world, "ListRuns", map! {}), "Runs").clone();
    assert_eq!(
        (run.get("Pid").int(), run.get("Started").int()),
        (Some(17), Some(4_000_000_000))
    );

    let group = world.group(&vpc, "web");
    let input = with(
        lease("SubnetId", &subnet),
        "SecurityGroupIds",
        vec![group.as_str(), &group],
    );
    let second = adit(&world, "CreateRun", input);
    assert_eq!(text(&second, "PrivateIpAddress"), "10.0.1.11");

    // Gone is gone, once and again; its address is free.
    for _ in 0..2 {
        adit(
            &world,
            "DeleteRun",
            map! { "NetworkInterfaceId" => id.as_str() },
        );
    }
    let third = adit(&world, "CreateRun", lease("SubnetId", &subnet));
    assert_eq!(text(&third, "PrivateIpAddress"), "10.0.1.10");
}

#[test]
fn a_public_address_is_the_subnets_choice_or_the_callers() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let public = |choice: Option<bool>| {
        let made = adit(
            &world,
            "CreateRun",
            with(lease("SubnetId", &subnet), "PublicIp", choice),
        );
        made.get("PublicIpAddress").str().map(str::to_string)
    };
    assert_eq!(public(None), None);
    assert_eq!(public(Some(true)).as_deref(), Some("198.19.0.10"));
    let map_public =
        map! { "SubnetId" => subnet.as_str(), "MapPublicIpOnLaunch" => map! { "Value" => true } };
    world.ec2("ModifySubnetAttribute", map_public);
    assert_eq!(public(None).as_deref(), Some("198.19.0.11"));
    assert_eq!(public(Some(false)), None);
}

#[test]
fn public_addresses_run_out() {
    let mut wish = first(false);
    wish.regions[0].public_addresses = "198.19.0.0/28".parse().unwrap();
    let world = World::starting(&wish);
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let input = with(lease("SubnetId", &subnet), "PublicIp", true);
    for _ in 0..11 {
        adit(&world, "CreateRun", input.clone());
    }
    assert_eq!(
        refused(&world, "CreateRun", input),
        "InsufficientAddressCapacity"
    );
    let site = map! { "Name" => "office", "Cidr" => "192.168.0.0/24", "VpcId" => vpc.as_str() };
    assert_eq!(
        refused(&world, "CreateSite", with(site.clone(), "Internet", true)),
        "InsufficientAddressCapacity"
    );
    adit(&world, "CreateSite", site);
}

#[test]
fn a_site_has_hosts_of_its_own() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let input = map! { "Name" => "office", "Cidr" => "192.168.0.9/24", "VpcId" => vpc.as_str() };
    let made = adit(&world, "CreateSite", input);
    assert_eq!(text(made.get("Site"), "Cidr"), "192.168.0.0/24");
    assert_eq!(made.get("Site").get("Internet").bool(), Some(false));
    let host = adit(&world, "CreateSiteRun", lease("Site", "office"));
    assert_eq!(text(&host, "IpAddress"), "192.168.0.10");
    assert_eq!(
        text(&host, "Resolver"),
        "192.168.0.1",
        "the site's router answers public names"
    );
    let id = text(&host, "HostId");
    assert_eq!(text(&host, "Namespace"), id);
    assert!(id.starts_with("host-0") && id.len() == "host-".len() + 17);

    let input = map! {
        "Name" => "lab", "Cidr" => "192.168.1.0/24", "VpcId" => vpc.as_str(),
        "Resolver" => "192.168.1.53", "Internet" => false,
    };
    adit(&world, "CreateSite", input);
    let other = adit(&world, "CreateSiteRun", lease("Site", "lab"));
    assert_eq!(text(&other, "Resolver"), "192.168.1.53");
    let sites = adit(&world, "ListSites", map! {});
    assert_eq!(each(&sites, "Sites", "Name"), ["lab", "office"]);
    let numbers: Vec<u16> = world
        .intent()
        .sites
        .values()
        .map(|site| site.number)
        .collect();
    assert_eq!(numbers, [2, 1]);

    assert_eq!(
        refused(&world, "DeleteSite", map! { "Name" => "office" }),
        "DependencyViolation"
    );
    for _ in 0..2 {
        adit(&world, "DeleteSiteRun", map! { "HostId" => id.as_str() });
    }
    adit(&world, "DeleteSite", map! { "Name" => "office" });
    assert_eq!(
        refused(&world, "CreateSiteRun", lease("Site", "office")),
        "InvalidSite.NotFound"
    );
    assert_eq!(
        world.ec2_refused("DeleteVpc", map! { "VpcId" => vpc }).0,
        "DependencyViolation"
    );
}

#[test]
fn what_is_refused() {
    let world = World::new();
    let (vpc, other) = (world.vpc("10.0.0.0/16"), world.vpc("10.1.0.0/16"));
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let endpoint = world.interface_endpoint(&vpc, &[&subnet]);
    let eni = texts(&world.endpoint(&endpoint), "NetworkInterfaceIds").remove(0);
    let foreign = world.group(&other, "web");
    let site = |name: &str, cidr: &str| {
        map! { "Name" => name, "Cidr" => cidr, "VpcId" => vpc.as_str() }
    };
    adit(&world, "CreateSite", site("office", "192.168.0.0/24"));
    let run = || lease("SubnetId", &subnet);
    for (name, input, code) in [
        (
            "CreateRun",
            lease("SubnetId", "subnet-0123456789abcdef0"),
            "InvalidSubnetID.NotFound",
        ),
        (
            "CreateRun",
            map! { "SubnetId" => subnet.as_str(), "Started" => 1i64 },
            "MissingParameter",
        ),
        (
            "CreateRun",
            with(run(), "Pid", 0i64),
            "InvalidParameterValue",
        ),
        (
            "CreateRun",
            with(run(), "Pid", -1i64),
            "InvalidParameterValue",
        ),
        (
            "CreateRun",
            with(run(), "Pid", "one"),
            "InvalidParameterValue",
        ),
        (
            "CreateRun",
            with(run(), "SecurityGroupIds", vec!["sg-0123456789abcdef0"]),
            "InvalidGroup.NotFound",
        ),
        (
            "CreateRun",
            with(run(), "SecurityGroupIds", vec![foreign.as_str()]),
            "InvalidParameter",
        ),
        (
            "DeleteRun",
            map! { "NetworkInterfaceId" => eni },
            "OperationNotPermitted",
        ),
        (
            "CreateSite",
            site("office", "192.168.9.0/24"),
            "InvalidSite.Duplicate",
        ),
        (
            "CreateSite",
            site("bad name!", "192.168.9.0/24"),
            "InvalidParameterValue",
        ),
        ("CreateSite", site("x", "nonsense"), "InvalidParameterValue"),
        (
            "CreateSite",
            site("x", "10.0.0.0/8"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            site("x", "10.0.7.0/24"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            site("x", "192.168.0.0/16"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            site("x", "192.168.9.0/30"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            site("x", "198.18.1.0/24"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            site("x", "198.19.0.0/24"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            site("x", "127.0.0.0/24"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            site("x", "224.0.0.0/24"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            with(site("x", "192.168.9.0/24"), "Resolver", "nonsense"),
            "InvalidParameterValue",
        ),
        (
            "CreateSite",
            with(
                site("x", "192.168.9.0/24"),
                "VpcId",
                "vpc-0123456789abcdef0",
            ),
            "InvalidVpcID.NotFound",
        ),
        (
            "DeleteSite",
            map! { "Name" => "nowhere" },
            "InvalidSite.NotFound",
        ),
        (
            "CreateSiteRun",
            lease("Site", "nowhere"),
            "InvalidSite.NotFound",
        ),
    ] {
        assert_eq!(
            refused(&world, name, input.clone()),
            code,
            "{name} {input:?}"
        );
    }
    // The same block at another VPC is another network.
    let elsewhere = map! { "Name" => "twin", "Cidr" => "192.168.0.0/24", "VpcId" => other };
    adit(&world, "CreateSite", elsewhere);
}

#[test]
fn the_first_account_alone_changes_what_concerns_all() {
    let world = World::new();
    let set = |limit: Value| map! { "Name" => "vpcs-per-region", "Limit" => limit };
    let made = adit(&world, "SetQuota", set(1i64.into()));
    assert_eq!(made.get("Limit").int(), Some(1));
    world.vpc("10.0.0.0/16");
    let one_more = map! { "CidrBlock" => "10.1.0.0/16" };
    let (code, _) = world.ec2_refused("CreateVpc", one_more.clone());
    assert_eq!(code, "VpcLimitExceeded");
    let back = adit(&world, "SetQuota", set(Value::Null));
    assert!(back.get("Limit").is_null() && back.get("Default").is_null());
    world.ec2("CreateVpc", one_more);
    for wrong in [Value::from(-1i64), Value::from(1i64 << 40)] {
        assert_eq!(
            refused(&world, "SetQuota", set(wrong)),
            "InvalidParameterValue"
        );
    }
    let unknown = map! { "Name" => "nonsense", "Limit" => 1i64 };
    assert_eq!(refused(&world, "SetQuota", unknown), "NoSuchEntity");

    let other = adit(&world, "CreateAccount", map! { "Name" => "other" });
    world.use_key(&text(&other, "AccessKeyId"));
    let listed = adit(&world, "ListQuotas", map! {});
    assert!(each(&listed, "Quotas", "Name").contains(&"vpcs-per-region".to_string()));
    let ranges = map! { "Service" => "s3", "Cidrs" => vec!["198.18.0.0/20"] };
    let zone = map! { "Zone" => "us-east-1a" };
    for (name, input) in [
        ("SetQuota", set(1i64.into())),
        ("SetPrefixList", ranges),
        ("FailZone", zone.clone()),
        ("RecoverZone", zone),
    ] {
        assert_eq!(refused(&world, name, input), "AccessDenied", "{name}");
    }
}

#[test]
fn a_device_of_the_host_is_lent_to_one_only() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let subnet = world.subnet(&vpc, "10.0.1.0/24", "a");
    let fresh = || {
        let made = adit(
            &world,
            "CreateInterface",
            map! { "SubnetId" => subnet.as_str() },
        );
        text(&made, "NetworkInterfaceId")
    };
    let (one_eni, other_eni) = (fresh(), fresh());
    let plug =
        |eni: &str, device: &str| map! { "NetworkInterfaceId" => eni, "Interface" => device };
    let shown = adit(&world, "AttachInterface", plug(&one_eni, "veth7"));
    assert_eq!(text(&shown, "Interface"), "veth7");
    assert_eq!(text(&shown, "Address"), "10.0.1.10/24");
    assert!(shown.get("Device").is_null());
    let listed = adit(&world, "ListAttachments", map! {});
    assert_eq!(each(&listed, "Attachments", "Interface"), ["veth7"]);
    let shown = world.ec2("DescribeNetworkInterfaces", map! {});
    let enis = shown.get("NetworkInterfaces").list();
    assert!(enis.iter().any(|eni| text(eni, "Status") == "in-use"));

    let site = |name: &str, device: &str| {
        map! {
            "Name" => name, "Cidr" => "192.168.0.0/24", "VpcId" => vpc.as_str(), "Interface" => device,
            "Address" => "192.168.0.254",
        }
    };
    let busy = "InvalidInterface.InUse";
    assert_eq!(
        refused(&world, "AttachInterface", plug(&other_eni, "veth7")),
        busy
    );
    assert_eq!(refused(&world, "CreateSite", site("office", "veth7")), busy);
    for wrong in ["lo", "..", "a b", "a/b", "a:b", "a%d", "a-name-too-long1"] {
        let code = refused(&world, "AttachInterface", plug(&other_eni, wrong));
        assert_eq!(code, "InvalidParameterValue", "{wrong}");
    }
    let made = adit(&world, "CreateSite", site("office", "eth1"));
    assert_eq!(text(made.get("Site"), "Interface"), "eth1");
    assert_eq!(text(made.get("Site"), "Address"), "192.168.0.254");
    assert_eq!(
        refused(&world, "AttachInterface", plug(&other_eni, "eth1")),
        busy
    );
    let host = adit(&world, "CreateSiteRun", lease("Site", "office"));
    assert_eq!(text(&host, "Resolver"), "192.168.0.254");
    for wrong in ["192.168.0.0", "192.168.0.255", "192.168.1.1", "x"] {
        let input = map! {
            "Name" => "lab", "Cidr" => "192.168.0.0/24", "VpcId" => vpc.as_str(), "Address" => wrong,
        };
        let input = with(input, "Cidr", "192.168.0.0/24");
        let code = refused(&world, "CreateSite", input);
        assert_eq!(code, "InvalidParameterValue", "{wrong}");
    }

    // Given back, it is there for others.
    let gone = map! { "NetworkInterfaceId" => one_eni.as_str(), "Delete" => true };
    adit(&world, "DetachInterface", gone);
    adit(&world, "AttachInterface", plug(&other_eni, "veth7"));
    adit(
        &world,
        "DeleteSiteRun",
        map! { "HostId" => text(&host, "HostId") },
    );
    adit(&world, "DeleteSite", map! { "Name" => "office" });
    adit(&world, "CreateSite", site("office", "eth1"));

    // What is the host's is the operator's to lend.
    let other = adit(&world, "CreateAccount", map! { "Name" => "other" });
    world.use_key(&text(&other, "AccessKeyId"));
    let vpc = world.vpc("10.0.0.0/16");
    let input = map! {
        "Name" => "theirs", "Cidr" => "192.168.0.0/24", "VpcId" => vpc, "Interface" => "eth2",
    };
    assert_eq!(refused(&world, "CreateSite", input), "AccessDenied");
}
