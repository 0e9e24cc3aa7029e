//! The IAM policy language: parse, check, compile, evaluate, with reasons.
//!
//! A policy document is compiled once ([`Policy::compile`]) for the place it is attached to
//! ([`PolicyKind`]). A request ([`Request`]) names a caller ([`Principal`]), an action, a resource
//! and the condition keys ([`Context`]). [`decide`] asks all layers that apply ([`Layers`]) and
//! answers allow, or deny with the layer that did it ([`Decision`]); with a [`Trace`] it also says,
//! for every statement, the first element that did not match. The crate has no input, output, clock
//! or randomness, and knows nothing of the rest of Adit.
//!
//! Flow: text → [`check`] (what AWS would refuse to store, and lints) → [`Policy`] → [`decide`] →
//! [`message`] and [`sentences`].
//!
//! Invariants: a decision cannot fail, and what cannot be decided is denied; it allocates nothing
//! without a trace; with a trace it is the same; its cost does not grow with statements about other
//! resources, and is linear in the length of a key for any pattern.

pub mod acl;
pub mod actions;
mod catalogue;
mod check;
pub mod cli;
mod compile;
mod compiled;
mod context;
mod decide;
mod decision;
mod document;
mod evaluate;
mod explain;
mod facts;
mod finding;
mod hash;
mod index;
mod json;
pub mod keys;
mod kind;
mod layers;
mod messages;
mod operator;
mod pattern;
mod policy;
mod principal;
mod public;
mod request;
mod scalar;
mod spelling;
mod trace;

pub use check::{CheckOptions, check};
pub use context::{Context, INLINE, KeyName, Value};
pub use decide::decide;
pub use decision::{Decision, Denial, Layer};
pub use explain::{message, sentences};
pub use finding::{Errors, Finding, Severity};
pub use keys::{Key, KeyType};
pub use kind::{PolicyKind, SizeLimit};
pub use layers::{AccessPoint, AclGrant, BlockPublicAccess, Layers};
pub use policy::{MAX_TEXT, Policy};
pub use principal::{Principal, PrincipalError, PrincipalKind};
pub use request::{Action, Request};
pub use trace::{Effect, Element, LayerTrace, Mismatch, Outcome, StatementTrace, Trace};
