//! Uploads by browser forms (POST): the fields say who, what and under which policy; then the file comes.
//!
//! Nothing of the file is read before the fields were authenticated and decided on.

mod file;

pub(crate) use file::FormFile;

use adit_objects::{BodyOptions, PutOptions};
use adit_wire::s3::{self, FormReader, FormStep, Target};
use adit_wire::sigv4::{self, Claim, FormError, Policy};
use adit_wire::xml::Element;
use adit_wire::{ErrorReply, Headers, OperationRef, Parts, Service};
use bytes::Bytes;
use http::StatusCode;
use http::header;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::customer;
use super::errors::reply as store_error;
use super::headers;
use super::write::facts;
use crate::acl;
use crate::ask::{Ask, Uses, argument};
use crate::authenticate;
use crate::decide::{self, Pairs, Said};
use crate::forward;
use crate::reply::{Reply, ReplyBody};
use crate::upload::declared;

/// Fields of the signature: not headers of the object.
const OF_SIGNATURE: [&str; 5] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-signature",
    "x-amz-security-token",
];

/// Fields that are headers of the object, besides `x-amz-…`.
const OF_OBJECT: [&str; 6] = [
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
];

/// A form up to its file.
struct Form {
    reader: FormReader,
    /// What was received of the file already.
    rest: Bytes,
    fields: Pairs,
    key: String,
}

impl Form {
    fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Carries out an upload. `ask` is the request as it came: without identity, about a bucket.
pub(crate) async fn post(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Reply, ErrorReply> {
    // Who signs the request itself does not mean a form.
    if !matches!(sigv4::claim(&ask.wire), Ok(Claim::Anonymous)) {
        return Err(ErrorReply::new(
            "InvalidArgument",
            400,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
        )
        .with("ArgumentName", "Authorization"));
    }
    let form = read(ask, uses).await?;
    let borrowed: Vec<(&str, &str)> = form
        .fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let identity = authenticate::form(ask.gateway, ask.snapshot, &borrowed, ask.place, ask.now)?;
    uses.account.caller = Some(identity.key.clone());
    uses.account.identified(ask.snapshot, &identity);
    if let Some(log) = &mut uses.account.log {
        log.key = Some(form.key.clone());
    }
    let policy = policy(ask, &form, &borrowed)?;

    // From here on the fields are the headers of a PutObject.
    let mut fields: Vec<(&str, &[u8])> = Vec::with_capacity(borrowed.len());
    let mut lower = Vec::with_capacity(borrowed.len());
    for (name, value) in &form.fields {
        let name = name.to_ascii_lowercase();
        let is_header = OF_OBJECT.contains(&name.as_str())
            || (name.starts_with("x-amz-") && !OF_SIGNATURE.contains(&name.as_str()));
        match name.as_str() {
            "acl" => lower.push(("x-amz-acl".to_owned(), value)),
            _ if is_header => lower.push((name, value)),
            _ => {}
        }
    }
    fields.extend(lower.iter().map(|(k, v)| (k.as_str(), v.as_bytes())));
    for name in ["user-agent", "referer"] {
        fields.extend(ask.wire.headers.bytes(name).map(|value| (name, value)));
    }
    let mut place = ask.place.clone();
    if let Some(bucket) = place.address.bucket().cloned() {
        place.address.target = Target::Object(bucket, form.key.clone());
    }
    let op = find("PutObject")?;
    let object = Ask {
        place: &place,
        wire: Parts {
            method: "PUT",
            path: ask.wire.path,
            query: "",
            headers: Headers(&fields),
            body: &[],
        },
        identity: &identity,
        op: &op,
        ..*ask
    };
    let tags = tags(&object, form.field("tagging"))?;
    let file = (form.reader, form.rest);
    let done = put(&object, uses, file, policy.as_ref(), tags).await?;
    let named = |name: &str| {
        borrowed
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    };
    let host = ask.wire.headers.get("host").unwrap_or_default();
    Ok(answer(&object, host, done, named))
}

fn find(name: &str) -> Result<OperationRef, ErrorReply> {
    OperationRef::find(Service::S3, name).ok_or_else(|| ErrorReply::new("InternalError", 500, ""))
}

/// Reads the fields, and no more than comes with them.
async fn read(ask: &Ask<'_>, uses: &mut Uses<'_>) -> Result<Form, ErrorReply> {
    let content_type = ask.wire.headers.get("content-type").unwrap_or_default();
    let mut reader = FormReader::new(content_type).map_err(|why| why.reply())?;
    let rest = loop {
        let Some(data) = uses.upload.next().await? else {
            reader.finish().map_err(|why| why.reply())?;
            return Err(s3::FormBodyError::NoFile.reply());
        };
        let mut input: &[u8] = &data;
        match reader.step(&mut input).map_err(|why| why.reply())? {
            FormStep::File => break data.slice_ref(input),
            FormStep::More => {}
            FormStep::Data(_) | FormStep::Done => {
                return Err(s3::FormBodyError::NoFile.reply());
            }
        }
    };
    let mut fields: Pairs = reader.fields().to_vec();
    let file = reader.file().map(|file| file.name.clone());
    let key = fields
        .iter_mut()
        .find(|(name, _)| name.eq_ignore_ascii_case("key"));
    let Some((_, key)) = key else {
        return Err(argument(
            "key",
            "",
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
        ));
    };
    *key = key.replace("${filename}", &file.unwrap_or_default());
    let key = key.clone();
    if key.is_empty() {
        return Err(argument(
            "key",
            "",
            "User key must have a length greater than 0.",
        ));
    }
    Ok(Form {
        reader,
        rest,
        fields,
        key,
    })
}

/// The policy of the form, which its fields must keep to. Only unsigned forms can be without.
fn policy(
    ask: &Ask<'_>,
    form: &Form,
    fields: &[(&str, &str)],
) -> Result<Option<Policy>, ErrorReply> {
    let Some(text) = form.field("policy") else {
        return Ok(None);
    };
    let refused = |why: FormError| why.reply();
    let policy = Policy::parse(text).map_err(refused)?;
    policy
        .check(fields, &ask.bucket_name(), ask.now)
        .map_err(refused)?;
    Ok(Some(policy))
}

/// The tags in the field `tagging`, which is the document of PutObjectTagging.
fn tags(ask: &Ask<'_>, text: Option<&str>) -> Result<Pairs, ErrorReply> {
    let Some(text) = text else {
        return headers::tagging(ask);
    };
    let op = find("PutObjectTagging")?;
    let parts = Parts {
        method: "PUT",
        query: "tagging",
        headers: Headers(&[]),
        body: text.as_bytes(),
        ..ask.wire
    };
    let input = s3::decode(&op, ask.address(), &parts).map_err(|why| why.reply(Service::S3))?;
    Ok(super::tags::of(&input))
}

/// Decides on the upload, and puts the file where its bucket is kept. The answer is that of a PutObject.
async fn put(
    ask: &Ask<'_>,
    uses: &mut Uses<'_>,
    file: (FormReader, Bytes),
    policy: Option<&Policy>,
    tags: Pairs,
) -> Result<Reply, ErrorReply> {
    let said = Said {
        tags: &tags,
        subject: acl::made(ask),
        ..Said::default()
    };
    decide::all(ask, &said, &facts(ask, &tags), uses.account)?;
    let customer = customer::of_write(ask)?;
    let attributes = headers::attributes(ask, tags, acl::of_new(ask)?)?;
    let declared = declared(ask.wire.headers, false)?;
    let mut file = FormFile::new(uses.upload, file, policy, declared);
    if let Some(place) = forward::place(ask)? {
        return forward::file(ask, &place, file, &attributes.tags).await;
    }
    let bucket = ask.stored()?;
    let encrypt = attributes.encryption.is_managed();
    let kind = customer::etag(customer.as_ref(), ask.gateway.settings.etag);
    let options = PutOptions {
        attributes,
        body: BodyOptions {
            checksum: file.declared().algorithm(),
            payload_sha256: false,
            etag: file.declared().etag(kind),
            length: None,
            customer: customer::key(customer.as_ref()),
        },
        conditions: Default::default(),
    };
    let begun = ask
        .gateway
        .store
        .begin_put(&bucket, ask.key(), options)
        .await;
    let mut writer = begun.map_err(store_error)?;
    while let Some(piece) = file.next().await? {
        writer.write(piece).await.map_err(store_error)?;
    }
    let stored = writer.finish(file.checks()).await.map_err(store_error)?;
    let mut reply = Reply::new(StatusCode::OK);
    headers::etag(&mut reply, &stored.etag);
    headers::version(&mut reply, stored.version_id.as_ref());
    headers::checksum(&mut reply, &stored.checksum);
    customer::show(&mut reply, encrypt, customer.as_ref());
    Ok(reply)
}

/// What the form wants to be answered, with what the upload's answer says of the object.
fn answer<'f>(
    ask: &Ask<'_>,
    host: &str,
    put: Reply,
    field: impl Fn(&str) -> Option<&'f str>,
) -> Reply {
    let (bucket, key) = (ask.bucket_name(), ask.key());
    let etag = put.headers.get(header::ETAG);
    let etag = etag.and_then(|value| value.to_str().ok());
    let etag = etag.unwrap_or_default().to_owned();
    let location = location(ask, host);
    let redirect = field("success_action_redirect").or_else(|| field("redirect"));
    let target = redirect.filter(|url| {
        url.parse::<http::Uri>().is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some()
        })
    });
    let mut reply = match (target, field("success_action_status")) {
        (Some(url), _) => {
            let mark = if url.contains('?') { '&' } else { '?' };
            let escape = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let mut reply = Reply::new(StatusCode::SEE_OTHER);
            reply.set(
                header::LOCATION,
                format!(
                    "{url}{mark}bucket={}&key={}&etag={}",
                    escape(&bucket),
                    escape(key),
                    escape(&etag)
                ),
            );
            reply
        }
        (None, Some("201")) => {
            let mut reply = Reply::new(StatusCode::CREATED);
            let mut root = Element::new("PostResponse", "");
            root.children = vec![
                Element::new("Location", &*location),
                Element::new("Bucket", &*bucket),
                Element::new("Key", key),
                Element::new("ETag", &*etag),
            ];
            reply.body = ReplyBody::bytes(root.document());
            reply.set(header::CONTENT_TYPE, "application/xml");
            reply.set(header::LOCATION, &location);
            reply
        }
        (None, status) => {
            let status = match status {
                Some("200") => StatusCode::OK,
                _ => StatusCode::NO_CONTENT,
            };
            let mut reply = Reply::new(status);
            reply.set(header::LOCATION, &location);
            reply
        }
    };
    for (name, value) in &put.headers {
        if *name == header::ETAG || name.as_str().starts_with("x-amz-") {
            reply.headers.insert(name.clone(), value.clone());
        }
    }
    reply
}

/// Where the object is, as the client addressed its bucket.
fn location(ask: &Ask<'_>, host: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'~')
        .remove(b'/');
    let scheme = match ask.connection.tls {
        Some(_) => "https",
        None => "http",
    };
    let path = ask.wire.path.trim_end_matches('/');
    let key = utf8_percent_encode(ask.key(), KEPT);
    format!("{scheme}://{host}{path}/{key}")
}
