//! Sub-resources of a bucket that are kept as documents: CORS, lifecycle, encryption.

use std::collections::BTreeSet;

use adit_model::*;
use adit_wire::{Value, map};

use super::{find, not_implemented, settings};
use crate::context::{Answer, Ctx, View};
use crate::document;
use crate::input::Input;
use crate::refusal::Refusal;

/// Under which name a bucket keeps a document, and what is said when there is none.
struct Document {
    name: &'static str,
    code: &'static str,
    text: &'static str,
}

const CORS: Document = Document {
    name: "cors",
    code: "NoSuchCORSConfiguration",
    text: "The CORS configuration does not exist",
};

const LIFECYCLE: Document = Document {
    name: "lifecycle",
    code: "NoSuchLifecycleConfiguration",
    text: "The lifecycle configuration does not exist",
};

const ENCRYPTION: Document = Document {
    name: "encryption",
    code: "ServerSideEncryptionConfigurationNotFoundError",
    text: "The server side encryption configuration was not found",
};

impl Document {
    fn put(&self, input: &Input<'_>, draft: &mut Draft, value: &Value) -> Result<(), Refusal> {
        let bucket = find(input, draft)?;
        let text = document::write(value);
        if bucket.documents.get(self.name) != Some(&text) {
            draft.edit::<Bucket>(&bucket.name, |bucket| {
                bucket.documents.insert(self.name.to_string(), text);
            });
        }
        Ok(())
    }

    fn get(&self, input: &Input<'_>, view: View<'_>) -> Result<Value, Refusal> {
        let bucket = find(input, view.intent)?;
        let kept = bucket
            .documents
            .get(self.name)
            .and_then(|text| document::read(text));
        kept.ok_or_else(|| settings::none(self.code, self.text, &bucket))
    }

    fn delete(&self, input: &Input<'_>, draft: &mut Draft) -> Result<Answer, Refusal> {
        let bucket = find(input, draft)?;
        if bucket.documents.contains_key(self.name) {
            draft.edit::<Bucket>(&bucket.name, |bucket| {
                bucket.documents.remove(self.name);
            });
        }
        Ok(Answer::done())
    }
}

fn malformed() -> Refusal {
    Refusal::new(
        "MalformedXML",
        "The XML you provided was not well-formed or did not validate against our published schema",
    )
}

fn invalid_request(text: String) -> Refusal {
    Refusal::new("InvalidRequest", text)
}

fn invalid_argument(text: &str) -> Refusal {
    Refusal::new("InvalidArgument", text)
}

/// The rules of a configuration: at least one, at most `most`.
fn rules<'a>(configuration: &'a Value, name: &str, most: usize) -> Result<&'a [Value], Refusal> {
    let rules = configuration.get(name).list();
    match rules.len() {
        0 => Err(malformed()),
        n if n > most => Err(malformed()),
        _ => Ok(rules),
    }
}

pub(crate) fn put_cors(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    let configuration = input.get("CORSConfiguration");
    for rule in rules(configuration, "CORSRules", 100)? {
        let texts = |name: &str| rule.get(name).strings().collect::<Vec<_>>();
        let (methods, origins) = (texts("AllowedMethods"), texts("AllowedOrigins"));
        if methods.is_empty() || origins.is_empty() {
            return Err(malformed());
        }
        let known = ["GET", "PUT", "HEAD", "POST", "DELETE"];
        if let Some(method) = methods.iter().find(|method| !known.contains(method)) {
            return Err(invalid_request(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            )));
        }
        for (name, values) in [
            ("AllowedOrigin", origins),
            ("AllowedHeader", texts("AllowedHeaders")),
        ] {
            if let Some(text) = values.iter().find(|text| text.matches('*').count() > 1) {
                return Err(invalid_request(format!(
                    "{name} \"{text}\" can not have more than one wildcard."
                )));
            }
        }
    }
    CORS.put(input, draft, configuration)?;
    Ok(Answer::done())
}

pub(crate) fn get_cors(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    CORS.get(input, view)
}

pub(crate) fn delete_cors(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    CORS.delete(input, draft)
}

/// What S3 says of objects too small to move; there is nowhere to move them to here.
const SMALLEST_MOVED: &str = "all_storage_classes_128K";

pub(crate) fn put_lifecycle(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let configuration = input.get("LifecycleConfiguration");
    let mut ids = BTreeSet::new();
    let mut kept = Vec::new();
    for rule in rules(configuration, "Rules", 1000)? {
        check_lifecycle(rule)?;
        let mut rule = rule.clone();
        let id = rule
            .get("ID")
            .str()
            .filter(|id| !id.is_empty())
            .map(str::to_string);
        let id = id.unwrap_or_else(|| format!("{:032x}", ctx.ids.digits()));
        if id.len() > 255 {
            return Err(invalid_argument(
                "ID length should not exceed allowed limit of 255",
            ));
        }
        if let Some(members) = rule.map_mut() {
            members.insert("ID", id.as_str());
        }
        if !ids.insert(id) {
            return Err(invalid_argument(
                "Rule ID must be unique. Found same ID for more than one rule",
            ));
        }
        kept.push(rule);
    }
    LIFECYCLE.put(input, draft, &map! { "Rules" => kept })?;
    Ok(Answer::from(
        map! { "TransitionDefaultMinimumObjectSize" => SMALLEST_MOVED },
    ))
}

/// One rule: a state, a scope said in one way, and something to do that is done here.
fn check_lifecycle(rule: &Value) -> Result<(), Refusal> {
    let given = |name: &str| match rule.get(name) {
        Value::List(items) => !items.is_empty(),
        other => !other.is_null(),
    };
    if !matches!(rule.get("Status").str(), Some("Enabled" | "Disabled"))
        || given("Prefix") == given("Filter")
    {
        return Err(malformed());
    }
    if given("Transitions") || given("NoncurrentVersionTransitions") {
        return Err(not_implemented("Transition between storage classes"));
    }
    let actions = [
        "Expiration",
        "NoncurrentVersionExpiration",
        "AbortIncompleteMultipartUpload",
    ];
    if !actions.iter().any(|name| given(name)) {
        return Err(invalid_request(
            "At least one action needs to be specified in a rule".into(),
        ));
    }
    let days = [
        ("Expiration", "Days"),
        ("NoncurrentVersionExpiration", "NoncurrentDays"),
        ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
    ];
    for (action, name) in days {
        if rule
            .get(action)
            .get(name)
            .int()
            .is_some_and(|days| days <= 0)
        {
            return Err(invalid_argument(&format!(
                "'{name}' for {action} action must be a positive integer"
            )));
        }
    }
    let expiration = rule.get("Expiration");
    if let Value::Time { millis } = expiration.get("Date")
        && millis % (24 * 3600 * 1000) != 0
    {
        return Err(invalid_argument("'Date' must be at midnight GMT"));
    }
    let ways = ["Date", "Days", "ExpiredObjectDeleteMarker"];
    if given("Expiration")
        && ways
            .iter()
            .filter(|way| !expiration.get(way).is_null())
            .count()
            != 1
    {
        return Err(malformed());
    }
    Ok(())
}

pub(crate) fn get_lifecycle(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let mut value = LIFECYCLE.get(input, view)?;
    if let Some(members) = value.map_mut() {
        members.insert("TransitionDefaultMinimumObjectSize", SMALLEST_MOVED);
    }
    Ok(value)
}

pub(crate) fn delete_lifecycle(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    LIFECYCLE.delete(input, draft)
}

pub(crate) fn put_encryption(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    let configuration = input.get("ServerSideEncryptionConfiguration");
    let rules = rules(configuration, "Rules", 1)?;
    for rule in rules {
        let blocked = rule.get("BlockedEncryptionTypes").get("EncryptionType");
        let mut kinds = blocked.strings();
        if !kinds.all(|kind| matches!(kind, "NONE" | "SSE-C")) {
            return Err(malformed());
        }
        let default = rule.get("ApplyServerSideEncryptionByDefault");
        match default.get("SSEAlgorithm").str() {
            Some("AES256") => {}
            Some("aws:kms" | "aws:kms:dsse") => return Err(not_implemented("Encryption with KMS")),
            // A rule may be there only to say what is blocked.
            None if default.is_null() && !blocked.is_null() => {}
            _ => return Err(malformed()),
        }
    }
    ENCRYPTION.put(input, draft, configuration)?;
    Ok(Answer::done())
}

/// Gives a new bucket a default encryption.
pub(super) fn seal(bucket: &mut Bucket, algorithm: &str) {
    let rule = map! {
        "ApplyServerSideEncryptionByDefault" => map! { "SSEAlgorithm" => algorithm },
    };
    let rules: Value = std::iter::once(rule).collect();
    let text = document::write(&map! { "Rules" => rules });
    bucket.documents.insert(ENCRYPTION.name.to_string(), text);
}

pub(crate) fn get_encryption(input: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    Ok(map! { "ServerSideEncryptionConfiguration" => ENCRYPTION.get(input, view)? })
}

pub(crate) fn delete_encryption(
    input: &Input<'_>,
    draft: &mut Draft,
    _: &mut Ctx,
) -> Result<Answer, Refusal> {
    ENCRYPTION.delete(input, draft)
}
