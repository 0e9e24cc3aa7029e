//! What a policy is compiled to: flat arrays that point into each other and into one text.
//!
//! A compiled policy stays below twice its document, the document included.

use crate::catalogue::{self, ActionId};
use crate::json::Span;
use crate::keys::Key;
use crate::operator::Operator;
use crate::scalar::{Instant, Number, Range};
use crate::trace::Effect;

/// The arrays.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// The document, then all strings that had escapes, decoded. All spans point here.
    pub(crate) pool: Box<str>,
    pub(crate) statements: Box<[Statement]>,
    pub(crate) principals: Box<[PrincipalEntry]>,
    /// Action patterns as written, for actions outside the catalogue and for traces.
    pub(crate) actions: Box<[Span]>,
    pub(crate) resources: Box<[Text]>,
    pub(crate) conditions: Box<[Condition]>,
    /// Values of conditions.
    pub(crate) values: Box<[Text]>,
    /// Typed values of numeric, date and address conditions; `None` is one that never matches.
    pub(crate) numbers: Box<[Option<Number>]>,
    pub(crate) instants: Box<[Option<Instant>]>,
    pub(crate) ranges: Box<[Option<Range>]>,
    /// Where each [`Text`]'s tokens begin.
    pub(crate) token_lists: Box<[u32]>,
    pub(crate) tokens: Box<[Token]>,
}

/// A stretch of one of the arrays.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Part {
    start: u32,
    end: u32,
}

impl Part {
    pub(crate) fn new(start: usize, end: usize) -> Part {
        // Positions fit: a document has at most `MAX_TEXT` bytes.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Part {
            start: number(start),
            end: number(end),
        }
    }

    fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    fn of<T>(self, list: &[T]) -> &[T] {
        list.get(self.range()).unwrap_or_default()
    }
}

/// One statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) flags: Flags,
    pub(crate) sid: Option<Sid>,
    /// Catalogued actions.
    pub(crate) action_set: ActionSet,
    pub(crate) principals: Part,
    pub(crate) actions: Part,
    pub(crate) resources: Part,
    pub(crate) conditions: Part,
}

/// A statement's `Sid`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sid(pub(crate) Span);

/// Properties of a statement, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    pub(crate) const NOT_PRINCIPAL: Flags = Flags(1);
    pub(crate) const NOT_ACTION: Flags = Flags(2);
    pub(crate) const NOT_RESOURCE: Flags = Flags(4);
    /// The kind of policy has no principals.
    pub(crate) const NO_PRINCIPAL: Flags = Flags(8);
    /// The kind of policy has no resources.
    pub(crate) const NO_RESOURCE: Flags = Flags(16);
    /// `Principal` holds `*`.
    pub(crate) const EVERYONE: Flags = Flags(32);

    pub(crate) fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn add(&mut self, other: Flags, when: bool) {
        if when {
            self.0 |= other.0;
        }
    }
}

/// An entry of `Principal` or `NotPrincipal`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrincipalEntry {
    pub(crate) form: crate::document::PrincipalForm,
    /// Hash of the text, compared first.
    pub(crate) hash: u32,
    /// The account id for accounts, else as written.
    pub(crate) text: Span,
}

/// Catalogued actions as bits; a `NotAction` is already turned round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ActionSet([u64; catalogue::COUNT.div_ceil(64)]);

impl ActionSet {
    pub(crate) fn has(&self, id: ActionId) -> bool {
        let word = self.0.get(id.index() / 64).copied().unwrap_or(0);
        word >> (id.index() % 64) & 1 == 1
    }

    pub(crate) fn add(&mut self, id: ActionId) {
        if let Some(word) = self.0.get_mut(id.index() / 64) {
            *word |= 1 << (id.index() % 64);
        }
    }

    pub(crate) fn invert(&mut self) {
        for word in &mut self.0 {
            *word = !*word;
        }
    }
}

/// A resource pattern or a condition's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) span: Span,
    /// Number of its token list, if it has variables or escapes; [`NO_TOKENS`] otherwise.
    pub(crate) tokens: u32,
    pub(crate) shape: Shape,
}

pub(crate) const NO_TOKENS: u32 = u32::MAX;

impl Text {
    /// Whether it has no variables, and no wildcard but a `*` at its end.
    pub(crate) fn is_plain(&self) -> bool {
        self.tokens == NO_TOKENS && !matches!(self.shape, Shape::Glob | Shape::Arn)
    }
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Matches everything.
    Any,
    /// No wildcard.
    Exact,
    /// One wildcard: a `*` at the end.
    Prefix,
    /// Wildcards anywhere; in ARNs only after the fifth colon.
    Glob,
    /// An ARN with wildcards before the fifth colon: compared part by part.
    Arn,
    /// Matches nothing.
    Never,
}

/// A piece of a text with variables.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Token {
    Literal(Span),
    Star,
    Any,
    Variable(Variable),
}

/// `${key}` or `${key, 'default'}`
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variable {
    pub(crate) key: Option<Key>,
    /// Tag key of a family's member, or the name of an unknown key.
    pub(crate) name: Span,
    pub(crate) default: Option<Span>,
}

/// One operator on one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Condition {
    pub(crate) operator: Operator,
    pub(crate) key: Option<Key>,
    /// For `Null`: whether `true` (absent) and `false` (present) are among the values.
    pub(crate) null: (bool, bool),
    /// The key as written.
    pub(crate) written: Span,
    /// Bytes of it before the tag key; 0 for unknown keys, all of it for plain known ones.
    pub(crate) name_from: u32,
    pub(crate) values: Part,
    /// Beginning of its typed values, as many as it has values.
    pub(crate) typed: u32,
}

impl Compiled {
    pub(crate) fn get(&self, span: Span) -> &str {
        span.of(&self.pool)
    }

    /// The same as bytes, which spares looking at where characters begin.
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        self.pool
            .as_bytes()
            .get(start..start + span.len as usize)
            .unwrap_or_default()
    }

    pub(crate) fn principals_of(&self, statement: &Statement) -> &[PrincipalEntry] {
        statement.principals.of(&self.principals)
    }

    pub(crate) fn actions_of(&self, statement: &Statement) -> &[Span] {
        statement.actions.of(&self.actions)
    }

    pub(crate) fn resources_of(&self, statement: &Statement) -> &[Text] {
        statement.resources.of(&self.resources)
    }

    pub(crate) fn conditions_of(&self, statement: &Statement) -> &[Condition] {
        statement.conditions.of(&self.conditions)
    }

    pub(crate) fn values_of(&self, condition: &Condition) -> &[Text] {
        condition.values.of(&self.values)
    }

    /// As many typed values as the condition has values.
    pub(crate) fn typed_of<'c, T>(&self, condition: &Condition, list: &'c [T]) -> &'c [T] {
        let from = condition.typed as usize;
        list.get(from..from + condition.values.range().len())
            .unwrap_or_default()
    }

    pub(crate) fn tokens_of(&self, text: &Text) -> Option<&[Token]> {
        if text.tokens == NO_TOKENS {
            return None;
        }
        let at = text.tokens as usize;
        let end = self.tokens.len();
        let from = self
            .token_lists
            .get(at)
            .map_or(end, |start| *start as usize);
        let to = self
            .token_lists
            .get(at + 1)
            .map_or(end, |start| *start as usize);
        Some(self.tokens.get(from..to).unwrap_or_default())
    }

    /// The part of a condition's key that names it beside [`Condition::key`].
    pub(crate) fn name_of(&self, condition: &Condition) -> &str {
        if condition.name_from == condition.written.len {
            return "";
        }
        self.get(condition.written)
            .get(condition.name_from as usize..)
            .unwrap_or_default()
    }

    /// The known keys of all conditions and variables, with repetitions.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        let of_variable = |token: &Token| match token {
            Token::Variable(variable) => variable.key,
            Token::Literal(_) | Token::Star | Token::Any => None,
        };
        let conditions = self.conditions.iter().filter_map(|condition| condition.key);
        conditions.chain(self.tokens.iter().filter_map(of_variable))
    }

    /// The names of all keys of all conditions and variables, with repetitions.
    pub(crate) fn key_names(&self) -> impl Iterator<Item = String> {
        let of_variable = |token: &Token| match token {
            Token::Variable(variable) => {
                let family = variable.key.map_or("", Key::name);
                Some(format!("{family}{}", self.get(variable.name)))
            }
            Token::Literal(_) | Token::Star | Token::Any => None,
        };
        let conditions = self.conditions.iter();
        let written = conditions.map(|condition| self.get(condition.written).to_owned());
        written.chain(self.tokens.iter().filter_map(of_variable))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        use std::mem::size_of_val;
        self.pool.len()
            + size_of_val(&*self.statements)
            + size_of_val(&*self.principals)
            + size_of_val(&*self.actions)
            + size_of_val(&*self.resources)
            + size_of_val(&*self.conditions)
            + size_of_val(&*self.values)
            + size_of_val(&*self.numbers)
            + size_of_val(&*self.instants)
            + size_of_val(&*self.ranges)
            + size_of_val(&*self.token_lists)
            + size_of_val(&*self.tokens)
    }
}
