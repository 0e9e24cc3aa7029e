//! Whether a role lets a service act with its rights.

use std::sync::Arc;

use adit_model::Role;
use adit_policy::{Action, Context, Layers, Principal, Request, keys};

use crate::build::{PolicyState, Snapshot};

impl Snapshot {
    /// The role that an ARN names, if its trust policy lets this service assume it for the sake of `source` (an ARN
    /// of the same account).
    pub fn role_for_service(&self, arn: &str, service: &str, source: &str) -> Option<Arc<Role>> {
        let rest = arn.strip_prefix("arn:aws:iam::")?;
        let (account, path) = rest.split_once(":role/")?;
        let name = path.rsplit('/').next()?;
        let view = self.role(&account.parse().ok()?, name)?;
        let role = view.role.as_ref().filter(|_| view.arn == arn)?;
        let Some(PolicyState::Ready(trust)) = &view.trust else {
            return None;
        };
        let mut context = Context::new();
        context.set(keys::SOURCE_ACCOUNT, account);
        context.set(keys::SOURCE_ARN, source);
        let layers = Layers {
            resource: Some(&**trust),
            ..Layers::default()
        };
        let request = Request {
            principal: &Principal::service(service),
            action: Action::from("sts:AssumeRole"),
            resource: arn,
            resource_account: Some(account),
            context: &context,
        };
        let decision = adit_policy::decide(&layers, &request, None);
        decision.is_allowed().then(|| role.clone())
    }
}
