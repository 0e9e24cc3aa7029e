//! `DeleteVpcEndpoints`: each for itself, with what it had [ec2-api §8].

use adit_model::*;

use super::{check, find, is_gateway, unsuccessful};
use crate::context::{Answer, Ctx};
use crate::ec2::endpoint_service::notification;
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let ids = input.texts("VpcEndpointIds");
    if ids.is_empty() {
        return Err(Refusal::missing("VpcEndpointId"));
    }
    Ok(unsuccessful(&ids, |id| delete_one(draft, ctx, id, &ids)))
}

fn delete_one(draft: &mut Draft, ctx: &Ctx, id: &str, also: &[&str]) -> Result<(), Refusal> {
    let endpoint = find(draft, ctx, id)?;
    if is_gateway(&endpoint) && is_needed(draft, &endpoint, also) {
        return Err(Refusal::invalid(format!(
            "The Gateway endpoint {id} cannot be deleted while an Interface endpoint of its service in {} has PrivateDnsOnlyForInboundResolverEndpoint set to true.",
            endpoint.vpc
        )));
    }
    if let EndpointKind::Interface { interfaces, .. } = &endpoint.kind {
        for interface in interfaces {
            draft.remove_interface(interface);
        }
    }
    notification::remove_all(draft, id);
    draft.remove::<VpcEndpoint>(&endpoint.id);
    Ok(())
}

/// Whether an interface endpoint that stays needs this gateway endpoint beside it.
fn is_needed(intent: &Intent, gateway: &VpcEndpoint, also: &[&str]) -> bool {
    let needs = |endpoint: &VpcEndpoint| {
        let inbound_only = matches!(
            endpoint.kind,
            EndpointKind::Interface {
                private_dns: true,
                inbound_only: true,
                ..
            }
        );
        inbound_only && endpoint.service == gateway.service && !also.contains(&endpoint.id.as_str())
    };
    intent
        .in_vpc::<VpcEndpoint>(&gateway.vpc)
        .any(|endpoint| needs(endpoint))
        && check::gateways(intent, &gateway.vpc, &gateway.service)
            .all(|other| also.contains(&other.id.as_str()))
}
