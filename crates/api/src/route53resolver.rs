//! Route 53 Resolver: endpoints, rules and query logs [dns §9].

pub(crate) mod address;
pub(crate) mod config;
pub(crate) mod endpoint;
pub(crate) mod query_log;
pub(crate) mod rule;
pub(crate) mod rule_association;
pub(crate) mod tag;

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, time};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::context::Ctx;
use crate::input::{Input, check_tag_count, tag_of};
use crate::refusal::Refusal;

/// Most items of a page, and how many it has when the caller does not say.
const PAGE: i64 = 100;

fn invalid(field: &'static str, message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidParameterException", message).with("FieldName", field)
}

fn invalid_request(message: impl Into<String>) -> Refusal {
    Refusal::new("InvalidRequestException", message)
}

fn exists(message: impl Into<String>) -> Refusal {
    Refusal::new("ResourceExistsException", message)
}

fn in_use(message: impl Into<String>) -> Refusal {
    Refusal::new("ResourceInUseException", message)
}

fn not_found(message: impl Into<String>) -> Refusal {
    Refusal::new("ResourceNotFoundException", message)
}

/// A name from a request, short enough for a message.
fn said(text: &str) -> String {
    text.chars().take(128).collect()
}

/// The caller's VPC in this Region.
fn find_vpc(
    intent: &Intent,
    ctx: &Ctx,
    field: &'static str,
    id: &str,
) -> Result<Arc<Vpc>, Refusal> {
    ctx.find::<Vpc>(intent, id).map_err(|_| {
        invalid(
            field,
            format!(
                "[RSLVR-00410] The VPC with ID \"{}\" does not exist.",
                said(id)
            ),
        )
    })
}

fn arn(region: &Region, owner: &AccountId, kind: &str, id: impl std::fmt::Display) -> String {
    format!("arn:aws:route53resolver:{region}:{owner}:{kind}/{id}")
}

fn moment(millis: Millis) -> String {
    time::iso8601(millis, true)
}

/// The tags a new resource is given.
fn tags(input: &Input<'_>) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in input.get("Tags").list() {
        let (key, value) = tag_of(tag).map_err(invalid_tag)?;
        tags.insert(key.to_string(), value.to_string());
    }
    check_tag_count(&tags).map_err(invalid_tag)?;
    Ok(tags)
}

fn invalid_tag(refusal: Refusal) -> Refusal {
    Refusal::new("InvalidTagException", refusal.message)
}

/// A name for people: up to 64 letters, digits, `-`, `_`, spaces, and not a number.
fn name(input: &Input<'_>) -> Result<Option<String>, Refusal> {
    match input.text("Name").filter(|name| !name.is_empty()) {
        None => Ok(None),
        Some(name) => checked_name(name).map(Some),
    }
}

fn checked_name(name: &str) -> Result<String, Refusal> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_' ".contains(&b);
    let number = name.bytes().all(|b| b.is_ascii_digit());
    match name.len() <= 64 && !number && name.bytes().all(fits) {
        true => Ok(name.to_string()),
        false => Err(invalid(
            "Name",
            format!("[RSLVR-00427] The name \"{}\" is not valid.", said(name)),
        )),
    }
}

/// One page of a list in key order, with filters by the members of what is shown.
///
/// `filters` pairs the name of each filter with the member that it looks at.
fn page<T>(
    input: &Input<'_>,
    member: &'static str,
    filters: &[(&str, &str)],
    items: impl Iterator<Item = T>,
    key: impl Fn(&T) -> String,
    show: impl Fn(&T) -> Value,
) -> Result<Map, Refusal> {
    let size = input.get("MaxResults").int().unwrap_or(PAGE);
    if !(1..=PAGE).contains(&size) {
        return Err(invalid(
            "MaxResults",
            format!("MaxResults must be a number from 1 to {PAGE}, not {size}"),
        ));
    }
    let after = match input.text("NextToken").filter(|token| !token.is_empty()) {
        None => None,
        Some(token) => {
            let bytes = URL_SAFE_NO_PAD.decode(token).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            Some(text.ok_or_else(|| {
                Refusal::new(
                    "InvalidNextTokenException",
                    "The value of NextToken is invalid.",
                )
            })?)
        }
    };
    let wanted = wanted(input, filters)?;
    let mut shown = Vec::new();
    let (mut last, mut next) = (String::new(), None);
    for item in items {
        let at = key(&item);
        if after.as_ref().is_some_and(|after| at <= *after) {
            continue;
        }
        let value = show(&item);
        if !wanted
            .iter()
            .all(|(member, values)| has(&value, member, values))
        {
            continue;
        }
        if shown.len() == size as usize {
            next = Some(URL_SAFE_NO_PAD.encode(&last));
            break;
        }
        last = at;
        shown.push(value);
    }
    let mut output = Map::new();
    output.push("NextToken", next);
    output.push(member, Value::List(shown));
    Ok(output)
}

/// How many of these pass the filters.
fn matching(
    input: &Input<'_>,
    filters: &[(&str, &str)],
    items: &[Value],
) -> Result<usize, Refusal> {
    let wanted = wanted(input, filters)?;
    let passes = |item: &&Value| {
        wanted
            .iter()
            .all(|(member, values)| has(item, member, values))
    };
    Ok(items.iter().filter(passes).count())
}

/// The members that filters look at, with the values of which one must be there.
fn wanted<'a>(
    input: &Input<'a>,
    known: &[(&str, &'a str)],
) -> Result<Vec<(&'a str, Vec<&'a str>)>, Refusal> {
    let mut wanted = Vec::new();
    for filter in input.get("Filters").list() {
        let name = filter.get("Name").str().unwrap_or_default();
        let member = known
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        let Some((_, member)) = member else {
            return Err(invalid(
                "Filters",
                format!("[RSLVR-00420] The filter \"{}\" is not valid.", said(name)),
            ));
        };
        wanted.push((*member, filter.get("Values").strings().collect()));
    }
    Ok(wanted)
}

fn has(item: &Value, member: &str, values: &[&str]) -> bool {
    match item.get(member) {
        Value::Str(text) => values.contains(&text.as_str()),
        Value::Int(number) => values.contains(&number.to_string().as_str()),
        Value::List(items) => items
            .iter()
            .filter_map(Value::str)
            .any(|text| values.contains(&text)),
        _ => false,
    }
}

/// A page with the size that was asked for, as older lists show it.
fn with_size(mut page: Map, input: &Input<'_>) -> Value {
    page.push("MaxResults", input.get("MaxResults").int().unwrap_or(PAGE));
    Value::Map(page)
}
