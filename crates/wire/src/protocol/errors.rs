//! Errors in each service's code, wording and form.

use super::encode::{host_id, json_reply, xml_reply};
use super::json::JsonWriter;
use super::xml_out::XmlWriter;
use super::{ErrorReply, HttpReply, WireError};
use crate::tables::{Protocol, Service};

/// Writes an error in the form of `service`.
pub(super) fn encode(service: Service, error: &ErrorReply, request_id: &str) -> HttpReply {
    let mut reply = match service.protocol() {
        Protocol::Json => json(service, error, request_id),
        _ => {
            let mut xml = XmlWriter::quoting(service);
            match service {
                Service::Ec2 => ec2(&mut xml, error, request_id),
                Service::S3 => s3(&mut xml, error, request_id),
                Service::S3Control => s3_control(&mut xml, error, request_id),
                _ => query(&mut xml, service, error, request_id),
            }
            xml_reply(service, error.status, xml.out, request_id)
        }
    };
    reply.headers.extend(error.headers.iter().cloned());
    reply
}

fn ec2(xml: &mut XmlWriter, error: &ErrorReply, request_id: &str) {
    xml.open("Response");
    xml.open("Errors");
    xml.open("Error");
    xml.leaf("Code", &error.code);
    xml.leaf("Message", &error.message);
    xml.close("Error");
    xml.close("Errors");
    // With a capital D, unlike everywhere else.
    xml.leaf("RequestID", request_id);
    xml.close("Response");
}

fn s3(xml: &mut XmlWriter, error: &ErrorReply, request_id: &str) {
    xml.open("Error");
    xml.leaf("Code", &error.code);
    xml.leaf("Message", &error.message);
    for (name, value) in &error.fields {
        xml.leaf(name, value);
    }
    xml.leaf("RequestId", request_id);
    xml.leaf("HostId", &host_id(request_id));
    xml.close("Error");
}

fn s3_control(xml: &mut XmlWriter, error: &ErrorReply, request_id: &str) {
    xml.open("ErrorResponse");
    xml.open("Error");
    xml.leaf("Code", &error.code);
    xml.leaf("Message", &error.message);
    for (name, value) in &error.fields {
        xml.leaf(name, value);
    }
    xml.close("Error");
    xml.leaf("RequestId", request_id);
    xml.leaf("HostId", &host_id(request_id));
    xml.close("ErrorResponse");
}

fn query(xml: &mut XmlWriter, service: Service, error: &ErrorReply, request_id: &str) {
    let namespace = service.table().map_or("", |table| table.namespace);
    xml.open_with("ErrorResponse", "xmlns", namespace);
    xml.open("Error");
    xml.leaf(
        "Type",
        if error.status < 500 {
            "Sender"
        } else {
            "Receiver"
        },
    );
    xml.leaf("Code", &error.code);
    xml.leaf("Message", &error.message);
    for (name, value) in &error.fields {
        xml.leaf(name, value);
    }
    xml.close("Error");
    xml.leaf("RequestId", request_id);
    xml.close("ErrorResponse");
}

fn json(service: Service, error: &ErrorReply, request_id: &str) -> HttpReply {
    let mut writer = JsonWriter {
        table: None,
        out: b"{\"__type\":".to_vec(),
    };
    match service {
        Service::DynamoDb => {
            writer.text(&format!("com.amazonaws.dynamodb.v20120810#{}", error.code));
        }
        _ => writer.text(&error.code),
    }
    for (name, value) in [("message", &error.message)]
        .into_iter()
        .chain(error.fields.iter().map(|(n, v)| (&**n, v)))
    {
        writer.out.push(b',');
        writer.text(name);
        writer.out.push(b':');
        writer.text(value);
    }
    writer.out.push(b'}');
    let version = service.table().map_or("1.1", |table| table.json_version);
    json_reply(version, error.status, writer.out, request_id)
}

/// The families of wording.
enum Voice {
    Ec2,
    /// IAM, STS, ELB: the common validator of AWS's Query services.
    Query,
    Sns,
    Route53,
    S3,
    S3Control,
    Json,
}

fn voice(service: Service) -> Voice {
    match service {
        Service::Ec2 => Voice::Ec2,
        Service::Iam | Service::Sts | Service::Elbv2 => Voice::Query,
        Service::Sns => Voice::Sns,
        Service::Route53 => Voice::Route53,
        Service::S3 => Voice::S3,
        Service::S3Control => Voice::S3Control,
        Service::Route53Resolver | Service::DynamoDb | Service::Adit => Voice::Json,
    }
}

/// S3 tells nothing but this about a document that it does not take.
const MALFORMED_XML: &str =
    "The XML you provided was not well-formed or did not validate against our published schema";

/// The error in the code, status and wording of `service`.
pub(super) fn reply(error: &WireError, service: Service) -> ErrorReply {
    match error {
        WireError::NoSuchOperation { name } => no_such_operation(name, service),
        WireError::NotBuilt { name } => not_built(name, service),
        WireError::MissingAction => match service.protocol() {
            Protocol::Json => ErrorReply::new("UnknownOperationException", 400, ""),
            _ => ErrorReply::new(
                "MissingAction",
                400,
                "The request must contain the parameter Action",
            ),
        },
        WireError::NoSuchVersion { version } => ErrorReply::new(
            if service == Service::Ec2 {
                "NoSuchVersion"
            } else {
                "InvalidAction"
            },
            400,
            format!(
                "The requested version ({version}) of service {} does not exist",
                service.name()
            ),
        ),
        WireError::MissingParameter { parameter } => missing(parameter, service),
        WireError::UnknownParameter { parameter } => unknown(parameter, service),
        WireError::InvalidValue {
            parameter,
            value,
            expected,
        } => invalid(parameter, value, expected, service),
        WireError::Malformed { reason } => malformed(reason, service),
        WireError::TooLarge { what } => too_large(what, service),
        WireError::NotImplemented { method, resource } => not_implemented(method, resource),
    }
}

fn no_such_operation(name: &str, service: Service) -> ErrorReply {
    match voice(service) {
        Voice::Ec2 => ErrorReply::new(
            "InvalidAction",
            400,
            format!("The action {name} is not valid for this web service."),
        ),
        Voice::Query | Voice::Sns => {
            let version = service.table().map_or("", |table| table.version);
            ErrorReply::new(
                "InvalidAction",
                400,
                format!("Could not find operation {name} for version {version}"),
            )
        }
        Voice::Route53 => ErrorReply::new("UnknownOperationException", 404, ""),
        Voice::S3 | Voice::S3Control => ErrorReply::new(
            "MethodNotAllowed",
            405,
            "The specified method is not allowed against this resource.",
        ),
        Voice::Json => ErrorReply::new("UnknownOperationException", 400, ""),
    }
}

fn not_built(name: &str, service: Service) -> ErrorReply {
    match voice(service) {
        Voice::Ec2 | Voice::Query | Voice::Sns | Voice::Route53 => ErrorReply::new(
            "UnsupportedOperation",
            400,
            format!("The operation {name} is not supported by this installation."),
        ),
        Voice::S3 | Voice::S3Control => not_implemented("", name),
        Voice::Json => ErrorReply::new(
            "UnsupportedOperationException",
            400,
            format!("The operation {name} is not supported by this installation."),
        ),
    }
}

fn not_implemented(method: &str, resource: &str) -> ErrorReply {
    let reply = ErrorReply::new(
        "NotImplemented",
        501,
        "A header or query you provided implies functionality that is not implemented.",
    );
    let reply = if method.is_empty() {
        reply
    } else {
        reply.with("Method", method)
    };
    reply.with("ResourceType", resource)
}

fn missing(parameter: &str, service: Service) -> ErrorReply {
    let constraint = || {
        format!(
            "1 validation error detected: Value null at '{parameter}' failed to satisfy \
             constraint: Member must not be null"
        )
    };
    match voice(service) {
        Voice::Ec2 => ErrorReply::new(
            "MissingParameter",
            400,
            format!("The request must contain the parameter {parameter}"),
        ),
        Voice::Query => ErrorReply::new("ValidationError", 400, constraint()),
        Voice::Sns => ErrorReply::new("InvalidParameter", 400, constraint()),
        Voice::Route53 => ErrorReply::new("InvalidInput", 400, constraint()),
        Voice::S3 => {
            if parameter.starts_with(|c: char| c.is_ascii_lowercase()) {
                ErrorReply::new(
                    "InvalidRequest",
                    400,
                    format!("Missing required header for this request: {parameter}"),
                )
            } else if parameter.contains('.') {
                ErrorReply::new("MalformedXML", 400, MALFORMED_XML)
            } else {
                ErrorReply::new("MissingRequestBodyError", 400, "Request Body is empty")
            }
        }
        Voice::S3Control => ErrorReply::new("InvalidRequest", 400, constraint()),
        Voice::Json => ErrorReply::new("ValidationException", 400, constraint()),
    }
}

fn unknown(parameter: &str, service: Service) -> ErrorReply {
    let text = format!("The parameter {parameter} is not recognized");
    match voice(service) {
        Voice::Ec2 => ErrorReply::new("UnknownParameter", 400, text),
        Voice::Query => ErrorReply::new("ValidationError", 400, text),
        Voice::Sns => ErrorReply::new("InvalidParameter", 400, text),
        Voice::Route53 => ErrorReply::new("InvalidInput", 400, text),
        Voice::S3 | Voice::S3Control => ErrorReply::new("MalformedXML", 400, MALFORMED_XML),
        Voice::Json => ErrorReply::new("SerializationException", 400, text),
    }
}

fn invalid(parameter: &str, value: &str, expected: &str, service: Service) -> ErrorReply {
    let constraint = || {
        format!(
            "1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy \
             constraint: {expected}"
        )
    };
    match voice(service) {
        Voice::Ec2 => ErrorReply::new(
            "InvalidParameterValue",
            400,
            format!("Value ({value}) for parameter {parameter} is invalid. {expected}."),
        ),
        Voice::Query => ErrorReply::new("ValidationError", 400, constraint()),
        Voice::Sns => ErrorReply::new("InvalidParameter", 400, constraint()),
        Voice::Route53 => ErrorReply::new("InvalidInput", 400, constraint()),
        Voice::S3 => s3_invalid(parameter, value),
        Voice::S3Control => ErrorReply::new("InvalidRequest", 400, constraint()),
        Voice::Json => ErrorReply::new("ValidationException", 400, constraint()),
    }
}

fn s3_invalid(parameter: &str, value: &str) -> ErrorReply {
    // Inside a document S3 does not say which element is wrong.
    if !parameter.starts_with(|c: char| c.is_ascii_lowercase())
        && !parameter.contains('-')
        && parameter != "Range"
    {
        return ErrorReply::new("MalformedXML", 400, MALFORMED_XML);
    }
    match parameter {
        "x-amz-storage-class" => ErrorReply::new(
            "InvalidStorageClass",
            400,
            "The storage class you specified is not valid",
        )
        .with("StorageClassRequested", value),
        "encoding-type" => ErrorReply::new(
            "InvalidArgument",
            400,
            "Invalid Encoding Method specified in Request",
        )
        .with("ArgumentName", parameter)
        .with("ArgumentValue", value),
        "x-amz-acl" => ErrorReply::new("InvalidArgument", 400, "")
            .with("ArgumentName", parameter)
            .with("ArgumentValue", value),
        _ => ErrorReply::new(
            "InvalidArgument",
            400,
            format!("Argument {parameter} is not valid."),
        )
        .with("ArgumentName", parameter)
        .with("ArgumentValue", value),
    }
}

fn malformed(reason: &str, service: Service) -> ErrorReply {
    match voice(service) {
        Voice::Ec2 | Voice::Query | Voice::Sns => {
            ErrorReply::new("MalformedQueryString", 400, reason)
        }
        Voice::Route53 => ErrorReply::new("MalformedInput", 400, reason),
        Voice::S3 | Voice::S3Control => ErrorReply::new("MalformedXML", 400, MALFORMED_XML),
        Voice::Json => ErrorReply::new("SerializationException", 400, reason),
    }
}

fn too_large(what: &str, service: Service) -> ErrorReply {
    let text = format!("The request is too large: {what}");
    match voice(service) {
        Voice::Ec2 => ErrorReply::new("InvalidParameterValue", 400, text),
        Voice::S3 | Voice::S3Control => ErrorReply::new(
            "MaxMessageLengthExceeded",
            400,
            "Your request was too large.",
        ),
        Voice::Json => ErrorReply::new("RequestEntityTooLargeException", 413, text),
        _ => ErrorReply::new("RequestEntityTooLarge", 413, text),
    }
}
