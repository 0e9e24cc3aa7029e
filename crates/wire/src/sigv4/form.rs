//! Browser form uploads: the signature over a policy, and the policy.
//!
//! The caller splits the multipart body; here are only its fields, up to `file`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::claim::{ALGORITHM, Scope};
use super::keys::{KeyCache, derive};
use super::verify::{check_scope, holds};
use super::{
    AuthError, Carrier, Claim, Expect, Key, Mismatch, Payload, Token, V2, V4, Verified, v2,
};
use crate::protocol::ErrorReply;
use crate::protocol::text::shortened;
use crate::time;

/// Largest policy, base64.
const MOST_POLICY_BYTES: usize = 64 << 10;

/// A field by its name, whose case does not matter.
fn field<'a>(fields: &[(&'a str, &'a str)], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| *value)
}

/// Reads who claims to have signed a form.
///
/// # Errors
/// [`AuthError::MalformedQuery`] or [`AuthError::UnsupportedMechanism`].
pub fn form_claim<'a>(fields: &[(&'a str, &'a str)]) -> Result<Claim<'a>, AuthError> {
    let bad = |reason: String| AuthError::MalformedQuery { reason };
    let need = |name: &'static str| {
        field(fields, name).ok_or_else(|| {
            bad(format!(
                "Bucket POST must contain a field named '{name}'.  If it is specified, please \
                 check the order of the fields."
            ))
        })
    };
    let token = || field(fields, "x-amz-security-token").map(|text| Token(text.into()));
    if let Some(algorithm) = field(fields, "x-amz-algorithm") {
        if algorithm != ALGORITHM {
            return Err(AuthError::UnsupportedMechanism {
                mechanism: shortened(algorithm),
            });
        }
        let credential = need("X-Amz-Credential")?;
        let scope = Scope::parse(credential).ok_or_else(|| {
            bad(
                "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; \
                 expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\"."
                    .to_owned(),
            )
        })?;
        let amz_date = need("X-Amz-Date")?;
        let signed_at = time::parse_amz_date(amz_date).ok_or_else(|| {
            bad("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"".to_owned())
        })?;
        need("Policy")?;
        return Ok(Claim::V4(V4 {
            carrier: Carrier::Form,
            access_key_id: scope.access_key_id.into(),
            date: scope.date.into(),
            region: scope.region.into(),
            service: scope.service.into(),
            signed_headers: "".into(),
            signature: need("X-Amz-Signature")?.into(),
            amz_date: amz_date.into(),
            signed_at,
            expires: None,
            session_token: token(),
            credential: credential.into(),
        }));
    }
    if let Some(id) = field(fields, "AWSAccessKeyId") {
        need("Policy")?;
        return Ok(Claim::V2(V2 {
            carrier: Carrier::Form,
            access_key_id: id.into(),
            signature: need("Signature")?.into(),
            expires: None,
            session_token: token(),
        }));
    }
    Ok(Claim::Anonymous)
}

/// Verifies a form's signature, over the text of its `policy` field.
///
/// # Errors
/// As [`super::verify`]; the policy itself is checked by [`Policy::check`].
pub fn verify_form(
    claim: &Claim<'_>,
    fields: &[(&str, &str)],
    key: &Key<'_>,
    expect: &Expect<'_>,
    cache: &KeyCache,
) -> Result<Verified, AuthError> {
    let policy = field(fields, "policy").unwrap_or_default();
    let mismatch = |id: &str, signature: &str| {
        AuthError::Mismatch(Box::new(Mismatch {
            access_key_id: id.to_owned(),
            signature: signature.to_owned(),
            string_to_sign: policy.to_owned(),
            canonical_request: String::new(),
        }))
    };
    let (version, age) = match claim {
        Claim::Anonymous => return Err(AuthError::Missing),
        Claim::V4(v4) => {
            check_scope(v4, expect)?;
            key.check_token(v4.session_token.as_ref())?;
            let found = cache.get(&v4.credential, key.secret, || {
                derive(key.secret, &v4.date, &v4.region, &v4.service)
            });
            if !holds(&found, policy, &v4.signature) {
                return Err(mismatch(&v4.access_key_id, &v4.signature));
            }
            cache.keep(&v4.credential, &found);
            (ALGORITHM, (expect.now - v4.signed_at).max(0))
        }
        Claim::V2(claim) => {
            key.check_token(claim.session_token.as_ref())?;
            if !v2::holds(key.secret, policy, &claim.signature) {
                return Err(mismatch(&claim.access_key_id, &claim.signature));
            }
            ("AWS", 0)
        }
    };
    Ok(Verified {
        carrier: Carrier::Form,
        version,
        age,
        payload: Payload::Unsigned,
        chain: None,
    })
}

/// A form's policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Milliseconds since the epoch after which the form is dead.
    pub expiration: i64,
    conditions: Vec<Condition>,
    /// Smallest and largest file in bytes.
    pub length: Option<(u64, u64)>,
}

#[derive(Debug, Clone, PartialEq)]
enum Condition {
    Equal(String, String),
    StartsWith(String, String),
}

/// Why a form is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The policy cannot be read.
    #[error("the policy is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The policy is past its expiration.
    #[error("the policy has expired")]
    Expired,
    /// A field is not as a condition says.
    #[error("condition {condition} does not hold")]
    Condition {
        /// The condition as JSON.
        condition: String,
    },
    /// A field that no condition names.
    #[error("field `{field}` is not in the policy")]
    Extra {
        /// Its name.
        field: String,
    },
    /// The file is larger than the policy allows.
    #[error("the file has {size} bytes, at most {max} are allowed")]
    TooLarge {
        /// Bytes of the file, as far as known.
        size: u64,
        /// The policy's limit.
        max: u64,
    },
    /// The file is smaller than the policy allows.
    #[error("the file has {size} bytes, at least {min} are asked for")]
    TooSmall {
        /// Bytes of the file.
        size: u64,
        /// The policy's limit.
        min: u64,
    },
}

impl FormError {
    /// The error as S3 tells it.
    pub fn reply(&self) -> ErrorReply {
        let denied = |text: String| {
            ErrorReply::new(
                "AccessDenied",
                403,
                format!("Invalid according to Policy: {text}"),
            )
        };
        match self {
            FormError::Malformed { reason } => ErrorReply::new(
                "InvalidPolicyDocument",
                400,
                format!("Invalid Policy: {reason}"),
            ),
            FormError::Expired => denied("Policy expired.".to_owned()),
            FormError::Condition { condition } => {
                denied(format!("Policy Condition failed: {condition}"))
            }
            FormError::Extra { field } => denied(format!("Extra input fields: {field}")),
            FormError::TooLarge { size, max } => ErrorReply::new(
                "EntityTooLarge",
                400,
                "Your proposed upload exceeds the maximum allowed size",
            )
            .with("ProposedSize", size.to_string())
            .with("MaxSizeAllowed", max.to_string()),
            FormError::TooSmall { size, min } => ErrorReply::new(
                "EntityTooSmall",
                400,
                "Your proposed upload is smaller than the minimum allowed size",
            )
            .with("ProposedSize", size.to_string())
            .with("MinSizeAllowed", min.to_string()),
        }
    }
}

impl Policy {
    /// Reads the `policy` field.
    ///
    /// # Errors
    /// [`FormError::Malformed`].
    pub fn parse(field: &str) -> Result<Policy, FormError> {
        let bad = |reason: &str| FormError::Malformed {
            reason: reason.to_owned(),
        };
        if field.len() > MOST_POLICY_BYTES {
            return Err(bad("it is too long"));
        }
        let compact: String = field.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let bytes = STANDARD
            .decode(compact)
            .map_err(|_| bad("it is not base64"))?;
        let json: Json = serde_json::from_slice(&bytes).map_err(|_| bad("Invalid JSON."))?;
        let object = json.as_object().ok_or_else(|| bad("Invalid JSON."))?;
        if let Some(extra) = object
            .keys()
            .find(|k| !["expiration", "conditions"].contains(&&***k))
        {
            return Err(bad(&format!("Unexpected: '{}'", shortened(extra))));
        }
        let expiration = object
            .get("expiration")
            .and_then(Json::as_str)
            .ok_or_else(|| bad("Policy missing expiration."))?;
        // A moment in UTC, with its time of day: a policy must not last longer than its author thought.
        let is_moment = expiration.contains('T') && expiration.ends_with('Z');
        let read = time::parse_iso8601(expiration).filter(|_| is_moment);
        let expiration = read.ok_or_else(|| {
            bad(&format!(
                "Invalid 'expiration' value: '{}'",
                shortened(expiration)
            ))
        })?;
        let list = object
            .get("conditions")
            .and_then(Json::as_array)
            .ok_or_else(|| bad("Policy missing conditions."))?;
        let mut policy = Policy {
            expiration,
            conditions: Vec::new(),
            length: None,
        };
        for condition in list {
            policy.add(condition).ok_or_else(|| {
                bad(&format!(
                    "Invalid condition: {}",
                    shortened(&condition.to_string())
                ))
            })?;
        }
        Ok(policy)
    }

    fn add(&mut self, condition: &Json) -> Option<()> {
        if let Some(object) = condition.as_object() {
            for (name, value) in object {
                let value = value.as_str()?.to_owned();
                self.conditions
                    .push(Condition::Equal(name.to_ascii_lowercase(), value));
            }
            return (object.len() == 1).then_some(());
        }
        let [operator, name, value] = condition.as_array()?.as_slice() else {
            return None;
        };
        let operator = operator.as_str()?.to_ascii_lowercase();
        if operator == "content-length-range" {
            let number = |json: &Json| {
                json.as_u64()
                    .or_else(|| json.as_str().and_then(|text| text.parse().ok()))
            };
            let (min, max) = (number(name)?, number(value)?);
            // Several ranges: all of them hold.
            let (lo, hi) = self.length.unwrap_or((0, u64::MAX));
            self.length = Some((lo.max(min), hi.min(max)));
            return Some(());
        }
        let name = name.as_str()?.strip_prefix('$')?.to_ascii_lowercase();
        let value = value.as_str()?.to_owned();
        self.conditions.push(match operator.as_str() {
            "eq" => Condition::Equal(name, value),
            "starts-with" => Condition::StartsWith(name, value),
            _ => return None,
        });
        Some(())
    }

    /// Holds the form's fields against the policy, all but the file's size. `bucket` is the one
    /// addressed, which counts as a field; `${filename}` must be replaced in `key` already.
    ///
    /// # Errors
    /// [`FormError::Expired`], [`FormError::Condition`], [`FormError::Extra`].
    pub fn check(&self, fields: &[(&str, &str)], bucket: &str, now: i64) -> Result<(), FormError> {
        if now > self.expiration {
            return Err(FormError::Expired);
        }
        for condition in &self.conditions {
            let (name, value, prefix) = match condition {
                Condition::Equal(name, value) => (name, value, false),
                Condition::StartsWith(name, value) => (name, value, true),
            };
            let given = match name.as_str() {
                "bucket" => Some(bucket),
                other => field(fields, other),
            };
            let holds = given.is_some_and(|given| match (prefix, name.as_str()) {
                (false, _) => given == value,
                // A list of types must keep to the prefix in each of its items.
                (true, "content-type") => given.split(',').all(|t| t.trim().starts_with(value)),
                (true, _) => given.starts_with(value.as_str()),
            });
            // A field that is absent satisfies an empty prefix.
            if !(holds || (prefix && value.is_empty() && given.is_none())) {
                let operator = if prefix { "starts-with" } else { "eq" };
                let condition = Json::from(vec![operator, &format!("${name}"), value]).to_string();
                return Err(FormError::Condition {
                    condition: condition.replace(',', ", "),
                });
            }
        }
        self.check_extra(fields)
    }

    /// Every field but those of the signature must be in a condition.
    fn check_extra(&self, fields: &[(&str, &str)]) -> Result<(), FormError> {
        const FREE: [&str; 5] = [
            "x-amz-signature",
            "file",
            "policy",
            "signature",
            "awsaccesskeyid",
        ];
        for (name, _) in fields {
            let name = name.to_ascii_lowercase();
            let covered = self.conditions.iter().any(|condition| match condition {
                Condition::Equal(known, _) | Condition::StartsWith(known, _) => *known == name,
            });
            if !covered && !FREE.contains(&name.as_str()) && !name.starts_with("x-ignore-") {
                return Err(FormError::Extra {
                    field: shortened(&name),
                });
            }
        }
        Ok(())
    }

    /// Holds the file's size against the policy.
    ///
    /// # Errors
    /// [`FormError::TooLarge`], [`FormError::TooSmall`].
    pub fn check_length(&self, size: u64) -> Result<(), FormError> {
        match self.length {
            Some((_, max)) if size > max => Err(FormError::TooLarge { size, max }),
            Some((min, _)) if size < min => Err(FormError::TooSmall { size, min }),
            _ => Ok(()),
        }
    }
}
