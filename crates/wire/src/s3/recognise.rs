//! Which operation a request to S3 asks for, from the table's own methods, paths and members.
//!
//! Candidates are the operations with the method and place of the request; the one that explains
//! most of the request wins. What makes a request another operation (a sub-resource, an upload id,
//! a copy source) must be explained by the winner, or nothing is recognised: a request must never
//! be taken for a cheaper one.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::OnceLock;

use super::{Address, Recognised, Target, with_hoisted};
use crate::protocol::text::{Pair, pairs, percent_decode, shortened};
use crate::protocol::{OperationRef, WireError, route};
use crate::request::Parts;
use crate::tables::{Location, Service, Table};

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Service,
    Bucket,
    Object,
}

/// An operation as a candidate.
#[derive(Debug)]
struct Candidate {
    name: &'static str,
    literals: Vec<(&'static str, Option<&'static str>)>,
    /// Query parameters it cannot do without.
    needs_query: Vec<&'static str>,
    /// Headers it cannot do without, where no literal names it.
    needs_headers: Vec<&'static str>,
    /// All its query parameters.
    query: Vec<&'static str>,
    /// Loses against an equal one.
    twin: bool,
}

impl Candidate {
    fn weight(&self) -> usize {
        self.literals.len() + self.needs_query.len() + self.needs_headers.len()
    }
}

#[derive(Debug, Default)]
struct Index {
    /// By method and place; there are about a dozen.
    candidates: Vec<((&'static str, Place), Vec<Candidate>)>,
    /// Query parameters that make a request another operation, sorted.
    telling: Vec<&'static str>,
    /// Headers that do.
    telling_headers: HashSet<&'static str>,
}

/// Telling parameters that the model does not use: sub-resources AWS once had, and the version,
/// which changes the action.
const MORE_TELLING: [&str; 3] = ["versionId", "defaultObjectAcl", "storageClass"];

impl Index {
    fn of(table: &'static Table) -> Index {
        let mut index = Index::default();
        index.telling.extend(MORE_TELLING);
        for operation in table.operations() {
            let template = route::Template::parse(operation.uri);
            let place = match template.segments.as_slice() {
                [] => Place::Service,
                [route::Segment::Label(_)] => Place::Bucket,
                [route::Segment::Label(_), route::Segment::Greedy(_)] => Place::Object,
                // Answers to Object Lambda go to a host of their own.
                _ => continue,
            };
            let members = operation
                .input
                .map(|id| table.shape(id))
                .and_then(|shape| shape.structure())
                .map(|structure| structure.members.as_slice())
                .unwrap_or_default();
            let at = |place: Location, required: bool| {
                members
                    .iter()
                    .filter(move |m| m.location == place && (m.required || !required))
                    .map(|m| m.wire)
                    .collect::<Vec<&'static str>>()
            };
            let bare = template.literals.is_empty();
            let candidate = Candidate {
                name: operation.name,
                needs_query: at(Location::Query, true),
                needs_headers: if bare {
                    at(Location::Header, true)
                } else {
                    Vec::new()
                },
                query: at(Location::Query, false),
                twin: operation.twin,
                literals: template.literals,
            };
            index
                .telling
                .extend(candidate.literals.iter().map(|(key, _)| *key));
            if bare {
                index.telling.extend(&candidate.needs_query);
                index.telling_headers.extend(&candidate.needs_headers);
            }
            let slot = (operation.method, place);
            match index
                .candidates
                .iter_mut()
                .find(|(known, _)| *known == slot)
            {
                Some((_, list)) => list.push(candidate),
                None => index.candidates.push((slot, vec![candidate])),
            }
        }
        for (_, list) in &mut index.candidates {
            list.sort_by_key(|c| (std::cmp::Reverse(c.weight()), c.twin));
        }
        index.telling.sort_unstable();
        index.telling.dedup();
        index
    }

    fn get() -> Option<&'static Index> {
        static INDEX: OnceLock<Option<Index>> = OnceLock::new();
        INDEX
            .get_or_init(|| Service::S3.table().map(Index::of))
            .as_ref()
    }

    fn candidates(&self, method: &str, place: Place) -> &[Candidate] {
        self.candidates
            .iter()
            .find(|((known, at), _)| *at == place && *known == method)
            .map_or(&[], |(_, list)| list.as_slice())
    }

    /// Whether a query parameter makes a request another operation.
    fn tells(&self, parameter: &str) -> bool {
        self.telling.binary_search(&parameter).is_ok()
    }
}

/// Names the operation of a request to `address`.
///
/// # Errors
/// [`WireError::NotImplemented`] for a sub-resource without an operation,
/// [`WireError::NoSuchOperation`] for a method without one, [`WireError::Malformed`] for a query
/// that cannot be decoded.
pub fn recognise(address: &Address, parts: &Parts<'_>) -> Result<Recognised, WireError> {
    if parts.method == "OPTIONS" {
        return Ok(Recognised::Preflight);
    }
    let place = match &address.target {
        Target::Control(_) => {
            return crate::protocol::identify(Service::S3Control, parts).map(Recognised::Operation);
        }
        Target::Service => Place::Service,
        Target::Bucket(_) => Place::Bucket,
        Target::Object(..) => Place::Object,
    };
    if parts.method == "POST" && place == Place::Bucket && is_form(parts) {
        let query = decoded(parts.query)?;
        let index = Index::get();
        if !query
            .iter()
            .any(|(key, _)| index.is_some_and(|index| index.tells(key)))
        {
            return Ok(Recognised::PostObject);
        }
    }
    with_hoisted(parts, |parts| operation(place, parts)).map(Recognised::Operation)
}

/// Whether a query parameter belongs to an operation of S3: others are ignored by it, but need not be
/// by what stands behind.
pub fn explains(op: &OperationRef, parameter: &str) -> bool {
    let known = |candidate: &Candidate| {
        candidate.name == op.name()
            && (candidate.query.contains(&parameter)
                || candidate.literals.iter().any(|(key, _)| *key == parameter))
    };
    let lists = Index::get().map(|index| index.candidates.as_slice());
    let mut all = lists.unwrap_or_default().iter().flat_map(|(_, list)| list);
    all.any(known)
}

fn is_form(parts: &Parts<'_>) -> bool {
    parts.headers.get("content-type").is_some_and(|text| {
        let kind = text.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("multipart/form-data")
    })
}

fn decoded(query: &str) -> Result<Vec<Pair<'_>>, WireError> {
    pairs(query, 1000)
}

/// Names the operation by method, place, query and headers.
pub(super) fn operation(place: Place, parts: &Parts<'_>) -> Result<OperationRef, WireError> {
    let nothing = || WireError::NoSuchOperation {
        name: shortened(&format!(
            "{} {}",
            parts.method,
            percent_decode(parts.path, false).unwrap_or(Cow::Borrowed(parts.path))
        )),
    };
    let index = Index::get().ok_or_else(nothing)?;
    let query = decoded(parts.query)?;
    let given = |key: &str, value: Option<&str>| {
        query
            .iter()
            .any(|(name, text)| name == key && value.is_none_or(|value| value == text))
    };
    let fits = |candidate: &&Candidate| {
        candidate
            .literals
            .iter()
            .all(|(key, value)| given(key, *value))
            && candidate.needs_query.iter().all(|key| given(key, None))
            && candidate
                .needs_headers
                .iter()
                .all(|name| parts.headers.has(name))
    };
    let found = index.candidates(parts.method, place).iter().find(fits);
    let explained = |key: &str| {
        found.is_some_and(|candidate| {
            candidate.query.contains(&key) || candidate.literals.iter().any(|(k, _)| *k == key)
        })
    };
    let refuse = |resource: &str| WireError::NotImplemented {
        method: parts.method.to_owned(),
        resource: shortened(resource),
    };
    for (key, _) in &query {
        if index.tells(key) && !explained(key) {
            return Err(refuse(key));
        }
    }
    let found = found.ok_or_else(nothing)?;
    // A copy source beside a sub-resource means neither.
    for header in index
        .telling_headers
        .iter()
        .filter(|name| parts.headers.has(name))
    {
        if !found.needs_headers.contains(header) {
            return Err(refuse(header));
        }
    }
    OperationRef::find(Service::S3, found.name).ok_or_else(nothing)
}
