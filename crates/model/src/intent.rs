//! All resources as their owners stated them, at one generation, and the draft of the next one.

mod draft;
mod recent;

use std::any::Any;
use std::sync::Arc;

use rpds::RedBlackTreeMapSync;
use serde::{Deserialize, Serialize};

use crate::endpoint::*;
use crate::id::*;
use crate::identity::*;
use crate::job::*;
use crate::names::*;
use crate::network::*;
use crate::query_log::*;
use crate::resources::*;
use crate::s3::*;
use crate::service::*;

pub use draft::{Change, Draft};
use recent::Recent;
pub use recent::Touched;

/// The number of the transaction that made an intent. Nobody bumps it: the store assigns it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// All resources of one kind, in id order; cloning is O(1).
pub type Table<R> = RedBlackTreeMapSync<String, Arc<R>>;

/// An `Arc<R>` of whatever kind.
type Member = Arc<dyn Any + Send + Sync>;

/// A kind of resource that an [`Intent`] holds.
pub trait Resource: Serialize + for<'a> Deserialize<'a> + Send + Sync + Sized + 'static {
    /// Its kind.
    const KIND: Kind;
    /// Its key, unique among its kind.
    fn key(&self) -> String;
    /// The VPC it lives in, if it does: members of a VPC are found without a scan.
    fn vpc(&self) -> Option<&VpcId>;
    /// A second VPC it lives in: a peering connection belongs to two.
    fn other_vpc(&self) -> Option<&VpcId> {
        None
    }
    /// What else it belongs to, by a text of its own choosing: what is related to something is
    /// found without a scan.
    fn relations(&self) -> Vec<String>;
    /// Under which text it is counted, where a count is wanted and a list is not.
    fn counted_as(&self) -> Option<String>;
    /// Where an intent keeps it.
    fn table(intent: &Intent) -> &Table<Self>;
    /// Where an intent keeps it, to be changed by a draft.
    #[doc(hidden)]
    fn table_mut(intent: &mut Intent) -> &mut Table<Self>;
}

/// Why stored text could not become part of an intent.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A kind that this version does not know.
    #[error("unknown resource kind `{0}`")]
    UnknownKind(String),
    /// A body that does not parse as its kind.
    #[error("cannot read {kind} `{key}`")]
    Body {
        /// The kind.
        kind: &'static str,
        /// The key.
        key: String,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

macro_rules! resources {
    ($($field:ident: $type:ident, $name:literal, |$r:ident| $key:expr, $vpc:expr $(, $relations:expr $(, $counted:expr)?)? $(=> $other:expr)?;)*) => {
        /// The kinds of resources.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {$(
            #[doc = concat!("A [`", stringify!($type), "`].")]
            $type,
        )*}

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Kind] = &[$(Kind::$type),*];

            /// The name under which the store keeps it.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$type => $name,)* }
            }
        }

        /// All resources, at one generation. An immutable value; a clone costs nothing.
        #[derive(Clone, Default)]
        pub struct Intent {
            /// The transaction that made it.
            pub generation: Generation,
            $(
                #[doc = concat!("Every [`", stringify!($type), "`].")]
                pub $field: Table<$type>,
            )*
            /// What lives in each VPC: (VPC, kind, key), with the resource itself, so that a VPC is
            /// read without looking every member up.
            members: RedBlackTreeMapSync<(VpcId, Kind, String), Member>,
            /// What belongs to something else: (relation, kind, key).
            related: RedBlackTreeMapSync<(String, Kind, String), ()>,
            /// How many there are of what is only counted.
            tallies: RedBlackTreeMapSync<String, usize>,
            /// What each recent transaction changed, for builders that follow.
            recent: Recent,
        }

        impl Intent {
            /// Adds a resource as the store kept it.
            pub fn load(&mut self, kind: &str, key: &str, body: &str) -> Result<(), LoadError> {
                match kind {
                    $($name => {
                        let resource: $type = serde_json::from_str(body).map_err(|source| {
                            LoadError::Body { kind: $name, key: key.to_string(), source }
                        })?;
                        let resource = Arc::new(resource);
                        let key = resource.key();
                        let old = $type::table(self).get(&key).cloned();
                        self.insert(key, old.as_ref(), resource);
                        Ok(())
                    })*
                    other => Err(LoadError::UnknownKind(other.to_string())),
                }
            }

            /// Every resource as the store keeps it: (kind, key, body), in a fixed order.
            pub fn dump(&self) -> Vec<(Kind, String, String)> {
                let mut rows = Vec::new();
                $(for (key, resource) in self.$field.iter() {
                    rows.push((Kind::$type, key.clone(), body(&**resource)));
                })*
                rows
            }
        }

        impl Draft {
            /// Does again what another node's transaction did, as its store kept it: puts this body,
            /// or removes what has the key.
            pub fn replay(&mut self, kind: &str, key: &str, body: Option<&str>) -> Result<(), LoadError> {
                match (kind, body) {
                    $(($name, Some(body)) => {
                        let resource: $type = serde_json::from_str(body).map_err(|source| {
                            LoadError::Body { kind: $name, key: key.to_string(), source }
                        })?;
                        self.put(resource);
                    })*
                    $(($name, None) => {
                        self.remove::<$type>(key);
                    })*
                    (other, _) => return Err(LoadError::UnknownKind(other.to_string())),
                }
                Ok(())
            }

            /// Removes every resource.
            pub fn clear(&mut self) {
                $(for key in self.$field.keys().cloned().collect::<Vec<_>>() {
                    self.remove::<$type>(key);
                })*
            }
        }

        $(impl Resource for $type {
            const KIND: Kind = Kind::$type;
            fn key(&self) -> String { let $r = self; $key }
            fn vpc(&self) -> Option<&VpcId> { let $r = self; let _ = $r; $vpc }
            $(fn other_vpc(&self) -> Option<&VpcId> { let $r = self; $other })?
            fn relations(&self) -> Vec<String> {
                let $r = self;
                let _ = $r;
                [Vec::new() $(, $relations)?].concat()
            }
            fn counted_as(&self) -> Option<String> {
                let $r = self;
                let _ = $r;
                [None $($(, $counted)?)?].into_iter().flatten().next()
            }
            fn table(intent: &Intent) -> &Table<Self> { &intent.$field }
            fn table_mut(intent: &mut Intent) -> &mut Table<Self> { &mut intent.$field }
        })*
    };
}

resources! {
    installations: Installation, "installation", |r| r.id.clone(), None;
    regions: RegionInfo, "region", |r| r.name.to_string(), None;
    accounts: Account, "account", |r| r.id.to_string(), None;
    access_keys: AccessKey, "access-key", |r| r.id.clone(), None;
    users: User, "user", |r| identity_key(&r.account, &r.name), None;
    groups: Group, "group", |r| identity_key(&r.account, &r.name), None;
    roles: Role, "role", |r| identity_key(&r.account, &r.name), None;
    managed_policies: ManagedPolicy, "managed-policy", |r| identity_key(&r.account, &r.name), None;
    key_uses: KeyUse, "key-use", |r| r.key.clone(), None;
    account_aliases: AccountAlias, "account-alias", |r| r.account.to_string(), None;
    sealing_keys: SealingKey, "sealing-key", |r| r.id.clone(), None;
    vpcs: Vpc, "vpc", |r| r.id.to_string(), Some(&r.id);
    subnets: Subnet, "subnet", |r| r.id.to_string(), Some(&r.vpc);
    route_tables: RouteTable, "route-table", |r| r.id.to_string(), Some(&r.vpc);
    internet_gateways: InternetGateway, "internet-gateway", |r| r.id.to_string(), r.attached.as_ref();
    security_groups: SecurityGroup, "security-group", |r| r.id.to_string(), Some(&r.vpc);
    network_interfaces: NetworkInterface, "network-interface", |r| r.id.to_string(), Some(&r.vpc);
    prefix_lists: PrefixList, "prefix-list", |r| r.id.to_string(), None;
    vpc_endpoints: VpcEndpoint, "vpc-endpoint", |r| r.id.to_string(), Some(&r.vpc), r.relations(), r.counted_as();
    endpoint_services: EndpointService, "endpoint-service", |r| r.id.to_string(), None, r.load_balancers.clone();
    connection_notifications: ConnectionNotification, "connection-notification", |r| r.id.to_string(), None, vec![r.subject.id().to_string()];
    load_balancers: LoadBalancer, "load-balancer", |r| r.arn.clone(), Some(&r.vpc);
    target_groups: TargetGroup, "target-group", |r| r.arn.clone(), Some(&r.vpc);
    load_listeners: LoadListener, "load-listener", |r| r.arn.clone(), None, vec![r.load_balancer.clone(), r.target_group.clone()];
    topics: Topic, "topic", |r| r.arn.clone(), None;
    subscriptions: Subscription, "subscription", |r| r.arn.clone(), None, vec![r.topic.clone()];
    tokens: UsedToken, "token", |r| r.key.clone(), None;
    sites: Site, "site", |r| r.name.to_string(), Some(&r.vpc);
    site_hosts: SiteHost, "site-host", |r| r.id.clone(), Some(&r.vpc);
    network_acls: NetworkAcl, "network-acl", |r| r.id.to_string(), Some(&r.vpc);
    nat_gateways: NatGateway, "nat-gateway", |r| r.id.to_string(), Some(&r.vpc);
    egress_only_gateways: EgressOnlyInternetGateway, "egress-only-internet-gateway",
        |r| r.id.to_string(), Some(&r.vpc);
    elastic_ips: ElasticIp, "elastic-ip", |r| r.id.to_string(),
        r.association.as_ref().map(|a| &a.vpc);
    vpn_gateways: VpnGateway, "vpn-gateway", |r| r.id.to_string(), r.attached.as_ref();
    customer_gateways: CustomerGateway, "customer-gateway", |r| r.id.to_string(), None;
    vpn_connections: VpnConnection, "vpn-connection", |r| r.id.to_string(), None,
        vec![r.vpn_gateway.to_string(), r.customer_gateway.to_string()];
    peering_connections: VpcPeeringConnection, "vpc-peering-connection", |r| r.id.to_string(),
        Some(&r.requester.vpc) => Some(&r.accepter.vpc);
    dhcp_options: DhcpOptions, "dhcp-options", |r| r.id.to_string(), None;
    flow_logs: FlowLog, "flow-log", |r| r.id.to_string(), Some(&r.vpc);
    buckets: Bucket, "bucket", |r| r.name.to_string(), None;
    access_points: AccessPoint, "access-point",
        |r| AccessPoint::key_of(r.owner.as_str(), r.region.as_str(), &r.name), None;
    account_blocks: AccountPublicAccessBlock, "account-public-access-block",
        |r| r.account.to_string(), None;
    jobs: Job, "job", |r| r.key(), None;
    hosted_zones: HostedZone, "hosted-zone", |r| r.id.to_string(), None;
    zone_associations: ZoneAssociation, "zone-association",
        |r| format!("{} {}", r.zone, r.vpc), Some(&r.vpc);
    zone_records: ZoneRecord, "zone-record", |r| r.key(), None;
    resolver_endpoints: ResolverEndpoint, "resolver-endpoint", |r| r.id.to_string(), Some(&r.vpc);
    resolver_rules: ResolverRule, "resolver-rule", |r| r.id.to_string(), None;
    rule_associations: RuleAssociation, "rule-association", |r| r.id.to_string(), Some(&r.vpc);
    resolver_configs: ResolverConfig, "resolver-config", |r| r.vpc.to_string(), Some(&r.vpc);
    query_log_configs: QueryLogConfig, "query-log-config", |r| r.id.to_string(), None;
    query_log_associations: QueryLogAssociation, "query-log-association", |r| r.id.to_string(),
        Some(&r.vpc), vec![r.config.to_string()];
    failed_zones: FailedZone, "failed-zone", |r| r.zone.to_string(), None;
}

/// The VPCs that a resource lives in.
fn vpcs<R: Resource>(resource: &R) -> impl Iterator<Item = &VpcId> {
    resource.vpc().into_iter().chain(resource.other_vpc())
}

fn body<R: Resource>(resource: &R) -> String {
    // Every resource is plain data with string keys: serialising it cannot fail.
    serde_json::to_string(resource).unwrap_or_default()
}

impl std::fmt::Debug for Intent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Intent@{}", self.generation)
    }
}

impl Intent {
    /// The id of a zone: the Region's code and the zone's place in it, such as `use1-az1`.
    pub fn zone_id(&self, zone: &Zone) -> Option<String> {
        let region = self.get::<RegionInfo>(zone.region())?;
        let place = region.zones.iter().position(|other| other == zone)?;
        Some(format!("{}-az{}", region.name.code(), place + 1))
    }

    /// The resource of this kind with this key.
    pub fn get<R: Resource>(&self, key: impl AsRef<str>) -> Option<&Arc<R>> {
        R::table(self).get(key.as_ref())
    }

    /// Every resource of one kind that lives in a VPC, in key order.
    pub fn in_vpc<'a, R: Resource>(
        &'a self,
        vpc: &VpcId,
    ) -> impl Iterator<Item = &'a Arc<R>> + use<'a, R> {
        let from = (vpc.clone(), R::KIND, String::new());
        let vpc = vpc.clone();
        self.members
            .range(from..)
            .take_while(move |((v, kind, _), _)| *v == vpc && *kind == R::KIND)
            .filter_map(|(_, member)| member.downcast_ref::<Arc<R>>())
    }

    /// How many resources say that they are counted under this text.
    pub fn tally(&self, what: &str) -> usize {
        self.tallies.get(what).copied().unwrap_or_default()
    }

    /// Every resource of one kind that is related to something, in key order.
    pub fn related_to<'a, R: Resource>(
        &'a self,
        what: &str,
    ) -> impl Iterator<Item = &'a Arc<R>> + use<'a, R> {
        let from = (what.to_string(), R::KIND, String::new());
        let what = what.to_string();
        self.related
            .range(from..)
            .map(|(key, ())| key)
            .take_while(move |(w, kind, _)| *w == what && *kind == R::KIND)
            .filter_map(|(_, _, key)| R::table(self).get(key))
    }

    /// The network ACL that a subnet uses: the one that lists it.
    pub fn network_acl_of(&self, subnet: &Subnet) -> Option<&Arc<NetworkAcl>> {
        self.in_vpc::<NetworkAcl>(&subnet.vpc)
            .find(|acl| acl.associations.iter().any(|a| a.subnet == subnet.id))
    }

    /// The site that is plugged into a VPN connection of a VPC.
    pub fn site_behind(&self, vpc: &VpcId, vpn: &VpnConnectionId) -> Option<&Arc<Site>> {
        self.in_vpc::<Site>(vpc)
            .find(|site| site.vpn.as_ref() == Some(vpn))
    }

    /// The VPC's main route table.
    pub fn main_route_table(&self, vpc: &VpcId) -> Option<&Arc<RouteTable>> {
        self.in_vpc::<RouteTable>(vpc).find(|t| t.is_main())
    }

    /// The route table that a subnet uses: its own, else the VPC's main one.
    pub fn route_table_of(&self, subnet: &Subnet) -> Option<&Arc<RouteTable>> {
        self.in_vpc::<RouteTable>(&subnet.vpc)
            .find(|t| {
                t.associations
                    .iter()
                    .any(|a| a.subnet.as_ref() == Some(&subnet.id))
            })
            .or_else(|| self.main_route_table(&subnet.vpc))
    }

    /// The installation this is the intent of.
    pub fn installation(&self) -> Option<&Arc<Installation>> {
        self.installations.first().map(|(_, i)| i)
    }

    /// What changed after generation `since`; `None` when that is too long ago to remember, so a
    /// builder must start over.
    pub fn changed_since(&self, since: Generation) -> Option<Vec<&Touched>> {
        if since == self.generation {
            return Some(Vec::new());
        }
        self.recent.since(since)
    }

    /// Puts a resource under its key, in the place of an old one.
    fn insert<R: Resource>(&mut self, key: String, old: Option<&Arc<R>>, resource: Arc<R>) {
        if let Some(old) = old {
            self.forget_places(old, &resource);
        }
        for vpc in vpcs(&*resource) {
            let member: Member = Arc::new(resource.clone());
            self.members
                .insert_mut((vpc.clone(), R::KIND, key.clone()), member);
        }
        self.count(&*resource, |n| n + 1);
        for relation in resource.relations() {
            self.related
                .insert_mut((relation, R::KIND, key.clone()), ());
        }
        R::table_mut(self).insert_mut(key, resource);
    }

    /// Takes out of the indices what does not hold for the new resource any more.
    fn forget_places<R: Resource>(&mut self, old: &Arc<R>, new: &Arc<R>) {
        self.count(&**old, |n| n.saturating_sub(1));
        for vpc in vpcs(&**old).filter(|vpc| vpcs(&**new).all(|new| new != *vpc)) {
            self.members.remove_mut(&(vpc.clone(), R::KIND, old.key()));
        }
        let stay = new.relations();
        for relation in old.relations() {
            if !stay.contains(&relation) {
                self.related.remove_mut(&(relation, R::KIND, old.key()));
            }
        }
    }

    fn count<R: Resource>(&mut self, resource: &R, change: impl FnOnce(usize) -> usize) {
        let Some(what) = resource.counted_as() else {
            return;
        };
        match change(self.tally(&what)) {
            0 => {
                self.tallies.remove_mut(&what);
            }
            n => self.tallies.insert_mut(what, n),
        }
    }

    fn forget<R: Resource>(&mut self, old: &Arc<R>) {
        self.count(&**old, |n| n.saturating_sub(1));
        for vpc in vpcs(&**old) {
            self.members.remove_mut(&(vpc.clone(), R::KIND, old.key()));
        }
        for relation in old.relations() {
            self.related.remove_mut(&(relation, R::KIND, old.key()));
        }
        R::table_mut(self).remove_mut(&old.key());
    }
}

#[cfg(test)]
mod tests {
    use super::recent::REMEMBERED;
    use super::*;

    fn subnet(id: u128, vpc: u128) -> Subnet {
        Subnet {
            id: SubnetId::from_digits(id),
            vpc: VpcId::from_digits(vpc),
            owner: "123456789012".parse().unwrap(),
            zone: "us-east-1a".parse().unwrap(),
            cidr: "10.0.0.0/24".parse().unwrap(),
            ipv6: None,
            map_public_ip: false,
            assign_ipv6: false,
            default_for_az: false,
            tags: Tags::new(),
        }
    }

    #[test]
    fn i1_a_dropped_draft_leaves_no_mark() {
        let base = Intent::default();
        let mut draft = Draft::new(&base);
        draft.put(subnet(1, 1));
        assert_eq!(draft.subnets.size(), 1);
        drop(draft);
        assert_eq!(base.subnets.size(), 0);
    }

    #[test]
    fn members_follow_put_and_remove() {
        let mut draft = Draft::new(&Intent::default());
        for n in 0..10 {
            draft.put(subnet(n, n % 2));
        }
        let even = VpcId::from_digits(0);
        assert_eq!(draft.in_vpc::<Subnet>(&even).count(), 5);
        draft.remove::<Subnet>(SubnetId::from_digits(4));
        assert_eq!(draft.in_vpc::<Subnet>(&even).count(), 4);
        assert_eq!(draft.in_vpc::<Subnet>(&VpcId::from_digits(7)).count(), 0);
        let (intent, changes) = draft.finish();
        assert_eq!(changes.len(), 10);
        assert_eq!(intent.generation, Generation(1));
        assert_eq!(intent.changed_since(Generation(0)).unwrap().len(), 10);
        assert_eq!(intent.changed_since(Generation(1)).unwrap().len(), 0);
    }

    #[test]
    fn relations_follow_put_and_remove() {
        let listener = |n: u32, group: &str| LoadListener {
            arn: format!("listener/{n}"),
            load_balancer: "lb".into(),
            owner: "123456789012".parse().unwrap(),
            region: "us-east-1".parse().unwrap(),
            protocol: "TCP".into(),
            port: 1,
            target_group: group.into(),
            created: 0,
            tags: Tags::new(),
        };
        let mut draft = Draft::new(&Intent::default());
        draft.put(listener(1, "a"));
        draft.put(listener(2, "a"));
        draft.put(listener(1, "b"));
        let count = |draft: &Draft, what| draft.related_to::<LoadListener>(what).count();
        assert_eq!(
            (count(&draft, "lb"), count(&draft, "a"), count(&draft, "b")),
            (2, 1, 1)
        );
        draft.remove::<LoadListener>("listener/1");
        assert_eq!(
            (count(&draft, "lb"), count(&draft, "a"), count(&draft, "b")),
            (1, 1, 0)
        );
        assert_eq!(count(&draft, "l"), 0);
    }

    #[test]
    fn clear_leaves_nothing() {
        let mut draft = Draft::new(&Intent::default());
        draft.put(subnet(1, 1));
        draft.clear();
        assert!(draft.finish().0.dump().is_empty());
    }

    #[test]
    fn too_long_ago_is_not_guessed() {
        let mut intent = Intent::default();
        for n in 0..2 * REMEMBERED as u128 + 10 {
            let mut draft = Draft::new(&intent);
            draft.put(subnet(n, 1));
            intent = draft.finish().0;
        }
        assert!(intent.changed_since(Generation(3)).is_none());
        for back in [1, 2, 11, REMEMBERED] {
            let since = Generation(intent.generation.0 - back as u64);
            let changed = intent.changed_since(since).unwrap();
            let keys: Vec<&str> = changed.iter().map(|t| t.key.as_str()).collect();
            assert_eq!(keys.len(), back);
            assert!(keys.is_sorted(), "the oldest first");
        }
    }

    #[test]
    fn a_dump_loads_to_the_same_intent() {
        let mut draft = Draft::new(&Intent::default());
        draft.put(subnet(1, 1));
        let (intent, _) = draft.finish();
        let mut again = Intent::default();
        for (kind, key, body) in intent.dump() {
            again.load(kind.name(), &key, &body).unwrap();
        }
        assert_eq!(again.dump(), intent.dump());
        assert!(again.load("subnet", "x", "{}").is_err());
        assert!(again.load("nonsense", "x", "{}").is_err());
    }
}
