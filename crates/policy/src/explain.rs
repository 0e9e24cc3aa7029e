//! A decision in words: AWS's message, and plain sentences.

use crate::decision::{Decision, Denial, Layer};
use crate::layers::Layers;
use crate::principal::PrincipalKind;
use crate::request::Request;
use crate::trace::{Effect, Element, LayerTrace, Mismatch, Outcome, StatementTrace, Trace};

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
    let (denial, is_explicit) = match decision {
        Decision::Allow => return String::new(),
        Decision::ImplicitDeny(denial) => (denial, false),
        Decision::ExplicitDeny(denial) => (denial, true),
    };
    let is_s3 = request.action.service().eq_ignore_ascii_case("s3");
    let by_endpoint = denial.layer == Layer::VpcEndpoint;
    let is_told = request.principal.account().is_some()
        && (!request.is_cross_account() || same_organization && !by_endpoint);
    if is_s3 && !is_told {
        return "Access Denied".to_owned();
    }
    let caller = match request.principal.kind() {
        PrincipalKind::Anonymous => "anonymous",
        _ => request.principal.arn(),
    };
    let action = request.action.name();
    let resource = match (denial.through_access_point, &layers.access_point) {
        (true, Some(point)) => point.resource,
        _ => request.resource,
    };
    let mut text = format!("User: {caller} is not authorized to perform: {action}");
    if resource != "*" {
        let quote = if is_s3 { "\"" } else { "" };
        text.push_str(&format!(" on resource: {quote}{resource}{quote}"));
    }
    text.push(' ');
    text.push_str(&reason(denial, is_explicit, action, is_s3));
    text
}

/// The clause after the resource.
fn reason(denial: &Denial, is_explicit: bool, action: &str, is_s3: bool) -> String {
    let noun = denial.layer.noun();
    // Outside S3, service control policies are always reported as explicit.
    let is_explicit = is_explicit || denial.layer == Layer::ServiceControl && !is_s3;
    if is_explicit {
        let article = if noun.starts_with('i') { "an" } else { "a" };
        format!("with an explicit deny in {article} {noun}")
    } else {
        format!("because no {noun} allows the {action} action")
    }
}

/// A trace in a few plain sentences: the outcome first, then what decided it, then the nearest
/// misses.
///
/// ```text
/// arn:aws:iam::111122223333:user/ana may not do s3:GetObject on arn:aws:s3:::b/k.
/// The VPC endpoint policy has no statement that allows it.
/// Statement 0 (`Reports`) would allow it, but its Condition wants StringEquals aws:SourceVpce
/// `vpce-1`, and the request has `vpce-2`.
/// ```
pub fn sentences(decision: &Decision, request: &Request<'_>, trace: &Trace) -> Vec<String> {
    let caller = match request.principal.kind() {
        PrincipalKind::Anonymous => "An anonymous caller",
        _ => request.principal.arn(),
    };
    let (action, resource) = (request.action.name(), request.resource);
    let Some(denial) = decision.denial() else {
        let mut lines = vec![format!("{caller} may do {action} on {resource}.")];
        lines.extend(trace.layers.iter().filter_map(granting_sentence));
        return lines;
    };
    let mut lines = vec![format!("{caller} may not do {action} on {resource}.")];
    let of_layer = |layer: &&LayerTrace| {
        layer.layer == denial.layer && layer.through_access_point == denial.through_access_point
    };
    let layers: Vec<&LayerTrace> = trace.layers.iter().filter(of_layer).collect();
    let noun = noun_of(denial.layer);
    let half = if denial.through_access_point {
        ", for the access point itself,"
    } else {
        ""
    };
    if decision.is_explicit_deny() {
        match denying(&layers) {
            Some(statement) => lines.push(deny_sentence(noun, half, statement)),
            None => lines.push(format!("The {noun}{half} forbids it.")),
        }
    } else {
        lines.push(format!("The {noun}{half} has no statement that allows it."));
        lines.extend(near_misses(&layers).map(miss_sentence));
    }
    lines.extend(
        layers
            .iter()
            .filter(|l| !l.note.is_empty())
            .map(|l| sentence(&l.note)),
    );
    lines
}

fn noun_of(layer: Layer) -> &'static str {
    match layer {
        Layer::AccessPoint => "access point policy",
        Layer::NetworkOrigin => "access point's network origin",
        Layer::BlockPublicAccess => "Block Public Access setting",
        Layer::Resource => "resource policy",
        _ => layer.noun(),
    }
}

/// A note as a sentence.
fn sentence(note: &str) -> String {
    let mut chars = note.chars();
    let first: String = chars
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    format!("{first}{}.", chars.as_str())
}

fn granting_sentence(layer: &LayerTrace) -> Option<String> {
    let statement = layer.statements.iter().find(|statement| {
        layer.outcome == Outcome::Allow
            && statement.mismatch.is_none()
            && statement.effect == Effect::Allow
    })?;
    let half = if layer.through_access_point {
        " (access point)"
    } else {
        ""
    };
    Some(format!(
        "The {}{half} allows it by {}.",
        noun_of(layer.layer),
        name(statement)
    ))
}

fn denying<'t>(layers: &[&'t LayerTrace]) -> Option<&'t StatementTrace> {
    layers
        .iter()
        .flat_map(|layer| &layer.statements)
        .find(|statement| statement.effect == Effect::Deny && statement.mismatch.is_none())
}

fn deny_sentence(noun: &str, half: &str, statement: &StatementTrace) -> String {
    let mut text = format!("The {noun}{half} forbids it by {}", name(statement));
    if !statement.absent_keys.is_empty() {
        let keys: Vec<String> = statement
            .absent_keys
            .iter()
            .map(|key| format!("`{key}`"))
            .collect();
        text.push_str(&format!(
            ", which applies although (or because) the request has no {}",
            keys.join(" and no ")
        ));
    }
    text.push('.');
    text
}

/// Up to three Allow statements, those first that came furthest.
fn near_misses<'t>(layers: &[&'t LayerTrace]) -> impl Iterator<Item = &'t StatementTrace> {
    let mut misses: Vec<&StatementTrace> = layers
        .iter()
        .flat_map(|layer| &layer.statements)
        .filter(|statement| statement.effect == Effect::Allow && statement.mismatch.is_some())
        .collect();
    misses.sort_by_key(|statement| statement.mismatch.as_ref().map_or(0, distance));
    misses.into_iter().take(3)
}

fn distance(mismatch: &Mismatch) -> u8 {
    match mismatch.element {
        Element::Condition => 0,
        Element::Resource | Element::NotResource => 1,
        Element::Action | Element::NotAction => 2,
        Element::Principal | Element::NotPrincipal => 3,
    }
}

fn miss_sentence(statement: &StatementTrace) -> String {
    let name = capital(&name(statement));
    let Some(mismatch) = &statement.mismatch else {
        return format!("{name} matches.");
    };
    let expected = quoted(&mismatch.expected, " or ");
    let actual = mismatch.actual.as_ref().map(|actual| quoted(actual, ", "));
    let element = mismatch.element.as_str();
    match (&mismatch.operator, &mismatch.key) {
        (Some(operator), Some(key)) => {
            let actual = match actual {
                Some(actual) => format!("the request has {actual}"),
                None => "the request has no such key".to_owned(),
            };
            format!(
                "{name} would allow it, but its Condition wants {operator} {key} {expected}, and {actual}."
            )
        }
        _ => {
            let actual = actual.unwrap_or_default();
            format!(
                "{name} does not apply: its {element} is {expected}, the request's is {actual}."
            )
        }
    }
}

fn name(statement: &StatementTrace) -> String {
    let place = match statement.policy {
        0 => String::new(),
        policy => format!(" of policy {policy}"),
    };
    match statement.sid.as_deref().filter(|sid| !sid.is_empty()) {
        Some(sid) => format!("statement {}{place} (`{sid}`)", statement.statement),
        None => format!("statement {}{place}", statement.statement),
    }
}

fn capital(text: &str) -> String {
    sentence(text).trim_end_matches('.').to_owned()
}

/// Values in backticks, at most four.
fn quoted(values: &[String], between: &str) -> String {
    let mut shown: Vec<String> = values
        .iter()
        .take(4)
        .map(|value| format!("`{value}`"))
        .collect();
    if values.is_empty() {
        return "nothing".to_owned();
    }
    if values.len() > shown.len() {
        shown.push(format!("{} more", values.len() - shown.len()));
    }
    shown.join(between)
}
