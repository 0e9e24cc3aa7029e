//! What every `Describe…` shares: ids, filters with wildcards, pages.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::context::{Ctx, Owned, View};
use crate::input::Input;
use crate::refusal::Refusal;

/// How one kind of resource is described.
pub(crate) struct Describe<R: Owned> {
    /// The input member with ids.
    pub ids: &'static str,
    /// The output member with the items.
    pub items: &'static str,
    /// Most items of a page, and the fewest `MaxResults` that AWS accepts.
    pub pages: std::ops::RangeInclusive<i64>,
    /// The item as shown.
    pub show: fn(&R, View<'_>) -> Value,
    /// The values a filter looks at; `None` when there is no such filter.
    pub filter: fn(&R, &str, View<'_>) -> Option<Vec<String>>,
}

/// One `Filter`: a name and patterns, of which one must match.
pub(crate) struct Filter<'a> {
    pub(crate) name: &'a str,
    pub(crate) patterns: Vec<&'a str>,
}

impl<R: Owned> Describe<R> {
    /// Runs a describe for the caller's resources in the Region.
    pub(crate) fn run(&self, input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
        let ids = input.texts(self.ids);
        let page = Page::of(input, !ids.is_empty(), &self.pages)?;
        let filters = filters(input)?;
        let matches = |resource: &R| -> Result<bool, Refusal> {
            for filter in &filters {
                let values = match filter.name.strip_prefix("tag:") {
                    Some(key) => resource.tags().get(key).cloned().into_iter().collect(),
                    None if filter.name == "tag-key" => resource.tags().keys().cloned().collect(),
                    None if filter.name == "owner-id" => vec![resource.owner().to_string()],
                    None => (self.filter)(resource, filter.name, view).ok_or_else(|| unknown(filter.name))?,
                };
                if !values.iter().any(|value| filter.patterns.iter().any(|p| wildcard(p, value))) {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let mut items = Vec::new();
        let mut next = None;
        let candidates: Box<dyn Iterator<Item = Arc<R>>> = if ids.is_empty() {
            let after = page.after.clone().unwrap_or_default();
            let range = R::table(view.intent).range(after.clone()..);
            let rest = range.filter(move |(key, _)| **key != after);
            Box::new(rest.map(|(_, r)| r.clone()).filter(|r| ctx.sees(view.intent, &**r)))
        } else {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.push(ctx.find::<R>(view.intent, id)?);
            }
            found.sort_by_key(|r| r.key());
            found.dedup_by_key(|r| r.key());
            Box::new(found.into_iter())
        };
        let mut last = String::new();
        for resource in candidates {
            if !matches(&resource)? {
                continue;
            }
            if items.len() == page.size {
                next = Some(URL_SAFE_NO_PAD.encode(&last));
                break;
            }
            last = resource.key();
            items.push((self.show)(&resource, view));
        }
        let mut output = Map::new();
        output.push(self.items, Value::List(items));
        output.push("NextToken", next);
        Ok(Value::Map(output))
    }
}

/// Which page of a list is asked for. A token names the last key seen, so items that come and go
/// meanwhile neither hide nor double another.
pub(crate) struct Page {
    pub(crate) size: usize,
    pub(crate) after: Option<String>,
}

impl Page {
    pub(crate) fn of(
        input: &Input<'_>,
        by_id: bool,
        sizes: &std::ops::RangeInclusive<i64>,
    ) -> Result<Page, Refusal> {
        let max = input.get("MaxResults").int();
        if by_id && max.is_some() {
            return Err(Refusal::combination(
                "The parameter MaxResults cannot be used with a list of ids in the same request",
            ));
        }
        if let Some(max) = max
            && max < *sizes.start()
        {
            return Err(Refusal::invalid_value(format!(
                "Value ( {max} ) for parameter maxResults is invalid. Expecting a value greater than or equal to {}.",
                sizes.start()
            )));
        }
        let after = match input.text("NextToken").filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => {
                let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|b| String::from_utf8(b).ok());
                Some(text.ok_or_else(|| {
                    Refusal::new("InvalidNextToken", format!("The token '{token}' is invalid"))
                })?)
            }
        };
        let size = max.map_or(usize::MAX, |max| max.min(*sizes.end()) as usize);
        Ok(Page { size, after })
    }
}

/// The filters of a request [ec2-api §1].
pub(crate) fn filters<'a>(input: &Input<'a>) -> Result<Vec<Filter<'a>>, Refusal> {
    let mut filters = Vec::new();
    let mut values = 0;
    for filter in input.get("Filters").list() {
        let name = filter.get("Name").str().unwrap_or_default();
        if name.is_empty() {
            return Err(Refusal::missing("Filter.Name"));
        }
        let patterns: Vec<&str> = filter.get("Values").list().iter().filter_map(Value::str).collect();
        values += patterns.len();
        filters.push(Filter { name, patterns });
    }
    if values > 200 {
        return Err(Refusal::new(
            "FilterLimitExceeded",
            format!("The request has {values} filter values; the limit is 200."),
        ));
    }
    Ok(filters)
}

/// The refusal of a filter that does not exist.
pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::invalid_value(format!("The filter '{name}' is invalid"))
}

/// Whether a pattern with `*`, `?` and `\` as escape matches a text; linear in both.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    enum Token {
        Any,
        One,
        Char(char),
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => Token::Any,
            '?' => Token::One,
            '\\' => Token::Char(chars.next().unwrap_or('\\')),
            c => Token::Char(c),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut t, mut p, mut star) = (0, 0, None);
    while t < text.len() {
        match tokens.get(p) {
            Some(Token::Any) => {
                star = Some((p, t));
                p += 1;
                continue;
            }
            Some(Token::One) => (t, p) = (t + 1, p + 1),
            Some(Token::Char(c)) if text.get(t) == Some(c) => (t, p) = (t + 1, p + 1),
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, t) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    tokens.get(p..).is_some_and(|rest| rest.iter().all(|t| matches!(t, Token::Any)))
}

/// Tags as shown.
pub(crate) fn tags(tags: &Tags) -> Value {
    let show = |(key, value): (&String, &String)| adit_wire::map! { "Key" => key, "Value" => value };
    Value::List(tags.iter().map(show).collect())
}

/// A boolean as filters see it.
pub(crate) fn yes(flag: bool) -> Vec<String> {
    vec![flag.to_string()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, matches) in [
            ("vpc-1", "vpc-1", true),
            ("vpc-*", "vpc-123", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("?", "é", true),
            ("a*b*c", "aXXbYYc", true),
            ("a*b*c", "aXXbYY", false),
            (r"\*", "*", true),
            (r"\*", "x", false),
            ("10.0.?.0/24", "10.0.1.0/24", true),
            ("A", "a", false),
        ] {
            assert_eq!(wildcard(pattern, text), matches, "{pattern} {text}");
        }
    }
}
