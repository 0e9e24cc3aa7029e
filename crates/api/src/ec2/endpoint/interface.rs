//! The network interfaces of interface endpoints: one for each subnet [ec2-api §12].

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use adit_model::*;

use crate::addresses::{self, ipv6};
use crate::context::Ctx;
use crate::input::Input;
use crate::refusal::Refusal;

/// A subnet that a request names, and the addresses it designates there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) subnet: &'a str,
    v4: Option<&'a str>,
    v6: Option<&'a str>,
}

/// The addresses of one interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Addresses {
    v4: Ipv4Addr,
    v6: Option<Ipv6Addr>,
}

/// The subnets a request names, in `parameter` and in `SubnetConfigurations`, each with the
/// addresses that are designated for it.
pub(super) fn wanted<'a>(input: &Input<'a>, parameter: &str) -> Result<Vec<Wanted<'a>>, Refusal> {
    let mut all: Vec<Wanted<'_>> = Vec::new();
    for subnet in input.texts(parameter) {
        if !all.iter().any(|other| other.subnet == subnet) {
            all.push(Wanted {
                subnet,
                v4: None,
                v6: None,
            });
        }
    }
    for configuration in input.get("SubnetConfigurations").list() {
        let Some(subnet) = configuration.get("SubnetId").str() else {
            return Err(Refusal::missing("SubnetConfiguration.SubnetId"));
        };
        let wanted = Wanted {
            subnet,
            v4: configuration.get("Ipv4").str(),
            v6: configuration.get("Ipv6").str(),
        };
        match all.iter_mut().find(|other| other.subnet == subnet) {
            Some(other) => *other = wanted,
            None => all.push(wanted),
        }
    }
    Ok(all)
}

impl Wanted<'_> {
    /// Whether it asks for another interface than there is.
    pub(super) fn differs(&self, there: &NetworkInterface) -> bool {
        let v4 = self
            .v4
            .is_some_and(|text| there.private_ip.to_string() != text);
        let v6 = self.v6.is_some_and(|text| {
            let wanted = text.parse::<Ipv6Addr>().ok();
            wanted.is_none_or(|address| !there.ipv6.contains(&address))
        });
        v4 || v6
    }

    /// The addresses of a new interface: designated ones, else free ones.
    pub(super) fn addresses(
        &self,
        intent: &Intent,
        subnet: &Subnet,
        types: AddressType,
    ) -> Result<Addresses, Refusal> {
        if let Some(text) = self.v6.filter(|_| !types.has_v6()) {
            return Err(Refusal::invalid(format!(
                "The IPv6 address {text} does not fit IpAddressType {}.",
                types.as_str()
            )));
        }
        let v4 = match self.v4 {
            Some(text) => addresses::designated(intent, subnet, text)?,
            None => addresses::private(intent, subnet)?,
        };
        let v6 = match types.has_v6() {
            true => Some(match self.v6 {
                Some(text) => ipv6::designated(intent, subnet, text)?,
                None => first_v6(intent, subnet)?,
            }),
            false => None,
        };
        Ok(Addresses { v4, v6 })
    }
}

/// A free IPv6 address of a subnet.
fn first_v6(intent: &Intent, subnet: &Subnet) -> Result<Ipv6Addr, Refusal> {
    let found = ipv6::some(intent, subnet, 1)?;
    found
        .first()
        .copied()
        .ok_or_else(|| addresses::none_free(subnet))
}

/// Gives interfaces that stay the addresses that go with a type, and takes others away.
pub(super) fn fit(
    draft: &mut Draft,
    interfaces: &[NetworkInterfaceId],
    types: AddressType,
) -> Result<(), Refusal> {
    for id in interfaces {
        let Some(eni) = draft.get::<NetworkInterface>(id).cloned() else {
            continue;
        };
        if types.has_v6() != eni.ipv6.is_empty() {
            continue;
        }
        let mut ipv6 = Vec::new();
        if types.has_v6()
            && let Some(subnet) = draft.get::<Subnet>(&eni.subnet).cloned()
        {
            ipv6.push(first_v6(draft, &subnet)?);
        }
        draft.edit::<NetworkInterface>(id, |eni| eni.ipv6 = ipv6);
    }
    Ok(())
}

/// Makes an endpoint's interface in a subnet.
pub(super) fn make(
    draft: &mut Draft,
    ctx: &mut Ctx,
    endpoint: &VpcEndpointId,
    subnet: &Subnet,
    addresses: Addresses,
    groups: &[SecurityGroupId],
) -> Arc<NetworkInterface> {
    draft.put(NetworkInterface {
        id: NetworkInterfaceId::from_digits(ctx.ids.digits()),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        owner: subnet.owner.clone(),
        private_ip: addresses.v4,
        secondary: Vec::new(),
        ipv6: addresses.v6.into_iter().collect(),
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
