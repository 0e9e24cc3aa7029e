//! Inline policies of users.

use std::collections::BTreeMap;

use adit_model::*;
use adit_policy::PolicyKind;
use adit_wire::{Value, map};

use super::{check_name, find_user, page};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::policies;
use crate::refusal::Refusal;

/// Most characters that all inline policies of one user have together, white space apart.
const LIMIT: usize = 2048;

pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let user = find_user(draft, ctx, input.required("UserName")?)?;
    let name = input.required("PolicyName")?;
    check_name("PolicyName", name, 128)?;
    let text = input.required("PolicyDocument")?;
    if let Some(finding) = policies::first_error(text, PolicyKind::Identity, &user.account, None) {
        return Err(Refusal::new(
            "MalformedPolicyDocument",
            finding.explanation(),
        ));
    }
    let mut all = user.inline_policies.clone();
    all.insert(name.to_string(), text.to_string());
    if size(&all) > LIMIT {
        return Err(Refusal::new(
            "LimitExceeded",
            format!(
                "Maximum policy size of {LIMIT} bytes exceeded for user {}",
                user.name
            ),
        ));
    }
    if all != user.inline_policies {
        draft.edit::<User>(identity_key(&user.account, &user.name), |user| {
            user.inline_policies = all
        });
    }
    Ok(Answer::done())
}

fn size(policies: &BTreeMap<String, String>) -> usize {
    policies
        .values()
        .flat_map(|text| text.chars())
        .filter(|c| !c.is_whitespace())
        .count()
}

fn none(name: &str) -> Refusal {
    Refusal::new(
        "NoSuchEntity",
        format!("The user policy with name {name} cannot be found."),
    )
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let user = find_user(view.intent, ctx, input.required("UserName")?)?;
    let name = input.required("PolicyName")?;
    let text = user.inline_policies.get(name).ok_or_else(|| none(name))?;
    Ok(map! {
        "UserName" => user.name.as_str(),
        "PolicyName" => name,
        "PolicyDocument" => encoded(text),
    })
}

/// Documents come back percent-encoded; SDKs decode them [iam-control §1].
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let user = find_user(view.intent, ctx, input.required("UserName")?)?;
    let names = user.inline_policies.keys();
    page(
        input,
        "PolicyNames",
        names,
        |name| name.to_string(),
        Value::from,
    )
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let user = find_user(draft, ctx, input.required("UserName")?)?;
    let name = input.required("PolicyName")?;
    if !user.inline_policies.contains_key(name) {
        return Err(none(name));
    }
    draft.edit::<User>(identity_key(&user.account, &user.name), |user| {
        user.inline_policies.remove(name);
    });
    Ok(Answer::done())
}
