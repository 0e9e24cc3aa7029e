//! What a policy is attached to: its place decides its grammar, its size and what its statements can
//! match.

/// The place of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// Attached to a user, group or role: inline or managed. No `Principal`.
    Identity,
    /// The policy of an S3 bucket.
    Bucket,
    /// The policy of an S3 access point.
    AccessPoint,
    /// The policy of a VPC endpoint: a filter, grants nothing.
    VpcEndpoint {
        /// A gateway endpoint, where an account in `Principal` means its root user only.
        gateway: bool,
        /// The endpoint's service as actions name it (`s3`). Statements about other services have
        /// no effect. Empty: every service, for use without a known endpoint.
        service: &'static str,
    },
    /// A permissions boundary.
    Boundary,
    /// A session policy passed when a role was assumed.
    Session,
    /// A service control policy of an organisation.
    ServiceControl,
    /// A resource control policy of an organisation.
    ResourceControl,
    /// A role's trust policy: has no `Resource`, and must allow for a role to be assumed.
    Trust,
    /// The policy of some other resource (topic, queue, key, endpoint service notifications).
    Resource,
}

impl PolicyKind {
    /// The policy of an S3 gateway endpoint.
    pub const S3_GATEWAY: PolicyKind = PolicyKind::VpcEndpoint {
        gateway: true,
        service: "s3",
    };
    /// The policy of an S3 interface endpoint.
    pub const S3_INTERFACE: PolicyKind = PolicyKind::VpcEndpoint {
        gateway: false,
        service: "s3",
    };

    /// Whether statements name a principal. Where not, the principal is whom it is attached to.
    pub fn has_principal(self) -> bool {
        match self {
            PolicyKind::Bucket
            | PolicyKind::AccessPoint
            | PolicyKind::VpcEndpoint { .. }
            | PolicyKind::ResourceControl
            | PolicyKind::Trust
            | PolicyKind::Resource => true,
            PolicyKind::Identity
            | PolicyKind::Boundary
            | PolicyKind::Session
            | PolicyKind::ServiceControl => false,
        }
    }

    /// Whether statements name a resource.
    pub fn has_resource(self) -> bool {
        self != PolicyKind::Trust
    }

    /// AWS's size limit in characters, and whether white space counts.
    ///
    /// For `Identity` it is that of a managed policy. What all inline policies of one user (2,048),
    /// group (5,120) or role (10,240) may hold together is for their owner to add up.
    pub fn size_limit(self) -> SizeLimit {
        let (characters, white_space_counts) = match self {
            PolicyKind::Bucket | PolicyKind::AccessPoint | PolicyKind::VpcEndpoint { .. } => {
                (20_480, true)
            }
            PolicyKind::Resource => (32_768, true),
            PolicyKind::Identity | PolicyKind::Boundary => (6_144, false),
            PolicyKind::Session | PolicyKind::Trust => (2_048, false),
            PolicyKind::ServiceControl | PolicyKind::ResourceControl => (5_120, true),
        };
        SizeLimit {
            characters,
            white_space_counts,
        }
    }

    /// How AWS's denial messages name the kind.
    pub fn noun(self) -> &'static str {
        match self {
            PolicyKind::Identity => "identity-based policy",
            PolicyKind::Bucket | PolicyKind::AccessPoint | PolicyKind::Resource => {
                "resource-based policy"
            }
            PolicyKind::VpcEndpoint { .. } => "VPC endpoint policy",
            PolicyKind::Boundary => "permissions boundary",
            PolicyKind::Session => "session policy",
            PolicyKind::ServiceControl => "service control policy",
            PolicyKind::ResourceControl => "resource control policy",
            PolicyKind::Trust => "role trust policy",
        }
    }
}

/// How large a policy may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeLimit {
    /// Most characters that AWS stores.
    pub characters: usize,
    /// Whether white space counts.
    pub white_space_counts: bool,
}
