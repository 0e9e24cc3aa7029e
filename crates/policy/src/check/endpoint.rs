//! What is particular to the policies of VPC endpoints.

use super::Checker;
use crate::document::{ConditionView, StatementView};
use crate::keys::{self, Key};
use crate::kind::PolicyKind;
use crate::operator::Test;
use crate::trace::Effect;

/// Keys whose values are ids that AWS makes: patterns and comparisons of size mean nothing.
const GENERATED: &[Key] = &[
    keys::PRINCIPAL_ACCOUNT,
    keys::PRINCIPAL_ORG_ID,
    keys::RESOURCE_ACCOUNT,
    keys::RESOURCE_ORG_ID,
    keys::S3_RESOURCE_ACCOUNT,
    keys::SOURCE_ACCOUNT,
    keys::SOURCE_ORG_ID,
    keys::SOURCE_VPC,
    keys::SOURCE_VPCE,
    keys::VPCE_ACCOUNT,
    keys::VPCE_ORG_ID,
];

/// How many characters must stand before or after a wildcard.
const LITERAL_RUN: usize = 6;

impl Checker<'_, '_> {
    pub(super) fn endpoint(&mut self) {
        let PolicyKind::VpcEndpoint { service, .. } = self.kind else {
            return;
        };
        let document = self.document;
        let allows = |statement: &StatementView| statement.effect == Effect::Allow;
        if !document.statements.iter().any(allows)
            && let Some(first) = document.statements.first()
        {
            self.warn(
                first.node,
                "deny-only",
                "an endpoint policy with only Deny statements allows nothing",
                "add a statement that allows, such as Allow, Principal `*`, Action `*`, Resource `*`",
            );
        }
        for statement in &document.statements {
            self.other_services(statement, service);
            for condition in &statement.conditions {
                self.generated_ids(condition);
            }
        }
    }

    fn other_services(&mut self, statement: &StatementView, service: &str) {
        if service.is_empty() || statement.action.negated {
            return;
        }
        let tree = self.tree;
        for at in &statement.action.values {
            let action = tree.text(*at);
            let other = action.split_once(':').map(|(vendor, _)| vendor);
            if let Some(other) = other.filter(|other| !other.eq_ignore_ascii_case(service)) {
                self.warn(
                    *at,
                    "other-service",
                    format!("`{other}` is not the endpoint's service: this has no effect"),
                    format!("only actions of `{service}` pass through the endpoint"),
                );
            }
        }
    }

    fn generated_ids(&mut self, condition: &ConditionView) {
        let tree = self.tree;
        let name = tree.key(condition.key);
        let key = Key::split(name).map(|(key, _)| key);
        let is_generated = key.is_some_and(|key| GENERATED.contains(&key));
        let test = condition.operator.test;
        if is_generated && test.is_numeric() {
            let message = format!("`{name}` is an id, not a number");
            self.warn(condition.key, "generated-id", message, "use StringEquals");
        }
        if !matches!(test, Test::StringLike | Test::ArnLike) {
            return;
        }
        for at in &condition.values {
            let value = tree.text(*at);
            if !crate::pattern::has_wildcard(value) {
                continue;
            }
            if is_generated {
                self.warn(
                    *at,
                    "generated-id",
                    format!("`{name}` holds an id that AWS makes: a pattern of it means nothing"),
                    "list the ids with StringEquals; AWS refuses such patterns in endpoint policies",
                );
            } else if test == Test::StringLike && !has_literal_run(value) {
                self.warn(
                    *at,
                    "short-pattern",
                    format!("`{value}` has fewer than {LITERAL_RUN} characters beside a wildcard"),
                    "AWS refuses such patterns in endpoint policies",
                );
            }
        }
    }
}

/// Whether every wildcard has enough literal characters on one side.
fn has_literal_run(value: &str) -> bool {
    let runs: Vec<usize> = value
        .split(['*', '?'])
        .map(|run| run.chars().count())
        .collect();
    runs.windows(2)
        .all(|pair| pair.iter().any(|run| *run >= LITERAL_RUN))
}

#[cfg(test)]
mod tests {
    use super::has_literal_run;

    #[test]
    fn wildcards_need_text_beside_them() {
        assert!(has_literal_run("reports*"));
        assert!(has_literal_run("*-prod-eu"));
        assert!(!has_literal_run("a*b"));
        assert!(!has_literal_run("reports*x*y"));
    }
}
