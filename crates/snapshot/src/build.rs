//! From intent to snapshot: the whole world at first, then what each transaction touched.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, LazyLock, OnceLock};

use adit_model::*;
use adit_policy::{Policy, PolicyKind};
use rpds::RedBlackTreeMapSync;

use crate::bucket::BucketSettings;
use crate::identity::{IdentityView, KeyView, Named};
use crate::names;
use crate::vpc::{Problem, VpcView, neighbours};

/// A VPC's view, built when somebody first looks at it: what changes again before that costs
/// nothing. Any intent from its generation on until it is touched again builds the same.
struct LazyVpc {
    id: VpcId,
    generation: Generation,
    view: OnceLock<Option<Arc<VpcView>>>,
}

impl LazyVpc {
    fn get(&self, intent: &Intent) -> Option<&Arc<VpcView>> {
        let build = || {
            let mut view = VpcView::build(intent, &self.id)?;
            view.generation = self.generation;
            Some(Arc::new(view))
        };
        self.view.get_or_init(build).as_ref()
    }
}

pub(crate) type Views<V> = RedBlackTreeMapSync<String, Arc<V>>;

/// The built world of one generation; immutable, and cheap to clone.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// The generation it is built from.
    pub generation: Generation,
    /// The intent it is built from.
    pub intent: Arc<Intent>,
    vpcs: Views<LazyVpc>,
    endpoints: Views<EndpointView>,
    /// The last generation that changed who may act.
    pub(crate) identities: Generation,
    pub(crate) keys: Views<KeyView>,
    pub(crate) users: Views<IdentityView>,
    pub(crate) groups: Views<Named>,
    pub(crate) roles: Views<IdentityView>,
    pub(crate) managed: Views<PolicyState>,
    /// ARNs of managed policies by their keys.
    pub(crate) managed_arns: Views<String>,
    buckets: Views<BucketView>,
    access_points: Views<AccessPointView>,
    /// Aliases of access points: the keys of these.
    aliases: RedBlackTreeMapSync<String, String>,
}

/// A policy as the builder found it.
#[derive(Debug, Clone)]
pub enum PolicyState {
    /// Ready to be asked.
    Ready(Arc<Policy>),
    /// It does not compile (an older version stored it): it denies everything (fail closed).
    Broken(String),
}

impl PolicyState {
    /// The policy of an endpoint. Nearly all have the default one, which is compiled once.
    fn of_endpoint(endpoint: &VpcEndpoint) -> PolicyState {
        static GATEWAY: LazyLock<PolicyState> =
            LazyLock::new(|| PolicyState::of(DEFAULT_GATEWAY_POLICY, PolicyKind::S3_GATEWAY));
        static INTERFACE: LazyLock<PolicyState> =
            LazyLock::new(|| PolicyState::of(DEFAULT_INTERFACE_POLICY, PolicyKind::S3_INTERFACE));
        let text = endpoint.policy.as_str();
        match endpoint_policy_kind(endpoint) {
            PolicyKind::S3_GATEWAY if text == DEFAULT_GATEWAY_POLICY => GATEWAY.clone(),
            PolicyKind::S3_INTERFACE if text == DEFAULT_INTERFACE_POLICY => INTERFACE.clone(),
            kind => PolicyState::of(text, kind),
        }
    }

    pub(crate) fn of(text: &str, kind: PolicyKind) -> PolicyState {
        match Policy::compile(text, kind) {
            Ok(policy) => PolicyState::Ready(Arc::new(policy)),
            Err(why) => PolicyState::Broken(why.to_string()),
        }
    }
}

/// What the policy of an endpoint is about.
pub fn endpoint_policy_kind(endpoint: &VpcEndpoint) -> PolicyKind {
    PolicyKind::VpcEndpoint {
        gateway: matches!(endpoint.kind, EndpointKind::Gateway { .. }),
        service: match endpoint.serves() {
            Some(Served::S3) => "s3",
            Some(Served::DynamoDb) => "dynamodb",
            // Every service: a customer's is no service of AWS.
            Some(Served::Customer(_)) | None => "",
        },
    }
}

/// An endpoint as requests meet it.
#[derive(Debug, Clone)]
pub struct EndpointView {
    /// The endpoint.
    pub endpoint: Arc<VpcEndpoint>,
    /// The Region of its VPC.
    pub region: Region,
    /// Its policy.
    pub policy: PolicyState,
}

/// A bucket and its policy.
#[derive(Debug, Clone)]
pub struct BucketView {
    /// The bucket.
    pub bucket: Arc<Bucket>,
    /// Its policy, if it has one.
    pub policy: Option<PolicyState>,
    /// Block Public Access of the bucket and of its owner's account together.
    pub block: PublicAccessBlock,
    /// What its documents say.
    pub settings: BucketSettings,
}

impl BucketView {
    /// Whether the bucket has an access control list: its ownership setting says so.
    pub fn has_acls(&self) -> bool {
        self.bucket.ownership != crate::acl::OWNER_ENFORCED
    }

    /// Whether its objects have lists and owners of their own. An upstream's have none: all of them are the
    /// bucket owner's.
    pub fn has_object_acls(&self) -> bool {
        self.has_acls() && self.bucket.origin.is_none()
    }
}

/// An access point and its policy.
#[derive(Debug, Clone)]
pub struct AccessPointView {
    /// The access point.
    pub point: Arc<AccessPoint>,
    /// Its ARN.
    pub arn: String,
    /// Its policy, if it has one.
    pub policy: Option<PolicyState>,
    /// Block Public Access of the access point and of its owner's account together.
    pub block: PublicAccessBlock,
}

/// Builds the whole world.
pub fn build(intent: &Arc<Intent>) -> Snapshot {
    let mut next = Snapshot {
        generation: intent.generation,
        intent: intent.clone(),
        ..Snapshot::default()
    };
    for key in intent.vpcs.keys() {
        next.set_vpc(key);
    }
    for key in intent.vpc_endpoints.keys() {
        next.set_endpoint(key);
    }
    next.build_identities();
    for key in intent.buckets.keys() {
        next.set_bucket(key);
    }
    for key in intent.access_points.keys() {
        next.set_access_point(key);
    }
    next
}

impl Snapshot {
    /// The world of a newer intent: what was touched is rebuilt, the rest is shared.
    pub fn next(&self, intent: &Arc<Intent>) -> Snapshot {
        let Some(touched) = intent.changed_since(self.generation) else {
            return build(intent);
        };
        let mut next = self.clone();
        next.generation = intent.generation;
        next.intent = intent.clone();
        let mut vpcs: BTreeSet<String> = BTreeSet::new();
        for change in touched {
            if let Some(vpc) = &change.vpc {
                vpcs.insert(vpc.to_string());
                vpcs.extend(neighbours(intent, vpc, change.kind));
            }
            match change.kind {
                Kind::VpcEndpoint => next.set_endpoint(&change.key),
                Kind::Vpc => next.set_endpoints_of(&change.key),
                Kind::Bucket => next.set_bucket(&change.key),
                Kind::AccessPoint => next.set_access_point(&change.key),
                Kind::AccountPublicAccessBlock => next.set_s3_of(&change.key),
                // Their blocks are part of every VPC that routes or filters by them.
                Kind::PrefixList => vpcs.extend(intent.vpcs.keys().cloned()),
                Kind::VpnConnection => vpcs.extend(vpcs_of_connection(intent, &change.key)),
                Kind::DhcpOptions => vpcs.extend(vpcs_with_options(intent, &change.key)),
                kind => next.follow_identity(kind, &change.key),
            }
        }
        for vpc in vpcs {
            next.set_vpc(&vpc);
        }
        next
    }

    /// A VPC's view.
    pub fn vpc(&self, id: impl AsRef<str>) -> Option<&Arc<VpcView>> {
        self.vpcs.get(id.as_ref())?.get(&self.intent)
    }

    /// Every VPC's view.
    pub fn vpcs(&self) -> impl Iterator<Item = &Arc<VpcView>> {
        self.vpcs.values().filter_map(|vpc| vpc.get(&self.intent))
    }

    /// An endpoint as requests meet it.
    pub fn endpoint(&self, id: impl AsRef<str>) -> Option<&Arc<EndpointView>> {
        self.endpoints.get(id.as_ref())
    }

    /// Every endpoint.
    pub fn endpoints(&self) -> impl Iterator<Item = &Arc<EndpointView>> {
        self.endpoints.values()
    }

    /// An access key.
    pub fn key(&self, id: &str) -> Option<&Arc<KeyView>> {
        self.keys.get(id)
    }

    /// A bucket.
    pub fn bucket(&self, name: &str) -> Option<&Arc<BucketView>> {
        self.buckets.get(name)
    }

    /// Every bucket.
    pub fn buckets(&self) -> impl Iterator<Item = &Arc<BucketView>> {
        self.buckets.values()
    }

    /// The access point of this account, Region and name.
    pub fn access_point(
        &self,
        owner: &str,
        region: &str,
        name: &str,
    ) -> Option<&Arc<AccessPointView>> {
        self.access_points
            .get(&AccessPoint::key_of(owner, region, name))
    }

    /// The access point with this alias.
    pub fn access_point_alias(&self, alias: &str) -> Option<&Arc<AccessPointView>> {
        self.access_points.get(self.aliases.get(alias)?)
    }

    /// The steady public address of a service (`s3`, `dynamodb`) in a Region: the first host of its
    /// prefix list.
    pub fn service_address(&self, service: &str, region: &Region) -> Option<Ipv4Addr> {
        let name = names::service_name(service, region);
        let list = self
            .intent
            .prefix_lists
            .values()
            .find(|l| l.owner.is_none() && l.name == name)?;
        net::nth(list.ipv4().next()?, 10)
    }

    /// The Region whose S3 has this public address, of either family.
    pub fn region_of_address(&self, address: IpAddr) -> Option<Region> {
        let address = match address {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) => net::public_ipv4(address)?,
        };
        let lists = self
            .intent
            .prefix_lists
            .values()
            .filter(|l| l.owner.is_none());
        let mut lists = lists.filter(|l| l.name.ends_with(".s3"));
        lists
            .find(|l| l.ipv4().any(|block| block.contains(&address)))
            .map(|l| l.region.clone())
    }

    /// Everything that could not be realised.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.vpcs().flat_map(|vpc| vpc.problems.iter())
    }

    fn set_vpc(&mut self, key: &str) {
        let view = self.intent.get::<Vpc>(key).map(|vpc| LazyVpc {
            id: vpc.id.clone(),
            generation: self.generation,
            view: OnceLock::new(),
        });
        put(&mut self.vpcs, key, view);
    }

    fn set_endpoint(&mut self, key: &str) {
        let view = self.intent.get::<VpcEndpoint>(key).and_then(|endpoint| {
            // An endpoint without its VPC serves nobody.
            let region = self.intent.get::<Vpc>(&endpoint.vpc)?.region.clone();
            let policy = PolicyState::of_endpoint(endpoint);
            Some(EndpointView {
                endpoint: endpoint.clone(),
                region,
                policy,
            })
        });
        put(&mut self.endpoints, key, view);
    }

    fn set_endpoints_of(&mut self, vpc: &str) {
        let Ok(vpc) = vpc.parse() else { return };
        let intent = self.intent.clone();
        for endpoint in intent.in_vpc::<VpcEndpoint>(&vpc) {
            self.set_endpoint(endpoint.id.as_str());
        }
    }

    fn set_bucket(&mut self, name: &str) {
        let view = self.intent.get::<Bucket>(name).map(|bucket| BucketView {
            bucket: bucket.clone(),
            policy: bucket
                .policy
                .as_ref()
                .map(|text| PolicyState::of(text, PolicyKind::Bucket)),
            block: bucket
                .public_access_block
                .unwrap_or(PublicAccessBlock::OFF)
                .and(self.account_block(&bucket.owner)),
            settings: BucketSettings::of(&bucket.documents),
        });
        put(&mut self.buckets, name, view);
    }

    fn set_access_point(&mut self, key: &str) {
        if let Some(old) = self.access_points.get(key) {
            self.aliases.remove_mut(&old.point.alias);
        }
        let view = self
            .intent
            .get::<AccessPoint>(key)
            .map(|point| AccessPointView {
                point: point.clone(),
                arn: point.arn(),
                policy: point
                    .policy
                    .as_ref()
                    .map(|text| PolicyState::of(text, PolicyKind::AccessPoint)),
                block: point
                    .public_access_block
                    .and(self.account_block(&point.owner)),
            });
        if let Some(view) = &view {
            self.aliases
                .insert_mut(view.point.alias.clone(), key.to_string());
        }
        put(&mut self.access_points, key, view);
    }

    fn account_block(&self, account: &AccountId) -> PublicAccessBlock {
        self.intent
            .get::<AccountPublicAccessBlock>(account)
            .map_or(PublicAccessBlock::OFF, |kept| kept.block)
    }

    /// Buckets and access points of an account whose Block Public Access changed.
    fn set_s3_of(&mut self, account: &str) {
        let intent = self.intent.clone();
        for bucket in intent.buckets.values() {
            if bucket.owner.as_str() == account {
                self.set_bucket(bucket.name.as_str());
            }
        }
        for (key, point) in intent.access_points.iter() {
            if point.owner.as_str() == account {
                self.set_access_point(key);
            }
        }
    }
}

/// The VPC whose routes a VPN connection is part of. One that is gone had no site any more: whatever
/// took the site away has rebuilt the VPC.
fn vpcs_of_connection(intent: &Intent, key: &str) -> Option<String> {
    let connection = intent.get::<VpnConnection>(key)?;
    let gateway = intent.get::<VpnGateway>(&connection.vpn_gateway)?;
    gateway.attached.as_ref().map(VpcId::to_string)
}

/// The VPCs whose hosts are told a set of DHCP options.
fn vpcs_with_options(intent: &Intent, key: &str) -> Vec<String> {
    let using = intent.vpcs.values();
    let using = using.filter(|vpc| vpc.dhcp_options.as_str() == key);
    using.map(|vpc| vpc.id.to_string()).collect()
}

pub(crate) fn put<V>(views: &mut Views<V>, key: &str, view: Option<V>) {
    match view {
        Some(view) => views.insert_mut(key.to_string(), Arc::new(view)),
        None => {
            views.remove_mut(key);
        }
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Snapshot@{}", self.generation)
    }
}
