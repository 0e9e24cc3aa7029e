//! Whether a statement applies to a request.
//!
//! One set of functions serves both the quick answer and the trace: the quick one stops at the first
//! element that fails, the trace says which that was.

use smallvec::SmallVec;

use crate::compiled::{
    Compiled, Condition, Flags, NO_TOKENS, PrincipalEntry, Shape, Statement, Text, Token,
};
use crate::context::Value;
use crate::document::PrincipalForm;
use crate::facts::{Facts, Scalar};
use crate::kind::PolicyKind;
use crate::operator::{Set, Test};
use crate::pattern::{self, ANY, STAR};
use crate::principal::{Principal, PrincipalKind};
use crate::scalar;
use crate::trace::{Effect, Element, Mismatch};

/// How strongly a statement's principal names the caller. The order matters: of several matching
/// statements the strongest counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    /// Not at all.
    #[default]
    None,
    /// The caller's account: an Allow only delegates to it.
    Account,
    /// The role: an Allow grants, but boundary and session policies still limit it.
    Role,
    /// The caller, or everyone: an Allow grants.
    Caller,
}

/// Whether text could be compared at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Yes,
    No,
    /// It holds a variable that has no value.
    Unresolved,
}

/// A place for replaced patterns; longer ones spill to the heap.
type Scratch = SmallVec<[u8; 1024]>;

impl Compiled {
    /// `None` if the statement does not apply.
    #[inline]
    pub(crate) fn applies(
        &self,
        at: &Statement,
        kind: PolicyKind,
        facts: &Facts<'_>,
    ) -> Option<Grant> {
        if !self.action_applies(at, facts) {
            return None;
        }
        let grant = self.principal_applies(at, kind, facts)?;
        if !self.resource_applies(at, facts) {
            return None;
        }
        let conditions = self.conditions_of(at);
        (conditions.is_empty() || self.conditions_apply(conditions, facts)).then_some(grant)
    }

    /// The first element, in the order in which people read a statement, that does not match.
    pub(crate) fn mismatch(
        &self,
        at: &Statement,
        kind: PolicyKind,
        facts: &Facts<'_>,
    ) -> Result<Grant, Mismatch> {
        let flags = at.flags;
        let fail = |element, expected: Vec<String>, actual: &str| Mismatch {
            element,
            operator: None,
            key: None,
            expected,
            actual: Some(vec![actual.to_owned()]),
        };
        let texts = |spans: &[crate::json::Span]| -> Vec<String> {
            spans
                .iter()
                .map(|span| self.get(*span).to_owned())
                .collect()
        };
        let principal = facts.request.principal;
        let Some(grant) = self.principal_applies(at, kind, facts) else {
            let negated = flags.has(Flags::NOT_PRINCIPAL);
            let element = if negated {
                Element::NotPrincipal
            } else {
                Element::Principal
            };
            let spans: Vec<_> = self
                .principals_of(at)
                .iter()
                .map(|entry| entry.text)
                .collect();
            let name = match principal.kind() {
                PrincipalKind::Anonymous => "anonymous",
                _ => principal.arn(),
            };
            return Err(fail(element, texts(&spans), name));
        };
        if !self.action_applies(at, facts) {
            let negated = flags.has(Flags::NOT_ACTION);
            let element = if negated {
                Element::NotAction
            } else {
                Element::Action
            };
            return Err(fail(
                element,
                texts(self.actions_of(at)),
                facts.request.action.name(),
            ));
        }
        if !self.resource_applies(at, facts) {
            let negated = flags.has(Flags::NOT_RESOURCE);
            let element = if negated {
                Element::NotResource
            } else {
                Element::Resource
            };
            let spans: Vec<_> = self.resources_of(at).iter().map(|text| text.span).collect();
            return Err(fail(element, texts(&spans), facts.resource));
        }
        for condition in self.conditions_of(at) {
            if !self.condition_holds(condition, facts) {
                let values: Vec<_> = self.values_of(condition).iter().map(|v| v.span).collect();
                let actual = facts.values(condition.key, self.name_of(condition));
                return Err(Mismatch {
                    element: Element::Condition,
                    operator: Some(condition.operator.to_string()),
                    key: Some(self.get(condition.written).to_owned()),
                    expected: texts(&values),
                    actual: actual.map(|values| values.to_strings()),
                });
            }
        }
        Ok(grant)
    }

    /// The keys of a statement's conditions that the request does not have.
    pub(crate) fn absent_keys(&self, at: &Statement, facts: &Facts<'_>) -> Vec<String> {
        let absent = self.conditions_of(at).iter().filter(|condition| {
            facts
                .values(condition.key, self.name_of(condition))
                .is_none()
        });
        absent
            .map(|condition| self.get(condition.written).to_owned())
            .collect()
    }

    #[inline]
    fn action_applies(&self, at: &Statement, facts: &Facts<'_>) -> bool {
        match facts.request.action.id() {
            Some(id) => at.action_set.has(id),
            None => self.other_action_applies(at, facts.request.action.name()),
        }
    }

    /// For actions outside the catalogue.
    #[inline(never)]
    fn other_action_applies(&self, at: &Statement, action: &str) -> bool {
        let named = self
            .actions_of(at)
            .iter()
            .any(|span| pattern::matches_ignoring_case(self.get(*span), action));
        named != at.flags.has(Flags::NOT_ACTION)
    }

    #[inline]
    fn principal_applies(
        &self,
        at: &Statement,
        kind: PolicyKind,
        facts: &Facts<'_>,
    ) -> Option<Grant> {
        if at.flags.has(Flags::NO_PRINCIPAL) {
            return Some(Grant::Caller);
        }
        if at.flags.has(Flags::EVERYONE) {
            return (!at.flags.has(Flags::NOT_PRINCIPAL)).then_some(Grant::Caller);
        }
        self.listed_principal_applies(at, kind, facts.request.principal)
    }

    fn listed_principal_applies(
        &self,
        at: &Statement,
        kind: PolicyKind,
        principal: &Principal<'_>,
    ) -> Option<Grant> {
        let mut strongest = Grant::None;
        for entry in self.principals_of(at) {
            strongest = strongest.max(self.names(entry, kind, principal));
        }
        if at.flags.has(Flags::NOT_PRINCIPAL) {
            return (strongest == Grant::None).then_some(Grant::Caller);
        }
        (strongest != Grant::None).then_some(strongest)
    }

    /// How strongly an entry of `Principal` names a caller.
    fn names(&self, entry: &PrincipalEntry, kind: PolicyKind, principal: &Principal<'_>) -> Grant {
        let is =
            |hash: u32, text: &str| entry.hash == hash && self.bytes(entry.text) == text.as_bytes();
        let grant = |found: bool, grant: Grant| if found { grant } else { Grant::None };
        match entry.form {
            PrincipalForm::Everyone => Grant::Caller,
            PrincipalForm::Account => {
                // In a gateway endpoint's policy an account stands for its root user alone.
                let only_root = matches!(kind, PolicyKind::VpcEndpoint { gateway: true, .. });
                let may = !only_root || principal.kind == PrincipalKind::Root;
                grant(
                    may && is(principal.hashes.account, &principal.account),
                    Grant::Account,
                )
            }
            PrincipalForm::Arn => {
                if let Some(role) = &principal.role_arn
                    && is(principal.hashes.role, role)
                {
                    return Grant::Role;
                }
                let has_arn = !matches!(
                    principal.kind,
                    PrincipalKind::Anonymous | PrincipalKind::Service | PrincipalKind::WebIdentity
                );
                grant(
                    has_arn && is(principal.hashes.arn, &principal.arn),
                    Grant::Caller,
                )
            }
            PrincipalForm::UniqueId => {
                let id = self.get(entry.text);
                let user_id = principal.user_id.as_deref().unwrap_or_default();
                let rest = user_id.strip_prefix(id);
                match rest {
                    Some("") => Grant::Caller,
                    Some(rest) => grant(rest.starts_with(':'), Grant::Role),
                    None => Grant::None,
                }
            }
            PrincipalForm::Canonical => {
                let same = principal.canonical_id.as_deref() == Some(self.get(entry.text));
                grant(same, Grant::Account)
            }
            PrincipalForm::Service | PrincipalForm::Federated => {
                let wanted = match entry.form {
                    PrincipalForm::Service => PrincipalKind::Service,
                    _ => PrincipalKind::WebIdentity,
                };
                let text = self.get(entry.text);
                let named = text == "*" || text == principal.arn;
                grant(principal.kind == wanted && named, Grant::Caller)
            }
        }
    }

    fn resource_applies(&self, at: &Statement, facts: &Facts<'_>) -> bool {
        let texts = self.resources_of(at);
        if !at.flags.has(Flags::NOT_RESOURCE)
            && texts
                .iter()
                .any(|text| self.plain_text_matches(text, facts.resource))
        {
            return true;
        }
        self.other_resource_applies(at, texts, facts)
    }

    /// Texts without variables in the two most frequent shapes; `false` says nothing about others.
    #[inline]
    fn plain_text_matches(&self, text: &Text, value: &str) -> bool {
        let (pattern, value) = (self.bytes(text.span), value.as_bytes());
        match text.shape {
            Shape::Any => true,
            Shape::Exact => text.tokens == NO_TOKENS && pattern == value,
            Shape::Prefix => {
                let prefix = pattern.split_last().map_or(&b""[..], |(_, prefix)| prefix);
                value.starts_with(prefix)
            }
            Shape::Never | Shape::Glob | Shape::Arn => false,
        }
    }

    fn other_resource_applies(&self, at: &Statement, texts: &[Text], facts: &Facts<'_>) -> bool {
        let is_plain = !at.flags.has(Flags::NOT_RESOURCE) && !at.flags.has(Flags::NO_RESOURCE);
        if is_plain && facts.also_resource.is_none() && texts.iter().all(Text::is_plain) {
            return false;
        }
        if at.flags.has(Flags::NO_RESOURCE) {
            return true;
        }
        let mut unresolved = false;
        for text in texts {
            match self.text_matches(text, facts.resource, facts) {
                Match::Yes => return !at.flags.has(Flags::NOT_RESOURCE),
                Match::No => {}
                Match::Unresolved => unresolved = true,
            }
        }
        if let Some(also) = facts.also_resource {
            let mut texts = texts.iter();
            if texts.any(|text| self.text_matches(text, also, facts) == Match::Yes) {
                return !at.flags.has(Flags::NOT_RESOURCE);
            }
        }
        if unresolved && at.flags.has(Flags::NOT_RESOURCE) {
            // What the exception is cannot be told: an Allow must not reach past it.
            return at.effect == Effect::Deny;
        }
        at.flags.has(Flags::NOT_RESOURCE)
    }

    /// Compares a value with a text in which wildcards and variables mean something.
    #[inline]
    fn text_matches(&self, text: &Text, value: &str, facts: &Facts<'_>) -> Match {
        if text.tokens != NO_TOKENS {
            return self.replaced_matches(text, value, facts);
        }
        let pattern = self.bytes(text.span);
        Match::from(match text.shape {
            Shape::Any => true,
            Shape::Exact => pattern == value.as_bytes(),
            Shape::Prefix => {
                let prefix = pattern.split_last().map_or(&b""[..], |(_, prefix)| prefix);
                value.as_bytes().starts_with(prefix)
            }
            Shape::Never => false,
            Shape::Glob => pattern::matches(pattern, value),
            Shape::Arn => arn_matches(pattern, value, pattern::matches),
        })
    }

    #[inline(never)]
    fn replaced_matches(&self, text: &Text, value: &str, facts: &Facts<'_>) -> Match {
        let mut scratch = Scratch::new();
        let tokens = self.tokens_of(text).unwrap_or_default();
        match self.replace(tokens, value.len(), facts, &mut scratch) {
            Match::Yes => {}
            other => return other,
        }
        Match::from(match text.shape {
            Shape::Never => false,
            Shape::Any => true,
            Shape::Exact => *scratch == *value.as_bytes(),
            Shape::Prefix | Shape::Glob => pattern::matches_replaced(&scratch, value),
            Shape::Arn => arn_matches(&scratch, value, pattern::matches_replaced),
        })
    }

    /// Replaces variables. [`Match::No`] if the result is longer than what it is compared with, so
    /// that a long value never has to be stored.
    fn replace(
        &self,
        tokens: &[Token],
        longest: usize,
        facts: &Facts<'_>,
        scratch: &mut Scratch,
    ) -> Match {
        let (mut stars, mut too_long) = (0, false);
        for token in tokens {
            let mut push = |text: &str| {
                if scratch.len() - stars + text.len() > longest {
                    too_long = true;
                } else {
                    scratch.extend_from_slice(text.as_bytes());
                }
            };
            match token {
                Token::Literal(span) => push(self.get(*span)),
                Token::Star => {
                    if scratch.last() != Some(&STAR) {
                        scratch.push(STAR);
                        stars += 1;
                    }
                }
                Token::Any => scratch.push(ANY),
                Token::Variable(variable) => {
                    let name = self.get(variable.name);
                    let value = facts
                        .values(variable.key, name)
                        .and_then(|values| values.single());
                    match (value, variable.default) {
                        (Some(value), _) => value.with_text(push),
                        (None, Some(default)) => push(self.get(default)),
                        (None, None) => return Match::Unresolved,
                    }
                }
            }
        }
        if too_long { Match::No } else { Match::Yes }
    }

    fn conditions_apply(&self, conditions: &[Condition], facts: &Facts<'_>) -> bool {
        conditions
            .iter()
            .all(|condition| self.condition_holds(condition, facts))
    }

    #[inline]
    fn condition_holds(&self, condition: &Condition, facts: &Facts<'_>) -> bool {
        let operator = condition.operator;
        if operator.test == Test::StringEquals
            && let Some(Value::Text(value)) = facts
                .request
                .context
                .lookup(condition.key, self.name_of(condition))
        {
            // By far the most frequent condition: one text against texts.
            let value = value.as_bytes();
            let texts = self.values_of(condition);
            if texts.iter().all(|text| text.tokens == NO_TOKENS) {
                let found = texts.iter().any(|text| self.bytes(text.span) == value);
                return found != operator.negated;
            }
        }
        let values = facts.values(condition.key, self.name_of(condition));
        if operator.test == Test::Null {
            let (absent, present) = condition.null;
            return if values.is_some() { present } else { absent };
        }
        let Some(values) = values else {
            return operator.if_exists
                || match operator.set {
                    Set::All => true,
                    Set::Any => false,
                    Set::Single => operator.negated,
                };
        };
        let passes = |scalar: Scalar<'_>| {
            self.any_value_matches(condition, scalar, facts) != operator.negated
        };
        match (operator.set, values.single()) {
            (_, Some(scalar)) => passes(scalar),
            (Set::All, None) => values.test(true, passes),
            (Set::Any, None) => values.test(false, passes),
            // A plain operator says nothing about a list.
            (Set::Single, None) => operator.negated,
        }
    }

    /// Whether one of the condition's values matches one value of the request.
    fn any_value_matches(
        &self,
        condition: &Condition,
        scalar: Scalar<'_>,
        facts: &Facts<'_>,
    ) -> bool {
        let texts = self.values_of(condition);
        let test = condition.operator.test;
        match test {
            Test::StringEquals | Test::StringLike | Test::ArnLike => scalar.with_text(|value| {
                texts.iter().any(|text| match (test, text.shape) {
                    (Test::ArnLike, Shape::Any) => value.starts_with("arn:"),
                    _ => self.text_matches(text, value, facts) == Match::Yes,
                })
            }),
            Test::StringEqualsIgnoreCase => scalar.with_text(|value| {
                texts
                    .iter()
                    .any(|text| self.equal_ignoring_case(text, value, facts))
            }),
            Test::Bool => scalar.with_text(|value| {
                let is_bool = ["true", "false"]
                    .iter()
                    .any(|word| value.eq_ignore_ascii_case(word));
                is_bool
                    && texts
                        .iter()
                        .any(|text| self.equal_ignoring_case(text, value, facts))
            }),
            Test::BinaryEquals => scalar.with_text(|value| {
                texts
                    .iter()
                    .any(|text| scalar::same_base64(self.get(text.span), value))
            }),
            Test::IpAddress => {
                let ranges = self.typed_of(condition, &self.ranges);
                scalar.address().is_some_and(|address| {
                    ranges.iter().flatten().any(|range| range.contains(address))
                })
            }
            Test::NumericEquals
            | Test::NumericLess
            | Test::NumericLessEquals
            | Test::NumericGreater
            | Test::NumericGreaterEquals => {
                let numbers = self.typed_of(condition, &self.numbers);
                scalar.number().is_some_and(|value| {
                    numbers
                        .iter()
                        .flatten()
                        .any(|number| test.accepts(value.cmp(number)))
                })
            }
            Test::DateEquals
            | Test::DateLess
            | Test::DateLessEquals
            | Test::DateGreater
            | Test::DateGreaterEquals => {
                let instants = self.typed_of(condition, &self.instants);
                scalar.instant().is_some_and(|value| {
                    instants
                        .iter()
                        .flatten()
                        .any(|instant| test.accepts(value.cmp(instant)))
                })
            }
            Test::Null => false,
        }
    }

    fn equal_ignoring_case(&self, text: &Text, value: &str, facts: &Facts<'_>) -> bool {
        let Some(tokens) = self.tokens_of(text) else {
            return same_ignoring_case(self.get(text.span), value);
        };
        let mut scratch = Scratch::new();
        // Changing case may change a text's length, in UTF-8 to at most three times.
        let longest = value.len().saturating_mul(3);
        self.replace(tokens, longest, facts, &mut scratch) == Match::Yes
            && std::str::from_utf8(&scratch).is_ok_and(|text| same_ignoring_case(text, value))
    }
}

impl From<bool> for Match {
    fn from(found: bool) -> Self {
        if found { Match::Yes } else { Match::No }
    }
}

fn same_ignoring_case(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() {
        return a.eq_ignore_ascii_case(b);
    }
    a.chars()
        .flat_map(char::to_lowercase)
        .eq(b.chars().flat_map(char::to_lowercase))
}

/// Compares two ARNs part by part; the sixth part is all the rest.
fn arn_matches(pattern: &[u8], value: &str, matches: fn(&[u8], &str) -> bool) -> bool {
    let mut patterns = pattern.splitn(6, |byte| *byte == b':');
    let mut values = value.splitn(6, ':');
    for part in 0..6 {
        match (patterns.next(), values.next()) {
            (Some(pattern), Some(value)) => {
                if part == 0 && value != "arn" || !matches(pattern, value) {
                    return false;
                }
            }
            _ => return false,
        }
    }
    true
}
