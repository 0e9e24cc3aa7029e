//! Multipart uploads but for their parts' bodies.

use adit_objects::{
    Checksum, ChecksumAlgorithm, Completion, NewUpload, ObjectChecksum, PartClaim, UnixMillis,
    UploadQuery,
};
use adit_policy::actions::Facts;
use adit_wire::{ErrorReply, Map, Value, map};

use super::copy::member_of;
use super::customer;
use super::errors::reply as store_error;
use super::headers;
use super::list::{Encoding, limit};
use super::write::facts;
use crate::acl;
use crate::ask::{Ask, Uses, argument};
use crate::decide::{self, Said, malformed};
use crate::forward;
use crate::lifecycle;
use crate::reply::Reply;
use crate::upload::CHECKSUM_HEADERS;

/// Most bytes of a completion: 10,000 parts, each with its tag and checksum.
const MAX_COMPLETION: usize = 4 << 20;

pub(super) async fn create(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let tags = headers::tagging(ask)?;
    let said = Said {
        tags: &tags,
        subject: acl::made(ask),
        ..Said::default()
    };
    decide::all(ask, &said, &facts(ask, &tags), uses.account)?;
    let list = acl::of_new(ask)?;
    let customer = customer::of_write(ask)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let checksum = headers::algorithm(ask)?;
    let attributes = headers::attributes(ask, tags, list)?;
    let encrypt = attributes.encryption.is_managed();
    let upload = NewUpload {
        attributes,
        checksum,
        checksum_type: headers::checksum_type(ask)?,
        initiator: Some(initiator(ask)),
        customer: customer::key(customer.as_ref()),
    };
    let made = ask
        .gateway
        .store
        .create_upload(&bucket, ask.key(), upload)
        .await
        .map_err(store_error)?;
    let settings = &ask.bucket()?.settings;
    let abortion = lifecycle::abortion(settings, ask.key(), UnixMillis(ask.now));
    let mut reply = ask.encode(&map! {
        "Bucket" => ask.bucket_name(),
        "Key" => ask.key(),
        "UploadId" => made.upload_id,
        "ChecksumAlgorithm" => checksum.map(ChecksumAlgorithm::name),
        "ChecksumType" => checksum.map(|_| made.checksum_type.name()),
        "AbortDate" => abortion.as_ref().map(|(at, _)| Value::Time { millis: at.0 }),
        "AbortRuleId" => abortion.map(|(_, rule)| rule),
    });
    customer::show(&mut reply, encrypt, customer.as_ref());
    Ok(reply)
}

fn initiator(ask: &Ask<'_>) -> String {
    ask.identity
        .key
        .as_ref()
        .map_or_else(|| "anonymous".to_owned(), |key| key.arn.clone())
}

fn upload_id(ask: &Ask<'_>) -> Result<String, ErrorReply> {
    Ok(ask.query("uploadId")?.unwrap_or_default().into_owned())
}

pub(super) async fn complete(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    decide::all(ask, &Said::default(), &Facts::default(), uses.account)?;
    let upload_id = upload_id(ask)?;
    let customer = customer::of(ask)?;
    // The checksum headers speak of the object to be, not of this body.
    let body = uses
        .upload
        .whole(MAX_COMPLETION, &ask.gateway.documents)
        .await?;
    if let Some(done) = forward::object(ask, uses, Some(body.clone())).await {
        return done;
    }
    let bucket = ask.stored()?;
    let input = ask.decode(&body)?;
    let parts = input.get("MultipartUpload").get("Parts").list();
    let claims = parts.iter().map(claim).collect::<Result<Vec<_>, _>>()?;
    let size = match ask.header("x-amz-mp-object-size") {
        None => None,
        Some(text) => Some(text.parse::<u64>().map_err(|_| {
            argument(
                "x-amz-mp-object-size",
                text,
                "Value for x-amz-mp-object-size header is invalid.",
            )
        })?),
    };
    let completion = Completion {
        parts: claims,
        checksum: object_checksum(ask)?,
        checksum_type: headers::checksum_type(ask)?,
        size,
        conditions: headers::write_conditions(ask)?,
        customer: customer::key(customer.as_ref()),
    };
    let done = ask
        .gateway
        .store
        .complete_upload(&bucket, ask.key(), &upload_id, completion)
        .await;
    let done = done.map_err(store_error)?;
    // Somebody else may have replaced it already.
    let version = done.version_id.as_ref();
    let made = ask.gateway.store.peek(&bucket, ask.key(), version).await;
    let settings = &ask.bucket()?.settings;
    let made = made.ok();
    let encrypt = made
        .as_ref()
        .is_some_and(|object| object.info().attributes.encryption.is_managed());
    let expiration = made.as_ref().and_then(|object| {
        let info = object.info();
        let facts = (ask.key(), info.size, &info.attributes.tags);
        lifecycle::expiration(settings, facts, info.last_modified)
    });
    let scheme = if ask.connection.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let host = ask.wire.headers.get("host").unwrap_or_default();
    let mut output = Map::new();
    output.push("Location", format!("{scheme}://{host}{}", ask.wire.path));
    output.push("Bucket", ask.bucket_name());
    output.push("Key", ask.key());
    output.push("ETag", format!("\"{}\"", done.etag));
    output.push(
        member_of(done.checksum.value.algorithm()),
        done.checksum.to_string(),
    );
    output.push("ChecksumType", done.checksum.kind().name());
    output.push("VersionId", done.version_id.map(|id| id.to_string()));
    output.push("ServerSideEncryption", encrypt.then_some("AES256"));
    output.push("Expiration", expiration);
    Ok(ask.encode(&Value::Map(output)))
}

/// A part as the client names it.
fn claim(part: &Value) -> Result<PartClaim, ErrorReply> {
    let number = part
        .get("PartNumber")
        .int()
        .and_then(|number| u32::try_from(number).ok());
    let mut checksum = None;
    for algorithm in ChecksumAlgorithm::ALL {
        if let Some(text) = part.get(member_of(algorithm)).str() {
            checksum = Some(Checksum::from_base64(algorithm, text).ok_or_else(malformed)?);
        }
    }
    Ok(PartClaim {
        part_number: number.ok_or_else(malformed)?,
        etag: part.get("ETag").str().unwrap_or_default().to_owned(),
        checksum,
    })
}

/// What the headers say of the whole object's checksum.
fn object_checksum(ask: &Ask<'_>) -> Result<Option<ObjectChecksum>, ErrorReply> {
    for (name, algorithm) in CHECKSUM_HEADERS {
        let Some(text) = ask.header(name) else {
            continue;
        };
        return ObjectChecksum::parse(algorithm, text)
            .map(Some)
            .ok_or_else(|| {
                ErrorReply::new(
                    "InvalidRequest",
                    400,
                    format!("Value for {name} header is invalid."),
                )
            });
    }
    Ok(None)
}

pub(super) async fn abort(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    decide::all(ask, &Said::default(), &Facts::default(), uses.account)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let upload_id = upload_id(ask)?;
    ask.gateway
        .store
        .abort_upload(&bucket, ask.key(), &upload_id)
        .await
        .map_err(store_error)?;
    Ok(ask.encode(&map! {}))
}

pub(super) async fn parts(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    decide::all(ask, &Said::default(), &Facts::default(), uses.account)?;
    let customer = customer::of(ask)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let upload_id = upload_id(ask)?;
    let marker = match input.get("PartNumberMarker").str() {
        None => 0,
        Some(text) => text.parse().map_err(|_| {
            argument(
                "part-number-marker",
                text,
                "Provided part-number-marker not an integer or within integer range",
            )
        })?,
    };
    let max = limit(&input, "MaxParts", "max-parts")?;
    let listed = ask
        .gateway
        .store
        .list_parts(&bucket, ask.key(), &upload_id, marker, max)
        .await;
    let (upload, page) = listed.map_err(store_error)?;
    if let Some(customer) = &customer {
        let encryption = &upload.attributes.encryption;
        encryption
            .admits(Some(&customer.key))
            .map_err(store_error)?;
    }
    let shown = page.parts.iter().map(|entry| {
        let mut part = Map::new();
        part.push("PartNumber", entry.part_number);
        part.push(
            "LastModified",
            Value::Time {
                millis: entry.part.last_modified.0,
            },
        );
        part.push("ETag", format!("\"{}\"", entry.part.etag));
        part.push("Size", entry.part.size);
        if upload.checksum.is_some() {
            part.push(
                member_of(entry.part.checksum.algorithm()),
                entry.part.checksum.to_string(),
            );
        }
        part
    });
    Ok(ask.encode(&map! {
        "Bucket" => ask.bucket_name(),
        "Key" => ask.key(),
        "UploadId" => upload_id,
        "PartNumberMarker" => marker.to_string(),
        "NextPartNumberMarker" => page.next_marker.to_string(),
        "MaxParts" => max,
        "IsTruncated" => page.truncated,
        "Parts" => shown.collect::<Value>(),
        "Initiator" => map! { "ID" => upload.initiator.clone(), "DisplayName" => upload.initiator },
        "Owner" => map! { "ID" => upload.attributes.owner.or_else(|| ask.owner()) },
        "StorageClass" => upload.attributes.storage_class,
        "ChecksumAlgorithm" => upload.checksum.map(ChecksumAlgorithm::name),
        "ChecksumType" => upload.checksum.map(|_| upload.checksum_type.name()),
    }))
}

pub(super) async fn uploads(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let input = ask.decode(&[])?;
    let said = Said {
        input: Some(&input),
        ..Said::default()
    };
    decide::all(ask, &said, &Facts::default(), uses.account)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let encoding = Encoding::of(&input)?;
    let max = limit(&input, "MaxUploads", "max-uploads")?;
    let text = |name: &str| input.get(name).str().unwrap_or_default().to_owned();
    let marker = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    let query = UploadQuery {
        prefix: text("Prefix"),
        delimiter: text("Delimiter"),
        key_marker: marker("KeyMarker"),
        // It means nothing without a key marker.
        upload_id_marker: marker("UploadIdMarker").filter(|_| marker("KeyMarker").is_some()),
        max_uploads: max,
    };
    let page = ask
        .gateway
        .store
        .list_uploads(&bucket, &query)
        .await
        .map_err(store_error)?;
    let shown = page.uploads.iter().map(|upload| {
        map! {
            "UploadId" => upload.upload_id.as_str(),
            "Key" => encoding.text(&upload.key),
            "Initiated" => Value::Time { millis: upload.initiated.0 },
            "StorageClass" => upload.storage_class.as_str(),
            "Owner" => map! { "ID" => upload.owner.clone().or_else(|| ask.owner()) },
            "Initiator" => map! { "ID" => upload.initiator.clone(), "DisplayName" => upload.initiator.clone() },
            "ChecksumAlgorithm" => upload.checksum.map(ChecksumAlgorithm::name),
            "ChecksumType" => upload.checksum.map(|_| upload.checksum_type.name()),
        }
    });
    Ok(ask.encode(&map! {
        "Bucket" => ask.bucket_name(),
        "KeyMarker" => encoding.text(&text("KeyMarker")),
        "UploadIdMarker" => text("UploadIdMarker"),
        "NextKeyMarker" => page.next_key_marker.as_deref().map(|key| encoding.text(key)),
        "NextUploadIdMarker" => page.next_upload_id_marker.clone(),
        "Prefix" => encoding.text(&query.prefix),
        "Delimiter" => Some(encoding.text(&query.delimiter)).filter(|d| !d.is_empty()),
        "MaxUploads" => max,
        "IsTruncated" => page.truncated,
        "Uploads" => shown.collect::<Value>(),
        "CommonPrefixes" => encoding.prefixes(&page.common_prefixes),
        "EncodingType" => encoding.name(),
    }))
}
