//! Rules: FORWARD and SYSTEM are made, RECURSIVE for `.` is always there.

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};

use super::{
    arn, checked_name, endpoint, exists, in_use, invalid, invalid_request, moment, name, not_found,
    page, said, tags, with_size,
};
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The rule that sends what no other covers to public DNS.
pub(super) const INTERNET_RULE: &str = "rslvr-autodefined-rr-internet-resolver";
/// The port of a target that names none.
const DNS_PORT: u16 = 53;

/// The caller's rule in this Region.
pub(super) fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<ResolverRule>, Refusal> {
    match intent.get::<ResolverRule>(id) {
        Some(found) if found.owner == ctx.caller.account && found.region == ctx.region => {
            Ok(found.clone())
        }
        _ => Err(unknown(id)),
    }
}

pub(super) fn unknown(id: &str) -> Refusal {
    not_found(format!(
        "[RSLVR-00703] Resolver rule with ID \"{}\" does not exist.",
        said(id)
    ))
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let request = input.required("CreatorRequestId")?;
    let name = name(input)?;
    let domain = domain(input)?;
    let targets = input.get("TargetIps").list();
    let through = input.text("ResolverEndpointId");
    if !input.get("DelegationRecord").is_null() {
        return Err(invalid_request("DELEGATE rules are not supported."));
    }
    let action = match input.required("RuleType")? {
        "FORWARD" => {
            let Some(through) = through else {
                return Err(invalid(
                    "ResolverEndpointId",
                    "[RSLVR-00704] A FORWARD rule needs the ID of an outbound resolver endpoint.",
                ));
            };
            RuleAction::Forward {
                targets: read_targets(draft, targets)?,
                endpoint: outbound(draft, ctx, through)?,
            }
        }
        "SYSTEM" if targets.is_empty() && through.is_none() => RuleAction::System,
        "SYSTEM" => {
            return Err(invalid_request(
                "[RSLVR-00705] A SYSTEM rule has neither target IP addresses nor a resolver endpoint.",
            ));
        }
        other => {
            return Err(invalid(
                "RuleType",
                format!("Rules of type {other} cannot be created; FORWARD and SYSTEM can."),
            ));
        }
    };
    let mine = || {
        let all = draft.resolver_rules.values();
        all.filter(|rule| rule.owner == ctx.caller.account && rule.region == ctx.region)
    };
    if mine().any(|rule| rule.creator_request_id == request) {
        return Err(exists(format!(
            "[RSLVR-00702] Resolver rule with creator request ID \"{}\" already exists.",
            said(request)
        )));
    }
    quotas::RESOLVER_RULES_PER_REGION.check(draft, || mine().count())?;
    let tags = tags(input)?;
    let rule = draft.put(ResolverRule {
        id: ResolverRuleId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        domain,
        action,
        name,
        creator_request_id: request.to_string(),
        tags,
        created: ctx.now,
        modified: ctx.now,
    });
    Ok(Answer::from(map! { "ResolverRule" => show(&rule) }))
}

fn domain(input: &Input<'_>) -> Result<String, Refusal> {
    let text = input.text("DomainName").unwrap_or_default();
    match record::domain_name(text) {
        Ok(name) if !name.starts_with("*.") => Ok(name),
        Ok(_) => Err(invalid(
            "DomainName",
            "A rule's domain name has no wildcard.",
        )),
        Err(why) => Err(invalid(
            "DomainName",
            format!("{}: \"{}\"", why.0, said(text)),
        )),
    }
}

fn read_targets(intent: &Intent, targets: &[Value]) -> Result<Vec<ForwardTarget>, Refusal> {
    let field = "TargetIps";
    if targets.is_empty() {
        return Err(invalid(
            field,
            "[RSLVR-00706] A FORWARD rule needs at least one target IP address.",
        ));
    }
    quotas::TARGETS_PER_RULE.check_total(intent, || targets.len())?;
    let mut read = Vec::new();
    for target in targets {
        if let Some(other) = target.get("Protocol").str().filter(|p| *p != "Do53") {
            return Err(invalid(
                field,
                format!("The protocol {other} is not supported; Do53 is."),
            ));
        }
        if !target.get("Ipv6").is_null() {
            return Err(invalid(field, "IPv6 target addresses are not supported."));
        }
        let text = target.get("Ip").str().unwrap_or_default();
        let Ok(ip) = text.parse::<Ipv4Addr>() else {
            return Err(invalid(
                field,
                format!(
                    "[RSLVR-00707] \"{}\" is not a valid IPv4 address.",
                    said(text)
                ),
            ));
        };
        let port = target.get("Port").int().unwrap_or(i64::from(DNS_PORT));
        let port = u16::try_from(port).ok().filter(|port| *port > 0);
        let Some(port) = port else {
            return Err(invalid(
                field,
                "A target's port is a number from 1 to 65535.",
            ));
        };
        read.push(ForwardTarget {
            ip: ip.into(),
            port,
        });
    }
    Ok(read)
}

fn outbound(intent: &Intent, ctx: &Ctx, id: &str) -> Result<ResolverEndpointId, Refusal> {
    let found = endpoint::find(intent, ctx, id)?;
    match found.direction {
        Direction::Outbound => Ok(found.id.clone()),
        Direction::Inbound => Err(invalid_request(
            "[RSLVR-00700] Resolver rules can only be associated to OUTBOUND resolver endpoints.",
        )),
    }
}

pub(crate) fn update(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let rule = find(draft, ctx, input.required("ResolverRuleId")?)?;
    let config = input.get("Config");
    let mut new = ResolverRule::clone(&rule);
    if let Some(name) = config.get("Name").str() {
        new.name = match name {
            "" => None,
            name => Some(checked_name(name)?),
        };
    }
    let targets = config.get("TargetIps");
    let through = config.get("ResolverEndpointId").str();
    match &mut new.action {
        RuleAction::Forward {
            targets: held,
            endpoint,
        } => {
            if !targets.is_null() {
                *held = read_targets(draft, targets.list())?;
            }
            if let Some(through) = through {
                *endpoint = outbound(draft, ctx, through)?;
            }
        }
        RuleAction::System if targets.is_null() && through.is_none() => {}
        RuleAction::System => {
            return Err(invalid_request(
                "[RSLVR-00705] A SYSTEM rule has neither target IP addresses nor a resolver endpoint.",
            ));
        }
    }
    new.modified = ctx.now;
    let rule = draft.put(new);
    Ok(Answer::from(map! { "ResolverRule" => show(&rule) }))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let rule = find(draft, ctx, input.required("ResolverRuleId")?)?;
    let mut associations = draft.rule_associations.values();
    if let Some(association) = associations.find(|a| a.rule == rule.id) {
        return Err(in_use(format!(
            "[RSLVR-00804] Please disassociate this resolver rule from VPC first before deleting: it is associated with {}",
            association.vpc
        )));
    }
    draft.remove::<ResolverRule>(&rule.id);
    let mut shown = show(&rule);
    if let Some(members) = shown.map_mut() {
        members.insert("Status", "DELETING");
    }
    Ok(Answer::from(map! { "ResolverRule" => shown }))
}

pub(crate) fn get(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let id = input.required("ResolverRuleId")?;
    let shown = match id {
        INTERNET_RULE => internet_rule(ctx),
        id => show(&*find(view.intent, ctx, id)?),
    };
    Ok(map! { "ResolverRule" => shown })
}

pub(crate) fn list(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let all = view.intent.resolver_rules.values();
    let mine = all.filter(|rule| rule.owner == ctx.caller.account && rule.region == ctx.region);
    // Its id sorts before those of rules that somebody made.
    let rules = std::iter::once(None).chain(mine.map(Some));
    let shown = page(
        input,
        "ResolverRules",
        &[
            ("CreatorRequestId", "CreatorRequestId"),
            ("DomainName", "DomainName"),
            ("Name", "Name"),
            ("ResolverEndpointId", "ResolverEndpointId"),
            ("Status", "Status"),
            ("TYPE", "RuleType"),
        ],
        rules,
        |rule| rule.map_or(INTERNET_RULE.to_string(), |rule| rule.id.to_string()),
        |rule| rule.map_or_else(|| internet_rule(ctx), |rule| show(rule)),
    )?;
    Ok(with_size(shown, input))
}

fn internet_rule(ctx: &Ctx) -> Value {
    map! {
        "Id" => INTERNET_RULE,
        "CreatorRequestId" => "",
        "Arn" => format!(
            "arn:aws:route53resolver:{}::autodefined-rule/{INTERNET_RULE}",
            ctx.region
        ),
        "DomainName" => ".",
        "Status" => "COMPLETE",
        "RuleType" => "RECURSIVE",
        "Name" => "Internet Resolver",
        "OwnerId" => "Route 53 Resolver",
        "ShareStatus" => "NOT_SHARED",
    }
}

fn show(rule: &ResolverRule) -> Value {
    let (kind, targets, endpoint) = match &rule.action {
        RuleAction::System => ("SYSTEM", Value::Null, None),
        RuleAction::Forward { targets, endpoint } => {
            let target = |target: &ForwardTarget| {
                map! {
                    "Ip" => target.ip.to_string(),
                    "Port" => i64::from(target.port),
                    "Protocol" => "Do53",
                }
            };
            let targets = targets.iter().map(target).collect::<Value>();
            ("FORWARD", targets, Some(endpoint.to_string()))
        }
    };
    map! {
        "Id" => rule.id.as_str(),
        "CreatorRequestId" => rule.creator_request_id.as_str(),
        "Arn" => arn(&rule.region, &rule.owner, "resolver-rule", &rule.id),
        "DomainName" => record::shown_name(&rule.domain),
        "Status" => "COMPLETE",
        "StatusMessage" => "",
        "RuleType" => kind,
        "Name" => rule.name.clone(),
        "TargetIps" => targets,
        "ResolverEndpointId" => endpoint,
        "OwnerId" => rule.owner.as_str(),
        "ShareStatus" => "NOT_SHARED",
        "CreationTime" => moment(rule.created),
        "ModificationTime" => moment(rule.modified),
    }
}
