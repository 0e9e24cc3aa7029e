//! Where a flow log's records go: how it is stated, checked and shown.

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::Ctx;
use crate::input::Input;
use crate::refusal::Refusal;

/// Reads the destination of a call.
pub(super) fn read(input: &Input<'_>) -> Result<FlowLogDestination, Refusal> {
    let given = |name: &str| input.text(name).filter(|text| !text.is_empty());
    let (group, destination) = (given("LogGroupName"), given("LogDestination"));
    let role = given("DeliverLogsPermissionArn");
    match input
        .text("LogDestinationType")
        .unwrap_or("cloud-watch-logs")
    {
        "cloud-watch-logs" => {
            if role.is_none() {
                return Err(Refusal::invalid(
                    "DeliverLogsPermissionArn can't be empty if LogDestinationType is cloud-watch-logs.",
                ));
            }
            no_options(input)?;
            let name = match (group, destination) {
                (Some(_), Some(_)) => {
                    return Err(Refusal::invalid(
                        "Please only provide LogGroupName or only provide LogDestination.",
                    ));
                }
                (None, None) => {
                    return Err(Refusal::invalid(
                        "LogDestination can't be empty if LogGroupName is not provided.",
                    ));
                }
                (Some(name), None) => name,
                (None, Some(arn)) => group_of(arn).ok_or_else(|| bad_destination(arn))?,
            };
            if name.parse::<LogGroupName>().is_err() {
                return Err(Refusal::invalid(format!(
                    "LogGroupName '{}' is not valid: 1 to 512 letters, digits and the characters _-/.#",
                    name.chars().take(64).collect::<String>()
                )));
            }
            Ok(FlowLogDestination::LogGroup(name.to_owned()))
        }
        "s3" => {
            if group.is_some() {
                return Err(Refusal::invalid(
                    "LogDestination type must be cloud-watch-logs if LogGroupName is provided.",
                ));
            }
            if role.is_some() {
                return Err(Refusal::invalid(
                    "DeliverLogsPermissionArn is not applicable for s3 delivery.",
                ));
            }
            let Some(arn) = destination else {
                return Err(Refusal::invalid(
                    "LogDestination can't be empty if LogGroupName is not provided.",
                ));
            };
            bucket_of(input, arn)
        }
        other => Err(Refusal::unsupported(format!(
            "LogDestinationType {other} is not supported: use s3 or cloud-watch-logs."
        ))),
    }
}

/// `arn:aws:logs:REGION:ACCOUNT:log-group:NAME`, with or without `:*`.
fn group_of(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(7, ':');
    let head: Vec<&str> = parts.by_ref().take(6).collect();
    match head.as_slice() {
        ["arn", "aws", "logs", _, _, "log-group"] => {
            let name = parts.next()?;
            Some(name.strip_suffix(":*").unwrap_or(name))
        }
        _ => None,
    }
}

/// `arn:aws:s3:::BUCKET`, with a folder behind it or without.
fn bucket_of(input: &Input<'_>, arn: &str) -> Result<FlowLogDestination, Refusal> {
    let rest = arn.strip_prefix("arn:aws:s3:::");
    let rest = rest.ok_or_else(|| bad_destination(arn))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    let bucket = bucket.parse().map_err(|_| bad_destination(arn))?;
    if prefix.len() > 512 || prefix.split('/').any(|part| part == "AWSLogs") {
        return Err(bad_destination(arn));
    }
    let options = input.get("DestinationOptions");
    if options.get("FileFormat").str() == Some("parquet") {
        return Err(Refusal::unsupported("FileFormat parquet is not supported."));
    }
    let flag = |name: &str| options.get(name).bool().unwrap_or(false);
    Ok(FlowLogDestination::S3 {
        bucket,
        prefix: prefix.to_owned(),
        hive_compatible: flag("HiveCompatiblePartitions"),
        per_hour: flag("PerHourPartition"),
    })
}

fn no_options(input: &Input<'_>) -> Result<(), Refusal> {
    match input.get("DestinationOptions").is_null() {
        true => Ok(()),
        false => Err(Refusal::invalid(
            "DestinationOptions can only be specified if LogDestinationType is s3.",
        )),
    }
}

fn bad_destination(arn: &str) -> Refusal {
    let shown: String = arn.chars().take(128).collect();
    Refusal::invalid(format!("LogDestination: {shown} is not a valid ARN for it"))
}

/// Whether the records may be written there: the bucket must be the caller's, and the embedded
/// store's, since records are written without asking anybody.
pub(super) fn check(
    destination: &FlowLogDestination,
    draft: &Draft,
    ctx: &Ctx,
) -> Result<(), Refusal> {
    let FlowLogDestination::S3 { bucket: name, .. } = destination else {
        return Ok(());
    };
    let Some(bucket) = draft.get::<Bucket>(name) else {
        let why = format!("LogDestination: {name} does not exist");
        return Err(Refusal::new("400", why));
    };
    if bucket.owner != ctx.caller.account {
        return Err(Refusal::new(
            "400",
            format!(
                "Access Denied for LogDestination: {name}. Please check LogDestination permission"
            ),
        ));
    }
    if bucket.origin.is_some() {
        return Err(Refusal::new(
            "400",
            format!("LogDestination: {name} is kept by an upstream, where records are not written"),
        ));
    }
    Ok(())
}

/// The type as AWS names it.
pub(super) fn kind(destination: &FlowLogDestination) -> &'static str {
    match destination {
        FlowLogDestination::S3 { .. } => "s3",
        FlowLogDestination::LogGroup(_) => "cloud-watch-logs",
    }
}

/// The log group's name, if it is one.
pub(super) fn group(destination: &FlowLogDestination) -> Option<String> {
    match destination {
        FlowLogDestination::S3 { .. } => None,
        FlowLogDestination::LogGroup(name) => Some(name.clone()),
    }
}

/// The destination's ARN.
pub(super) fn shown(log: &FlowLog, intent: &Intent) -> String {
    match &log.destination {
        FlowLogDestination::S3 { bucket, prefix, .. } if prefix.is_empty() => {
            format!("arn:aws:s3:::{bucket}")
        }
        FlowLogDestination::S3 { bucket, prefix, .. } => {
            format!("arn:aws:s3:::{bucket}/{prefix}")
        }
        FlowLogDestination::LogGroup(name) => {
            let vpc = intent.get::<Vpc>(&log.vpc);
            let region = vpc.map_or("", |vpc| vpc.region.as_str());
            format!("arn:aws:logs:{region}:{}:log-group:{name}", log.owner)
        }
    }
}

/// How files are laid out in the bucket.
pub(super) fn options(destination: &FlowLogDestination) -> Option<Value> {
    match destination {
        FlowLogDestination::S3 {
            hive_compatible,
            per_hour,
            ..
        } => Some(map! {
            "FileFormat" => "plain-text",
            "HiveCompatiblePartitions" => *hive_compatible,
            "PerHourPartition" => *per_hour,
        }),
        FlowLogDestination::LogGroup(_) => None,
    }
}
