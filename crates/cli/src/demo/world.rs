//! What the demonstration builds, step by step, and what every bucket's policy means in every place.

use adit_wire::Service;
use anyhow::Context;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::paint::Paint;
use super::s3;

/// A place from which buckets are asked for.
pub(super) struct Place {
    /// A word for the table.
    pub(super) name: &'static str,
    /// A line for people.
    pub(super) title: &'static str,
    /// Where it is.
    pub(super) at: At,
    /// The way its requests take.
    pub(super) route: &'static str,
    /// The VPC whose endpoint its requests come through; none: they come over the internet.
    pub(super) vpc: Option<String>,
    /// The S3 endpoint that its clients are pointed at; none: S3's own names.
    pub(super) endpoint_url: Option<String>,
}

pub(super) enum At {
    Subnet(String),
    Site(&'static str),
}

impl Place {
    /// The flags of `adit run`.
    pub(super) fn flags(&self) -> Vec<String> {
        match &self.at {
            At::Subnet(id) => vec!["--subnet".into(), id.clone()],
            At::Site(name) => vec!["--site".into(), name.to_string()],
        }
    }
}

/// A bucket and who reaches it.
pub(super) struct Bucket {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The places from which it is reached; everywhere else it is refused.
    pub(super) open_to: &'static [&'static str],
}

pub(super) struct World {
    pub(super) places: Vec<Place>,
    pub(super) buckets: Vec<Bucket>,
}

/// The object in every bucket.
pub(super) const KEY: &str = "hello.txt";

const PARTNER: &str = "444455556666";

pub(super) fn build(daemon: &Daemon, paint: &Paint) -> anyhow::Result<World> {
    let step = |text: &str| println!("  {} {text}", paint.good("+"));
    println!(
        "\n{}",
        paint.title("Building, through the EC2 and S3 APIs only")
    );
    let account = own_account(daemon)?;
    let region = &daemon.file.region;
    let service = format!("com.amazonaws.{region}.s3");

    // The first VPC: a private subnet, a public one, an interface endpoint for the site.
    let vpc = daemon.ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/16")], "vpcId")?;
    let private = subnet(daemon, &vpc, "10.0.1.0/24", "a")?;
    let public = subnet(daemon, &vpc, "10.0.2.0/24", "b")?;
    step(&format!("VPC {vpc} 10.0.0.0/16 with subnets in two zones"));

    let igw = daemon.ec2("CreateInternetGateway", &[], "internetGatewayId")?;
    daemon.ec2(
        "AttachInternetGateway",
        &[("InternetGatewayId", &igw), ("VpcId", &vpc)],
        "return",
    )?;
    let table = table_for(daemon, &vpc, &public)?;
    let default_route = [
        ("RouteTableId", table.as_str()),
        ("DestinationCidrBlock", "0.0.0.0/0"),
        ("GatewayId", igw.as_str()),
    ];
    daemon.ec2("CreateRoute", &default_route, "return")?;
    let map = [
        ("SubnetId", public.as_str()),
        ("MapPublicIpOnLaunch.Value", "true"),
    ];
    daemon.ec2("ModifySubnetAttribute", &map, "return")?;
    step("a public subnet behind an internet gateway");

    let own_buckets_only = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Everything", "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
        {"Sid": "OwnAccountOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
         "Condition": {"StringNotEquals": {"s3:ResourceAccount": account}}}
    ]});
    let table = table_for(daemon, &vpc, &private)?;
    let gateway = gateway(daemon, &vpc, &service, &table, &own_buckets_only)?;
    step(&format!(
        "gateway endpoint {gateway} for the private subnet; its policy: own account's buckets only"
    ));

    let group = daemon.ec2(
        "CreateSecurityGroup",
        &[
            ("GroupName", "endpoint"),
            ("GroupDescription", "https from the site"),
            ("VpcId", &vpc),
        ],
        "groupId",
    )?;
    let https = [
        ("GroupId", group.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "443"),
        ("IpPermissions.1.ToPort", "443"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "192.168.50.0/24"),
    ];
    daemon.ec2("AuthorizeSecurityGroupIngress", &https, "return")?;
    let interface = [
        ("VpcEndpointType", "Interface"),
        ("VpcId", vpc.as_str()),
        ("ServiceName", service.as_str()),
        ("SubnetId.1", private.as_str()),
        ("SubnetId.2", public.as_str()),
        ("SecurityGroupId.1", group.as_str()),
    ];
    let name = daemon.ec2("CreateVpcEndpoint", &interface, "dnsName")?;
    let url = format!("https://bucket.{}", name.trim_start_matches("*."));
    step("interface endpoint with an address in each zone, open to the site on port 443");

    daemon.client.adit(
        "CreateSite",
        json!({"Name": "datacenter", "Cidr": "192.168.50.0/24", "VpcId": vpc}),
    )?;
    step("on-premises site `datacenter` 192.168.50.0/24 on a private link to that VPC");

    // The second VPC: the same addresses, an endpoint of its own.
    let twin = daemon.ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/16")], "vpcId")?;
    let twin_subnet = subnet(daemon, &twin, "10.0.1.0/24", "a")?;
    let table = table_for(daemon, &twin, &twin_subnet)?;
    let two_buckets = json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "TwoBuckets", "Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": [
            "arn:aws:s3:::open", "arn:aws:s3:::open/*", "arn:aws:s3:::only-cidr", "arn:aws:s3:::only-cidr/*"]}
    ]});
    self::gateway(daemon, &twin, &service, &table, &two_buckets)?;
    step(&format!(
        "VPC {twin}, the SAME 10.0.0.0/16, with its own endpoint; its policy: two buckets only"
    ));

    bucket(daemon, "open", None)?;
    bucket(
        daemon,
        "only-endpoint",
        Some(deny_unless(
            "only-endpoint",
            "StringNotEquals",
            "aws:sourceVpce",
            &gateway,
        )),
    )?;
    bucket(
        daemon,
        "only-vpc",
        Some(deny_unless(
            "only-vpc",
            "StringNotEquals",
            "aws:sourceVpc",
            &vpc,
        )),
    )?;
    bucket(
        daemon,
        "only-cidr",
        Some(deny_unless(
            "only-cidr",
            "NotIpAddress",
            "aws:VpcSourceIp",
            "10.0.1.0/24",
        )),
    )?;
    partner_bucket(daemon, &account)?;
    step("five buckets with the documented policies, one of them a partner account's");

    Ok(World {
        places: vec![
            Place {
                name: "private",
                route: "gateway endpoint",
                title: "private subnet, gateway endpoint",
                at: At::Subnet(private),
                vpc: Some(vpc.clone()),
                endpoint_url: None,
            },
            Place {
                name: "public",
                route: "internet gateway",
                title: "public subnet, internet gateway",
                at: At::Subnet(public),
                vpc: None,
                endpoint_url: None,
            },
            Place {
                name: "site",
                route: "interface endpoint",
                title: "on-premises, interface endpoint",
                at: At::Site("datacenter"),
                vpc: Some(vpc),
                endpoint_url: Some(url),
            },
            Place {
                name: "twin",
                route: "gateway endpoint",
                title: "other VPC, same addresses, own endpoint",
                at: At::Subnet(twin_subnet),
                vpc: Some(twin),
                endpoint_url: None,
            },
        ],
        buckets: vec![
            Bucket {
                name: "open",
                title: "no bucket policy",
                open_to: &["private", "public", "site", "twin"],
            },
            Bucket {
                name: "only-endpoint",
                title: "Deny unless aws:sourceVpce is the first VPC's gateway endpoint",
                open_to: &["private"],
            },
            Bucket {
                name: "only-vpc",
                title: "Deny unless aws:sourceVpc is the first VPC",
                open_to: &["private", "site"],
            },
            Bucket {
                name: "only-cidr",
                title: "Deny unless aws:VpcSourceIp is in 10.0.1.0/24 (which both VPCs have)",
                open_to: &["private", "twin"],
            },
            Bucket {
                name: "partner",
                title: "another account's bucket, shared; an endpoint policy denies unless s3:ResourceAccount is one's own",
                open_to: &["public", "site"],
            },
        ],
    })
}

fn own_account(daemon: &Daemon) -> anyhow::Result<String> {
    let xml = daemon
        .client
        .query(Service::Sts, &[("Action", "GetCallerIdentity")])?;
    let account =
        crate::client::element(&xml, "Account").context("GetCallerIdentity names no account")?;
    Ok(account.to_string())
}

fn subnet(daemon: &Daemon, vpc: &str, cidr: &str, zone: &str) -> anyhow::Result<String> {
    let zone = format!("{}{zone}", daemon.file.region);
    daemon.ec2(
        "CreateSubnet",
        &[
            ("VpcId", vpc),
            ("CidrBlock", cidr),
            ("AvailabilityZone", &zone),
        ],
        "subnetId",
    )
}

/// A route table of its own for a subnet.
fn table_for(daemon: &Daemon, vpc: &str, subnet: &str) -> anyhow::Result<String> {
    let table = daemon.ec2("CreateRouteTable", &[("VpcId", vpc)], "routeTableId")?;
    daemon.ec2(
        "AssociateRouteTable",
        &[("RouteTableId", &table), ("SubnetId", subnet)],
        "associationId",
    )?;
    Ok(table)
}

fn gateway(
    daemon: &Daemon,
    vpc: &str,
    service: &str,
    table: &str,
    policy: &Value,
) -> anyhow::Result<String> {
    let policy = policy.to_string();
    let parameters = [
        ("VpcEndpointType", "Gateway"),
        ("VpcId", vpc),
        ("ServiceName", service),
        ("RouteTableId.1", table),
        ("PolicyDocument", policy.as_str()),
    ];
    daemon.ec2("CreateVpcEndpoint", &parameters, "vpcEndpointId")
}

fn deny_unless(bucket: &str, operator: &str, key: &str, value: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Sid": format!("OnlyBy{}", key.trim_start_matches("aws:")),
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
        "Resource": format!("arn:aws:s3:::{bucket}/*"),
        "Condition": {operator: {key: value}}
    }]})
}

fn bucket(daemon: &Daemon, name: &str, policy: Option<Value>) -> anyhow::Result<()> {
    let admin = s3::Admin::root(daemon)?;
    admin.create(name, KEY)?;
    match policy {
        Some(policy) => admin.put_policy(name, &policy),
        None => Ok(()),
    }
}

/// A bucket of another account, which lets this account read.
fn partner_bucket(daemon: &Daemon, account: &str) -> anyhow::Result<()> {
    let partner = daemon.client.adit(
        "CreateAccount",
        json!({"AccountId": PARTNER, "Name": "partner"}),
    )?;
    let text = |name: &str| {
        partner
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let admin = s3::Admin::with_key(daemon, text("AccessKeyId"), text("SecretAccessKey"))?;
    admin.create("partner", KEY)?;
    let shared = json!({"Version": "2012-10-17", "Statement": [{
        "Sid": "Shared", "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{account}:root")},
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::partner/*"
    }]});
    admin.put_policy("partner", &shared)
}
