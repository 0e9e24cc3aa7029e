//! VPCs and their DNS attributes [ec2-api §16].

pub(crate) mod block;
mod ipv6;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::Ipv4Net;

use crate::context::{Answer, Ctx, Home, View};
use crate::describe::{Describe, tags, yes};
use crate::ec2::{dhcp_options, network_acl, peering};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    input.refuse_unbuilt(&["Ipv4IpamPoolId"])?;
    let with_ipv6 = ipv6::wanted(input, &ctx.region)?;
    let cidr = vpc_cidr(input.required("CidrBlock")?)?;
    let tenancy = input
        .text("InstanceTenancy")
        .unwrap_or("default")
        .to_string();
    let tags = input.tags("vpc")?;
    limit(draft, &ctx.region, &ctx.caller.account)?;
    let mut vpc = make(draft, &mut ctx.home(), cidr, tenancy, tags, false);
    if with_ipv6 {
        vpc.ipv6.push(ipv6::add(draft, &mut ctx.ids, &vpc.id)?);
    }
    Ok(Answer::later(move |_| map! { "Vpc" => show(&vpc) }))
}

/// Makes a VPC with everything that AWS gives a new one: main route table, default security group.
pub(crate) fn make(
    draft: &mut Draft,
    home: &mut Home<'_>,
    cidr: Ipv4Net,
    tenancy: String,
    tags: Tags,
    is_default: bool,
) -> Vpc {
    let id = VpcId::from_digits(home.ids.digits());
    let vpc = Vpc {
        id: id.clone(),
        owner: home.account.clone(),
        region: home.region.clone(),
        cidrs: vec![VpcCidr {
            association: VpcCidrAssociationId::from_digits(home.ids.digits()),
            cidr,
        }],
        ipv6: Vec::new(),
        dns_support: true,
        dns_hostnames: is_default,
        is_default,
        tenancy,
        dhcp_options: dhcp_options::default_of(draft, home),
        tags,
    };
    draft.put(vpc.clone());
    draft.put(RouteTable {
        id: RouteTableId::from_digits(home.ids.digits()),
        vpc: id.clone(),
        owner: home.account.clone(),
        number: 1,
        associations: vec![RouteTableAssociation {
            id: RouteTableAssociationId::from_digits(home.ids.digits()),
            subnet: None,
            gateway: None,
        }],
        routes: Vec::new(),
        propagating: Vec::new(),
        tags: Tags::new(),
    });
    network_acl::make_default(draft, home, &id);
    let group = SecurityGroupId::from_digits(home.ids.digits());
    let rule = |home: &mut Home<'_>, egress, peer| SecurityGroupRule {
        id: SecurityGroupRuleId::from_digits(home.ids.digits()),
        egress,
        protocol: IpProtocol::All,
        from_port: None,
        to_port: None,
        peer,
        description: None,
        tags: Tags::new(),
    };
    let rules = vec![
        rule(home, false, RulePeer::Group(group.clone())),
        rule(
            home,
            true,
            RulePeer::Cidr(ipnet::IpNet::V4(Ipv4Net::default())),
        ),
    ];
    draft.put(SecurityGroup {
        id: group,
        vpc: id,
        owner: home.account.clone(),
        name: "default".into(),
        description: "default VPC security group".into(),
        rules,
        tags: Tags::new(),
    });
    vpc
}

/// Refuses a VPC beyond the limit of VPCs in a Region.
fn limit(draft: &Draft, region: &Region, account: &AccountId) -> Result<(), Refusal> {
    let there = || {
        draft
            .vpcs
            .values()
            .filter(|vpc| vpc.region == *region && vpc.owner == *account)
    };
    quotas::VPCS_PER_REGION.check(draft, || there().count())
}

/// A VPC's block: /16 to /28, host bits cleared as AWS does.
fn vpc_cidr(text: &str) -> Result<Ipv4Net, Refusal> {
    let cidr = cidr(text, "cidrBlock")?;
    if !(16..=28).contains(&cidr.prefix_len()) {
        return Err(Refusal::new(
            "InvalidVpcRange",
            format!("The CIDR '{text}' is invalid."),
        ));
    }
    Ok(cidr)
}

/// A block of IPv4 addresses, host bits cleared.
pub(crate) fn cidr(text: &str, parameter: &str) -> Result<Ipv4Net, Refusal> {
    match text.parse::<Ipv4Net>() {
        Ok(cidr) => Ok(cidr.trunc()),
        Err(_) => Err(Refusal::invalid_value(format!(
            "Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."
        ))),
    }
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    let id = &vpc.id;
    let in_use = draft.in_vpc::<Subnet>(id).next().is_some()
        || draft.in_vpc::<InternetGateway>(id).next().is_some()
        || draft.in_vpc::<VpcEndpoint>(id).next().is_some()
        || draft.in_vpc::<NetworkInterface>(id).next().is_some()
        || draft.in_vpc::<Site>(id).next().is_some()
        || draft
            .in_vpc::<SecurityGroup>(id)
            .any(|group| group.name != "default")
        || draft.in_vpc::<RouteTable>(id).any(|table| !table.is_main())
        || draft.in_vpc::<NetworkAcl>(id).any(|acl| !acl.is_default)
        || draft.in_vpc::<VpnGateway>(id).next().is_some()
        || draft
            .in_vpc::<EgressOnlyInternetGateway>(id)
            .next()
            .is_some()
        || draft
            .in_vpc::<VpcPeeringConnection>(id)
            .any(|connection| peering::holds(connection, draft, ctx.now));
    if in_use {
        return Err(Refusal::dependency(&format!("vpc '{id}'")));
    }
    let groups: Vec<_> = draft.in_vpc::<SecurityGroup>(id).cloned().collect();
    for group in groups {
        draft.remove::<SecurityGroup>(&group.id);
    }
    let tables: Vec<_> = draft.in_vpc::<RouteTable>(id).cloned().collect();
    for table in tables {
        draft.remove::<RouteTable>(&table.id);
    }
    let acls: Vec<_> = draft.in_vpc::<NetworkAcl>(id).cloned().collect();
    for acl in acls {
        draft.remove::<NetworkAcl>(&acl.id);
    }
    // What is over stays for its record, and goes with one of its VPCs.
    let over: Vec<_> = draft.in_vpc::<VpcPeeringConnection>(id).cloned().collect();
    for connection in over {
        draft.remove::<VpcPeeringConnection>(&connection.id);
    }
    crate::route53::forget_vpc(draft, &vpc.id);
    crate::ec2::flow_log::forget_vpc(draft, &vpc.id);
    draft.remove::<Vpc>(id);
    Ok(Answer::done())
}

const FILTERS: &[&str] = &[
    "vpc-id",
    "cidr",
    "cidrBlock",
    "cidr-block",
    "cidr-block-association.cidr-block",
    "cidr-block-association.association-id",
    "cidr-block-association.state",
    "dhcp-options-id",
    "is-default",
    "isDefault",
    "state",
    "ipv6-cidr-block-association.ipv6-cidr-block",
    "ipv6-cidr-block-association.ipv6-pool",
    "ipv6-cidr-block-association.association-id",
    "ipv6-cidr-block-association.state",
];

const DESCRIBE: Describe<Vpc> = Describe {
    ids: "VpcIds",
    items: "Vpcs",
    pages: 5..=1000,
    filters: FILTERS,
    show: |vpc, _| show(vpc),
    filter: |vpc, name, _| {
        Some(match name {
            "vpc-id" => vec![vpc.id.to_string()],
            "cidr" | "cidrBlock" | "cidr-block" => vec![vpc.cidr().to_string()],
            "cidr-block-association.cidr-block" => {
                vpc.cidrs.iter().map(|c| c.cidr.to_string()).collect()
            }
            "cidr-block-association.association-id" => vpc
                .cidrs
                .iter()
                .map(|c| c.association.to_string())
                .collect(),
            "cidr-block-association.state" => vec!["associated".into()],
            "dhcp-options-id" => vec![vpc.dhcp_options.to_string()],
            "is-default" | "isDefault" => yes(vpc.is_default),
            "state" => vec!["available".into()],
            "ipv6-cidr-block-association.ipv6-cidr-block" => {
                vpc.ipv6.iter().map(|b| b.cidr.to_string()).collect()
            }
            "ipv6-cidr-block-association.association-id" => {
                vpc.ipv6.iter().map(|b| b.association.to_string()).collect()
            }
            "ipv6-cidr-block-association.ipv6-pool" => {
                vpc.ipv6.iter().map(|_| ipv6::POOL.into()).collect()
            }
            "ipv6-cidr-block-association.state" => {
                vpc.ipv6.iter().map(|_| "associated".into()).collect()
            }
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

pub(crate) fn show(vpc: &Vpc) -> Value {
    let association = |c: &VpcCidr| {
        map! {
            "AssociationId" => c.association.as_str(),
            "CidrBlock" => c.cidr.to_string(),
            "CidrBlockState" => map! { "State" => "associated" },
        }
    };
    let ipv6 = |block: &VpcIpv6Cidr| ipv6::show(block, &vpc.region, "associated");
    map! {
        "VpcId" => vpc.id.as_str(),
        "OwnerId" => vpc.owner.as_str(),
        "State" => "available",
        "CidrBlock" => vpc.cidr().to_string(),
        "CidrBlockAssociationSet" => vpc.cidrs.iter().map(association).collect::<Value>(),
        "Ipv6CidrBlockAssociationSet" => vpc.ipv6.iter().map(ipv6).collect::<Value>(),
        "DhcpOptionsId" => vpc.dhcp_options.as_str(),
        "InstanceTenancy" => vpc.tenancy.as_str(),
        "IsDefault" => vpc.is_default,
        "BlockPublicAccessStates" => map! { "InternetGatewayBlockMode" => "off" },
        "Tags" => tags(&vpc.tags),
    }
}

/// A tenancy can be changed to `default` alone.
pub(crate) fn modify_tenancy(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    match input.required("InstanceTenancy")? {
        "default" => {
            draft.edit::<Vpc>(&vpc.id, |vpc| vpc.tenancy = "default".to_string());
            Ok(Answer::from(map! { "ReturnValue" => true }))
        }
        other => Err(Refusal::invalid_value(format!(
            "Value ({other}) for parameter instanceTenancy is invalid. Expecting default."
        ))),
    }
}

pub(crate) fn modify_attribute(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    let attribute = |name: &str| input.get(name).get("Value").bool();
    let (support, hostnames) = (
        attribute("EnableDnsSupport"),
        attribute("EnableDnsHostnames"),
    );
    match (
        support,
        hostnames,
        attribute("EnableNetworkAddressUsageMetrics"),
    ) {
        (None, None, None) => return Err(Refusal::missing("EnableDnsSupport")),
        (Some(_), Some(_), _) => {
            return Err(Refusal::combination(
                "Only one of EnableDnsSupport and EnableDnsHostnames can be modified in a request",
            ));
        }
        (None, None, Some(true)) => {
            return Err(Refusal::unsupported(
                "EnableNetworkAddressUsageMetrics is not supported.",
            ));
        }
        (None, Some(true), _) if !vpc.dns_support => {
            return Err(Refusal::invalid(format!(
                "EnableDnsHostnames needs EnableDnsSupport, which is off in {}",
                vpc.id
            )));
        }
        _ => {}
    }
    draft.edit::<Vpc>(&vpc.id, |vpc| {
        vpc.dns_support = support.unwrap_or(vpc.dns_support);
        vpc.dns_hostnames = hostnames.unwrap_or(vpc.dns_hostnames) && vpc.dns_support;
    });
    Ok(Answer::done())
}

pub(crate) fn describe_attribute(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let vpc = ctx.required::<Vpc>(view.intent, input, "VpcId")?;
    let value = |flag: bool| map! { "Value" => flag };
    let mut output = adit_wire::Map::new();
    output.push("VpcId", vpc.id.as_str());
    match input.required("Attribute")? {
        "enableDnsSupport" => output.push("EnableDnsSupport", value(vpc.dns_support)),
        "enableDnsHostnames" => output.push("EnableDnsHostnames", value(vpc.dns_hostnames)),
        "enableNetworkAddressUsageMetrics" => {
            output.push("EnableNetworkAddressUsageMetrics", value(false))
        }
        other => {
            return Err(Refusal::invalid_value(format!(
                "Value ({other}) for parameter attribute is invalid. Unknown attribute."
            )));
        }
    }
    Ok(Value::Map(output))
}
