//! Network load balancers [privatelink §4]. They stand behind endpoint services. No traffic is
//! balanced yet: every one is shown as `failed`, with the reason.

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, list, map};

use crate::addresses;
use crate::context::{Answer, Ctx, View};
use crate::input::{Input, check_tag_count, tag_of};
use crate::refusal::Refusal;

/// Most load balancers of one page, and as many as there are when a request does not say.
const PAGE: i64 = 400;

/// Why none carries traffic.
const REASON: &str = "Load balancers are not realised by this version.";

fn invalid(text: impl Into<String>) -> Refusal {
    Refusal::new("ValidationError", text)
}

fn configuration(text: impl Into<String>) -> Refusal {
    Refusal::new("InvalidConfigurationRequest", text)
}

fn not_found(what: &str) -> Refusal {
    let what: String = what.chars().take(256).collect();
    Refusal::new(
        "LoadBalancerNotFound",
        format!("Load balancers '[{what}]' not found"),
    )
}

/// Whether a load balancer is the caller's and in this Region.
fn sees(ctx: &Ctx, balancer: &LoadBalancer) -> bool {
    balancer.owner == ctx.caller.account && balancer.region == ctx.region
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let name = name(input.required("Name")?)?;
    match input.text("Type").unwrap_or("application") {
        "network" => {}
        other => {
            return Err(Refusal::new(
                "OperationNotPermitted",
                format!("Load balancers of type '{other}' are not supported: only 'network' is."),
            ));
        }
    }
    input.refuse_unbuilt(&["CustomerOwnedIpv4Pool", "IpamPools"])?;
    let internet_facing = match input.text("Scheme").unwrap_or("internet-facing") {
        "internet-facing" => true,
        "internal" => false,
        other => {
            return Err(Refusal::new(
                "InvalidScheme",
                format!("The scheme '{other}' is not valid"),
            ));
        }
    };
    let address_type = match input.text("IpAddressType").unwrap_or("ipv4") {
        "ipv4" => AddressType::Ipv4,
        "dualstack" => AddressType::Dualstack,
        other => {
            return Err(invalid(format!(
                "The IP address type '{other}' is not valid for network load balancers"
            )));
        }
    };
    let (vpc, subnets) = subnets(input, draft, ctx, address_type)?;
    let groups = groups(input, draft, ctx, &vpc)?;
    let tags = tags(input)?;
    let mut there = draft.load_balancers.values();
    if there.any(|other| sees(ctx, other) && other.name == name) {
        return Err(Refusal::new(
            "DuplicateLoadBalancerName",
            format!("A load balancer with the name '{name}' already exists in this account"),
        ));
    }
    let (region, account) = (&ctx.region, &ctx.caller.account);
    let digits = ctx.ids.digits() as u64;
    let balancer = draft.put(LoadBalancer {
        arn: format!(
            "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/net/{name}/{digits:016x}"
        ),
        name,
        owner: account.clone(),
        region: region.clone(),
        vpc,
        internet_facing,
        subnets,
        groups,
        address_type,
        attributes: Default::default(),
        created: ctx.now,
        tags,
    });
    Ok(Answer::later(move |view| {
        map! { "LoadBalancers" => list![show(&balancer, view)] }
    }))
}

/// At most 32 letters, digits and hyphens, no hyphen at an end, not `internal-…`.
fn name(text: &str) -> Result<String, Refusal> {
    let good = (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.starts_with("internal-");
    match good {
        true => Ok(text.to_string()),
        false => {
            let text: String = text.chars().take(64).collect();
            Err(invalid(format!(
                "The load balancer name '{text}' must have 1 to 32 letters, digits or hyphens, no hyphen at an end, and not begin with 'internal-'"
            )))
        }
    }
}

type Places = Vec<(SubnetId, Option<Ipv4Addr>)>;

/// One subnet for each zone, all of one VPC, each perhaps with a designated address.
fn subnets(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    address_type: AddressType,
) -> Result<(VpcId, Places), Refusal> {
    let mut wanted: Vec<(&str, Option<&str>)> = Vec::new();
    wanted.extend(input.texts("Subnets").into_iter().map(|id| (id, None)));
    let mappings = input.get("SubnetMappings").list();
    if !wanted.is_empty() && !mappings.is_empty() {
        return Err(configuration("Specify either subnets or subnet mappings"));
    }
    for mapping in mappings {
        if !mapping.get("AllocationId").is_null() || !mapping.get("IPv6Address").is_null() {
            return Err(configuration(
                "Subnet mappings with an AllocationId or an IPv6Address are not supported",
            ));
        }
        let id = mapping.get("SubnetId").str().unwrap_or_default();
        wanted.push((id, mapping.get("PrivateIPv4Address").str()));
    }
    let mut found: Vec<(Arc<Subnet>, Option<Ipv4Addr>)> = Vec::new();
    for (id, address) in wanted {
        let subnet = ctx.find::<Subnet>(intent, id).map_err(|_| {
            let id: String = id.chars().take(64).collect();
            Refusal::new(
                "SubnetNotFound",
                format!("The subnet ID '{id}' does not exist"),
            )
        })?;
        if found.iter().any(|(other, _)| other.zone == subnet.zone) {
            return Err(configuration(
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            ));
        }
        if found.iter().any(|(other, _)| other.vpc != subnet.vpc) {
            return Err(Refusal::new(
                "InvalidSubnet",
                "All subnets must belong to the same VPC",
            ));
        }
        if address_type.has_v6() && subnet.ipv6.is_none() {
            return Err(Refusal::new(
                "InvalidSubnet",
                format!("The subnet '{}' has no IPv6 CIDR block", subnet.id),
            ));
        }
        let address = address
            .map(|text| addresses::designated(intent, &subnet, text))
            .transpose()
            .map_err(|refusal| configuration(refusal.message))?;
        found.push((subnet, address));
    }
    let Some((first, _)) = found.first() else {
        return Err(invalid("At least one subnet must be specified"));
    };
    let vpc = first.vpc.clone();
    let places = found
        .iter()
        .map(|(subnet, address)| (subnet.id.clone(), *address));
    Ok((vpc, places.collect()))
}

fn groups(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    vpc: &VpcId,
) -> Result<Vec<SecurityGroupId>, Refusal> {
    let mut groups = Vec::new();
    for id in input.texts("SecurityGroups") {
        let group = ctx.find::<SecurityGroup>(intent, id).ok();
        let Some(group) = group.filter(|group| group.vpc == *vpc) else {
            let id: String = id.chars().take(64).collect();
            return Err(Refusal::new(
                "InvalidSecurityGroup",
                format!("The security group '{id}' does not exist in the VPC of the subnets"),
            ));
        };
        if !groups.contains(&group.id) {
            groups.push(group.id.clone());
        }
    }
    Ok(groups)
}

fn tags(input: &Input<'_>) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in input.get("Tags").list() {
        let (key, value) = tag_of(tag).map_err(|refusal| invalid(refusal.message))?;
        if tags.insert(key.to_string(), value.to_string()).is_some() {
            return Err(Refusal::new(
                "DuplicateTagKeys",
                format!("The tag key '{key}' is given twice"),
            ));
        }
    }
    check_tag_count(&tags).map_err(|refusal| Refusal::new("TooManyTags", refusal.message))?;
    Ok(tags)
}

/// Deleting one that does not exist is no error.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let arn = input.required("LoadBalancerArn")?;
    if draft
        .get::<LoadBalancer>(arn)
        .is_some_and(|balancer| sees(ctx, balancer))
    {
        if let Some(service) = draft.related_to::<EndpointService>(arn).next() {
            return Err(Refusal::new(
                "ResourceInUse",
                format!(
                    "Load balancer '{arn}' cannot be deleted because it is currently associated with another service: {}",
                    service.id
                ),
            ));
        }
        draft.remove::<LoadBalancer>(arn);
    }
    Ok(Answer::done())
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let (arns, names) = (input.texts("LoadBalancerArns"), input.texts("Names"));
    if !arns.is_empty() && !names.is_empty() {
        return Err(invalid(
            "Load balancer ARNs and names cannot be given together",
        ));
    }
    let size = input.get("PageSize").int().unwrap_or(PAGE);
    if !(1..=PAGE).contains(&size) {
        return Err(invalid(format!("PageSize must be between 1 and {PAGE}")));
    }
    let all = view.intent.load_balancers.values();
    let mine: Vec<&Arc<LoadBalancer>> = all.filter(|balancer| sees(ctx, balancer)).collect();
    let missing = |wanted: &&str| {
        !mine
            .iter()
            .any(|balancer| balancer.arn == *wanted || balancer.name == *wanted)
    };
    if let Some(missing) = arns.iter().chain(&names).find(|wanted| missing(wanted)) {
        return Err(not_found(missing));
    }
    let after = input.text("Marker").unwrap_or_default();
    let mut wanted = mine.into_iter().filter(|balancer| {
        (arns.is_empty() || arns.contains(&balancer.arn.as_str()))
            && (names.is_empty() || names.contains(&balancer.name.as_str()))
            && balancer.arn.as_str() > after
    });
    let page: Vec<&Arc<LoadBalancer>> = wanted.by_ref().take(size as usize).collect();
    let more = wanted
        .next()
        .and(page.last())
        .map(|balancer| balancer.arn.as_str());
    let shown = page.iter().map(|balancer| show(balancer, view));
    let mut output = Map::new();
    output.push("LoadBalancers", shown.collect::<Value>());
    output.push("NextMarker", more);
    Ok(Value::Map(output))
}

fn show(balancer: &LoadBalancer, view: View<'_>) -> Value {
    let scheme = match balancer.internet_facing {
        true => "internet-facing",
        false => "internal",
    };
    let places = balancer.subnets.iter().filter_map(|(id, address)| {
        let subnet = view.intent.get::<Subnet>(id)?;
        let addresses = address.iter();
        let addresses = addresses.map(|a| map! { "PrivateIPv4Address" => a.to_string() });
        Some(map! {
            "ZoneName" => subnet.zone.as_str(),
            "SubnetId" => id.as_str(),
            "LoadBalancerAddresses" => addresses.collect::<Value>(),
        })
    });
    let digits = balancer.arn.rsplit('/').next().unwrap_or_default();
    let groups = balancer.groups.iter().map(|id| id.as_str());
    let mut shown = Map::new();
    shown.push("LoadBalancerArn", balancer.arn.as_str());
    shown.push(
        "DNSName",
        format!(
            "{}-{digits}.elb.{}.amazonaws.com",
            balancer.name, balancer.region
        ),
    );
    shown.push(
        "CreatedTime",
        Value::Time {
            millis: balancer.created,
        },
    );
    shown.push("LoadBalancerName", balancer.name.as_str());
    shown.push("Scheme", scheme);
    shown.push("VpcId", balancer.vpc.as_str());
    shown.push("State", map! { "Code" => "failed", "Reason" => REASON });
    shown.push("Type", "network");
    shown.push("AvailabilityZones", places.collect::<Value>());
    if !balancer.groups.is_empty() {
        shown.push("SecurityGroups", groups.collect::<Value>());
    }
    shown.push("IpAddressType", balancer.address_type.as_str());
    Value::Map(shown)
}
