//! Network interfaces: of endpoints, gateways and runs, and those that wait for a host
//! [ec2-api §12, §20].

mod change;
mod ipv6;

pub(crate) use change::{assign, attach, create, detach, modify, unassign};
pub(crate) use ipv6::{assign as assign_ipv6, unassign as unassign_ipv6};

use std::net::Ipv4Addr;

use adit_model::*;
use adit_snapshot::decide::name::host_domain;
use adit_wire::{Map, Value, map};

use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Describe, tags, yes};
use crate::ec2::address;
use crate::input::Input;
use crate::refusal::Refusal;

/// Whoever uses an interface removes it: an endpoint with the endpoint, a run when it ends. Only one
/// that nobody uses is removed here.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let interface = ctx.required::<NetworkInterface>(draft, input, "NetworkInterfaceId")?;
    match &interface.user {
        InterfaceUser::Available => {
            draft.remove_interface(&interface.id);
            Ok(Answer::done())
        }
        InterfaceUser::Run(_) | InterfaceUser::Attached { .. } | InterfaceUser::HostDevice(_) => {
            Err(Refusal::new(
                "InvalidNetworkInterface.InUse",
                format!("Network interface '{}' is currently in use.", interface.id),
            ))
        }
        _ => Err(managed(&interface)),
    }
}

/// The refusal to change an interface that a service manages.
fn managed(eni: &NetworkInterface) -> Refusal {
    let by = match &eni.user {
        InterfaceUser::Endpoint { .. } => "a VPC endpoint",
        InterfaceUser::NatGateway(_) => "a NAT gateway",
        InterfaceUser::ResolverEndpoint(_) => "a Route 53 Resolver endpoint",
        InterfaceUser::LoadBalancer(_) => "a load balancer",
        InterfaceUser::Run(_)
        | InterfaceUser::Attached { .. }
        | InterfaceUser::HostDevice(_)
        | InterfaceUser::Available => "its owner",
    };
    Refusal::new(
        "OperationNotPermitted",
        format!(
            "You are not allowed to manage '{}': it is managed by {by}.",
            eni.id
        ),
    )
}

const FILTERS: &[&str] = &[
    "network-interface-id",
    "vpc-id",
    "subnet-id",
    "group-id",
    "group-name",
    "description",
    "status",
    "interface-type",
    "mac-address",
    "availability-zone",
    "availability-zone-id",
    "private-ip-address",
    "private-dns-name",
    "addresses.private-ip-address",
    "addresses.primary",
    "addresses.association.public-ip",
    "addresses.association.owner-id",
    "association.public-ip",
    "association.ip-owner-id",
    "association.public-dns-name",
    "association.allocation-id",
    "association.association-id",
    "attachment.attachment-id",
    "attachment.attach-time",
    "attachment.delete-on-termination",
    "attachment.device-index",
    "attachment.instance-id",
    "attachment.instance-owner-id",
    "attachment.status",
    "ipv6-addresses.ipv6-address",
    "operator.managed",
    "operator.principal",
    "requester-id",
    "requester-managed",
    "source-dest-check",
];

const DESCRIBE: Describe<NetworkInterface> = Describe {
    ids: "NetworkInterfaceIds",
    items: "NetworkInterfaces",
    pages: 5..=1000,
    filters: FILTERS,
    show,
    filter,
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

fn filter(eni: &NetworkInterface, name: &str, view: View<'_>) -> Option<Vec<String>> {
    let use_ = Use::of(eni);
    let attachment = use_.attachment.iter();
    let bound = || address::bound_to(view.intent, eni);
    let public: Vec<String> = eni.public_pairs().map(|(_, ip)| ip.to_string()).collect();
    let first = eni.public_ip.iter().map(ToString::to_string);
    Some(match name {
        "network-interface-id" => vec![eni.id.to_string()],
        "vpc-id" => vec![eni.vpc.to_string()],
        "subnet-id" => vec![eni.subnet.to_string()],
        "group-id" => eni.groups.iter().map(String::from).collect(),
        "group-name" => groups(eni, view.intent)
            .map(|group| group.name.clone())
            .collect(),
        "description" => vec![eni.description.clone()],
        "status" => vec![status(eni).into()],
        "interface-type" => vec![use_.interface_type.into()],
        "mac-address" => vec![mac(eni)],
        "availability-zone" => zone(eni, view.intent)
            .map(|z| z.to_string())
            .into_iter()
            .collect(),
        "availability-zone-id" => zone_id(eni, view.intent).into_iter().collect(),
        "private-ip-address" => vec![eni.private_ip.to_string()],
        "addresses.private-ip-address" => eni.private_ips().map(|ip| ip.to_string()).collect(),
        "private-dns-name" => private_name(eni, view.intent).into_iter().collect(),
        "addresses.primary" => {
            let secondary = eni.secondary.iter().map(|_| false.to_string());
            yes(true).into_iter().chain(secondary).collect()
        }
        "addresses.association.public-ip" => public,
        "association.public-ip" => first.collect(),
        "addresses.association.owner-id" | "association.ip-owner-id" => public
            .iter()
            .map(|_| ip_owner(eni, bound().next().is_some()))
            .collect(),
        "association.allocation-id" => bound().map(|(id, _)| id.to_string()).collect(),
        "association.association-id" => bound().map(|(_, a)| a.id.to_string()).collect(),
        "attachment.attachment-id" => attachment.cloned().collect(),
        "attachment.delete-on-termination" => attachment
            .map(|_| use_.delete_on_termination.to_string())
            .collect(),
        "attachment.device-index" => attachment.map(|_| use_.device.to_string()).collect(),
        "attachment.instance-owner-id" => attachment.map(|_| use_.instance_owner.clone()).collect(),
        "attachment.status" => attachment.map(|_| "attached".to_string()).collect(),
        "ipv6-addresses.ipv6-address" => eni.ipv6.iter().map(ToString::to_string).collect(),
        "operator.managed" => yes(false),
        "requester-id" => use_.requester.into_iter().collect(),
        "requester-managed" => yes(use_.managed),
        "source-dest-check" => yes(eni.source_dest_check),
        // No name leads to a public address here, so none is shown.
        "association.public-dns-name"
        | "attachment.attach-time"
        | "attachment.instance-id"
        | "operator.principal" => Vec::new(),
        _ => return None,
    })
}

fn status(eni: &NetworkInterface) -> &'static str {
    match eni.user {
        InterfaceUser::Available => "available",
        _ => "in-use",
    }
}

/// Whose a public address is: an Elastic IP's its account's, another AWS's.
fn ip_owner(eni: &NetworkInterface, elastic: bool) -> String {
    match elastic {
        true => eni.owner.to_string(),
        false => "amazon".to_string(),
    }
}

/// What follows from who uses an interface.
struct Use {
    interface_type: &'static str,
    attachment: Option<String>,
    device: u8,
    delete_on_termination: bool,
    instance_owner: String,
    managed: bool,
    requester: Option<String>,
}

impl Use {
    fn of(eni: &NetworkInterface) -> Use {
        // Attachments of a service have a prefix of their own.
        let service = |interface_type, digits: &str| Use {
            interface_type,
            attachment: Some(format!("ela-attach-{digits}")),
            device: 1,
            delete_on_termination: false,
            instance_owner: "amazon-aws".into(),
            managed: true,
            requester: Some(eni.owner.to_string()),
        };
        let own = Use {
            interface_type: "interface",
            attachment: Some(format!("{}{}", AttachmentId::PREFIX, eni.id.digits())),
            device: 0,
            delete_on_termination: true,
            instance_owner: eni.owner.to_string(),
            managed: false,
            requester: None,
        };
        match &eni.user {
            InterfaceUser::Endpoint { attachment, .. } => {
                service("vpc_endpoint", attachment.digits())
            }
            InterfaceUser::NatGateway(_) => service("nat_gateway", eni.id.digits()),
            InterfaceUser::LoadBalancer(_) => service("network_load_balancer", eni.id.digits()),
            InterfaceUser::ResolverEndpoint(_) => service("interface", eni.id.digits()),
            InterfaceUser::Run(_) => own,
            InterfaceUser::Attached { .. } | InterfaceUser::HostDevice(_) => Use {
                delete_on_termination: false,
                ..own
            },
            InterfaceUser::Available => Use {
                attachment: None,
                ..own
            },
        }
    }
}

/// The id of the attachment of an interface that is attached.
fn attachment_of(eni: &NetworkInterface) -> Option<String> {
    Use::of(eni).attachment
}

/// The public address that leads to a private one, as shown.
fn association(eni: &NetworkInterface, private_ip: Ipv4Addr, intent: &Intent) -> Option<Value> {
    let mut pairs = eni.public_pairs();
    let (_, public) = pairs.find(|(private, _)| *private == private_ip)?;
    let mut bound = address::bound_to(intent, eni);
    let elastic = bound.find(|(_, association)| association.private_ip == private_ip);
    let (allocation, id) = match &elastic {
        Some((allocation, association)) => (
            Some(allocation.to_string()),
            Some(association.id.to_string()),
        ),
        None => (None, None),
    };
    Some(map! {
        "AllocationId" => allocation,
        "AssociationId" => id,
        "IpOwnerId" => ip_owner(eni, elastic.is_some()),
        "PublicIp" => public.to_string(),
    })
}

fn show(eni: &NetworkInterface, view: View<'_>) -> Value {
    let intent = view.intent;
    let use_ = Use::of(eni);
    let group = |group: &SecurityGroup| {
        map! { "GroupId" => group.id.as_str(), "GroupName" => group.name.as_str() }
    };
    let region = eni.region(intent);
    let address = |ip: Ipv4Addr| {
        map! {
            "Primary" => ip == eni.private_ip,
            "PrivateIpAddress" => ip.to_string(),
            "PrivateDnsName" => region.map(|region| host_name(ip, region)),
            "Association" => association(eni, ip, intent),
        }
    };
    let attachment = use_.attachment.map(|id| {
        map! {
            "AttachmentId" => id,
            "AttachTime" => Value::Time { millis: eni.created },
            "DeleteOnTermination" => use_.delete_on_termination,
            "DeviceIndex" => use_.device,
            "InstanceOwnerId" => use_.instance_owner,
            "Status" => "attached",
        }
    });
    map! {
        "NetworkInterfaceId" => eni.id.as_str(),
        "VpcId" => eni.vpc.as_str(),
        "SubnetId" => eni.subnet.as_str(),
        "OwnerId" => eni.owner.as_str(),
        "AvailabilityZone" => zone(eni, intent).map(|zone| zone.to_string()),
        "AvailabilityZoneId" => zone_id(eni, intent),
        "Description" => eni.description.as_str(),
        "InterfaceType" => use_.interface_type,
        "Status" => status(eni),
        "MacAddress" => mac(eni),
        "PrivateIpAddress" => eni.private_ip.to_string(),
        "PrivateDnsName" => private_name(eni, intent),
        "PrivateIpAddresses" => eni.private_ips().map(address).collect::<Value>(),
        "Ipv6Address" => eni.ipv6.first().map(ToString::to_string),
        "Ipv6Addresses" => ipv6::show(eni),
        "Association" => association(eni, eni.private_ip, intent),
        "Attachment" => attachment,
        "Groups" => groups(eni, intent).map(group).collect::<Value>(),
        "RequesterId" => use_.requester,
        "RequesterManaged" => use_.managed,
        "SourceDestCheck" => eni.source_dest_check,
        "TagSet" => tags(&eni.tags),
    }
}

/// One attribute of an interface.
pub(crate) fn describe_attribute(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let eni = ctx.required::<NetworkInterface>(view.intent, input, "NetworkInterfaceId")?;
    let shown = show(&eni, view);
    let mut output = Map::new();
    output.push("NetworkInterfaceId", eni.id.as_str());
    match input.required("Attribute")? {
        "description" => {
            output.push("Description", map! { "Value" => eni.description.as_str() });
        }
        "groupSet" => output.push("Groups", shown.get("Groups").clone()),
        "sourceDestCheck" => {
            output.push("SourceDestCheck", map! { "Value" => eni.source_dest_check });
        }
        "attachment" => output.push("Attachment", shown.get("Attachment").clone()),
        "associatePublicIpAddress" => output.push("AssociatePublicIpAddress", false),
        other => {
            return Err(Refusal::invalid_value(format!(
                "Value ({other}) for parameter attribute is invalid. Unknown attribute."
            )));
        }
    }
    Ok(Value::Map(output))
}

fn groups<'a>(
    eni: &'a NetworkInterface,
    intent: &'a Intent,
) -> impl Iterator<Item = &'a SecurityGroup> {
    eni.groups
        .iter()
        .filter_map(|id| intent.get::<SecurityGroup>(id))
        .map(|group| &**group)
}

fn zone<'a>(eni: &NetworkInterface, intent: &'a Intent) -> Option<&'a Zone> {
    intent.get::<Subnet>(&eni.subnet).map(|subnet| &subnet.zone)
}

fn zone_id(eni: &NetworkInterface, intent: &Intent) -> Option<String> {
    zone(eni, intent).and_then(|zone| intent.zone_id(zone))
}

/// Its hardware address, as texts write it.
pub(crate) fn mac(eni: &NetworkInterface) -> String {
    eni.mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn private_name(eni: &NetworkInterface, intent: &Intent) -> Option<String> {
    Some(host_name(eni.private_ip, eni.region(intent)?))
}

fn host_name(ip: Ipv4Addr, region: &Region) -> String {
    let address = ip.to_string().replace('.', "-");
    format!("ip-{address}.{}", host_domain(region))
}
