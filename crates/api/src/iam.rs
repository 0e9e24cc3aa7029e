//! IAM: users, groups, roles, their keys and their policies [iam-control §3].

pub(crate) mod absent;
pub(crate) mod access_key;
pub(crate) mod account;
pub(crate) mod attached;
mod entity;
pub(crate) mod group;
pub(crate) mod inline;
pub(crate) mod managed_policy;
pub(crate) mod role;
pub(crate) mod simulate;
pub(crate) mod tagged;
pub(crate) mod user;

use adit_model::*;
use adit_policy::PolicyKind;
use adit_wire::protocol::percent_encoded;
use adit_wire::{Map, Value, map};

use crate::context::Ctx;
use crate::input::Input;
use crate::policies;
use crate::refusal::Refusal;

/// How many items a page has when the caller does not say.
const PAGE: i64 = 100;

/// A role's session is no user, and so cannot mean itself.
fn nobody() -> Refusal {
    Refusal::new(
        "ValidationError",
        "Must specify userName when calling with non-User credentials",
    )
}

/// `DeleteConflict`, by what stands in the way.
fn conflict(what: &str) -> Refusal {
    Refusal::new("DeleteConflict", format!("Cannot delete entity, {what}."))
}

/// Refuses a policy that could not be enforced in its place.
fn check_document(text: &str, kind: PolicyKind, ctx: &Ctx) -> Result<(), Refusal> {
    match policies::first_error(text, kind, &ctx.caller.account, None) {
        None => Ok(()),
        Some(finding) => Err(Refusal::new(
            "MalformedPolicyDocument",
            finding.explanation(),
        )),
    }
}

/// Documents come back percent-encoded; SDKs decode them [iam-control §1].
fn encoded(text: &str) -> String {
    percent_encoded(text)
}

/// The form of a policy's ARN.
fn check_arn(arn: &str) -> Result<(), Refusal> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let fits = matches!(parts[..], ["arn", _, "iam", "", _, rest] if rest.starts_with("policy/"));
    match fits {
        true => Ok(()),
        false => Err(Refusal::new(
            "ValidationError",
            "Invalid ARN:  Could not be parsed!",
        )),
    }
}

/// A name of IAM: up to `longest` letters, digits and `_+=,.@-`.
fn check_name(parameter: &str, name: &str, longest: usize) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if name.is_empty() || name.chars().count() > longest {
        return Err(constraint(
            parameter,
            name,
            &format!("Member must have length less than or equal to {longest}"),
        ));
    }
    if !name.chars().all(fits) {
        return Err(constraint(
            parameter,
            name,
            r"Member must satisfy regular expression pattern: [\w+=,.@-]+",
        ));
    }
    Ok(())
}

/// A path: `/`, or words between slashes.
fn check_path(parameter: &str, path: &str) -> Result<(), Refusal> {
    let fits = path.starts_with('/')
        && path.ends_with('/')
        && path.len() <= 512
        && path.bytes().all(|b| b.is_ascii_graphic());
    match fits {
        true => Ok(()),
        false => Err(constraint(
            parameter,
            path,
            r"Member must satisfy regular expression pattern: (\u002F)|(\u002F[\u0021-\u007F]+\u002F)",
        )),
    }
}

fn constraint(parameter: &str, value: &str, rule: &str) -> Refusal {
    let mut field = parameter.to_string();
    if let Some(first) = field.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    Refusal::new(
        "ValidationError",
        format!(
            "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rule}"
        ),
    )
}

/// One page of a list in key order: `Marker` names the last key of the page before.
fn page<T>(
    input: &Input<'_>,
    member: &'static str,
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    show: impl Fn(T) -> Value,
) -> Result<Value, Refusal> {
    let size = input.get("MaxItems").int().unwrap_or(PAGE);
    if !(1..=1000).contains(&size) {
        return Err(constraint(
            "MaxItems",
            &size.to_string(),
            "Member must be between 1 and 1000",
        ));
    }
    let after = input.text("Marker");
    let mut shown = Vec::new();
    let mut marker = None;
    let mut last = String::new();
    for item in items {
        let at = key(&item);
        if after.is_some_and(|after| at.as_str() <= after) {
            continue;
        }
        if shown.len() == size as usize {
            marker = Some(last);
            break;
        }
        last = at;
        shown.push(show(item));
    }
    let mut output = Map::new();
    output.push(member, Value::List(shown));
    output.push("IsTruncated", marker.is_some());
    output.push("Marker", marker);
    Ok(Value::Map(output))
}

/// One page over several kinds, shown as a list of each: an item's key begins with its kind's prefix, and
/// `kinds` gives the list of each prefix.
fn page_of_kinds(
    input: &Input<'_>,
    mut items: Vec<(String, Value)>,
    kinds: &[(&str, &'static str)],
) -> Result<Value, Refusal> {
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let keyed = |item: &(String, Value)| item.0.clone();
    let all = page(input, "All", items.into_iter(), keyed, |(key, shown)| {
        map! { "Key" => key, "Shown" => shown }
    })?;
    let mut output = Map::new();
    for (prefix, member) in kinds {
        let items = all.get("All").list().iter();
        let mine = items.filter(|item| {
            let key = item.get("Key").str();
            key.is_some_and(|key| key.starts_with(prefix))
        });
        let shown = mine.map(|item| item.get("Shown").clone());
        output.push(*member, shown.collect::<Value>());
    }
    output.push("IsTruncated", all.get("IsTruncated").clone());
    output.push("Marker", all.get("Marker").clone());
    Ok(Value::Map(output))
}

/// A moment.
fn time(millis: Millis) -> Value {
    // IAM's times have whole seconds.
    Value::Time {
        millis: millis - millis.rem_euclid(1000),
    }
}
