//! Tags of users, roles and managed policies.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::entity::named;
use super::{managed_policy, page};
use crate::context::{Answer, Ctx, View};
use crate::input::{Input, check_tag_count, tag_of};
use crate::refusal::Refusal;

/// A kind of resource of IAM with tags.
pub(crate) trait Tagged: Resource + Clone {
    /// The one that a request names.
    fn named(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Arc<Self>, Refusal>;
    /// Its tags.
    fn tags(&self) -> &Tags;
    /// The same, to be changed.
    fn tags_mut(&mut self) -> &mut Tags;
}

macro_rules! tagged {
    ($($type:ident $named:path;)*) => {$(
        impl Tagged for $type {
            fn named(input: &Input<'_>, intent: &Intent, ctx: &Ctx) -> Result<Arc<Self>, Refusal> {
                $named(input, intent, ctx)
            }
            fn tags(&self) -> &Tags { &self.tags }
            fn tags_mut(&mut self) -> &mut Tags { &mut self.tags }
        }
    )*};
}

tagged! {
    User named::<User>;
    Role named::<Role>;
    ManagedPolicy managed_policy::own;
}

/// The tags of a request.
pub(super) fn read(input: &Input<'_>) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in input.get("Tags").list() {
        let (key, value) =
            tag_of(tag).map_err(|refusal| Refusal::new("InvalidInput", refusal.message))?;
        if tags.keys().any(|there| there.eq_ignore_ascii_case(key)) {
            return Err(Refusal::new(
                "InvalidInput",
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
        tags.insert(key.to_string(), value.to_string());
    }
    limit(&tags)?;
    Ok(tags)
}

fn limit(tags: &Tags) -> Result<(), Refusal> {
    check_tag_count(tags).map_err(|refusal| Refusal::new("LimitExceeded", refusal.message))
}

pub(crate) fn tag<T: Tagged>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let resource = T::named(input, draft, ctx)?;
    let mut tags = resource.tags().clone();
    for (key, value) in read(input)? {
        tags.retain(|there, _| !there.eq_ignore_ascii_case(&key));
        tags.insert(key, value);
    }
    limit(&tags)?;
    draft.edit::<T>(resource.key(), |resource| *resource.tags_mut() = tags);
    Ok(Answer::done())
}

pub(crate) fn untag<T: Tagged>(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let resource = T::named(input, draft, ctx)?;
    let gone = input.texts("TagKeys");
    draft.edit::<T>(resource.key(), |resource| {
        let is_gone = |key: &str| gone.iter().any(|gone| gone.eq_ignore_ascii_case(key));
        resource.tags_mut().retain(|key, _| !is_gone(key));
    });
    Ok(Answer::done())
}

pub(crate) fn list<T: Tagged>(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let resource = T::named(input, view.intent, ctx)?;
    let show = |(key, value): (&String, &String)| map! { "Key" => key, "Value" => value };
    page(
        input,
        "Tags",
        resource.tags().iter(),
        |(key, _)| key.to_string(),
        show,
    )
}
