//! What a caller did wrong or may not do, in AWS's words.

use std::borrow::Cow;

use adit_wire::ErrorReply;

/// A refusal: nothing was changed. The code says what kind, the message names field and value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// AWS's code.
    pub code: Cow<'static, str>,
    /// What is wrong, for people.
    pub message: String,
    /// HTTP status.
    pub status: u16,
    /// Further elements of the error form.
    pub fields: Vec<(Cow<'static, str>, String)>,
}

impl Refusal {
    /// A refusal with the status that goes with its code.
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Refusal {
        let code = code.into();
        Refusal {
            status: status(&code),
            message: message.into(),
            code,
            fields: Vec::new(),
        }
    }

    /// With a status of its own.
    #[must_use]
    pub fn status(mut self, status: u16) -> Refusal {
        self.status = status;
        self
    }

    /// With a further element.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) -> Refusal {
        self.fields.push((name.into(), value.into()));
        self
    }

    /// `InvalidParameterValue`.
    pub fn invalid_value(message: impl Into<String>) -> Refusal {
        Refusal::new("InvalidParameterValue", message)
    }

    /// `InvalidParameter`.
    pub fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new("InvalidParameter", message)
    }

    /// `InvalidParameterCombination`.
    pub fn combination(message: impl Into<String>) -> Refusal {
        Refusal::new("InvalidParameterCombination", message)
    }

    /// `MissingParameter`.
    pub fn missing(parameter: &str) -> Refusal {
        Refusal::new(
            "MissingParameter",
            format!("The request must contain the parameter {parameter}"),
        )
    }

    /// `DependencyViolation`: `what` is `subnet 'subnet-…'` and the like.
    pub fn dependency(what: &str) -> Refusal {
        Refusal::new(
            "DependencyViolation",
            format!("The {what} has dependencies and cannot be deleted."),
        )
    }

    /// A part of an operation that is not built.
    pub fn unsupported(message: impl Into<String>) -> Refusal {
        Refusal::new("UnsupportedOperation", message)
    }
}

/// The status a code goes with; 400 is nearly always right [ec2-api §1].
fn status(code: &str) -> u16 {
    match code {
        "AuthFailure" => 401,
        "UnauthorizedOperation" | "OptInRequired" | "AccessDenied" | "AuthorizationError" => 403,
        _ if code.starts_with("NoSuch") || code.ends_with("NotFoundError") => 404,
        "EntityAlreadyExists" | "DeleteConflict" | "LimitExceeded" => 409,
        "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "BucketNotEmpty"
        | "InvalidBucketState"
        | "OperationAborted" => 409,
        "DryRunOperation" => 412,
        "MethodNotAllowed" => 405,
        "NotImplemented" => 501,
        "InternalError" | "InternalFailure" => 500,
        "ServiceUnavailable" | "RequestLimitExceeded" => 503,
        _ => 400,
    }
}

impl From<Refusal> for ErrorReply {
    fn from(refusal: Refusal) -> ErrorReply {
        let mut reply = ErrorReply::new(refusal.code, refusal.status, refusal.message);
        reply.fields = refusal.fields;
        reply
    }
}
