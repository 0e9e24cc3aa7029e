//! A bucket policy that keeps its own owner from changing it.
//!
//! `Deny s3:* unless aws:SourceVpce is …` also denies `s3:PutBucketPolicy`, to administrators and to
//! the console. What remains is said here: the callers that the condition exempts, and the root user
//! of the owner's account, whom no bucket policy stops.

use super::Checker;
use crate::catalogue;
use crate::compiled::Flags;
use crate::document::{ConditionView, PrincipalForm, StatementView};
use crate::keys::{self, Key};
use crate::kind::PolicyKind;
use crate::operator::{Set, Test};
use crate::trace::Effect;

impl Checker<'_, '_> {
    pub(super) fn lock_out(&mut self) {
        if self.kind != PolicyKind::Bucket {
            return;
        }
        let document = self.document;
        for (at, statement) in document.statements.iter().enumerate() {
            if statement.effect == Effect::Deny
                && self.covers_repair(at)
                && self.reaches_owner(statement)
                && statement.conditions.iter().all(is_unless)
            {
                self.warn_lock_out(statement);
            }
        }
    }

    /// Whether the statement is about changing or deleting the policy of the bucket itself.
    fn covers_repair(&self, at: usize) -> bool {
        let Some(statement) = self.compiled.statements.get(at) else {
            return false;
        };
        let has = |name| catalogue::find(name).is_some_and(|id| statement.action_set.has(id));
        let is_bucket = |text: &str| {
            let relative = text.splitn(6, ':').nth(5).unwrap_or("*");
            // A slash before any wildcard makes it an object.
            !matches!(relative.find(['/', '*', '?']), Some(at) if relative.as_bytes().get(at) == Some(&b'/'))
        };
        let mut resources = self.compiled.resources_of(statement).iter();
        let covers_bucket = statement.flags.has(Flags::NOT_RESOURCE)
            || resources.any(|text| is_bucket(self.compiled.get(text.span)));
        (has("s3:PutBucketPolicy") || has("s3:DeleteBucketPolicy")) && covers_bucket
    }

    /// Whether it is about everybody, or about the owner's account as a whole.
    fn reaches_owner(&self, statement: &StatementView) -> bool {
        statement.principal.as_ref().is_some_and(|principal| {
            let is_owner = |text: &str| self.options.account.is_some_and(|a| text.contains(a));
            principal.negated
                || principal.entries.iter().any(|(form, at)| match form {
                    PrincipalForm::Everyone => true,
                    PrincipalForm::Account => is_owner(self.tree.text(*at)),
                    _ => false,
                })
        })
    }

    fn warn_lock_out(&mut self, statement: &StatementView) {
        let tree = self.tree;
        let mut remaining = Vec::new();
        for condition in &statement.conditions {
            remaining.push(self.exempt(condition));
        }
        if let Some(principal) = statement.principal.as_ref().filter(|p| p.negated) {
            let names: Vec<&str> = principal
                .entries
                .iter()
                .map(|(_, at)| tree.text(*at))
                .collect();
            remaining.push(format!("the principals {}", names.join(", ")));
        }
        let root = match self.options.account {
            Some(account) => format!("the root user of the owner's account {account}"),
            None => "the root user of the bucket owner's account".to_owned(),
        };
        let others = match remaining.as_slice() {
            [] => String::new(),
            callers => format!("{}; and ", callers.join("; or ")),
        };
        let help = format!(
            "the policy can still be repaired by: {others}{root}, whom no bucket policy keeps from \
             reading, replacing and deleting it (an endpoint policy or organisation policy can). Leave \
             s3:PutBucketPolicy and s3:DeleteBucketPolicy out of the Deny, or exempt an administrator \
             by aws:PrincipalArn"
        );
        let message = if statement.conditions.is_empty() && remaining.is_empty() {
            "this Deny locks everybody out of the bucket's policy, its author included"
        } else {
            "this Deny can lock its author out: it also covers changing the bucket's policy"
        };
        self.warn(statement.action.node, "lock-out", message, help);
    }

    /// Who escapes a condition, in words.
    fn exempt(&self, condition: &ConditionView) -> String {
        let name = self.tree.key(condition.key);
        let values: Vec<&str> = condition
            .values
            .iter()
            .map(|at| self.tree.text(*at))
            .collect();
        let values = values.join(" or ");
        match Key::split(name).map(|(key, _)| key) {
            _ if condition.operator.test == Test::Null => match values.as_str() {
                "true" => format!("requests that have {name}"),
                _ => format!("requests without {name}"),
            },
            Some(keys::SOURCE_VPCE) => {
                format!("callers that come through the VPC endpoint {values}")
            }
            Some(keys::SOURCE_VPC) => {
                format!("callers that come through an endpoint of the VPC {values}")
            }
            Some(keys::SOURCE_IP) => {
                format!("callers from the public address {values} (not through a VPC endpoint)")
            }
            Some(keys::VPC_SOURCE_IP) => {
                format!("callers from the private address {values} through a VPC endpoint")
            }
            Some(keys::PRINCIPAL_ARN) => format!("the principal {values}"),
            _ => format!("requests whose {name} is {values}"),
        }
    }
}

/// Whether a condition is of the form "unless": true for everybody but a few.
fn is_unless(condition: &ConditionView) -> bool {
    let operator = condition.operator;
    match operator.test {
        Test::Null => condition.values.len() == 1,
        _ => operator.negated && operator.set != Set::Any,
    }
}
