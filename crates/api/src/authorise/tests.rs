//! What calls touch, as a table.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, list, map};

use super::*;
use crate::context::{Caller, View};
use crate::ids::Ids;
use crate::operations::{OPERATIONS, Run};

#[test]
fn every_operation_of_ec2_says_what_it_touches() {
    let silent: Vec<String> = OPERATIONS
        .iter()
        .filter(|row| row.service == Service::Ec2 && matches!(row.touches, Touches::Derived))
        .filter(|row| !ec2::derives(row))
        .map(|row| format!("{row:?}"))
        .collect();
    assert_eq!(
        silent, [""; 0],
        "these derive no resource: see the module's documentation"
    );
}

#[test]
fn every_row_but_those_of_the_front_door_has_an_action() {
    // Nobody needs a right to know who they are, nor to prove it again.
    let free = ["GetCallerIdentity", "GetSessionToken"];
    for row in OPERATIONS {
        let decided_elsewhere = matches!(row.service, Service::S3 | Service::S3Control);
        assert_eq!(
            row.action.is_none(),
            decided_elsewhere || free.contains(&row.name),
            "{row:?}"
        );
    }
}

/// A row that nobody runs.
fn row(service: Service, name: &'static str) -> &'static Row {
    fn nothing(_: &Input<'_>, _: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
        Ok(Value::Map(Map::new()))
    }
    fn change(
        _: &Input<'_>,
        _: &mut Draft,
        _: &mut Ctx,
    ) -> Result<crate::context::Answer, Refusal> {
        Ok(crate::context::Answer::done())
    }
    let reads = ["Describe", "Get", "List"]
        .iter()
        .any(|start| name.starts_with(start));
    Box::leak(Box::new(Row {
        service,
        name,
        action: Some("test:Test"),
        touches: Touches::Derived,
        run: match reads {
            true => Run::Read(nothing),
            false => Run::Write(change),
        },
    }))
}

/// A small world, and its root user.
fn world() -> (Snapshot, Ctx) {
    let account: AccountId = "123456789012".parse().unwrap();
    let mut draft = Draft::new(&Intent::default());
    draft.put(AccessKey {
        id: "KEY".into(),
        secret: Secret::new("s"),
        account: account.clone(),
        owner: KeyOwner::Root,
        active: true,
        created: 0,
    });
    let vpc = VpcId::from_digits(1);
    draft.put(RouteTable {
        id: RouteTableId::from_digits(1),
        vpc,
        owner: account,
        number: 1,
        associations: vec![RouteTableAssociation {
            id: RouteTableAssociationId::from_digits(1),
            subnet: Some(SubnetId::from_digits(1)),
            gateway: None,
        }],
        routes: Vec::new(),
        propagating: Default::default(),
        tags: Tags::from([("team".into(), "blue".into())]),
    });
    let snapshot = adit_snapshot::build(&Arc::new(draft.finish().0));
    let ctx = Ctx {
        caller: Caller::of(snapshot.key("KEY").unwrap()),
        region: "us-east-1".parse().unwrap(),
        now: 0,
        ids: Ids::seeded(1),
    };
    (snapshot, ctx)
}

#[test]
fn calls_touch_what_they_make_and_what_they_name() {
    let (snapshot, ctx) = world();
    let ec2 = |what: &str| format!("arn:aws:ec2:us-east-1:123456789012:{what}");
    let any = || vec!["*".to_string()];
    let tags = || list![map! { "Key" => "a", "Value" => "b" }];
    let cases: Vec<(Service, &'static str, Value, Vec<String>)> = vec![
        (
            Service::Ec2,
            "DescribeVpcs",
            map! { "VpcIds" => list!["vpc-1"] },
            any(),
        ),
        (
            Service::Ec2,
            "CreateSubnet",
            map! { "VpcId" => "vpc-1", "ClientToken" => "subnet-1" },
            vec![ec2("subnet/*"), ec2("vpc/vpc-1")],
        ),
        (
            Service::Ec2,
            "CreateVpcEndpoint",
            map! {
                "VpcId" => "vpc-1",
                "SubnetConfigurations" => list![map! { "SubnetId" => "subnet-2" }],
                "SecurityGroupIds" => list!["sg-1", "sg-1"],
                "TagSpecifications" => list![map! { "ResourceType" => "vpc-endpoint", "Tags" => tags() }],
                "ServiceRegion" => "eu-west-1",
            },
            vec![
                ec2("vpc-endpoint/*"),
                ec2("vpc/vpc-1"),
                ec2("security-group/sg-1"),
                ec2("subnet/subnet-2"),
                ec2("vpc-endpoint/*"),
                "*".into(),
            ],
        ),
        (
            Service::Ec2,
            "DisassociateRouteTable",
            map! { "AssociationId" => "rtbassoc-00000000000000001" },
            vec![
                ec2("route-table/rtb-00000000000000001"),
                ec2("subnet/subnet-00000000000000001"),
            ],
        ),
        (
            Service::Ec2,
            "CreateRoute",
            map! { "RouteTableId" => "rtb-1", "GatewayId" => "igw-1" },
            vec![ec2("route-table/rtb-1")],
        ),
        (
            Service::Ec2,
            "CreateNetworkInterface",
            map! { "SubnetId" => "subnet-1", "Groups" => list!["sg-1"] },
            vec![
                ec2("network-interface/*"),
                ec2("security-group/sg-1"),
                ec2("subnet/subnet-1"),
            ],
        ),
        (
            Service::Ec2,
            "RejectVpcEndpointConnections",
            map! { "ServiceId" => "vpce-svc-1", "VpcEndpointIds" => list!["vpce-1"] },
            vec![
                ec2("vpc-endpoint-service/vpce-svc-1"),
                ec2("vpc-endpoint/vpce-1"),
            ],
        ),
        (Service::Ec2, "DeleteVpc", map! {}, any()),
        (
            Service::Ec2,
            "DeleteVpc",
            map! { "VpcId" => "what is this?" },
            any(),
        ),
        (
            Service::Iam,
            "CreateRole",
            map! { "RoleName" => "r", "Path" => "/p/" },
            vec!["arn:aws:iam::123456789012:role/p/r".into()],
        ),
        (
            Service::Iam,
            "AddUserToGroup",
            map! { "GroupName" => "g", "UserName" => "u" },
            vec!["arn:aws:iam::123456789012:group/g".into()],
        ),
        (Service::Iam, "ListUsers", map! {}, any()),
        (
            Service::Route53,
            "ChangeResourceRecordSets",
            map! { "HostedZoneId" => "/hostedzone/Z1" },
            vec!["arn:aws:route53:::hostedzone/Z1".into()],
        ),
        (
            Service::Route53Resolver,
            "CreateResolverEndpoint",
            map! { "Name" => "in", "Tags" => tags() },
            vec!["arn:aws:route53resolver:us-east-1:123456789012:resolver-endpoint/*".into()],
        ),
        (
            Service::Route53Resolver,
            "AssociateResolverRule",
            map! { "ResolverRuleId" => "rslvr-rr-1", "VPCId" => "vpc-1" },
            vec!["arn:aws:route53resolver:us-east-1:123456789012:resolver-rule/rslvr-rr-1".into()],
        ),
        (
            Service::Elbv2,
            "CreateLoadBalancer",
            map! { "Name" => "lb", "Type" => "network" },
            vec![
                "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/lb/*".into(),
            ],
        ),
        (
            Service::Elbv2,
            "DescribeListeners",
            map! { "LoadBalancerArn" => "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/lb/1" },
            any(),
        ),
        (
            Service::Sns,
            "Subscribe",
            map! { "TopicArn" => "arn:aws:sns:us-east-1:123456789012:t" },
            vec!["arn:aws:sns:us-east-1:123456789012:t".into()],
        ),
    ];
    for (service, name, input, mut expected) in cases {
        let call = Call {
            row: row(service, name),
            input: Input(&input),
            snapshot: &snapshot,
            ctx: &ctx,
        };
        let mut found: Vec<String> = touches(&call).unwrap().into_iter().map(|t| t.arn).collect();
        // The order of parameters is the client's.
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn a_named_resource_brings_its_tags_and_its_vpc() {
    let (snapshot, ctx) = world();
    let input = map! { "RouteTableId" => "rtb-00000000000000001" };
    let call = Call {
        row: row(Service::Ec2, "DeleteRouteTable"),
        input: Input(&input),
        snapshot: &snapshot,
        ctx: &ctx,
    };
    let found = touches(&call).unwrap();
    let key = |name: &str| {
        found[0]
            .keys
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, v)| v.clone())
    };
    assert_eq!(
        key("aws:ResourceTag/team"),
        Some(Fact::from("blue".to_string()))
    );
    let vpc = "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-00000000000000001";
    assert_eq!(key("ec2:Vpc"), Some(Fact::from(vpc.to_string())));
    assert_eq!(
        key("ec2:RouteTableID"),
        Some(Fact::from("rtb-00000000000000001".to_string()))
    );
}
