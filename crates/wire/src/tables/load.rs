//! Reads the text of a table.
//!
//! The text is ours and tested whole; a line that cannot be read is therefore dropped, not an error.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::{
    ErrorFacts, Kind, Location, Member, Operation, Pagination, Service, Shape, ShapeId, Structure,
    Table, TimeForm,
};
use crate::protocol::route::Routes;

/// The table of `service`, read on first use.
pub(super) fn table(service: Service) -> Option<&'static Table> {
    macro_rules! lazily {
        ($($variant:ident => $file:literal,)*) => {
            match service {
                $(Service::$variant => {
                    static TABLE: OnceLock<Table> = OnceLock::new();
                    Some(TABLE.get_or_init(|| {
                        load(service, include_str!(concat!("../../tables/", $file, ".txt")))
                    }))
                })*
                Service::Adit => None,
            }
        };
    }
    lazily! {
        Ec2 => "ec2",
        Iam => "iam",
        Sts => "sts",
        Route53 => "route53",
        Route53Resolver => "route53resolver",
        S3 => "s3",
        S3Control => "s3control",
        Elbv2 => "elbv2",
        Sns => "sns",
        DynamoDb => "dynamodb",
    }
}

/// The fields of a line after its fixed ones: `key=value` and flags.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [&'static str]);

impl Fields<'_> {
    fn get(self, key: &str) -> Option<&'static str> {
        self.0
            .iter()
            .find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(self, flag: &str) -> bool {
        self.0.contains(&flag)
    }

    fn list(self, key: &str) -> Vec<&'static str> {
        self.get(key)
            .map(|text| text.split(',').collect())
            .unwrap_or_default()
    }
}

/// Resolves shape names while a table is read.
struct Names(HashMap<&'static str, ShapeId>);

impl Names {
    fn get(&self, name: Option<&str>) -> Option<ShapeId> {
        self.0.get(name?).copied()
    }
}

fn load(service: Service, text: &'static str) -> Table {
    let lines: Vec<Vec<&'static str>> = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .map(|l| l.split('\t').collect())
        .collect();
    let mut names = Names(HashMap::new());
    for line in &lines {
        if let ["s", name, ..] = line.as_slice()
            && let Ok(number) = u16::try_from(names.0.len())
        {
            names.0.insert(name, ShapeId(number));
        }
    }
    let mut table = Table {
        service,
        version: "",
        namespace: "",
        target_prefix: "",
        json_version: "",
        operations: Vec::new(),
        shapes: Vec::new(),
        by_name: HashMap::new(),
        known: HashSet::new(),
        routes: Routes::default(),
    };
    for line in &lines {
        match line.as_slice() {
            ["service", version, rest @ ..] => {
                let fields = Fields(rest);
                table.version = version;
                table.namespace = fields.get("ns").unwrap_or_default();
                table.target_prefix = fields.get("target").unwrap_or_default();
                table.json_version = fields.get("json").unwrap_or_default();
            }
            ["known", list] => table.known.extend(list.split(' ')),
            ["op", name, method, uri, rest @ ..] => {
                let index = table.operations.len();
                table.by_name.insert(name, index);
                table
                    .operations
                    .push(operation(&names, name, method, uri, Fields(rest)));
            }
            ["s", name, kind, rest @ ..] => {
                table.shapes.push(shape(&names, name, kind, Fields(rest)));
            }
            ["m", name, of, rest @ ..] => {
                if let Some(id) = names.get(Some(of))
                    && let Some(shape) = table.shapes.last_mut()
                    && let Kind::Structure(structure) = &mut shape.kind
                {
                    structure
                        .members
                        .push(member(service, name, id, Fields(rest)));
                }
            }
            _ => {}
        }
    }
    table.routes = Routes::of(&table.operations);
    table
}

fn operation(
    names: &Names,
    name: &'static str,
    method: &'static str,
    uri: &'static str,
    fields: Fields<'_>,
) -> Operation {
    let results = fields.list("presult");
    Operation {
        name,
        method,
        uri,
        status: fields
            .get("status")
            .and_then(|s| s.parse().ok())
            .unwrap_or(200),
        input: names.get(fields.get("in")),
        output: names.get(fields.get("out")),
        input_root: fields.get("root"),
        output_root: fields.get("wrap"),
        errors: fields
            .list("err")
            .into_iter()
            .filter_map(|e| names.get(Some(e)))
            .collect(),
        pagination: (!results.is_empty()).then(|| Pagination {
            input_tokens: fields.list("pin"),
            output_tokens: fields.list("pout"),
            limit: fields.get("plimit"),
            results,
            more: fields.get("pmore"),
        }),
        checksum_required: fields.has("checksum"),
        twin: fields.has("twin"),
    }
}

fn shape(names: &Names, name: &'static str, kind: &str, fields: Fields<'_>) -> Shape {
    let nothing = ShapeId(u16::MAX);
    let kind = match kind {
        "structure" => Kind::Structure(Structure {
            members: Vec::new(),
            payload: fields.get("payload"),
            union: fields.has("union"),
            event_stream: fields.has("eventstream"),
            error: fields.get("error").and_then(error_facts),
        }),
        "list" => Kind::List {
            member: names.get(fields.get("of")).unwrap_or(nothing),
            wire: fields.get("w").unwrap_or("member"),
            flattened: fields.has("flat"),
        },
        "map" => Kind::Map {
            key: names.get(fields.get("key")).unwrap_or(nothing),
            value: names.get(fields.get("of")).unwrap_or(nothing),
            key_wire: fields.get("kw").unwrap_or("key"),
            value_wire: fields.get("vw").unwrap_or("value"),
            flattened: fields.has("flat"),
        },
        "string" | "character" => Kind::String {
            allowed: fields
                .get("enum")
                .map(|e| e.split('|').collect())
                .unwrap_or_default(),
        },
        "integer" => Kind::Integer,
        "float" => Kind::Float,
        "boolean" => Kind::Boolean,
        "timestamp" => Kind::Timestamp(time_form(fields)),
        _ => Kind::Blob,
    };
    Shape {
        name,
        kind,
        min: fields.get("min").and_then(|n| n.parse().ok()),
        max: fields.get("max").and_then(|n| n.parse().ok()),
        pattern: fields.get("pattern"),
        sensitive: fields.has("sensitive"),
        compiled: OnceLock::new(),
    }
}

fn error_facts(text: &'static str) -> Option<ErrorFacts> {
    let mut parts = text.split(',');
    Some(ErrorFacts {
        code: parts.next()?,
        status: parts.next()?.parse().ok()?,
        sender: parts.next()? == "sender",
    })
}

fn time_form(fields: Fields<'_>) -> TimeForm {
    match fields.get("ts") {
        Some("iso8601") => TimeForm::Iso8601,
        Some("rfc822") => TimeForm::Rfc822,
        Some("unixTimestamp") => TimeForm::Unix,
        _ => TimeForm::Default,
    }
}

fn member(service: Service, name: &'static str, shape: ShapeId, fields: Fields<'_>) -> Member {
    let wire = fields.get("w").unwrap_or(name);
    let places = [
        ("@attr", Location::Attribute),
        ("@header", Location::Header),
        ("@headers", Location::Headers),
        ("@query", Location::Query),
        ("@uri", Location::Uri),
        ("@statusCode", Location::Status),
    ];
    Member {
        name,
        wire,
        // ec2's parameter names differ from its element names; the table says where from the
        // member's name too.
        param: fields
            .get("p")
            .unwrap_or(if service == Service::Ec2 { name } else { wire }),
        shape,
        location: places
            .iter()
            .find(|(flag, _)| fields.has(flag))
            .map_or(Location::Body, |(_, place)| *place),
        required: fields.has("!"),
        flattened: fields.has("flat"),
        idempotency_token: fields.has("token"),
        streaming: fields.has("stream"),
        namespace: fields.get("ns"),
        prefix: fields
            .0
            .iter()
            .find_map(|field| field.strip_prefix("xmlns:"))
            .and_then(|declaration| declaration.split_once('=')),
        time: time_form(fields),
    }
}

impl Shape {
    /// Stands in for a number that no table hands out.
    pub(super) fn nothing() -> Shape {
        Shape {
            name: "",
            kind: Kind::Blob,
            min: None,
            max: None,
            pattern: None,
            sensitive: true,
            compiled: OnceLock::new(),
        }
    }
}
