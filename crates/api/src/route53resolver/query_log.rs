//! Query logging configurations, and the VPCs whose queries they log [dns §9.2].

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::{
    arn, checked_name, exists, find_vpc, invalid, invalid_request, moment, not_found, page, said,
    tags,
};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The kind of a configuration in its ARN.
pub(super) const KIND: &str = "resolver-query-log-config";

/// The caller's configuration in this Region.
pub(super) fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<QueryLogConfig>, Refusal> {
    match intent.get::<QueryLogConfig>(id) {
        Some(found) if is_mine(ctx, found) => Ok(found.clone()),
        _ => Err(not_found(
            "[RSLVR-01601] The specified query logging configuration doesn't exist.",
        )),
    }
}

fn is_mine(ctx: &Ctx, config: &QueryLogConfig) -> bool {
    config.owner == ctx.caller.account && config.region == ctx.region
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let request = input.required("CreatorRequestId")?;
    let name = checked_name(input.required("Name")?)?;
    let destination = input.required("DestinationArn")?;
    let target = target(draft, ctx, destination)?;
    let mine = || draft.query_log_configs.values().filter(|c| is_mine(ctx, c));
    if mine().any(|config| config.creator_request_id == request) {
        return Err(exists(format!(
            "A query logging configuration with creator request ID \"{}\" already exists.",
            said(request)
        )));
    }
    quotas::QUERY_LOG_CONFIGS_PER_REGION.check(draft, || mine().count())?;
    let tags = tags(input)?;
    let config = draft.put(QueryLogConfig {
        id: QueryLogConfigId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        name,
        target,
        destination: destination.to_string(),
        creator_request_id: request.to_string(),
        created: ctx.now,
        tags,
    });
    Ok(Answer::from(
        map! { "ResolverQueryLogConfig" => show(&config, 0, "CREATED") },
    ))
}

/// What an ARN names: a log group of the caller's in this Region, or a bucket of the caller's, with a
/// folder or without.
fn target(intent: &Intent, ctx: &Ctx, arn: &str) -> Result<QueryLogTarget, Refusal> {
    let field = "DestinationArn";
    let here = format!(
        "arn:aws:logs:{}:{}:log-group:",
        ctx.region, ctx.caller.account
    );
    if let Some(rest) = arn.strip_prefix(&here) {
        let name = rest.strip_suffix(":*").unwrap_or(rest);
        let name: Result<LogGroupName, LogGroupError> = name.parse();
        return match name {
            Ok(name) => Ok(QueryLogTarget::LogGroup(name)),
            Err(why) => Err(invalid(field, why.to_string())),
        };
    }
    let refuse = |why: &str| {
        let shown = said(arn);
        Err(invalid(field, format!("The destination \"{shown}\" {why}")))
    };
    let Some(rest) = arn.strip_prefix("arn:aws:s3:::") else {
        return refuse(&format!(
            "is not supported: it must be a log group of this account and Region, {here}NAME, or a bucket, arn:aws:s3:::NAME."
        ));
    };
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    if prefix.len() > 512 || prefix.split('/').any(|part| part == "AWSLogs") {
        return refuse("has a folder that logs cannot be in.");
    }
    let Ok(bucket) = name.parse::<BucketName>() else {
        return refuse("is not the name of a bucket.");
    };
    match intent.get::<Bucket>(&bucket) {
        Some(found) if found.owner != ctx.caller.account => {
            refuse("cannot be used: the bucket is not of this account.")
        }
        Some(found) if found.origin.is_some() => {
            refuse("is kept by an upstream, where logs are not written.")
        }
        Some(_) => Ok(QueryLogTarget::Bucket {
            bucket,
            prefix: prefix.to_owned(),
        }),
        None => refuse("does not exist."),
    }
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let config = find(
        view.intent,
        ctx,
        input.required("ResolverQueryLogConfigId")?,
    )?;
    Ok(map! { "ResolverQueryLogConfig" => show_now(view.intent, &config) })
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let config = find(draft, ctx, input.required("ResolverQueryLogConfigId")?)?;
    let count = associations(draft, &config.id).count();
    if count > 0 {
        return Err(invalid_request(format!(
            "Please disassociate the query logging configuration \"{}\" from its VPCs before deleting it: it is associated with {count}.",
            config.id
        )));
    }
    draft.remove::<QueryLogConfig>(&config.id);
    Ok(Answer::from(
        map! { "ResolverQueryLogConfig" => show(&config, 0, "DELETING") },
    ))
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let all = view.intent.query_log_configs.values();
    let mine = all.filter(|config| is_mine(ctx, config));
    let items = mine.map(|config| show_now(view.intent, config)).collect();
    let members = [
        "Arn",
        "AssociationCount",
        "CreationTime",
        "CreatorRequestId",
        "DestinationArn",
        "Id",
        "Name",
        "OwnerId",
        "ShareStatus",
        "Status",
    ];
    listed(input, "ResolverQueryLogConfigs", &members, items)
}

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let config = find(draft, ctx, input.required("ResolverQueryLogConfigId")?)?;
    let vpc = find_vpc(draft, ctx, "ResourceId", input.required("ResourceId")?)?;
    let is_held = associations(draft, &config.id).any(|a| a.vpc == vpc.id);
    if is_held {
        return Err(exists(format!(
            "The VPC \"{}\" is already associated with the query logging configuration \"{}\".",
            vpc.id, config.id
        )));
    }
    quotas::QUERY_LOG_ASSOCIATIONS_PER_REGION.check(draft, || mine(draft, ctx).count())?;
    let association = draft.put(QueryLogAssociation {
        id: QueryLogAssociationId::from_digits(ctx.ids.digits()),
        config: config.id.clone(),
        vpc: vpc.id.clone(),
        owner: ctx.caller.account.clone(),
        created: ctx.now,
        changed: draft.generation,
    });
    Ok(Answer::later(move |view| {
        map! { "ResolverQueryLogConfigAssociation" => show_association_now(view, &association) }
    }))
}

pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let config = find(draft, ctx, input.required("ResolverQueryLogConfigId")?)?;
    let vpc = input.required("ResourceId")?;
    let found = associations(draft, &config.id)
        .find(|a| a.vpc.as_str() == vpc)
        .cloned();
    let Some(found) = found else {
        return Err(unknown_association(vpc));
    };
    draft.remove::<QueryLogAssociation>(&found.id);
    Ok(Answer::from(
        map! { "ResolverQueryLogConfigAssociation" => show_association(&found, "DELETING") },
    ))
}

pub(crate) fn get_association(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let id = input.required("ResolverQueryLogConfigAssociationId")?;
    match mine(view.intent, ctx).find(|a| a.id.as_str() == id) {
        Some(found) => {
            Ok(map! { "ResolverQueryLogConfigAssociation" => show_association_now(view, found) })
        }
        None => Err(unknown_association(id)),
    }
}

pub(crate) fn list_associations(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let items = mine(view.intent, ctx).map(|a| show_association_now(view, a));
    let members = [
        "CreationTime",
        "Error",
        "Id",
        "ResolverQueryLogConfigId",
        "ResourceId",
        "Status",
    ];
    listed(
        input,
        "ResolverQueryLogConfigAssociations",
        &members,
        items.collect(),
    )
}

fn unknown_association(id: &str) -> Refusal {
    not_found(format!(
        "[RSLVR-02025] Can't find the resource with ID \"{}\".",
        said(id)
    ))
}

/// The VPCs whose queries a configuration logs.
fn associations<'a>(
    intent: &'a Intent,
    config: &QueryLogConfigId,
) -> impl Iterator<Item = &'a Arc<QueryLogAssociation>> + use<'a> {
    intent.related_to::<QueryLogAssociation>(config.as_str())
}

/// The caller's associations in this Region.
fn mine<'a>(
    intent: &'a Intent,
    ctx: &'a Ctx,
) -> impl Iterator<Item = &'a Arc<QueryLogAssociation>> + use<'a> {
    intent.query_log_associations.values().filter(|a| {
        let config = intent.get::<QueryLogConfig>(&a.config);
        config.is_some_and(|config| is_mine(ctx, config))
    })
}

/// A page of what is shown, with the filters and the order that were asked for. `members` can be
/// filtered and ordered by.
fn listed(
    input: &Input<'_>,
    member: &'static str,
    members: &[&'static str],
    mut items: Vec<Value>,
) -> Result<Value, Refusal> {
    let by = match input.text("SortBy") {
        None => "CreationTime",
        Some(by) => members.iter().find(|known| **known == by).ok_or_else(|| {
            invalid(
                "SortBy",
                format!("It cannot be sorted by \"{}\".", said(by)),
            )
        })?,
    };
    let text = |item: &Value, member: &str| match item.get(member) {
        // Numbers in the order of their digits.
        Value::Int(number) => format!("{number:020}"),
        other => other.str().unwrap_or_default().to_string(),
    };
    items.sort_by_cached_key(|item| (text(item, by), text(item, "Id")));
    match input.text("SortOrder") {
        None | Some("ASCENDING") => {}
        Some("DESCENDING") => items.reverse(),
        Some(other) => {
            return Err(invalid(
                "SortOrder",
                format!("\"{}\" is neither ASCENDING nor DESCENDING.", said(other)),
            ));
        }
    }
    let total = items.len();
    let filters: Vec<(&str, &str)> = members.iter().map(|m| (*m, *m)).collect();
    let matching = super::matching(input, &filters, &items)?;
    // A page begins behind a place in the order, which one item more or less may shift.
    let mut shown = page(
        input,
        member,
        &filters,
        items.into_iter().enumerate(),
        |(at, _)| format!("{at:08}"),
        |(_, item)| item.clone(),
    )?;
    shown.push("TotalCount", total as i64);
    shown.push("TotalFilteredCount", matching as i64);
    Ok(Value::Map(shown))
}

fn show_now(intent: &Intent, config: &QueryLogConfig) -> Value {
    show(config, associations(intent, &config.id).count(), "CREATED")
}

fn show(config: &QueryLogConfig, associations: usize, status: &str) -> Value {
    map! {
        "Id" => config.id.as_str(),
        "OwnerId" => config.owner.as_str(),
        "Status" => status,
        "ShareStatus" => "NOT_SHARED",
        "AssociationCount" => associations as i64,
        "Arn" => arn(&config.region, &config.owner, KIND, &config.id),
        "Name" => config.name.as_str(),
        "DestinationArn" => config.destination.as_str(),
        "CreatorRequestId" => config.creator_request_id.as_str(),
        "CreationTime" => moment(config.created),
    }
}

fn show_association_now(view: View<'_>, association: &QueryLogAssociation) -> Value {
    let status = match view.board.reached() >= association.changed {
        true => "ACTIVE",
        false => "CREATING",
    };
    show_association(association, status)
}

fn show_association(association: &QueryLogAssociation, status: &str) -> Value {
    map! {
        "Id" => association.id.as_str(),
        "ResolverQueryLogConfigId" => association.config.as_str(),
        "ResourceId" => association.vpc.as_str(),
        "Status" => status,
        "Error" => "NONE",
        "ErrorMessage" => "",
        "CreationTime" => moment(association.created),
    }
}
