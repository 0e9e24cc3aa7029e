//! One question: may this caller do this action on this resource?

use crate::catalogue::{self, ActionId};
use crate::context::Context;
use crate::principal::Principal;

/// An action such as `s3:GetObject`, with its catalogue number looked up once.
///
/// Operations of the [`crate::actions`] table carry their actions ready-made; any other name comes
/// through `Action::from(text)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action<'a> {
    name: &'a str,
    id: Option<ActionId>,
}

impl<'a> From<&'a str> for Action<'a> {
    fn from(name: &'a str) -> Self {
        Action {
            name,
            id: catalogue::find(name),
        }
    }
}

impl<'a> Action<'a> {
    /// The name as it was given.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// What stands before the colon: `s3`.
    pub fn service(&self) -> &'a str {
        self.name.split(':').next().unwrap_or_default()
    }

    /// Whether the action is one of the given service.
    pub(crate) fn is_of(&self, service: &str) -> bool {
        match self.id {
            Some(_) => service == "s3",
            None => self.service().eq_ignore_ascii_case(service),
        }
    }

    pub(crate) fn id(&self) -> Option<ActionId> {
        self.id
    }

    pub(crate) const fn known(name: &'a str, id: ActionId) -> Self {
        Action { name, id: Some(id) }
    }
}

/// One (action, resource) pair asked for by a caller. An operation that needs several is allowed if
/// each of them is; see [`crate::actions`].
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal<'a>,
    /// What for.
    pub action: Action<'a>,
    /// The resource's ARN, or `*` for actions without one. Object keys are the decoded key.
    pub resource: &'a str,
    /// The account that owns the resource: for S3 the bucket's owner. `None`: the account in the
    /// ARN, or the caller's own where the ARN has none.
    pub resource_account: Option<&'a str>,
    /// The condition keys.
    pub context: &'a Context<'a>,
}

impl<'a> Request<'a> {
    /// The owning account by the rules of [`Request::resource_account`].
    pub fn owner(&self) -> Option<&'a str> {
        let from_arn = || {
            self.resource
                .split(':')
                .nth(4)
                .filter(|account| !account.is_empty())
        };
        self.resource_account
            .or_else(from_arn)
            .or_else(|| self.principal.account())
    }

    /// Whether caller and resource belong to different accounts. Callers without an account
    /// (anonymous, services) belong to no account: they are never "same account", nor is this true
    /// for them.
    pub fn is_cross_account(&self) -> bool {
        self.principal
            .account()
            .is_some_and(|account| self.owner() != Some(account))
    }
}
