//! The shape of one record. Members are CloudTrail's; what Adit knows beside is in `additionalEventData`.

use std::borrow::Cow;

use adit_api::Called;
use adit_gateway::Record;
use adit_wire::Service;
use adit_wire::time::iso8601;
use serde::Serialize;
use serde_json::{Value, json};

use super::hide;

/// The version of CloudTrail's record that has all of these members.
const VERSION: &str = "1.11";
/// How records name the layer of endpoint policies.
const LAYER: &str = "vpc-endpoint";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    event_version: &'static str,
    user_identity: Identity<'a>,
    event_time: &'a str,
    event_source: Cow<'a, str>,
    event_name: &'a str,
    aws_region: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    request_parameters: Option<Parameters<'a>>,
    response_elements: Option<hide::Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    additional_event_data: Option<Decided<'a>>,
    #[serde(rename = "requestID")]
    request_id: &'a str,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Vec<Resource<'a>>>,
    event_type: &'static str,
    management_event: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_endpoint_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vpc_endpoint_account_id: Option<&'a str>,
    event_category: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
}

/// What a request asked for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Parameters<'a> {
    /// Of a control call.
    Shown(hide::Shown<'a>),
    /// Of a request of the S3 front door.
    #[serde(rename_all = "camelCase")]
    Named {
        bucket_name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<&'a str>,
    },
}

/// Where a request came from.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Source {
    Address(std::net::IpAddr),
    /// The installation itself, in a word of CloudTrail's.
    Own(&'static str),
}

#[derive(Debug, Serialize)]
struct Resource<'a> {
    r#type: &'static str,
    #[serde(rename = "ARN")]
    arn: &'a str,
    #[serde(rename = "accountId", skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

/// How the request was decided: what no AWS record says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Decided<'a> {
    generation: u64,
    via: &'a adit_gateway::Path<'a>,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    status: u16,
}

/// A control call.
pub(super) fn control<'a>(call: &'a Called<'a>, id: &'a str) -> Owned<'a> {
    Owned { call, id }
}

/// A control call's record, which owns its time.
#[derive(Debug)]
pub(super) struct Owned<'a> {
    call: &'a Called<'a>,
    id: &'a str,
}

impl Serialize for Owned<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let call = self.call;
        let time = iso8601(call.now, false);
        let key = &call.caller.key;
        let arn = call.caller.arn.as_str();
        let error = call.result.err();
        // EC2's own codes stand behind `Client.` and `Server.`, as in its records on AWS.
        let code = error.map(|error| match (call.service, error.status) {
            (Service::Ec2, 500..) => Cow::Owned(format!("Server.{}", error.code)),
            (Service::Ec2, _) => Cow::Owned(format!("Client.{}", error.code)),
            _ => Cow::Borrowed(&*error.code),
        });
        let answer = call.result.ok().filter(|_| call.writes);
        let account = call.caller.account.as_str();
        let user = key.user.as_ref().map(|user| user.name.as_str());
        let event = Event {
            event_version: VERSION,
            user_identity: Identity {
                r#type: kind_of(arn),
                principal_id: key
                    .user
                    .as_ref()
                    .map(|u| u.unique_id.as_str())
                    .or(Some(account)),
                arn: Some(arn),
                account_id: Some(account),
                access_key_id: Some(&key.key.id),
                user_name: user,
            },
            event_time: &time,
            event_source: source_of(call.service).into(),
            event_name: call.operation.map_or("Unknown", |op| op.name()),
            aws_region: call.region.as_str(),
            source_ip_address: call
                .caller
                .source
                .map_or(Source::Own("AWS Internal"), |s| Source::Address(s.address)),
            user_agent: call.user_agent,
            error_code: code,
            error_message: error.map(|e| e.message.as_str()),
            request_parameters: call.input.and_then(hide::shown).map(Parameters::Shown),
            response_elements: answer.and_then(hide::shown),
            additional_event_data: None,
            request_id: call.request_id,
            event_id: self.id,
            read_only: !call.writes,
            resources: None,
            event_type: "AwsApiCall",
            management_event: true,
            recipient_account_id: Some(account),
            vpc_endpoint_id: None,
            vpc_endpoint_account_id: None,
            event_category: "Management",
        };
        event.serialize(to)
    }
}

/// A control call whose signer is not known, or not who it says.
#[derive(Debug)]
pub struct Refused<'a> {
    /// The service it was signed for.
    pub service: Service,
    /// The operation, if the request names one that there is.
    pub operation: Option<&'a str>,
    /// The peer's address.
    pub source: std::net::IpAddr,
    /// What the client calls itself.
    pub user_agent: Option<&'a str>,
    /// What was answered.
    pub error: &'a adit_wire::ErrorReply,
    /// The clock.
    pub now: adit_model::Millis,
}

/// The record of such a call, as JSON.
pub(super) fn refused(call: &Refused<'_>, region: &str, id: &str) -> Value {
    json!({
        "eventVersion": VERSION,
        "userIdentity": Identity::nobody("Unknown"),
        "eventTime": iso8601(call.now, false),
        "eventSource": source_of(call.service),
        "eventName": call.operation.unwrap_or("Unknown"),
        "awsRegion": region,
        "sourceIPAddress": call.source.to_string(),
        "userAgent": call.user_agent,
        "errorCode": call.error.code,
        "errorMessage": call.error.message,
        "requestParameters": null,
        "responseElements": null,
        "eventID": id,
        "readOnly": false,
        "eventType": "AwsApiCall",
        "managementEvent": true,
        "eventCategory": "Management",
    })
}

/// A request of the S3 front door.
pub(super) fn data<'a>(record: &'a Record<'a>, region: &'a str, id: &'a str) -> Event<'a> {
    let by_endpoint = record.layer == Some(LAYER) && record.decision == "Deny";
    let operation = record.operation.unwrap_or("Unknown");
    let foreign = by_endpoint && record.account != record.via.account;
    let identity = match (record.principal, foreign) {
        (None, _) => Identity::nobody("Unknown"),
        (Some("anonymous"), _) => Identity::nobody("AWSAccount"),
        // The endpoint's owner learns of a stranger only the account.
        (Some(_), true) => Identity {
            account_id: record.account,
            principal_id: record.account,
            ..Identity::nobody("AWSAccount")
        },
        (Some(arn), false) => Identity {
            arn: Some(arn),
            account_id: record.account,
            principal_id: record.account,
            user_name: arn.rsplit_once(":user/").map(|(_, name)| name),
            ..Identity::nobody(kind_of(arn))
        },
    };
    let (name, key) = bucket_of(record.resource);
    let parameters = name.map(|bucket_name| Parameters::Named { bucket_name, key });
    let resource = record.resource.filter(|arn| arn.starts_with("arn:"));
    let is_object = key.is_some();
    Event {
        event_version: VERSION,
        user_identity: identity,
        event_time: record.time,
        event_source: "s3.amazonaws.com".into(),
        event_name: operation,
        aws_region: record.region.unwrap_or(region),
        source_ip_address: Source::Address(record.via.source_ip),
        user_agent: record.user_agent,
        error_code: match by_endpoint {
            true => Some("VpceAccessDenied".into()),
            false => record.error.map(Cow::Borrowed),
        },
        error_message: match by_endpoint {
            true => Some("The request was denied due to a VPC endpoint policy"),
            false => record.error.and(record.message),
        },
        // A denial by the endpoint's policy tells its owner nothing of what was asked for.
        request_parameters: parameters.filter(|_| !by_endpoint),
        response_elements: None,
        additional_event_data: Some(Decided {
            generation: record.generation,
            via: &record.via,
            decision: record.decision,
            action: record.action,
            resource: record.resource,
            layer: record.layer,
            policy: record.policy,
            statement: record.statement,
            message: record.message,
            status: record.status,
        }),
        request_id: record.request_id,
        event_id: id,
        read_only: ["Get", "Head", "List", "Preflight"]
            .iter()
            .any(|verb| operation.starts_with(verb)),
        resources: resource.filter(|_| !by_endpoint).map(|arn| {
            vec![Resource {
                r#type: if is_object {
                    "AWS::S3::Object"
                } else {
                    "AWS::S3::Bucket"
                },
                arn,
                account_id: record.owner,
            }]
        }),
        event_type: if by_endpoint {
            "AwsVpceEvent"
        } else {
            "AwsApiCall"
        },
        management_event: !by_endpoint && !is_object,
        recipient_account_id: match by_endpoint {
            true => record.via.account,
            false => record.owner.or(record.account),
        },
        vpc_endpoint_id: record.via.endpoint,
        vpc_endpoint_account_id: record.via.account,
        event_category: match (by_endpoint, is_object) {
            (true, _) => "NetworkActivity",
            (false, true) => "Data",
            (false, false) => "Management",
        },
    }
}

impl Identity<'_> {
    fn nobody(r#type: &'static str) -> Self {
        Identity {
            r#type,
            principal_id: None,
            arn: None,
            account_id: None,
            access_key_id: None,
            user_name: None,
        }
    }
}

fn kind_of(arn: &str) -> &'static str {
    match arn {
        arn if arn.ends_with(":root") => "Root",
        arn if arn.contains(":assumed-role/") => "AssumedRole",
        arn if arn.contains(":federated-user/") => "FederatedUser",
        _ => "IAMUser",
    }
}

fn source_of(service: Service) -> String {
    match service {
        Service::S3Control => "s3.amazonaws.com".into(),
        other => format!("{}.amazonaws.com", other.signing_name()),
    }
}

/// Bucket and key of an S3 ARN.
fn bucket_of(arn: Option<&str>) -> (Option<&str>, Option<&str>) {
    let Some(rest) = arn.and_then(|arn| arn.strip_prefix("arn:aws:s3:::")) else {
        return (None, None);
    };
    match rest.split_once('/') {
        Some((bucket, key)) => (Some(bucket), Some(key)),
        None => (Some(rest), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record<'a>(layer: Option<&'a str>, account: Option<&'a str>) -> Record<'a> {
        Record {
            time: "2026-01-02T03:04:05Z",
            request_id: "R",
            generation: 7,
            via: adit_gateway::Path {
                kind: "endpoint",
                endpoint: Some("vpce-1"),
                vpc: Some("vpc-1"),
                account: Some("111111111111"),
                source_ip: [10, 0, 0, 9].into(),
            },
            principal: Some("arn:aws:iam::222222222222:user/a"),
            account,
            region: Some("eu-west-1"),
            user_agent: Some("test"),
            owner: Some("333333333333"),
            operation: Some("GetObject"),
            action: Some("s3:GetObject"),
            resource: Some("arn:aws:s3:::b/k/l"),
            decision: "Deny",
            layer,
            policy: None,
            statement: Some("1"),
            message: Some("no"),
            status: 403,
            error: Some("AccessDenied"),
        }
    }

    #[test]
    fn a_denial_by_the_endpoint_is_a_network_activity_event() {
        let record = record(Some(LAYER), Some("222222222222"));
        let mut line = Vec::new();
        super::super::json::append(&mut line, &data(&record, "us-east-1", "E")).unwrap();
        let general = serde_json::to_string(&data(&record, "us-east-1", "E")).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), general);
        let event = serde_json::to_value(data(&record, "us-east-1", "E")).unwrap();
        assert_eq!(event["eventType"], "AwsVpceEvent");
        assert_eq!(event["eventCategory"], "NetworkActivity");
        assert_eq!(event["errorCode"], "VpceAccessDenied");
        assert_eq!(event["recipientAccountId"], "111111111111");
        assert_eq!(event["vpcEndpointId"], "vpce-1");
        assert_eq!(event["requestParameters"], Value::Null);
        assert!(event.get("resources").is_none());
        // Of a stranger only the account.
        let stranger = json!({ "type": "AWSAccount", "principalId": "222222222222", "accountId": "222222222222" });
        assert_eq!(event["userIdentity"], stranger);
    }

    #[test]
    fn a_denial_by_the_bucket_is_a_data_event() {
        let record = record(Some("resource"), Some("222222222222"));
        let event = serde_json::to_value(data(&record, "us-east-1", "E")).unwrap();
        assert_eq!(event["eventType"], "AwsApiCall");
        assert_eq!(event["eventCategory"], "Data");
        assert_eq!(event["errorCode"], "AccessDenied");
        assert_eq!(
            event["requestParameters"],
            json!({ "bucketName": "b", "key": "k/l" })
        );
        assert_eq!(event["recipientAccountId"], "333333333333");
        assert_eq!(event["awsRegion"], "eu-west-1");
        assert_eq!(event["userIdentity"]["userName"], "a");
        assert_eq!(event["readOnly"], true);
        assert_eq!(event["additionalEventData"]["statement"], "1");
    }
}
