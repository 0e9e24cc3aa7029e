//! Requests into values, values into replies, for every protocol in [`crate::tables`].

use std::borrow::Cow;

use crate::request::Parts;
use crate::tables::{Operation, Service};
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
    let _ = (service, parts);
    Err(WireError::Malformed {
        reason: "no decoder yet".to_owned(),
    })
}

/// Reads the input of `op`, validated against its table: a map keyed by member names.
///
/// # Errors
/// Any other [`WireError`].
pub fn decode(op: &OperationRef, parts: &Parts<'_>) -> Result<Value, WireError> {
    let _ = (op, parts);
    Err(WireError::Malformed {
        reason: "no decoder yet".to_owned(),
    })
}

/// Writes the reply of `op`. Members that the table does not know are left out, see
/// [`unknown_members`]; so are members that are `Null`.
pub fn encode(op: &OperationRef, output: &Value, request_id: &str) -> HttpReply {
    let _ = (op, output, request_id);
    HttpReply {
        status: 500,
        ..HttpReply::default()
    }
}

/// Paths of members in `output` that the table of `op` does not have, or has with another kind.
/// Empty for a sound output: meant for tests of operations.
pub fn unknown_members(op: &OperationRef, output: &Value) -> Vec<String> {
    let _ = (op, output);
    vec!["no encoder yet".to_owned()]
}

/// Writes an error in the form of `service`. `head` requests get no body from the HTTP layer.
pub fn encode_error(service: Service, error: &ErrorReply, request_id: &str) -> HttpReply {
    let _ = (service, error, request_id);
    HttpReply {
        status: 500,
        ..HttpReply::default()
    }
}

impl WireError {
    /// The error in the code, status and wording of `service`.
    pub fn reply(&self, service: Service) -> ErrorReply {
        let _ = service;
        ErrorReply::new("InternalFailure", 500, self.to_string())
    }
}
