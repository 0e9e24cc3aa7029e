//! Tags of endpoints, rules and query logging configurations, by ARN.

use adit_model::*;
use adit_wire::{Value, map};

use super::{endpoint, invalid, invalid_tag, not_found, page, query_log, rule_association, said};
use crate::context::{Answer, Ctx, View};
use crate::input::{Input, check_tag_count, tag_of};
use crate::refusal::Refusal;

/// What an ARN names.
enum Tagged {
    Endpoint(ResolverEndpointId),
    Rule(ResolverRuleId),
    QueryLog(QueryLogConfigId),
}

/// The caller's resource with this ARN, and its tags.
fn find(intent: &Intent, ctx: &Ctx, arn: &str) -> Result<(Tagged, Tags), Refusal> {
    let here = format!(
        "arn:aws:route53resolver:{}:{}:",
        ctx.region, ctx.caller.account
    );
    let path = arn
        .strip_prefix(&here)
        .and_then(|rest| rest.split_once('/'));
    match path {
        Some(("resolver-endpoint", id)) => endpoint::find(intent, ctx, id)
            .map(|found| (Tagged::Endpoint(found.id.clone()), found.tags.clone())),
        Some(("resolver-rule", id)) => rule_association::rule_of(intent, ctx, id)
            .map(|found| (Tagged::Rule(found.id.clone()), found.tags.clone())),
        Some((query_log::KIND, id)) => query_log::find(intent, ctx, id)
            .map(|found| (Tagged::QueryLog(found.id.clone()), found.tags.clone())),
        Some(_) => Err(not_found(format!(
            "Resource \"{}\" does not exist.",
            said(arn)
        ))),
        None => Err(invalid(
            "ResourceArn",
            format!("The ARN \"{}\" is not valid here.", said(arn)),
        )),
    }
}

fn write(draft: &mut Draft, what: &Tagged, tags: Tags) {
    match what {
        Tagged::Endpoint(id) => {
            draft.edit::<ResolverEndpoint>(id, |endpoint| endpoint.tags = tags);
        }
        Tagged::Rule(id) => {
            draft.edit::<ResolverRule>(id, |rule| rule.tags = tags);
        }
        Tagged::QueryLog(id) => {
            draft.edit::<QueryLogConfig>(id, |config| config.tags = tags);
        }
    }
}

pub(crate) fn tag(input: &Input<'_>, draft: &mut Draft, ctx: &mut Ctx) -> Result<Answer, Refusal> {
    let (what, mut tags) = find(draft, ctx, input.required("ResourceArn")?)?;
    for tag in input.get("Tags").list() {
        let (key, value) = tag_of(tag).map_err(invalid_tag)?;
        tags.insert(key.to_string(), value.to_string());
    }
    check_tag_count(&tags).map_err(invalid_tag)?;
    write(draft, &what, tags);
    Ok(Answer::done())
}

pub(crate) fn untag(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let (what, mut tags) = find(draft, ctx, input.required("ResourceArn")?)?;
    for key in input.texts("TagKeys") {
        tags.remove(key);
    }
    write(draft, &what, tags);
    Ok(Answer::done())
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let (_, tags) = find(view.intent, ctx, input.required("ResourceArn")?)?;
    let shown = page(
        input,
        "Tags",
        &[],
        tags.iter(),
        |(key, _)| (*key).clone(),
        |(key, value)| map! { "Key" => key.as_str(), "Value" => value.as_str() },
    )?;
    Ok(Value::Map(shown))
}
