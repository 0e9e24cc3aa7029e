//! From JSON to the elements of the policy language, with every violation of its grammar.

use crate::finding::{Finding, Severity};
use crate::json::{self, Kind, NodeId, Span, Tree};
use crate::kind::PolicyKind;
use crate::messages::{Dialect, Problem};
use crate::operator::Operator;
use crate::principal::is_account;
use crate::spelling;
use crate::trace::Effect;

/// A policy whose elements have been found; values are still nodes of the tree.
#[derive(Debug)]
pub(crate) struct Document {
    /// Whether variables are replaced: `Version` is 2012-10-17.
    pub(crate) variables: bool,
    pub(crate) version: Option<NodeId>,
    pub(crate) statements: Vec<StatementView>,
}

/// One statement.
#[derive(Debug)]
pub(crate) struct StatementView {
    pub(crate) node: NodeId,
    pub(crate) sid: Option<NodeId>,
    pub(crate) effect: Effect,
    pub(crate) principal: Option<PrincipalView>,
    pub(crate) action: ListView,
    pub(crate) resource: Option<ListView>,
    pub(crate) conditions: Vec<ConditionView>,
}

/// `Action`, `NotAction`, `Resource` or `NotResource`.
#[derive(Debug)]
pub(crate) struct ListView {
    pub(crate) node: NodeId,
    pub(crate) negated: bool,
    pub(crate) values: Vec<NodeId>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug)]
pub(crate) struct PrincipalView {
    pub(crate) node: NodeId,
    pub(crate) negated: bool,
    pub(crate) entries: Vec<(PrincipalForm, NodeId)>,
}

/// What an entry of `Principal` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalForm {
    /// `"*"` or `{"AWS": "*"}`
    Everyone,
    /// An account id or its `:root` ARN.
    Account,
    /// A user, role, role session or federated user ARN.
    Arn,
    /// A unique id, which a deleted principal leaves behind.
    UniqueId,
    Canonical,
    Service,
    Federated,
}

/// One operator and key with their values.
#[derive(Debug)]
pub(crate) struct ConditionView {
    pub(crate) operator: Operator,
    pub(crate) operator_node: NodeId,
    pub(crate) key: NodeId,
    pub(crate) values: Vec<NodeId>,
}

/// Most findings that are reported for one document.
pub(crate) const MAX_FINDINGS: usize = 100;

/// Collects findings with their places.
pub(crate) struct Findings<'t> {
    pub(crate) text: &'t str,
    pub(crate) dialect: Dialect,
    pub(crate) list: Vec<Finding>,
}

impl<'t> Findings<'t> {
    pub(crate) fn new(text: &'t str, kind: PolicyKind) -> Self {
        Findings {
            text,
            dialect: Dialect::of(kind),
            list: Vec::new(),
        }
    }

    /// A violation at a value.
    pub(crate) fn error(
        &mut self,
        tree: &Tree<'_>,
        at: NodeId,
        problem: Problem<'_>,
        help: String,
    ) {
        self.error_at(tree.start(at), tree.path(at), problem, help);
    }

    /// Whether no more findings are kept: each costs a look at the whole text.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MAX_FINDINGS
    }

    pub(crate) fn error_at(
        &mut self,
        offset: usize,
        path: String,
        problem: Problem<'_>,
        help: String,
    ) {
        if self.is_full() {
            return;
        }
        let (line, column) = json::position(self.text, offset);
        self.list.push(Finding {
            severity: Severity::Error,
            code: problem.code(),
            path,
            line,
            column,
            // IAM has one text for many faults: what is at fault is said in any case.
            help: match help.is_empty() && matches!(self.dialect, Dialect::Iam) {
                true => problem.text(Dialect::S3, (line, column)),
                false => help,
            },
            message: problem.text(self.dialect, (line, column)),
        });
    }
}

/// Reads the elements. `None` if there is no telling what the document says; the findings then hold
/// at least one error.
pub(crate) fn read(
    tree: &Tree<'_>,
    kind: PolicyKind,
    findings: &mut Findings<'_>,
) -> Option<Document> {
    let before = findings.list.len();
    let mut reader = Reader {
        tree,
        kind,
        findings,
    };
    let document = reader.document();
    if findings.list.len() > before {
        None
    } else {
        document
    }
}

struct Reader<'r, 't, 'f> {
    tree: &'r Tree<'t>,
    kind: PolicyKind,
    findings: &'r mut Findings<'f>,
}

impl Reader<'_, '_, '_> {
    fn error(&mut self, at: NodeId, problem: Problem<'_>, help: impl Into<String>) {
        self.findings.error(self.tree, at, problem, help.into());
    }

    /// An error at a key rather than at its value.
    fn error_at_key(&mut self, at: NodeId, problem: Problem<'_>, help: impl Into<String>) {
        let (offset, path) = (self.tree.key_start(at), self.tree.path(at));
        self.findings.error_at(offset, path, problem, help.into());
    }

    fn expected(&mut self, at: NodeId, what: &str) {
        let found = self.tree.kind(at).noun();
        self.error(
            at,
            Problem::Syntax,
            format!("expected {what}, found {found}"),
        );
    }

    fn document(&mut self) -> Option<Document> {
        let tree = self.tree;
        let root = tree.root();
        if tree.kind(root) != Kind::Object {
            if self.findings.dialect == Dialect::S3 {
                self.error(root, Problem::FirstByte, "");
            } else {
                self.expected(root, "an object");
            }
            return None;
        }
        for id in tree.duplicates.clone() {
            let help = format!("the key `{}` occurs twice in one object", tree.key(id));
            self.error_at_key(id, Problem::Json, help);
        }
        let mut variables = false;
        let mut statement = None;
        for member in tree.children(root) {
            match tree.key(member) {
                "Version" => variables = self.version(member),
                "Id" => self.string(member),
                "Statement" => statement = Some(member),
                name => {
                    let help = format!(
                        "`{name}` is not an element of {}; known are Version, Id and Statement, in \
                         exactly this case",
                        self.kind.noun()
                    );
                    self.error_at_key(member, Problem::UnknownElement(name), help);
                }
            }
        }
        let Some(statement) = statement else {
            self.error(root, Problem::MissingStatement, "");
            return None;
        };
        let nodes: Vec<NodeId> = match tree.kind(statement) {
            Kind::Object => vec![statement],
            Kind::Array => tree.children(statement).collect(),
            _ => {
                self.expected(statement, "an object or an array");
                return None;
            }
        };
        if nodes.is_empty() {
            self.error(statement, Problem::EmptyStatement, "");
        }
        let mut statements = Vec::with_capacity(nodes.len());
        for node in nodes {
            statements.extend(self.statement(node));
        }
        Some(Document {
            variables,
            version: tree.member(root, "Version"),
            statements,
        })
    }

    fn string(&mut self, at: NodeId) {
        if self.tree.kind(at) != Kind::String {
            self.expected(at, "a string");
        }
    }

    fn version(&mut self, at: NodeId) -> bool {
        match (self.tree.kind(at), self.tree.text(at)) {
            (Kind::String, "2012-10-17") => true,
            (Kind::String, "2008-10-17") => false,
            _ => {
                let help = "it is the version of the language: `2012-10-17` or `2008-10-17`";
                self.error(at, Problem::Version, help);
                false
            }
        }
    }

    fn statement(&mut self, node: NodeId) -> Option<StatementView> {
        let tree = self.tree;
        if tree.kind(node) != Kind::Object {
            self.expected(node, "an object");
            return None;
        }
        let (mut sid, mut effect, mut condition) = (None, None, None);
        let mut pairs: [[Option<NodeId>; 2]; 3] = Default::default();
        for member in tree.children(node) {
            let slot = match tree.key(member) {
                "Sid" => &mut sid,
                "Effect" => &mut effect,
                "Condition" => &mut condition,
                "Principal" => &mut pairs[0][0],
                "NotPrincipal" => &mut pairs[0][1],
                "Action" => &mut pairs[1][0],
                "NotAction" => &mut pairs[1][1],
                "Resource" => &mut pairs[2][0],
                "NotResource" => &mut pairs[2][1],
                name => {
                    let help = format!(
                        "`{name}` is not an element of a statement; names are case-sensitive"
                    );
                    self.error_at_key(member, Problem::UnknownElement(name), help);
                    continue;
                }
            };
            *slot = Some(member);
        }
        if let Some(sid) = sid {
            self.string(sid);
        }
        let effect = self.effect(node, effect);
        let principal = self.principal(node, pairs[0]);
        let action = self.one_of(node, pairs[1], ["Action", "NotAction"]);
        let action = action.map(|(at, negated)| self.list(at, negated, Self::action));
        let resource = if self.kind.has_resource() {
            let pair = self.one_of(node, pairs[2], ["Resource", "NotResource"]);
            pair.map(|(at, negated)| self.list(at, negated, Self::resource))
        } else {
            for at in pairs[2].into_iter().flatten() {
                let help = "the resource of a trust policy is the role itself";
                self.error_at_key(at, Problem::ProhibitedResource, help);
            }
            None
        };
        let conditions = condition.map(|at| self.conditions(at)).unwrap_or_default();
        Some(StatementView {
            node,
            sid,
            effect: effect?,
            principal,
            action: action?,
            resource,
            conditions,
        })
    }

    fn effect(&mut self, statement: NodeId, effect: Option<NodeId>) -> Option<Effect> {
        let Some(at) = effect else {
            self.error(statement, Problem::Missing("Effect"), "there is no default");
            return None;
        };
        match (self.tree.kind(at), self.tree.text(at)) {
            (Kind::String, "Allow") => Some(Effect::Allow),
            (Kind::String, "Deny") => Some(Effect::Deny),
            (_, other) => {
                let help = "the effect is `Allow` or `Deny`, in exactly this case";
                self.error(at, Problem::Effect(other), help);
                None
            }
        }
    }

    /// The one that is there of an element and its negation.
    fn one_of(
        &mut self,
        statement: NodeId,
        pair: [Option<NodeId>; 2],
        names: [&'static str; 2],
    ) -> Option<(NodeId, bool)> {
        let [name, negation] = names;
        match pair {
            [Some(at), None] => Some((at, false)),
            [None, Some(at)] => Some((at, true)),
            [Some(_), Some(at)] => {
                let help = format!("a statement has {name} or {negation}, not both");
                self.error_at_key(at, Problem::Syntax, help);
                None
            }
            [None, None] => {
                let help = format!("a statement needs {name} or {negation}");
                self.error(statement, Problem::Missing(name), help);
                None
            }
        }
    }

    /// A string or an array of strings, each looked at.
    fn list(&mut self, node: NodeId, negated: bool, check: fn(&mut Self, NodeId)) -> ListView {
        let values: Vec<NodeId> = match self.tree.kind(node) {
            Kind::String => vec![node],
            Kind::Array => self.tree.children(node).collect(),
            _ => {
                self.expected(node, "a string or an array of strings");
                Vec::new()
            }
        };
        if negated && values.is_empty() {
            // It would match everything.
            self.error(node, Problem::Syntax, "an empty list of exceptions");
        }
        for value in &values {
            if self.tree.kind(*value) == Kind::String {
                check(self, *value);
            } else {
                self.expected(*value, "a string");
            }
        }
        ListView {
            node,
            negated,
            values,
        }
    }

    fn action(&mut self, at: NodeId) {
        let text = self.tree.text(at);
        let form = text.split_once(':');
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_*?".contains(&b))
        };
        if text == "*" || form.is_some_and(|(vendor, name)| is_name(vendor) && is_name(name)) {
            return;
        }
        let help = format!("`{text}` is not of the form service:Name");
        self.error(at, Problem::ActionFormat, help);
    }

    fn resource(&mut self, at: NodeId) {
        let text = self.tree.text(at);
        if text == "*" || text.starts_with("arn:") && text.matches(':').count() >= 5 {
            return;
        }
        let help = format!("`{text}` is neither `*` nor an ARN with six parts");
        self.error(at, Problem::Resource(text), help);
    }

    fn principal(&mut self, statement: NodeId, pair: [Option<NodeId>; 2]) -> Option<PrincipalView> {
        if !self.kind.has_principal() {
            for at in pair.into_iter().flatten() {
                let help = "the principal is whom the policy is attached to";
                self.error_at_key(at, Problem::ProhibitedPrincipal, help);
            }
            return None;
        }
        let (node, negated) = self.one_of(statement, pair, ["Principal", "NotPrincipal"])?;
        let mut entries = Vec::new();
        match (self.tree.kind(node), self.tree.text(node)) {
            (Kind::String, "*") => entries.push((PrincipalForm::Everyone, node)),
            (Kind::Object, _) => {
                for member in self.tree.children(node) {
                    self.principals_of_type(member, &mut entries);
                }
                if entries.is_empty() {
                    self.error(node, Problem::Principal, "it names nobody");
                }
            }
            _ => {
                let help = "expected `\"*\"` or an object such as {\"AWS\": \"111122223333\"}";
                self.error(node, Problem::Principal, help);
            }
        }
        Some(PrincipalView {
            node,
            negated,
            entries,
        })
    }

    fn principals_of_type(&mut self, member: NodeId, entries: &mut Vec<(PrincipalForm, NodeId)>) {
        let tree = self.tree;
        let type_name = tree.key(member);
        if !["AWS", "Service", "Federated", "CanonicalUser"].contains(&type_name) {
            let help = format!(
                "`{type_name}` is not a type of principal; known are AWS, Service, Federated and \
                 CanonicalUser"
            );
            self.error_at_key(member, Problem::Principal, help);
            return;
        }
        let values: Vec<NodeId> = match tree.kind(member) {
            Kind::Array => tree.children(member).collect(),
            _ => vec![member],
        };
        for at in values {
            let form = (tree.kind(at) == Kind::String)
                .then(|| principal_form(type_name, tree.text(at)))
                .flatten();
            match form {
                Some(form) => entries.push((form, at)),
                None => {
                    let help = format!(
                        "`{}` names no {type_name} principal; wildcards and groups cannot be named",
                        tree.text(at)
                    );
                    self.error(at, Problem::Principal, help);
                }
            }
        }
    }

    fn conditions(&mut self, node: NodeId) -> Vec<ConditionView> {
        let tree = self.tree;
        let mut conditions = Vec::new();
        if tree.kind(node) != Kind::Object {
            self.expected(node, "an object");
            return conditions;
        }
        for operator_node in tree.children(node) {
            let name = tree.key(operator_node);
            let operator = Operator::parse(name);
            if operator.is_none() {
                let near = spelling::nearest(name, Operator::names());
                let hint =
                    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let help = format!("`{name}` is not a condition operator{hint}");
                self.error_at_key(operator_node, Problem::ConditionType(name), help);
            }
            if tree.kind(operator_node) != Kind::Object {
                self.expected(operator_node, "an object of keys and values");
                continue;
            }
            for key in tree.children(operator_node) {
                if tree.key(key).is_empty() {
                    self.error_at_key(key, Problem::ConditionKey, "the key's name is empty");
                }
                let values = self.condition_values(key);
                if let Some(operator) = operator {
                    conditions.push(ConditionView {
                        operator,
                        operator_node,
                        key,
                        values,
                    });
                }
            }
        }
        conditions
    }

    fn condition_values(&mut self, key: NodeId) -> Vec<NodeId> {
        let values: Vec<NodeId> = match self.tree.kind(key) {
            Kind::Array => self.tree.children(key).collect(),
            _ => vec![key],
        };
        for at in &values {
            if !matches!(
                self.tree.kind(*at),
                Kind::String | Kind::Number | Kind::Bool
            ) {
                self.expected(*at, "a string, a number or a boolean");
            }
        }
        values
    }
}

/// What an entry under the given type names; `None` if nothing that can be.
fn principal_form(type_name: &str, text: &str) -> Option<PrincipalForm> {
    match type_name {
        "CanonicalUser" => is_canonical(text).then_some(PrincipalForm::Canonical),
        "Service" => (text.contains('.') || text == "*").then_some(PrincipalForm::Service),
        "Federated" => (!text.is_empty()).then_some(PrincipalForm::Federated),
        _ if text == "*" => Some(PrincipalForm::Everyone),
        _ if is_account(text) => Some(PrincipalForm::Account),
        _ if is_canonical(text) => Some(PrincipalForm::Canonical),
        _ if is_unique_id(text) => Some(PrincipalForm::UniqueId),
        _ => arn_form(text),
    }
}

fn arn_form(text: &str) -> Option<PrincipalForm> {
    let mut parts = text.splitn(6, ':');
    if parts.next() != Some("arn") || text.contains(['*', '?']) {
        return None;
    }
    let (_partition, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let (account, name) = (parts.next()?, parts.next()?);
    let is_origin_access_identity = account == "cloudfront";
    if !region.is_empty() || !(is_account(account) || is_origin_access_identity) {
        return None;
    }
    let (form, rest) = name.split_once('/').unwrap_or((name, ""));
    match (service, form) {
        ("iam", "root") if name == "root" => Some(PrincipalForm::Account),
        ("iam", "user" | "role") if !rest.is_empty() => Some(PrincipalForm::Arn),
        ("sts", "assumed-role") if rest.contains('/') => Some(PrincipalForm::Arn),
        ("sts", "federated-user") if !rest.is_empty() => Some(PrincipalForm::Arn),
        _ => None,
    }
}

fn is_canonical(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_unique_id(text: &str) -> bool {
    let known = text.starts_with("AIDA") || text.starts_with("AROA");
    known
        && text.len() >= 16
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// The account id of a principal entry of form [`PrincipalForm::Account`].
pub(crate) fn account_of(text: &str, span: Span) -> Span {
    match text.split(':').nth(4) {
        None => span,
        Some(account) => {
            let before: usize = text.split(':').take(4).map(|part| part.len() + 1).sum();
            let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            Span {
                start: span.start + number(before),
                len: number(account.len()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principals_have_a_form() {
        use PrincipalForm::*;
        for (type_name, text, form) in [
            ("AWS", "*", Some(Everyone)),
            ("AWS", "111122223333", Some(Account)),
            ("AWS", "arn:aws:iam::111122223333:root", Some(Account)),
            ("AWS", "arn:aws:iam::111122223333:user/a/b", Some(Arn)),
            ("AWS", "arn:aws:iam::111122223333:user/*", None),
            ("AWS", "arn:aws:iam::111122223333:group/g", None),
            (
                "AWS",
                "arn:aws:sts::111122223333:assumed-role/r/s",
                Some(Arn),
            ),
            ("AWS", "arn:aws:sts::111122223333:assumed-role/r", None),
            (
                "AWS",
                "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1",
                Some(Arn),
            ),
            ("AWS", "AROAABCDEFGHIJKLMNOPQ", Some(UniqueId)),
            ("AWS", "bob", None),
            ("Service", "vpce.amazonaws.com", Some(Service)),
            ("Service", "vpce", None),
            ("Federated", "accounts.google.com", Some(Federated)),
            ("CanonicalUser", "ab", None),
        ] {
            assert_eq!(principal_form(type_name, text), form, "{text}");
        }
        assert_eq!(
            principal_form("CanonicalUser", &"0af9".repeat(16)),
            Some(Canonical)
        );
    }

    #[test]
    fn accounts_are_cut_out_of_root_arns() {
        let text = "x arn:aws:iam::111122223333:root";
        let span = Span { start: 2, len: 30 };
        assert_eq!(account_of(span.of(text), span).of(text), "111122223333");
    }
}
