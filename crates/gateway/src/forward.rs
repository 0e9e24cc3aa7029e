//! Objects that are kept by an upstream: decided here like all others, then asked of it.
//!
//! The request is signed anew with the origin's credentials, bodies stream through, and what comes back
//! speaks of Adit's buckets, keys and request ids. Nothing of a client's signature, and no header that
//! could give the upstream's own rules a say, goes out.

mod answer;
mod body;
mod bucket;
mod crossing;
mod delete;
mod form;
mod pass;
mod request;

pub(crate) use bucket::{create, delete as delete_bucket, setting};
pub(crate) use crossing::{Becomes, Made, copy as copy_across, crosses};
pub(crate) use delete::delete_many;
pub(crate) use form::file;
pub(crate) use pass::{Pass, check as check_pass, check_keys};

use adit_wire::ErrorReply;
use bytes::Bytes;
use http::Method;
use http::header::{HeaderName, HeaderValue};

use crate::ask::{Ask, Uses, argument};
use crate::copy_source::CopySource;
use crate::decide::{Pairs, malformed, may_know};
use crate::objects::{may_go_on, passed_on};
use crate::origins::Place;
use crate::reply::Reply;
use request::Outgoing;

/// Most bytes of an answer that is read whole: a page of 1,000 long keys, escaped.
const MOST: usize = 8 << 20;

/// Carries out an operation that was decided, if its bucket is kept by an upstream. `body` is the request's
/// body where it was read already; None: it streams.
pub(crate) async fn object(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    body: Option<Bytes>,
) -> Option<Result<Reply, ErrorReply>> {
    let place = match place(ask) {
        Ok(place) => place?,
        Err(why) => return Some(Err(why)),
    };
    Some(match &ask.identity.pass {
        Some(pass) => match may_go_on(ask, &place) {
            Ok(()) => pass::run(ask, uses, &place, pass, body).await,
            Err(why) => Err(why),
        },
        None => run(ask, uses, &place, body).await,
    })
}

/// Where the bucket is kept; none: in the embedded store.
pub(crate) fn place(ask: &Ask<'_>) -> Result<Option<Place>, ErrorReply> {
    match &ask.place.bucket {
        Some(view) => ask.gateway.origins.find(view),
        None => Ok(None),
    }
}

async fn run(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    place: &Place,
    body: Option<Bytes>,
) -> Result<Reply, ErrorReply> {
    check_names(ask, place)?;
    let mut outgoing = Outgoing::of(ask, place)?;
    let encoding = outgoing.encoding;
    let brought = outgoing
        .headers
        .contains_key("x-amz-server-side-encryption-customer-key");
    let answer = match (ask.op.name(), body) {
        ("PutObject" | "UploadPart", _) => body::stream(uses.upload, outgoing).await?,
        ("CopyObject" | "UploadPartCopy", _) => {
            copy_source(ask, place, &mut outgoing)?;
            outgoing.send(Bytes::new()).await?
        }
        ("CompleteMultipartUpload", Some(body)) => outgoing.send(completion(ask, &body)?).await?,
        (_, body) => outgoing.send(body.unwrap_or_default()).await?,
    };
    let status = answer.status;
    if brought && status.is_success() {
        match ask.op.name() {
            "PutObject" | "UploadPart" => answer::is_sealed(place, &answer.headers)?,
            // SeaweedFS seals copies and does not say so.
            "CopyObject" if answer::is_sealed(place, &answer.headers).is_err() => {
                made_sealed(ask, place).await?;
            }
            _ => {}
        }
    }
    if status.is_success() || status == http::StatusCode::NOT_MODIFIED {
        return match ask.op.name() {
            "GetObject" | "HeadObject" => Ok(answer::object(answer, ask.op.name() == "HeadObject")),
            _ => answer::document(ask, place, answer, encoding).await,
        };
    }
    let why = answer::refused(ask, place, answer).await;
    if matches!(why.code.as_ref(), "NoSuchKey" | "NoSuchVersion")
        && let Some(view) = &ask.place.bucket
    {
        may_know(ask, view, uses.account)?;
    }
    Err(why)
}

/// Asks with the customer's key for what was just made with it.
async fn made_sealed(ask: &Ask<'_>, place: &Place) -> Result<(), ErrorReply> {
    let mut outgoing = Outgoing::bare(ask, place, Method::HEAD, Some(ask.key()), String::new());
    outgoing.headers = passed_on(ask, place, false)?;
    let found = outgoing.send(Bytes::new()).await?;
    answer::is_sealed(place, &found.headers)
}

/// Refuses keys that an upstream may read otherwise: servers clean paths, so that one with dots might name
/// something in another bucket there, and one with an empty segment something that a policy forbids.
fn check_names(ask: &Ask<'_>, place: &Place) -> Result<(), ErrorReply> {
    if let Some(prefix) = ask.query("prefix")?
        && !place.takes_prefix(&prefix)
    {
        let message = "The storage of this bucket may read this prefix as another one.";
        return Err(argument("prefix", &prefix, message));
    }
    if place.takes(ask.key()) {
        return Ok(());
    }
    Err(bad_key(ask.key()))
}

fn bad_key(key: &str) -> ErrorReply {
    let uri: String = key.chars().take(256).collect();
    let message = "Couldn't parse the specified URI.";
    ErrorReply::new("InvalidURI", 400, message).with("URI", uri)
}

/// Names the source of a copy as the upstream knows it.
fn copy_source(ask: &Ask<'_>, to: &Place, outgoing: &mut Outgoing<'_>) -> Result<(), ErrorReply> {
    let text = ask.header("x-amz-copy-source").unwrap_or_default();
    let source = CopySource::parse(text, ask.snapshot)?;
    let from = match &source.view {
        Some(view) => ask.gateway.origins.find(view)?,
        None => None,
    };
    let from = from
        .filter(|from| from.origin.name == to.origin.name)
        .ok_or_else(other_origin)?;
    if !from.takes(&source.key) {
        return Err(argument(
            "x-amz-copy-source",
            &source.key,
            "Invalid copy source encoding.",
        ));
    }
    let key = request::escaped(&format!("{}{}", from.prefix, source.key));
    let mut named = format!("{}/{key}", from.bucket);
    if let Some(version) = &source.version {
        named.push_str("?versionId=");
        named.push_str(&request::escaped(version));
    }
    if let Ok(value) = HeaderValue::from_str(&named) {
        let name = HeaderName::from_static("x-amz-copy-source");
        outgoing.headers.insert(name, value);
    }
    Ok(())
}

/// Who signs for an upstream can have nothing copied from or to another place.
fn other_origin() -> ErrorReply {
    ErrorReply::new(
        "NotImplemented",
        501,
        "With credentials of the storage itself, objects can only be copied within it.",
    )
}

/// The completion of an upload without checksums, which the upstream was not given for the parts either.
fn completion(ask: &Ask<'_>, body: &[u8]) -> Result<Bytes, ErrorReply> {
    let input = ask.decode(body)?;
    if input.get("MultipartUpload").get("Parts").list().is_empty() {
        return Err(malformed());
    }
    let mut root = adit_wire::xml::Element::new("CompleteMultipartUpload", "");
    root.attributes.push((
        "xmlns".to_owned(),
        "http://s3.amazonaws.com/doc/2006-03-01/".to_owned(),
    ));
    for part in input.get("MultipartUpload").get("Parts").list() {
        let number = part.get("PartNumber").int().unwrap_or_default();
        let etag = part.get("ETag").str().unwrap_or_default();
        let mut shown = adit_wire::xml::Element::new("Part", "");
        shown.children.push(adit_wire::xml::Element::new(
            "PartNumber",
            number.to_string(),
        ));
        let etag = format!("\"{}\"", etag.trim_matches('"'));
        shown
            .children
            .push(adit_wire::xml::Element::new("ETag", etag));
        root.children.push(shown);
    }
    Ok(root.document().into())
}

/// The tags of an object at an upstream, for policies; none when there is no such object.
pub(crate) async fn tags(ask: &Ask<'_>, place: &Place, key: &str, version: Option<&str>) -> Pairs {
    if !place.takes(key) {
        return Pairs::new();
    }
    let mut query = "tagging=".to_owned();
    if let Some(version) = version {
        query.push_str("&versionId=");
        query.push_str(&request::escaped_all(version));
    }
    let outgoing = Outgoing::bare(ask, place, Method::GET, Some(key), query);
    let Ok(answer) = outgoing.send(Bytes::new()).await else {
        return Pairs::new();
    };
    if !answer.status.is_success() {
        return Pairs::new();
    }
    let Ok(body) = answer.body.whole(MOST).await else {
        return Pairs::new();
    };
    let Ok(tree) = adit_wire::xml::parse(&body) else {
        return Pairs::new();
    };
    let Some(set) = tree.child("TagSet") else {
        return Pairs::new();
    };
    set.all("Tag")
        .map(|tag| {
            let text = |name| tag.get(name).unwrap_or_default().to_owned();
            (text("Key"), text("Value"))
        })
        .collect()
}

/// Makes sure that an object is there, for operations that Adit answers itself.
///
/// # Errors
/// The upstream's.
pub(crate) async fn exists(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    place: &Place,
) -> Result<(), ErrorReply> {
    let mut query = String::new();
    if let Some(version) = ask.version()? {
        query = format!("versionId={}", request::escaped_all(version.as_str()));
    }
    let outgoing = Outgoing::bare(ask, place, Method::HEAD, Some(ask.key()), query);
    let answer = outgoing.send(Bytes::new()).await?;
    if answer.status.is_success() {
        return Ok(());
    }
    let why = answer::refused(ask, place, answer).await;
    if let Some(view) = &ask.place.bucket {
        may_know(ask, view, uses.account)?;
    }
    Err(why)
}

/// How keys are written in a listing: `encoding-type=url` or as they are.
fn encoding(ask: &Ask<'_>) -> Result<crate::objects::Encoding, ErrorReply> {
    match ask.query("encoding-type")? {
        Some(text) if text == "url" => Ok(crate::objects::Encoding::Url),
        _ => Ok(crate::objects::Encoding::Plain),
    }
}
