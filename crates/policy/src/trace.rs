//! Why a decision went as it did: every layer, every statement, and the first element of each
//! statement that did not match.

use std::fmt::Write as _;

use crate::decision::Layer;
use crate::json::push_string;

/// Filled by [`crate::decide`] when it is passed one. Costs allocations; without it a decision has
/// none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The layers that were consulted, in the order in which AWS lists them.
    pub layers: Vec<LayerTrace>,
}

/// What one layer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerTrace {
    /// The layer.
    pub layer: Layer,
    /// Whether this is about the access point's half of the request.
    pub through_access_point: bool,
    /// The level, from 0 at the organisation's root, of service and resource control policies.
    pub level: Option<usize>,
    /// What it said.
    pub outcome: Outcome,
    /// A rule beyond statements that mattered, in words; empty if none.
    pub note: String,
    /// All statements of all its policies, in document order.
    pub statements: Vec<StatementTrace>,
}

/// What a layer said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It allows.
    Allow,
    /// A Deny statement matches.
    Deny,
    /// Nothing in it matches.
    NoMatch,
    /// It has no say in this request.
    NotApplicable,
}

impl Outcome {
    /// `allow`, `deny`, `no-match` or `not-applicable`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Allow => "allow",
            Outcome::Deny => "deny",
            Outcome::NoMatch => "no-match",
            Outcome::NotApplicable => "not-applicable",
        }
    }
}

/// What one statement did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementTrace {
    /// Position of the policy in its layer, from 0.
    pub policy: usize,
    /// Position of the statement in its policy, from 0.
    pub statement: usize,
    /// Its `Sid`, if it has one.
    pub sid: Option<String>,
    /// Its effect.
    pub effect: Effect,
    /// `None` if it matched, otherwise the first element that did not.
    pub mismatch: Option<Mismatch>,
    /// If it matched: the keys of its conditions that the request does not have. A negated operator
    /// is true then, which is how `Deny` with `StringNotEquals` reaches further than it seems.
    pub absent_keys: Vec<String>,
}

/// The effect of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Forbids; wins over every Allow.
    Deny,
}

impl Effect {
    /// `Allow` or `Deny`.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Allow => "Allow",
            Effect::Deny => "Deny",
        }
    }
}

/// An element of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// `Principal`
    Principal,
    /// `NotPrincipal`
    NotPrincipal,
    /// `Action`
    Action,
    /// `NotAction`
    NotAction,
    /// `Resource`
    Resource,
    /// `NotResource`
    NotResource,
    /// `Condition`
    Condition,
}

impl Element {
    /// The element's name in a document.
    pub fn as_str(self) -> &'static str {
        match self {
            Element::Principal => "Principal",
            Element::NotPrincipal => "NotPrincipal",
            Element::Action => "Action",
            Element::NotAction => "NotAction",
            Element::Resource => "Resource",
            Element::NotResource => "NotResource",
            Element::Condition => "Condition",
        }
    }
}

/// The first element of a statement that did not match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The element.
    pub element: Element,
    /// For conditions the operator as written: `ForAnyValue:StringLike`.
    pub operator: Option<String>,
    /// For conditions the key as written.
    pub key: Option<String>,
    /// The values that the policy has there.
    pub expected: Vec<String>,
    /// What the request has; `None`: the key is absent.
    pub actual: Option<Vec<String>>,
}

impl Trace {
    /// The trace as one JSON object, `{"layers":[…]}`, for decision records.
    pub fn to_json(&self) -> String {
        let mut out = String::from("{\"layers\":[");
        for (at, layer) in self.layers.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            layer.write_json(&mut out);
        }
        out.push_str("]}");
        out
    }
}

impl LayerTrace {
    fn write_json(&self, out: &mut String) {
        let _ = write!(out, "{{\"layer\":\"{}\"", self.layer);
        if self.through_access_point {
            out.push_str(",\"throughAccessPoint\":true");
        }
        if let Some(level) = self.level {
            let _ = write!(out, ",\"level\":{level}");
        }
        let _ = write!(out, ",\"outcome\":\"{}\"", self.outcome.as_str());
        if !self.note.is_empty() {
            out.push_str(",\"note\":");
            push_string(out, &self.note);
        }
        out.push_str(",\"statements\":[");
        for (at, statement) in self.statements.iter().enumerate() {
            out.push_str(if at > 0 { "," } else { "" });
            statement.write_json(out);
        }
        out.push_str("]}");
    }
}

impl StatementTrace {
    fn write_json(&self, out: &mut String) {
        let _ = write!(
            out,
            "{{\"policy\":{},\"statement\":{}",
            self.policy, self.statement
        );
        if let Some(sid) = &self.sid {
            out.push_str(",\"sid\":");
            push_string(out, sid);
        }
        let matched = self.mismatch.is_none();
        let effect = self.effect.as_str();
        let _ = write!(out, ",\"effect\":\"{effect}\",\"matched\":{matched}");
        if !self.absent_keys.is_empty() {
            out.push_str(",\"absentKeys\":");
            push_strings(out, &self.absent_keys);
        }
        if let Some(mismatch) = &self.mismatch {
            let _ = write!(out, ",\"element\":\"{}\"", mismatch.element.as_str());
            for (name, value) in [("operator", &mismatch.operator), ("key", &mismatch.key)] {
                if let Some(value) = value {
                    let _ = write!(out, ",\"{name}\":");
                    push_string(out, value);
                }
            }
            out.push_str(",\"expected\":");
            push_strings(out, &mismatch.expected);
            out.push_str(",\"actual\":");
            match &mismatch.actual {
                Some(actual) => push_strings(out, actual),
                None => out.push_str("null"),
            }
        }
        out.push('}');
    }
}

fn push_strings(out: &mut String, texts: &[String]) {
    out.push('[');
    for (at, text) in texts.iter().enumerate() {
        out.push_str(if at > 0 { "," } else { "" });
        push_string(out, text);
    }
    out.push(']');
}
