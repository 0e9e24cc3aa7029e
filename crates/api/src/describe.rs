//! What every `Describe…` shares: ids, filters with wildcards, pages.

use std::collections::BTreeMap;
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
    /// The fewest `MaxResults` that AWS accepts, and most items of a page.
    pub pages: Pages,
    /// The filters there are besides those by tag and owner.
    pub filters: &'static [&'static str],
    /// The item as shown.
    pub show: fn(&R, View<'_>) -> Value,
    /// The values a filter looks at; `None` when there is no such filter.
    pub filter: fn(&R, &str, View<'_>) -> Option<Vec<String>>,
}

/// The fewest `MaxResults` that is accepted, and the most that is given.
pub(crate) type Pages = std::ops::RangeInclusive<i64>;

impl<R: Owned> Describe<R> {
    /// Runs a describe for the caller's resources in the Region.
    pub(crate) fn run(
        &self,
        input: &Input<'_>,
        view: View<'_>,
        ctx: &Ctx,
    ) -> Result<Value, Refusal> {
        self.run_with(input, view, ctx, |id| ctx.find::<R>(view.intent, id))
    }

    /// The same, where an id is looked up in a way of its own.
    pub(crate) fn run_with(
        &self,
        input: &Input<'_>,
        view: View<'_>,
        ctx: &Ctx,
        find: impl Fn(&str) -> Result<Arc<R>, Refusal>,
    ) -> Result<Value, Refusal> {
        let ids = input.texts(self.ids);
        let query = Query::of(input, !ids.is_empty(), &self.pages, |name| {
            self.filters.contains(&name) || name == "owner-id" || is_tag_filter(name)
        })?;
        let candidates: Box<dyn Iterator<Item = Arc<R>>> = if ids.is_empty() {
            Box::new(candidates(&query, view.intent).filter(|r| ctx.sees(view.intent, &**r)))
        } else {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.push(find(id)?);
            }
            found.sort_by_key(|r| r.key());
            found.dedup_by_key(|r| r.key());
            Box::new(found.into_iter())
        };
        let matching = candidates.filter(|resource| {
            query.matches(|name| match tag_values(resource.tags(), name) {
                Some(values) => values,
                None if name == "owner-id" => vec![resource.owner().to_string()],
                None => {
                    let values = (self.filter)(resource, name, view);
                    debug_assert!(values.is_some(), "filter {name} is listed and not known");
                    values.unwrap_or_default()
                }
            })
        });
        let (items, next) = query.page(matching, |r| r.key(), |r| (self.show)(&r, view));
        let mut output = Map::new();
        output.push(self.items, Value::List(items));
        output.push("NextToken", next);
        Ok(Value::Map(output))
    }
}

/// What may match a query, in key order: looked up where a filter names ids or VPCs without
/// wildcards, so that the rest of the installation costs nothing.
fn candidates<'a, R: Resource>(
    query: &Query<'_>,
    intent: &'a Intent,
) -> Box<dyn Iterator<Item = Arc<R>> + 'a> {
    let found = match (query.literals(id_filter(R::KIND)), query.literals("vpc-id")) {
        (Some(ids), _) => ids.iter().filter_map(|id| intent.get::<R>(id)).collect(),
        (None, Some(vpcs)) => {
            let vpcs = vpcs.iter().filter_map(|id| id.parse::<VpcId>().ok());
            vpcs.flat_map(|vpc| intent.in_vpc::<R>(&vpc)).collect()
        }
        (None, None) => {
            let all = R::table(intent).range(query.after()..);
            return Box::new(all.map(|(_, resource)| resource.clone()));
        }
    };
    let found: Vec<&Arc<R>> = found;
    let by_key: BTreeMap<String, Arc<R>> =
        found.into_iter().map(|r| (r.key(), r.clone())).collect();
    Box::new(by_key.into_values())
}

/// The filter that names resources of a kind by their ids.
fn id_filter(kind: Kind) -> &'static str {
    match kind {
        Kind::VpcEndpoint => "vpc-endpoint-id",
        Kind::NetworkInterface => "network-interface-id",
        Kind::Subnet => "subnet-id",
        Kind::RouteTable => "route-table-id",
        Kind::SecurityGroup => "group-id",
        // Other kinds are few.
        _ => "",
    }
}

/// Which items of a list are asked for: filters and a page. A token names the last key seen, so
/// items that come and go meanwhile neither hide nor double another.
pub(crate) struct Query<'a> {
    filters: Vec<Filter<'a>>,
    size: usize,
    after: Option<String>,
}

/// One `Filter`: a name and patterns, of which one must match.
struct Filter<'a> {
    name: &'a str,
    patterns: Vec<&'a str>,
}

impl<'a> Query<'a> {
    /// Reads filters and page of a request; `by_id` says that it names what it wants.
    pub(crate) fn of(
        input: &Input<'a>,
        by_id: bool,
        pages: &Pages,
        known: impl Fn(&str) -> bool,
    ) -> Result<Query<'a>, Refusal> {
        let max = input.get("MaxResults").int();
        if by_id && max.is_some() {
            return Err(Refusal::combination(
                "The parameter MaxResults cannot be used with a list of ids in the same request",
            ));
        }
        if let Some(max) = max
            && max < *pages.start()
        {
            return Err(Refusal::invalid_value(format!(
                "Value ( {max} ) for parameter maxResults is invalid. Expecting a value greater than or equal to {}.",
                pages.start()
            )));
        }
        let after = match input.text("NextToken").filter(|token| !token.is_empty()) {
            None => None,
            Some(token) => {
                let bytes = URL_SAFE_NO_PAD.decode(token).ok();
                let text = bytes.and_then(|b| String::from_utf8(b).ok());
                Some(text.ok_or_else(|| {
                    Refusal::new(
                        "InvalidNextToken",
                        format!("The token '{token}' is invalid"),
                    )
                })?)
            }
        };
        let filters = filters(input)?;
        if let Some(filter) = filters.iter().find(|filter| !known(filter.name)) {
            let text = format!("The filter '{}' is invalid", filter.name);
            return Err(Refusal::invalid_value(text));
        }
        let size = max.map_or(usize::MAX, |max| max.min(*pages.end()) as usize);
        Ok(Query {
            filters,
            size,
            after,
        })
    }

    /// A key from which on (exclusively) items are wanted; empty for all.
    pub(crate) fn after(&self) -> String {
        self.after.clone().unwrap_or_default()
    }

    /// The values of a filter with this name, if there is one and none of them has a wildcard.
    fn literals(&self, name: &str) -> Option<&[&'a str]> {
        let filter = self.filters.iter().find(|filter| filter.name == name)?;
        let plain = |pattern: &&str| !pattern.contains(['*', '?', '\\']);
        filter
            .patterns
            .iter()
            .all(plain)
            .then_some(filter.patterns.as_slice())
    }

    /// Whether something passes every filter.
    pub(crate) fn matches(&self, values: impl Fn(&str) -> Vec<String>) -> bool {
        self.filters.iter().all(|filter| {
            let patterns = &filter.patterns;
            values(filter.name)
                .iter()
                .any(|value| patterns.iter().any(|pattern| wildcard(pattern, value)))
        })
    }

    /// One page of items that come in key order, and the token of the next.
    pub(crate) fn page<T>(
        &self,
        items: impl Iterator<Item = T>,
        key: impl Fn(&T) -> String,
        show: impl Fn(T) -> Value,
    ) -> (Vec<Value>, Option<String>) {
        let mut shown = Vec::new();
        let mut last = String::new();
        let seen = |item: &T| self.after.as_ref().is_some_and(|after| key(item) <= *after);
        for item in items.skip_while(seen) {
            if shown.len() == self.size {
                return (shown, Some(URL_SAFE_NO_PAD.encode(&last)));
            }
            if shown.len() + 1 == self.size {
                last = key(&item);
            }
            shown.push(show(item));
        }
        (shown, None)
    }
}

/// Whether a filter looks at tags.
pub(crate) fn is_tag_filter(name: &str) -> bool {
    name.starts_with("tag:") || name == "tag-key"
}

/// The values that a filter by tag looks at.
pub(crate) fn tag_values(tags: &Tags, name: &str) -> Option<Vec<String>> {
    match name.strip_prefix("tag:") {
        Some(key) => Some(tags.get(key).cloned().into_iter().collect()),
        None if name == "tag-key" => Some(tags.keys().cloned().collect()),
        None => None,
    }
}

/// The filters of a request [ec2-api §1].
fn filters<'a>(input: &Input<'a>) -> Result<Vec<Filter<'a>>, Refusal> {
    let mut filters = Vec::new();
    let mut values = 0;
    // Two operations call the parameter by its wire name.
    let named = input.get("Filters").list().iter();
    for filter in named.chain(input.get("Filter").list()) {
        let name = filter.get("Name").str().unwrap_or_default();
        if name.is_empty() {
            return Err(Refusal::missing("Filter.Name"));
        }
        let patterns: Vec<&str> = filter
            .get("Values")
            .list()
            .iter()
            .filter_map(Value::str)
            .collect();
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

/// Whether a pattern with `*`, `?` and `\` as escape matches a text.
fn wildcard(pattern: &str, text: &str) -> bool {
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
    tokens
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|t| matches!(t, Token::Any)))
}

/// Tags as shown.
pub(crate) fn tags(tags: &Tags) -> Value {
    let show =
        |(key, value): (&String, &String)| adit_wire::map! { "Key" => key, "Value" => value };
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
