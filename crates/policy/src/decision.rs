//! The answer to a request, and which layer gave it.

use std::fmt;

/// A layer that can deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// Service control policies.
    ServiceControl,
    /// Resource control policies.
    ResourceControl,
    /// The VPC endpoint's policy.
    VpcEndpoint,
    /// The resource's policy (and, for implicit denials, its ACL).
    Resource,
    /// The role's trust policy.
    Trust,
    /// The access point's policy.
    AccessPoint,
    /// The access point's network origin: the request did not come from its VPC.
    NetworkOrigin,
    /// S3 Block Public Access (`RestrictPublicBuckets`).
    BlockPublicAccess,
    /// Policies of the caller.
    Identity,
    /// The caller's permissions boundary.
    Boundary,
    /// The session's policies.
    Session,
}

impl Layer {
    /// A stable name for logs: `vpc-endpoint`.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::ServiceControl => "service-control",
            Layer::ResourceControl => "resource-control",
            Layer::VpcEndpoint => "vpc-endpoint",
            Layer::Resource => "resource",
            Layer::Trust => "trust",
            Layer::AccessPoint => "access-point",
            Layer::NetworkOrigin => "network-origin",
            Layer::BlockPublicAccess => "block-public-access",
            Layer::Identity => "identity",
            Layer::Boundary => "boundary",
            Layer::Session => "session",
        }
    }

    /// How AWS's messages name the layer's policy: `identity-based policy`.
    pub fn noun(self) -> &'static str {
        match self {
            Layer::ServiceControl => "service control policy",
            Layer::ResourceControl => "resource control policy",
            Layer::VpcEndpoint => "VPC endpoint policy",
            Layer::Resource
            | Layer::AccessPoint
            | Layer::NetworkOrigin
            | Layer::BlockPublicAccess => "resource-based policy",
            Layer::Trust => "role trust policy",
            Layer::Identity => "identity-based policy",
            Layer::Boundary => "permissions boundary",
            Layer::Session => "session policy",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which layer denied, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The layer; of several that deny, the one that AWS's message would name.
    pub layer: Layer,
    /// Whether it is the access point's half of the request that was denied: then the resource in
    /// messages is the access point's.
    pub through_access_point: bool,
    /// For explicit denials by a statement: position of policy (within the layer, over all levels)
    /// and statement, from 0.
    pub statement: Option<(u32, u32)>,
}

/// Allow, or deny for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Every layer agrees.
    Allow,
    /// The layer had to allow and does not.
    ImplicitDeny(Denial),
    /// A statement with effect Deny matches, or a rule that AWS reports as one.
    ExplicitDeny(Denial),
}

impl Decision {
    /// Whether the request may proceed.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allow)
    }

    /// Whether a Deny statement decided.
    pub fn is_explicit_deny(&self) -> bool {
        matches!(self, Decision::ExplicitDeny(_))
    }

    /// Which layer denied; `None` for an allow.
    pub fn denial(&self) -> Option<&Denial> {
        match self {
            Decision::Allow => None,
            Decision::ImplicitDeny(denial) | Decision::ExplicitDeny(denial) => Some(denial),
        }
    }

    /// `allow`, `implicit-deny` or `explicit-deny`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Decision::Allow => "allow",
            Decision::ImplicitDeny(_) => "implicit-deny",
            Decision::ExplicitDeny(_) => "explicit-deny",
        }
    }
}
