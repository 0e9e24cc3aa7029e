//! STS: who a caller is, and temporary credentials [iam-control §4].

pub(crate) mod assume;
mod service;
pub(crate) mod token;

pub use service::ServiceSession;

use adit_model::*;
use adit_policy::PolicyKind;
use adit_snapshot::session::{self, Claims};
use adit_wire::{Value, map};

use crate::authorise::nonce;
use crate::context::{Ctx, View};
use crate::input::{Input, tag_of};
use crate::policies;
use crate::refusal::Refusal;

/// Most bytes of what is passed to a session: policy, ARNs and tags.
const PACKED: usize = 4096;
/// Shortest session, in seconds.
const SHORTEST: i64 = 900;
/// The digits of access key ids.
const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Nobody needs a permission to ask who they are.
pub(crate) fn caller_identity(_: &Input<'_>, _: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let caller = &ctx.caller;
    Ok(map! {
        "UserId" => caller.key.user_id(),
        "Account" => caller.account.as_str(),
        "Arn" => caller.arn.as_str(),
    })
}

/// The account of any key of the installation, whoever asks.
pub(crate) fn access_key_info(
    input: &Input<'_>,
    view: View<'_>,
    _: &Ctx,
) -> Result<Value, Refusal> {
    let id = input.required("AccessKeyId")?;
    let known = view.intent.get::<AccessKey>(id);
    let temporary =
        || account_of(id).filter(|account| view.intent.get::<Account>(account).is_some());
    match known.map(|key| key.account.clone()).or_else(temporary) {
        Some(account) => Ok(map! { "Account" => account.as_str() }),
        None => Err(Refusal::new("ValidationError", "Invalid AccessKeyId")),
    }
}

/// Opens the encoded message of a denial in the caller's account.
pub(crate) fn decode_message(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let sealed = input.required("EncodedMessage")?;
    let opened = session::open_message(view.intent, &ctx.caller.account, sealed.trim());
    match opened {
        Some(text) => Ok(map! { "DecodedMessage" => text }),
        None => Err(Refusal::new(
            "InvalidAuthorizationMessageException",
            "Message is not valid: it was not encoded for this account.",
        )),
    }
}

/// `ASIA`, the account in eight digits, and eight random ones: which account a temporary key is of
/// is in no table.
fn temporary_id(account: &AccountId, random: u128) -> String {
    let number: u64 = account.as_str().parse().unwrap_or_default();
    let mut bits = (u128::from(number) << 40) | (random & 0xff_ffff_ffff);
    let mut digits = [b'A'; 16];
    for place in digits.iter_mut().rev() {
        *place = DIGITS.get((bits % 32) as usize).copied().unwrap_or(b'A');
        bits /= 32;
    }
    format!("ASIA{}", String::from_utf8_lossy(&digits))
}

/// The account in a temporary access key id.
fn account_of(id: &str) -> Option<AccountId> {
    let digits = id.strip_prefix("ASIA").filter(|rest| rest.len() == 16)?;
    let mut number: u64 = 0;
    for digit in digits.bytes().take(8) {
        let value = DIGITS.iter().position(|d| *d == digit)?;
        number = number * 32 + value as u64;
    }
    format!("{number:012}").parse().ok()
}

/// What `Credentials` shows, once; with the share of the space for policies and tags that is used.
fn issue(view: View<'_>, ctx: &Ctx, claims: &Claims) -> Result<(Value, i64), Refusal> {
    let packed = packed(claims);
    if packed > PACKED {
        let text = format!(
            "Packed size of session policies and tags consumes {}% of allotted space.",
            packed * 100 / PACKED
        );
        return Err(Refusal::new("PackedPolicyTooLarge", text));
    }
    let mut ids = ctx.ids.clone();
    let id = temporary_id(&claims.account, ids.digits());
    let nonce = nonce(&mut ids);
    let issued = session::issue(view.intent, &id, claims, nonce);
    let issued = issued.ok_or_else(|| {
        Refusal::new(
            "InternalFailure",
            "This installation has no sealing key yet.",
        )
    })?;
    let credentials = map! {
        "AccessKeyId" => id,
        "SecretAccessKey" => issued.secret.expose(),
        "SessionToken" => issued.token.expose(),
        "Expiration" => Value::Time { millis: claims.expires },
    };
    Ok((credentials, (packed * 100).div_ceil(PACKED) as i64))
}

fn packed(claims: &Claims) -> usize {
    let tags = claims
        .tags
        .iter()
        .map(|(key, value)| key.len() + value.len() + 2);
    let arns = claims.policy_arns.iter().map(|arn| arn.len() + 1);
    let rest = claims.policy.as_ref().map_or(0, String::len);
    tags.chain(arns).sum::<usize>() + rest
}

/// `DurationSeconds` between a quarter of an hour and `longest`.
fn duration(input: &Input<'_>, default: i64, longest: i64) -> Result<i64, Refusal> {
    let asked = input.get("DurationSeconds").int().unwrap_or(default);
    let bound = if asked < SHORTEST {
        format!("greater than or equal to {SHORTEST}")
    } else if asked > longest {
        format!("less than or equal to {longest}")
    } else {
        return Ok(asked);
    };
    Err(Refusal::new(
        "ValidationError",
        format!(
            "1 validation error detected: Value '{asked}' at 'durationSeconds' failed to satisfy constraint: Member must have value {bound}"
        ),
    ))
}

/// A name of a session: 2 to `longest` letters, digits and `_+=,.@-`.
fn session_name(field: &str, name: &str, longest: usize) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    let rule = if !name.chars().all(fits) {
        r"satisfy regular expression pattern: [\w+=,.@-]*".to_string()
    } else if name.len() < 2 {
        "have length greater than or equal to 2".to_string()
    } else if name.len() > longest {
        format!("have length less than or equal to {longest}")
    } else {
        return Ok(());
    };
    Err(Refusal::new(
        "ValidationError",
        format!(
            "1 validation error detected: Value '{name}' at '{field}' failed to satisfy constraint: Member must {rule}"
        ),
    ))
}

/// The session policy and the ARNs of managed ones.
fn session_policies(
    input: &Input<'_>,
    intent: &Intent,
    account: &AccountId,
) -> Result<(Option<String>, Vec<String>), Refusal> {
    let policy = input.text("Policy").filter(|text| !text.is_empty());
    if let Some(text) = policy
        && let Some(finding) = policies::first_error(text, PolicyKind::Session, account, None)
    {
        return Err(Refusal::new(
            "MalformedPolicyDocument",
            finding.explanation(),
        ));
    }
    let arns = input.get("PolicyArns").list().iter();
    let arns: Vec<String> = arns
        .filter_map(|item| item.get("arn").str().map(str::to_string))
        .collect();
    if arns.len() > 10 {
        return Err(Refusal::new(
            "ValidationError",
            "At most 10 policy ARNs can be passed.",
        ));
    }
    for arn in &arns {
        if crate::iam::managed_policy::document(intent, account, arn).is_none() {
            return Err(Refusal::new(
                "MalformedPolicyDocument",
                format!("The policy {arn} cannot be used here: it is not one of the account's."),
            ));
        }
    }
    Ok((policy.map(str::to_string), arns))
}

/// Session tags.
fn session_tags(input: &Input<'_>) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in input.get("Tags").list() {
        let (key, value) = tag_of(tag)?;
        if tags.keys().any(|there| there.eq_ignore_ascii_case(key)) {
            return Err(Refusal::invalid_value(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key.to_string(), value.to_string());
    }
    if tags.len() > 50 {
        return Err(Refusal::new(
            "ValidationError",
            "At most 50 session tags can be passed.",
        ));
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_id_tells_its_account() {
        for account in ["000000000000", "123456789012", "999999999999"] {
            let account: AccountId = account.parse().unwrap();
            let id = temporary_id(&account, 0xdead_beef_dead_beef_dead_beef);
            assert_eq!(id.len(), 20);
            assert_eq!(account_of(&id), Some(account));
        }
        for other in ["", "ASIA", "AKIAABCDEFGHIJKLMNOP", "ASIA0000000000000000"] {
            assert_eq!(account_of(other), None);
        }
    }
}
