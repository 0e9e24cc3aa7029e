//! AssumeRole: becoming a role for a while, when both sides say so.

use std::sync::Arc;

use adit_model::*;
use adit_policy::{Policy, PolicyKind, PrincipalKind};
use adit_snapshot::build::PolicyState;
use adit_snapshot::session::{Claims, SessionOf};
use adit_wire::{Value, map};

use super::{duration, issue, session_name, session_policies, session_tags};
use crate::authorise::{Call, Touch};
use crate::context::{Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// Longest session of a role that was assumed with a role's credentials, in seconds.
const CHAINED: i64 = 3600;

/// An ARN of a role: account, path and name.
struct RoleArn<'a> {
    account: AccountId,
    path: &'a str,
    name: &'a str,
}

impl<'a> RoleArn<'a> {
    fn parse(text: &'a str) -> Result<RoleArn<'a>, Refusal> {
        let read = || {
            let rest = text.strip_prefix("arn:aws:iam::")?;
            let (account, entity) = rest.split_once(":role/")?;
            let at = entity.rfind('/').map_or(0, |at| at + 1);
            let (path, name) = entity.split_at_checked(at)?;
            Some(RoleArn {
                account: account.parse().ok()?,
                path,
                name: Some(name).filter(|name| !name.is_empty())?,
            })
        };
        read().ok_or_else(|| {
            let shown: String = text.chars().take(256).collect();
            Refusal::new("ValidationError", format!("{shown} is invalid"))
        })
    }

    /// The role, if there is one of this name under this path.
    fn find(&self, intent: &Intent) -> Option<Arc<Role>> {
        let role = intent.get::<Role>(identity_key(&self.account, self.name))?;
        (role.path.strip_prefix('/') == Some(self.path)).then(|| role.clone())
    }
}

/// What assuming a role touches: the role, which has a say itself, once for each thing asked of it.
pub(crate) fn touches<'a>(call: &Call<'a>) -> Result<Vec<Touch<'a>>, Refusal> {
    let input = call.input;
    let text = input.required("RoleArn")?;
    let arn = RoleArn::parse(text)?;
    if call.ctx.caller.key.principal.kind() == PrincipalKind::Root {
        return Err(Refusal::new(
            "AccessDenied",
            "Roles may not be assumed by root accounts.",
        ));
    }
    let role = arn.find(call.intent());
    let view = role
        .as_ref()
        .and_then(|role| call.snapshot.role(&role.account, &role.name));
    let trust = match view.and_then(|view| view.trust.as_ref()) {
        Some(PolicyState::Ready(policy)) => policy.clone(),
        // A role that is not there, or whose policy cannot be read, trusts nobody.
        _ => Arc::new(Policy::allowing_nothing(PolicyKind::Trust)),
    };
    let touch = |action: Option<&'static str>| {
        let mut touch = Touch::on(text);
        touch.action = action;
        touch.owner = Some(arn.account.clone());
        touch.trust = Some(trust.clone());
        for (name, value) in role.iter().flat_map(|role| &role.tags) {
            touch.key(format!("aws:ResourceTag/{name}"), value.clone());
            touch.key(format!("iam:ResourceTag/{name}"), value.clone());
        }
        touch.key_some("sts:ExternalId", input.text("ExternalId"));
        touch.key_some("sts:RoleSessionName", input.text("RoleSessionName"));
        touch.key_some("sts:SourceIdentity", input.text("SourceIdentity"));
        let transitive: Vec<String> = texts(input, "TransitiveTagKeys");
        if !transitive.is_empty() {
            touch.key("sts:TransitiveTagKeys", transitive);
        }
        let tags = input.get("Tags").list().iter();
        touch.request_tags(tags.filter_map(|tag| {
            let value = tag.get("Value").str().unwrap_or_default();
            Some((tag.get("Key").str()?, value))
        }));
        touch
    };
    let mut touches = vec![touch(None)];
    if !input.get("Tags").list().is_empty() {
        touches.push(touch(Some("sts:TagSession")));
    }
    if input.text("SourceIdentity").is_some() {
        touches.push(touch(Some("sts:SetSourceIdentity")));
    }
    Ok(touches)
}

fn texts(input: Input<'_>, name: &str) -> Vec<String> {
    input.texts(name).into_iter().map(str::to_string).collect()
}

/// Issues the session; whether it may be is decided already.
pub(crate) fn assume(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let text = input.required("RoleArn")?;
    let name = input.required("RoleSessionName")?;
    session_name("roleSessionName", name, 64)?;
    refuse_mfa(input)?;
    if !input.get("ProvidedContexts").list().is_empty() {
        return Err(Refusal::new(
            "NotImplemented",
            "ProvidedContexts is not supported.",
        ));
    }
    let role = RoleArn::parse(text)?.find(view.intent).ok_or_else(|| {
        let caller = &ctx.caller.arn;
        let text = format!(
            "User: {caller} is not authorized to perform: sts:AssumeRole on resource: {text}"
        );
        Refusal::new("AccessDenied", text)
    })?;
    let seconds = role_duration(input, ctx, &role)?;
    let (policy, policy_arns) = session_policies(input, view.intent, &role.account)?;
    let (tags, transitive) = tags(input, ctx)?;
    let source_identity = source_identity(input, ctx)?;
    let claims = Claims {
        account: role.account.clone(),
        of: SessionOf::Role {
            name: role.name.clone(),
            id: role.unique_id.clone(),
            session: name.to_string(),
        },
        issued: ctx.now,
        expires: ctx.now.saturating_add(seconds * 1000),
        policy,
        policy_arns,
        tags,
        transitive,
        source_identity: source_identity.clone(),
    };
    let (credentials, share) = issue(view, ctx, &claims)?;
    let passed =
        claims.policy.is_some() || !claims.policy_arns.is_empty() || !claims.tags.is_empty();
    Ok(map! {
        "Credentials" => credentials,
        "AssumedRoleUser" => map! {
            "AssumedRoleId" => format!("{}:{name}", role.unique_id),
            "Arn" => format!("arn:aws:sts::{}:assumed-role/{}/{name}", role.account, role.name),
        },
        "PackedPolicySize" => passed.then_some(share),
        "SourceIdentity" => source_identity,
    })
}

/// There are no multi-factor devices: a code proves nothing.
pub(super) fn refuse_mfa(input: &Input<'_>) -> Result<(), Refusal> {
    match input.text("SerialNumber").or(input.text("TokenCode")) {
        None => Ok(()),
        Some(_) => Err(Refusal::new(
            "AccessDenied",
            "MultiFactorAuthentication failed: there is no such device.",
        )),
    }
}

fn role_duration(input: &Input<'_>, ctx: &Ctx, role: &Role) -> Result<i64, Refusal> {
    let seconds = duration(input, 3600, 43_200)?;
    let chained = matches!(
        ctx.caller
            .key
            .session
            .as_ref()
            .map(|session| &session.claims.of),
        Some(SessionOf::Role { .. })
    );
    if chained && seconds > CHAINED {
        return Err(Refusal::new(
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ));
    }
    if seconds > i64::from(role.max_session) {
        return Err(Refusal::new(
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    Ok(seconds)
}

/// The session's tags: those passed, and those that the calling session hands on.
fn tags(input: &Input<'_>, ctx: &Ctx) -> Result<(Tags, Vec<String>), Refusal> {
    let mut tags = session_tags(input)?;
    let mut transitive = texts(*input, "TransitiveTagKeys");
    let is_among =
        |tags: &Tags, key: &str| tags.keys().any(|there| there.eq_ignore_ascii_case(key));
    if transitive.iter().any(|key| !is_among(&tags, key)) {
        return Err(Refusal::invalid_value(
            "The specified transitive tag key must be included in the requested tags.",
        ));
    }
    let Some(session) = &ctx.caller.key.session else {
        return Ok((tags, transitive));
    };
    for key in &session.claims.transitive {
        if is_among(&tags, key) {
            return Err(Refusal::invalid_value(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
            ));
        }
        let given = session.claims.tags.iter();
        for (name, value) in given.filter(|(name, _)| name.eq_ignore_ascii_case(key)) {
            tags.insert(name.clone(), value.clone());
            transitive.push(name.clone());
        }
    }
    Ok((tags, transitive))
}

/// Who is behind the session: once said, it stays through all roles.
fn source_identity(input: &Input<'_>, ctx: &Ctx) -> Result<Option<String>, Refusal> {
    let asked = input.text("SourceIdentity");
    if let Some(name) = asked {
        session_name("sourceIdentity", name, 64)?;
    }
    let session = ctx.caller.key.session.as_ref();
    match (
        asked,
        session.and_then(|s| s.claims.source_identity.as_deref()),
    ) {
        (Some(asked), Some(set)) if asked != set => Err(Refusal::new(
            "AccessDenied",
            "The source identity of a session cannot be changed.",
        )),
        (asked, set) => Ok(set.or(asked).map(str::to_string)),
    }
}
