//! Whether a caller may: every control call is decided on each resource that it touches, with the
//! condition keys that belong to it [iam-control §5 to §7].
//!
//! **For a new operation there is usually nothing to do.** Its row in [`crate::OPERATIONS`] is
//! [`Touches::Derived`]: what it touches follows from the names of its parameters (`VpcId`,
//! `SubnetIds`, `Groups`: by the prefix of the id) and from its own name (`CreateSubnet` makes a
//! `subnet/*`). A test walks the table and fails for a row that derives nothing. Then
//! * add the new kind of resource to `ec2::CREATED` (what a `Create…` makes) and `ec2::known::known` (its
//!   tags and its VPC, for `aws:ResourceTag/…` and `ec2:Vpc`), or
//! * give the row a function of its own: `Write CreateX ec2::x::create => authorise::arns::x;`, or
//! * mark it as one without resource level: `Write CreateX ec2::x::create => authorise::everything;`.
//!
//! Every touch must be allowed, and a Deny on any of them is heard. A caller for whom nothing could
//! be denied (the root user without a session policy) is not asked about.

pub(crate) mod arns;
pub(crate) mod ec2;
mod encoded;
pub(crate) mod iam;

pub(crate) use self::encoded::nonce;

use std::borrow::Cow;
use std::sync::Arc;

use adit_model::{AccountId, Intent};
use adit_policy::{Context, Decision, Policy, Value as Fact, keys};
use adit_snapshot::Snapshot;
use adit_snapshot::decide::control::{ControlFacts, control, control_message, principal_keys};
use adit_snapshot::session::SessionOf;
use adit_wire::Service;
use adit_wire::tables::Protocol;

use crate::context::Ctx;
use crate::input::Input;
use crate::operations::Row;
use crate::refusal::Refusal;

/// How a row says what its operation touches.
#[derive(Clone, Copy)]
pub(crate) enum Touches {
    /// What the service's derivation finds.
    Derived,
    /// What this function finds.
    By(TouchFn),
}

/// Finds what a call touches. It is asked before anything is validated: parameters may be missing
/// or name nothing. It may refuse what cannot even be asked about.
pub(crate) type TouchFn = for<'a> fn(&Call<'a>) -> Result<Vec<Touch<'a>>, Refusal>;

/// A call about to be authorised.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    /// The operation.
    pub(crate) row: &'static Row,
    /// What it is asked for.
    pub(crate) input: Input<'a>,
    /// The world as it is.
    pub(crate) snapshot: &'a Snapshot,
    /// Who asks, from where.
    pub(crate) ctx: &'a Ctx,
}

impl<'a> Call<'a> {
    /// The intent that names are looked up in.
    pub(crate) fn intent(&self) -> &'a Intent {
        &self.snapshot.intent
    }

    /// The caller's account.
    pub(crate) fn account(&self) -> &'a AccountId {
        &self.ctx.caller.account
    }
}

/// One (action, resource) pair that must be allowed, with the keys that only it has.
#[derive(Debug)]
pub(crate) struct Touch<'a> {
    /// The action, where it is not the row's.
    pub(crate) action: Option<&'static str>,
    /// The resource's ARN, or `*`.
    pub(crate) arn: String,
    /// Who owns it, where it is not the caller's account.
    pub(crate) owner: Option<AccountId>,
    /// Condition keys.
    pub(crate) keys: Vec<(Cow<'a, str>, Fact<'a>)>,
    /// The trust policy that has a say: the role's, when it is to be assumed.
    pub(crate) trust: Option<Arc<Policy>>,
}

impl<'a> Touch<'a> {
    /// A resource.
    pub(crate) fn on(arn: impl Into<String>) -> Touch<'a> {
        Touch {
            action: None,
            arn: arn.into(),
            owner: None,
            keys: Vec::new(),
            trust: None,
        }
    }

    /// The same pair for another action.
    pub(crate) fn action(mut self, action: &'static str) -> Touch<'a> {
        self.action = Some(action);
        self
    }

    /// Adds a condition key.
    pub(crate) fn key(&mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Fact<'a>>) {
        self.keys.push((name.into(), value.into()));
    }

    /// Adds a condition key if there is a value.
    pub(crate) fn key_some(
        &mut self,
        name: impl Into<Cow<'a, str>>,
        value: Option<impl Into<Fact<'a>>>,
    ) {
        if let Some(value) = value {
            self.key(name, value);
        }
    }

    /// Adds what a request's tags say: `aws:RequestTag/…` and `aws:TagKeys`.
    pub(crate) fn request_tags(&mut self, tags: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut names = Vec::new();
        for (name, value) in tags {
            self.key(format!("aws:RequestTag/{name}"), value);
            names.push(name.to_string());
        }
        if !names.is_empty() {
            self.key("aws:TagKeys", names);
        }
    }
}

/// A call without resource level: it is decided on `*`.
pub(crate) fn everything<'a>(_: &Call<'a>) -> Result<Vec<Touch<'a>>, Refusal> {
    Ok(vec![Touch::on("*")])
}

/// What a call touches; never nothing.
fn touches<'a>(call: &Call<'a>) -> Result<Vec<Touch<'a>>, Refusal> {
    let found = match (call.row.touches, call.row.service) {
        (Touches::By(find), _) => find(call)?,
        (Touches::Derived, Service::Ec2) => ec2::derive(call),
        (Touches::Derived, Service::Iam) => iam::derive(call),
        (Touches::Derived, Service::Route53) => arns::route53(call),
        (Touches::Derived, Service::Route53Resolver) => arns::resolver(call),
        (Touches::Derived, _) => arns::by_arn(call),
    };
    match found.is_empty() {
        true => everything(call),
        false => Ok(found),
    }
}

/// Asks everything that has a say in whether the caller may call this.
///
/// # Errors
/// The service's code for it, in AWS's words: of several denials an explicit one, else the first.
pub(crate) fn authorise(
    row: &'static Row,
    input: Input<'_>,
    ctx: &Ctx,
    snapshot: &Snapshot,
) -> Result<(), Refusal> {
    let Some(action) = row.action else {
        return Ok(());
    };
    let call = Call {
        row,
        input,
        snapshot,
        ctx,
    };
    refuse_weak_session(row, ctx)?;
    // The root user may do anything in its own account. Roles have a say of their own in who they
    // are assumed by, hence their exception.
    let asks_trust = row.service == Service::Sts;
    if ctx.caller.key.is_unlimited() && !asks_trust {
        return Ok(());
    }
    let mut denied: Option<(Touch<'_>, Decision)> = None;
    for touch in touches(&call)? {
        let decision = decide(&call, &touch, action);
        match decision {
            Decision::Allow => {}
            Decision::ExplicitDeny(_) => return Err(refuse(&call, &touch, action, &decision)),
            Decision::ImplicitDeny(_) if denied.is_none() => denied = Some((touch, decision)),
            Decision::ImplicitDeny(_) => {}
        }
    }
    match denied {
        None => Ok(()),
        Some((touch, decision)) => Err(refuse(&call, &touch, action, &decision)),
    }
}

/// Sessions that prove nothing beyond a long-term key get no further by it: those of users and of
/// federated users may not call IAM, nor get themselves another session [iam-control §4].
fn refuse_weak_session(row: &Row, ctx: &Ctx) -> Result<(), Refusal> {
    let Some(session) = &ctx.caller.key.session else {
        return Ok(());
    };
    let may_assume = !matches!(session.claims.of, SessionOf::Federated { .. });
    let refused = match (&session.claims.of, row.service, row.name) {
        (SessionOf::Role { .. }, _, _) => false,
        (_, Service::Iam, _) => true,
        (_, Service::Sts, "AssumeRole") => !may_assume,
        (_, Service::Sts, _) => true,
        _ => false,
    };
    match refused {
        false => Ok(()),
        true => Err(Refusal::new(
            "InvalidClientTokenId",
            "The security token included in the request is invalid",
        )
        .status(403)),
    }
}

fn decide(call: &Call<'_>, touch: &Touch<'_>, action: &str) -> Decision {
    let context = context(call, touch);
    control(&facts(call, touch, action, &context), None)
}

fn facts<'f>(
    call: &'f Call<'_>,
    touch: &'f Touch<'_>,
    action: &'f str,
    context: &'f Context<'f>,
) -> ControlFacts<'f> {
    ControlFacts {
        key: &call.ctx.caller.key,
        action: touch.action.unwrap_or(action),
        resource: &touch.arn,
        // Only trust policies reach over accounts; whatever else another account owns is for the
        // operation to refuse.
        owner: match (&touch.trust, &touch.owner) {
            (Some(_), Some(owner)) => owner.as_str(),
            _ => call.account().as_str(),
        },
        trust: touch.trust.as_deref(),
        context,
    }
}

/// The condition keys of a touch: its own and those of every call.
fn context<'t>(call: &'t Call<'_>, touch: &'t Touch<'_>) -> Context<'t> {
    let ctx = call.ctx;
    let mut context = Context::new();
    context.set(keys::CURRENT_TIME, Fact::Time(ctx.now.div_euclid(1000)));
    context.set(keys::REQUESTED_REGION, ctx.region.as_str());
    if call.row.service == Service::Ec2 {
        context.set(keys::EC2_REGION, ctx.region.as_str());
    }
    if let Some(source) = &ctx.caller.source {
        context.set(keys::SOURCE_IP, source.address);
        context.set(keys::SECURE_TRANSPORT, source.tls);
    }
    if let Some(owner) = &touch.owner {
        context.set(keys::RESOURCE_ACCOUNT, owner.as_str());
    }
    principal_keys(&mut context, &ctx.caller.key);
    for (name, value) in &touch.keys {
        context.set(name.as_ref(), value.clone());
    }
    context
}

fn refuse(call: &Call<'_>, touch: &Touch<'_>, action: &str, decision: &Decision) -> Refusal {
    let context = context(call, touch);
    let facts = facts(call, touch, action, &context);
    let mut why = control_message(&facts, decision);
    if touch.trust.is_some()
        && let Some(at) = why.find(&touch.arn)
    {
        // Who may assume a role is its owner's business: strangers are not told why they may not.
        why.truncate(at + touch.arn.len());
    }
    match (call.row.service, call.row.service.protocol()) {
        (Service::Ec2, _) => {
            let mut text = format!("You are not authorized to perform this operation. {why}");
            if call.row.writes()
                && let Some(sealed) = encoded::seal(call, &facts, decision)
            {
                text.push_str(". Encoded authorization failure message: ");
                text.push_str(&sealed);
            }
            Refusal::new("UnauthorizedOperation", text)
        }
        (Service::Sns, _) => Refusal::new("AuthorizationError", why),
        (Service::Adit, _) => Refusal::new("AccessDenied", why),
        (_, Protocol::Json) => Refusal::new("AccessDeniedException", why),
        _ => Refusal::new("AccessDenied", why),
    }
}

#[cfg(test)]
mod tests;
