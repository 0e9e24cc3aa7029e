//! What a policy is compiled to: flat arrays that point into each other and into one text.
//!
//! A part of a list is given by where it begins; it ends where the next one's begins. That keeps a
//! compiled policy below twice its document, the document included.

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
    /// Sets of catalogued actions, shared by statements.
    pub(crate) action_sets: Box<[ActionSet]>,
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

/// One statement; positions are beginnings of its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) flags: Flags,
    pub(crate) sid: Option<Sid>,
    pub(crate) principals: u32,
    pub(crate) action_set: u32,
    pub(crate) actions: u32,
    pub(crate) resources: u32,
    pub(crate) conditions: u32,
}

/// A statement's `Sid`: where it begins, with its length.
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
    /// Beginning of its values.
    pub(crate) values: u32,
    /// Beginning of its typed values, as many as it has values.
    pub(crate) typed: u32,
}

impl Compiled {
    pub(crate) fn get(&self, span: Span) -> &str {
        span.of(&self.pool)
    }

    /// The statement at a position together with the next one's beginnings.
    fn bounds(&self, at: usize, part: fn(&Statement) -> u32, end: usize) -> std::ops::Range<usize> {
        let from = self
            .statements
            .get(at)
            .map_or(end, |statement| part(statement) as usize);
        let to = self
            .statements
            .get(at + 1)
            .map_or(end, |statement| part(statement) as usize);
        from..to
    }

    pub(crate) fn principals_of(&self, at: usize) -> &[PrincipalEntry] {
        let bounds = self.bounds(at, |statement| statement.principals, self.principals.len());
        self.principals.get(bounds).unwrap_or_default()
    }

    pub(crate) fn actions_of(&self, at: usize) -> &[Span] {
        let bounds = self.bounds(at, |statement| statement.actions, self.actions.len());
        self.actions.get(bounds).unwrap_or_default()
    }

    pub(crate) fn resources_of(&self, at: usize) -> &[Text] {
        let bounds = self.bounds(at, |statement| statement.resources, self.resources.len());
        self.resources.get(bounds).unwrap_or_default()
    }

    /// Positions of a statement's conditions.
    pub(crate) fn conditions_of(&self, at: usize) -> std::ops::Range<usize> {
        self.bounds(at, |statement| statement.conditions, self.conditions.len())
    }

    /// The values of the condition at a position.
    pub(crate) fn values_of(&self, at: usize) -> &[Text] {
        let end = self.values.len();
        let from = self
            .conditions
            .get(at)
            .map_or(end, |condition| condition.values as usize);
        let to = self
            .conditions
            .get(at + 1)
            .map_or(end, |condition| condition.values as usize);
        self.values.get(from..to).unwrap_or_default()
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
        self.get(condition.written)
            .get(condition.name_from as usize..)
            .unwrap_or_default()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_size(&self) -> usize {
        use std::mem::size_of_val;
        self.pool.len()
            + size_of_val(&*self.statements)
            + size_of_val(&*self.principals)
            + size_of_val(&*self.action_sets)
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
