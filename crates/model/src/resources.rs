//! The resources, each exactly as its owner or the API stated it.
//!
//! Fields hold choices, never derived states: whether an endpoint is `available` is computed from
//! what the planes reached, so there is no such field here (invariant I9).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::id::*;
use crate::names::ResolverEndpointId;
use crate::network::*;
use crate::secret::Secret;

/// User tags of a resource, in key order.
pub type Tags = BTreeMap<String, String>;

/// A point in time: milliseconds since the Unix epoch, UTC.
pub type Millis = i64;

/// What one installation is: chosen at first start, never changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Installation {
    /// Distinguishes installations that share a host (namespace names, run directories).
    pub id: String,
    /// The Region that answers when a caller names none.
    pub default_region: Region,
    /// Limits that differ from the defaults, by name.
    #[serde(default)]
    pub quotas: BTreeMap<String, u32>,
}

/// A Region of this installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RegionInfo {
    /// Its name.
    pub name: Region,
    /// Its zones, in order (`us-east-1a` …).
    pub zones: Vec<Zone>,
    /// Public addresses that instances of the Region can have, through an internet gateway.
    pub public_addresses: Ipv4Net,
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Account {
    /// Twelve digits.
    pub id: AccountId,
    /// The canonical user id S3 shows as owner: 64 hexadecimal digits.
    pub canonical_id: String,
    /// A name for people.
    pub name: String,
    /// When it was made.
    pub created: Millis,
}

/// Who an access key speaks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyOwner {
    /// The account's root user.
    Root,
    /// An IAM user, by name.
    User(String),
    /// A role's or a federated user's session. No key in an intent has this owner.
    Session,
}

/// A long-term access key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: String,
    /// The signing secret.
    pub secret: Secret,
    /// The account it belongs to.
    pub account: AccountId,
    /// The identity it signs for.
    pub owner: KeyOwner,
    /// Inactive keys sign nothing.
    pub active: bool,
    /// When it was made.
    pub created: Millis,
}

/// A virtual private cloud.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its blocks; the first is the primary one.
    pub cidrs: Vec<VpcCidr>,
    /// Its IPv6 blocks.
    #[serde(default)]
    pub ipv6: Vec<VpcIpv6Cidr>,
    /// Whether the resolver answers.
    pub dns_support: bool,
    /// Whether instances have public host names, and private DNS may be used.
    pub dns_hostnames: bool,
    /// The one VPC that `--default-vpc` or `CreateDefaultVpc` made.
    pub is_default: bool,
    /// `default` or `dedicated`; a record only.
    pub tenancy: String,
    /// The DHCP options in use, or [`DhcpOptionsId::none`].
    pub dhcp_options: DhcpOptionsId,
    /// Tags.
    pub tags: Tags,
}

impl Vpc {
    /// The primary block.
    pub fn cidr(&self) -> Ipv4Net {
        self.cidrs.first().map_or_else(Ipv4Net::default, |c| c.cidr)
    }

    /// Whether an address is in one of the VPC's blocks.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.cidrs.iter().any(|c| c.cidr.contains(&address))
    }
}

/// One IPv4 block of a VPC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VpcCidr {
    /// The id of the association.
    pub association: VpcCidrAssociationId,
    /// The block.
    pub cidr: Ipv4Net,
}

/// A subnet.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// Its zone.
    pub zone: Zone,
    /// Its block.
    pub cidr: Ipv4Net,
    /// Its IPv6 block.
    #[serde(default)]
    pub ipv6: Option<SubnetIpv6Cidr>,
    /// Whether new instances get a public address.
    pub map_public_ip: bool,
    /// Whether new interfaces get an IPv6 address.
    #[serde(default)]
    pub assign_ipv6: bool,
    /// Whether it is the zone's default subnet.
    pub default_for_az: bool,
    /// Tags.
    pub tags: Tags,
}

/// A route table.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RouteTable {
    /// Its id.
    pub id: RouteTableId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// A small number, unique in the VPC while the table exists: the kernel's table and mark.
    pub number: u16,
    /// Which subnets and gateways use it; at most one association is the main one.
    pub associations: Vec<RouteTableAssociation>,
    /// Static routes, in the order they were made. Local and endpoint routes are derived.
    pub routes: Vec<Route>,
    /// The virtual private gateways whose routes it takes over.
    #[serde(default)]
    pub propagating: Vec<VpnGatewayId>,
    /// Tags.
    pub tags: Tags,
}

impl RouteTable {
    /// Whether subnets without an association of their own use this table.
    pub fn is_main(&self) -> bool {
        self.associations.iter().any(RouteTableAssociation::is_main)
    }
}

/// That a subnet or a gateway uses a route table (neither: the VPC's main table).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RouteTableAssociation {
    /// Its id.
    pub id: RouteTableAssociationId,
    /// The subnet.
    pub subnet: Option<SubnetId>,
    /// The gateway whose incoming packets the table routes.
    #[serde(default)]
    pub gateway: Option<EdgeGateway>,
}

impl RouteTableAssociation {
    /// Whether it makes its table the VPC's main one.
    pub fn is_main(&self) -> bool {
        self.subnet.is_none() && self.gateway.is_none()
    }
}

/// A static route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where packets go to.
    pub destination: Destination,
    /// What carries them.
    pub target: RouteTarget,
}

/// An internet gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InternetGateway {
    /// Its id.
    pub id: InternetGatewayId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// The VPC it is attached to.
    pub attached: Option<VpcId>,
    /// Tags.
    pub tags: Tags,
}

/// A security group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecurityGroup {
    /// Its id.
    pub id: SecurityGroupId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// Its name, unique in the VPC.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Rules for what may come in and go out.
    pub rules: Vec<SecurityGroupRule>,
    /// Tags.
    pub tags: Tags,
}

/// One rule of a security group: one protocol, one port range, one peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroupRule {
    /// Its id.
    pub id: SecurityGroupRuleId,
    /// True for traffic that leaves.
    pub egress: bool,
    /// Which protocol.
    pub protocol: IpProtocol,
    /// First port (or ICMP type); none when all.
    pub from_port: Option<i32>,
    /// Last port (or ICMP code); none when all.
    pub to_port: Option<i32>,
    /// Who is on the other side.
    pub peer: RulePeer,
    /// What it is for.
    pub description: Option<String>,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

/// An IP protocol as security groups write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum IpProtocol {
    /// `-1`.
    All,
    /// `tcp`.
    Tcp,
    /// `udp`.
    Udp,
    /// `icmp`.
    Icmp,
    /// `icmpv6`.
    Icmpv6,
    /// Any other, by number.
    Number(u8),
}

/// The other side of a security group rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RulePeer {
    /// A block of addresses, v4 or v6.
    Cidr(IpNet),
    /// A prefix list.
    PrefixList(PrefixListId),
    /// The members of a security group.
    Group(SecurityGroupId),
}

/// A network interface.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Its id.
    pub id: NetworkInterfaceId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its subnet.
    pub subnet: SubnetId,
    /// The owner.
    pub owner: AccountId,
    /// Its primary private address; never changes.
    pub private_ip: Ipv4Addr,
    /// Further private addresses.
    #[serde(default)]
    pub secondary: Vec<SecondaryAddress>,
    /// Its IPv6 addresses.
    #[serde(default)]
    pub ipv6: Vec<Ipv6Addr>,
    /// The public address of its primary one behind the internet gateway, if it has one: an
    /// Elastic IP's, or one of the Region's that it keeps while it exists.
    pub public_ip: Option<Ipv4Addr>,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its security groups.
    pub groups: Vec<SecurityGroupId>,
    /// What it is for.
    pub description: String,
    /// Whether addresses other than its own are dropped.
    pub source_dest_check: bool,
    /// What uses it.
    pub user: InterfaceUser,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

/// What a network interface is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceUser {
    /// A VPC endpoint; only the endpoint's own operations may change it.
    Endpoint {
        /// The endpoint.
        endpoint: VpcEndpointId,
        /// The id of the attachment.
        attachment: AttachmentId,
    },
    /// A program started with `adit run`; it goes away with the process.
    Run(Lease),
    /// A network namespace that somebody else made: a container, for example.
    Attached {
        /// The device's name there.
        device: String,
        /// The process it was attached for and goes away with; none: it stays until detached.
        lease: Option<Lease>,
    },
    /// A device of the host, lent to the subnet as the interface's port: what is behind it uses the
    /// interface's addresses.
    HostDevice(HostDevice),
    /// Nothing yet: made by `CreateNetworkInterface`, shown as `available`.
    Available,
    /// A NAT gateway; it goes away with the gateway.
    NatGateway(NatGatewayId),
    /// An endpoint of the resolver, by id (`rslvr-in-…`, `rslvr-out-…`); it goes away with it.
    ResolverEndpoint(ResolverEndpointId),
    /// A load balancer, by ARN; it goes away with it.
    LoadBalancer(String),
}

/// A network device of the host that is lent to a network of Adit's, and goes back to the host when it
/// is not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDevice {
    /// Its name at the host: 1 to 15 bytes.
    pub name: String,
    /// Whether it is taken although a default route of the host leads over it.
    #[serde(default)]
    pub forced: bool,
}

impl NetworkInterface {
    /// Every private IPv4 address, the primary one first.
    pub fn private_ips(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let secondary = self.secondary.iter().map(|address| address.private_ip);
        std::iter::once(self.private_ip).chain(secondary)
    }

    /// Private addresses with the public ones that lead to them.
    pub fn public_pairs(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> + '_ {
        let primary = self.public_ip.map(|public| (self.private_ip, public));
        let secondary = self.secondary.iter();
        let secondary = secondary.filter_map(|a| Some((a.private_ip, a.public_ip?)));
        primary.into_iter().chain(secondary)
    }
}

/// The process that holds a run's interface or site host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Process id on this host.
    pub pid: u32,
    /// Its start time in clock ticks since boot, so that a reused pid is not taken for it.
    pub started: u64,
}

/// A prefix list: named blocks of addresses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrefixList {
    /// Its id.
    pub id: PrefixListId,
    /// Its name: for a service, the service's own name.
    pub name: String,
    /// Where it is.
    pub region: Region,
    /// The owner; none when it belongs to the installation itself (AWS-managed).
    pub owner: Option<AccountId>,
    /// The blocks, in the order they were added.
    pub entries: Vec<IpNet>,
    /// What blocks are for, as far as somebody said so.
    #[serde(default)]
    pub descriptions: BTreeMap<IpNet, String>,
    /// Which addresses it holds.
    #[serde(default)]
    pub family: AddressFamily,
    /// How many entries it may have; 0 for the lists of services, which have no limit.
    #[serde(default)]
    pub max_entries: u32,
    /// The number of its current version; 0 for the lists of services, which have none.
    #[serde(default)]
    pub version: u64,
    /// Earlier versions, oldest first.
    #[serde(default)]
    pub history: Vec<PrefixListVersion>,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
}

impl PrefixList {
    /// The AWS-managed list of a service, with these blocks.
    pub fn of_service(id: PrefixListId, name: String, region: Region, entries: Vec<IpNet>) -> Self {
        PrefixList {
            id,
            name,
            region,
            owner: None,
            entries,
            descriptions: BTreeMap::new(),
            family: AddressFamily::Ipv4,
            max_entries: 0,
            version: 0,
            history: Vec::new(),
            tags: Tags::new(),
        }
    }

    /// Its IPv4 blocks.
    pub fn ipv4(&self) -> impl Iterator<Item = Ipv4Net> + '_ {
        self.entries.iter().filter_map(|block| match block {
            IpNet::V4(block) => Some(*block),
            IpNet::V6(_) => None,
        })
    }

    /// Its IPv6 blocks.
    pub fn ipv6(&self) -> impl Iterator<Item = Ipv6Net> + '_ {
        self.entries.iter().filter_map(|block| match block {
            IpNet::V4(_) => None,
            IpNet::V6(block) => Some(*block),
        })
    }
}

/// An idempotency token that was used, and by whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UsedToken {
    /// `account/region/operation/token`.
    pub key: String,
    /// A digest of the parameters it was used with.
    pub digest: String,
    /// What it made.
    pub resource: String,
    /// When it was used.
    pub at: Millis,
}

/// An on-premises network attached to a VPC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Site {
    /// Its name, unique in the installation.
    pub name: SiteName,
    /// The account whose VPC it is attached to.
    pub owner: AccountId,
    /// Its block.
    pub cidr: Ipv4Net,
    /// The VPC at the other end of the private link.
    pub vpc: VpcId,
    /// A small number, unique in the VPC while the site exists (kernel table and mark).
    pub number: u16,
    /// The resolver its hosts use; none: public names only.
    pub resolver: Option<IpAddr>,
    /// The public address its hosts share towards the internet; none: no internet there.
    pub public_ip: Option<Ipv4Addr>,
    /// The VPN connection it is the other end of: then static and propagated routes to the
    /// connection's gateway decide who reaches it. Without one every table of the VPC leads there.
    #[serde(default)]
    pub vpn: Option<VpnConnectionId>,
    /// The device of the host behind which the rest of the site's block is: a real network.
    #[serde(default)]
    pub device: Option<HostDevice>,
    /// Where its router answers, if not at the block's base plus one.
    #[serde(default)]
    pub address: Option<Ipv4Addr>,
    /// When it was made.
    pub created: Millis,
}

impl Site {
    /// Where its router answers: the way from the site to the VPC, and the resolver of public names.
    pub fn router(&self) -> Ipv4Addr {
        self.address.unwrap_or(crate::net::router(self.cidr))
    }
}

/// A host of a site, present while a program runs there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SiteHost {
    /// `host-` and 17 digits.
    pub id: String,
    /// The site.
    pub site: SiteName,
    /// The site's VPC (kept here so that the VPC's members are found together).
    pub vpc: VpcId,
    /// Its address in the site.
    pub ip: Ipv4Addr,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The process it exists for.
    pub lease: Lease,
}

/// A bucket's settings; its objects live in the object store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bucket {
    /// Its name.
    pub name: BucketName,
    /// Distinguishes it from an earlier bucket of the same name.
    pub incarnation: String,
    /// The origin that keeps its objects, by its name in the configuration; none: the embedded store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// The bucket policy as given.
    pub policy: Option<String>,
    /// `Enabled`, `Suspended`, or none when versioning was never set.
    pub versioning: Option<String>,
    /// `BucketOwnerEnforced` by default.
    pub ownership: String,
    /// Block Public Access; all on by default.
    pub public_access_block: Option<PublicAccessBlock>,
    /// Bucket tags.
    pub tags: Tags,
    /// Sub-resource documents (CORS, lifecycle …) by name: JSON of what the client sent.
    pub documents: BTreeMap<String, String>,
    /// When it was made.
    pub created: Millis,
}

impl Bucket {
    /// `arn:aws:s3:::NAME`.
    pub fn arn(&self) -> String {
        format!("arn:aws:s3:::{}", self.name)
    }
}

/// The four settings of Block Public Access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicAccessBlock {
    /// Refuse to set public ACLs.
    pub block_public_acls: bool,
    /// Ignore public ACLs.
    pub ignore_public_acls: bool,
    /// Refuse to set public policies.
    pub block_public_policy: bool,
    /// Let only the owner's account use a bucket with a public policy.
    pub restrict_public_buckets: bool,
}

impl PublicAccessBlock {
    /// Nothing on: what stands where nothing was set.
    pub const OFF: PublicAccessBlock = PublicAccessBlock {
        block_public_acls: false,
        ignore_public_acls: false,
        block_public_policy: false,
        restrict_public_buckets: false,
    };

    /// Both together: the most restrictive of each setting counts.
    #[must_use]
    pub fn and(self, other: PublicAccessBlock) -> PublicAccessBlock {
        PublicAccessBlock {
            block_public_acls: self.block_public_acls || other.block_public_acls,
            ignore_public_acls: self.ignore_public_acls || other.ignore_public_acls,
            block_public_policy: self.block_public_policy || other.block_public_policy,
            restrict_public_buckets: self.restrict_public_buckets || other.restrict_public_buckets,
        }
    }
}

impl Default for PublicAccessBlock {
    /// What a new bucket has: everything on.
    fn default() -> Self {
        PublicAccessBlock {
            block_public_acls: true,
            ignore_public_acls: true,
            block_public_policy: true,
            restrict_public_buckets: true,
        }
    }
}
