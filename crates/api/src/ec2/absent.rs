//! Kinds that Adit has none of: lists of them are empty, and no id of them exists. Clients look,
//! and an empty list is the truth.

use adit_wire::{Map, Value};

use crate::context::{Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// The answer of a list of nothing: `ids` and `items` are its members, `kind` and `code` those of
/// AWS's refusal of an id.
fn none(
    input: &Input<'_>,
    (ids, items): (&str, &'static str),
    (kind, code): (&str, &'static str),
) -> Result<Value, Refusal> {
    if let Some(id) = input.texts(ids).first() {
        let text = format!("The {kind} ID '{id}' does not exist");
        return Err(Refusal::new(code, text));
    }
    let mut output = Map::new();
    output.push(items, Value::List(Vec::new()));
    Ok(Value::Map(output))
}

pub(crate) fn instances(input: &Input<'_>, _: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let refusal = ("instance", "InvalidInstanceID.NotFound");
    none(input, ("InstanceIds", "Reservations"), refusal)
}

pub(crate) fn instance_statuses(input: &Input<'_>, _: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let refusal = ("instance", "InvalidInstanceID.NotFound");
    none(input, ("InstanceIds", "InstanceStatuses"), refusal)
}

pub(crate) fn transit_gateways(input: &Input<'_>, _: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let refusal = ("transitGateway", "InvalidTransitGatewayID.NotFound");
    none(input, ("TransitGatewayIds", "TransitGateways"), refusal)
}

pub(crate) fn transit_gateway_attachments(
    input: &Input<'_>,
    _: View<'_>,
    _: &Ctx,
) -> Result<Value, Refusal> {
    let members = (
        "TransitGatewayAttachmentIds",
        "TransitGatewayVpcAttachments",
    );
    let refusal = (
        "transitGatewayAttachment",
        "InvalidTransitGatewayAttachmentID.NotFound",
    );
    none(input, members, refusal)
}
