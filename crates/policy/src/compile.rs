//! From the elements of a document to [`Compiled`].

use crate::catalogue;
use crate::compiled::{
    ActionSet, Compiled, Condition, Flags, NO_TOKENS, Part, PrincipalEntry, Shape, Sid, Statement,
    Text, Token, Variable,
};
use crate::document::{
    ConditionView, Document, ListView, PrincipalForm, PrincipalView, StatementView, account_of,
};
use crate::hash::hash;
use crate::json::{NodeId, Span, Tree};
use crate::keys::Key;
use crate::kind::PolicyKind;
use crate::operator::Test;
use crate::pattern;
use crate::scalar::{Instant, Number, Range};

/// Compiles a document that was read without errors.
pub(crate) fn compile(tree: &Tree<'_>, document: &Document, kind: PolicyKind) -> Compiled {
    let mut builder = Builder {
        tree,
        kind,
        variables: document.variables,
        statements: Vec::with_capacity(document.statements.len()),
        ..Builder::new(tree)
    };
    for statement in &document.statements {
        builder.statement(statement);
    }
    Compiled {
        pool: tree.pool(),
        statements: builder.statements.into(),
        principals: builder.principals.into(),
        actions: builder.actions.into(),
        resources: builder.resources.into(),
        conditions: builder.conditions.into(),
        values: builder.values.into(),
        numbers: builder.numbers.into(),
        instants: builder.instants.into(),
        ranges: builder.ranges.into(),
        token_lists: builder.token_lists.into(),
        tokens: builder.tokens.into(),
    }
}

struct Builder<'b, 't> {
    tree: &'b Tree<'t>,
    kind: PolicyKind,
    variables: bool,
    statements: Vec<Statement>,
    principals: Vec<PrincipalEntry>,
    actions: Vec<Span>,
    resources: Vec<Text>,
    conditions: Vec<Condition>,
    values: Vec<Text>,
    numbers: Vec<Option<Number>>,
    instants: Vec<Option<Instant>>,
    ranges: Vec<Option<Range>>,
    token_lists: Vec<u32>,
    tokens: Vec<Token>,
}

/// Positions fit: a document has at most [`crate::MAX_TEXT`] bytes.
fn number(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

fn part(span: Span, from: usize, to: usize) -> Span {
    Span {
        start: span.start + number(from),
        len: number(to.saturating_sub(from)),
    }
}

impl<'b, 't> Builder<'b, 't> {
    fn new(tree: &'b Tree<'t>) -> Self {
        Builder {
            tree,
            kind: PolicyKind::Identity,
            variables: false,
            statements: Vec::new(),
            principals: Vec::new(),
            actions: Vec::new(),
            resources: Vec::new(),
            conditions: Vec::new(),
            values: Vec::new(),
            numbers: Vec::new(),
            instants: Vec::new(),
            ranges: Vec::new(),
            token_lists: Vec::new(),
            tokens: Vec::new(),
        }
    }

    fn statement(&mut self, view: &StatementView) {
        let before = (
            self.principals.len(),
            self.actions.len(),
            self.resources.len(),
            self.conditions.len(),
        );
        let mut flags = Flags::default();
        flags.add(Flags::NO_PRINCIPAL, !self.kind.has_principal());
        flags.add(Flags::NO_RESOURCE, !self.kind.has_resource());
        flags.add(Flags::NOT_ACTION, view.action.negated);
        if let Some(principal) = &view.principal {
            flags.add(Flags::NOT_PRINCIPAL, principal.negated);
            let forms = || principal.entries.iter().map(|(form, _)| *form);
            flags.add(
                Flags::EVERYONE,
                forms().any(|form| form == PrincipalForm::Everyone),
            );
            self.principals(principal);
        }
        if let Some(resource) = &view.resource {
            flags.add(Flags::NOT_RESOURCE, resource.negated);
            for at in &resource.values {
                let text = self.resource(*at);
                self.resources.push(text);
            }
        }
        let action_set = self.action_set(&view.action);
        for condition in &view.conditions {
            self.condition(condition);
        }
        self.statements.push(Statement {
            effect: view.effect,
            flags,
            sid: view.sid.map(|at| Sid(self.tree.text_span(at))),
            action_set,
            principals: Part::new(before.0, self.principals.len()),
            actions: Part::new(before.1, self.actions.len()),
            resources: Part::new(before.2, self.resources.len()),
            conditions: Part::new(before.3, self.conditions.len()),
        });
    }

    fn principals(&mut self, view: &PrincipalView) {
        for (form, at) in &view.entries {
            let mut text = self.tree.text_span(*at);
            if *form == PrincipalForm::Account {
                text = account_of(self.tree.get(text), text);
            }
            let hash = hash(self.tree.get(text).as_bytes());
            self.principals.push(PrincipalEntry {
                form: *form,
                hash,
                text,
            });
        }
    }

    fn action_set(&mut self, view: &ListView) -> ActionSet {
        let mut set = ActionSet::default();
        for at in &view.values {
            let text = self.tree.text(*at);
            self.actions.push(self.tree.text_span(*at));
            if !pattern::has_wildcard(text) {
                if let Some(id) = catalogue::find(text) {
                    set.add(id);
                }
                continue;
            }
            for (id, entry) in catalogue::all() {
                if pattern::matches_ignoring_case(text, entry.name) {
                    set.add(id);
                }
            }
        }
        if view.negated {
            set.invert();
        }
        set
    }

    fn resource(&mut self, at: NodeId) -> Text {
        let (text, span) = (self.tree.text(at), self.tree.text_span(at));
        if text == "*" {
            return Text {
                span,
                tokens: NO_TOKENS,
                shape: Shape::Any,
            };
        }
        // Variables are replaced only after the fifth colon.
        let relative = fifth_colon(text).map_or(text.len(), |colon| colon + 1);
        self.arn(text, span, relative)
    }

    /// A text that is compared as an ARN, with variables from an offset on.
    fn arn(&mut self, text: &str, span: Span, variables_from: usize) -> Text {
        let tokens = self.tokens(text, span, variables_from, true);
        let head = fifth_colon(text).and_then(|colon| text.get(..colon));
        let shape = match head {
            // A variable's value may bring colons along.
            _ if tokens != NO_TOKENS && variables_from == 0 => Shape::Arn,
            None => Shape::Never,
            Some(head) if pattern::has_wildcard(head) => Shape::Arn,
            Some(head) if !head.starts_with("arn:") => Shape::Never,
            Some(_) => shape_of(text, tokens),
        };
        Text {
            span,
            tokens,
            shape,
        }
    }

    fn condition(&mut self, view: &ConditionView) {
        let (key, written) = (self.tree.key(view.key), self.tree.key_span(view.key));
        let (known, name_from) = match Key::split(key) {
            Some((known, tag)) => (Some(known), key.len() - tag.len()),
            None => (None, 0),
        };
        let test = view.operator.test;
        let typed = if test.is_numeric() {
            self.numbers.len()
        } else if test.is_date() {
            self.instants.len()
        } else {
            self.ranges.len()
        };
        let mut condition = Condition {
            operator: view.operator,
            key: known,
            null: (false, false),
            written,
            name_from: number(name_from),
            values: Part::default(),
            typed: number(typed),
        };
        let before = self.values.len();
        for at in &view.values {
            let value = self.tree.text(*at);
            let text = self.value(test, value, self.tree.text_span(*at));
            self.values.push(text);
            if test.is_numeric() {
                self.numbers.push(Number::parse(value));
            } else if test.is_date() {
                self.instants.push(Instant::parse(value));
            } else if test == Test::IpAddress {
                self.ranges.push(Range::parse(value));
            } else if test == Test::Null {
                condition.null.0 |= value.eq_ignore_ascii_case("true");
                condition.null.1 |= value.eq_ignore_ascii_case("false");
            }
        }
        condition.values = Part::new(before, self.values.len());
        self.conditions.push(condition);
    }

    fn value(&mut self, test: Test, text: &str, span: Span) -> Text {
        if test == Test::ArnLike {
            if text == "*" {
                return Text {
                    span,
                    tokens: NO_TOKENS,
                    shape: Shape::Any,
                };
            }
            return self.arn(text, span, 0);
        }
        let tokens = if test.takes_variables() {
            self.tokens(text, span, 0, test.takes_wildcards())
        } else {
            NO_TOKENS
        };
        let shape = if !test.takes_wildcards() {
            Shape::Exact
        } else if text == "*" {
            Shape::Any
        } else {
            shape_of(text, tokens)
        };
        Text {
            span,
            tokens,
            shape,
        }
    }

    /// Splits a text with variables or escapes into tokens; [`NO_TOKENS`] if it has none, or if the
    /// policy's version knows none.
    fn tokens(&mut self, text: &str, span: Span, from: usize, wildcards: bool) -> u32 {
        let begins = |at: usize| variable(text, at).map(|end| (at, end));
        let next = |at: usize| {
            let rest = text.get(at..).unwrap_or_default();
            rest.match_indices("${")
                .find_map(|(found, _)| begins(at + found))
        };
        if !self.variables || next(from).is_none() {
            return NO_TOKENS;
        }
        self.token_lists.push(number(self.tokens.len()));
        let mut at = 0;
        while at < text.len() {
            let (start, end) = next(at.max(from)).unwrap_or((text.len(), text.len()));
            self.literal(text, span, at, start, wildcards);
            if start < text.len() {
                let token = self.variable_token(text, span, start, end);
                self.tokens.push(token);
            }
            at = end;
        }
        number(self.token_lists.len() - 1)
    }

    /// Literal text between variables, with its wildcards.
    fn literal(&mut self, text: &str, span: Span, from: usize, to: usize, wildcards: bool) {
        let mut plain = from;
        for (at, byte) in text.bytes().enumerate().take(to).skip(from) {
            let token = match byte {
                b'*' if wildcards => Token::Star,
                b'?' if wildcards => Token::Any,
                _ => continue,
            };
            if plain < at {
                self.tokens.push(Token::Literal(part(span, plain, at)));
            }
            self.tokens.push(token);
            plain = at + 1;
        }
        if plain < to {
            self.tokens.push(Token::Literal(part(span, plain, to)));
        }
    }

    /// `${…}` from `start` to `end`.
    fn variable_token(&self, text: &str, span: Span, start: usize, end: usize) -> Token {
        let inner = text.get(start + 2..end - 1).unwrap_or_default();
        if matches!(inner, "*" | "?" | "$") {
            return Token::Literal(part(span, start + 2, start + 3));
        }
        let (name, default) = match inner.split_once(',') {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        let place = |piece: &str| {
            let offset = piece.as_ptr().addr().saturating_sub(text.as_ptr().addr());
            part(span, offset, offset + piece.len())
        };
        let unquote = |text: &'_ str| text.strip_prefix('\'')?.strip_suffix('\'').map(place);
        let default = default.and_then(|default| unquote(default.trim()));
        let name = name.trim();
        let (key, name) = match Key::split(name) {
            Some((key, "")) => (Some(key), Span::default()),
            Some((key, tag)) => (Some(key), place(tag)),
            None => (None, place(name)),
        };
        Token::Variable(Variable { key, name, default })
    }
}

/// Where the variable that begins at an offset ends; `None` if what follows `${` is no variable and
/// so is literal text.
pub(crate) fn variable(text: &str, at: usize) -> Option<usize> {
    let inner = text.get(at..)?.strip_prefix("${")?;
    let close = inner.find('}')?;
    let content = inner.get(..close)?;
    let (name, default) = match content.split_once(',') {
        Some((name, default)) => (name.trim(), Some(default.trim())),
        None => (content.trim(), None),
    };
    let quoted = |text: &str| text.len() >= 2 && text.starts_with('\'') && text.ends_with('\'');
    let good = !name.is_empty() && !name.contains(['$', '{']) || content == "$";
    (good && default.is_none_or(quoted)).then_some(at + 2 + close + 1)
}

/// Byte offset of the fifth colon.
pub(crate) fn fifth_colon(text: &str) -> Option<usize> {
    memchr::memchr_iter(b':', text.as_bytes()).nth(4)
}

/// How a text whose wildcards, if any, may be anywhere is compared.
fn shape_of(text: &str, tokens: u32) -> Shape {
    let first = memchr::memchr2(b'*', b'?', text.as_bytes());
    if tokens != NO_TOKENS {
        return if first.is_some() {
            Shape::Glob
        } else {
            Shape::Exact
        };
    }
    match first {
        None => Shape::Exact,
        Some(at) if at + 1 == text.len() && text.ends_with('*') => Shape::Prefix,
        Some(_) => Shape::Glob,
    }
}
