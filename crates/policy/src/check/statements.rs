//! Principals, actions and resources of a statement.

use super::{Checker, names};
use crate::catalogue::{self, Types};
use crate::document::{PrincipalForm, StatementView};
use crate::finding::Severity;
use crate::json::NodeId;
use crate::kind::PolicyKind;
use crate::messages::{Dialect, Problem};
use crate::pattern;
use crate::trace::Effect;

impl Checker<'_, '_> {
    pub(super) fn statement(&mut self, at: usize) {
        let document = self.document;
        let Some(statement) = document.statements.get(at) else {
            return;
        };
        self.principal(statement);
        let before = self.findings.list.len();
        for action in &statement.action.values {
            self.action(*action);
        }
        for resource in statement.resource.iter().flat_map(|list| &list.values) {
            self.resource(*resource);
        }
        self.empty_lists(statement);
        let more = self.findings.list.get(before..).unwrap_or_default();
        if !more
            .iter()
            .any(|finding| finding.severity == Severity::Error)
        {
            self.actions_and_resources(statement);
        }
    }

    fn principal(&mut self, statement: &StatementView) {
        let Some(principal) = &statement.principal else {
            return;
        };
        if principal.negated && statement.effect == Effect::Allow {
            self.warn(
                principal.node,
                "allow-not-principal",
                "Allow with NotPrincipal allows everybody else, anonymous callers included",
                "name the principals, or use a condition on aws:PrincipalArn",
            );
        }
        if principal.negated && statement.effect == Effect::Deny {
            self.note(
                principal.node,
                "deny-not-principal",
                "Deny with NotPrincipal must list a role's account, role and session to exempt it",
                "a condition such as ArnNotEquals on aws:PrincipalArn is easier to get right",
            );
        }
        let is_rcp = self.kind == PolicyKind::ResourceControl;
        let is_gateway = matches!(self.kind, PolicyKind::VpcEndpoint { gateway: true, .. });
        for (form, at) in &principal.entries {
            if is_rcp && *form != PrincipalForm::Everyone {
                self.error(
                    *at,
                    Problem::Principal,
                    "a resource control policy applies to everybody: `*`",
                );
            }
            if is_gateway && *form == PrincipalForm::Account {
                self.warn(
                    *at,
                    "gateway-account-principal",
                    "in a gateway endpoint's policy an account means its root user only",
                    "write \"Principal\": \"*\" with a condition on aws:PrincipalAccount",
                );
            }
            if is_gateway && *form == PrincipalForm::Arn {
                self.note(
                    *at,
                    "gateway-principal",
                    "a gateway endpoint's policy should narrow callers by aws:PrincipalArn",
                    "write \"Principal\": \"*\" with ArnEquals on aws:PrincipalArn",
                );
            }
        }
    }

    fn action(&mut self, at: NodeId) {
        let tree = self.tree;
        let text = tree.text(at);
        let Some((service, _)) = text.split_once(':') else {
            if self.kind == PolicyKind::Trust {
                self.error(at, Problem::StsOnly, "name the actions: sts:AssumeRole");
            }
            return;
        };
        if pattern::has_wildcard(service) {
            if self.findings.dialect == Dialect::Iam {
                self.error(at, Problem::Vendor(service), "a service has no wildcard");
            } else {
                self.warn(
                    at,
                    "wildcard-service",
                    format!("`{service}` names no service"),
                    "",
                );
            }
            return;
        }
        if self.kind == PolicyKind::Trust && !service.eq_ignore_ascii_case("sts") {
            let help = format!("`{text}` is no action on a role's trust");
            self.error(at, Problem::StsOnly, help);
            return;
        }
        let is_s3_policy = self.findings.dialect == Dialect::S3;
        if is_s3_policy && !service.eq_ignore_ascii_case("s3") {
            self.error(
                at,
                Problem::Action,
                format!("`{text}` is not an action of S3"),
            );
            return;
        }
        if !names::is_service(service) {
            let help = suggestion(names::nearest_service(service));
            self.warn(
                at,
                "unknown-service",
                format!("`{service}` is not a known service"),
                help,
            );
            return;
        }
        if names::some_action_matches(text) == Some(false) {
            let help = suggestion(names::nearest_action(text));
            if is_s3_policy {
                self.error(
                    at,
                    Problem::Action,
                    format!("there is no action `{text}`; {help}"),
                );
            } else {
                self.warn(
                    at,
                    "unknown-action",
                    format!("there is no action `{text}`"),
                    help,
                );
            }
        }
    }

    fn resource(&mut self, at: NodeId) {
        let tree = self.tree;
        let text = tree.text(at);
        if text == "*" {
            return;
        }
        let mut parts = text.splitn(6, ':');
        let (service, head_end) = (
            parts.nth(2).unwrap_or_default(),
            crate::compile::fifth_colon(text),
        );
        let (head, relative) = text.split_at(head_end.map_or(text.len(), |colon| colon + 1));
        if pattern::has_wildcard(service) {
            self.warn(
                at,
                "wildcard-service",
                format!("the service of `{text}` is a pattern"),
                "name the service",
            );
        }
        if head.contains("${") {
            self.warn(
                at,
                "misplaced-variable",
                "a variable before the fifth colon of an ARN is literal text",
                "use `*` there, and a condition",
            );
        }
        if relative.contains("-s3alias") {
            self.warn(
                at,
                "alias-in-policy",
                "an access point alias names nothing in a policy",
                "name the access point: arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME",
            );
        }
        match self.kind {
            PolicyKind::Bucket => self.resource_of_bucket(at, text),
            PolicyKind::AccessPoint => self.resource_of_access_point(at, text),
            _ => {}
        }
    }

    fn resource_of_bucket(&mut self, at: NodeId, text: &str) {
        let head = crate::facts::head_of(text);
        let is_s3 = text.split(':').nth(2) == Some("s3");
        let names_it = match self.options.bucket {
            None => is_s3 && head.contains(":::"),
            Some(bucket) => {
                let arn = format!("arn:aws:s3:::{bucket}");
                is_s3 && (pattern::matches_text(head, &arn) || pattern::matches_text(text, &arn))
            }
        };
        if !names_it {
            let bucket = self
                .options
                .bucket
                .map_or_else(|| "this bucket".to_owned(), |b| format!("the bucket `{b}`"));
            let help = format!("`{text}` is neither {bucket} nor in it");
            self.error(at, Problem::Resource(text), help);
        }
    }

    fn resource_of_access_point(&mut self, at: NodeId, text: &str) {
        let (point, rest) = match text.split_once("/object/") {
            Some((point, _)) => (point, true),
            None => (text, false),
        };
        let names_it = match self.options.access_point {
            None => text.contains(":accesspoint/"),
            Some(arn) => pattern::matches_text(point, arn),
        };
        if !names_it {
            let help = format!("`{text}` is not the access point, nor `…/object/KEY` of it");
            self.error(at, Problem::Resource(text), help);
        } else if !rest && text.matches('/').count() > 1 {
            self.warn(
                at,
                "access-point-object",
                "an object of an access point is named `…/object/KEY`",
                "insert `/object`",
            );
        }
    }

    fn empty_lists(&mut self, statement: &StatementView) {
        let resource = statement
            .resource
            .iter()
            .map(|list| (list.node, list.values.is_empty()));
        let action = (statement.action.node, statement.action.values.is_empty());
        for (node, is_empty) in std::iter::once(action).chain(resource) {
            if is_empty {
                let help = "an empty list matches nothing: the statement has no effect";
                if self.findings.dialect == Dialect::Iam {
                    self.error(node, Problem::Syntax, help);
                } else {
                    self.warn(node, "empty-list", "the list is empty", help);
                }
            }
        }
    }

    /// Whether each action has a resource in the statement that it applies to.
    fn actions_and_resources(&mut self, statement: &StatementView) {
        let Some(resource) = statement.resource.as_ref().filter(|list| !list.negated) else {
            return;
        };
        if statement.action.negated || resource.values.is_empty() {
            return;
        }
        let tree = self.tree;
        let types = resource
            .values
            .iter()
            .fold(0, |types, at| types | types_of(tree.text(*at)).0);
        for at in &statement.action.values {
            let action = tree.text(*at);
            let wanted = wanted_types(action);
            let Some(wanted) = wanted.filter(|wanted| !wanted.intersects(Types(types))) else {
                continue;
            };
            let help = if wanted.intersects(Types::OBJECT) {
                format!(
                    "`{action}` is about objects: add a resource such as `arn:aws:s3:::BUCKET/*`"
                )
            } else if wanted.intersects(Types::BUCKET) {
                format!("`{action}` is about buckets: add a resource such as `arn:aws:s3:::BUCKET`")
            } else if wanted == ACCOUNT {
                format!("`{action}` has no resource: it needs `*`")
            } else {
                format!("`{action}` is about neither buckets nor objects")
            };
            if self.findings.dialect == Dialect::S3 {
                self.error(*at, Problem::ResourceMismatch, help);
            } else {
                self.warn(
                    *at,
                    "action-resource-mismatch",
                    "the action applies to none of the statement's resources",
                    help,
                );
            }
        }
    }
}

/// Stands for "no resource", which only `*` covers.
const ACCOUNT: Types = Types(128);

/// Resource types that a pattern can name.
fn types_of(text: &str) -> Types {
    if text == "*" {
        return Types(u8::MAX);
    }
    let service = text.split(':').nth(2).unwrap_or_default();
    if service != "s3" {
        let may_be = pattern::matches_text(service, "s3");
        return if may_be { Types(u8::MAX) } else { Types::NONE };
    }
    let relative = text.splitn(6, ':').nth(5).unwrap_or_default();
    let kind = relative.split('/').next().unwrap_or_default();
    let has_region = !text.split(':').nth(3).unwrap_or_default().is_empty();
    if !has_region {
        // Also the examples that grant s3:ListAllMyBuckets on every bucket.
        let account = if relative == "*" { ACCOUNT.0 } else { 0 };
        return match relative.find(['/', '*', '?']) {
            Some(at) if relative.as_bytes().get(at) == Some(&b'/') => {
                Types(Types::OBJECT.0 | account)
            }
            Some(_) => Types(Types::BUCKET.0 | Types::OBJECT.0 | account),
            None => Types::BUCKET,
        };
    }
    match kind {
        "accesspoint" if relative.contains("/object/") => Types::ACCESS_POINT_OBJECT,
        "accesspoint" if pattern::has_wildcard(relative) => {
            Types(Types::ACCESS_POINT.0 | Types::ACCESS_POINT_OBJECT.0)
        }
        "accesspoint" => Types::ACCESS_POINT,
        "job" => Types::JOB,
        _ if pattern::has_wildcard(kind) => Types(u8::MAX),
        _ => Types::OTHER,
    }
}

/// Resource types that the catalogued actions of a pattern apply to; `None` if it has others too, or
/// none.
fn wanted_types(action: &str) -> Option<Types> {
    let service = action.split(':').next()?;
    if !service.eq_ignore_ascii_case("s3") {
        return None;
    }
    let entries = catalogue::all().filter(|(_, e)| pattern::matches_ignoring_case(action, e.name));
    let types = entries.map(|(_, e)| {
        if e.types == Types::NONE {
            ACCOUNT.0
        } else {
            e.types.0
        }
    });
    types.reduce(|all, types| all | types).map(Types)
}

fn suggestion(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_types() {
        for (text, types) in [
            ("arn:aws:s3:::b", Types::BUCKET.0),
            ("arn:aws:s3:::b/*", Types::OBJECT.0),
            ("arn:aws:s3:::b*", Types::BUCKET.0 | Types::OBJECT.0),
            (
                "arn:aws:s3:us-east-1:111122223333:accesspoint/a",
                Types::ACCESS_POINT.0,
            ),
            (
                "arn:aws:s3:us-east-1:111122223333:accesspoint/a/object/*",
                Types::ACCESS_POINT_OBJECT.0,
            ),
            ("arn:aws:s3:us-east-1:111122223333:job/1", Types::JOB.0),
            ("arn:aws:sns:us-east-1:111122223333:t", 0),
        ] {
            assert_eq!(types_of(text), Types(types), "{text}");
        }
        assert!(
            wanted_types("s3:GetObject")
                .unwrap()
                .intersects(Types::OBJECT)
        );
        assert!(
            !wanted_types("s3:ListBucket")
                .unwrap()
                .intersects(Types::OBJECT)
        );
        assert_eq!(wanted_types("s3:ListAllMyBuckets"), Some(ACCOUNT));
        assert_eq!(wanted_types("ec2:*"), None);
    }
}
