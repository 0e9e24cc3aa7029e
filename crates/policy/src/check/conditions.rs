//! Operators, keys and values of a statement's conditions.

use super::{Checker, names};
use crate::catalogue;
use crate::document::{ConditionView, StatementView};
use crate::json::{Kind, NodeId};
use crate::keys::{self, Key, KeyType};
use crate::kind::PolicyKind;
use crate::messages::{Dialect, Problem};
use crate::operator::{Set, Test};
use crate::pattern;
use crate::scalar::{self, Instant, Number, Range};
use crate::trace::Effect;

impl Checker<'_, '_> {
    pub(super) fn conditions(&mut self, at: usize) {
        let document = self.document;
        let Some(statement) = document.statements.get(at) else {
            return;
        };
        for condition in &statement.conditions {
            self.values(condition);
            self.key(statement, condition);
            self.operator(statement, condition);
            self.network_keys(statement, condition);
        }
        self.repeated_keys(statement);
    }

    fn key_of(&self, condition: &ConditionView) -> (&str, Option<Key>) {
        let name = self.tree.key(condition.key);
        (name, Key::split(name).map(|(key, _)| key))
    }

    /// Values that do not fit their operator never match; AWS refuses them.
    fn values(&mut self, condition: &ConditionView) {
        let test = condition.operator.test;
        if condition.values.is_empty() {
            self.warn(
                condition.key,
                "empty-list",
                "the list of values is empty",
                "no value matches: a positive operator is never true, a negated one always",
            );
        }
        for at in &condition.values {
            let value = self.tree.text(*at).to_owned();
            if value.contains("${") && self.document.variables && !test.takes_variables() {
                self.warn(
                    *at,
                    "misplaced-variable",
                    format!(
                        "variables are not replaced in values of {}",
                        condition.operator
                    ),
                    "",
                );
            }
            let has_variable = value.contains("${") && test.takes_variables();
            let (fits, problem, what) = match test {
                Test::IpAddress => (
                    Range::parse(&value).is_some(),
                    Problem::IpAddress,
                    "an address or CIDR range",
                ),
                Test::Bool | Test::Null => {
                    let is_bool =
                        value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
                    (
                        is_bool || has_variable,
                        Problem::ConditionValue,
                        "`true` or `false`",
                    )
                }
                Test::BinaryEquals => (
                    scalar::is_base64(&value),
                    Problem::ConditionValue,
                    "base64 text",
                ),
                _ if test.is_numeric() => (
                    Number::parse(&value).is_some(),
                    Problem::ConditionValue,
                    "a number",
                ),
                _ if test.is_date() => {
                    let what = "an ISO 8601 time or seconds since 1970";
                    (
                        Instant::parse(&value).is_some(),
                        Problem::ConditionValue,
                        what,
                    )
                }
                _ => (true, Problem::ConditionValue, ""),
            };
            if !fits {
                self.error(*at, problem, format!("`{value}` is not {what}"));
            }
            if self.tree.kind(*at) == Kind::String {
                self.text_value(condition, *at, &value);
            }
        }
    }

    fn text_value(&mut self, condition: &ConditionView, at: NodeId, value: &str) {
        let test = condition.operator.test;
        let is_plain = matches!(test, Test::StringEquals | Test::StringEqualsIgnoreCase);
        if is_plain && pattern::has_wildcard(&value.replace("${*}", "").replace("${?}", "")) {
            self.warn(
                at,
                "literal-wildcard",
                format!("`*` and `?` are literal text with {}", condition.operator),
                "use StringLike or StringNotLike for patterns",
            );
        }
        if test == Test::ArnLike && value != "*" && !value.starts_with("${") {
            let is_arn = value.matches(':').count() >= 5
                && pattern::matches_text(value.split(':').next().unwrap_or_default(), "arn");
            if !is_arn {
                self.warn(
                    at,
                    "not-an-arn",
                    format!("`{value}` is no ARN with six parts and never matches"),
                    "",
                );
            }
        }
        let (_, key) = self.key_of(condition);
        if key == Some(keys::PRINCIPAL_ARN) && value.contains(":assumed-role/") {
            self.warn(
                at,
                "session-arn",
                "aws:PrincipalArn of a role session is the role's ARN, never the session's",
                "write arn:aws:iam::ACCOUNT:role/NAME, or name the session in Principal",
            );
        }
        let prefix = match key {
            Some(keys::SOURCE_VPCE) => "vpce-",
            Some(keys::SOURCE_VPC) => "vpc-",
            _ => return,
        };
        let is_id = value.strip_prefix(prefix).is_some_and(|id| {
            matches!(id.len(), 8 | 17) && id.bytes().all(|b| b.is_ascii_alphanumeric())
        });
        if !is_id && !pattern::has_wildcard(value) && !value.contains("${") {
            let help = if value.starts_with("arn:") {
                format!("the key holds an id ({prefix}…), not an ARN")
            } else {
                format!("ids are `{prefix}` and 8 or 17 letters or digits")
            };
            self.warn(
                at,
                "not-an-id",
                format!("`{value}` is not an id that this key can have"),
                help,
            );
        }
    }

    /// Whether the key exists and belongs to the statement's actions.
    fn key(&mut self, statement: &StatementView, condition: &ConditionView) {
        let (name, key) = self.key_of(condition);
        let name = name.to_owned();
        let vendor = name
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let Some(key) = key else {
            let help = match names::nearest_key(&name) {
                Some(known) => format!("did you mean `{known}`?"),
                None => "it is absent from every request".to_owned(),
            };
            if self.findings.dialect == Dialect::S3 && vendor == "s3" {
                let help = format!("S3 has no key `{name}`; {help}");
                self.error(condition.key, Problem::ConditionKey, help);
            } else if matches!(vendor.as_str(), "aws" | "s3" | "sts" | "iam" | "route53") {
                let message = format!("`{name}` is not a known condition key");
                self.warn(condition.key, "unknown-key", message, help);
            } else if !name.contains(':') {
                let message = format!("`{name}` has no service before a colon");
                self.warn(condition.key, "unknown-key", message, help);
            }
            return;
        };
        if vendor != "s3" || statement.action.negated {
            return;
        }
        let tree = self.tree;
        for at in &statement.action.values {
            let action = tree.text(*at);
            let mut entries = catalogue::all()
                .map(|(_, entry)| entry)
                .filter(|entry| pattern::matches_ignoring_case(action, entry.name))
                .peekable();
            if entries.peek().is_none() || entries.any(|entry| entry.has_key(key)) {
                continue;
            }
            let help = format!("requests for `{action}` never have `{name}`");
            if self.findings.dialect == Dialect::S3 {
                self.error(condition.key, Problem::ConditionMismatch, help);
            } else {
                let message = "the key does not belong to the action";
                self.warn(condition.key, "condition-mismatch", message, help);
            }
        }
    }

    fn operator(&mut self, statement: &StatementView, condition: &ConditionView) {
        let operator = condition.operator;
        let (name, key) = self.key_of(condition);
        let (name, kind) = (name.to_owned(), key.map(Key::kind));
        let is_list = kind == Some(KeyType::Strings);
        if operator.set == Set::Single && is_list && operator.test != Test::Null {
            self.warn(
                condition.key,
                "list-key",
                format!("`{name}` has a list of values, which a plain operator does not match"),
                format!("write ForAnyValue:{operator} or ForAllValues:{operator}"),
            );
        }
        if operator.set != Set::Single && kind.is_some() && !is_list {
            self.warn(
                condition.key,
                "single-key",
                format!("`{name}` has one value: a set operator does not belong to it"),
                "ForAllValues is true when the key is absent",
            );
        }
        let is_guarded = statement.conditions.iter().any(|other| {
            other.operator.test == Test::Null
                && self.tree.key(other.key).eq_ignore_ascii_case(&name)
        });
        if operator.set == Set::All && statement.effect == Effect::Allow && !is_guarded && is_list {
            self.warn(
                condition.key,
                "allow-when-absent",
                format!("ForAllValues is true when the request has no `{name}`"),
                format!("add \"Null\": {{\"{name}\": \"false\"}}"),
            );
        }
        if operator.if_exists && operator.negated && operator.set == Set::Single {
            self.note(
                condition.key,
                "negated-if-exists",
                format!("{operator} is true when the request has no `{name}`, as without IfExists"),
                format!("to exempt such requests add \"Null\": {{\"{name}\": \"false\"}}"),
            );
        }
        let fits = match (operator.test, kind) {
            (_, None) | (Test::Null, _) => true,
            (Test::IpAddress, Some(kind)) => kind == KeyType::Ip,
            (Test::Bool, Some(kind)) => kind == KeyType::Bool,
            (test, Some(kind)) if test.is_date() => kind == KeyType::Date,
            (test, Some(kind)) if test.is_numeric() => {
                matches!(kind, KeyType::Number | KeyType::Date)
            }
            (Test::ArnLike, Some(kind)) => {
                matches!(kind, KeyType::Arn | KeyType::String | KeyType::Strings)
            }
            (_, Some(kind)) => kind != KeyType::Ip,
        };
        if !fits {
            self.warn(
                condition.key,
                "type-mismatch",
                format!("{operator} does not fit `{name}`, which holds another type of value"),
                "",
            );
        }
        let both = ["true", "false"].iter().all(|word| {
            condition
                .values
                .iter()
                .any(|at| self.tree.text(*at).eq_ignore_ascii_case(word))
        });
        if matches!(operator.test, Test::Bool | Test::Null) && both {
            self.warn(
                condition.key,
                "both-booleans",
                "true and false: every value matches",
                "",
            );
        }
    }

    /// Keys that follow the network path of a request.
    fn network_keys(&mut self, statement: &StatementView, condition: &ConditionView) {
        let (name, key) = self.key_of(condition);
        if key != Some(keys::SOURCE_IP) {
            return;
        }
        let name = name.to_owned();
        let operator = condition.operator;
        let outcome = match (operator.negated || operator.if_exists, operator.test) {
            (_, Test::Null) => return,
            (true, _) => "always true",
            (false, _) => "never true",
        };
        if matches!(self.kind, PolicyKind::VpcEndpoint { .. }) {
            self.warn(
                condition.key,
                "absent-on-endpoint",
                format!(
                    "`{name}` is absent from requests through a VPC endpoint, so that {operator} is \
                     {outcome} here"
                ),
                "use aws:VpcSourceIp for the client's private address",
            );
            return;
        }
        let is_deny = statement.effect == Effect::Deny;
        let has_other_path = statement.conditions.iter().any(|other| {
            let (_, key) = self.key_of(other);
            matches!(
                key,
                Some(keys::SOURCE_VPC | keys::SOURCE_VPCE | keys::VIA_AWS_SERVICE)
            ) || key == Some(keys::SOURCE_IP) && other.operator.test == Test::Null
        });
        if is_deny && outcome == "always true" && !has_other_path {
            self.warn(
                condition.key,
                "denies-endpoints",
                format!(
                    "`{name}` is absent from requests through a VPC endpoint: this denies all of them"
                ),
                "add a condition such as StringNotEquals on aws:SourceVpce, or use aws:VpcSourceIp",
            );
        }
        let ranges = condition
            .values
            .iter()
            .filter_map(|at| Range::parse(self.tree.text(*at)));
        let mut ranges = ranges.peekable();
        if ranges.peek().is_some() && ranges.all(|range| range.is_private()) {
            self.warn(
                condition.key,
                "private-source-ip",
                format!("`{name}` is a public address: private ranges never match"),
                "use aws:VpcSourceIp, which requests through an endpoint have",
            );
        }
    }

    /// The same key twice under one operator, in different case.
    fn repeated_keys(&mut self, statement: &StatementView) {
        for (at, condition) in statement.conditions.iter().enumerate() {
            let name = self.tree.key(condition.key);
            let repeats = statement.conditions.iter().take(at).any(|earlier| {
                earlier.operator_node == condition.operator_node
                    && self.tree.key(earlier.key).eq_ignore_ascii_case(name)
            });
            if repeats {
                let message = format!("`{name}` occurs twice under {}", condition.operator);
                let help = "key names are case-insensitive; both conditions must hold";
                self.warn(condition.key, "repeated-key", message, help);
            }
        }
    }
}
