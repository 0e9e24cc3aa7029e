//! DeleteObjects at an upstream: only the keys that were allowed go out.

use std::collections::HashMap;

use adit_wire::ErrorReply;
use adit_wire::xml::{self, Element};
use http::Method;

use super::MOST;
use super::answer::{failed, refused, strange};
use super::request::Outgoing;
use crate::ask::Ask;
use crate::origins::Place;

/// What became of one key.
#[derive(Debug, Default)]
pub(crate) struct Deleted {
    /// Whether a delete marker was made or removed, and its version.
    pub(crate) marker: Option<Option<String>>,
}

/// A key, and its version if one is named.
pub(crate) type Named = (String, Option<String>);

/// Deletes keys; an answer for each, in their order.
///
/// # Errors
/// When the upstream refuses the whole.
pub(crate) async fn delete_many(
    ask: &Ask<'_>,
    place: &Place,
    keys: &[Named],
) -> Result<Vec<Result<Deleted, ErrorReply>>, ErrorReply> {
    let mut root = Element::new("Delete", "");
    root.attributes.push((
        "xmlns".to_owned(),
        "http://s3.amazonaws.com/doc/2006-03-01/".to_owned(),
    ));
    for (key, version) in keys.iter().filter(|(key, _)| place.takes(key)) {
        let mut object = Element::new("Object", "");
        let key = format!("{}{key}", place.prefix);
        object.children.push(Element::new("Key", key));
        if let Some(version) = version {
            object
                .children
                .push(Element::new("VersionId", version.as_str()));
        }
        root.children.push(object);
    }
    let mut outcomes = HashMap::new();
    if !root.children.is_empty() {
        let outgoing = Outgoing::bare(ask, place, Method::POST, None, "delete=".to_owned());
        let answer = outgoing.send(root.document().into()).await?;
        if !answer.status.is_success() {
            return Err(refused(ask, place, answer).await);
        }
        let body = answer.body.whole(MOST).await;
        let body = body.map_err(|why| failed(place, &why))?;
        let tree = xml::parse(&body).map_err(|_| strange(place, "its answer is no XML"))?;
        outcomes = read(&tree, &place.prefix);
    }
    Ok(keys
        .iter()
        .map(|named| match outcomes.remove(named) {
            Some(outcome) => outcome,
            None if !place.takes(&named.0) => Err(ErrorReply::new(
                "InvalidURI",
                400,
                "Couldn't parse the specified URI.",
            )),
            None => Err(ErrorReply::new(
                "InternalError",
                500,
                "We encountered an internal error. Please try again.",
            )),
        })
        .collect())
}

fn read(tree: &Element, prefix: &str) -> HashMap<Named, Result<Deleted, ErrorReply>> {
    let mut found = HashMap::new();
    for child in &tree.children {
        let key = child.get("Key").unwrap_or_default();
        let key = key.strip_prefix(prefix).unwrap_or(key).to_owned();
        let text = |name: &str| {
            child
                .get(name)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let version = text("VersionId");
        let outcome = match child.name.as_str() {
            "Deleted" => Ok(Deleted {
                marker: (text("DeleteMarker").as_deref() == Some("true"))
                    .then(|| text("DeleteMarkerVersionId")),
            }),
            "Error" => Err(ErrorReply::new(
                text("Code").unwrap_or_else(|| "InternalError".to_owned()),
                500,
                text("Message").unwrap_or_default(),
            )),
            _ => continue,
        };
        found.insert((key, version), outcome);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_key_and_version() {
        let text = "<DeleteResult><Deleted><Key>p/a</Key></Deleted>\
            <Deleted><Key>p/b</Key><VersionId>1</VersionId><DeleteMarker>true</DeleteMarker>\
            <DeleteMarkerVersionId>9</DeleteMarkerVersionId></Deleted>\
            <Error><Key>p/c</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>";
        let tree = xml::parse(text.as_bytes()).unwrap();
        let mut found = read(&tree, "p/");
        let mut take = |key: &str, version: Option<&str>| {
            found.remove(&(key.to_owned(), version.map(str::to_owned)))
        };
        assert!(take("a", None).unwrap().unwrap().marker.is_none());
        let marker = take("b", Some("1")).unwrap().unwrap().marker;
        assert_eq!(marker, Some(Some("9".to_owned())));
        assert_eq!(take("c", None).unwrap().unwrap_err().code, "AccessDenied");
    }
}
