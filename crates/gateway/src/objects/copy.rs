//! CopyObject and UploadPartCopy: both sides are decided before anything is copied.

use adit_objects::{CopyPart, CopyRequest, Directive, Source, VersionId};
use adit_policy::actions::Facts;
use adit_wire::{ErrorReply, Map, Value, map};

use super::customer;
use super::errors::reply as store_error;
use super::headers;
use super::write::{facts, part_of};
use crate::acl::{self, Subject};
use crate::ask::{Ask, Uses, argument, no_such_bucket, stored_bucket};
use crate::copy_source::CopySource;
use crate::decide::{self, Said, may_know};
use crate::forward::{self, Becomes};
use crate::reply::Reply;

pub(super) async fn object(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let source = source(ask)?;
    let metadata = directive(ask, "x-amz-metadata-directive")?;
    let tagging = directive(ask, "x-amz-tagging-directive")?;
    let tags = match tagging {
        Directive::Replace => headers::tagging(ask)?,
        Directive::Copy => Vec::new(),
    };
    let copies_tags = tagging == Directive::Copy && has_tags(ask, &source).await;
    let said = Said {
        tags: &tags,
        source: Some(&source),
        subject: acl::made(ask),
        source_subject: subject(ask, &source).await,
        ..Said::default()
    };
    let facts = Facts {
        source_version_id: source.version.is_some(),
        copies_tags,
        ..facts(ask, &tags)
    };
    decide::all(ask, &said, &facts, uses.account)?;
    same_region(ask, &source)?;
    let customer = customer::of_write(ask)?;
    if forward::crosses(ask, &source)? {
        let becomes = Becomes::Object {
            attributes: Box::new(headers::attributes(ask, tags, acl::of_new(ask)?)?),
            keeps_metadata: metadata == Directive::Copy,
            keeps_tags: tagging == Directive::Copy,
            checksum: headers::algorithm(ask)?,
            conditions: headers::write_conditions(ask)?,
        };
        let made = forward::copy_across(ask, uses, &source, becomes).await?;
        let mut reply = ask.encode(&map! {
            "CopyObjectResult" => across(&made),
            "VersionId" => made.version,
            "CopySourceVersionId" => made.source_version,
        });
        customer::show(&mut reply, made.is_managed, customer.as_ref());
        return Ok(reply);
    }
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let attributes = headers::attributes(ask, tags, acl::of_new(ask)?)?;
    let encrypt = attributes.encryption.is_managed();
    let request = CopyRequest {
        source: stored_source(ask, &source)?,
        attributes,
        metadata,
        tagging,
        restated: ["x-amz-storage-class", "x-amz-server-side-encryption"]
            .into_iter()
            .any(|name| ask.header(name).is_some()),
        checksum: headers::algorithm(ask)?,
        etag: customer::etag(customer.as_ref(), ask.gateway.settings.etag),
        conditions: headers::write_conditions(ask)?,
        customer: customer::key(customer.as_ref()),
    };
    let copied = match ask.gateway.store.copy(&bucket, ask.key(), request).await {
        Ok(copied) => copied,
        Err(why) => return missing_source(ask, uses, &source, why),
    };
    let mut result = Map::new();
    result.push("ETag", format!("\"{}\"", copied.etag));
    result.push(
        "LastModified",
        Value::Time {
            millis: copied.last_modified.0,
        },
    );
    result.push(
        member_of(copied.checksum.value.algorithm()),
        copied.checksum.to_string(),
    );
    result.push("ChecksumType", copied.checksum.kind().name());
    let mut reply = ask.encode(&map! {
        "CopyObjectResult" => result,
        "VersionId" => copied.version_id.map(|id| id.to_string()),
        "CopySourceVersionId" => copied.source_version_id.map(|id| id.to_string()),
    });
    customer::show(&mut reply, encrypt, customer.as_ref());
    Ok(reply)
}

pub(super) async fn part(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    let source = source(ask)?;
    let said = Said {
        source: Some(&source),
        source_subject: subject(ask, &source).await,
        ..Said::default()
    };
    let facts = Facts {
        source_version_id: source.version.is_some(),
        ..Facts::default()
    };
    decide::all(ask, &said, &facts, uses.account)?;
    same_region(ask, &source)?;
    let customer = customer::of_write(ask)?;
    if forward::crosses(ask, &source)? {
        let (upload, number) = part_of(ask)?;
        let range = copied_range(ask)?;
        let becomes = Becomes::Part {
            upload,
            number,
            range,
        };
        let made = forward::copy_across(ask, uses, &source, becomes).await?;
        let mut reply = ask.encode(&map! {
            "CopyPartResult" => across(&made),
            "CopySourceVersionId" => made.source_version,
        });
        customer::show(&mut reply, made.is_managed, customer.as_ref());
        return Ok(reply);
    }
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let (upload_id, number) = part_of(ask)?;
    let range = copied_range(ask)?;
    let request = CopyPart {
        source: stored_source(ask, &source)?,
        range,
        customer: customer::key(customer.as_ref()),
    };
    let copied = ask
        .gateway
        .store
        .copy_part(&bucket, ask.key(), &upload_id, number, request)
        .await;
    let copied = match copied {
        Ok(copied) => copied,
        Err(why) => return missing_source(ask, uses, &source, why),
    };
    let part = copied.part;
    let mut result = Map::new();
    result.push("ETag", format!("\"{}\"", part.etag));
    result.push(
        "LastModified",
        Value::Time {
            millis: part.last_modified.0,
        },
    );
    result.push(
        member_of(part.checksum.algorithm()),
        part.checksum.to_string(),
    );
    let mut reply = ask.encode(&map! {
        "CopyPartResult" => result,
        "CopySourceVersionId" => copied.source_version_id.map(|id| id.to_string()),
    });
    customer::show(&mut reply, copied.sealed, customer.as_ref());
    Ok(reply)
}

/// What is told of a copy from one place to another.
fn across(made: &forward::Made) -> Map {
    let mut result = Map::new();
    result.push("ETag", format!("\"{}\"", made.etag));
    result.push(
        "LastModified",
        Value::Time {
            millis: made.modified,
        },
    );
    if let Some(checksum) = &made.checksum {
        result.push(member_of(checksum.algorithm()), checksum.to_string());
    }
    result
}

/// The bytes that are copied into a part; none: all.
fn copied_range(ask: &Ask<'_>) -> Result<Option<(u64, u64)>, ErrorReply> {
    const NAME: &str = "x-amz-copy-source-range";
    let Some(text) = ask.header(NAME) else {
        return Ok(None);
    };
    parse_copy_range(text).map(Some).ok_or_else(|| {
        argument(
            NAME,
            text,
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy",
        )
    })
}

/// The output member that carries a checksum of an algorithm.
pub(super) fn member_of(algorithm: adit_objects::ChecksumAlgorithm) -> &'static str {
    use adit_objects::ChecksumAlgorithm::{Crc32, Crc32c, Crc64Nvme, Sha1, Sha256};
    match algorithm {
        Crc32 => "ChecksumCRC32",
        Crc32c => "ChecksumCRC32C",
        Crc64Nvme => "ChecksumCRC64NVME",
        Sha1 => "ChecksumSHA1",
        Sha256 => "ChecksumSHA256",
    }
}

fn source(ask: &Ask<'_>) -> Result<CopySource, ErrorReply> {
    let text = ask.header("x-amz-copy-source").unwrap_or_default();
    let source = CopySource::parse(text, ask.snapshot)?;
    if source.view.is_none() {
        return Err(no_such_bucket(&source.bucket));
    }
    Ok(source)
}

fn directive(ask: &Ask<'_>, name: &'static str) -> Result<Directive, ErrorReply> {
    match ask.header(name) {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => Err(argument(name, other, "Unknown directive.")),
    }
}

/// Whether the source carries tags: then copying them needs its own actions.
async fn has_tags(ask: &Ask<'_>, source: &CopySource) -> bool {
    let Some(view) = &source.view else {
        return false;
    };
    if let Ok(Some(place)) = ask.gateway.origins.find(view) {
        let version = source.version.as_deref();
        let tags = forward::tags(ask, &place, &source.key, version).await;
        return !tags.is_empty();
    }
    let version = version(source);
    let found = ask
        .gateway
        .store
        .peek(&stored_bucket(&view.bucket), &source.key, version.as_ref())
        .await;
    found.is_ok_and(|object| !object.info().attributes.tags.is_empty())
}

/// The source as its ACL sees it.
async fn subject(ask: &Ask<'_>, source: &CopySource) -> Subject {
    match &source.view {
        Some(view) => acl::look(ask, view, &source.key, version(source).as_ref()).await,
        None => Subject::Off,
    }
}

fn version(source: &CopySource) -> Option<VersionId> {
    source
        .version
        .as_ref()
        .map(|id| VersionId::new(id.as_str()))
}

fn stored_source(ask: &Ask<'_>, source: &CopySource) -> Result<Source, ErrorReply> {
    let view = source
        .view
        .as_ref()
        .ok_or_else(|| no_such_bucket(&source.bucket))?;
    Ok(Source {
        bucket: stored_bucket(&view.bucket),
        key: source.key.clone(),
        version: version(source),
        conditions: headers::copied_conditions(ask),
        customer: customer::key(customer::of_source(ask)?.as_ref()),
    })
}

/// Through an endpoint only its own Region can be reached, on either side of a copy.
fn same_region(ask: &Ask<'_>, source: &CopySource) -> Result<(), ErrorReply> {
    let region = source.view.as_ref().map(|view| &view.bucket.region);
    if ask.way.endpoint.is_some() && region != ask.way.region.as_ref() {
        return Err(ErrorReply::new(
            "InvalidRequest",
            400,
            "Copies between Regions are not supported through a VPC endpoint.",
        ));
    }
    Ok(())
}

/// A source that is not there is told only to those who may list its bucket.
fn missing_source(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    source: &CopySource,
    why: adit_objects::Error,
) -> Result<Reply, ErrorReply> {
    if let (
        adit_objects::Error::NoSuchKey { .. } | adit_objects::Error::NoSuchVersion { .. },
        Some(view),
    ) = (&why, &source.view)
    {
        may_know(ask, view, uses.account)?;
    }
    Err(store_error(why))
}

/// `bytes=first-last`, both given.
fn parse_copy_range(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_ranges_have_both_ends() {
        assert_eq!(parse_copy_range("bytes=0-9"), Some((0, 9)));
        for bad in [
            "bytes=0-",
            "bytes=-9",
            "bytes=9-0",
            "0-9",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0-9,11-12",
        ] {
            assert_eq!(parse_copy_range(bad), None, "{bad}");
        }
    }
}
