//! Every operation of the table, once, with an input that succeeds.

use std::collections::BTreeSet;

use adit_api::OPERATIONS;
use adit_wire::{Service, Value, list, map};

use crate::rows_network;
use crate::world::*;

/// Calls operations and remembers which.
pub(crate) struct Tour {
    pub(crate) world: World,
    seen: BTreeSet<String>,
}

impl Tour {
    pub(crate) fn at(&mut self, service: Service, name: &str, input: Value) -> Value {
        self.seen.insert(format!("{}:{name}", service.name()));
        self.world.ok(service, name, input)
    }

    /// An operation whose honest answer is a refusal.
    pub(crate) fn refused_at(&mut self, service: Service, name: &str, input: Value, code: &str) {
        self.seen.insert(format!("{}:{name}", service.name()));
        assert_eq!(
            self.world.refused(service, name, input).code,
            code,
            "{name}"
        );
    }

    pub(crate) fn refused(&mut self, name: &str, input: Value, code: &str) {
        self.refused_at(Service::Ec2, name, input, code);
    }

    pub(crate) fn ec2(&mut self, name: &str, input: Value) -> Value {
        self.at(Service::Ec2, name, input)
    }
}

#[test]
fn every_row_answers_in_the_shape_of_its_table() {
    let mut tour = Tour {
        world: World::new(),
        seen: BTreeSet::new(),
    };
    networks(&mut tour);
    rows_network::all(&mut tour);
    groups(&mut tour);
    flow_logs(&mut tour);
    endpoints(&mut tour);
    services(&mut tour);
    own(&mut tour);
    identity(&mut tour);
    buckets(&mut tour);
    // Names have tests of their own, each with a world to ask about.
    let elsewhere = [Service::Route53, Service::Route53Resolver];
    let rows = OPERATIONS
        .iter()
        .filter(|row| !elsewhere.contains(&row.service));
    let all: BTreeSet<String> = rows.map(|row| format!("{row:?}")).collect();
    let left: Vec<_> = all.difference(&tour.seen).collect();
    assert!(left.is_empty(), "not driven: {left:?}");
}

fn services(tour: &mut Tour) {
    let vpc = tour.world.vpc("10.80.0.0/16");
    let subnet = tour.world.subnet(&vpc, "10.80.1.0/24", "a");
    let input = map! {
        "Name" => "backend", "Type" => "network", "Subnets" => list![subnet.as_str()],
    };
    let made = tour.at(Service::Elbv2, "CreateLoadBalancer", input);
    let balancer = text(one(&made, "LoadBalancers"), "LoadBalancerArn");
    tour.at(Service::Elbv2, "DescribeLoadBalancers", map! {});
    let input = map! {
        "NetworkLoadBalancerArns" => list![balancer.as_str()], "PrivateDnsName" => "a.example.com",
    };
    let made = tour.ec2("CreateVpcEndpointServiceConfiguration", input);
    let made = made.get("ServiceConfiguration");
    let (id, name) = (text(made, "ServiceId"), text(made, "ServiceName"));
    let service = |more: &[(&'static str, Value)]| {
        let mut input = map! { "ServiceId" => id.as_str() };
        for (name, value) in more {
            input.map_mut().unwrap().insert(*name, value.clone());
        }
        input
    };
    let mine = map! { "ServiceIds" => list![id.as_str()] };
    tour.ec2("DescribeVpcEndpointServiceConfigurations", mine.clone());
    let required = service(&[("AcceptanceRequired", true.into())]);
    tour.ec2("ModifyVpcEndpointServiceConfiguration", required);
    let everybody = service(&[("AddAllowedPrincipals", list!["*"])]);
    tour.ec2("ModifyVpcEndpointServicePermissions", everybody);
    tour.ec2("DescribeVpcEndpointServicePermissions", service(&[]));
    let pays = service(&[("PayerResponsibility", "ServiceOwner".into())]);
    tour.ec2("ModifyVpcEndpointServicePayerResponsibility", pays);
    tour.ec2(
        "StartVpcEndpointServicePrivateDnsVerification",
        service(&[]),
    );
    let input = map! {
        "VpcId" => vpc.as_str(), "ServiceName" => name.as_str(),
        "VpcEndpointType" => "Interface", "SubnetIds" => list![subnet.as_str()],
    };
    let made = tour.ec2("CreateVpcEndpoint", input);
    let endpoint = text(made.get("VpcEndpoint"), "VpcEndpointId");
    let ids = list![endpoint.as_str()];
    tour.ec2("DescribeVpcEndpointConnections", map! {});
    let named = service(&[("VpcEndpointIds", ids.clone())]);
    tour.ec2("AcceptVpcEndpointConnections", named.clone());
    tour.ec2("RejectVpcEndpointConnections", named);
    tour.ec2("DescribeVpcEndpointAssociations", map! {});
    let topic = "arn:aws:sns:us-east-1:123456789012:events";
    let input = service(&[
        ("ConnectionNotificationArn", topic.into()),
        ("ConnectionEvents", list!["Accept"]),
    ]);
    let made = tour.ec2("CreateVpcEndpointConnectionNotification", input);
    let made = made.get("ConnectionNotification");
    let notification = text(made, "ConnectionNotificationId");
    let one = map! { "ConnectionNotificationId" => notification.as_str() };
    tour.ec2("ModifyVpcEndpointConnectionNotification", one.clone());
    tour.ec2("DescribeVpcEndpointConnectionNotifications", one);
    let all = map! { "ConnectionNotificationIds" => list![notification.as_str()] };
    tour.ec2("DeleteVpcEndpointConnectionNotifications", all);
    tour.ec2("DeleteVpcEndpoints", map! { "VpcEndpointIds" => ids });
    tour.ec2("DeleteVpcEndpointServiceConfigurations", mine);
    let arn = map! { "LoadBalancerArn" => balancer.as_str() };
    tour.at(Service::Elbv2, "DeleteLoadBalancer", arn);
    tour.ec2("DeleteSubnet", map! { "SubnetId" => subnet });
    tour.ec2("DeleteVpc", map! { "VpcId" => vpc });
}

fn flow_logs(tour: &mut Tour) {
    let made = tour.ec2("CreateVpc", map! { "CidrBlock" => "10.9.0.0/16" });
    let vpc = text(made.get("Vpc"), "VpcId");
    let made = tour.ec2(
        "CreateFlowLogs",
        map! {
            "ResourceType" => "VPC", "ResourceIds" => list![vpc.as_str()], "TrafficType" => "ALL",
            "LogGroupName" => "flows", "DeliverLogsPermissionArn" => "arn:aws:iam::1:role/r",
        },
    );
    let ids = made.get("FlowLogIds").clone();
    let shown = tour.ec2("DescribeFlowLogs", map! { "FlowLogIds" => ids.clone() });
    assert_eq!(text(one(&shown, "FlowLogs"), "ResourceId"), vpc);
    tour.ec2("DeleteFlowLogs", map! { "FlowLogIds" => ids });
}

fn networks(tour: &mut Tour) {
    let made = tour.ec2("CreateVpc", map! { "CidrBlock" => "10.0.0.0/16" });
    let vpc = text(made.get("Vpc"), "VpcId");
    tour.ec2("DescribeVpcs", map! { "VpcIds" => list![vpc.as_str()] });
    let on = map! { "VpcId" => vpc.as_str(), "EnableDnsHostnames" => map! { "Value" => true } };
    tour.ec2("ModifyVpcAttribute", on);
    let attribute = map! { "VpcId" => vpc.as_str(), "Attribute" => "enableDnsHostnames" };
    let shown = tour.ec2("DescribeVpcAttribute", attribute);
    assert_eq!(
        shown.get("EnableDnsHostnames").get("Value").bool(),
        Some(true)
    );

    let input = map! { "VpcId" => vpc.as_str(), "CidrBlock" => "10.0.1.0/24" };
    let subnet = text(tour.ec2("CreateSubnet", input).get("Subnet"), "SubnetId");
    let public =
        map! { "SubnetId" => subnet.as_str(), "MapPublicIpOnLaunch" => map! { "Value" => true } };
    tour.ec2("ModifySubnetAttribute", public);
    let shown = tour.ec2("DescribeSubnets", map! {});
    assert_eq!(
        one(&shown, "Subnets").get("MapPublicIpOnLaunch").bool(),
        Some(true)
    );

    let gateway = tour.ec2("CreateInternetGateway", map! {});
    let gateway = text(gateway.get("InternetGateway"), "InternetGatewayId");
    let both = map! { "InternetGatewayId" => gateway.as_str(), "VpcId" => vpc.as_str() };
    tour.ec2("AttachInternetGateway", both.clone());
    tour.ec2("DescribeInternetGateways", map! {});

    let table = tour.ec2("CreateRouteTable", map! { "VpcId" => vpc.as_str() });
    let table = text(table.get("RouteTable"), "RouteTableId");
    let input = map! { "RouteTableId" => table.as_str(), "SubnetId" => subnet.as_str() };
    let association = text(&tour.ec2("AssociateRouteTable", input), "AssociationId");
    let other = tour.world.table(&vpc);
    let input = map! { "AssociationId" => association, "RouteTableId" => other.as_str() };
    let association = text(
        &tour.ec2("ReplaceRouteTableAssociation", input),
        "NewAssociationId",
    );
    tour.ec2(
        "DisassociateRouteTable",
        map! { "AssociationId" => association },
    );
    let route = map! {
        "RouteTableId" => table.as_str(),
        "DestinationCidrBlock" => "0.0.0.0/0",
        "GatewayId" => gateway.as_str(),
    };
    tour.ec2("CreateRoute", route.clone());
    tour.ec2("ReplaceRoute", route);
    tour.ec2(
        "DescribeRouteTables",
        map! { "RouteTableIds" => list![table.as_str()] },
    );
    let route = map! { "RouteTableId" => table.as_str(), "DestinationCidrBlock" => "0.0.0.0/0" };
    tour.ec2("DeleteRoute", route);
    tour.ec2("DeleteRouteTable", map! { "RouteTableId" => table });
    tour.ec2("DeleteRouteTable", map! { "RouteTableId" => other });

    tour.ec2("DetachInternetGateway", both);
    tour.ec2(
        "DeleteInternetGateway",
        map! { "InternetGatewayId" => gateway },
    );
    tour.ec2("DeleteSubnet", map! { "SubnetId" => subnet });

    let tags = list![map! { "Key" => "a", "Value" => "b" }];
    let input = map! { "Resources" => list![vpc.as_str()], "Tags" => tags };
    tour.ec2("CreateTags", input.clone());
    assert_eq!(
        each(&tour.ec2("DescribeTags", map! {}), "Tags", "ResourceId"),
        [vpc.as_str()]
    );
    tour.ec2("DeleteTags", input);
    tour.ec2("DeleteVpc", map! { "VpcId" => vpc });

    tour.ec2("CreateDefaultVpc", map! {});
    let shown = tour.ec2("DescribeAccountAttributes", map! {});
    assert_eq!(shown.get("AccountAttributes").list().len(), 2);
    let first = tour.world.ec2("DescribeSubnets", map! {});
    let first = text(&first.get("Subnets").list()[0], "SubnetId");
    let zone = tour
        .world
        .intent()
        .get::<adit_model::Subnet>(&first)
        .unwrap()
        .zone
        .to_string();
    tour.world.ec2("DeleteSubnet", map! { "SubnetId" => first });
    tour.ec2("CreateDefaultSubnet", map! { "AvailabilityZone" => zone });
    let acls = tour.ec2("DescribeNetworkAcls", map! {});
    assert_eq!(
        one(&acls, "NetworkAcls").get("Associations").list().len(),
        3
    );
    tour.ec2("DescribeAvailabilityZones", map! {});
    tour.ec2("DescribeRegions", map! {});
}

fn groups(tour: &mut Tour) {
    let vpc = tour.world.vpc("10.1.0.0/16");
    let input = map! { "GroupName" => "web", "Description" => "web", "VpcId" => vpc.as_str() };
    let group = text(&tour.ec2("CreateSecurityGroup", input), "GroupId");
    let https = |cidr: &str| {
        list![map! {
            "IpProtocol" => "tcp",
            "FromPort" => 443i64,
            "ToPort" => 443i64,
            "IpRanges" => list![map! { "CidrIp" => cidr }],
        }]
    };
    let rule = |cidr: &str| map! { "GroupId" => group.as_str(), "IpPermissions" => https(cidr) };
    let made = tour.ec2("AuthorizeSecurityGroupIngress", rule("10.0.0.0/8"));
    let id = text(one(&made, "SecurityGroupRules"), "SecurityGroupRuleId");
    tour.ec2("AuthorizeSecurityGroupEgress", rule("10.0.0.0/8"));
    tour.ec2(
        "DescribeSecurityGroupRules",
        map! { "SecurityGroupRuleIds" => list![id.as_str()] },
    );
    tour.ec2(
        "UpdateSecurityGroupRuleDescriptionsIngress",
        rule("10.0.0.0/8"),
    );
    tour.ec2(
        "UpdateSecurityGroupRuleDescriptionsEgress",
        rule("10.0.0.0/8"),
    );
    let changed = list![map! {
        "SecurityGroupRuleId" => id.as_str(),
        "SecurityGroupRule" => map! {
            "IpProtocol" => "udp", "FromPort" => 1i64, "ToPort" => 2i64, "CidrIpv4" => "9.0.0.0/8",
        },
    }];
    let input = map! { "GroupId" => group.as_str(), "SecurityGroupRules" => changed };
    tour.ec2("ModifySecurityGroupRules", input);
    tour.ec2(
        "DescribeSecurityGroups",
        map! { "GroupIds" => list![group.as_str()] },
    );
    tour.ec2("GetSecurityGroupsForVpc", map! { "VpcId" => vpc.as_str() });
    let by_id = map! { "GroupId" => group.as_str(), "SecurityGroupRuleIds" => list![id] };
    tour.ec2("RevokeSecurityGroupIngress", by_id);
    tour.ec2("RevokeSecurityGroupEgress", rule("10.0.0.0/8"));
    tour.ec2("DeleteSecurityGroup", map! { "GroupId" => group });
}

fn endpoints(tour: &mut Tour) {
    let lists = tour.ec2("DescribePrefixLists", map! {});
    let list = text(one(&lists, "PrefixLists"), "PrefixListId");
    assert_eq!(list, "pl-63a5400a");
    tour.ec2("DescribeManagedPrefixLists", map! {});
    let entries = tour.ec2(
        "GetManagedPrefixListEntries",
        map! { "PrefixListId" => list },
    );
    assert_eq!(
        each(&entries, "Entries", "Cidr"),
        ["198.18.0.0/20", "198.18.16.0/24"]
    );
    tour.ec2("DescribeVpcEndpointServices", map! {});

    let vpc = tour.world.vpc("10.2.0.0/16");
    let subnet = tour.world.subnet(&vpc, "10.2.1.0/24", "a");
    let input = map! {
        "VpcId" => vpc.as_str(),
        "ServiceName" => S3,
        "VpcEndpointType" => "Interface",
        "SubnetIds" => list![subnet.as_str()],
    };
    let made = tour.ec2("CreateVpcEndpoint", input);
    let endpoint = text(made.get("VpcEndpoint"), "VpcEndpointId");
    let reset = map! { "VpcEndpointId" => endpoint.as_str(), "ResetPolicy" => true };
    tour.ec2("ModifyVpcEndpoint", reset);
    tour.ec2("DescribeVpcEndpoints", map! {});
    tour.ec2("DescribeNetworkInterfaces", map! {});
    tour.ec2(
        "DeleteVpcEndpoints",
        map! { "VpcEndpointIds" => list![endpoint] },
    );
    // Nothing makes an interface that a caller could delete, so this one always refuses.
    tour.seen.insert("ec2:DeleteNetworkInterface".into());
}

fn own(tour: &mut Tour) {
    let vpc = tour.world.vpc("10.3.0.0/16");
    let subnet = tour.world.subnet(&vpc, "10.3.1.0/24", "a");
    let lease = |name: &'static str, value: &str| {
        map! { name => value, "Pid" => 1i64, "Started" => 2i64 }
    };
    let run = tour.at(Service::Adit, "CreateRun", lease("SubnetId", &subnet));
    for name in ["FailZone", "RecoverZone"] {
        tour.at(Service::Adit, name, map! { "Zone" => "us-east-1a" });
    }
    tour.at(Service::Adit, "ListFailedZones", map! {});
    let input = map! { "Name" => "vpcs-per-region", "Limit" => 500i64 };
    tour.at(Service::Adit, "SetQuota", input);
    tour.at(Service::Adit, "ListQuotas", map! {});
    tour.at(
        Service::Adit,
        "GetNameExport",
        map! { "VpcId" => vpc.as_str() },
    );
    let input = map! { "Name" => "office", "Cidr" => "192.168.0.0/24", "VpcId" => vpc.as_str() };
    tour.at(Service::Adit, "CreateSite", input);
    tour.at(Service::Adit, "ListSites", map! {});
    let host = tour.at(Service::Adit, "CreateSiteRun", lease("Site", "office"));
    let runs = tour.at(Service::Adit, "ListRuns", map! {});
    assert_eq!(
        (
            runs.get("Runs").list().len(),
            runs.get("SiteRuns").list().len()
        ),
        (1, 1)
    );
    let made = tour.at(
        Service::Adit,
        "CreateInterface",
        map! { "SubnetId" => subnet.as_str() },
    );
    let id = text(&made, "NetworkInterfaceId");
    let with = map! { "NetworkInterfaceId" => id.as_str(), "Device" => "eth0", "Pid" => 1i64, "Started" => 2i64 };
    tour.at(Service::Adit, "AttachInterface", with);
    tour.at(Service::Adit, "ListAttachments", map! {});
    let gone = map! { "NetworkInterfaceId" => id.as_str(), "Delete" => true };
    tour.at(Service::Adit, "DetachInterface", gone);
    let id = text(&host, "HostId");
    tour.at(Service::Adit, "DeleteSiteRun", map! { "HostId" => id });
    tour.at(Service::Adit, "DeleteSite", map! { "Name" => "office" });
    let id = text(&run, "NetworkInterfaceId");
    tour.at(
        Service::Adit,
        "DeleteRun",
        map! { "NetworkInterfaceId" => id },
    );
}

fn identity(tour: &mut Tour) {
    tour.at(Service::Sts, "GetCallerIdentity", map! {});
    let other = tour.at(Service::Adit, "CreateAccount", map! { "Name" => "other" });
    let accounts = tour.at(Service::Adit, "ListAccounts", map! {});
    assert_eq!(accounts.get("Accounts").list().len(), 2);
    let input = map! { "AccessKeyId" => text(&other, "AccessKeyId") };
    let account = tour.at(Service::Sts, "GetAccessKeyInfo", input);
    assert_eq!(text(&account, "Account"), text(&other, "AccountId"));
    let ana = map! { "UserName" => "ana" };
    let iam = Service::Iam;
    tour.at(iam, "CreateUser", ana.clone());
    tour.at(iam, "GetUser", ana.clone());
    tour.at(iam, "ListUsers", map! {});
    let tags = list![map! { "Key" => "a", "Value" => "b" }];
    tour.at(iam, "TagUser", map! { "UserName" => "ana", "Tags" => tags });
    tour.at(iam, "ListUserTags", ana.clone());
    tour.at(
        iam,
        "UntagUser",
        map! { "UserName" => "ana", "TagKeys" => list!["a"] },
    );
    let key = tour.at(iam, "CreateAccessKey", ana.clone());
    let key = text(key.get("AccessKey"), "AccessKeyId");
    tour.at(iam, "ListAccessKeys", ana.clone());
    let off = map! { "UserName" => "ana", "AccessKeyId" => key.as_str(), "Status" => "Inactive" };
    tour.at(iam, "UpdateAccessKey", off);
    let used = map! { "AccessKeyId" => key.as_str() };
    let used = tour.at(iam, "GetAccessKeyLastUsed", used);
    assert_eq!(text(used.get("AccessKeyLastUsed"), "ServiceName"), "N/A");
    tour.at(
        iam,
        "DeleteAccessKey",
        map! { "UserName" => "ana", "AccessKeyId" => key },
    );
    let policy = map! { "UserName" => "ana", "PolicyName" => "p" };
    let document =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let with_text = map! { "UserName" => "ana", "PolicyName" => "p", "PolicyDocument" => document };
    tour.at(iam, "PutUserPolicy", with_text);
    tour.at(iam, "GetUserPolicy", policy.clone());
    tour.at(iam, "ListUserPolicies", ana.clone());
    tour.at(iam, "DeleteUserPolicy", policy);
    tour.at(
        iam,
        "UpdateUser",
        map! { "UserName" => "ana", "NewUserName" => "bea" },
    );
    groups_and_roles(tour, document);
    tour.at(iam, "DeleteUser", map! { "UserName" => "bea" });
    sessions(tour, document);
    tour.at(iam, "GetAccountSummary", map! {});
    tour.at(iam, "GetAccountAuthorizationDetails", map! {});
    let alias = map! { "AccountAlias" => "adit-lab" };
    tour.at(iam, "CreateAccountAlias", alias.clone());
    tour.at(iam, "ListAccountAliases", map! {});
    tour.at(iam, "DeleteAccountAlias", alias);
}

fn groups_and_roles(tour: &mut Tour, document: &str) {
    let iam = Service::Iam;
    let group = map! { "GroupName" => "g" };
    let both = map! { "GroupName" => "g", "UserName" => "bea" };
    tour.at(iam, "CreateGroup", group.clone());
    tour.at(iam, "AddUserToGroup", both.clone());
    tour.at(iam, "GetGroup", group.clone());
    tour.at(iam, "ListGroups", map! {});
    tour.at(iam, "ListGroupsForUser", map! { "UserName" => "bea" });
    tour.at(iam, "RemoveUserFromGroup", both);
    let rename = map! { "GroupName" => "g", "NewGroupName" => "h" };
    tour.at(iam, "UpdateGroup", rename);
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"{ACCOUNT}"}},"Action":"sts:AssumeRole"}}}}"#
    );
    let role = map! { "RoleName" => "r" };
    let create = map! { "RoleName" => "r", "AssumeRolePolicyDocument" => trust.as_str(), "Description" => "d" };
    tour.at(iam, "CreateRole", create);
    tour.at(iam, "GetRole", role.clone());
    tour.at(iam, "ListRoles", map! {});
    tour.at(
        iam,
        "UpdateRole",
        map! { "RoleName" => "r", "MaxSessionDuration" => 3600i64 },
    );
    let described = map! { "RoleName" => "r", "Description" => "e" };
    tour.at(iam, "UpdateRoleDescription", described);
    let trust = map! { "RoleName" => "r", "PolicyDocument" => trust.as_str() };
    tour.at(iam, "UpdateAssumeRolePolicy", trust);
    tour.at(iam, "ListInstanceProfilesForRole", role.clone());
    for list in [
        "ListInstanceProfiles",
        "ListSSHPublicKeys",
        "ListMFADevices",
        "ListVirtualMFADevices",
        "ListSigningCertificates",
        "ListServiceSpecificCredentials",
    ] {
        tour.at(iam, list, map! {});
    }
    // Nobody has a password: these can only find nothing.
    for name in ["GetLoginProfile", "DeleteLoginProfile"] {
        tour.seen.insert(format!("{}:{name}", iam.name()));
        let error = tour.world.refused(iam, name, map! { "UserName" => "bea" });
        assert_eq!(error.code, "NoSuchEntity");
    }
    let tags = || list![map! { "Key" => "a", "Value" => "b" }];
    tour.at(iam, "TagRole", map! { "RoleName" => "r", "Tags" => tags() });
    tour.at(iam, "ListRoleTags", role.clone());
    tour.at(
        iam,
        "UntagRole",
        map! { "RoleName" => "r", "TagKeys" => list!["a"] },
    );
    let created = map! { "PolicyName" => "p", "PolicyDocument" => document };
    let made = tour.at(iam, "CreatePolicy", created);
    let arn = text(made.get("Policy"), "Arn");
    let policy = map! { "PolicyArn" => arn.as_str() };
    let more = map! { "PolicyArn" => arn.as_str(), "PolicyDocument" => document };
    tour.at(iam, "CreatePolicyVersion", more);
    let second = map! { "PolicyArn" => arn.as_str(), "VersionId" => "v2" };
    tour.at(iam, "GetPolicyVersion", second.clone());
    tour.at(iam, "SetDefaultPolicyVersion", second);
    let first = map! { "PolicyArn" => arn.as_str(), "VersionId" => "v1" };
    tour.at(iam, "DeletePolicyVersion", first);
    tour.at(iam, "ListPolicyVersions", policy.clone());
    tour.at(
        iam,
        "TagPolicy",
        map! { "PolicyArn" => arn.as_str(), "Tags" => tags() },
    );
    tour.at(iam, "ListPolicyTags", policy.clone());
    let untag = map! { "PolicyArn" => arn.as_str(), "TagKeys" => list!["a"] };
    tour.at(iam, "UntagPolicy", untag);
    for (kind, member, name) in [
        ("User", "UserName", "bea"),
        ("Group", "GroupName", "h"),
        ("Role", "RoleName", "r"),
    ] {
        let named = map! { member => name };
        let inline = map! { member => name, "PolicyName" => "i" };
        let put = map! { member => name, "PolicyName" => "i", "PolicyDocument" => document };
        let attach = map! { member => name, "PolicyArn" => arn.as_str() };
        tour.at(iam, &format!("Put{kind}Policy"), put);
        tour.at(iam, &format!("Get{kind}Policy"), inline.clone());
        tour.at(iam, &format!("List{kind}Policies"), named.clone());
        tour.at(iam, &format!("Delete{kind}Policy"), inline);
        tour.at(iam, &format!("Attach{kind}Policy"), attach.clone());
        tour.at(iam, &format!("ListAttached{kind}Policies"), named.clone());
        tour.at(iam, &format!("Detach{kind}Policy"), attach);
        if kind != "Group" {
            let limit = map! { member => name, "PermissionsBoundary" => arn.as_str() };
            tour.at(iam, &format!("Put{kind}PermissionsBoundary"), limit);
            tour.at(iam, &format!("Delete{kind}PermissionsBoundary"), named);
        }
    }
    let ask = map! {
        "PolicySourceArn" => format!("arn:aws:iam::{ACCOUNT}:user/bea"),
        "ActionNames" => list!["s3:GetObject"],
    };
    tour.at(iam, "SimulatePrincipalPolicy", ask.clone());
    let whose = map! { "PolicySourceArn" => ask.get("PolicySourceArn").clone() };
    tour.at(iam, "GetContextKeysForPrincipalPolicy", whose);
    let texts = map! { "PolicyInputList" => list![document] };
    tour.at(iam, "GetContextKeysForCustomPolicy", texts);
    let ask = map! { "PolicyInputList" => list![document], "ActionNames" => list!["s3:GetObject"] };
    tour.at(iam, "SimulateCustomPolicy", ask);
    tour.at(iam, "GetPolicy", policy.clone());
    tour.at(iam, "ListPolicies", map! {});
    tour.at(iam, "ListEntitiesForPolicy", policy.clone());
    tour.at(iam, "DeletePolicy", policy);
    tour.at(iam, "DeleteGroup", map! { "GroupName" => "h" });
}

fn sessions(tour: &mut Tour, document: &str) {
    tour.at(Service::Sts, "GetSessionToken", map! {});
    let guest = map! { "Name" => "guest", "Policy" => document };
    tour.at(Service::Sts, "GetFederationToken", guest);
    let named = map! { "UserName" => "cleo" };
    tour.world.ok(Service::Iam, "CreateUser", named.clone());
    let key = tour.world.ok(Service::Iam, "CreateAccessKey", named);
    let all = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:*","Resource":"*"}}"#;
    let put = map! { "UserName" => "cleo", "PolicyName" => "p", "PolicyDocument" => all };
    tour.world.ok(Service::Iam, "PutUserPolicy", put);
    tour.world
        .use_key(&text(key.get("AccessKey"), "AccessKeyId"));
    let role = format!("arn:aws:iam::{ACCOUNT}:role/r");
    let input = map! { "RoleArn" => role, "RoleSessionName" => "tour" };
    tour.at(Service::Sts, "AssumeRole", input);
    let (_, why) = tour
        .world
        .ec2_refused("CreateVpc", map! { "CidrBlock" => "10.9.0.0/16" });
    let (_, sealed) = why.split_once("failure message: ").unwrap();
    let sealed = map! { "EncodedMessage" => sealed };
    tour.at(Service::Sts, "DecodeAuthorizationMessage", sealed);
    tour.world.use_key(ROOT);
    tour.at(Service::Iam, "DeleteRole", map! { "RoleName" => "r" });
}

fn buckets(tour: &mut Tour) {
    let bucket = map! { "Bucket" => "reports" };
    let with = |name: &'static str, value: Value| map! { "Bucket" => "reports", name => value };
    let rule = |rule: Value| map! { "Rules" => list![rule] };
    let s3 = Service::S3;
    tour.at(s3, "CreateBucket", bucket.clone());
    tour.at(s3, "HeadBucket", bucket.clone());
    tour.at(s3, "GetBucketLocation", bucket.clone());
    tour.at(s3, "ListBuckets", map! {});
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::reports/*"}}"#;
    let settings: &[(&str, &str, Option<&str>, &'static str, Value)] = &[
        (
            "PutBucketPolicy",
            "GetBucketPolicy",
            None,
            "Policy",
            policy.into(),
        ),
        (
            "PutBucketVersioning",
            "GetBucketVersioning",
            None,
            "VersioningConfiguration",
            map! { "Status" => "Enabled" },
        ),
        (
            "PutBucketTagging",
            "GetBucketTagging",
            Some("DeleteBucketTagging"),
            "Tagging",
            map! { "TagSet" => list![map! { "Key" => "a", "Value" => "b" }] },
        ),
        (
            "PutPublicAccessBlock",
            "GetPublicAccessBlock",
            Some("DeletePublicAccessBlock"),
            "PublicAccessBlockConfiguration",
            map! { "BlockPublicAcls" => true },
        ),
        (
            "PutBucketOwnershipControls",
            "GetBucketOwnershipControls",
            Some("DeleteBucketOwnershipControls"),
            "OwnershipControls",
            rule(map! { "ObjectOwnership" => "ObjectWriter" }),
        ),
        (
            "PutBucketCors",
            "GetBucketCors",
            Some("DeleteBucketCors"),
            "CORSConfiguration",
            map! { "CORSRules" => list![map! {
                "AllowedMethods" => list!["GET"], "AllowedOrigins" => list!["*"],
            }]},
        ),
        (
            "PutBucketLifecycleConfiguration",
            "GetBucketLifecycleConfiguration",
            Some("DeleteBucketLifecycle"),
            "LifecycleConfiguration",
            rule(map! {
                "Status" => "Enabled",
                "Prefix" => "",
                "Expiration" => map! { "Date" => Value::Time { millis: 1_700_006_400_000 } },
            }),
        ),
        (
            "PutBucketEncryption",
            "GetBucketEncryption",
            Some("DeleteBucketEncryption"),
            "ServerSideEncryptionConfiguration",
            rule(map! {
                "ApplyServerSideEncryptionByDefault" => map! { "SSEAlgorithm" => "AES256" },
            }),
        ),
    ];
    for (put, get, delete, member, value) in settings {
        tour.at(s3, put, with(member, value.clone()));
        tour.at(s3, get, bucket.clone());
        if let Some(delete) = delete {
            tour.at(s3, delete, bucket.clone());
        }
    }
    tour.at(s3, "GetBucketPolicyStatus", bucket.clone());
    tour.at(s3, "DeleteBucketPolicy", bucket.clone());
    tour.at(s3, "PutBucketAcl", with("ACL", "private".into()));
    tour.at(s3, "GetBucketAcl", bucket.clone());
    unused_features(tour);
    access_points(tour);
    jobs(tour);
    tour.at(s3, "DeleteBucket", bucket);
}

/// What buckets could have on AWS and never have here.
fn unused_features(tour: &mut Tour) {
    let (s3, bucket) = (Service::S3, map! { "Bucket" => "reports" });
    for name in [
        "DeleteBucketReplication",
        "DeleteBucketWebsite",
        "GetBucketAccelerateConfiguration",
        "GetBucketLogging",
        "GetBucketNotificationConfiguration",
        "GetBucketRequestPayment",
        "ListBucketAnalyticsConfigurations",
        "ListBucketIntelligentTieringConfigurations",
        "ListBucketInventoryConfigurations",
        "ListBucketMetricsConfigurations",
    ] {
        tour.at(s3, name, bucket.clone());
    }
    let put = |name: &'static str, value: Value| map! { "Bucket" => "reports", name => value };
    tour.at(s3, "PutBucketLogging", put("BucketLoggingStatus", map! {}));
    tour.at(
        s3,
        "PutBucketNotificationConfiguration",
        put("NotificationConfiguration", map! {}),
    );
    tour.at(
        s3,
        "PutBucketRequestPayment",
        put(
            "RequestPaymentConfiguration",
            map! { "Payer" => "BucketOwner" },
        ),
    );
    let code = "ObjectLockConfigurationNotFoundError";
    tour.refused_at(s3, "GetObjectLockConfiguration", bucket.clone(), code);
    let locks = map! { "Bucket" => "locks", "ObjectLockEnabledForBucket" => true };
    tour.at(s3, "CreateBucket", locks);
    let configuration = map! { "ObjectLockEnabled" => "Enabled" };
    let locks = map! { "Bucket" => "locks", "ObjectLockConfiguration" => configuration };
    tour.at(s3, "PutObjectLockConfiguration", locks);
    tour.at(
        s3,
        "GetObjectLockConfiguration",
        map! { "Bucket" => "locks" },
    );
    for (name, code) in [
        (
            "GetBucketReplication",
            "ReplicationConfigurationNotFoundError",
        ),
        ("GetBucketWebsite", "NoSuchWebsiteConfiguration"),
    ] {
        tour.refused_at(s3, name, bucket.clone(), code);
    }
}

/// S3 Control, on the bucket `reports`.
fn access_points(tour: &mut Tour) {
    let control = Service::S3Control;
    let account = map! { "AccountId" => ACCOUNT };
    let named = map! { "AccountId" => ACCOUNT, "Name" => "desk" };
    let with = |name: &'static str, value: Value| {
        let mut input = named.clone();
        if let Some(members) = input.map_mut() {
            members.insert(name, value);
        }
        input
    };
    let made = tour.at(
        control,
        "CreateAccessPoint",
        with("Bucket", "reports".into()),
    );
    let arn = text(&made, "AccessPointArn");
    assert!(text(&made, "Alias").len() <= 63);
    tour.at(control, "GetAccessPoint", named.clone());
    let listed = tour.at(control, "ListAccessPoints", account.clone());
    assert_eq!(text(one(&listed, "AccessPointList"), "Name"), "desk");
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"{arn}/object/*"}}}}"#
    );
    tour.at(
        control,
        "PutAccessPointPolicy",
        with("Policy", policy.as_str().into()),
    );
    let kept = tour.at(control, "GetAccessPointPolicy", named.clone());
    assert_eq!(text(&kept, "Policy"), policy);
    tour.at(control, "GetAccessPointPolicyStatus", named.clone());
    tour.at(control, "DeleteAccessPointPolicy", named.clone());
    let tagged = |name: &'static str, value: Value| map! { "AccountId" => ACCOUNT, "ResourceArn" => arn.as_str(), name => value };
    let tags = list![map! { "Key" => "a", "Value" => "b" }];
    tour.at(control, "TagResource", tagged("Tags", tags));
    let shown = tour.at(
        control,
        "ListTagsForResource",
        map! { "AccountId" => ACCOUNT, "ResourceArn" => arn.as_str() },
    );
    assert_eq!(text(one(&shown, "Tags"), "Value"), "b");
    tour.at(control, "UntagResource", tagged("TagKeys", list!["a"]));
    tour.at(control, "DeleteAccessPoint", named);
    tour.at(
        control,
        "PutPublicAccessBlock",
        map! {
            "AccountId" => ACCOUNT,
            "PublicAccessBlockConfiguration" => map! { "BlockPublicPolicy" => true },
        },
    );
    let kept = tour.at(control, "GetPublicAccessBlock", account.clone());
    let kept = kept.get("PublicAccessBlockConfiguration");
    assert_eq!(kept.get("BlockPublicPolicy").bool(), Some(true));
    assert_eq!(kept.get("BlockPublicAcls").bool(), Some(false));
    tour.at(control, "DeletePublicAccessBlock", account);
}

/// Batch jobs over the bucket `reports`; nobody carries them out here.
fn jobs(tour: &mut Tour) {
    let control = Service::S3Control;
    let account = map! { "AccountId" => ACCOUNT };
    let location = map! { "ObjectArn" => "arn:aws:s3:::reports/list", "ETag" => "e" };
    let spec = map! {
        "Format" => "S3BatchOperations_CSV_20180820",
        "Fields" => list!["Bucket", "Key"],
    };
    let made = tour.at(
        control,
        "CreateJob",
        map! {
            "AccountId" => ACCOUNT,
            "Operation" => map! { "S3DeleteObjectTagging" => map! {} },
            "Report" => map! { "Enabled" => false },
            "ClientRequestToken" => "t",
            "Manifest" => map! { "Spec" => spec, "Location" => location },
            "Priority" => 3i64,
            "RoleArn" => format!("arn:aws:iam::{ACCOUNT}:role/worker"),
        },
    );
    let job = text(&made, "JobId");
    let named = map! { "AccountId" => ACCOUNT, "JobId" => job.as_str() };
    let with = |name: &'static str, value: Value| {
        let mut input = named.clone();
        if let Some(members) = input.map_mut() {
            members.insert(name, value);
        }
        input
    };
    tour.at(control, "UpdateJobPriority", with("Priority", 4i64.into()));
    let tags = list![map! { "Key" => "a", "Value" => "b" }];
    tour.at(control, "PutJobTagging", with("Tags", tags));
    let shown = tour.at(control, "GetJobTagging", named.clone());
    assert_eq!(text(one(&shown, "Tags"), "Value"), "b");
    tour.at(control, "DeleteJobTagging", named.clone());
    tour.at(
        control,
        "UpdateJobStatus",
        with("RequestedJobStatus", "Cancelled".into()),
    );
    let shown = tour.at(control, "DescribeJob", named.clone());
    let shown = shown.get("Job");
    assert_eq!(text(shown, "Status"), "Cancelled");
    assert_eq!(shown.get("Priority").int(), Some(4));
    let listed = tour.at(control, "ListJobs", account);
    assert_eq!(text(one(&listed, "Jobs"), "JobId"), job);
}
