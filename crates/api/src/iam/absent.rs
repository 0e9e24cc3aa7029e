//! What nobody has here: passwords, devices, certificates, instance profiles. Lists of it are empty
//! and naming one finds nothing, which is the truth; making one is not built.

use adit_model::*;
use adit_wire::Value;

use super::entity::{find, named};
use super::page;
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// An empty page, for a user that is there when one is named.
fn none_of(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
    member: &'static str,
) -> Result<Value, Refusal> {
    if let Some(name) = input.text("UserName") {
        find::<User>(view.intent, ctx, name)?;
    }
    let none = std::iter::empty::<&str>();
    page(input, member, none, |name| name.to_string(), Value::from)
}

macro_rules! empty_lists {
    ($($(#[$doc:meta])* $name:ident $member:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name(
            input: &Input<'_>,
            view: View<'_>,
            ctx: &Ctx,
        ) -> Result<Value, Refusal> {
            none_of(input, view, ctx, $member)
        }
    )*};
}

empty_lists! {
    /// Keys for other services' SSH.
    ssh_keys "SSHPublicKeys";
    /// Multi-factor devices of a user.
    mfa_devices "MFADevices";
    /// Multi-factor devices of the account.
    virtual_mfa_devices "VirtualMFADevices";
    /// Certificates that sign requests.
    signing_certificates "Certificates";
    /// Passwords of other services.
    service_credentials "ServiceSpecificCredentials";
    /// Roles of instances.
    instance_profiles "InstanceProfiles";
}

/// No role is in an instance profile.
pub(crate) fn instance_profiles_for_role(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    named::<Role>(input, view.intent, ctx)?;
    none_of(input, view, ctx, "InstanceProfiles")
}

/// No user has a password.
fn no_login_profile(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Refusal, Refusal> {
    let user = named::<User>(input, intent, ctx)?;
    Ok(Refusal::new(
        "NoSuchEntity",
        format!("Login Profile for User {} cannot be found.", user.name),
    ))
}

/// Finds nothing.
pub(crate) fn get_login_profile(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    Err(no_login_profile(input, view.intent, ctx)?)
}

/// Finds nothing to delete.
pub(crate) fn delete_login_profile(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    Err(no_login_profile(input, draft, ctx)?)
}
