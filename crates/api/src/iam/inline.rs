//! Inline policies of users, groups and roles.

use std::collections::BTreeMap;

use adit_model::*;
use adit_policy::PolicyKind;
use adit_wire::{Value, map};

use super::entity::{Entity, named};
use super::{check_document, check_name, encoded, page};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;

pub(crate) fn put<E: Entity>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let entity = named::<E>(input, draft, ctx)?;
    let name = input.required("PolicyName")?;
    check_name("PolicyName", name, 128)?;
    let text = input.required("PolicyDocument")?;
    check_document(text, PolicyKind::Identity, ctx)?;
    let mut all = entity.inline().clone();
    all.insert(name.to_string(), text.to_string());
    if size(&all) > E::INLINE {
        return Err(Refusal::new(
            "LimitExceeded",
            format!(
                "Maximum policy size of {} bytes exceeded for {} {}",
                E::INLINE,
                E::NOUN,
                entity.name()
            ),
        ));
    }
    if all != *entity.inline() {
        draft.edit::<E>(entity.key(), |entity| *entity.inline_mut() = all);
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

fn none<E: Entity>(name: &str) -> Refusal {
    Refusal::new(
        "NoSuchEntity",
        format!("The {} policy with name {name} cannot be found.", E::NOUN),
    )
}

pub(crate) fn get<E: Entity>(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let entity = named::<E>(input, view.intent, ctx)?;
    let name = input.required("PolicyName")?;
    let text = entity.inline().get(name).ok_or_else(|| none::<E>(name))?;
    Ok(map! {
        E::MEMBER => entity.name(),
        "PolicyName" => name,
        "PolicyDocument" => encoded(text),
    })
}

pub(crate) fn list<E: Entity>(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let entity = named::<E>(input, view.intent, ctx)?;
    let names = entity.inline().keys();
    page(
        input,
        "PolicyNames",
        names,
        |name| name.to_string(),
        Value::from,
    )
}

pub(crate) fn delete<E: Entity>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let entity = named::<E>(input, draft, ctx)?;
    let name = input.required("PolicyName")?;
    if !entity.inline().contains_key(name) {
        return Err(none::<E>(name));
    }
    draft.edit::<E>(entity.key(), |entity| {
        entity.inline_mut().remove(name);
    });
    Ok(Answer::done())
}
