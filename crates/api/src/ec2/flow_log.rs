//! Flow logs: what passes a VPC's interfaces and what is refused there, as records [ec2-api §16].
//!
//! Records go to a bucket of the embedded store, or, as a log group, to files in the state directory:
//! there is no CloudWatch here. A flow log ends with its VPC; one of a subnet or interface that is gone
//! stays until it is deleted and records nothing.

mod destination;

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

/// Resources that one call can name: AWS's limit.
const MOST_RESOURCES: usize = 1000;
/// Over how many seconds a record sums up unless told otherwise.
const INTERVAL: u32 = 600;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let token = Token::of(input, "CreateFlowLogs", ctx)?;
    let made = match &token {
        Some(token) => token.replay(draft, ctx)?,
        None => None,
    };
    let echo = token.as_ref().map(|token| token.text.clone());
    let (ids, unsuccessful) = match made {
        Some(ids) => {
            let ids = ids.split_terminator(',').map(str::to_owned).collect();
            (ids, Vec::new())
        }
        None => {
            let (ids, unsuccessful) = make(input, draft, ctx)?;
            if let Some(token) = &token {
                token.remember(draft, ctx, ids.join(","));
            }
            (ids, unsuccessful)
        }
    };
    Ok(Answer::from(map! {
        "ClientToken" => echo,
        "FlowLogIds" => ids.into_iter().collect::<Value>(),
        "Unsuccessful" => Value::List(unsuccessful),
    }))
}

fn make(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<(Vec<String>, Vec<Value>), Refusal> {
    let tags = input.tags("vpc-flow-log")?;
    input.refuse_unbuilt(&["DeliverCrossAccountRole"])?;
    let traffic = match input.required("TrafficType")? {
        "ACCEPT" => TrafficType::Accept,
        "REJECT" => TrafficType::Reject,
        _ => TrafficType::All,
    };
    let interval = match input.get("MaxAggregationInterval").int() {
        None => INTERVAL,
        Some(60) => 60,
        Some(600) => 600,
        Some(_) => {
            return Err(Refusal::invalid(
                "Invalid Flow Log Max Aggregation Interval",
            ));
        }
    };
    let format = match input.text("LogFormat").filter(|text| !text.is_empty()) {
        None => FlowField::default_format(),
        Some(text) => {
            let fields = FlowField::parse(text).map_err(|why| Refusal::invalid(why.to_string()))?;
            let fields = fields.iter().map(|field| format!("${{{}}}", field.name()));
            fields.collect::<Vec<_>>().join(" ")
        }
    };
    let destination = destination::read(input)?;
    let role = input.text("DeliverLogsPermissionArn").map(str::to_owned);
    let mut resources = Vec::new();
    let named = input.texts("ResourceIds");
    if named.is_empty() {
        return Err(Refusal::missing("ResourceId"));
    }
    if named.len() > MOST_RESOURCES {
        return Err(Refusal::invalid(format!(
            "A call can name at most {MOST_RESOURCES} resources."
        )));
    }
    for id in named {
        resources.push((id, resource(input, draft, ctx, id)?));
    }
    let (mut ids, mut unsuccessful) = (Vec::new(), Vec::new());
    for (named, (vpc, resource)) in resources {
        let possible = destination::check(&destination, draft, ctx)
            .and_then(|()| is_new(draft, &vpc, &resource, traffic, &destination))
            .and_then(|()| fits(draft, &vpc, &resource));
        if let Err(refusal) = possible {
            unsuccessful.push(item(named, &refusal));
            continue;
        }
        let log = draft.put(FlowLog {
            id: FlowLogId::from_digits(ctx.ids.digits()),
            owner: ctx.caller.account.clone(),
            vpc,
            resource,
            traffic,
            destination: destination.clone(),
            format: format.clone(),
            interval,
            role: role.clone(),
            created: ctx.now,
            tags: tags.clone(),
        });
        ids.push(log.id.to_string());
    }
    Ok((ids, unsuccessful))
}

/// The resource that an id names, and its VPC.
fn resource(
    input: &Input<'_>,
    draft: &Draft,
    ctx: &Ctx,
    id: &str,
) -> Result<(VpcId, FlowLogResource), Refusal> {
    Ok(match input.required("ResourceType")? {
        "VPC" => (ctx.find::<Vpc>(draft, id)?.id.clone(), FlowLogResource::Vpc),
        "Subnet" => {
            let subnet = ctx.find::<Subnet>(draft, id)?;
            (
                subnet.vpc.clone(),
                FlowLogResource::Subnet(subnet.id.clone()),
            )
        }
        "NetworkInterface" => {
            let eni = ctx.find::<NetworkInterface>(draft, id)?;
            (eni.vpc.clone(), FlowLogResource::Interface(eni.id.clone()))
        }
        other => {
            return Err(Refusal::unsupported(format!(
                "ResourceType {other} is not supported."
            )));
        }
    })
}

/// Two logs of the same resource must differ in what they record or whereto.
fn is_new(
    draft: &Draft,
    vpc: &VpcId,
    resource: &FlowLogResource,
    traffic: TrafficType,
    destination: &FlowLogDestination,
) -> Result<(), Refusal> {
    let same = |log: &std::sync::Arc<FlowLog>| {
        log.resource == *resource && log.traffic == traffic && log.destination == *destination
    };
    match draft.in_vpc::<FlowLog>(vpc).any(same) {
        true => Err(Refusal::new(
            "FlowLogAlreadyExists",
            "Error. There is an existing Flow Log with the same configuration and log destination.",
        )),
        false => Ok(()),
    }
}

fn fits(draft: &Draft, vpc: &VpcId, resource: &FlowLogResource) -> Result<(), Refusal> {
    quotas::FLOW_LOGS_PER_RESOURCE.check(draft, || {
        let logs = draft.in_vpc::<FlowLog>(vpc);
        logs.filter(|log| log.resource == *resource).count()
    })
}

fn item(id: &str, refusal: &Refusal) -> Value {
    map! {
        "ResourceId" => id,
        "Error" => map! {
            "Code" => refusal.code.as_ref(),
            "Message" => refusal.message.as_str(),
        },
    }
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let ids = input.texts("FlowLogIds");
    if ids.is_empty() {
        return Err(Refusal::missing("FlowLogId"));
    }
    let mut unsuccessful = Vec::new();
    for id in ids {
        match ctx.find::<FlowLog>(draft, id) {
            Ok(log) => drop(draft.remove::<FlowLog>(&log.id)),
            Err(refusal) => unsuccessful.push(item(id, &refusal)),
        }
    }
    Ok(Answer::from(
        map! { "Unsuccessful" => Value::List(unsuccessful) },
    ))
}

/// What a VPC's flow logs are when it is gone: nothing.
pub(crate) fn forget_vpc(draft: &mut Draft, vpc: &VpcId) {
    let logs: Vec<_> = draft.in_vpc::<FlowLog>(vpc).cloned().collect();
    for log in logs {
        draft.remove::<FlowLog>(&log.id);
    }
}

const DESCRIBE: Describe<FlowLog> = Describe {
    ids: "FlowLogIds",
    items: "FlowLogs",
    pages: 1..=1000,
    filters: &[
        "deliver-log-status",
        "log-destination-type",
        "flow-log-id",
        "log-group-name",
        "resource-id",
        "traffic-type",
    ],
    show,
    filter: |log, name, view| {
        Some(match name {
            "deliver-log-status" => vec![delivery(log, view.intent).0.to_owned()],
            "log-destination-type" => vec![destination::kind(&log.destination).to_owned()],
            "flow-log-id" => vec![log.id.to_string()],
            "log-group-name" => destination::group(&log.destination).into_iter().collect(),
            "resource-id" => vec![resource_id(log)],
            "traffic-type" => vec![traffic(log.traffic).to_owned()],
            _ => return None,
        })
    },
};

/// The filters of this operation have a parameter name of their own.
pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

fn resource_id(log: &FlowLog) -> String {
    match &log.resource {
        FlowLogResource::Vpc => log.vpc.to_string(),
        FlowLogResource::Subnet(id) => id.to_string(),
        FlowLogResource::Interface(id) => id.to_string(),
    }
}

fn traffic(traffic: TrafficType) -> &'static str {
    match traffic {
        TrafficType::Accept => "ACCEPT",
        TrafficType::Reject => "REJECT",
        TrafficType::All => "ALL",
    }
}

/// Whether records can be delivered, and why not. Derived, never set (I9).
fn delivery(log: &FlowLog, intent: &Intent) -> (&'static str, Option<&'static str>) {
    match log.bucket(intent) {
        Some(None) => ("FAILED", Some("Access error")),
        _ => ("SUCCESS", None),
    }
}

fn show(log: &FlowLog, view: View<'_>) -> Value {
    let (status, why) = delivery(log, view.intent);
    map! {
        "CreationTime" => Value::Time { millis: log.created },
        "DeliverLogsErrorMessage" => why,
        "DeliverLogsPermissionArn" => log.role.clone(),
        "DeliverLogsStatus" => status,
        "FlowLogId" => log.id.as_str(),
        "FlowLogStatus" => "ACTIVE",
        "LogGroupName" => destination::group(&log.destination),
        "ResourceId" => resource_id(log),
        "TrafficType" => traffic(log.traffic),
        "LogDestinationType" => destination::kind(&log.destination),
        "LogDestination" => destination::shown(log, view.intent),
        "LogFormat" => log.format.clone(),
        "Tags" => tags(&log.tags),
        "MaxAggregationInterval" => i64::from(log.interval),
        "DestinationOptions" => destination::options(&log.destination),
    }
}
