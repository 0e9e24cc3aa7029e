//! Query logs: which VPCs' queries are recorded, and where to.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::{arn, exists, find_vpc, in_use, invalid, moment, name, not_found, page, said, tags};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The caller's configuration in this Region.
pub(super) fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<QueryLogConfig>, Refusal> {
    match intent.get::<QueryLogConfig>(id) {
        Some(found) if found.owner == ctx.caller.account && found.region == ctx.region => {
            Ok(found.clone())
        }
        _ => Err(not_found(format!(
            "[RSLVR-01601] The specified query logging configuration doesn't exist. Trace Id: \"{}\"",
            trace(id)
        ))),
    }
}

/// AWS ends these messages with a trace; ours says what was asked for.
fn trace(id: &str) -> String {
    said(id)
}

/// The bucket of a destination, with what stands before the names of objects.
pub(crate) fn bucket(destination: &str) -> Option<(&str, &str)> {
    let path = destination.strip_prefix("arn:aws:s3:::")?;
    Some(path.split_once('/').unwrap_or((path, "")))
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let request = input.required("CreatorRequestId")?;
    let name = match name(input)? {
        Some(name) => name,
        None => {
            return Err(invalid(
                "Name",
                "A query logging configuration needs a name.",
            ));
        }
    };
    let destination = input.required("DestinationArn")?;
    let there = bucket(destination).and_then(|(bucket, _)| draft.get::<Bucket>(bucket));
    match there {
        Some(bucket) if bucket.owner == ctx.caller.account => {}
        Some(_) => {
            return Err(Refusal::new(
                "AccessDeniedException",
                format!(
                    "[RSLVR-01405] The destination {} is not yours.",
                    said(destination)
                ),
            ));
        }
        None => {
            return Err(invalid(
                "DestinationArn",
                format!(
                    "[RSLVR-01014] The destination \"{}\" is no bucket that exists here. Trace Id: \"{}\"",
                    said(destination),
                    trace(request)
                ),
            ));
        }
    }
    let mine = || {
        let all = draft.query_log_configs.values();
        all.filter(|c| c.owner == ctx.caller.account && c.region == ctx.region)
    };
    if mine().any(|config| config.creator_request_id == request) {
        return Err(exists(format!(
            "[RSLVR-01602] A query logging configuration with creator request ID \"{}\" exists already.",
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
        destination: destination.to_string(),
        creator_request_id: request.to_string(),
        tags,
        created: ctx.now,
    });
    Ok(Answer::later(move |view| {
        map! { "ResolverQueryLogConfig" => show(&config, view.intent) }
    }))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let config = find(draft, ctx, input.required("ResolverQueryLogConfigId")?)?;
    let mut associations = draft.query_log_associations.values();
    if associations.any(|a| a.config == config.id) {
        return Err(in_use(
            "[RSLVR-01603] Please disassociate the query logging configuration from all VPCs before deleting it.",
        ));
    }
    let mut shown = show(&config, draft);
    draft.remove::<QueryLogConfig>(&config.id);
    if let Some(members) = shown.map_mut() {
        members.insert("Status", "DELETING");
    }
    Ok(Answer::from(map! { "ResolverQueryLogConfig" => shown }))
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let config = find(
        view.intent,
        ctx,
        input.required("ResolverQueryLogConfigId")?,
    )?;
    Ok(map! { "ResolverQueryLogConfig" => show(&config, view.intent) })
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let all = view.intent.query_log_configs.values();
    let mine: Vec<_> = all
        .filter(|c| c.owner == ctx.caller.account && c.region == ctx.region)
        .collect();
    let total = mine.len();
    let shown = page(
        input,
        "ResolverQueryLogConfigs",
        &[
            ("Arn", "Arn"),
            ("AssociationCount", "AssociationCount"),
            ("CreationTime", "CreationTime"),
            ("CreatorRequestId", "CreatorRequestId"),
            ("Destination", "DestinationArn"),
            ("DestinationArn", "DestinationArn"),
            ("Id", "Id"),
            ("Name", "Name"),
            ("OwnerId", "OwnerId"),
            ("ShareStatus", "ShareStatus"),
            ("Status", "Status"),
        ],
        mine.into_iter(),
        |config| config.id.to_string(),
        |config| show(config, view.intent),
    )?;
    Ok(counted(shown, total, "ResolverQueryLogConfigs"))
}

/// A page with how many there are in all, and how many of them it shows.
fn counted(mut page: Map, total: usize, member: &str) -> Value {
    let filtered = page.get(member).map_or(0, |shown| shown.list().len());
    page.push("TotalCount", total);
    page.push("TotalFilteredCount", filtered);
    Value::Map(page)
}

/// The association of a VPC with a configuration, if there is one.
fn held(intent: &Intent, config: &QueryLogConfig, vpc: &Vpc) -> Option<Arc<QueryLogAssociation>> {
    let mut all = intent.in_vpc::<QueryLogAssociation>(&vpc.id);
    all.find(|a| a.config == config.id).cloned()
}

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let config = find(draft, ctx, input.required("ResolverQueryLogConfigId")?)?;
    let vpc = find_vpc(draft, ctx, "ResourceId", input.required("ResourceId")?)?;
    if held(draft, &config, &vpc).is_some() {
        return Err(exists(format!(
            "[RSLVR-01702] The VPC \"{}\" is already associated with the query logging configuration.",
            vpc.id
        )));
    }
    quotas::QUERY_LOG_ASSOCIATIONS_PER_REGION.check(draft, || {
        let all = draft.query_log_associations.values();
        all.filter(|a| {
            draft
                .get::<Vpc>(&a.vpc)
                .is_some_and(|v| ctx.sees(draft, &**v))
        })
        .count()
    })?;
    let association = draft.put(QueryLogAssociation {
        id: QueryLogAssociationId::from_digits(ctx.ids.digits()),
        config: config.id.clone(),
        vpc: vpc.id.clone(),
        created: ctx.now,
    });
    Ok(Answer::later(move |view| {
        map! { "ResolverQueryLogConfigAssociation" => show_association(&association, view.intent) }
    }))
}

pub(crate) fn disassociate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let config = find(draft, ctx, input.required("ResolverQueryLogConfigId")?)?;
    let vpc = find_vpc(draft, ctx, "ResourceId", input.required("ResourceId")?)?;
    let Some(found) = held(draft, &config, &vpc) else {
        return Err(not_found(format!(
            "[RSLVR-01701] The VPC \"{}\" is not associated with the query logging configuration.",
            vpc.id
        )));
    };
    let mut shown = show_association(&found, draft);
    draft.remove::<QueryLogAssociation>(&found.id);
    if let Some(members) = shown.map_mut() {
        members.insert("Status", "DELETING");
    }
    Ok(Answer::from(
        map! { "ResolverQueryLogConfigAssociation" => shown },
    ))
}

pub(crate) fn get_association(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let id = input.required("ResolverQueryLogConfigAssociationId")?;
    let found = view.intent.get::<QueryLogAssociation>(id);
    match found.filter(|a| find(view.intent, ctx, a.config.as_str()).is_ok()) {
        Some(found) => Ok(map! {
            "ResolverQueryLogConfigAssociation" => show_association(found, view.intent),
        }),
        None => Err(not_found(format!(
            "[RSLVR-01703] The specified query logging configuration association doesn't exist. Trace Id: \"{}\"",
            trace(id)
        ))),
    }
}

pub(crate) fn list_associations(
    input: &Input<'_>,
    view: View<'_>,
    ctx: &Ctx,
) -> Result<Value, Refusal> {
    let all = view.intent.query_log_associations.values();
    let mine: Vec<_> = all
        .filter(|a| find(view.intent, ctx, a.config.as_str()).is_ok())
        .collect();
    let total = mine.len();
    let shown = page(
        input,
        "ResolverQueryLogConfigAssociations",
        &[
            ("CreationTime", "CreationTime"),
            ("Error", "Error"),
            ("Id", "Id"),
            ("ResolverQueryLogConfigId", "ResolverQueryLogConfigId"),
            ("ResourceId", "ResourceId"),
            ("Status", "Status"),
        ],
        mine.into_iter(),
        |association| association.id.to_string(),
        |association| show_association(association, view.intent),
    )?;
    Ok(counted(shown, total, "ResolverQueryLogConfigAssociations"))
}

fn show(config: &QueryLogConfig, intent: &Intent) -> Value {
    let associations = intent.query_log_associations.values();
    map! {
        "Id" => config.id.as_str(),
        "OwnerId" => config.owner.as_str(),
        "Status" => "CREATED",
        "ShareStatus" => "NOT_SHARED",
        "AssociationCount" => associations.filter(|a| a.config == config.id).count(),
        "Arn" => arn(&config.region, &config.owner, "resolver-query-log-config", &config.id),
        "Name" => config.name.as_str(),
        "DestinationArn" => config.destination.as_str(),
        "CreatorRequestId" => config.creator_request_id.as_str(),
        "CreationTime" => moment(config.created),
    }
}

/// A log whose bucket is gone cannot be delivered, and says so.
fn show_association(association: &QueryLogAssociation, intent: &Intent) -> Value {
    let config = intent.get::<QueryLogConfig>(&association.config);
    let bucket = config.and_then(|config| bucket(&config.destination));
    let there = bucket.is_some_and(|(name, _)| intent.get::<Bucket>(name).is_some());
    map! {
        "Id" => association.id.as_str(),
        "ResolverQueryLogConfigId" => association.config.as_str(),
        "ResourceId" => association.vpc.as_str(),
        "Status" => if there { "ACTIVE" } else { "ACTION_NEEDED" },
        "Error" => if there { "NONE" } else { "DESTINATION_NOT_FOUND" },
        "ErrorMessage" => if there { "" } else { "The bucket does not exist." },
        "CreationTime" => moment(association.created),
    }
}
