//! Network interfaces, all of them made by something else: an endpoint or a run [ec2-api §12, §20].

use adit_model::*;
use adit_snapshot::decide::name::host_domain;
use adit_wire::{Value, list, map};

use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Describe, tags, yes};
use crate::ec2::place;
use crate::input::Input;
use crate::refusal::Refusal;

/// Whoever uses an interface removes it: an endpoint with the endpoint, a run when it ends.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let interface = ctx.required::<NetworkInterface>(draft, input, "NetworkInterfaceId")?;
    Err(match &interface.user {
        InterfaceUser::Endpoint { .. } => Refusal::new(
            "OperationNotPermitted",
            format!(
                "You are not allowed to manage '{}': it is managed by a VPC endpoint.",
                interface.id
            ),
        ),
        InterfaceUser::ResolverEndpoint(_) => Refusal::new(
            "OperationNotPermitted",
            format!(
                "You are not allowed to manage '{}': it is managed by a Route 53 Resolver endpoint.",
                interface.id
            ),
        ),
        _ => Refusal::new(
            "InvalidNetworkInterface.InUse",
            format!("Network interface '{}' is currently in use.", interface.id),
        ),
    })
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
    let public = eni.public_ip.iter();
    Some(match name {
        "network-interface-id" => vec![eni.id.to_string()],
        "vpc-id" => vec![eni.vpc.to_string()],
        "subnet-id" => vec![eni.subnet.to_string()],
        "group-id" => eni.groups.iter().map(String::from).collect(),
        "group-name" => groups(eni, view.intent)
            .map(|group| group.name.clone())
            .collect(),
        "description" => vec![eni.description.clone()],
        "status" => vec!["in-use".into()],
        "interface-type" => vec![use_.interface_type.into()],
        "mac-address" => vec![mac(eni)],
        "availability-zone" => zone(eni, view.intent)
            .map(|z| z.to_string())
            .into_iter()
            .collect(),
        "availability-zone-id" => zone_id(eni, view.intent).into_iter().collect(),
        "private-ip-address" | "addresses.private-ip-address" => vec![eni.private_ip.to_string()],
        "private-dns-name" => private_name(eni, view.intent).into_iter().collect(),
        "addresses.primary" => yes(true),
        "addresses.association.public-ip" | "association.public-ip" => {
            public.map(ToString::to_string).collect()
        }
        "addresses.association.owner-id" | "association.ip-owner-id" => {
            public.map(|_| "amazon".to_string()).collect()
        }
        "attachment.attachment-id" => vec![use_.attachment],
        "attachment.delete-on-termination" => yes(use_.delete_on_termination),
        "attachment.device-index" => vec![use_.device.to_string()],
        "attachment.instance-owner-id" => vec![use_.instance_owner],
        "attachment.status" => vec!["attached".into()],
        "operator.managed" => yes(false),
        "requester-id" => use_.requester.into_iter().collect(),
        "requester-managed" => yes(use_.managed),
        "source-dest-check" => yes(eni.source_dest_check),
        // No name leads to a public address here, so none is shown.
        "association.public-dns-name"
        | "association.allocation-id"
        | "association.association-id"
        | "attachment.attach-time"
        | "attachment.instance-id"
        | "ipv6-addresses.ipv6-address"
        | "operator.principal" => Vec::new(),
        _ => return None,
    })
}

/// What follows from who uses an interface.
struct Use {
    interface_type: &'static str,
    attachment: String,
    device: u8,
    delete_on_termination: bool,
    instance_owner: String,
    managed: bool,
    requester: Option<String>,
}

impl Use {
    fn of(eni: &NetworkInterface) -> Use {
        match &eni.user {
            InterfaceUser::Endpoint { attachment, .. } => Use {
                interface_type: "vpc_endpoint",
                // Attachments of a service have a prefix of their own.
                attachment: format!("ela-attach-{}", attachment.digits()),
                device: 1,
                delete_on_termination: false,
                instance_owner: "amazon-aws".into(),
                managed: true,
                requester: Some(eni.owner.to_string()),
            },
            InterfaceUser::ResolverEndpoint(_) => Use {
                interface_type: "interface",
                attachment: format!("ela-attach-{}", eni.id.digits()),
                device: 1,
                delete_on_termination: false,
                instance_owner: "amazon-aws".into(),
                managed: true,
                requester: Some(eni.owner.to_string()),
            },
            _ => Use {
                interface_type: "interface",
                attachment: format!("{}{}", AttachmentId::PREFIX, eni.id.digits()),
                device: 0,
                delete_on_termination: true,
                instance_owner: eni.owner.to_string(),
                managed: false,
                requester: None,
            },
        }
    }
}

fn show(eni: &NetworkInterface, view: View<'_>) -> Value {
    let intent = view.intent;
    let use_ = Use::of(eni);
    let group = |group: &SecurityGroup| {
        map! { "GroupId" => group.id.as_str(), "GroupName" => group.name.as_str() }
    };
    let private_name = private_name(eni, intent);
    let association = eni.public_ip.map(|public| {
        map! {
            "IpOwnerId" => "amazon",
            "PublicIp" => public.to_string(),
        }
    });
    let address = map! {
        "Primary" => true,
        "PrivateIpAddress" => eni.private_ip.to_string(),
        "PrivateDnsName" => private_name.clone(),
        "Association" => association.clone(),
    };
    map! {
        "NetworkInterfaceId" => eni.id.as_str(),
        "VpcId" => eni.vpc.as_str(),
        "SubnetId" => eni.subnet.as_str(),
        "OwnerId" => eni.owner.as_str(),
        "AvailabilityZone" => zone(eni, intent).map(|zone| zone.to_string()),
        "AvailabilityZoneId" => zone_id(eni, intent),
        "Description" => eni.description.as_str(),
        "InterfaceType" => use_.interface_type,
        "Status" => "in-use",
        "MacAddress" => mac(eni),
        "PrivateIpAddress" => eni.private_ip.to_string(),
        "PrivateDnsName" => private_name,
        "PrivateIpAddresses" => list![address],
        "Ipv6Addresses" => list![],
        "Association" => association,
        "Attachment" => map! {
            "AttachmentId" => use_.attachment,
            "AttachTime" => Value::Time { millis: eni.created },
            "DeleteOnTermination" => use_.delete_on_termination,
            "DeviceIndex" => use_.device,
            "InstanceOwnerId" => use_.instance_owner,
            "Status" => "attached",
        },
        "Groups" => groups(eni, intent).map(group).collect::<Value>(),
        "RequesterId" => use_.requester,
        "RequesterManaged" => use_.managed,
        "SourceDestCheck" => eni.source_dest_check,
        "TagSet" => tags(&eni.tags),
    }
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
    zone(eni, intent).and_then(|zone| place::zone_id(intent, zone))
}

/// Its hardware address, as texts write it.
pub(crate) fn mac(eni: &NetworkInterface) -> String {
    eni.mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn private_name(eni: &NetworkInterface, intent: &Intent) -> Option<String> {
    let region = eni.region(intent)?;
    let address = eni.private_ip.to_string().replace('.', "-");
    Some(format!("ip-{address}.{}", host_domain(region)))
}
