//! Whether a caller may do one action on one resource, and who said no.
//!
//! This is the one place that puts the layers together: identity and bucket policies grant, the
//! endpoint policy filters, an explicit deny anywhere wins. A policy that does not compile denies.

use std::slice;

use adit_model::PublicAccessBlock;
use adit_policy::{
    AccessPoint, AclGrant, Action, BlockPublicAccess, Context, Decision, Denial, Layer, Layers,
    Request, Trace, keys,
};

use crate::build::{AccessPointView, BucketView, EndpointView, PolicyState};
use crate::identity::KeyView;

/// One (action, resource) pair of an S3 request, with everything that has a say in it.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts<'a> {
    /// The endpoint the request came through; none on the public path.
    pub endpoint: Option<&'a EndpointView>,
    /// Who asks; none for an anonymous request.
    pub key: Option<&'a KeyView>,
    /// The bucket concerned; none for requests without one.
    pub bucket: Option<&'a BucketView>,
    /// What is asked.
    pub action: Action<'a>,
    /// The ARN it is asked of.
    pub resource: &'a str,
    /// The condition keys. The network keys of the path are the caller's to set, from the
    /// listener; see [`network_keys`].
    pub context: &'a Context<'a>,
    /// What an ACL grants.
    pub acl: AclGrant,
    /// The account of an object's owner where that is not the bucket's, for actions on what is the
    /// object owner's to give; empty for nobody's account.
    pub object_owner: Option<&'a str>,
    /// The access point that the request came through, and the resource as that names it; none for
    /// requests to the bucket itself.
    pub access_point: Option<(&'a AccessPointView, &'a str)>,
}

/// A caller without credentials.
static ANONYMOUS: std::sync::LazyLock<adit_policy::Principal<'static>> =
    std::sync::LazyLock::new(adit_policy::Principal::anonymous);

impl<'a> RequestFacts<'a> {
    /// The policy engine's form of the question.
    pub fn request(&self) -> Request<'a> {
        Request {
            principal: self.key.map_or(&*ANONYMOUS, |key| &key.principal),
            action: self.action,
            resource: self.resource,
            resource_account: self.bucket.map(|view| view.bucket.owner.as_str()),
            context: self.context,
        }
    }
}

/// Decides one pair. The trace is filled when one is passed.
pub fn request(facts: &RequestFacts<'_>, trace: Option<&mut Trace>) -> Decision {
    match layers(facts) {
        Ok(layers) => adit_policy::decide(&layers, &facts.request(), trace),
        Err(layer) => broken(layer),
    }
}

/// What AWS tells the caller of a denied pair: `User: … is not authorized to perform: …`, or
/// `Access Denied` where AWS says no more.
pub fn message(facts: &RequestFacts<'_>, decision: &Decision) -> String {
    let layers = layers(facts).unwrap_or_default();
    adit_policy::message(decision, &layers, &facts.request(), false)
}

/// Everything that has a say; a layer whose policy does not compile instead.
fn layers<'a>(facts: &RequestFacts<'a>) -> Result<Layers<'a>, Layer> {
    if facts.key.is_some_and(|key| key.broken.is_some()) {
        return Err(Layer::Identity);
    }
    let endpoint = match facts.endpoint.map(|view| &view.policy) {
        None => None,
        Some(PolicyState::Ready(policy)) => Some(slice::from_ref(policy)),
        Some(PolicyState::Broken(_)) => return Err(Layer::VpcEndpoint),
    };
    let resource = match facts.bucket.and_then(|view| view.policy.as_ref()) {
        None => None,
        Some(PolicyState::Ready(policy)) => Some(&**policy),
        Some(PolicyState::Broken(_)) => return Err(Layer::Resource),
    };
    let access_point = match facts.access_point {
        None => None,
        Some((view, resource)) => Some(AccessPoint {
            resource,
            policy: match &view.policy {
                None => None,
                Some(PolicyState::Ready(policy)) => Some(&**policy),
                Some(PolicyState::Broken(_)) => return Err(Layer::AccessPoint),
            },
            vpc: view.point.vpc.as_ref().map(|vpc| vpc.as_str()),
        }),
    };
    let block = [
        facts.bucket.map(|view| view.block),
        facts.access_point.map(|(view, _)| view.block),
    ];
    let block = block
        .into_iter()
        .flatten()
        .fold(PublicAccessBlock::OFF, PublicAccessBlock::and);
    Ok(Layers {
        identity: facts.key.map_or(&[], |key| key.policies()),
        boundary: facts.key.and_then(|key| key.boundary()),
        session: facts.key.and_then(|key| key.session_policies()),
        resource,
        endpoint,
        acl: facts.acl,
        object_owner: facts.object_owner,
        access_point,
        block_public: BlockPublicAccess {
            ignore_public_acls: block.ignore_public_acls,
            restrict_public_buckets: block.restrict_public_buckets,
        },
        ..Layers::default()
    })
}

pub(super) fn broken(layer: Layer) -> Decision {
    Decision::ImplicitDeny(Denial {
        layer,
        through_access_point: false,
        statement: None,
    })
}

/// Sets the keys that say which way a request came: through an endpoint the VPC's, else the
/// public source address. Never both, and never from anything the client said [s3-policy §C.1].
pub fn network_keys<'a>(
    context: &mut Context<'a>,
    endpoint: Option<&'a EndpointView>,
    source: std::net::IpAddr,
) {
    match endpoint {
        Some(view) => {
            let endpoint = &view.endpoint;
            context.set(keys::SOURCE_VPCE, endpoint.id.as_str());
            context.set(keys::SOURCE_VPC, endpoint.vpc.as_str());
            context.set(
                keys::SOURCE_VPC_ARN,
                format!(
                    "arn:aws:ec2:{}:{}:vpc/{}",
                    view.region, endpoint.owner, endpoint.vpc
                ),
            );
            context.set(keys::VPCE_ACCOUNT, endpoint.owner.as_str());
            context.set(keys::VPC_SOURCE_IP, source);
        }
        None => context.set(keys::SOURCE_IP, source),
    }
}
