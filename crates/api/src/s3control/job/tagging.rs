//! Tags of jobs.

use adit_model::*;
use adit_wire::{Value, map};

use super::find;
use crate::context::{Answer, Ctx, View};
use crate::describe::tags;
use crate::input::Input;
use crate::refusal::Refusal;
use crate::s3::settings;

/// AWS's limit for jobs.
const MOST: usize = 50;

/// The tags that a request gives.
pub(super) fn read(given: &Value) -> Result<Tags, Refusal> {
    if given.list().len() > MOST {
        return Err(Refusal::new(
            "TooManyTagsException",
            "A job can have at most 50 tags.",
        ));
    }
    settings::read_tags(given)
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let job = find(input, view.intent, ctx)?;
    Ok(map! { "Tags" => tags(&job.tags) })
}

pub(crate) fn put(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let given = read(input.get("Tags"))?;
    set(input, draft, ctx, given)
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    set(input, draft, ctx, Tags::new())
}

fn set(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    given: Tags,
) -> Result<Answer, Refusal> {
    let job = find(input, draft, ctx)?;
    if job.tags != given {
        draft.edit::<Job>(job.key(), |job| job.tags = given);
    }
    Ok(Answer::done())
}
