//! Operations by method and path template.

use std::collections::HashMap;

use crate::request::Parts;
use crate::tables::{Operation, Table};

/// One piece of a template between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Must be these characters.
    Literal(&'static str),
    /// Any one segment.
    Label(&'static str),
    /// This segment and all that follow.
    Greedy(&'static str),
}

/// A template, split.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) segments: Vec<Segment>,
    /// Query parameters that must be there, with a value or any.
    pub(crate) literals: Vec<(&'static str, Option<&'static str>)>,
}

impl Template {
    pub(crate) fn parse(uri: &'static str) -> Template {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let segments = path
            .split('/')
            .filter(|piece| !piece.is_empty())
            .map(
                |piece| match piece.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                    Some(label) => match label.strip_suffix('+') {
                        Some(label) => Segment::Greedy(label),
                        None => Segment::Label(label),
                    },
                    None => Segment::Literal(piece),
                },
            )
            .collect();
        let literals = query
            .split('&')
            .filter(|piece| !piece.is_empty())
            .map(|piece| match piece.split_once('=') {
                Some((key, value)) => (key, Some(value)),
                None => (piece, None),
            })
            .collect();
        Template { segments, literals }
    }

    fn greedy(&self) -> bool {
        self.segments
            .iter()
            .any(|s| matches!(s, Segment::Greedy(_)))
    }

    /// The label values of `path`, raw as sent; `None` when it does not fit.
    pub(crate) fn labels<'p>(&self, path: &'p str) -> Option<Vec<(&'static str, &'p str)>> {
        let mut rest = path.strip_prefix('/').unwrap_or(path);
        let mut found = Vec::new();
        for (at, segment) in self.segments.iter().enumerate() {
            if let Segment::Greedy(label) = segment {
                // What follows a greedy label is literal, and stands at the end.
                let mut head = rest;
                for tail in self.segments.get(at + 1..).unwrap_or_default().iter().rev() {
                    let Segment::Literal(literal) = tail else {
                        return None;
                    };
                    head = head.strip_suffix(literal)?.strip_suffix('/')?;
                }
                if head.is_empty() {
                    return None;
                }
                found.push((*label, head));
                return Some(found);
            }
            let (piece, after) = rest.split_once('/').unwrap_or((rest, ""));
            match segment {
                Segment::Literal(literal) if *literal == piece => {}
                Segment::Label(label) if !piece.is_empty() => found.push((*label, piece)),
                _ => return None,
            }
            rest = after;
        }
        rest.is_empty().then_some(found)
    }

    /// More literal pieces win over fewer.
    fn weight(&self) -> usize {
        self.segments
            .iter()
            .filter(|s| matches!(s, Segment::Literal(_)))
            .count()
            * 8
            + self.literals.len()
    }
}

/// The routes of one table.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    /// By place in the table.
    templates: Vec<Template>,
    /// By method and number of segments (`None` for greedy ones), best first.
    index: HashMap<(&'static str, Option<usize>), Vec<usize>>,
}

impl Routes {
    pub(crate) fn of(operations: &[Operation]) -> Routes {
        let mut routes = Routes::default();
        for (at, operation) in operations.iter().enumerate() {
            let template = Template::parse(operation.uri);
            let count = (!template.greedy()).then_some(template.segments.len());
            routes.templates.push(template);
            routes
                .index
                .entry((operation.method, count))
                .or_default()
                .push(at);
        }
        let templates = &routes.templates;
        let weight = |at: &usize| {
            let twin = operations.get(*at).is_some_and(|op| op.twin);
            (
                std::cmp::Reverse(templates.get(*at).map_or(0, Template::weight)),
                twin,
            )
        };
        for list in routes.index.values_mut() {
            list.sort_by_key(weight);
        }
        routes
    }

    pub(crate) fn template(&self, at: usize) -> Option<&Template> {
        self.templates.get(at)
    }

    /// Places of the operations with this method and number of segments, best first.
    pub(crate) fn candidates(&self, method: &str, segments: Option<usize>) -> &[usize] {
        // The map is keyed by static text; methods are few.
        const METHODS: [&str; 6] = ["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH"];
        METHODS
            .iter()
            .find(|known| **known == method)
            .and_then(|method| self.index.get(&(*method, segments)))
            .map_or(&[], Vec::as_slice)
    }
}

/// The path without a slash at its end, which the models use or not without meaning.
pub(super) fn trimmed(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some("") | None => path,
        Some(path) => path,
    }
}

/// Names the operation of a request to a service whose paths are plain, all but S3.
pub(super) fn find(table: &'static Table, parts: &Parts<'_>) -> Option<&'static Operation> {
    let path = trimmed(parts.path);
    let count = path.split('/').filter(|piece| !piece.is_empty()).count();
    let routes = table.routes();
    let fits = |at: &&usize| {
        routes.template(**at).is_some_and(|template| {
            template.labels(path).is_some()
                && template
                    .literals
                    .iter()
                    .all(|(key, value)| has(parts.query, key, *value))
        })
    };
    let plain = routes
        .candidates(parts.method, Some(count))
        .iter()
        .find(fits);
    let at = plain.or_else(|| routes.candidates(parts.method, None).iter().find(fits))?;
    table.at(*at)
}

/// True when the raw query has `key`, with `value` if one is asked for.
pub(crate) fn has(query: &str, key: &str, value: Option<&str>) -> bool {
    query.split('&').any(|piece| {
        let (name, given) = piece.split_once('=').unwrap_or((piece, ""));
        name == key && value.is_none_or(|value| value == given)
    })
}
