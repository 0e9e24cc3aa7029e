//! Replies: the envelope of each protocol around the values.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA256, digest};

use super::json::JsonWriter;
use super::xml_out::{XmlWriter, moment};
use super::{HttpReply, OperationRef};
use crate::tables::{
    Kind, Location, Member, Operation, Protocol, Service, Structure, Table, TimeForm,
};
use crate::value::{Map, Value};

type Header = (Cow<'static, str>, String);

/// Writes the reply of `op`.
pub(super) fn encode(op: &OperationRef, output: &Value, request_id: &str) -> HttpReply {
    static NOTHING: Map = Map::new();
    let service = op.service();
    let (Some(table), Some(row)) = (service.table(), op.table()) else {
        let mut writer = JsonWriter {
            table: None,
            out: Vec::new(),
        };
        match output {
            Value::Null => writer.out.extend_from_slice(b"{}"),
            value => writer.value(None, value),
        }
        return json_reply("1.1", 200, writer.out, request_id);
    };
    let map = output.map().unwrap_or(&NOTHING);
    match service.protocol() {
        Protocol::Ec2 => ec2(table, row, map, request_id),
        Protocol::Query => query(table, row, map, request_id),
        Protocol::RestXml => rest(table, row, map, request_id),
        Protocol::Json => json(table, row, output, request_id),
    }
}

fn output_structure(table: &'static Table, op: &Operation) -> Option<&'static Structure> {
    op.output
        .map(|id| table.shape(id))
        .and_then(|shape| shape.structure())
}

fn ec2(table: &'static Table, op: &Operation, map: &Map, request_id: &str) -> HttpReply {
    let mut xml = XmlWriter::new(table.service);
    let root = format!("{}Response", op.name);
    xml.open_with(&root, "xmlns", table.namespace);
    xml.leaf("requestId", request_id);
    match output_structure(table, op) {
        Some(structure) => {
            xml.members(table, structure, map);
            // A success says so wherever the operation has a place for it.
            let said = structure.members.iter().find(|m| m.wire == "return");
            if said.is_some_and(|member| map.get(member.name).is_none_or(Value::is_null)) {
                xml.leaf("return", "true");
            }
        }
        None => xml.leaf("return", "true"),
    }
    xml.close(&root);
    xml_reply(table.service, 200, xml.out, request_id)
}

fn query(table: &'static Table, op: &Operation, map: &Map, request_id: &str) -> HttpReply {
    let mut xml = XmlWriter::new(table.service);
    let root = format!("{}Response", op.name);
    xml.open_with(&root, "xmlns", table.namespace);
    if let (Some(structure), Some(wrapper)) = (output_structure(table, op), op.output_root) {
        xml.open(wrapper);
        xml.members(table, structure, map);
        xml.close(wrapper);
    }
    xml.open("ResponseMetadata");
    xml.leaf("RequestId", request_id);
    xml.close("ResponseMetadata");
    xml.close(&root);
    xml_reply(table.service, op.status, xml.out, request_id)
}

fn json(table: &'static Table, op: &Operation, output: &Value, request_id: &str) -> HttpReply {
    let mut writer = JsonWriter {
        table: Some(table),
        out: Vec::new(),
    };
    match output_structure(table, op) {
        Some(structure) => writer.structure(structure, output),
        None => writer.out.extend_from_slice(b"{}"),
    }
    json_reply(table.json_version, op.status, writer.out, request_id)
}

fn rest(table: &'static Table, op: &Operation, map: &Map, request_id: &str) -> HttpReply {
    let mut reply = HttpReply {
        status: op.status,
        ..HttpReply::default()
    };
    let Some(structure) = output_structure(table, op) else {
        reply.headers = identity(table.service, request_id);
        return reply;
    };
    let mut content_type = None;
    if let Some(payload) = structure.payload_member() {
        content_type = payload_body(table, op, payload, map, &mut reply.body);
    } else if structure
        .members
        .iter()
        .any(|m| m.location == Location::Body)
    {
        let root = op.output_root.unwrap_or(op.name);
        let mut xml = XmlWriter::new(table.service);
        xml.open_with(root, "xmlns", table.namespace);
        match bare(table, structure, root) {
            Some(member) => {
                let value = map.get(member.name).unwrap_or(&Value::Null);
                xml.scalar(&table.shape(member.shape).kind, member.time, value);
            }
            None => xml.members(table, structure, map),
        }
        xml.close(root);
        reply.body = xml.out;
        content_type = Some(xml_type(table.service));
    }
    if let Some(text) = content_type {
        reply.headers.push(("content-type".into(), text.to_owned()));
    }
    for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
        if let Some(member) = structure.member(name) {
            travel(table, member, value, &mut reply);
        }
    }
    reply.headers.extend(identity(table.service, request_id));
    reply
}

/// The member whose text is the whole document: an output whose only member is named like its root
/// (GetBucketLocation).
fn bare(table: &Table, structure: &'static Structure, root: &str) -> Option<&'static Member> {
    let mut members = structure
        .members
        .iter()
        .filter(|m| m.location == Location::Body);
    let only = members.next().filter(|member| member.wire == root)?;
    let scalar = matches!(table.shape(only.shape).kind, Kind::String { .. });
    (scalar && members.next().is_none()).then_some(only)
}

/// Writes the payload member; returns the body's type where the protocol decides it.
fn payload_body(
    table: &'static Table,
    op: &Operation,
    member: &Member,
    map: &Map,
    body: &mut Vec<u8>,
) -> Option<&'static str> {
    let value = map.get(member.name)?;
    match (&table.shape(member.shape).kind, value) {
        (Kind::Structure(structure), Value::Map(map)) if !structure.event_stream => {
            let root = op.output_root.unwrap_or(member.wire);
            let mut xml = XmlWriter::new(table.service);
            xml.open_with(root, "xmlns", table.namespace);
            xml.members(table, structure, map);
            xml.close(root);
            *body = xml.out;
            Some(xml_type(table.service))
        }
        (Kind::String { .. }, Value::Str(text)) => {
            *body = text.clone().into_bytes();
            // The only documents that S3 hands out raw are policies.
            Some("application/json")
        }
        (_, Value::Blob(bytes)) => {
            body.clone_from(bytes);
            None
        }
        _ => None,
    }
}

/// Writes a member that travels outside the body.
fn travel(table: &Table, member: &Member, value: &Value, reply: &mut HttpReply) {
    match member.location {
        Location::Header => {
            if let Some(text) = header_text(table, member, value) {
                push(&mut reply.headers, lower(member.wire), text);
            }
        }
        Location::Headers => {
            for (name, value) in value.map().into_iter().flat_map(Map::iter) {
                if let Some(text) = value.str() {
                    let name = format!("{}{name}", member.wire).to_ascii_lowercase();
                    push(&mut reply.headers, name.into(), text.to_owned());
                }
            }
        }
        Location::Status => {
            if let Some(status) = value.int().and_then(|n| u16::try_from(n).ok()) {
                reply.status = status;
            }
        }
        _ => {}
    }
}

fn lower(name: &'static str) -> Cow<'static, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// Adds a header, if name and value can be one: a value that could end its line would let a caller
/// write headers of the reply.
fn push(headers: &mut Vec<Header>, name: Cow<'static, str>, value: String) {
    let name_fine = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let value_fine = value
        .bytes()
        .all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f));
    if name_fine && value_fine {
        headers.push((name, value));
    }
}

fn header_text(table: &Table, member: &Member, value: &Value) -> Option<String> {
    Some(match value {
        Value::Str(text) => text.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Blob(bytes) => STANDARD.encode(bytes),
        Value::Time { millis } => {
            let kind = &table.shape(member.shape).kind;
            moment(*millis, kind, member.time, TimeForm::Rfc822, true)
        }
        Value::List(items) => items
            .iter()
            .filter_map(Value::str)
            .collect::<Vec<&str>>()
            .join(","),
        Value::Null | Value::Map(_) => return None,
    })
}

fn xml_type(service: Service) -> &'static str {
    match service {
        Service::Ec2 => "text/xml;charset=UTF-8",
        Service::S3 | Service::S3Control => "application/xml",
        _ => "text/xml",
    }
}

/// The headers that name the request.
fn identity(service: Service, request_id: &str) -> Vec<Header> {
    match service {
        Service::S3 | Service::S3Control => vec![
            ("x-amz-request-id".into(), request_id.to_owned()),
            ("x-amz-id-2".into(), host_id(request_id)),
        ],
        _ => vec![("x-amzn-requestid".into(), request_id.to_owned())],
    }
}

/// S3's second request id: opaque, 76 characters, the same for the same request.
pub(super) fn host_id(request_id: &str) -> String {
    let first = digest(&SHA256, request_id.as_bytes());
    let second = digest(&SHA256, first.as_ref());
    let mut bytes = first.as_ref().to_vec();
    bytes.extend_from_slice(second.as_ref());
    bytes.truncate(57);
    STANDARD.encode(bytes)
}

pub(super) fn xml_reply(
    service: Service,
    status: u16,
    body: Vec<u8>,
    request_id: &str,
) -> HttpReply {
    let mut headers: Vec<Header> = vec![("content-type".into(), xml_type(service).to_owned())];
    if service == Service::Ec2 {
        headers.push(("cache-control".into(), "no-cache, no-store".to_owned()));
    }
    headers.extend(identity(service, request_id));
    HttpReply {
        status,
        headers,
        body,
    }
}

pub(super) fn json_reply(version: &str, status: u16, body: Vec<u8>, request_id: &str) -> HttpReply {
    let headers = vec![
        (
            "content-type".into(),
            format!("application/x-amz-json-{version}"),
        ),
        ("x-amzn-requestid".into(), request_id.to_owned()),
    ];
    HttpReply {
        status,
        headers,
        body,
    }
}
