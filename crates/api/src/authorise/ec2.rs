//! What calls of EC2 touch: the ids in their parameters, and what they make.

mod known;

use adit_model::*;
use adit_policy::Value as Fact;
use adit_wire::Value;

use self::known::{flag, id_key, known, type_of, wholes};
use super::{Call, Touch};
use crate::operations::Row;

/// What an operation makes, as ARNs name it: it is decided on `<type>/*`, before there is an id.
const CREATED: &[(&str, &str)] = &[
    ("CreateVpc", "vpc"),
    ("CreateDefaultVpc", "vpc"),
    ("CreateSubnet", "subnet"),
    ("CreateDefaultSubnet", "subnet"),
    ("CreateRouteTable", "route-table"),
    ("CreateInternetGateway", "internet-gateway"),
    (
        "CreateEgressOnlyInternetGateway",
        "egress-only-internet-gateway",
    ),
    ("CreateNatGateway", "natgateway"),
    ("CreateVpnGateway", "vpn-gateway"),
    ("CreateCustomerGateway", "customer-gateway"),
    ("CreateVpnConnection", "vpn-connection"),
    ("CreateVpcPeeringConnection", "vpc-peering-connection"),
    ("CreateNetworkAcl", "network-acl"),
    ("CreateSecurityGroup", "security-group"),
    ("CreateNetworkInterface", "network-interface"),
    ("CreateManagedPrefixList", "prefix-list"),
    ("CreateVpcEndpoint", "vpc-endpoint"),
    (
        "CreateVpcEndpointServiceConfiguration",
        "vpc-endpoint-service",
    ),
    ("CreateFlowLogs", "vpc-flow-log"),
    ("CreateDhcpOptions", "dhcp-options"),
    ("AllocateAddress", "elastic-ip"),
];

/// Reads that have a resource level; all others are decided on `*`.
const LEVELLED_READS: &[&str] = &[
    "DescribeVpcEndpointServicePermissions",
    "GetManagedPrefixListAssociations",
    "GetManagedPrefixListEntries",
    "GetSecurityGroupsForVpc",
];

/// Operations that are decided on one parameter alone, whatever else they name.
const ONLY: &[(&str, &str)] = &[
    ("CreateRoute", "RouteTableId"),
    ("ReplaceRoute", "RouteTableId"),
    ("DeleteRoute", "RouteTableId"),
];

/// Parameters that hold ids and are not decided on: the far end of a peering is its owner's
/// business, the rules of a group are the group's.
const NOT_DECIDED: &[&str] = &["PeerVpcId", "SecurityGroupRuleIds"];

/// Parameters that hold ids without saying so by their name.
const ALSO_IDS: &[&str] = &["Groups", "Resources"];

/// Whether a row derives anything at all: it has no resource level, makes something known, or has a
/// parameter for ids.
#[cfg(test)]
pub(super) fn derives(row: &Row) -> bool {
    let Some(operation) = row.service.table().and_then(|t| t.operation(row.name)) else {
        return false;
    };
    let has_ids = || {
        let shape = operation
            .input
            .map(|id| row.service.table().map(|t| t.shape(id)));
        let structure = shape.flatten().and_then(|shape| shape.structure());
        structure.is_some_and(|s| s.members.iter().any(|member| is_decided(row, member.name)))
    };
    !has_level(row) || created(row).is_some() || has_ids()
}

fn has_level(row: &Row) -> bool {
    row.writes() || LEVELLED_READS.contains(&row.name)
}

fn created(row: &Row) -> Option<&'static str> {
    let found = CREATED.iter().find(|(name, _)| *name == row.name);
    found.map(|(_, kind)| *kind)
}

/// Whether the ids of a parameter are decided on.
fn is_decided(row: &Row, member: &str) -> bool {
    match ONLY.iter().find(|(name, _)| *name == row.name) {
        Some((_, only)) => member == *only,
        None => {
            (member.ends_with("Id") || member.ends_with("Ids") || ALSO_IDS.contains(&member))
                && !NOT_DECIDED.contains(&member)
        }
    }
}

/// What a call touches: what it makes first, then every resource that it names.
pub(super) fn derive<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    if !has_level(call.row) {
        return Vec::new();
    }
    let mut touches = Vec::new();
    let makes = created(call.row);
    if let Some(kind) = makes {
        touches.push(made(call, kind));
    }
    let mut seen: Vec<&str> = Vec::new();
    for id in ids(call).chain(group_by_name(call)) {
        if !seen.contains(&id) {
            seen.push(id);
            touches.extend(named(call, id));
        }
    }
    match call.row.name {
        "CreateTags" | "DeleteTags" => {
            for touch in &mut touches {
                touch.request_tags(tags(call.input.get("Tags")));
            }
        }
        name if name.starts_with("Modify") => {
            for touch in &mut touches {
                attributes(call, touch);
            }
        }
        _ => {}
    }
    touches.extend(tagging(call));
    touches.extend(another_region(call));
    touches
}

/// Every id that the parameters name, in order.
fn ids<'a>(call: &Call<'a>) -> impl Iterator<Item = &'a str> + use<'a> {
    let row = call.row;
    let members = call.input.0.map().into_iter().flat_map(|map| map.iter());
    let top = members
        .filter(move |(name, _)| is_decided(row, name))
        .flat_map(|(_, value)| value.str().into_iter().chain(value.strings()));
    let subnets = call.input.get("SubnetConfigurations").list().iter();
    top.chain(subnets.filter_map(|subnet| subnet.get("SubnetId").str()))
}

/// The group that the rules of a default VPC's group may name by its name.
fn group_by_name<'a>(call: &Call<'a>) -> Option<&'a str> {
    let rules = call.row.name.contains("SecurityGroup") && !call.row.name.starts_with("Create");
    let name = call.input.text("GroupName").filter(|_| rules)?;
    let intent = call.intent();
    let is_it = |group: &&std::sync::Arc<SecurityGroup>| {
        let here = || {
            let vpc = intent.get::<Vpc>(&group.vpc);
            vpc.is_some_and(|vpc| vpc.is_default && vpc.region == call.ctx.region)
        };
        group.name == name && group.owner == *call.account() && here()
    };
    intent
        .security_groups
        .values()
        .find(is_it)
        .map(|group| group.id.as_str())
}

/// The pairs of a list of tags. A tag to delete may come without a value.
fn tags<'a>(list: &'a Value) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    list.list().iter().filter_map(|tag| {
        let value = tag.get("Value").str().unwrap_or_default();
        Some((tag.get("Key").str()?, value))
    })
}

/// The tags that `TagSpecifications` gives what is made.
fn given_tags<'a>(call: &Call<'a>) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
    let all = call.input.get("TagSpecifications").list().iter();
    all.flat_map(|specification| tags(specification.get("Tags")))
}

fn arn(call: &Call<'_>, account: &str, kind: &str, id: &str) -> String {
    format!("arn:aws:ec2:{}:{account}:{kind}/{id}", call.ctx.region)
}

/// What is about to be made.
fn made<'a>(call: &Call<'a>, kind: &'static str) -> Touch<'a> {
    let mut touch = Touch::on(arn(call, call.account().as_str(), kind, "*"));
    touch.request_tags(given_tags(call));
    match call.row.name {
        "CreateVpcEndpoint" => endpoint_keys(call, &mut touch),
        "CreateVpcEndpointServiceConfiguration" => {
            let name = call.input.text("PrivateDnsName");
            touch.key_some("ec2:VpceServicePrivateDnsName", name);
            touch.key("ec2:VpceServiceRegion", call.ctx.region.as_str());
            let regions = call.input.texts("SupportedRegions");
            let elsewhere = regions.iter().any(|r| *r != call.ctx.region.as_str());
            touch.key("ec2:VpceMultiRegion", flag(elsewhere));
        }
        "CreateVpcPeeringConnection" => {
            let vpc = |account: &str, region: &str, id: &str| {
                format!("arn:aws:ec2:{region}:{account}:vpc/{id}")
            };
            let (mine, here) = (call.account().as_str(), call.ctx.region.as_str());
            let own = call.input.text("VpcId").map(|id| vpc(mine, here, id));
            touch.key_some("ec2:RequesterVpc", own);
            let account = call.input.text("PeerOwnerId").unwrap_or(mine);
            let region = call.input.text("PeerRegion").unwrap_or(here);
            let far = call.input.text("PeerVpcId");
            touch.key_some("ec2:AccepterVpc", far.map(|id| vpc(account, region, id)));
        }
        "CreateSubnet" => {
            let zone = call.input.text("AvailabilityZone");
            touch.key_some("ec2:AvailabilityZone", zone);
        }
        _ => {}
    }
    // What is made inside a VPC says in which.
    if let Some(vpc) = call.input.text("VpcId")
        && kind != "vpc-peering-connection"
    {
        let vpc = arn(call, call.account().as_str(), "vpc", vpc);
        touch.key("ec2:Vpc", vpc);
    }
    touch
}

fn endpoint_keys<'a>(call: &Call<'a>, touch: &mut Touch<'a>) {
    let service = call.input.text("ServiceName");
    touch.key_some("ec2:VpceServiceName", service);
    touch.key_some(
        "ec2:VpceServiceOwner",
        service.and_then(|s| service_owner(call, s)),
    );
    let here = call.ctx.region.as_str();
    let region = call.input.text("ServiceRegion").unwrap_or(here);
    touch.key("ec2:VpceServiceRegion", region);
    touch.key("ec2:VpceMultiRegion", flag(region != here));
    let dns = call.input.get("DnsOptions");
    let preference = dns.get("PrivateDnsPreference").str();
    touch.key_some("ec2:VpcePrivateDnsPreference", preference);
    let domains: Vec<&str> = dns.get("PrivateDnsSpecifiedDomains").strings().collect();
    if !domains.is_empty() {
        let domains: Vec<String> = domains.into_iter().map(str::to_string).collect();
        touch.key("ec2:VpcePrivateDnsSpecifiedDomains", domains);
    }
}

/// `amazon` for services of AWS; endpoint services of accounts are owned by those.
fn service_owner(call: &Call<'_>, service: &str) -> Option<String> {
    let id = service.rsplit('.').next()?;
    if !id.starts_with("vpce-svc-") {
        return Some("amazon".to_string());
    }
    known(call.intent(), id).and_then(|known| known.owner.map(|owner| owner.to_string()))
}

/// `ec2:Attribute` and `ec2:Attribute/NAME`: what a `Modify…` is to change.
fn attributes<'a>(call: &Call<'a>, touch: &mut Touch<'a>) {
    let mut names = Vec::new();
    for (name, value) in call.input.0.map().into_iter().flat_map(|map| map.iter()) {
        let plain = match value {
            Value::Null => continue,
            _ if name == "DryRun" || name == "ClientToken" || is_decided(call.row, name) => {
                continue;
            }
            // An attribute's value is one member further down.
            Value::Map(_) => value.get("Value"),
            other => other,
        };
        let text = match plain {
            Value::Bool(value) => Some(flag(*value).to_string()),
            Value::Int(value) => Some(value.to_string()),
            other => other.str().map(str::to_string),
        };
        touch.key_some(format!("ec2:Attribute/{name}"), text);
        names.push(name.to_string());
    }
    if !names.is_empty() {
        touch.key("ec2:Attribute", names);
    }
}

/// Tags on create are a second question: `ec2:CreateTags` on what is made.
fn tagging<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    let with_tags = |specification: &&Value| !specification.get("Tags").list().is_empty();
    let all = call.input.get("TagSpecifications").list().iter();
    all.filter(with_tags)
        .map(|specification| {
            let kind = specification.get("ResourceType").str().unwrap_or("*");
            let on = arn(call, call.account().as_str(), kind, "*");
            let mut touch = Touch::on(on).action("ec2:CreateTags");
            touch.request_tags(tags(specification.get("Tags")));
            touch.key("ec2:CreateAction", call.row.name);
            touch
        })
        .collect()
}

/// A service of another Region, or one offered to others, needs a right of its own.
fn another_region<'a>(call: &Call<'a>) -> Option<Touch<'a>> {
    let here = call.ctx.region.as_str();
    let there = match call.row.name {
        "CreateVpcEndpoint" => call.input.text("ServiceRegion"),
        _ => None,
    };
    let away = there.is_some_and(|region| region != here)
        || ["SupportedRegions", "AddSupportedRegions"]
            .iter()
            .any(|name| call.input.texts(name).iter().any(|region| *region != here));
    away.then(|| Touch::on("*").action("vpce:AllowMultiRegion"))
}

/// A resource that a call names, or those that a part of one stands for.
fn named<'a>(call: &Call<'a>, id: &'a str) -> Vec<Touch<'a>> {
    match type_of(id) {
        Some((_, kind)) => vec![resource(call, id, kind)],
        None => {
            let wholes = wholes(call.intent(), id);
            let touch = |whole: String| {
                let (_, kind) = type_of(&whole)?;
                Some(resource(call, &whole, kind))
            };
            wholes.into_iter().filter_map(touch).collect()
        }
    }
}

fn resource<'a>(call: &Call<'a>, id: &str, kind: &'static str) -> Touch<'a> {
    let known = known(call.intent(), id);
    let own = call.account();
    let account = match &known {
        None => own.to_string(),
        Some(known) => match &known.owner {
            Some(owner) => owner.to_string(),
            None => "aws".to_string(),
        },
    };
    let mut touch = Touch::on(arn(call, &account, kind, id));
    if let Some(key) = id_key(kind) {
        touch.key(key, id.to_string());
    }
    let Some(known) = known else { return touch };
    touch.key("ec2:Owner", account.clone());
    touch.owner = known.owner.clone().filter(|owner| owner != own);
    // Tags are the owner's notes: others' policies do not see them.
    if touch.owner.is_none() {
        for (name, value) in known.tags {
            let value = Fact::from(value);
            touch.key(format!("aws:ResourceTag/{name}"), value.clone());
            touch.key(format!("ec2:ResourceTag/{name}"), value);
        }
    }
    if let Some(vpc) = known.vpc.filter(|_| kind != "vpc") {
        touch.key("ec2:Vpc", arn(call, &account, "vpc", vpc.as_str()));
    }
    for (name, value) in known.keys {
        touch.key(name, value);
    }
    touch
}
