//! Subnets [ec2-api §16].

pub(crate) mod ipv6;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::Ipv4Net;

use crate::addresses;
use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags, yes};
use crate::ec2::{arn, network_acl, place, vpc};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    input.refuse_unbuilt(&[
        "OutpostArn",
        "Ipv4IpamPoolId",
        "Ipv6IpamPoolId",
        "Ipv6NetmaskLength",
    ])?;
    if input.flag("Ipv6Native", false) {
        return Err(Refusal::unsupported("Ipv6Native is not supported."));
    }
    let cidr = vpc::cidr(input.required("CidrBlock")?, "cidrBlock")?;
    check_block(draft, &vpc, cidr)?;
    let ipv6 = match input.text("Ipv6CidrBlock") {
        Some(text) => Some(ipv6::check_block(draft, &vpc, text)?),
        None => None,
    };
    let zone = choose_zone(input, draft, &vpc)?;
    let tags = input.tags("subnet")?;
    quotas::SUBNETS_PER_VPC.check(draft, || draft.in_vpc::<Subnet>(&vpc.id).count())?;
    let subnet = draft.put(Subnet {
        id: SubnetId::from_digits(ctx.ids.digits()),
        vpc: vpc.id.clone(),
        owner: vpc.owner.clone(),
        zone,
        cidr,
        ipv6: ipv6.map(|cidr| SubnetIpv6Cidr {
            association: SubnetCidrAssociationId::from_digits(ctx.ids.digits()),
            cidr,
        }),
        map_public_ip: false,
        assign_ipv6: false,
        default_for_az: false,
        tags,
    });
    network_acl::join(draft, &mut ctx.ids, &subnet);
    Ok(Answer::later(
        move |view| map! { "Subnet" => show(&subnet, view) },
    ))
}

/// A block that a new subnet of a VPC may have: /16 to /28, inside the VPC, free.
pub(crate) fn check_block(intent: &Intent, vpc: &Vpc, cidr: Ipv4Net) -> Result<(), Refusal> {
    let inside = vpc.cidrs.iter().any(|c| c.cidr.contains(&cidr));
    if !(16..=28).contains(&cidr.prefix_len()) || !inside {
        return Err(Refusal::new(
            "InvalidSubnet.Range",
            format!("The CIDR '{cidr}' is invalid."),
        ));
    }
    if intent
        .in_vpc::<Subnet>(&vpc.id)
        .any(|other| net::overlaps(other.cidr, cidr))
    {
        return Err(Refusal::new(
            "InvalidSubnet.Conflict",
            format!("The CIDR '{cidr}' conflicts with another subnet"),
        ));
    }
    Ok(())
}

/// The zone that the caller names, else the one in which the VPC has the fewest subnets.
fn choose_zone(input: &Input<'_>, intent: &Intent, vpc: &Vpc) -> Result<Zone, Refusal> {
    if let Some(zone) = place::zone_of(input, intent, &vpc.region)? {
        return Ok(zone);
    }
    let zones = intent
        .get::<RegionInfo>(&vpc.region)
        .map(|region| region.zones.clone());
    let zones = zones.unwrap_or_default().into_iter();
    let used = |zone: &Zone| {
        intent
            .in_vpc::<Subnet>(&vpc.id)
            .filter(|s| s.zone == *zone)
            .count()
    };
    zones.min_by_key(used).ok_or_else(|| {
        Refusal::invalid_value(format!("Region {} has no availability zone.", vpc.region))
    })
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let subnet = ctx.required::<Subnet>(draft, input, "SubnetId")?;
    let vpc = &subnet.vpc;
    if draft
        .in_vpc::<NetworkInterface>(vpc)
        .any(|eni| eni.subnet == subnet.id)
        || draft
            .in_vpc::<LoadBalancer>(vpc)
            .any(|balancer| balancer.subnets.iter().any(|(id, _)| *id == subnet.id))
    {
        return Err(Refusal::dependency(&format!("subnet '{}'", subnet.id)));
    }
    let uses = |a: &RouteTableAssociation| a.subnet.as_ref() == Some(&subnet.id);
    let table = draft
        .in_vpc::<RouteTable>(vpc)
        .find(|t| t.associations.iter().any(uses))
        .cloned();
    if let Some(table) = table {
        draft.edit::<RouteTable>(&table.id, |table| table.associations.retain(|a| !uses(a)));
    }
    network_acl::leave(draft, &subnet);
    draft.remove::<Subnet>(&subnet.id);
    Ok(Answer::done())
}

pub(crate) fn modify_attribute(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let subnet = ctx.required::<Subnet>(draft, input, "SubnetId")?;
    let attribute = |name: &str| input.get(name).get("Value").bool();
    let unbuilt = [
        "EnableDns64",
        "MapCustomerOwnedIpOnLaunch",
        "EnableResourceNameDnsARecordOnLaunch",
        "EnableResourceNameDnsAAAARecordOnLaunch",
        "DisableLniAtDeviceIndex",
    ];
    if let Some(name) = unbuilt.iter().find(|name| attribute(name) == Some(true)) {
        return Err(Refusal::unsupported(format!("{name} is not supported.")));
    }
    input.refuse_unbuilt(&["CustomerOwnedIpv4Pool", "EnableLniAtDeviceIndex"])?;
    if input.text("PrivateDnsHostnameTypeOnLaunch") == Some("resource-name") {
        return Err(Refusal::unsupported(
            "PrivateDnsHostnameTypeOnLaunch is not supported.",
        ));
    }
    let map_public_ip = attribute("MapPublicIpOnLaunch");
    let assign_ipv6 = attribute("AssignIpv6AddressOnCreation");
    if assign_ipv6 == Some(true) && subnet.ipv6.is_none() {
        return Err(Refusal::invalid_value(
            "Invalid value 'true' for assignIpv6AddressOnCreation. The subnet does not have an IPv6 CIDR block associated with it.",
        ));
    }
    let given = unbuilt
        .iter()
        .filter(|name| attribute(name).is_some())
        .count()
        + usize::from(map_public_ip.is_some())
        + usize::from(assign_ipv6.is_some())
        + usize::from(input.text("PrivateDnsHostnameTypeOnLaunch").is_some());
    match given {
        0 => return Err(Refusal::missing("MapPublicIpOnLaunch")),
        1 => {}
        _ => {
            return Err(Refusal::combination(
                "Only one attribute can be modified in a request",
            ));
        }
    }
    let map_public_ip = map_public_ip.unwrap_or(subnet.map_public_ip);
    let assign_ipv6 = assign_ipv6.unwrap_or(subnet.assign_ipv6);
    if (map_public_ip, assign_ipv6) != (subnet.map_public_ip, subnet.assign_ipv6) {
        draft.edit::<Subnet>(&subnet.id, |subnet| {
            subnet.map_public_ip = map_public_ip;
            subnet.assign_ipv6 = assign_ipv6;
        });
    }
    Ok(Answer::done())
}

const FILTERS: &[&str] = &[
    "subnet-id",
    "subnet-arn",
    "vpc-id",
    "availability-zone",
    "availabilityZone",
    "availability-zone-id",
    "availabilityZoneId",
    "available-ip-address-count",
    "cidr-block",
    "cidr",
    "cidrBlock",
    "default-for-az",
    "defaultForAz",
    "map-public-ip-on-launch",
    "state",
    "enable-dns64",
    "ipv6-native",
    "ipv6-cidr-block-association.ipv6-cidr-block",
    "ipv6-cidr-block-association.association-id",
    "ipv6-cidr-block-association.state",
    "private-dns-name-options-on-launch.hostname-type",
    "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
    "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
];

const DESCRIBE: Describe<Subnet> = Describe {
    ids: "SubnetIds",
    items: "Subnets",
    pages: 5..=1000,
    filters: FILTERS,
    show,
    filter: |subnet, name, view| {
        let ipv6 = || subnet.ipv6.iter();
        Some(match name {
            "subnet-id" => vec![subnet.id.to_string()],
            "subnet-arn" => vec![subnet_arn(subnet)],
            "vpc-id" => vec![subnet.vpc.to_string()],
            "availability-zone" | "availabilityZone" => vec![subnet.zone.to_string()],
            "availability-zone-id" | "availabilityZoneId" => {
                view.intent.zone_id(&subnet.zone).into_iter().collect()
            }
            "available-ip-address-count" => vec![addresses::free(view.intent, subnet).to_string()],
            "cidr-block" | "cidr" | "cidrBlock" => vec![subnet.cidr.to_string()],
            "default-for-az" | "defaultForAz" => yes(subnet.default_for_az),
            "map-public-ip-on-launch" => yes(subnet.map_public_ip),
            "state" => vec!["available".into()],
            "private-dns-name-options-on-launch.hostname-type" => vec!["ip-name".into()],
            "enable-dns64"
            | "ipv6-native"
            | "private-dns-name-options-on-launch.enable-resource-name-dns-a-record"
            | "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record" => {
                yes(false)
            }
            "ipv6-cidr-block-association.ipv6-cidr-block" => {
                ipv6().map(|b| b.cidr.to_string()).collect()
            }
            "ipv6-cidr-block-association.association-id" => {
                ipv6().map(|b| b.association.to_string()).collect()
            }
            "ipv6-cidr-block-association.state" => ipv6().map(|_| "associated".into()).collect(),
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

fn subnet_arn(subnet: &Subnet) -> String {
    arn(&subnet.zone.region(), &subnet.owner, "subnet", &subnet.id)
}

pub(crate) fn show(subnet: &Subnet, view: View<'_>) -> Value {
    let ipv6 = |block| ipv6::show(block, "associated");
    map! {
        "SubnetId" => subnet.id.as_str(),
        "SubnetArn" => subnet_arn(subnet),
        "VpcId" => subnet.vpc.as_str(),
        "OwnerId" => subnet.owner.as_str(),
        "State" => "available",
        "CidrBlock" => subnet.cidr.to_string(),
        "AvailableIpAddressCount" => addresses::free(view.intent, subnet),
        "AvailabilityZone" => subnet.zone.as_str(),
        "AvailabilityZoneId" => view.intent.zone_id(&subnet.zone),
        "DefaultForAz" => subnet.default_for_az,
        "MapPublicIpOnLaunch" => subnet.map_public_ip,
        "MapCustomerOwnedIpOnLaunch" => false,
        "AssignIpv6AddressOnCreation" => subnet.assign_ipv6,
        "Ipv6CidrBlockAssociationSet" => subnet.ipv6.iter().map(ipv6).collect::<Value>(),
        "EnableDns64" => false,
        "Ipv6Native" => false,
        "PrivateDnsNameOptionsOnLaunch" => map! {
            "HostnameType" => "ip-name",
            "EnableResourceNameDnsARecord" => false,
            "EnableResourceNameDnsAAAARecord" => false,
        },
        "BlockPublicAccessStates" => map! { "InternetGatewayBlockMode" => "off" },
        "Tags" => tags(&subnet.tags),
    }
}
