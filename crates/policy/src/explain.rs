//! A decision in words: AWS's message, and plain sentences.

use crate::decision::Decision;
use crate::layers::Layers;
use crate::request::Request;
use crate::trace::Trace;

/// What AWS tells the caller.
///
/// For S3 the message of an `AccessDenied` answer: the long form only for callers of the owner's
/// account, or of its organisation (`same_organization`) unless the endpoint's policy denied;
/// otherwise `Access Denied`. For other services
/// `User: … is not authorized to perform: … on resource: … because …`; what a service puts before it
/// (`You are not authorized to perform this operation.`) is its own. Empty for an allow.
pub fn message(
    decision: &Decision,
    layers: &Layers<'_>,
    request: &Request<'_>,
    same_organization: bool,
) -> String {
    let _ = (decision, layers, request, same_organization);
    String::new()
}

/// A trace in a few plain sentences: the outcome first, then what decided it, then the nearest
/// misses.
pub fn sentences(decision: &Decision, request: &Request<'_>, trace: &Trace) -> Vec<String> {
    let _ = (decision, request, trace);
    Vec::new()
}
