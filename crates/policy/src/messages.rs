//! The texts with which AWS refuses a policy document, by the API that refuses it.
//!
//! Word for word where the text is known; the rest follows its style. What exactly is wrong, and
//! where, is in a finding's `help` and `path`.

use crate::kind::PolicyKind;

/// Which API's words are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `PutBucketPolicy`, `PutAccessPointPolicy`: code `MalformedPolicy`.
    S3,
    /// IAM and STS: code `MalformedPolicyDocument`.
    Iam,
    /// `CreateVpcEndpoint`, `ModifyVpcEndpoint`: code `InvalidPolicyDocument`.
    Ec2,
}

impl Dialect {
    pub(crate) fn of(kind: PolicyKind) -> Dialect {
        match kind {
            PolicyKind::Bucket | PolicyKind::AccessPoint => Dialect::S3,
            PolicyKind::VpcEndpoint { .. } => Dialect::Ec2,
            PolicyKind::Identity
            | PolicyKind::Boundary
            | PolicyKind::Session
            | PolicyKind::ServiceControl
            | PolicyKind::ResourceControl
            | PolicyKind::Trust
            | PolicyKind::Resource => Dialect::Iam,
        }
    }
}

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Problem<'a> {
    FirstByte,
    Json,
    TooLarge,
    UnknownElement(&'a str),
    Syntax,
    Version,
    OldVersion,
    MissingStatement,
    EmptyStatement,
    Missing(&'a str),
    Effect(&'a str),
    Principal,
    ProhibitedPrincipal,
    ProhibitedResource,
    ActionFormat,
    Action,
    Vendor(&'a str),
    Resource(&'a str),
    ResourceMismatch,
    ConditionType(&'a str),
    ConditionKey,
    ConditionMismatch,
    ConditionValue,
    IpAddress,
    SidFormat,
    SidTwice,
    StsOnly,
    Characters,
}

impl Problem<'_> {
    /// A stable name for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Problem::FirstByte => "first-byte",
            Problem::Json => "invalid-json",
            Problem::TooLarge => "too-large",
            Problem::UnknownElement(_) => "unknown-element",
            Problem::Syntax => "syntax",
            Problem::Version => "invalid-version",
            Problem::OldVersion => "old-version",
            Problem::MissingStatement | Problem::Missing(_) => "missing-element",
            Problem::EmptyStatement => "empty-statement",
            Problem::Effect(_) => "invalid-effect",
            Problem::Principal => "invalid-principal",
            Problem::ProhibitedPrincipal => "prohibited-principal",
            Problem::ProhibitedResource => "prohibited-resource",
            Problem::ActionFormat | Problem::Action | Problem::Vendor(_) => "invalid-action",
            Problem::Resource(_) => "invalid-resource",
            Problem::ResourceMismatch => "action-resource-mismatch",
            Problem::ConditionType(_) => "invalid-operator",
            Problem::ConditionKey => "invalid-condition-key",
            Problem::ConditionMismatch => "condition-mismatch",
            Problem::ConditionValue => "invalid-condition-value",
            Problem::IpAddress => "invalid-ip-address",
            Problem::SidFormat => "invalid-sid",
            Problem::SidTwice => "duplicate-sid",
            Problem::StsOnly => "sts-actions-only",
            Problem::Characters => "invalid-characters",
        }
    }

    /// The text; `line` and `column` are those of the place at fault.
    pub(crate) fn text(&self, dialect: Dialect, (line, column): (u32, u32)) -> String {
        match dialect {
            Dialect::S3 => self.s3(),
            Dialect::Iam => self.iam(),
            Dialect::Ec2 => match self {
                Problem::FirstByte | Problem::Json | Problem::Syntax => format!(
                    "The Policy Document is not valid. Syntax error at position ({line},{column})"
                ),
                _ => format!("The Policy Document is not valid. {}", self.s3()),
            },
        }
    }

    fn s3(&self) -> String {
        let fixed = match self {
            Problem::FirstByte => "Policies must be valid JSON and the first byte must be '{'",
            Problem::Json => "This policy contains invalid Json",
            Problem::TooLarge => "Policy exceeds the maximum allowed document size.",
            Problem::Syntax => "The policy is not in the valid JSON format.",
            Problem::Version | Problem::OldVersion => {
                "The policy must contain a valid version string"
            }
            Problem::MissingStatement => "Missing required field Statement",
            Problem::EmptyStatement => "Could not parse the policy: Statement is empty!",
            Problem::Principal | Problem::ProhibitedPrincipal => "Invalid principal in policy",
            Problem::ActionFormat | Problem::Action | Problem::Vendor(_) | Problem::StsOnly => {
                "Policy has invalid action"
            }
            Problem::Resource(_) | Problem::ProhibitedResource => "Policy has invalid resource",
            Problem::ResourceMismatch => "Action does not apply to any resource(s) in statement",
            Problem::ConditionKey => "Policy has an invalid condition key",
            Problem::ConditionMismatch => {
                "Conditions do not apply to combination of actions and resources in statement"
            }
            Problem::ConditionValue => "Policy has an invalid condition value",
            Problem::IpAddress => "Invalid IP address in Conditions",
            Problem::SidFormat => "Policy has invalid Sid",
            Problem::SidTwice => "Policy has duplicate Sid",
            Problem::Characters => "Policy contains invalid characters",
            Problem::UnknownElement(name) => return format!("Unknown field {name}"),
            Problem::Missing(name) => return format!("Missing required field {name}"),
            Problem::Effect(effect) => return format!("Invalid effect: {effect}"),
            Problem::ConditionType(name) => return format!("Invalid Condition type : {name}"),
        };
        fixed.to_owned()
    }

    fn iam(&self) -> String {
        let fixed = match self {
            Problem::FirstByte | Problem::Json => "This policy contains invalid Json",
            Problem::TooLarge => "Cannot exceed quota for PolicySize",
            Problem::OldVersion => "Policy document must be version 2012-10-17 or greater.",
            Problem::Missing("Action") => "Policy statement must contain actions.",
            Problem::Missing("Resource") => "Policy statement must contain resources.",
            Problem::Missing("Principal") => "Missing required field Principal",
            Problem::Principal => "Invalid principal in policy",
            Problem::ProhibitedPrincipal => "Policy document should not specify a principal.",
            Problem::ProhibitedResource => "Has prohibited field Resource",
            Problem::ActionFormat => {
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
            }
            Problem::StsOnly => "AssumeRole policy may only specify STS AssumeRole actions.",
            Problem::SidFormat => {
                "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the \
                 regular expression [0-9A-Za-z]*"
            }
            Problem::SidTwice => "Statement IDs (SID) in a single policy must be unique.",
            Problem::Characters => {
                "The specified value for policyDocument is invalid. It must contain only printable \
                 ASCII characters."
            }
            Problem::Vendor(vendor) => return format!("Vendor {vendor} is not valid"),
            Problem::Resource(resource) => {
                return format!("Resource {resource} must be in ARN format or \"*\".");
            }
            Problem::UnknownElement(_)
            | Problem::Syntax
            | Problem::Version
            | Problem::MissingStatement
            | Problem::EmptyStatement
            | Problem::Missing(_)
            | Problem::Effect(_)
            | Problem::Action
            | Problem::ResourceMismatch
            | Problem::ConditionType(_)
            | Problem::ConditionKey
            | Problem::ConditionMismatch
            | Problem::ConditionValue
            | Problem::IpAddress => "Syntax errors in policy.",
        };
        fixed.to_owned()
    }
}
