//! Who is told of connections [privatelink §7]. Nothing is sent yet, so every notification is shown
//! as `Disabled`.

use std::collections::BTreeSet;
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::configuration;
use crate::context::{Answer, Ctx, View};
use crate::describe::Query;
use crate::ec2::endpoint::{self, unsuccessful};
use crate::input::{Input, malformed};
use crate::refusal::Refusal;
use crate::tokens::Token;

/// What a notification can be of.
const EVENTS: [&str; 4] = ["Accept", "Connect", "Delete", "Reject"];

fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<ConnectionNotification>, Refusal> {
    id.parse::<ConnectionNotificationId>()
        .map_err(|error| malformed("InvalidConnectionNotification", "Id", &error))?;
    let found = intent.get::<ConnectionNotification>(id);
    let found = found.filter(|n| n.owner == ctx.caller.account && n.region == ctx.region);
    found.cloned().ok_or_else(|| {
        Refusal::new(
            "InvalidConnectionNotification",
            format!("The connection notification '{id}' does not exist"),
        )
    })
}

/// Removes the notifications of a service or endpoint that goes away.
pub(crate) fn remove_all(draft: &mut Draft, subject: &str) {
    let all: Vec<_> = draft
        .related_to::<ConnectionNotification>(subject)
        .map(|n| n.id.clone())
        .collect();
    for id in all {
        draft.remove::<ConnectionNotification>(id);
    }
}

/// A topic that could be told: an SNS topic of this Region.
fn topic(arn: &str, ctx: &Ctx) -> Result<String, Refusal> {
    let parts: Vec<&str> = arn.split(':').collect();
    let good = matches!(
        parts.as_slice(),
        ["arn", "aws", "sns", region, account, name]
            if *region == ctx.region.as_str() && account.parse::<AccountId>().is_ok()
                && is_topic_name(name)
    );
    match good {
        true => Ok(arn.to_string()),
        false => {
            let arn: String = arn.chars().take(256).collect();
            Err(Refusal::invalid(format!(
                "The connection notification ARN '{arn}' is not the ARN of an SNS topic in {}.",
                ctx.region
            )))
        }
    }
}

/// What a topic can be called.
fn is_topic_name(name: &str) -> bool {
    let name = name.strip_suffix(".fifo").unwrap_or(name);
    (1..=256).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn events(names: &[&str]) -> Result<BTreeSet<String>, Refusal> {
    if let Some(other) = names.iter().find(|name| !EVENTS.contains(name)) {
        return Err(Refusal::invalid(format!(
            "The connection event '{other}' is not valid. Valid events are {}.",
            EVENTS.join(", ")
        )));
    }
    Ok(names.iter().map(|name| name.to_string()).collect())
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let token = Token::of(input, "CreateVpcEndpointConnectionNotification", ctx)?;
    if let Some(token) = &token
        && let Some(id) = token.replay(draft, ctx)?
        && let Some(made) = draft.get::<ConnectionNotification>(id).cloned()
    {
        return Ok(answer(&made));
    }
    let given = |name| input.text(name).filter(|text| !text.is_empty());
    let subject = match (given("ServiceId"), given("VpcEndpointId")) {
        (Some(_), Some(_)) => {
            return Err(Refusal::combination(
                "Only one of ServiceId and VpcEndpointId can be given",
            ));
        }
        (None, None) => return Err(Refusal::missing("ServiceId")),
        (Some(id), None) => {
            NotificationSubject::Service(configuration::find(draft, ctx, id)?.id.clone())
        }
        (None, Some(id)) => {
            let endpoint = endpoint::find(draft, ctx, id)?;
            if endpoint::is_gateway(&endpoint) {
                return Err(Refusal::invalid(
                    "Connection notifications are only supported for Interface type VPC Endpoints.",
                ));
            }
            NotificationSubject::Endpoint(endpoint.id.clone())
        }
    };
    let topic = topic(input.required("ConnectionNotificationArn")?, ctx)?;
    let events = events(&input.texts("ConnectionEvents"))?;
    if events.is_empty() {
        return Err(Refusal::missing("ConnectionEvents"));
    }
    let made = draft.put(ConnectionNotification {
        id: ConnectionNotificationId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        subject,
        topic,
        events,
        client_token: token.as_ref().map(|token| token.text.clone()),
    });
    if let Some(token) = &token {
        token.remember(draft, ctx, &made.id);
    }
    Ok(answer(&made))
}

fn answer(made: &ConnectionNotification) -> Answer {
    Answer::from(map! {
        "ConnectionNotification" => show(made),
        "ClientToken" => made.client_token.clone(),
    })
}

pub(crate) fn modify(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("ConnectionNotificationId")?;
    let mut new = ConnectionNotification::clone(&*find(draft, ctx, id)?);
    if let Some(arn) = input.text("ConnectionNotificationArn") {
        new.topic = topic(arn, ctx)?;
    }
    let names = input.texts("ConnectionEvents");
    if !names.is_empty() {
        new.events = events(&names)?;
    }
    draft.put(new);
    Ok(Answer::from(map! { "ReturnValue" => true }))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let ids = input.texts("ConnectionNotificationIds");
    if ids.is_empty() {
        return Err(Refusal::missing("ConnectionNotificationId"));
    }
    Ok(unsuccessful(&ids, |id| {
        let there = find(draft, ctx, id)?;
        draft.remove::<ConnectionNotification>(&there.id);
        Ok(())
    }))
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let one = match input.text("ConnectionNotificationId") {
        Some(id) => Some(find(view.intent, ctx, id)?),
        None => None,
    };
    let known = [
        "connection-notification-arn",
        "connection-notification-id",
        "connection-notification-state",
        "connection-notification-type",
        "service-id",
        "vpc-endpoint-id",
    ];
    let query = Query::of(input, one.is_some(), &(5..=1000), |name| {
        known.contains(&name)
    })?;
    let all = view
        .intent
        .connection_notifications
        .values()
        .filter(|n| n.owner == ctx.caller.account && n.region == ctx.region);
    let wanted = all.filter(|n| {
        one.as_ref().is_none_or(|one| one.id == n.id)
            && query.matches(|name| match name {
                "connection-notification-arn" => vec![n.topic.clone()],
                "connection-notification-id" => vec![n.id.to_string()],
                "connection-notification-state" => vec![STATE.into()],
                "connection-notification-type" => vec!["Topic".into()],
                other => match (&n.subject, other) {
                    (NotificationSubject::Service(id), "service-id") => vec![id.to_string()],
                    (NotificationSubject::Endpoint(id), "vpc-endpoint-id") => vec![id.to_string()],
                    _ => Vec::new(),
                },
            })
    });
    let (items, next) = query.page(wanted, |n| n.id.to_string(), |n| show(n));
    let mut output = Map::new();
    output.push("ConnectionNotificationSet", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}

/// Nothing is sent.
const STATE: &str = "Disabled";

fn show(notification: &ConnectionNotification) -> Value {
    let (service, endpoint) = match &notification.subject {
        NotificationSubject::Service(id) => (Some(id.as_str()), None),
        NotificationSubject::Endpoint(id) => (None, Some(id.as_str())),
    };
    map! {
        "ConnectionNotificationId" => notification.id.as_str(),
        "ServiceId" => service,
        "VpcEndpointId" => endpoint,
        "ConnectionNotificationType" => "Topic",
        "ConnectionNotificationArn" => notification.topic.as_str(),
        "ConnectionEvents" => notification.events.iter().map(String::as_str).collect::<Value>(),
        "ConnectionNotificationState" => STATE,
        "ServiceRegion" => notification.region.as_str(),
    }
}
