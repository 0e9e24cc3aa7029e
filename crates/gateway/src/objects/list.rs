//! Listings: objects in both versions of the operation, and object versions.

use adit_objects::{Entry, ListQuery, ListStart, VersionId, VersionQuery};
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

pub(super) async fn v1(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    let said = Said {
        input: Some(&input),
        ..Said::default()
    };
    decide::all(ask, &said, &Facts::default(), uses.account)?;
    let encoding = Encoding::of(&input)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let max = limit(&input, "MaxKeys", "max-keys")?;
    let text = |name: &str| input.get(name).str().unwrap_or_default();
    let query = ListQuery {
        prefix: text("Prefix").to_owned(),
        delimiter: text("Delimiter").to_owned(),
        start: match text("Marker") {
            "" => ListStart::Beginning,
            marker => ListStart::After(marker.to_owned()),
        },
        max_keys: max,
    };
    let page = ask
        .gateway
        .store
        .list(&bucket, &query)
        .await
        .map_err(store_error)?;
    let shown = page
        .objects
        .iter()
        .map(|e| entry(encoding, e, acl::shown_owner(ask, e.owner.as_deref())));
    // Without a delimiter clients go on from the last key they saw.
    let next = page
        .next_marker
        .as_deref()
        .filter(|_| !query.delimiter.is_empty());
    Ok(ask.encode(&map! {
        "Name" => ask.bucket_name(),
        "Prefix" => encoding.text(&query.prefix),
        "Marker" => encoding.text(text("Marker")),
        "NextMarker" => next.map(|marker| encoding.text(marker)),
        "MaxKeys" => max,
        "Delimiter" => Some(encoding.text(&query.delimiter)).filter(|d| !d.is_empty()),
        "IsTruncated" => page.truncated,
        "EncodingType" => encoding.name(),
        "Contents" => shown.collect::<Value>(),
        "CommonPrefixes" => encoding.prefixes(&page.common_prefixes),
    }))
}

pub(super) async fn v2(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    let said = Said {
        input: Some(&input),
        ..Said::default()
    };
    decide::all(ask, &said, &Facts::default(), uses.account)?;
    let encoding = Encoding::of(&input)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let max = limit(&input, "MaxKeys", "max-keys")?;
    let text = |name: &str| input.get(name).str().unwrap_or_default();
    let token = input.get("ContinuationToken").str();
    let query = ListQuery {
        prefix: text("Prefix").to_owned(),
        delimiter: text("Delimiter").to_owned(),
        start: match (token, text("StartAfter")) {
            (Some(""), _) => {
                return Err(argument(
                    "continuation-token",
                    "",
                    "The continuation token provided is incorrect",
                ));
            }
            (Some(token), _) => ListStart::Token(token.to_owned()),
            (None, "") => ListStart::Beginning,
            (None, after) => ListStart::After(after.to_owned()),
        },
        max_keys: max,
    };
    let page = ask
        .gateway
        .store
        .list(&bucket, &query)
        .await
        .map_err(store_error)?;
    let with_owner = input.get("FetchOwner").bool() == Some(true);
    let shown = page.objects.iter().map(|e| {
        let owner = with_owner.then(|| acl::shown_owner(ask, e.owner.as_deref()));
        entry(encoding, e, owner.flatten())
    });
    Ok(ask.encode(&map! {
        "Name" => ask.bucket_name(),
        "Prefix" => encoding.text(&query.prefix),
        "StartAfter" => Some(encoding.text(text("StartAfter"))).filter(|after| !after.is_empty()),
        "ContinuationToken" => token,
        "NextContinuationToken" => page.next_token.clone(),
        "KeyCount" => page.objects.len() + page.common_prefixes.len(),
        "MaxKeys" => max,
        "Delimiter" => Some(encoding.text(&query.delimiter)).filter(|d| !d.is_empty()),
        "IsTruncated" => page.truncated,
        "EncodingType" => encoding.name(),
        "Contents" => shown.collect::<Value>(),
        "CommonPrefixes" => encoding.prefixes(&page.common_prefixes),
    }))
}

pub(super) async fn versions(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    let said = Said {
        input: Some(&input),
        ..Said::default()
    };
    decide::all(ask, &said, &Facts::default(), uses.account)?;
    let encoding = Encoding::of(&input)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let max = limit(&input, "MaxKeys", "max-keys")?;
    let text = |name: &str| input.get(name).str().unwrap_or_default();
    let marker = |name: &str| Some(text(name).to_owned()).filter(|marker| !marker.is_empty());
    if marker("VersionIdMarker").is_some() && marker("KeyMarker").is_none() {
        let message = "A version-id marker cannot be specified without a key marker.";
        return Err(argument(
            "version-id-marker",
            text("VersionIdMarker"),
            message,
        ));
    }
    let query = VersionQuery {
        prefix: text("Prefix").to_owned(),
        delimiter: text("Delimiter").to_owned(),
        key_marker: marker("KeyMarker"),
        version_marker: marker("VersionIdMarker").map(VersionId::new),
        max_keys: max,
    };
    let page = ask
        .gateway
        .store
        .list_versions(&bucket, &query)
        .await
        .map_err(store_error)?;
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for version in &page.versions {
        let owner = acl::shown_owner(ask, version.entry.owner.as_deref());
        if version.delete_marker {
            let mut shown = Map::new();
            shown.push("Key", encoding.text(&version.entry.key));
            shown.push("VersionId", version.version_id.as_str());
            shown.push("IsLatest", version.is_latest);
            shown.push(
                "LastModified",
                Value::Time {
                    millis: version.entry.last_modified.0,
                },
            );
            shown.push("Owner", map! { "ID" => owner });
            markers.push(shown);
        } else {
            let mut shown = entry(encoding, &version.entry, owner);
            shown.push("VersionId", version.version_id.as_str());
            shown.push("IsLatest", version.is_latest);
            versions.push(shown);
        }
    }
    Ok(ask.encode(&map! {
        "Name" => ask.bucket_name(),
        "Prefix" => encoding.text(&query.prefix),
        "KeyMarker" => encoding.text(text("KeyMarker")),
        "VersionIdMarker" => text("VersionIdMarker"),
        "NextKeyMarker" => page.next_key_marker.as_deref().map(|key| encoding.text(key)),
        "NextVersionIdMarker" => page.next_version_marker.as_ref().map(VersionId::as_str),
        "MaxKeys" => max,
        "Delimiter" => Some(encoding.text(&query.delimiter)).filter(|d| !d.is_empty()),
        "IsTruncated" => page.truncated,
        "EncodingType" => encoding.name(),
        "Versions" => versions,
        "DeleteMarkers" => markers,
        "CommonPrefixes" => encoding.prefixes(&page.common_prefixes),
    }))
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
