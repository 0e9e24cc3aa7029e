//! The network interfaces of interface endpoints: one for each subnet [ec2-api §12].

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_model::*;

use crate::addresses;
use crate::context::Ctx;
use crate::input::Input;
use crate::refusal::Refusal;

/// The subnets a request names, in `parameter` and in `SubnetConfigurations`, each with the
/// address that is designated for it.
pub(super) fn wanted<'a>(
    input: &Input<'a>,
    parameter: &str,
) -> Result<Vec<(&'a str, Option<&'a str>)>, Refusal> {
    let mut wanted: Vec<(&str, Option<&str>)> = Vec::new();
    for id in input.texts(parameter) {
        if !wanted.iter().any(|(other, _)| *other == id) {
            wanted.push((id, None));
        }
    }
    for configuration in input.get("SubnetConfigurations").list() {
        let Some(id) = configuration.get("SubnetId").str() else {
            return Err(Refusal::missing("SubnetConfiguration.SubnetId"));
        };
        if !configuration.get("Ipv6").is_null() {
            return Err(Refusal::unsupported(
                "SubnetConfiguration.Ipv6 is not supported.",
            ));
        }
        let address = configuration.get("Ipv4").str();
        match wanted.iter_mut().find(|(other, _)| *other == id) {
            Some((_, designated)) => *designated = address,
            None => wanted.push((id, address)),
        }
    }
    Ok(wanted)
}

/// The address of a new interface: the designated one, else a free one.
pub(super) fn address(
    intent: &Intent,
    subnet: &Subnet,
    designated: Option<&str>,
) -> Result<Ipv4Addr, Refusal> {
    match designated {
        Some(text) => addresses::designated(intent, subnet, text),
        None => addresses::private(intent, subnet),
    }
}

/// Makes an endpoint's interface in a subnet.
pub(super) fn make(
    draft: &mut Draft,
    ctx: &mut Ctx,
    endpoint: &VpcEndpointId,
    subnet: &Subnet,
    private_ip: Ipv4Addr,
    groups: &[SecurityGroupId],
) -> Arc<NetworkInterface> {
    draft.put(NetworkInterface {
        id: NetworkInterfaceId::from_digits(ctx.ids.digits()),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        owner: subnet.owner.clone(),
        private_ip,
        secondary: Vec::new(),
        ipv6: Vec::new(),
        public_ip: None,
        mac: ctx.ids.mac(),
        groups: groups.to_vec(),
        description: format!("VPC Endpoint Interface {endpoint}"),
        source_dest_check: true,
        user: InterfaceUser::Endpoint {
            endpoint: endpoint.clone(),
            attachment: AttachmentId::from_digits(ctx.ids.digits()),
        },
        created: ctx.now,
        tags: Tags::new(),
    })
}
