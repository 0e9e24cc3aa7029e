//! Listings: objects in both versions of the operation, and object versions.

use adit_objects::{Entry, ListQuery, ListStart, Page, VersionId, VersionQuery};
use adit_policy::actions::Facts;
use adit_wire::{ErrorReply, Map, Value, list, map};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::errors::reply as store_error;
use crate::acl;
use crate::ask::{Ask, Uses, argument};
use crate::decide::{self, Said};
use crate::forward;
use crate::reply::Reply;

/// What `encoding-type=url` leaves as it is, besides letters and digits.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// How keys are written in a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn of(input: &Value) -> Result<Encoding, ErrorReply> {
        match input.get("EncodingType").str() {
            None => Ok(Encoding::Plain),
            Some("url") => Ok(Encoding::Url),
            Some(other) => Err(argument(
                "encoding-type",
                other,
                "Invalid Encoding Method specified in Request",
            )),
        }
    }

    pub(crate) fn text(self, text: &str) -> String {
        match self {
            Encoding::Plain => text.to_owned(),
            Encoding::Url => utf8_percent_encode(text, KEPT)
                .to_string()
                .replace(' ', "+"),
        }
    }

    /// A key as it is, from how it is written.
    pub(crate) fn read(self, text: &str) -> String {
        match self {
            Encoding::Plain => text.to_owned(),
            Encoding::Url => percent_decode_str(&text.replace('+', " "))
                .decode_utf8_lossy()
                .into_owned(),
        }
    }

    pub(super) fn name(self) -> Option<&'static str> {
        (self == Encoding::Url).then_some("url")
    }

    pub(super) fn prefixes(self, prefixes: &[String]) -> Value {
        prefixes
            .iter()
            .map(|prefix| map! { "Prefix" => self.text(prefix) })
            .collect()
    }
}

/// A limit of a page: at most 1,000, which is also the default.
pub(super) fn limit(input: &Value, member: &str, parameter: &str) -> Result<usize, ErrorReply> {
    match input.get(member).int() {
        None => Ok(1000),
        Some(number) if number < 0 => Err(argument(
            parameter,
            &number.to_string(),
            &format!("Argument {parameter} must be an integer between 0 and 2147483647"),
        )),
        Some(number) => Ok(usize::try_from(number).unwrap_or(1000).min(1000)),
    }
}

fn entry(encoding: Encoding, entry: &Entry, owner: Option<String>) -> Map {
    let mut shown = Map::with_capacity(8);
    shown.push("Key", encoding.text(&entry.key));
    shown.push(
        "LastModified",
        Value::Time {
            millis: entry.last_modified.0,
        },
    );
    shown.push("ETag", format!("\"{}\"", entry.etag));
    shown.push("ChecksumAlgorithm", list![entry.checksum.name()]);
    shown.push("ChecksumType", entry.checksum_type.name());
    shown.push("Size", entry.size);
    shown.push("StorageClass", entry.storage_class.as_str());
    if let Some(owner) = owner {
        shown.push("Owner", map! { "ID" => owner });
    }
    shown
}

/// What the listings of objects have in common: understood, decided, and of a bucket that is kept here.
struct Listing<'l, 'a> {
    ask: &'l Ask<'a>,
    input: &'l Value,
    encoding: Encoding,
    bucket: adit_objects::Bucket,
    max_keys: usize,
}

/// Decides on a listing; an upstream's own comes back as the answer it is.
async fn begin<'l, 'a>(
    ask: &'l Ask<'a>,
    uses: &mut Uses<'_>,
    input: &'l Value,
) -> Result<Result<Listing<'l, 'a>, Reply>, ErrorReply> {
    let said = Said {
        input: Some(input),
        ..Said::default()
    };
    decide::all(ask, &said, &Facts::default(), uses.account)?;
    let encoding = Encoding::of(input)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done.map(Err);
    }
    Ok(Ok(Listing {
        ask,
        input,
        encoding,
        bucket: ask.stored()?,
        max_keys: limit(input, "MaxKeys", "max-keys")?,
    }))
}

impl<'l> Listing<'l, '_> {
    fn text(&self, name: &str) -> &'l str {
        self.input.get(name).str().unwrap_or_default()
    }

    /// A member that means nothing when it is empty.
    fn some(&self, name: &str) -> Option<&'l str> {
        Some(self.text(name)).filter(|text| !text.is_empty())
    }

    fn shown(&self, name: &str) -> String {
        self.encoding.text(self.text(name))
    }

    /// A page of objects.
    async fn page(&self, start: ListStart) -> Result<Page, ErrorReply> {
        let query = ListQuery {
            prefix: self.text("Prefix").to_owned(),
            delimiter: self.text("Delimiter").to_owned(),
            start,
            max_keys: self.max_keys,
        };
        let store = &self.ask.gateway.store;
        store.list(&self.bucket, &query).await.map_err(store_error)
    }

    /// The answer, which has `members` beside what all listings have.
    fn answer(&self, truncated: bool, prefixes: &[String], members: Map) -> Reply {
        let mut output = members;
        output.push("Name", self.ask.bucket_name());
        output.push("Prefix", self.shown("Prefix"));
        output.push("MaxKeys", self.max_keys);
        output.push(
            "Delimiter",
            self.some("Delimiter").map(|_| self.shown("Delimiter")),
        );
        output.push("IsTruncated", truncated);
        output.push("EncodingType", self.encoding.name());
        output.push("CommonPrefixes", self.encoding.prefixes(prefixes));
        self.ask.encode(&output.into())
    }
}

pub(super) async fn v1(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    let listing = match begin(ask, uses, &input).await? {
        Ok(listing) => listing,
        Err(done) => return Ok(done),
    };
    let start = match listing.some("Marker") {
        None => ListStart::Beginning,
        Some(marker) => ListStart::After(marker.to_owned()),
    };
    let page = listing.page(start).await?;
    let encoding = listing.encoding;
    let shown = page
        .objects
        .iter()
        .map(|e| entry(encoding, e, acl::shown_owner(ask, e.owner.as_deref())));
    let mut members = Map::new();
    members.push("Marker", listing.shown("Marker"));
    members.push("Contents", shown.collect::<Value>());
    // Without a delimiter clients go on from the last key they saw.
    if listing.some("Delimiter").is_some() {
        let next = page.next_marker.as_deref();
        members.push("NextMarker", next.map(|marker| encoding.text(marker)));
    }
    Ok(listing.answer(page.truncated, &page.common_prefixes, members))
}

pub(super) async fn v2(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    let listing = match begin(ask, uses, &input).await? {
        Ok(listing) => listing,
        Err(done) => return Ok(done),
    };
    let token = input.get("ContinuationToken").str();
    let start = match (token, listing.some("StartAfter")) {
        (Some(""), _) => {
            return Err(argument(
                "continuation-token",
                "",
                "The continuation token provided is incorrect",
            ));
        }
        (Some(token), _) => ListStart::Token(token.to_owned()),
        (None, None) => ListStart::Beginning,
        (None, Some(after)) => ListStart::After(after.to_owned()),
    };
    let page = listing.page(start).await?;
    let with_owner = input.get("FetchOwner").bool() == Some(true);
    let shown = page.objects.iter().map(|e| {
        let owner = with_owner.then(|| acl::shown_owner(ask, e.owner.as_deref()));
        entry(listing.encoding, e, owner.flatten())
    });
    let after = listing.some("StartAfter");
    let mut members = Map::new();
    members.push("StartAfter", after.map(|_| listing.shown("StartAfter")));
    members.push("ContinuationToken", token);
    members.push("NextContinuationToken", page.next_token.clone());
    members.push("KeyCount", page.objects.len() + page.common_prefixes.len());
    members.push("Contents", shown.collect::<Value>());
    Ok(listing.answer(page.truncated, &page.common_prefixes, members))
}

pub(super) async fn versions(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    let listing = match begin(ask, uses, &input).await? {
        Ok(listing) => listing,
        Err(done) => return Ok(done),
    };
    let (key, version) = (listing.some("KeyMarker"), listing.some("VersionIdMarker"));
    if let (None, Some(version)) = (key, version) {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(argument("version-id-marker", version, message));
    }
    let query = VersionQuery {
        prefix: listing.text("Prefix").to_owned(),
        delimiter: listing.text("Delimiter").to_owned(),
        key_marker: key.map(str::to_owned),
        version_marker: version.map(VersionId::new),
        max_keys: listing.max_keys,
    };
    let store = &ask.gateway.store;
    let page = store.list_versions(&listing.bucket, &query).await;
    let page = page.map_err(store_error)?;
    let encoding = listing.encoding;
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for version in &page.versions {
        let owner = acl::shown_owner(ask, version.entry.owner.as_deref());
        let (mut shown, list) = match version.delete_marker {
            false => (entry(encoding, &version.entry, owner), &mut versions),
            true => {
                let mut shown = Map::new();
                shown.push("Key", encoding.text(&version.entry.key));
                let millis = version.entry.last_modified.0;
                shown.push("LastModified", Value::Time { millis });
                shown.push("Owner", map! { "ID" => owner });
                (shown, &mut markers)
            }
        };
        shown.push("VersionId", version.version_id.as_str());
        shown.push("IsLatest", version.is_latest);
        list.push(shown);
    }
    let next_key = page.next_key_marker.as_deref();
    let next_version = page.next_version_marker.as_ref().map(VersionId::as_str);
    let mut members = Map::new();
    members.push("KeyMarker", listing.shown("KeyMarker"));
    members.push("VersionIdMarker", listing.text("VersionIdMarker"));
    members.push("NextKeyMarker", next_key.map(|key| encoding.text(key)));
    members.push("NextVersionIdMarker", next_version);
    members.push("Versions", versions);
    members.push("DeleteMarkers", markers);
    Ok(listing.answer(page.truncated, &page.common_prefixes, members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn url_encoding_is_that_of_listings() {
        for (key, encoded) in [
            ("a/b", "a/b"),
            ("a b", "a+b"),
            ("a+b", "a%2Bb"),
            ("é&*~", "%C3%A9%26*%7E"),
            ("\u{1}", "%01"),
        ] {
            assert_eq!(Encoding::Url.text(key), encoded, "{key:?}");
            assert_eq!(Encoding::Plain.text(key), key);
        }
    }

    #[test]
    fn pages_have_at_most_a_thousand() {
        let with = |n: i64| limit(&map! { "MaxKeys" => n }, "MaxKeys", "max-keys");
        assert_eq!(limit(&map! {}, "MaxKeys", "max-keys").unwrap(), 1000);
        assert_eq!(with(0).unwrap(), 0);
        assert_eq!(with(7).unwrap(), 7);
        assert_eq!(with(5000).unwrap(), 1000);
        assert!(with(-1).is_err());
    }
}
