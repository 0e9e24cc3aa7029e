//! Whether a statement applies to a request.
//!
//! One set of functions serves both the quick answer and the trace: the quick one stops at the first
//! element that fails, the trace says which that was.

use smallvec::SmallVec;

use crate::compiled::{Compiled, Condition, Flags, PrincipalEntry, Shape, Text, Token};
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
    pub(crate) fn applies(&self, at: usize, kind: PolicyKind, facts: &Facts<'_>) -> Option<Grant> {
        if !self.action_applies(at, facts) {
            return None;
        }
        let grant = self.principal_applies(at, kind, facts)?;
        let rest = self.resource_applies(at, facts) && self.conditions_apply(at, facts);
        rest.then_some(grant)
    }

    /// The first element, in the order in which people read a statement, that does not match.
    pub(crate) fn mismatch(
        &self,
        at: usize,
        kind: PolicyKind,
        facts: &Facts<'_>,
    ) -> Result<Grant, Mismatch> {
        let flags = self.flags(at);
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
        for position in self.conditions_of(at) {
            if let Some(condition) = self.conditions.get(position)
                && !self.condition_holds(position, condition, facts)
            {
                let values: Vec<_> = self.values_of(position).iter().map(|v| v.span).collect();
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
    pub(crate) fn absent_keys(&self, at: usize, facts: &Facts<'_>) -> Vec<String> {
        let conditions = self
            .conditions_of(at)
            .filter_map(|at| self.conditions.get(at));
        let absent = conditions.filter(|condition| {
            facts
                .values(condition.key, self.name_of(condition))
                .is_none()
        });
        absent
            .map(|condition| self.get(condition.written).to_owned())
            .collect()
    }

    fn flags(&self, at: usize) -> Flags {
        self.statements
            .get(at)
            .map_or(Flags::default(), |statement| statement.flags)
    }

    fn action_applies(&self, at: usize, facts: &Facts<'_>) -> bool {
        let Some(statement) = self.statements.get(at) else {
            return false;
        };
        let action = &facts.request.action;
        if let Some(id) = action.id() {
            return self
                .action_sets
                .get(statement.action_set as usize)
                .is_some_and(|set| set.has(id));
        }
        let named = self
            .actions_of(at)
            .iter()
            .any(|span| pattern::matches_ignoring_case(self.get(*span), action.name()));
        named != statement.flags.has(Flags::NOT_ACTION)
    }

    fn principal_applies(&self, at: usize, kind: PolicyKind, facts: &Facts<'_>) -> Option<Grant> {
        let flags = self.flags(at);
        if flags.has(Flags::NO_PRINCIPAL) {
            return Some(Grant::Caller);
        }
        let principal = facts.request.principal;
        if flags.has(Flags::EVERYONE) {
            return (!flags.has(Flags::NOT_PRINCIPAL)).then_some(Grant::Caller);
        }
        let mut strongest = Grant::None;
        for entry in self.principals_of(at) {
            strongest = strongest.max(self.names(entry, kind, principal));
        }
        if flags.has(Flags::NOT_PRINCIPAL) {
            return (strongest == Grant::None).then_some(Grant::Caller);
        }
        (strongest != Grant::None).then_some(strongest)
    }

    /// How strongly an entry of `Principal` names a caller.
    fn names(&self, entry: &PrincipalEntry, kind: PolicyKind, principal: &Principal<'_>) -> Grant {
        let is = |hash: u32, text: &str| entry.hash == hash && self.get(entry.text) == text;
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

    fn resource_applies(&self, at: usize, facts: &Facts<'_>) -> bool {
        let flags = self.flags(at);
        if flags.has(Flags::NO_RESOURCE) {
            return true;
        }
        let mut unresolved = false;
        for text in self.resources_of(at) {
            let found = match self.text_matches(text, facts.resource, facts) {
                Match::No => match facts.also_resource {
                    Some(also) => self.text_matches(text, also, facts),
                    None => Match::No,
                },
                found => found,
            };
            match found {
                Match::Yes => return !flags.has(Flags::NOT_RESOURCE),
                Match::No => {}
                Match::Unresolved => unresolved = true,
            }
        }
        if unresolved && flags.has(Flags::NOT_RESOURCE) {
            // What the exception is cannot be told: an Allow must not reach past it.
            let effect = self.statements.get(at).map(|statement| statement.effect);
            return effect != Some(Effect::Allow);
        }
        flags.has(Flags::NOT_RESOURCE)
    }

    /// Compares a value with a text in which wildcards and variables mean something.
    fn text_matches(&self, text: &Text, value: &str, facts: &Facts<'_>) -> Match {
        let Some(tokens) = self.tokens_of(text) else {
            return Match::from(plain_matches(text.shape, self.get(text.span), value));
        };
        let mut scratch = Scratch::new();
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

    fn conditions_apply(&self, at: usize, facts: &Facts<'_>) -> bool {
        self.conditions_of(at).all(|position| {
            self.conditions
                .get(position)
                .is_some_and(|condition| self.condition_holds(position, condition, facts))
        })
    }

    fn condition_holds(&self, position: usize, condition: &Condition, facts: &Facts<'_>) -> bool {
        let operator = condition.operator;
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
            self.any_value_matches(position, condition, scalar, facts) != operator.negated
        };
        match operator.set {
            Set::All => values.test(true, passes),
            Set::Any => values.test(false, passes),
            // A plain operator says nothing about a list.
            Set::Single => values.single().map_or(operator.negated, passes),
        }
    }

    /// Whether one of the condition's values matches one value of the request.
    fn any_value_matches(
        &self,
        position: usize,
        condition: &Condition,
        scalar: Scalar<'_>,
        facts: &Facts<'_>,
    ) -> bool {
        let texts = self.values_of(position);
        let typed = condition.typed as usize..condition.typed as usize + texts.len();
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
                let ranges = self.ranges.get(typed).unwrap_or_default();
                scalar.address().is_some_and(|address| {
                    ranges.iter().flatten().any(|range| range.contains(address))
                })
            }
            Test::NumericEquals
            | Test::NumericLess
            | Test::NumericLessEquals
            | Test::NumericGreater
            | Test::NumericGreaterEquals => {
                let numbers = self.numbers.get(typed).unwrap_or_default();
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
                let instants = self.instants.get(typed).unwrap_or_default();
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

fn plain_matches(shape: Shape, pattern: &str, value: &str) -> bool {
    match shape {
        Shape::Any => true,
        Shape::Never => false,
        Shape::Exact => pattern == value,
        Shape::Prefix => {
            let prefix = pattern
                .as_bytes()
                .split_last()
                .map_or(&b""[..], |(_, prefix)| prefix);
            value.as_bytes().starts_with(prefix)
        }
        Shape::Glob => pattern::matches(pattern, value),
        Shape::Arn => arn_matches(pattern.as_bytes(), value, |part, value| {
            std::str::from_utf8(part).is_ok_and(|part| pattern::matches(part, value))
        }),
    }
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
