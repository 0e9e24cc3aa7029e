//! The services as data: operations, shapes and wire names of the public AWS service models.
//!
//! The text under `tables/` is written by `cargo xtask wire-tables` from the public models; it holds
//! facts only. A service's table is read on first use; every name in it is a slice of that text.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

mod load;
mod pattern;

/// The services whose protocols are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// EC2, with VPC endpoints.
    Ec2,
    /// IAM.
    Iam,
    /// STS.
    Sts,
    /// Route 53.
    Route53,
    /// Route 53 Resolver.
    Route53Resolver,
    /// S3, service, buckets and objects.
    S3,
    /// S3 Control: access points, jobs, account settings.
    S3Control,
    /// Elastic Load Balancing v2.
    Elbv2,
    /// SNS.
    Sns,
    /// DynamoDB.
    DynamoDb,
    /// Our own operations, JSON without a table.
    Adit,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 11] = [
        Service::Ec2,
        Service::Iam,
        Service::Sts,
        Service::Route53,
        Service::Route53Resolver,
        Service::S3,
        Service::S3Control,
        Service::Elbv2,
        Service::Sns,
        Service::DynamoDb,
        Service::Adit,
    ];

    /// The name in a signature's credential scope. S3 Control signs as `s3`.
    pub fn signing_name(self) -> &'static str {
        match self {
            Service::Ec2 => "ec2",
            Service::Iam => "iam",
            Service::Sts => "sts",
            Service::Route53 => "route53",
            Service::Route53Resolver => "route53resolver",
            Service::S3 | Service::S3Control => "s3",
            Service::Elbv2 => "elasticloadbalancing",
            Service::Sns => "sns",
            Service::DynamoDb => "dynamodb",
            Service::Adit => "adit",
        }
    }

    /// The service of a credential scope. `s3` is [`Service::S3`]: the caller tells S3 Control
    /// apart by host and by the `/v20180820/` path.
    pub fn from_signing_name(name: &str) -> Option<Service> {
        Service::ALL
            .into_iter()
            .find(|service| *service != Service::S3Control && service.signing_name() == name)
    }

    /// The service of a host's first label(s): `ec2.eu-west-1…`, `s3-control…`.
    pub fn from_endpoint_prefix(label: &str) -> Option<Service> {
        match label {
            "s3-control" => Some(Service::S3Control),
            _ => Service::from_signing_name(label),
        }
    }

    /// The name of the service's table, and what the AWS CLI calls it.
    pub fn name(self) -> &'static str {
        match self {
            Service::S3Control => "s3control",
            Service::Elbv2 => "elbv2",
            other => other.signing_name(),
        }
    }

    /// The wire protocol.
    pub fn protocol(self) -> Protocol {
        match self {
            Service::Ec2 => Protocol::Ec2,
            Service::Iam | Service::Sts | Service::Elbv2 | Service::Sns => Protocol::Query,
            Service::Route53 | Service::S3 | Service::S3Control => Protocol::RestXml,
            Service::Route53Resolver | Service::DynamoDb | Service::Adit => Protocol::Json,
        }
    }

    /// The service's table; `None` for [`Service::Adit`].
    pub fn table(self) -> Option<&'static Table> {
        load::table(self)
    }
}

/// How a service is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// EC2's variant of Query: lists always flattened, its own error form.
    Ec2,
    /// AWS Query: form in, XML out.
    Query,
    /// Method and path name the operation; headers and XML carry it.
    RestXml,
    /// JSON 1.0 or 1.1; `X-Amz-Target` names the operation.
    Json,
}

/// One service.
#[derive(Debug)]
pub struct Table {
    /// Which.
    pub service: Service,
    /// API version, as in `Version=2016-11-15`.
    pub version: &'static str,
    /// XML namespace of replies; empty for JSON.
    pub namespace: &'static str,
    /// What precedes the operation in `X-Amz-Target`; empty elsewhere.
    pub target_prefix: &'static str,
    /// `1.0` or `1.1`; empty elsewhere.
    pub json_version: &'static str,
    operations: Vec<Operation>,
    shapes: Vec<Shape>,
    by_name: HashMap<&'static str, usize>,
    known: HashSet<&'static str>,
    routes: crate::protocol::route::Routes,
}

impl Table {
    /// The operation `name`, if its shapes are in the table.
    pub fn operation(&'static self, name: &str) -> Option<&'static Operation> {
        self.operations.get(*self.by_name.get(name)?)
    }

    /// True for every operation of the service, in the table or left out.
    pub fn knows(&self, name: &str) -> bool {
        self.known.contains(name) || self.by_name.contains_key(name)
    }

    /// All operations of the table, by name.
    pub fn operations(&'static self) -> impl Iterator<Item = &'static Operation> {
        self.operations.iter()
    }

    /// All shapes of the table, by name.
    pub fn shapes(&self) -> impl Iterator<Item = &Shape> {
        self.shapes.iter()
    }

    /// Operations by method and path.
    pub(crate) fn routes(&self) -> &crate::protocol::route::Routes {
        &self.routes
    }

    /// An operation by its place in the table.
    pub(crate) fn at(&'static self, index: usize) -> Option<&'static Operation> {
        self.operations.get(index)
    }

    /// A shape by its number.
    pub fn shape(&self, id: ShapeId) -> &Shape {
        static NOTHING: OnceLock<Shape> = OnceLock::new();
        self.shapes
            .get(usize::from(id.0))
            .unwrap_or_else(|| NOTHING.get_or_init(Shape::nothing))
    }
}

/// The number of a shape inside its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ShapeId(pub(crate) u16);

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// The name in the API reference.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// Path template with `{Label}`, `{Label+}` and literal query parameters.
    pub uri: &'static str,
    /// Status of a success.
    pub status: u16,
    /// Shape of the input.
    pub input: Option<ShapeId>,
    /// Shape of the output.
    pub output: Option<ShapeId>,
    /// Element that must wrap the input's body members, where the model names one.
    pub input_root: Option<&'static str>,
    /// Element that wraps a Query result (`AssumeRoleResult`) or the root of a REST-XML reply.
    pub output_root: Option<&'static str>,
    /// Error shapes.
    pub errors: Vec<ShapeId>,
    /// Pagination, where the model has a paginator.
    pub pagination: Option<Pagination>,
    /// The body must carry Content-MD5 or a checksum.
    pub checksum_required: bool,
    /// An older twin that a newer operation replaces on the same method and path.
    pub twin: bool,
}

/// How an operation pages: member names.
#[derive(Debug)]
pub struct Pagination {
    /// Input members that carry the token.
    pub input_tokens: Vec<&'static str>,
    /// Output members (or paths of them) that carry the next token.
    pub output_tokens: Vec<&'static str>,
    /// Input member that limits a page.
    pub limit: Option<&'static str>,
    /// Output members that page.
    pub results: Vec<&'static str>,
    /// Output member that says there is more.
    pub more: Option<&'static str>,
}

/// One shape.
#[derive(Debug)]
pub struct Shape {
    /// Its name in the model.
    pub name: &'static str,
    /// What it is made of.
    pub kind: Kind,
    /// Smallest length, count or number.
    pub min: Option<f64>,
    /// Largest length, count or number.
    pub max: Option<f64>,
    /// Regular expression for text.
    pub pattern: Option<&'static str>,
    /// Must not be logged.
    pub sensitive: bool,
    compiled: OnceLock<Option<pattern::Pattern>>,
}

/// The make of a shape.
#[derive(Debug)]
pub enum Kind {
    /// Named members.
    Structure(Structure),
    /// Items of one shape.
    List {
        /// Shape of an item.
        member: ShapeId,
        /// Element or parameter name of an item; `member` or `item` when the model is silent.
        wire: &'static str,
        /// Items stand directly in the parent.
        flattened: bool,
    },
    /// Text keys, values of one shape.
    Map {
        /// Shape of a key.
        key: ShapeId,
        /// Shape of a value.
        value: ShapeId,
        /// Name of the key's element.
        key_wire: &'static str,
        /// Name of the value's element.
        value_wire: &'static str,
        /// Entries stand directly in the parent.
        flattened: bool,
    },
    /// Text; with the allowed values when it is an enumeration.
    String {
        /// Empty for free text.
        allowed: Vec<&'static str>,
    },
    /// `integer` or `long`.
    Integer,
    /// `float` or `double`.
    Float,
    /// `boolean`.
    Boolean,
    /// Bytes.
    Blob,
    /// A moment, with the form the shape asks for.
    Timestamp(TimeForm),
}

/// How a moment is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeForm {
    /// As the protocol and place ask.
    Default,
    /// ISO 8601.
    Iso8601,
    /// HTTP date.
    Rfc822,
    /// Seconds since the epoch.
    Unix,
}

/// A structure's members.
#[derive(Debug)]
pub struct Structure {
    /// In model order.
    pub members: Vec<Member>,
    /// Name of the member that is the HTTP body.
    pub payload: Option<&'static str>,
    /// Exactly one member may be set.
    pub union: bool,
    /// A stream of events, not a document.
    pub event_stream: bool,
    /// For an error: its code and status.
    pub error: Option<ErrorFacts>,
}

impl Shape {
    /// True unless `text` breaks the shape's pattern. A pattern that is not understood, or none,
    /// is broken by nothing.
    pub fn admits(&self, text: &str) -> bool {
        let Some(pattern) = self.pattern else {
            return true;
        };
        let compiled = self
            .compiled
            .get_or_init(|| pattern::Pattern::parse(pattern));
        compiled
            .as_ref()
            .is_none_or(|pattern| pattern.matches(text))
    }

    /// The structure, if it is one.
    pub fn structure(&self) -> Option<&Structure> {
        match &self.kind {
            Kind::Structure(structure) => Some(structure),
            _ => None,
        }
    }
}

impl Structure {
    /// The member that is the HTTP body.
    pub fn payload_member(&self) -> Option<&Member> {
        self.payload.and_then(|name| self.member(name))
    }

    /// The member `name`.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }
}

/// What an error shape says on the wire.
#[derive(Debug, Clone, Copy)]
pub struct ErrorFacts {
    /// The code.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// True when the caller is at fault.
    pub sender: bool,
}

/// One member of a structure.
#[derive(Debug)]
pub struct Member {
    /// The name in the API reference.
    pub name: &'static str,
    /// Element, attribute, header, JSON or URI name.
    pub wire: &'static str,
    /// Parameter name in ec2 and Query requests.
    pub param: &'static str,
    /// Its shape.
    pub shape: ShapeId,
    /// Where it travels.
    pub location: Location,
    /// Must be given.
    pub required: bool,
    /// The member's list stands flattened although its shape is not.
    pub flattened: bool,
    /// Clients fill it with a fresh token when absent.
    pub idempotency_token: bool,
    /// A body that is not held in memory.
    pub streaming: bool,
    /// Namespace of the element, where the member has one of its own.
    pub namespace: Option<&'static str>,
    /// Prefix and namespace to declare on the element (`xsi`), for an attribute below it.
    pub prefix: Option<(&'static str, &'static str)>,
    /// Form of a moment, where the member has one of its own.
    pub time: TimeForm,
}

/// Where a member travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    /// In the body, or among the parameters.
    Body,
    /// An XML attribute of the parent's element.
    Attribute,
    /// One header.
    Header,
    /// All headers with the member's wire name as prefix.
    Headers,
    /// A query parameter.
    Query,
    /// A label of the path.
    Uri,
    /// The reply's status code.
    Status,
}
