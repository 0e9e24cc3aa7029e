//! From layers and request to a decision.

use crate::decision::{Decision, Denial, Layer};
use crate::layers::Layers;
use crate::request::Request;
use crate::trace::Trace;

/// Decides one (action, resource) pair.
///
/// Cannot fail: what cannot be decided is denied. Allocates nothing unless a trace is asked for;
/// with a trace the decision is the same.
pub fn decide(layers: &Layers<'_>, request: &Request<'_>, trace: Option<&mut Trace>) -> Decision {
    let _ = (layers, request, trace);
    Decision::ImplicitDeny(Denial {
        layer: Layer::Identity,
        through_access_point: false,
        statement: None,
    })
}
