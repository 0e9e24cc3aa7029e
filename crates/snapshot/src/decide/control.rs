//! Whether an identity may call a control operation on one resource.

use adit_model::{Millis, Region};
use adit_policy::{
    Action, Context, Decision, Layer, Layers, Policy, PrincipalKind, Request, Trace, Value, keys,
};

use super::request::broken;
use crate::build::{KeyView, Snapshot};

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
            identity: &self.key.policies,
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

/// Sets the keys that are about the caller: `aws:PrincipalTag/…`.
pub fn principal_keys<'a>(context: &mut Context<'a>, key: &'a KeyView) {
    for (name, value) in key.user.iter().flat_map(|user| &user.tags) {
        context.set((keys::PRINCIPAL_TAG, name.as_str()), value);
    }
}

impl KeyView {
    /// Whether no control call in its own account could be denied: the root user.
    pub fn is_unlimited(&self) -> bool {
        self.principal.kind() == PrincipalKind::Root && self.broken.is_none()
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
