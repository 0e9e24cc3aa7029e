//! Flow logs: what is made of which call, what is refused, and what is shown.

use adit_wire::{Service, Value, list, map};

use crate::world::*;

/// A call for a VPC whose records go to a log group, with members that take others' places.
fn call(vpc: &str, more: Value) -> Value {
    merged(
        map! {
            "ResourceType" => "VPC",
            "ResourceIds" => list![vpc],
            "TrafficType" => "ALL",
            "LogGroupName" => "flows/all",
            "DeliverLogsPermissionArn" => "arn:aws:iam::111122223333:role/logs",
        },
        more,
    )
}

fn merged(base: Value, more: Value) -> Value {
    let (Value::Map(base), Value::Map(more)) = (base, more) else {
        panic!("two structures");
    };
    let mut all = adit_wire::Map::new();
    for (name, value) in base.iter() {
        if more.iter().all(|(other, _)| other != name) {
            all.push(name.to_owned(), value.clone());
        }
    }
    // Nothing says: without it.
    for (name, value) in more.iter().filter(|(_, value)| !value.is_null()) {
        all.push(name.to_owned(), value.clone());
    }
    Value::Map(all)
}

fn to_bucket(bucket: &str) -> Value {
    map! {
        "LogDestinationType" => "s3",
        "LogDestination" => format!("arn:aws:s3:::{bucket}/folder/"),
        "LogGroupName" => Value::Null,
        "DeliverLogsPermissionArn" => Value::Null,
    }
}

fn by(name: &str, value: &str) -> Value {
    list![map! { "Name" => name, "Values" => list![value] }]
}

fn ids(answer: &Value) -> Vec<String> {
    let ids = answer.get("FlowLogIds").list().iter();
    ids.filter_map(|id| id.str().map(str::to_owned)).collect()
}

#[test]
fn a_flow_log_is_shown_as_it_was_stated() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let made = world.ec2(
        "CreateFlowLogs",
        call(
            &vpc,
            map! {
                "MaxAggregationInterval" => 60i64,
                "LogFormat" => "${version}   ${traffic-path}",
                "TagSpecifications" => list![map! {
                    "ResourceType" => "vpc-flow-log",
                    "Tags" => list![map! { "Key" => "a", "Value" => "b" }],
                }],
            },
        ),
    );
    assert!(made.get("Unsuccessful").list().is_empty());
    let shown = world.ec2("DescribeFlowLogs", map! {});
    let log = one(&shown, "FlowLogs");
    for (member, value) in [
        ("ResourceId", vpc.as_str()),
        ("FlowLogStatus", "ACTIVE"),
        ("DeliverLogsStatus", "SUCCESS"),
        ("TrafficType", "ALL"),
        ("LogDestinationType", "cloud-watch-logs"),
        ("LogGroupName", "flows/all"),
        ("LogFormat", "${version} ${traffic-path}"),
    ] {
        assert_eq!(text(log, member), value, "{member}");
    }
    assert_eq!(log.get("MaxAggregationInterval").int(), Some(60));
    assert_eq!(log.get("Tags").list().len(), 1);
    // It goes with its VPC.
    world.ec2("DeleteVpc", map! { "VpcId" => vpc });
    assert_eq!(world.intent().flow_logs.size(), 0);
}

#[test]
fn a_bucket_must_be_there_and_ones_own() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let missing = world.ec2("CreateFlowLogs", call(&vpc, to_bucket("nowhere")));
    assert_eq!(ids(&missing), Vec::<String>::new());
    let item = one(&missing, "Unsuccessful");
    assert_eq!(text(item, "ResourceId"), vpc);
    let error = item.get("Error");
    assert_eq!(text(error, "Code"), "400");
    assert_eq!(
        text(error, "Message"),
        "LogDestination: nowhere does not exist"
    );

    world.ok(Service::S3, "CreateBucket", map! { "Bucket" => "records" });
    let made = world.ec2("CreateFlowLogs", call(&vpc, to_bucket("records")));
    assert_eq!(ids(&made).len(), 1);
    let shown = world.ec2("DescribeFlowLogs", map! {});
    let log = one(&shown, "FlowLogs");
    assert_eq!(text(log, "LogDestination"), "arn:aws:s3:::records/folder");
    assert_eq!(
        log.get("DestinationOptions").get("FileFormat").str(),
        Some("plain-text")
    );
    // The same once more is not another log; another kind of traffic is.
    let again = world.ec2("CreateFlowLogs", call(&vpc, to_bucket("records")));
    let error = one(&again, "Unsuccessful").get("Error");
    assert_eq!(text(error, "Code"), "FlowLogAlreadyExists");
    let reject = merged(to_bucket("records"), map! { "TrafficType" => "REJECT" });
    assert_eq!(
        ids(&world.ec2("CreateFlowLogs", call(&vpc, reject))).len(),
        1
    );
    // There is a limit for each resource.
    let accept = merged(to_bucket("records"), map! { "TrafficType" => "ACCEPT" });
    let more = world.ec2("CreateFlowLogs", call(&vpc, accept));
    let error = one(&more, "Unsuccessful").get("Error");
    assert_eq!(text(error, "Code"), "FlowLogsLimitExceeded");
    // A bucket that is gone shows.
    world.ok(Service::S3, "DeleteBucket", map! { "Bucket" => "records" });
    let failed = map! { "Filter" => by("deliver-log-status", "FAILED") };
    let shown = world.ec2("DescribeFlowLogs", failed);
    let accepted = map! { "Filter" => by("traffic-type", "ACCEPT") };
    let none = world.ec2("DescribeFlowLogs", accepted);
    assert!(none.get("FlowLogs").list().is_empty());
    assert_eq!(shown.get("FlowLogs").list().len(), 2);
}

#[test]
fn what_cannot_be_is_refused() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let refused = |more: Value| world.ec2_refused("CreateFlowLogs", call(&vpc, more)).0;
    for (more, code) in [
        (
            map! { "ResourceIds" => list!["vpc-0123456789abcdef0"] },
            "InvalidVpcID.NotFound",
        ),
        (map! { "TrafficType" => Value::Null }, "MissingParameter"),
        (
            map! { "MaxAggregationInterval" => 61i64 },
            "InvalidParameter",
        ),
        (map! { "LogFormat" => "${nonsense}" }, "InvalidParameter"),
        (map! { "LogGroupName" => Value::Null }, "InvalidParameter"),
        (map! { "LogGroupName" => "a b" }, "InvalidParameter"),
        (map! { "LogGroupName" => "a/../b" }, "InvalidParameter"),
        (
            map! { "DeliverLogsPermissionArn" => Value::Null },
            "InvalidParameter",
        ),
        (
            map! { "LogDestination" => "arn:aws:logs:us-east-1:1:log-group:x" },
            "InvalidParameter",
        ),
        (map! { "LogDestinationType" => "s3" }, "InvalidParameter"),
        (
            map! { "LogDestinationType" => "kinesis-data-firehose" },
            "UnsupportedOperation",
        ),
        (
            map! { "ResourceType" => "TransitGateway" },
            "UnsupportedOperation",
        ),
        (
            merged(
                to_bucket("bucket"),
                map! { "LogDestination" => "arn:aws:s3:::bucket/AWSLogs" },
            ),
            "InvalidParameter",
        ),
        (
            merged(
                to_bucket("bucket"),
                map! { "DestinationOptions" => map! { "FileFormat" => "parquet" } },
            ),
            "UnsupportedOperation",
        ),
    ] {
        assert_eq!(refused(more.clone()), code, "{more:?}");
    }
    assert_eq!(world.intent().flow_logs.size(), 0);
    let gone = map! { "FlowLogIds" => list!["fl-0123456789abcdef0"] };
    let answer = world.ec2("DeleteFlowLogs", gone.clone());
    let error = one(&answer, "Unsuccessful").get("Error");
    assert_eq!(text(error, "Code"), "InvalidFlowLogId.NotFound");
    assert_eq!(
        world.ec2_refused("DescribeFlowLogs", gone).0,
        "InvalidFlowLogId.NotFound"
    );
}

#[test]
fn a_token_answers_once() {
    let world = World::new();
    let vpc = world.vpc("10.0.0.0/16");
    let input = call(&vpc, map! { "ClientToken" => "t" });
    let first = ids(&world.ec2("CreateFlowLogs", input.clone()));
    assert_eq!(ids(&world.ec2("CreateFlowLogs", input)), first);
    assert_eq!(world.intent().flow_logs.size(), 1);
    let other = call(
        &vpc,
        map! { "ClientToken" => "t", "TrafficType" => "ACCEPT" },
    );
    let refused = world.ec2_refused("CreateFlowLogs", other);
    assert_eq!(refused.0, "IdempotentParameterMismatch");
}
