//! Private names of endpoint services, and who pays [privatelink §2.1].

use adit_model::*;
use adit_wire::{Value, map};

use super::configuration::find;
use crate::context::{Answer, Ctx};
use crate::input::Input;
use crate::refusal::Refusal;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const MIXED: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A name that nobody has proved yet, with the record that would.
pub(super) fn new(name: &str, ctx: &mut Ctx) -> Result<PrivateName, Refusal> {
    let below = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    if name.len() > 253 || !below.contains('.') || !below.split('.').all(label) {
        let name: String = name.chars().take(256).collect();
        return Err(Refusal::invalid_value(format!(
            "Value ({name}) for parameter PrivateDnsName is invalid. It must be a domain name in lower case, perhaps with a wildcard in front."
        )));
    }
    Ok(PrivateName {
        name: name.to_string(),
        record: format!("_{}", ctx.ids.text(LOWER, 20)),
        value: format!("vpce:{}", ctx.ids.text(MIXED, 20)),
        verification: Verification::Pending,
    })
}

/// A state as AWS writes it.
pub(super) fn state(verification: Verification) -> &'static str {
    match verification {
        Verification::Pending => "pendingVerification",
        Verification::Verified => "verified",
        Verification::Failed => "failed",
    }
}

/// What the provider must publish, and whether it was found.
pub(super) fn show(name: &PrivateName) -> Value {
    map! {
        "State" => state(name.verification),
        "Type" => "TXT",
        "Value" => name.value.as_str(),
        "Name" => name.record.as_str(),
    }
}

/// Looks for the record. Only the installation's own public names are looked at, and none of them
/// is a TXT record: the proof cannot succeed, and a service without one has no private name that
/// endpoints could use.
pub(crate) fn start_verification(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let service = find(draft, ctx, input.required("ServiceId")?)?;
    let Some(name) = &service.private_name else {
        return Err(Refusal::invalid(format!(
            "The service {} does not have a private DNS name.",
            service.id
        )));
    };
    if name.verification != Verification::Failed {
        draft.edit::<EndpointService>(&service.id, |service| {
            if let Some(name) = &mut service.private_name {
                name.verification = Verification::Failed;
            }
        });
    }
    Ok(Answer::from(map! { "ReturnValue" => true }))
}

/// From now on the provider pays; there is no way back.
pub(crate) fn modify_payer(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let service = find(draft, ctx, input.required("ServiceId")?)?;
    let payer = input.required("PayerResponsibility")?;
    if payer != "ServiceOwner" {
        return Err(Refusal::invalid_value(format!(
            "Value ({payer}) for parameter PayerResponsibility is invalid. The only value is ServiceOwner."
        )));
    }
    if !service.owner_pays {
        draft.edit::<EndpointService>(&service.id, |service| service.owner_pays = true);
    }
    Ok(Answer::from(map! { "ReturnValue" => true }))
}
