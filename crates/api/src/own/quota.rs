//! The installation's limits: how many there may be of something.

use adit_model::*;
use adit_wire::{Map, Value, map};

use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::own::account::only_first;
use crate::quotas::{ALL, Quota};
use crate::refusal::Refusal;

/// Sets a limit to `Limit`; without one, back to its default.
pub(crate) fn set(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    only_first(draft, ctx, "set limits")?;
    let name = input.required("Name")?;
    let Some(quota) = ALL.iter().find(|quota| quota.name == name) else {
        return Err(Refusal::new(
            "NoSuchEntity",
            format!("There is no limit '{name}'."),
        ));
    };
    let limit = match input.get("Limit") {
        Value::Null => None,
        value => {
            let number = value.int().and_then(|number| u32::try_from(number).ok());
            Some(number.ok_or_else(|| {
                Refusal::invalid_value(format!("The parameter Limit must be 0 to {}.", u32::MAX))
            })?)
        }
    };
    let there = draft.installation().cloned();
    let mut installation = there.map(|i| Installation::clone(&i)).ok_or_else(|| {
        Refusal::invalid("The installation has no record of its own to keep limits in.")
    })?;
    match limit {
        Some(limit) => installation.quotas.insert(name.to_string(), limit),
        None => installation.quotas.remove(name),
    };
    draft.put(installation);
    Ok(Answer::from(show(quota, draft)))
}

/// Every limit with its default; one that is shown without a number has none.
pub(crate) fn list(_: &Input<'_>, view: View<'_>, _: &Ctx) -> Result<Value, Refusal> {
    let mut all: Vec<&Quota> = ALL.iter().collect();
    all.sort_by_key(|quota| quota.name);
    let mut output = Map::new();
    output.push(
        "Quotas",
        all.into_iter()
            .map(|quota| show(quota, view.intent))
            .collect::<Value>(),
    );
    Ok(output.into())
}

fn show(quota: &Quota, intent: &Intent) -> Value {
    map! {
        "Name" => quota.name,
        "Limit" => quota.value(intent).map(i64::from),
        "Default" => quota.default.map(i64::from),
    }
}
