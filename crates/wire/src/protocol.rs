//! Requests into values, values into replies, for every protocol in [`crate::tables`].

use std::borrow::Cow;

mod check;
mod encode;
mod errors;
mod json;
mod params;
pub(crate) mod rest;
pub(crate) mod route;
mod scalar;
pub(crate) mod text;
pub(crate) mod xml_in;
pub(crate) mod xml_out;

pub use text::percent_encoded;

use crate::request::Parts;
use crate::tables::{Operation, Protocol, Service, Table};
use crate::value::Value;

/// An operation of a service, recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationRef {
    service: Service,
    name: Cow<'static, str>,
}

impl OperationRef {
    /// The operation `name` of `service`, if the table has it. For [`Service::Adit`], any
    /// alphanumeric name of at most 64 characters.
    pub fn find(service: Service, name: &str) -> Option<OperationRef> {
        match service.table() {
            Some(table) => table.operation(name).map(|op| OperationRef {
                service,
                name: op.name.into(),
            }),
            None => {
                let fine = !name.is_empty()
                    && name.len() <= 64
                    && name.bytes().all(|b| b.is_ascii_alphanumeric());
                fine.then(|| OperationRef {
                    service,
                    name: name.to_owned().into(),
                })
            }
        }
    }

    /// The service.
    pub fn service(&self) -> Service {
        self.service
    }

    /// The name in the API reference.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The row of the table; `None` for [`Service::Adit`].
    pub fn table(&self) -> Option<&'static Operation> {
        self.service
            .table()
            .and_then(|table| table.operation(&self.name))
    }
}

/// A reply as plain parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpReply {
    /// Status code.
    pub status: u16,
    /// Header fields; names in lower case. `content-length` is left to the HTTP library.
    pub headers: Vec<(Cow<'static, str>, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpReply {
    /// The first header `name` (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// An error as a service tells it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ErrorReply {
    /// AWS's code, `InvalidParameterValue`.
    pub code: Cow<'static, str>,
    /// AWS's text.
    pub message: String,
    /// HTTP status.
    pub status: u16,
    /// Further elements in order, `BucketName` and the like. Ignored where the form has no room.
    pub fields: Vec<(Cow<'static, str>, String)>,
    /// Header fields of the reply, `x-amz-bucket-region` and the like.
    pub headers: Vec<(Cow<'static, str>, String)>,
}

impl ErrorReply {
    /// An error with a code, status and message.
    pub fn new(
        code: impl Into<Cow<'static, str>>,
        status: u16,
        message: impl Into<String>,
    ) -> ErrorReply {
        ErrorReply {
            code: code.into(),
            message: message.into(),
            status,
            ..ErrorReply::default()
        }
    }

    /// Adds an element.
    #[must_use]
    pub fn with(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<String>,
    ) -> ErrorReply {
        self.fields.push((name.into(), value.into()));
        self
    }
}

/// Why a request was not understood. [`WireError::reply`] says it in the service's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// Neither the table nor the list of known operations has it.
    #[error("no operation `{name}`")]
    NoSuchOperation {
        /// What was asked for.
        name: String,
    },
    /// AWS has the operation; it is not built here.
    #[error("operation `{name}` is known to AWS but not built here")]
    NotBuilt {
        /// What was asked for.
        name: String,
    },
    /// Nothing says which operation is meant.
    #[error("the request names no operation")]
    MissingAction,
    /// A version of the API that is not served.
    #[error("no version `{version}`")]
    NoSuchVersion {
        /// What was asked for.
        version: String,
    },
    /// A required parameter is absent.
    #[error("parameter `{parameter}` is missing")]
    MissingParameter {
        /// Its wire name, with the path to it.
        parameter: String,
    },
    /// A parameter that the operation does not have.
    #[error("parameter `{parameter}` is not known")]
    UnknownParameter {
        /// Its wire name as sent.
        parameter: String,
    },
    /// A value of the wrong kind, or outside what is allowed.
    #[error("value `{value}` of parameter `{parameter}` is not valid: {expected}")]
    InvalidValue {
        /// Wire name, with the path to it.
        parameter: String,
        /// The value, shortened; empty for a sensitive member.
        value: String,
        /// What would have been fine, in words.
        expected: String,
    },
    /// The body or the parameters cannot be read at all.
    #[error("the request cannot be read: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// Larger or deeper than any sensible request.
    #[error("the request is too large: {what}")]
    TooLarge {
        /// Which bound was passed.
        what: &'static str,
    },
    /// S3: a sub-resource or method that has no operation.
    #[error("no operation for method {method} with `{resource}`")]
    NotImplemented {
        /// The method.
        method: String,
        /// The sub-resource, or the kind of resource.
        resource: String,
    },
}

/// Names the operation of a request to `service`.
///
/// For S3 this looks at the path alone, as if path-style; the front door uses
/// [`crate::s3::recognise`] with the address it found.
///
/// # Errors
/// [`WireError::NoSuchOperation`], [`WireError::NotBuilt`], [`WireError::MissingAction`], or
/// [`WireError::Malformed`] when the parameters cannot be read.
pub fn identify(service: Service, parts: &Parts<'_>) -> Result<OperationRef, WireError> {
    let Some(table) = service.table() else {
        return target(service, parts, "Adit");
    };
    match service.protocol() {
        Protocol::Ec2 | Protocol::Query => {
            let all = params::read(parts)?;
            let (action, version) = params::action(&all);
            if let Some(version) = version
                && !version_fits(table, version)
            {
                return Err(WireError::NoSuchVersion {
                    version: text::shortened(version),
                });
            }
            named(service, table, action.ok_or(WireError::MissingAction)?)
        }
        Protocol::Json => target(service, parts, table.target_prefix),
        Protocol::RestXml if service == Service::S3 => {
            crate::s3::recognise_path(parts).map(|(op, _)| op)
        }
        Protocol::RestXml => match route::find(table, parts) {
            Some(op) => Ok(OperationRef {
                service,
                name: op.name.into(),
            }),
            None => Err(WireError::NoSuchOperation {
                name: text::shortened(&format!("{} {}", parts.method, parts.path)),
            }),
        },
    }
}

/// EC2 clients may ask for an older version; the form is the same.
fn version_fits(table: &Table, version: &str) -> bool {
    let date = version.len() == 10
        && version.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
    match table.service {
        Service::Ec2 => date && version <= table.version,
        _ => version == table.version,
    }
}

fn named(service: Service, table: &'static Table, name: &str) -> Result<OperationRef, WireError> {
    match table.operation(name) {
        Some(op) => Ok(OperationRef {
            service,
            name: op.name.into(),
        }),
        None if table.knows(name) => Err(WireError::NotBuilt {
            name: name.to_owned(),
        }),
        None => Err(WireError::NoSuchOperation {
            name: text::shortened(name),
        }),
    }
}

fn target(service: Service, parts: &Parts<'_>, prefix: &str) -> Result<OperationRef, WireError> {
    let target = parts
        .headers
        .get("x-amz-target")
        .ok_or(WireError::MissingAction)?;
    if parts.method != "POST" {
        return Err(WireError::Malformed {
            reason: "the method must be POST".to_owned(),
        });
    }
    let unknown = || WireError::NoSuchOperation {
        name: text::shortened(target),
    };
    let name = target
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('.'))
        .ok_or_else(unknown)?;
    match service.table() {
        Some(table) => named(service, table, name),
        None => OperationRef::find(service, name).ok_or_else(unknown),
    }
}

/// Reads the input of `op`, validated against its table: a map keyed by member names.
///
/// # Errors
/// Any other [`WireError`].
pub fn decode(op: &OperationRef, parts: &Parts<'_>) -> Result<Value, WireError> {
    let (Some(table), Some(row)) = (op.service.table(), op.table()) else {
        return json::decode_free(parts);
    };
    match op.service.protocol() {
        Protocol::Ec2 | Protocol::Query => params::decode(table, row, parts),
        Protocol::Json => json::decode(table, row, parts),
        Protocol::RestXml if op.service == Service::S3 => crate::s3::decode_path(op, parts),
        Protocol::RestXml => rest::decode(table, row, &rest::labels(row, parts)?, parts),
    }
}

/// Writes the reply of `op`. Members that the table does not know are left out, see
/// [`unknown_members`]; so are members that are `Null`.
///
/// For [`Service::Adit`] the output is written as it is, moments as ISO 8601.
pub fn encode(op: &OperationRef, output: &Value, request_id: &str) -> HttpReply {
    encode::encode(op, output, request_id)
}

/// Paths of members in `output` that the table of `op` does not have, or has with another kind.
/// Empty for a sound output: meant for tests of operations.
pub fn unknown_members(op: &OperationRef, output: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if let (Some(table), Some(row)) = (op.service.table(), op.table()) {
        match row.output {
            Some(id) => check::check(table, table.shape(id), output, row.name, &mut wrong),
            None if output.map().is_some_and(|map| !map.is_empty()) => {
                wrong.push(format!("{}: has no output", row.name));
            }
            None => {}
        }
    }
    wrong
}

/// Writes an error in the form of `service`. The reply to a `HEAD` request must go without its body.
pub fn encode_error(service: Service, error: &ErrorReply, request_id: &str) -> HttpReply {
    errors::encode(service, error, request_id)
}

impl WireError {
    /// The error in the code, status and wording of `service`.
    pub fn reply(&self, service: Service) -> ErrorReply {
        errors::reply(self, service)
    }
}
