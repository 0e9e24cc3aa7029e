//! GetSessionToken and GetFederationToken: temporary credentials for oneself and for others.

use adit_policy::PrincipalKind;
use adit_snapshot::session::{Claims, SessionOf};
use adit_wire::{Value, map};

use super::assume::refuse_mfa;
use super::{duration, issue, session_name, session_policies, session_tags};
use crate::authorise::{Call, Touch};
use crate::context::{Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// A day and a half: the longest session of a user, in seconds.
const LONGEST: i64 = 129_600;
/// The usual session of a user: twelve hours.
const USUAL: i64 = 43_200;
/// The longest session of a root user: one hour.
const ROOT: i64 = 3600;

/// A session of the caller itself, with the caller's rights.
pub(crate) fn session(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    refuse_session(ctx, "GetSessionToken")?;
    refuse_mfa(input)?;
    let of = match &ctx.caller.key.user {
        Some(user) => SessionOf::User {
            name: user.name.clone(),
            id: user.unique_id.clone(),
        },
        None => SessionOf::Root,
    };
    let claims = claims(input, ctx, of)?;
    let (credentials, _) = issue(view, ctx, &claims)?;
    Ok(map! { "Credentials" => credentials })
}

/// What vouching for somebody touches: the federated user.
pub(crate) fn touches<'a>(call: &Call<'a>) -> Result<Vec<Touch<'a>>, Refusal> {
    let name = call.input.required("Name")?;
    let arn = format!("arn:aws:sts::{}:federated-user/{name}", call.account());
    let touch = || {
        let mut touch = Touch::on(arn.as_str());
        let tags = call.input.get("Tags").list().iter();
        touch.request_tags(tags.filter_map(|tag| {
            let value = tag.get("Value").str().unwrap_or_default();
            Some((tag.get("Key").str()?, value))
        }));
        touch
    };
    let mut touches = vec![touch()];
    if !call.input.get("Tags").list().is_empty() {
        touches.push(touch().action("sts:TagSession"));
    }
    Ok(touches)
}

/// A session of somebody whom the caller vouches for, with what both the caller and the passed
/// policies allow.
pub(crate) fn federation(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    refuse_session(ctx, "GetFederationToken")?;
    let name = input.required("Name")?;
    session_name("name", name, 32)?;
    let user = ctx.caller.key.user.as_ref();
    let of = SessionOf::Federated {
        user: user.map(|user| (user.name.clone(), user.unique_id.clone())),
        name: name.to_string(),
    };
    let account = &ctx.caller.account;
    let mut claims = claims(input, ctx, of)?;
    (claims.policy, claims.policy_arns) = session_policies(input, view.intent, account)?;
    claims.tags = session_tags(input)?;
    let (credentials, share) = issue(view, ctx, &claims)?;
    Ok(map! {
        "Credentials" => credentials,
        "FederatedUser" => map! {
            "FederatedUserId" => format!("{account}:{name}"),
            "Arn" => format!("arn:aws:sts::{account}:federated-user/{name}"),
        },
        "PackedPolicySize" => share,
    })
}

fn claims(input: &Input<'_>, ctx: &Ctx, of: SessionOf) -> Result<Claims, Refusal> {
    let mut seconds = duration(input, USUAL, LONGEST)?;
    if ctx.caller.key.principal.kind() == PrincipalKind::Root {
        seconds = seconds.min(ROOT);
    }
    Ok(Claims {
        account: ctx.caller.account.clone(),
        of,
        issued: ctx.now,
        expires: ctx.now.saturating_add(seconds * 1000),
        policy: None,
        policy_arns: Vec::new(),
        tags: Default::default(),
        transitive: Vec::new(),
        source_identity: None,
    })
}

/// Temporary credentials do not make further ones this way.
fn refuse_session(ctx: &Ctx, operation: &str) -> Result<(), Refusal> {
    match &ctx.caller.key.session {
        None => Ok(()),
        Some(_) => Err(Refusal::new(
            "AccessDenied",
            format!("Cannot call {operation} with session credentials"),
        )),
    }
}
