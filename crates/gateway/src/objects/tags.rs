//! What can be asked of, or changed on, an object that exists: tags and attributes.

use adit_objects::ChecksumType;
use adit_policy::actions::Facts;
use adit_wire::{ErrorReply, Map, Value, map};
use http::StatusCode;

use super::copy::member_of;
use super::customer;
use super::list::limit;
use super::{headers, read};
use crate::acl;
use crate::ask::{Ask, Uses, argument};
use crate::decide::{self, Pairs, Said, asks_existing_tags};
use crate::forward;
use crate::reply::Reply;

/// Most bytes of a tagging document.
const MAX_TAGGING: usize = 64 << 10;

pub(super) async fn authorise(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    tags: &[(String, String)],
) -> Result<(), ErrorReply> {
    let version = ask.version()?;
    let existing = match asks_existing_tags(ask, Some(ask.bucket()?)) {
        true => read::existing_tags(ask, version.as_ref()).await,
        false => Vec::new(),
    };
    let said = Said {
        tags,
        existing: &existing,
        subject: acl::look(ask, ask.bucket()?, ask.key(), version.as_ref()).await,
        ..Said::default()
    };
    let facts = Facts {
        version_id: version.is_some(),
        ..Facts::default()
    };
    decide::all(ask, &said, &facts, uses.account)
}

pub(super) async fn get(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    authorise(ask, uses, &[]).await?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let version = ask.version()?;
    let (tags, version) = match ask
        .gateway
        .store
        .tags(&bucket, ask.key(), version.as_ref())
        .await
    {
        Ok(found) => found,
        Err(why) => return read::missing(ask, uses, why),
    };
    let shown = tags
        .iter()
        .map(|(key, value)| map! { "Key" => key, "Value" => value });
    Ok(ask.encode(&map! {
        "TagSet" => shown.collect::<Value>(),
        "VersionId" => version.map(|id| id.to_string()),
    }))
}

pub(super) async fn put(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    // Policies may look at the tags to be set: the body comes before the decision.
    let body = uses
        .upload
        .whole(MAX_TAGGING, &ask.gateway.documents)
        .await?;
    let input = ask.decode(&body)?;
    let tags = of(&input);
    authorise(ask, uses, &tags).await?;
    if let Some(done) = forward::object(ask, uses, Some(body)).await {
        return done;
    }
    let bucket = ask.stored()?;
    let version = ask.version()?;
    match ask
        .gateway
        .store
        .set_tags(&bucket, ask.key(), version.as_ref(), tags)
        .await
    {
        Ok(version) => Ok(ask.encode(&map! { "VersionId" => version.map(|id| id.to_string()) })),
        Err(why) => read::missing(ask, uses, why),
    }
}

/// The tags of a document of PutObjectTagging.
pub(super) fn of(input: &Value) -> Pairs {
    let tags = input.get("Tagging").get("TagSet").list();
    let text = |tag: &Value, name: &str| tag.get(name).str().unwrap_or_default().to_owned();
    tags.iter()
        .map(|tag| (text(tag, "Key"), text(tag, "Value")))
        .collect()
}

pub(super) async fn delete(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    authorise(ask, uses, &[]).await?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let version = ask.version()?;
    match ask
        .gateway
        .store
        .set_tags(&bucket, ask.key(), version.as_ref(), Vec::new())
        .await
    {
        Ok(version) => {
            let mut reply = Reply::new(StatusCode::NO_CONTENT);
            headers::version(&mut reply, version.as_ref());
            Ok(reply)
        }
        Err(why) => read::missing(ask, uses, why),
    }
}

pub(super) async fn attributes(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    authorise(ask, uses, &[]).await?;
    let customer = customer::of(ask)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let version = ask.version()?;
    let input = ask.decode(&[])?;
    let wanted: Vec<&str> = ask
        .wire
        .headers
        .all("x-amz-object-attributes")
        .filter_map(|value| std::str::from_utf8(value).ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    const KNOWN: [&str; 5] = [
        "ETag",
        "Checksum",
        "ObjectParts",
        "StorageClass",
        "ObjectSize",
    ];
    if let Some(other) = wanted.iter().find(|name| !KNOWN.contains(name)) {
        return Err(argument(
            "x-amz-object-attributes",
            other,
            "Invalid attribute name specified.",
        ));
    }
    let wants = |name: &str| wanted.contains(&name);
    let marker = match input.get("PartNumberMarker").str() {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            argument(
                "x-amz-part-number-marker",
                text,
                "Provided part-number-marker not an integer or within integer range",
            )
        })?,
    };
    let max = limit(&input, "MaxParts", "x-amz-max-parts")?;
    let found = ask
        .gateway
        .store
        .attributes(&bucket, ask.key(), version.as_ref(), marker, max)
        .await;
    let (object, parts) = match found {
        Ok(found) => found,
        Err(why) => return read::missing(ask, uses, why),
    };
    let info = object.info();
    let encryption = &info.attributes.encryption;
    let key = customer::key(customer.as_ref());
    if let Err(why) = encryption.admits(key.as_ref()) {
        return read::missing(ask, uses, why);
    }
    let mut output = Map::new();
    output.push(
        "VersionId",
        object.version_id.as_ref().map(|id| id.to_string()),
    );
    output.push(
        "LastModified",
        Value::Time {
            millis: info.last_modified.0,
        },
    );
    if wants("ETag") {
        output.push("ETag", info.etag.as_str());
    }
    if wants("Checksum") {
        let mut shown = Map::new();
        shown.push(
            member_of(info.checksum.value.algorithm()),
            info.checksum.value.to_string(),
        );
        shown.push("ChecksumType", info.checksum.kind().name());
        output.push("Checksum", shown);
    }
    if let (true, Some(page)) = (wants("ObjectParts"), parts) {
        let mut shown = Map::new();
        shown.push("TotalPartsCount", page.total);
        // S3 lists the parts only where they have checksums of their own.
        if info.checksum.kind() == ChecksumType::Composite {
            shown.push("PartNumberMarker", marker.to_string());
            shown.push("NextPartNumberMarker", page.next_marker.to_string());
            shown.push("MaxParts", max);
            shown.push("IsTruncated", page.truncated);
            let parts = page.parts.iter().map(|entry| {
                let mut part = Map::new();
                part.push("PartNumber", entry.part_number);
                part.push("Size", entry.part.size);
                part.push(
                    member_of(entry.part.checksum.algorithm()),
                    entry.part.checksum.to_string(),
                );
                part
            });
            shown.push("Parts", parts.collect::<Value>());
        }
        output.push("ObjectParts", shown);
    }
    if wants("StorageClass") {
        output.push("StorageClass", info.attributes.storage_class.as_str());
    }
    if wants("ObjectSize") {
        output.push("ObjectSize", info.size);
    }
    Ok(ask.encode(&Value::Map(output)))
}
