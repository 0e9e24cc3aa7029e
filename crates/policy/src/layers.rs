//! The policies that apply to a request, layer by layer.

use std::sync::Arc;

use crate::keys::Key;
use crate::policy::Policy;

/// Everything that has a say in one request. `Default` is a request over the internet by a caller
/// without identity policies, on a resource without policy: denied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Layers<'a> {
    /// Policies of the user and its groups, or of the role: any may grant.
    pub identity: &'a [Arc<Policy>],
    /// Permissions boundary; `None`: none set. An empty slice allows nothing.
    pub boundary: Option<&'a [Arc<Policy>]>,
    /// Session policies; `None`: none passed. An empty slice allows nothing.
    pub session: Option<&'a [Arc<Policy>]>,
    /// The policy of the bucket, or of whatever the resource is; a role's trust policy for
    /// `sts:AssumeRole`. `None`: the resource has none.
    pub resource: Option<&'a Policy>,
    /// Policy of the VPC endpoint that the request came through (normally exactly one, as
    /// `slice::from_ref`). `None`: not through an endpoint. An empty slice allows nothing.
    pub endpoint: Option<&'a [Arc<Policy>]>,
    /// Set for a request through an S3 access point, which is decided twice: once on the access
    /// point's ARN with its policy, once on the bucket's with the bucket's. Both must allow.
    pub access_point: Option<AccessPoint<'a>>,
    /// Service control policies, one list per level from the organisation's root down to the
    /// caller's account; every level must allow. Empty: no organisation.
    pub service_control: &'a [Vec<Arc<Policy>>],
    /// Resource control policies, one list per level down to the owner's account.
    pub resource_control: &'a [Vec<Arc<Policy>>],
    /// What an S3 ACL grants for this action.
    pub acl: AclGrant,
    /// S3 Block Public Access, the most restrictive of account, bucket and access point.
    pub block_public: BlockPublicAccess,
    /// The owner of an existing object where it is not the bucket's owner: a bucket policy's Allow
    /// does not reach such an object, a Deny does. `None`: the bucket's owner.
    pub object_owner: Option<&'a str>,
}

impl Layers<'_> {
    /// Whether any policy mentions the key, see [`Policy::mentions`].
    pub fn mention(&self, key: Key) -> bool {
        let lists = [
            Some(self.identity),
            self.boundary,
            self.session,
            self.endpoint,
        ];
        let levels = self
            .service_control
            .iter()
            .chain(self.resource_control)
            .flatten();
        let point = self.access_point.and_then(|point| point.policy);
        let mut singles = self.resource.into_iter().chain(point);
        singles.any(|policy| policy.mentions(key))
            || lists
                .into_iter()
                .flatten()
                .flatten()
                .any(|policy| policy.mentions(key))
            || levels.into_iter().any(|policy| policy.mentions(key))
    }
}

/// The access point half of a request.
#[derive(Clone, Copy, Debug)]
pub struct AccessPoint<'a> {
    /// The resource as the access point names it: `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`, or
    /// that with `/object/KEY`.
    pub resource: &'a str,
    /// Its policy; `None`: it has none, and only identity policies can allow.
    pub policy: Option<&'a Policy>,
    /// The only VPC that it may be used from (network origin VPC); `None`: network origin Internet.
    pub vpc: Option<&'a str>,
}

/// Whether an ACL lets the caller do the action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AclGrant {
    /// No grant.
    #[default]
    None,
    /// A grant to the caller's account.
    Account,
    /// A grant to AllUsers or AuthenticatedUsers that the caller belongs to.
    Public,
}

/// The two Block Public Access settings that matter when a request is decided. The other two,
/// `BlockPublicAcls` and `BlockPublicPolicy`, refuse changes: see [`crate::Policy::is_public`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockPublicAccess {
    /// Public ACL grants count as absent.
    pub ignore_public_acls: bool,
    /// A public resource policy serves only callers of the owner's account and AWS services.
    pub restrict_public_buckets: bool,
}
