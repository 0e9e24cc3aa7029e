//! Whether an identity may call a control operation on one resource.

use adit_model::{Millis, Region};
use adit_policy::{
    Action, Context, Decision, Layer, Layers, Policy, PrincipalKind, Request, Trace, Value, keys,
};

use super::request::broken;
use crate::build::Snapshot;
use crate::identity::KeyView;

/// One (action, resource) pair of a control call, with everything that has a say in it.
#[derive(Debug, Clone, Copy)]
pub struct ControlFacts<'a> {
    /// Who asks.
    pub key: &'a KeyView,
    /// What is asked: `ec2:CreateVpc`.
    pub action: &'a str,
    /// The ARN it is asked of, or `*`.
    pub resource: &'a str,
    /// The account that owns the resource.
    pub owner: &'a str,
    /// The trust policy of the role that is to be assumed; none for everything else.
    pub trust: Option<&'a Policy>,
    /// The condition keys.
    pub context: &'a Context<'a>,
}

impl<'a> ControlFacts<'a> {
    /// The policy engine's form of the question.
    pub fn request(&self) -> Request<'a> {
        Request {
            principal: &self.key.principal,
            action: Action::from(self.action),
            resource: self.resource,
            resource_account: Some(self.owner),
            context: self.context,
        }
    }

    fn layers(&self) -> Layers<'a> {
        Layers {
            identity: self.key.policies(),
            boundary: self.key.boundary(),
            session: self.key.session_policies(),
            resource: self.trust,
            ..Layers::default()
        }
    }
}

/// Decides one pair. The trace is filled when one is passed.
pub fn control(facts: &ControlFacts<'_>, trace: Option<&mut Trace>) -> Decision {
    match facts.key.broken {
        Some(_) => broken(Layer::Identity),
        None => adit_policy::decide(&facts.layers(), &facts.request(), trace),
    }
}

/// What AWS tells the caller of a denied pair, without what the service puts before it.
pub fn control_message(facts: &ControlFacts<'_>, decision: &Decision) -> String {
    adit_policy::message(decision, &facts.layers(), &facts.request(), false)
}

/// Sets the keys that are about the caller and its session, beyond those that follow from the
/// [`Request`]: `aws:PrincipalTag/…`, `aws:TokenIssueTime`, `aws:SourceIdentity` and
/// `aws:MultiFactorAuthPresent`, which temporary credentials alone have.
pub fn principal_keys<'a>(context: &mut Context<'a>, key: &'a KeyView) {
    for (name, value) in &key.tags {
        context.set((keys::PRINCIPAL_TAG, name.as_str()), value);
    }
    if let Some(session) = &key.session {
        let claims = &session.claims;
        let issued = Value::Time(claims.issued.div_euclid(1000));
        context.set(keys::TOKEN_ISSUE_TIME, issued);
        context.set(keys::MULTI_FACTOR_AUTH_PRESENT, false);
        context.set_some(keys::SOURCE_IDENTITY, claims.source_identity.as_deref());
    }
}

impl KeyView {
    /// Whether no control call in its own account could be denied: the root user, by a key of its
    /// own or a session of its own.
    pub fn is_unlimited(&self) -> bool {
        self.principal.kind() == PrincipalKind::Root
            && self.session_policies().is_none()
            && self.broken.is_none()
    }
}

impl Snapshot {
    /// Whether an identity may call a control operation that has no resource level; the refusal is
    /// AWS's text, without code.
    pub fn decide_control(
        &self,
        key: &KeyView,
        action: &str,
        resource: &str,
        region: &Region,
        now: Millis,
    ) -> Result<(), String> {
        let mut context = Context::new();
        context.set(keys::REQUESTED_REGION, region.as_str());
        context.set(keys::CURRENT_TIME, Value::Time(now.div_euclid(1000)));
        principal_keys(&mut context, key);
        let facts = ControlFacts {
            key,
            action,
            resource,
            owner: key.key.account.as_str(),
            trust: None,
            context: &context,
        };
        match control(&facts, None) {
            Decision::Allow => Ok(()),
            denied => Err(control_message(&facts, &denied)),
        }
    }
}
