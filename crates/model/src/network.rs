//! What surrounds a VPC: network ACLs, the gateways that lead out of it, addresses, peering,
//! on-premises connections, DHCP options and flow logs, each as its owner stated it.
//!
//! As in [`crate::resources`], no field is a shown state: a NAT gateway is `available`, a route
//! `active` and a tunnel `UP` when something that is computed says so (invariant I9).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::id::*;
use crate::intent::{Draft, Generation, Intent};
use crate::resources::{Bucket, IpProtocol, Millis, NetworkInterface, Subnet, Tags, Vpc};
use crate::secret::Secret;

/// One IPv6 block of a VPC: a /56 of the installation's own pool ([`crate::net::IPV6_POOL`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VpcIpv6Cidr {
    /// The id of the association.
    pub association: VpcCidrAssociationId,
    /// The block.
    pub cidr: Ipv6Net,
}

/// The IPv6 block of a subnet: a /64 of its VPC's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubnetIpv6Cidr {
    /// The id of the association.
    pub association: SubnetCidrAssociationId,
    /// The block.
    pub cidr: Ipv6Net,
}

/// Where the packets of a static route go to.
///
/// It is stored as the text that AWS shows, which tells the kinds apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Destination {
    /// A block of IPv4 addresses, host bits cleared.
    Ipv4(Ipv4Net),
    /// A block of IPv6 addresses, host bits cleared.
    Ipv6(Ipv6Net),
    /// Every block of a prefix list, as the list is at the time.
    PrefixList(PrefixListId),
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Destination::Ipv4(block) => block.fmt(f),
            Destination::Ipv6(block) => block.fmt(f),
            Destination::PrefixList(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for Destination {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Destination, IdError> {
        match text.parse::<IpNet>() {
            Ok(IpNet::V4(block)) => Ok(block.into()),
            Ok(IpNet::V6(block)) => Ok(block.into()),
            Err(_) => text.parse().map(Destination::PrefixList),
        }
    }
}

impl From<Ipv4Net> for Destination {
    fn from(block: Ipv4Net) -> Destination {
        Destination::Ipv4(block.trunc())
    }
}

impl From<Ipv6Net> for Destination {
    fn from(block: Ipv6Net) -> Destination {
        Destination::Ipv6(block.trunc())
    }
}

/// What a static route points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteTarget {
    /// An internet gateway.
    InternetGateway(InternetGatewayId),
    /// A network interface (an instance that forwards). With the destination of a VPC's own block
    /// it takes the place of the local route.
    NetworkInterface(NetworkInterfaceId),
    /// A NAT gateway of the VPC.
    NatGateway(NatGatewayId),
    /// An egress-only internet gateway: IPv6, outwards alone.
    EgressOnlyInternetGateway(EgressOnlyInternetGatewayId),
    /// The VPC at the other side of a peering connection.
    VpcPeeringConnection(VpcPeeringConnectionId),
    /// A virtual private gateway: to the sites behind its VPN connections.
    VpnGateway(VpnGatewayId),
    /// The VPC itself: in the table of a gateway alone, for a whole subnet.
    Local,
}

/// A gateway whose incoming packets a route table routes (an edge association).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EdgeGateway {
    /// An internet gateway.
    Internet(InternetGatewayId),
    /// A virtual private gateway.
    Vpn(VpnGatewayId),
}

impl EdgeGateway {
    /// The gateway's id as text.
    pub fn as_str(&self) -> &str {
        match self {
            EdgeGateway::Internet(id) => id.as_str(),
            EdgeGateway::Vpn(id) => id.as_str(),
        }
    }
}

/// A further private address of a network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondaryAddress {
    /// The address.
    pub private_ip: Ipv4Addr,
    /// The Elastic IP that leads to it, if one does.
    #[serde(default)]
    pub public_ip: Option<Ipv4Addr>,
}

/// A network ACL: stateless, ordered rules at the boundary of its subnets.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NetworkAcl {
    /// Its id.
    pub id: NetworkAclId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// Whether it is the ACL of subnets that chose no other. Every VPC has exactly one.
    pub is_default: bool,
    /// Its numbered rules, in any order. What no rule matches is denied; that last rule is shown
    /// with number 32767 (IPv4) and 32768 (IPv6) and not kept here.
    pub entries: Vec<AclEntry>,
    /// Which subnets use it; every subnet of the VPC is in exactly one ACL's list.
    pub associations: Vec<AclAssociation>,
    /// Tags.
    pub tags: Tags,
}

/// One rule of a network ACL; its number and direction are unique in the ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclEntry {
    /// Its number, 1 to 32766: lower ones are asked first.
    pub number: u16,
    /// True for packets that leave the subnet.
    pub egress: bool,
    /// Whether what it matches passes.
    pub allow: bool,
    /// Which protocol.
    pub protocol: IpProtocol,
    /// The other side.
    pub cidr: IpNet,
    /// First and last port, of TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// Type and code of ICMP; −1 is any.
    pub icmp: Option<(i16, i16)>,
}

/// That a subnet uses a network ACL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AclAssociation {
    /// Its id.
    pub id: NetworkAclAssociationId,
    /// The subnet.
    pub subnet: SubnetId,
}

/// A NAT gateway: outgoing connections leave with its address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NatGateway {
    /// Its id.
    pub id: NatGatewayId,
    /// Its VPC.
    pub vpc: VpcId,
    /// The subnet it stands in.
    pub subnet: SubnetId,
    /// The owner.
    pub owner: AccountId,
    /// The Elastic IP of a public one; a private one translates to its private address.
    pub allocation: Option<AllocationId>,
    /// Its network interface, which holds its addresses.
    pub interface: NetworkInterfaceId,
    /// A small number, unique among the NAT gateways of the VPC (kernel table and mark).
    pub number: u16,
    /// The generation that last changed it: it is available when every plane has reached it.
    pub changed: Generation,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

/// An egress-only internet gateway of a VPC: IPv6 connections outwards.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EgressOnlyInternetGateway {
    /// Its id.
    pub id: EgressOnlyInternetGatewayId,
    /// The VPC it is attached to for its whole life.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// Tags.
    pub tags: Tags,
}

/// An Elastic IP: a public address that its account keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ElasticIp {
    /// The id of the allocation.
    pub id: AllocationId,
    /// The address, of the Region's public ones.
    pub ip: Ipv4Addr,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Who has it now.
    pub association: Option<AddressAssociation>,
    /// Tags.
    pub tags: Tags,
}

/// That an Elastic IP leads to a private address of a network interface. The interface says the
/// same ([`crate::NetworkInterface::public_ip`], [`SecondaryAddress::public_ip`]), where packets
/// need it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressAssociation {
    /// Its id.
    pub id: AddressAssociationId,
    /// The interface.
    pub interface: NetworkInterfaceId,
    /// The interface's VPC (kept here so that a VPC's members are found together).
    pub vpc: VpcId,
    /// Which of the interface's private addresses.
    pub private_ip: Ipv4Addr,
}

impl Draft {
    /// Removes a network interface; Elastic IPs that led to it lead nowhere then. `None` when there
    /// was none.
    pub fn remove_interface(&mut self, id: impl AsRef<str>) -> Option<Arc<NetworkInterface>> {
        let interface = self.remove::<NetworkInterface>(id)?;
        let leads = |eip: &&Arc<ElasticIp>| {
            let association = eip.association.as_ref();
            association.is_some_and(|a| a.interface == interface.id)
        };
        let bound: Vec<AllocationId> = self
            .in_vpc::<ElasticIp>(&interface.vpc)
            .filter(leads)
            .map(|eip| eip.id.clone())
            .collect();
        for eip in bound {
            self.edit::<ElasticIp>(eip, |eip| eip.association = None);
        }
        Some(interface)
    }
}

/// A virtual private gateway: the VPC's side of its on-premises connections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VpnGateway {
    /// Its id.
    pub id: VpnGatewayId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// The zone it was asked for; a record only.
    pub zone: Option<Zone>,
    /// The autonomous system number of our side; a record only.
    pub asn: i64,
    /// The VPC it is attached to.
    pub attached: Option<VpcId>,
    /// Tags.
    pub tags: Tags,
}

/// A customer gateway: the on-premises side of VPN connections, as its owner describes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CustomerGateway {
    /// Its id.
    pub id: CustomerGatewayId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its autonomous system number.
    pub asn: u32,
    /// Its outside address.
    pub ip: Option<IpAddr>,
    /// A name for people.
    pub device_name: Option<String>,
    /// The certificate it was given; a record only.
    pub certificate_arn: Option<String>,
    /// Tags.
    pub tags: Tags,
}

/// A VPN connection: a place at a virtual private gateway where a site can be plugged in.
///
/// Adit carries no IPsec. The connection's other end is a [`crate::Site`] that names it
/// ([`crate::Site::vpn`]); without one its tunnels are `DOWN` and routes through it lead nowhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VpnConnection {
    /// Its id.
    pub id: VpnConnectionId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// The gateway at our side.
    pub vpn_gateway: VpnGatewayId,
    /// The gateway at the other side.
    pub customer_gateway: CustomerGatewayId,
    /// Whether its routes are the static ones alone; else the block of its site counts too, as
    /// if the site announced it.
    pub static_routes_only: bool,
    /// Static routes: blocks behind the other side.
    pub routes: Vec<Ipv4Net>,
    /// The block of the on-premises side that may use it; `0.0.0.0/0` when none was given.
    pub local_cidr: Ipv4Net,
    /// The block of our side that may be reached; `0.0.0.0/0` when none was given.
    pub remote_cidr: Ipv4Net,
    /// Its two tunnels.
    pub tunnels: Vec<VpnTunnel>,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

/// One tunnel of a VPN connection: a record for the router at the other side.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VpnTunnel {
    /// Our outside address, from the Region's public ones.
    pub outside_ip: Ipv4Addr,
    /// The link's own block: a /30 of 169.254.0.0/16.
    pub inside_cidr: Ipv4Net,
    /// The shared secret.
    pub pre_shared_key: Secret,
}

/// A peering connection between two VPCs, of any accounts and Regions of the installation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VpcPeeringConnection {
    /// Its id.
    pub id: VpcPeeringConnectionId,
    /// Who asked.
    pub requester: PeerSide,
    /// Who was asked.
    pub accepter: PeerSide,
    /// What the accepter said.
    pub answer: PeeringAnswer,
    /// When it was asked for.
    pub created: Millis,
}

impl VpcPeeringConnection {
    /// How long a request waits for its answer: 7 days, in milliseconds [ec2-api §18].
    pub const EXPIRES_AFTER: Millis = 7 * 24 * 60 * 60 * 1000;

    /// Whether packets may pass: the accepter said yes.
    pub fn is_active(&self) -> bool {
        self.answer == PeeringAnswer::Accepted
    }

    /// Whether rules of one side's security groups may name groups of the other side: while packets
    /// pass, within a Region [ec2-api §19].
    pub fn carries_groups(&self) -> bool {
        self.is_active() && self.requester.region == self.accepter.region
    }

    /// This VPC's side and the other one; `None` when the VPC has no part in it.
    pub fn sides(&self, vpc: &VpcId) -> Option<(&PeerSide, &PeerSide)> {
        match vpc {
            vpc if *vpc == self.requester.vpc => Some((&self.requester, &self.accepter)),
            vpc if *vpc == self.accepter.vpc => Some((&self.accepter, &self.requester)),
            _ => None,
        }
    }
}

/// One side of a peering connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSide {
    /// The VPC.
    pub vpc: VpcId,
    /// Its owner.
    pub owner: AccountId,
    /// Its Region.
    pub region: Region,
    /// A small number, unique among the peering connections of this side's VPC (kernel table and
    /// mark).
    pub number: u16,
    /// Whether public host names of this side resolve to private addresses when asked from the
    /// other side.
    pub allow_dns: bool,
    /// The tags that this side's account gave it.
    pub tags: Tags,
}

/// What the accepter said to a request for peering: a statement, not a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeeringAnswer {
    /// Nothing yet.
    None,
    /// Yes.
    Accepted,
    /// No.
    Rejected,
}

/// Which addresses a prefix list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AddressFamily {
    /// `IPv4`.
    #[default]
    Ipv4,
    /// `IPv6`.
    Ipv6,
}

/// An earlier version of a prefix list's entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrefixListVersion {
    /// Its number.
    pub version: u64,
    /// The blocks.
    pub entries: Vec<IpNet>,
    /// What they are for.
    pub descriptions: BTreeMap<IpNet, String>,
}

/// A set of DHCP options: what hosts of its VPCs are told about names and time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DhcpOptions {
    /// Its id.
    pub id: DhcpOptionsId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Values by key, such as `domain-name-servers`.
    pub options: BTreeMap<String, Vec<String>>,
    /// Tags.
    pub tags: Tags,
}

impl DhcpOptions {
    /// The name for the VPC's own resolver among `domain-name-servers`.
    pub const AMAZON_DNS: &'static str = "AmazonProvidedDNS";

    /// The resolvers that hosts are told, where `own` is the VPC's.
    pub fn resolvers(&self, own: IpAddr) -> Vec<IpAddr> {
        let servers = self.options.get("domain-name-servers");
        let address = |text: &String| match text.as_str() {
            DhcpOptions::AMAZON_DNS => Some(own),
            text => text.parse().ok(),
        };
        servers.into_iter().flatten().filter_map(address).collect()
    }

    /// The domain that hosts append to names without dots.
    pub fn domain(&self) -> Option<&str> {
        let values = self.options.get("domain-name")?;
        values.first().map(String::as_str)
    }
}

/// A flow log: which connections of a resource are recorded, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FlowLog {
    /// Its id.
    pub id: FlowLogId,
    /// The owner.
    pub owner: AccountId,
    /// The VPC whose packets it watches.
    pub vpc: VpcId,
    /// What it watches.
    pub resource: FlowLogResource,
    /// Which connections.
    pub traffic: TrafficType,
    /// Where records go.
    pub destination: FlowLogDestination,
    /// The record format, as AWS writes it: fields such as `${srcaddr}` with spaces between.
    pub format: String,
    /// Over how many seconds a record sums up: 60 or 600.
    pub interval: u32,
    /// The role named for the delivery; a record only.
    pub role: Option<String>,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

impl FlowLog {
    /// Whether what it watches is still there.
    pub fn is_of_something(&self, intent: &Intent) -> bool {
        match &self.resource {
            FlowLogResource::Vpc => intent.get::<Vpc>(&self.vpc).is_some(),
            FlowLogResource::Subnet(id) => intent.get::<Subnet>(id).is_some(),
            FlowLogResource::Interface(id) => intent.get::<NetworkInterface>(id).is_some(),
        }
    }

    /// The bucket that it writes to, as far as it may: its own account's, in the embedded store. `None`
    /// when records go elsewhere than to a bucket.
    pub fn bucket<'a>(&self, intent: &'a Intent) -> Option<Option<&'a Arc<Bucket>>> {
        let FlowLogDestination::S3 { bucket, .. } = &self.destination else {
            return None;
        };
        let found = intent.get::<Bucket>(bucket);
        Some(found.filter(|bucket| bucket.owner == self.owner && bucket.origin.is_none()))
    }
}

/// What a flow log watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowLogResource {
    /// Every interface of the VPC.
    Vpc,
    /// Every interface of a subnet.
    Subnet(SubnetId),
    /// One interface.
    Interface(NetworkInterfaceId),
}

/// Which connections a flow log records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TrafficType {
    /// `ACCEPT`.
    Accept,
    /// `REJECT`.
    Reject,
    /// `ALL`.
    All,
}

/// Where a flow log's records go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FlowLogDestination {
    /// Objects in a bucket of the installation.
    S3 {
        /// The bucket.
        bucket: BucketName,
        /// The folder, without slashes at its ends; empty for none.
        prefix: String,
        /// Whether keys have the form that Hive reads (`year=2026/…`).
        hive_compatible: bool,
        /// Whether there is a folder for each hour.
        per_hour: bool,
    },
    /// A log group, by name: a file of this installation, since there is no CloudWatch.
    LogGroup(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_stored_as_their_text() {
        for text in ["10.0.0.0/8", "fd00:ad17::/56", "pl-63a5400a"] {
            let destination: Destination = text.parse().unwrap();
            let stored = serde_json::to_string(&destination).unwrap();
            assert_eq!(stored, format!("\"{text}\""));
            let again: Destination = serde_json::from_str(&stored).unwrap();
            assert_eq!(again, destination);
        }
        let cleared: Destination = "10.1.2.3/8".parse().unwrap();
        assert_eq!(cleared.to_string(), "10.0.0.0/8");
        assert!("nonsense".parse::<Destination>().is_err());
    }
}
