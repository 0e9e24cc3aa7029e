//! The encoded message of a denial: what was asked and how it was decided, for those who may call
//! `sts:DecodeAuthorizationMessage` [iam-control §6].

use adit_policy::{Decision, Value};
use adit_snapshot::decide::control::ControlFacts;
use adit_snapshot::session::{self, Nonced};
use adit_wire::time::iso8601;
use serde_json::json;

use super::Call;
use crate::ids::Ids;

/// Twelve fresh random bytes.
pub(crate) fn nonce(ids: &mut Ids) -> Nonced {
    let mut nonce = Nonced::default();
    for (to, from) in nonce.iter_mut().zip(ids.digits().to_le_bytes()) {
        *to = from;
    }
    nonce
}

/// The sealed message; none when the installation cannot seal.
pub(super) fn seal(
    call: &Call<'_>,
    facts: &ControlFacts<'_>,
    decision: &Decision,
) -> Option<String> {
    let text = describe(call, facts, decision).to_string();
    let mut ids = call.ctx.ids.clone();
    session::seal_message(call.intent(), call.account(), &text, nonce(&mut ids))
}

fn describe(call: &Call<'_>, facts: &ControlFacts<'_>, decision: &Decision) -> serde_json::Value {
    let conditions = facts.context.iter().map(|(family, member, value)| {
        let values = texts(value).into_iter();
        let values: Vec<_> = values.map(|text| json!({ "value": text })).collect();
        json!({ "key": format!("{family}{member}"), "values": { "items": values } })
    });
    let conditions: Vec<_> = conditions.collect();
    let statement = decision.denial().and_then(|denial| denial.statement);
    let names = &call.ctx.caller.key.view.identity.names;
    let matched = statement.map(|(policy, statement)| {
        let policy = names.get(policy as usize).cloned().unwrap_or_default();
        json!({ "statementId": statement.to_string(), "effect": "DENY", "policy": policy })
    });
    json!({
        "allowed": false,
        "explicitDeny": decision.is_explicit_deny(),
        "matchedStatements": { "items": matched.into_iter().collect::<Vec<_>>() },
        "failures": { "items": [] },
        "context": {
            "principal": {
                "id": call.ctx.caller.key.user_id(),
                "arn": call.ctx.caller.arn,
            },
            "action": facts.action,
            "resource": facts.resource,
            "conditions": { "items": conditions },
        },
    })
}

fn texts(value: &Value<'_>) -> Vec<String> {
    match value {
        Value::Text(text) => vec![text.to_string()],
        Value::Texts(texts) => texts.iter().map(|text| text.to_string()).collect(),
        Value::Owned(texts) => texts.iter().map(|text| text.to_string()).collect(),
        Value::Bool(value) => vec![value.to_string()],
        Value::Number(value) => vec![value.to_string()],
        Value::Time(seconds) => vec![iso8601(seconds.saturating_mul(1000), false)],
        Value::Address(address) => vec![address.to_string()],
    }
}
