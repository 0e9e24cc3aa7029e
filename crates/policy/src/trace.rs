//! Why a decision went as it did: every layer, every statement, and the first element of each
//! statement that did not match.

use crate::decision::Layer;

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
