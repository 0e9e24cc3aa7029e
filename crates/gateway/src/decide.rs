//! From a request to the condition keys that policies ask for, and from those to yes or no.

use std::borrow::Cow;

use adit_objects::Lock;
use adit_policy::actions::{Need, On};
use adit_policy::{AclGrant, Action, Context, Policy, Value as Fact, actions, keys};
use adit_snapshot::build::PolicyState;
use adit_snapshot::decide::control::principal_keys;
use adit_snapshot::decide::request::{self, RequestFacts, network_keys};
use adit_snapshot::{AccessPointView, BucketView};
use adit_wire::{ErrorReply, Value};
use percent_encoding::percent_decode_str;

use crate::account::Account;
use crate::acl::{self, Subject};
use crate::ask::Ask;
use crate::connection::Via;
use crate::copy_source::CopySource;
use crate::job;
use crate::objects::lock_keys;

/// Name and value pairs.
pub(crate) type Pairs = Vec<(String, String)>;

/// What a request says beyond its head, where that matters to policies.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    /// The input, where the codec read it: listings' parameters come from here, so that what policies
    /// see is what is listed.
    pub(crate) input: Option<&'a Value>,
    /// Tags that the request sets on an object.
    pub(crate) tags: &'a [(String, String)],
    /// Tags that the object has.
    pub(crate) existing: &'a [(String, String)],
    /// What is copied.
    pub(crate) source: Option<&'a CopySource>,
    /// The object, and the one that is copied, where their buckets have ACLs.
    pub(crate) subject: Subject,
    pub(crate) source_subject: Subject,
    /// The lock that a document gives to an object; those of writes are in the headers.
    pub(crate) lock: Option<&'a Lock>,
    /// The ARN that an operation of S3 Control is about.
    pub(crate) control: &'a str,
}

/// Headers that are condition keys as they are.
const HEADER_KEYS: [(keys::Key, &str); 18] = [
    (keys::USER_AGENT, "user-agent"),
    (keys::REFERER, "referer"),
    (keys::S3_X_AMZ_CONTENT_SHA256, "x-amz-content-sha256"),
    (keys::S3_X_AMZ_ACL, "x-amz-acl"),
    (
        keys::S3_X_AMZ_GRANT_FULL_CONTROL,
        "x-amz-grant-full-control",
    ),
    (keys::S3_X_AMZ_GRANT_READ, "x-amz-grant-read"),
    (keys::S3_X_AMZ_GRANT_READ_ACP, "x-amz-grant-read-acp"),
    (keys::S3_X_AMZ_GRANT_WRITE, "x-amz-grant-write"),
    (keys::S3_X_AMZ_GRANT_WRITE_ACP, "x-amz-grant-write-acp"),
    (
        keys::S3_X_AMZ_METADATA_DIRECTIVE,
        "x-amz-metadata-directive",
    ),
    (
        keys::S3_X_AMZ_SERVER_SIDE_ENCRYPTION,
        "x-amz-server-side-encryption",
    ),
    (
        keys::S3_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID,
        "x-amz-server-side-encryption-aws-kms-key-id",
    ),
    (
        keys::S3_X_AMZ_SERVER_SIDE_ENCRYPTION_CUSTOMER_ALGORITHM,
        "x-amz-server-side-encryption-customer-algorithm",
    ),
    (keys::S3_X_AMZ_STORAGE_CLASS, "x-amz-storage-class"),
    (
        keys::S3_X_AMZ_WEBSITE_REDIRECT_LOCATION,
        "x-amz-website-redirect-location",
    ),
    (keys::S3_OBJECT_LOCK_MODE, "x-amz-object-lock-mode"),
    (
        keys::S3_OBJECT_LOCK_RETAIN_UNTIL_DATE,
        "x-amz-object-lock-retain-until-date",
    ),
    (
        keys::S3_OBJECT_LOCK_LEGAL_HOLD,
        "x-amz-object-lock-legal-hold",
    ),
];

/// Fills in what is known of a request [s3-policy §C]. The network keys come from the connection alone.
pub(crate) fn context<'a>(ask: &Ask<'a>, said: &Said<'a>) -> Result<Context<'a>, ErrorReply> {
    context_through(ask, said, ask.place.access_point.as_deref())
}

/// The same for a resource that is reached through another access point than the request's own.
fn context_through<'a>(
    ask: &Ask<'a>,
    said: &Said<'a>,
    point: Option<&'a AccessPointView>,
) -> Result<Context<'a>, ErrorReply> {
    let mut context = Context::new();
    if let Some(view) = point {
        context.set(keys::S3_DATA_ACCESS_POINT_ARN, view.arn.as_str());
        context.set(
            keys::S3_DATA_ACCESS_POINT_ACCOUNT,
            view.point.owner.as_str(),
        );
        context.set(
            keys::S3_ACCESS_POINT_NETWORK_ORIGIN,
            view.point.network_origin(),
        );
    }
    network_keys(
        &mut context,
        ask.way.endpoint.as_deref(),
        ask.connection.peer.ip(),
    );
    context.set(keys::SECURE_TRANSPORT, ask.connection.tls.is_some());
    context.set_some(
        keys::S3_TLS_VERSION,
        ask.connection.tls.map(|tls| tls.as_str()),
    );
    context.set(keys::CURRENT_TIME, Fact::Time(ask.now.div_euclid(1000)));
    context.set(keys::REQUESTED_REGION, ask.identity.region.as_str());
    header_keys(&mut context, ask);
    if let Some(signature) = &ask.identity.signature {
        let carrier = match signature.carrier {
            adit_wire::sigv4::Carrier::Header => "REST-HEADER",
            adit_wire::sigv4::Carrier::Query => "REST-QUERY-STRING",
            adit_wire::sigv4::Carrier::Form => "POST",
        };
        context.set(keys::S3_AUTH_TYPE, carrier);
        context.set(keys::S3_SIGNATURE_VERSION, signature.version);
        if carrier != "REST-HEADER" {
            context.set(keys::S3_SIGNATURE_AGE, signature.age);
        }
    }
    if let Some(key) = ask.identity.key.as_deref() {
        principal_keys(&mut context, key);
    }
    object_keys(&mut context, ask, said)?;
    if let Some(input) = said.input {
        list_keys(&mut context, ask, input);
    }
    Ok(context)
}

/// Sets the keys that are headers: of each header its first field.
fn header_keys<'a>(context: &mut Context<'a>, ask: &Ask<'a>) {
    let mut seen = 0_u32;
    for (name, value) in ask.wire.headers.iter() {
        let key = |(_, header): &(keys::Key, &str)| header.eq_ignore_ascii_case(name);
        let Some(at) = HEADER_KEYS.iter().position(key) else {
            continue;
        };
        let first = seen >> at & 1 == 0;
        seen |= 1 << at;
        let text = std::str::from_utf8(value.trim_ascii()).unwrap_or_default();
        if let (true, Some((key, _))) = (first && !text.is_empty(), HEADER_KEYS.get(at)) {
            context.set(*key, text);
        }
    }
}

fn object_keys<'a>(
    context: &mut Context<'a>,
    ask: &Ask<'a>,
    said: &Said<'a>,
) -> Result<(), ErrorReply> {
    if let Some(version) = ask.query("versionId")? {
        context.set(keys::S3_VERSION_ID, version.into_owned());
    }
    if let Some(source) = said.source {
        context.set(
            keys::S3_X_AMZ_COPY_SOURCE,
            format!("{}/{}", source.bucket, source.key),
        );
    }
    if !said.tags.is_empty() {
        for (key, value) in said.tags {
            context.set((keys::S3_REQUEST_OBJECT_TAG, key.as_str()), value);
        }
        let names: Vec<String> = said.tags.iter().map(|(key, _)| key.clone()).collect();
        context.set(keys::S3_REQUEST_OBJECT_TAG_KEYS, names);
    }
    for (key, value) in said.existing {
        context.set((keys::S3_EXISTING_OBJECT_TAG, key.as_str()), value);
    }
    // Conditional headers are keys of writes only; and a policy that demands them must be able to leave
    // out the steps of a multipart upload that cannot carry them.
    let (write, creates) = match ask.op.name() {
        "PutObject" | "CopyObject" | "CompleteMultipartUpload" => (true, Some(true)),
        "CreateMultipartUpload" | "UploadPart" | "UploadPartCopy" => (false, Some(false)),
        "DeleteObject" => (true, None),
        _ => (false, None),
    };
    context.set_some(keys::S3_OBJECT_CREATION_OPERATION, creates);
    lock_keys(context, ask, said, creates.is_some());
    if write {
        context.set_some(keys::S3_IF_MATCH, ask.header("if-match"));
        context.set_some(keys::S3_IF_NONE_MATCH, ask.header("if-none-match"));
    }
    Ok(())
}

fn list_keys<'a>(context: &mut Context<'a>, ask: &Ask<'a>, input: &'a Value) {
    match ask.op.name() {
        "ListObjects" | "ListObjectsV2" | "ListObjectVersions" | "ListMultipartUploads" => {
            context.set_some(keys::S3_PREFIX, input.get("Prefix").str());
            context.set_some(keys::S3_DELIMITER, input.get("Delimiter").str());
            context.set_some(keys::S3_MAX_KEYS, input.get("MaxKeys").int());
        }
        "CreateAccessPoint" => {
            let owner = input.get("AccountId").str();
            context.set(
                keys::S3_DATA_ACCESS_POINT_ACCOUNT,
                owner.unwrap_or_default(),
            );
            let vpc = !input.get("VpcConfiguration").is_null();
            let origin = if vpc { "VPC" } else { "Internet" };
            context.set(keys::S3_ACCESS_POINT_NETWORK_ORIGIN, origin);
            tag_keys(context, input.get("Tags").list());
        }
        "CreateJob" => {
            job::request_keys(context, input);
            tag_keys(context, input.get("Tags").list());
        }
        "UpdateJobPriority" | "UpdateJobStatus" | "DeleteJobTagging" => {
            job::existing_keys(context, ask, input);
        }
        "PutJobTagging" => {
            job::existing_keys(context, ask, input);
            tag_keys(context, input.get("Tags").list());
        }
        "TagResource" => tag_keys(context, input.get("Tags").list()),
        "UntagResource" => {
            let names = input.get("TagKeys").strings().map(str::to_owned);
            context.set(keys::TAG_KEYS, names.collect::<Vec<_>>());
        }
        "CreateBucket" => {
            let configuration = input.get("CreateBucketConfiguration");
            context.set_some(
                keys::S3_LOCATION_CONSTRAINT,
                configuration.get("LocationConstraint").str(),
            );
            context.set_some(
                keys::S3_X_AMZ_OBJECT_OWNERSHIP,
                input.get("ObjectOwnership").str(),
            );
            tag_keys(context, configuration.get("Tags").list());
        }
        _ => {}
    }
}

/// The keys of tags that a request gives to a bucket, an access point or a job.
fn tag_keys<'a>(context: &mut Context<'a>, tags: &'a [Value]) {
    let mut names: Vec<String> = Vec::new();
    for tag in tags {
        let (Some(key), Some(value)) = (tag.get("Key").str(), tag.get("Value").str()) else {
            continue;
        };
        context.set((keys::REQUEST_TAG, key), value);
        names.push(key.to_owned());
    }
    if !names.is_empty() {
        context.set(keys::TAG_KEYS, names);
    }
}

/// One question about one resource.
#[derive(Clone, Copy)]
pub(crate) struct Question<'q> {
    pub(crate) action: Action<'q>,
    pub(crate) resource: &'q str,
    pub(crate) bucket: Option<&'q BucketView>,
    /// The access point, and the resource as it names it.
    pub(crate) access_point: Option<(&'q AccessPointView, &'q str)>,
    /// The object, where its bucket has ACLs.
    pub(crate) subject: Option<&'q Subject>,
}

/// Asks whether the caller may.
///
/// # Errors
/// `AccessDenied`, in AWS's words.
pub(crate) fn may<'q>(
    ask: &'q Ask<'_>,
    context: &'q Context<'q>,
    question: Question<'q>,
    account: &mut Account,
) -> Result<(), ErrorReply> {
    let (grant, object_owner) = acl::granted(ask, &question);
    let facts = RequestFacts {
        endpoint: ask.way.endpoint.as_deref(),
        key: ask.identity.key.as_deref(),
        bucket: question.bucket,
        action: question.action,
        resource: question.resource,
        context,
        acl: grant,
        object_owner,
        access_point: question.access_point,
    };
    // Fail closed: a way through an endpoint without that endpoint's view is no way.
    debug_assert_eq!(
        matches!(ask.connection.via, Via::Endpoint(_)),
        facts.endpoint.is_some()
    );
    let decision = request::request(&facts, None);
    account.decided(&facts, &decision, ask.gateway.settings.explain_allowed);
    if decision.is_allowed() {
        if let (Some(log), true) = (&mut account.log, grant != AclGrant::None) {
            let without = RequestFacts {
                acl: AclGrant::None,
                ..facts
            };
            log.by_acl |= !request::request(&without, None).is_allowed();
        }
        return Ok(());
    }
    let message = request::message(&facts, &decision);
    let message = if message.is_empty() {
        "Access Denied".to_owned()
    } else {
        message
    };
    Err(ErrorReply::new("AccessDenied", 403, message))
}

/// Asks for every pair that an operation needs, before any of it is done.
///
/// # Errors
/// `AccessDenied`; `MethodNotAllowed` where only the bucket's owner may; `NotImplemented`.
pub(crate) fn all(
    ask: &Ask<'_>,
    said: &Said<'_>,
    facts: &actions::Facts,
    account: &mut Account,
) -> Result<(), ErrorReply> {
    let api = match ask.op.service() {
        adit_wire::Service::S3Control => actions::Api::S3Control,
        _ => actions::Api::S3,
    };
    let row = actions::Operation::find(api, ask.op.name()).filter(|row| row.supported);
    let Some(row) = row else {
        return Err(not_implemented(ask.op.name()));
    };
    let context = context(ask, said)?;
    for need in row.needs(facts) {
        one(ask, said, &context, need, account)?;
    }
    expected_owner(
        ask,
        "x-amz-expected-bucket-owner",
        ask.place.bucket.as_deref(),
    )?;
    expected_owner(
        ask,
        "x-amz-source-expected-bucket-owner",
        said.source.and_then(|source| source.view.as_deref()),
    )
}

fn one(
    ask: &Ask<'_>,
    said: &Said<'_>,
    context: &Context<'_>,
    need: Need,
    account: &mut Account,
) -> Result<(), ErrorReply> {
    let create = ask.op.name() == "CreateBucket";
    let bucket = ask.place.bucket.as_deref().filter(|_| !create);
    let point = ask.place.access_point.as_deref();
    let (resource, bucket, point): (Cow<'_, str>, _, _) = match need.on {
        On::Account => ("*".into(), None, None),
        On::Bucket => (bucket_arn(&ask.real_bucket()).into(), bucket, point),
        On::Object => (
            object_arn(&ask.real_bucket(), ask.key()).into(),
            bucket,
            point,
        ),
        On::SourceObject => {
            let Some(source) = said.source else {
                return Err(ErrorReply::new("InternalError", 500, ""));
            };
            (
                object_arn(&source.bucket, &source.key).into(),
                source.view.as_deref(),
                source.access_point.as_deref(),
            )
        }
        On::AccessPoint | On::Job | On::Named => (said.control.into(), None, None),
    };
    let through;
    let context = match need.on {
        // The source of a copy has an access point of its own, or none.
        On::SourceObject if point.is_some() || ask.place.access_point.is_some() => {
            through = context_through(ask, said, point)?;
            &through
        }
        _ => context,
    };
    let named = point.map(|view| match need.on {
        On::Object => format!("{}/object/{}", view.arn, ask.key()),
        On::SourceObject => {
            let key = said.source.map(|source| source.key.as_str());
            format!("{}/object/{}", view.arn, key.unwrap_or_default())
        }
        _ => view.arn.clone(),
    });
    let question = Question {
        action: need.action,
        resource: &resource,
        bucket,
        access_point: point.zip(named.as_deref()),
        subject: match need.on {
            On::Object => Some(&said.subject),
            On::SourceObject => Some(&said.source_subject),
            _ => None,
        },
    };
    let allowed = may(ask, context, question, account);
    if actions::is_owner_only(need.action.name())
        && let Some(view) = bucket
    {
        // An explicit deny is told as such; a stranger whom the policy lets in is not let in.
        let owner = ask
            .identity
            .key
            .as_ref()
            .is_some_and(|key| key.key.account == view.bucket.owner);
        if !owner && allowed.is_ok() {
            return Err(ErrorReply::new(
                "MethodNotAllowed",
                405,
                "The specified method is not allowed against this resource.",
            )
            .with("Method", ask.wire.method)
            .with("ResourceType", "BUCKETPOLICY"));
        }
    }
    allowed
}

fn expected_owner(
    ask: &Ask<'_>,
    header: &str,
    bucket: Option<&BucketView>,
) -> Result<(), ErrorReply> {
    let Some(expected) = ask.header(header) else {
        return Ok(());
    };
    if expected.len() != 12 || !expected.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ErrorReply::new(
            "InvalidBucketOwnerAWSAccountID",
            400,
            format!(
                "The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]"
            ),
        ));
    }
    match bucket {
        Some(view) if view.bucket.owner.as_str() != expected => {
            Err(ErrorReply::new("AccessDenied", 403, "Access Denied"))
        }
        _ => Ok(()),
    }
}

/// Whether the caller may know that a key does not exist: who may list the bucket may. Otherwise a
/// missing object is answered like a forbidden one.
///
/// # Errors
/// `AccessDenied` for `s3:ListBucket`.
pub(crate) fn may_know(
    ask: &Ask<'_>,
    view: &BucketView,
    account: &mut Account,
) -> Result<(), ErrorReply> {
    // Through the same door as the request itself, if it is the request's own bucket.
    let own = ask.place.bucket.as_deref();
    let point = ask
        .place
        .access_point
        .as_deref()
        .filter(|_| own.is_some_and(|own| own.bucket.name == view.bucket.name));
    let said = Said::default();
    let context = context_through(ask, &said, point)?;
    let resource = view.bucket.arn();
    let action = Action::from("s3:ListBucket");
    may(
        ask,
        &context,
        Question {
            action,
            resource: &resource,
            bucket: Some(view),
            access_point: point.map(|point| (point, point.arn.as_str())),
            subject: None,
        },
        account,
    )
}

/// Whether the caller may do something else with the object, which is asked beside the request and not
/// written down.
pub(crate) fn quietly(ask: &Ask<'_>, said: &Said<'_>, action: &'static str) -> bool {
    also(ask, said, action, &mut Account::default()).is_ok()
}

/// Asks whether the caller may do something with the object besides what the operation needs by itself.
///
/// # Errors
/// `AccessDenied`.
pub(crate) fn also(
    ask: &Ask<'_>,
    said: &Said<'_>,
    action: &'static str,
    account: &mut Account,
) -> Result<(), ErrorReply> {
    let context = context(ask, said)?;
    let resource = object_arn(&ask.real_bucket(), ask.key());
    let point = ask.place.access_point.as_deref();
    let through = point.map(|point| (point, format!("{}/object/{}", point.arn, ask.key())));
    let question = Question {
        action: Action::from(action),
        resource: &resource,
        bucket: ask.place.bucket.as_deref(),
        access_point: through.as_ref().map(|(point, arn)| (*point, arn.as_str())),
        subject: Some(&said.subject),
    };
    may(ask, &context, question, account)
}

/// Whether a policy that has a say looks at tags of existing objects. Only then they are looked up
/// before the decision.
pub(crate) fn asks_existing_tags(ask: &Ask<'_>, bucket: Option<&BucketView>) -> bool {
    let ready = |state: &PolicyState| match state {
        PolicyState::Ready(policy) => asks_tags(policy),
        PolicyState::Broken(_) => false,
    };
    bucket
        .and_then(|view| view.policy.as_ref())
        .is_some_and(ready)
        || ask
            .place
            .access_point
            .as_ref()
            .and_then(|view| view.policy.as_ref())
            .is_some_and(ready)
        || ask
            .way
            .endpoint
            .as_ref()
            .is_some_and(|view| ready(&view.policy))
        || ask.identity.key.as_ref().is_some_and(|key| {
            let limits = [key.boundary(), key.session_policies()];
            let limits = limits.into_iter().flatten().flatten();
            let mut all = key.policies().iter().chain(limits);
            all.any(|policy| asks_tags(policy))
        })
}

/// Whether a policy has a key of the family `s3:ExistingObjectTag/`.
fn asks_tags(policy: &Policy) -> bool {
    policy.mentions(keys::S3_EXISTING_OBJECT_TAG)
}

/// Reads tags in the form of `x-amz-tagging`: a query string.
///
/// # Errors
/// Text that is none.
pub(crate) fn parse_tagging(text: &str) -> Result<Pairs, ErrorReply> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().map(Cow::into_owned).map_err(|_| {
            ErrorReply::new("InvalidArgument", 400, "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
                .with("ArgumentName", "x-amz-tagging")
        })
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key)?, decode(value)?))
        })
        .collect()
}

pub(crate) fn bucket_arn(bucket: &str) -> String {
    format!("arn:aws:s3:::{bucket}")
}

pub(crate) fn object_arn(bucket: &str, key: &str) -> String {
    format!("arn:aws:s3:::{bucket}/{key}")
}

/// A document that is none.
pub(crate) fn malformed() -> ErrorReply {
    ErrorReply::new(
        "MalformedXML",
        400,
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

/// The answer to what AWS has and Adit has not.
pub(crate) fn not_implemented(what: &str) -> ErrorReply {
    ErrorReply::new(
        "NotImplemented",
        501,
        "A header or operation you requested is not built. See docs/compatibility.md.",
    )
    .with("Header", what)
}

#[cfg(test)]
mod tests {
    use adit_policy::PolicyKind;

    use super::*;

    #[test]
    fn policies_that_ask_for_existing_tags_are_found() {
        let asks = |statement: &str| {
            let text = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"s3:*",{statement}}}}}"#
            );
            asks_tags(&Policy::compile(&text, PolicyKind::Identity).unwrap())
        };
        for statement in [
            r#""Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/a":"b"}}"#,
            r#""Resource":"*","Condition":{"Null":{"S3:EXISTINGOBJECTTAG/a":"true"}}"#,
            r#""Resource":"*","Condition":{"StringEquals":{"s3:Existing\u004fbjectTag/a":"b"}}"#,
            r#""Resource":"arn:aws:s3:::b/${s3:ExistingObjectTag/team}/*""#,
        ] {
            assert!(asks(statement), "{statement}");
        }
        for statement in [
            r#""Resource":"arn:aws:s3:::b/*""#,
            r#""Resource":"arn:aws:s3:::b/existingobjecttag/*""#,
            r#""Resource":"*","Condition":{"StringEquals":{"s3:RequestObjectTag/a":"b"}}"#,
        ] {
            assert!(!asks(statement), "{statement}");
        }
    }

    #[test]
    fn tagging_headers_are_queries() {
        let tags = parse_tagging("a=1&b+c=d%26e&f").unwrap();
        let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(tags, [text("a", "1"), text("b c", "d&e"), text("f", "")]);
        assert_eq!(parse_tagging("").unwrap(), []);
        assert!(parse_tagging("a=%ff").is_err());
    }
}
