//! REST-XML requests: path labels, query, headers and an XML or raw body.

use std::borrow::Cow;

use super::WireError;
use super::route;
use super::scalar::{self, Path};
use super::text::{pairs, percent_decode, shortened};
use super::xml_in::{self, XmlReader};
use crate::request::{Headers, Parts};
use crate::tables::{Kind, Location, Member, Operation, Service, Structure, Table, TimeForm};
use crate::value::{Map, Value};

/// Most query parameters of one request.
const MOST_PARAMETERS: usize = 1000;

/// A path label's value, decoded.
pub(crate) type Label<'a> = (&'static str, Cow<'a, str>);

/// The labels of a request to a service whose paths are plain.
pub(super) fn labels<'a>(
    op: &'static Operation,
    parts: &Parts<'a>,
) -> Result<Vec<Label<'a>>, WireError> {
    let template = route::Template::parse(op.uri);
    // A trailing slash means nothing, except inside an S3 key.
    let greedy = op.uri.contains("+}");
    let path = if greedy {
        parts.path
    } else {
        route::trimmed(parts.path)
    };
    let raw = template.labels(path).ok_or_else(|| WireError::Malformed {
        reason: "the path has another form".to_owned(),
    })?;
    raw.into_iter()
        .map(|(name, text)| match percent_decode(text, false) {
            Some(text) => Ok((name, text)),
            None => Err(WireError::Malformed {
                reason: format!("path segment `{}` is not well encoded", shortened(text)),
            }),
        })
        .collect()
}

/// Decodes the input of `op`.
pub(crate) fn decode(
    table: &'static Table,
    op: &'static Operation,
    labels: &[Label<'_>],
    parts: &Parts<'_>,
) -> Result<Value, WireError> {
    let mut map = Map::new();
    let Some(structure) = op
        .input
        .map(|id| table.shape(id))
        .and_then(|s| s.structure())
    else {
        return Ok(Value::Map(map));
    };
    let reader = RestReader { table, parts };
    let query = pairs(parts.query, MOST_PARAMETERS)?;
    for member in &structure.members {
        let path = Path::Member(&Path::Root, member);
        let value = match member.location {
            Location::Uri => labels
                .iter()
                .find(|(name, _)| *name == member.wire)
                .map(|(_, text)| reader.scalar(member, &path, text))
                .transpose()?,
            Location::Query => reader.query(member, &path, &query)?,
            Location::Header => reader.header(member, &path)?,
            Location::Headers => reader.headers(member),
            _ => None,
        };
        if let Some(value) = value {
            map.push(member.name, value);
        }
    }
    reader.body(&mut map, op, structure)?;
    scalar::complete(table.service, &Path::Root, structure, &map)?;
    Ok(Value::Map(map))
}

struct RestReader<'a> {
    table: &'static Table,
    parts: &'a Parts<'a>,
}

impl RestReader<'_> {
    fn scalar(&self, member: &Member, path: &Path<'_>, text: &str) -> Result<Value, WireError> {
        let shape = self.table.shape(member.shape);
        // HTTP dates of conditional and caching headers are free text to S3: one that cannot be
        // read stays text, and whoever compares it finds no moment.
        let http_date = member.location == Location::Header
            && member.time == TimeForm::Default
            && !matches!(
                shape.kind,
                Kind::Timestamp(TimeForm::Iso8601 | TimeForm::Unix)
            );
        if http_date && matches!(shape.kind, Kind::Timestamp(_)) {
            return Ok(match crate::time::parse_http_date(text) {
                Some(millis) => Value::Time { millis },
                None => Value::Str(text.to_owned()),
            });
        }
        scalar::parse(self.table.service, path, shape, member.time, text)
    }

    fn query(
        &self,
        member: &Member,
        path: &Path<'_>,
        query: &[(Cow<'_, str>, Cow<'_, str>)],
    ) -> Result<Option<Value>, WireError> {
        let mut given = query
            .iter()
            .filter(|(name, _)| name == member.wire)
            .map(|(_, v)| v);
        if let Kind::List { member: item, .. } = &self.table.shape(member.shape).kind {
            let shape = self.table.shape(*item);
            let items = given
                .map(|t| scalar::parse(self.table.service, path, shape, TimeForm::Default, t))
                .collect::<Result<Vec<Value>, WireError>>()?;
            return Ok((!items.is_empty()).then_some(Value::List(items)));
        }
        let Some(text) = given.next() else {
            return Ok(None);
        };
        if given.next().is_some() {
            return Err(WireError::Malformed {
                reason: format!("parameter `{}` is given twice", member.wire),
            });
        }
        self.scalar(member, path, text).map(Some)
    }

    fn header(&self, member: &Member, path: &Path<'_>) -> Result<Option<Value>, WireError> {
        let Some(text) = joined(self.parts.headers, member.wire) else {
            return Ok(None);
        };
        if let Kind::List { member: item, .. } = &self.table.shape(member.shape).kind {
            let shape = self.table.shape(*item);
            let items = text
                .split(',')
                .map(str::trim)
                .filter(|piece| !piece.is_empty())
                .map(|t| scalar::parse(self.table.service, path, shape, TimeForm::Default, t))
                .collect::<Result<Vec<Value>, WireError>>()?;
            return Ok(Some(Value::List(items)));
        }
        self.scalar(member, path, &text).map(Some)
    }

    /// All headers with the member's prefix, names in lower case without it.
    fn headers(&self, member: &Member) -> Option<Value> {
        let prefix = member.wire;
        let mut map = Map::new();
        for (name, _) in self.parts.headers.iter() {
            let Some(head) = name.get(..prefix.len()) else {
                continue;
            };
            if !head.eq_ignore_ascii_case(prefix) {
                continue;
            }
            let key = name
                .get(prefix.len()..)
                .unwrap_or_default()
                .to_ascii_lowercase();
            if map.contains(&key) {
                continue;
            }
            let value = joined(self.parts.headers, name).unwrap_or_default();
            map.push(key, value);
        }
        (!map.is_empty()).then_some(Value::Map(map))
    }

    fn body(
        &self,
        map: &mut Map,
        op: &'static Operation,
        structure: &'static Structure,
    ) -> Result<(), WireError> {
        let body = self.parts.body;
        let reader = XmlReader { table: self.table };
        let wrong_root = |name: &str| WireError::Malformed {
            reason: format!("`{}` is not the root asked for", shortened(name)),
        };
        if let Some(member) = structure.payload_member() {
            if body.is_empty() || member.streaming && self.table.service == Service::S3 {
                return Ok(());
            }
            let path = Path::Member(&Path::Root, member);
            let shape = self.table.shape(member.shape);
            let value = match &shape.kind {
                Kind::Structure(inner) => {
                    let root = xml_in::parse(body)?;
                    if root.name != member.wire && root.name != shape.name {
                        return Err(wrong_root(&root.name));
                    }
                    reader.structure(inner, &root, &path)?
                }
                Kind::Blob => Value::Blob(body.to_vec()),
                _ => {
                    let text = std::str::from_utf8(body).map_err(|_| WireError::Malformed {
                        reason: "the body is not UTF-8".to_owned(),
                    })?;
                    scalar::parse(self.table.service, &path, shape, member.time, text)?
                }
            };
            map.push(member.name, value);
            return Ok(());
        }
        let in_body = structure
            .members
            .iter()
            .any(|m| m.location == Location::Body);
        if !in_body || body.is_empty() {
            return Ok(());
        }
        let root = xml_in::parse(body)?;
        if op.input_root.is_some_and(|wanted| wanted != root.name) {
            return Err(wrong_root(&root.name));
        }
        reader.fill(map, structure, &root, &Path::Root)
    }
}

/// All values of a header, joined as a signature joins them. Bytes that are no UTF-8 are taken as
/// Latin-1, which is what HTTP once said they are.
fn joined(headers: Headers<'_>, name: &str) -> Option<String> {
    let mut out: Option<String> = None;
    for (key, value) in headers.iter() {
        if !key.eq_ignore_ascii_case(name) {
            continue;
        }
        let text = match std::str::from_utf8(value) {
            Ok(text) => Cow::Borrowed(text.trim()),
            Err(_) => Cow::Owned(value.iter().map(|b| char::from(*b)).collect::<String>()),
        };
        match &mut out {
            Some(out) => {
                out.push(',');
                out.push_str(&text);
            }
            None => out = Some(text.into_owned()),
        }
    }
    out
}
