//! PutObject and UploadPart: decided first, then streamed into the store.

use adit_objects::{BodyOptions, PutOptions};
use adit_policy::actions::Facts;
use adit_wire::ErrorReply;
use http::StatusCode;
use http::header::HeaderName;

use super::customer::{self, Customer};
use super::errors::reply as store_error;
use super::{headers, lock};
use crate::acl;
use crate::ask::{Ask, Uses, argument};
use crate::decide::{self, Said};
use crate::forward;
use crate::lifecycle;
use crate::reply::Reply;
use crate::upload::{Upload, header_of};

/// What the headers of a write add to the actions it needs.
pub(super) fn facts(ask: &Ask<'_>, tags: &[(String, String)]) -> Facts {
    let has = |name: &str| ask.wire.headers.has(name);
    let granted = ask.wire.headers.iter().any(|(name, _)| {
        name.get(..12)
            .is_some_and(|front| front.eq_ignore_ascii_case("x-amz-grant-"))
    });
    Facts {
        acl: has("x-amz-acl") || granted,
        tagging: !tags.is_empty(),
        retention: has("x-amz-object-lock-mode") || has("x-amz-object-lock-retain-until-date"),
        legal_hold: has("x-amz-object-lock-legal-hold"),
        ..Facts::default()
    }
}

pub(super) async fn put(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
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
    let length = uses.upload.required_length()?;
    let attributes = headers::attributes(ask, tags, list)?;
    let retained = bucket.lock.is_some_and(|lock| lock.default.is_some());
    let locks = retained || !attributes.lock.is_empty();
    lock::check_vouched(uses.upload, locks, "Put Object")?;
    let encrypt = attributes.encryption.is_managed();
    let tags = attributes.tags.clone();
    let options = PutOptions {
        attributes,
        body: body_options(ask, uses.upload, length, customer.as_ref()),
        conditions: headers::write_conditions(ask)?,
    };
    let mut writer = ask
        .gateway
        .store
        .begin_put(&bucket, ask.key(), options)
        .await
        .map_err(store_error)?;
    while let Some(data) = uses.upload.next().await? {
        writer.write(data).await.map_err(store_error)?;
    }
    let put = writer
        .finish(uses.upload.checks()?)
        .await
        .map_err(store_error)?;
    let mut reply = Reply::new(StatusCode::OK);
    headers::etag(&mut reply, &put.etag);
    headers::version(&mut reply, put.version_id.as_ref());
    headers::checksum(&mut reply, &put.checksum);
    customer::show(&mut reply, encrypt, customer.as_ref());
    let settings = &ask.bucket()?.settings;
    let object = (ask.key(), put.size, &tags);
    lifecycle::tell_of(&mut reply, settings, object, put.last_modified);
    Ok(reply)
}

pub(super) async fn part(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    decide::all(ask, &Said::default(), &facts(ask, &[]), uses.account)?;
    let customer = customer::of_write(ask)?;
    if let Some(done) = forward::object(ask, uses, None).await {
        return done;
    }
    let bucket = ask.stored()?;
    let (upload_id, number) = part_of(ask)?;
    let length = uses.upload.required_length()?;
    let options = body_options(ask, uses.upload, length, customer.as_ref());
    let begun = ask
        .gateway
        .store
        .begin_part(&bucket, ask.key(), &upload_id, number, options)
        .await;
    let mut writer = begun.map_err(store_error)?;
    let retained = bucket.lock.is_some_and(|lock| lock.default.is_some());
    let locks = retained || writer.is_locked();
    lock::check_vouched(uses.upload, locks, "Put Part")?;
    let encrypt = writer.is_sealed();
    while let Some(data) = uses.upload.next().await? {
        writer.write(data).await.map_err(store_error)?;
    }
    let part = writer
        .finish(uses.upload.checks()?)
        .await
        .map_err(store_error)?;
    let mut reply = Reply::new(StatusCode::OK);
    headers::etag(&mut reply, &part.etag);
    reply.set(
        HeaderName::from_static(header_of(part.checksum.algorithm())),
        part.checksum.to_string(),
    );
    customer::show(&mut reply, encrypt, customer.as_ref());
    Ok(reply)
}

/// Upload id and part number of a request for a part.
pub(super) fn part_of(ask: &Ask<'_>) -> Result<(String, u32), ErrorReply> {
    let upload_id = ask.query("uploadId")?.unwrap_or_default().into_owned();
    let text = ask.query("partNumber")?.unwrap_or_default();
    let number = text
        .parse::<u32>()
        .ok()
        .filter(|number| (1..=10_000).contains(number));
    let number = number.ok_or_else(|| {
        argument(
            "partNumber",
            &text,
            "Part number must be an integer between 1 and 10000, inclusive",
        )
    })?;
    Ok((upload_id, number))
}

fn body_options(
    ask: &Ask<'_>,
    upload: &Upload,
    length: u64,
    customer: Option<&Customer>,
) -> BodyOptions {
    let kind = customer::etag(customer, ask.gateway.settings.etag);
    BodyOptions {
        checksum: upload.declared().algorithm(),
        payload_sha256: upload.binds_sha256(),
        etag: upload.declared().etag(kind),
        length: Some(length),
        customer: customer::key(customer),
    }
}
