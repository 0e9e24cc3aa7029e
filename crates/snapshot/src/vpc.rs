//! One VPC, resolved: what the network plane renders and what paths are decided on.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use adit_model::*;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

mod groups;
mod peering;
mod routes;

pub use peering::PeeringView;
pub(crate) use peering::neighbours;

/// One VPC with every reference resolved, in a fixed order.
#[derive(Debug, Clone)]
pub struct VpcView {
    /// The newest generation in which anything of it changed.
    pub generation: Generation,
    /// The VPC itself.
    pub vpc: Arc<Vpc>,
    /// Its subnets.
    pub subnets: Vec<SubnetView>,
    /// Its route tables with every route, static and derived.
    pub tables: Vec<TableView>,
    /// Every network interface.
    pub ports: Vec<PortView>,
    /// Its network ACLs.
    pub acls: Vec<AclView>,
    /// Its security groups with peers resolved to addresses.
    pub groups: Vec<GroupView>,
    /// Its gateway endpoints.
    pub gateways: Vec<GatewayView>,
    /// Its interface endpoints.
    pub interfaces: Vec<InterfaceView>,
    /// Its resolver endpoints.
    pub resolvers: Vec<ResolverView>,
    /// Its internet gateway, if one is attached.
    pub internet_gateway: Option<InternetGatewayId>,
    /// Its egress-only internet gateway, if it has one.
    pub egress_only: Option<EgressOnlyInternetGatewayId>,
    /// Its accepted peering connections.
    pub peerings: Vec<PeeringView>,
    /// Tables that route what comes in by a gateway.
    pub edges: Vec<EdgeView>,
    /// On-premises sites attached to it.
    pub sites: Vec<Arc<Site>>,
    /// Those of them whose VPN connection does not lead here now: nothing passes.
    pub unplugged: BTreeSet<SiteName>,
    /// Hosts present in those sites.
    pub site_hosts: Vec<Arc<SiteHost>>,
    /// Flow logs of it, of its subnets and of its interfaces.
    pub flow_logs: Vec<Arc<FlowLog>>,
    /// The public blocks of S3, of every Region.
    pub s3_blocks: Vec<Ipv4Net>,
    /// What could not be realised.
    pub problems: Vec<Problem>,
}

/// Something in the intent that cannot be realised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The resource, by id.
    pub resource: String,
    /// What is wrong, for people.
    pub what: String,
}

/// A subnet and the route table it uses.
#[derive(Debug, Clone)]
pub struct SubnetView {
    /// The subnet.
    pub subnet: Arc<Subnet>,
    /// The number of its route table.
    pub table: u16,
    /// Its network ACL.
    pub acl: Option<NetworkAclId>,
}

/// A network ACL with its rules in the order in which they are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclView {
    /// Its id.
    pub id: NetworkAclId,
    /// What may come into its subnets.
    pub ingress: Vec<AclEntry>,
    /// What may leave its subnets.
    pub egress: Vec<AclEntry>,
}

impl AclView {
    fn build(acl: &NetworkAcl) -> AclView {
        let rules = |egress: bool| {
            let rules = acl.entries.iter().filter(|entry| entry.egress == egress);
            let mut rules: Vec<AclEntry> = rules.cloned().collect();
            rules.sort_by_key(|entry| entry.number);
            rules
        };
        AclView {
            id: acl.id.clone(),
            ingress: rules(false),
            egress: rules(true),
        }
    }
}

/// A gateway whose incoming packets ask a route table of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeView {
    /// The gateway.
    pub gateway: EdgeGateway,
    /// The number of the table.
    pub table: u16,
    /// For a virtual private gateway: the sites behind it.
    pub sites: Vec<SiteName>,
}

/// A route table, complete.
#[derive(Debug, Clone)]
pub struct TableView {
    /// Its id.
    pub id: RouteTableId,
    /// Its kernel number.
    pub number: u16,
    /// Every route except local ones, no destination twice: the kernel's longest prefix decides. One
    /// to a block of the VPC itself takes the place of the local route.
    pub routes: Vec<ResolvedRoute>,
}

/// One route of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRoute {
    /// Where packets go to.
    pub destination: IpNet,
    /// What carries them.
    pub target: Target,
}

/// What a route points at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The internet gateway.
    InternetGateway(InternetGatewayId),
    /// A gateway endpoint.
    GatewayEndpoint(VpcEndpointId),
    /// An interface that forwards, by its address.
    Interface(NetworkInterfaceId, IpAddr),
    /// A NAT gateway, by its interface and address.
    NatGateway(NatGatewayId, NetworkInterfaceId, IpAddr),
    /// An egress-only internet gateway.
    EgressOnly(EgressOnlyInternetGatewayId),
    /// A peering connection.
    Peering(VpcPeeringConnectionId),
    /// An on-premises site.
    Site(SiteName),
    /// The VPC itself.
    Local,
    /// Nothing: the target is gone.
    Blackhole,
}

/// A network interface where it stands.
#[derive(Debug, Clone)]
pub struct PortView {
    /// The interface.
    pub interface: Arc<NetworkInterface>,
    /// Its subnet.
    pub subnet: Arc<Subnet>,
    /// The number of the route table that its packets use.
    pub table: u16,
    /// What uses it.
    pub user: PortUser,
}

impl PortView {
    /// The name of an instance's device, in its own namespace.
    pub fn device(&self) -> &str {
        match &self.interface.user {
            InterfaceUser::Attached { device, .. } => device,
            _ => "eth0",
        }
    }

    /// The device of the host that is its port, if it is one.
    pub fn host_device(&self) -> Option<&HostDevice> {
        match &self.interface.user {
            InterfaceUser::HostDevice(device) => Some(device),
            _ => None,
        }
    }

    /// Whether an address is one of its own.
    pub fn has(&self, address: IpAddr) -> bool {
        self.addresses().any(|own| own == address)
    }

    /// Its private addresses of both families.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let v4 = self.interface.private_ips().map(IpAddr::V4);
        v4.chain(self.interface.ipv6.iter().copied().map(IpAddr::V6))
    }
}

/// What uses a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortUser {
    /// A host of its own.
    Instance,
    /// An interface endpoint.
    Endpoint(VpcEndpointId),
    /// A resolver endpoint.
    Resolver(ResolverEndpointId),
    /// A NAT gateway.
    NatGateway(NatGatewayId),
}

/// A security group, resolved.
#[derive(Debug, Clone)]
pub struct GroupView {
    /// Its id.
    pub id: SecurityGroupId,
    /// What may come in.
    pub ingress: Vec<ResolvedRule>,
    /// What may go out.
    pub egress: Vec<ResolvedRule>,
}

/// One rule with its peer as addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ResolvedRule {
    /// Which protocol.
    pub protocol: IpProtocol,
    /// The port range (ICMP: type and code); none when all.
    pub ports: Option<(i32, i32)>,
    /// Who is on the other side.
    pub peers: PeerSet,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PeerSet {
    /// One block.
    Cidr(IpNet),
    /// A named set of blocks: a prefix list's entries or a group's member addresses.
    Named {
        /// The id of the prefix list or group.
        name: String,
        /// Its blocks.
        blocks: Vec<IpNet>,
    },
}

/// A gateway endpoint with the blocks that lead to it.
#[derive(Debug, Clone)]
pub struct GatewayView {
    /// The endpoint.
    pub endpoint: Arc<VpcEndpoint>,
    /// The blocks of its service's prefix list.
    pub prefixes: Vec<Ipv4Net>,
}

/// An interface endpoint with its ports.
#[derive(Debug, Clone)]
pub struct InterfaceView {
    /// The endpoint.
    pub endpoint: Arc<VpcEndpoint>,
    /// Its interfaces in the order of its subnets.
    pub interfaces: Vec<Arc<NetworkInterface>>,
}

/// A resolver endpoint with its ports.
#[derive(Debug, Clone)]
pub struct ResolverView {
    /// The endpoint.
    pub endpoint: Arc<ResolverEndpoint>,
    /// Its interfaces in the order of its addresses.
    pub interfaces: Vec<Arc<NetworkInterface>>,
}

impl VpcView {
    /// Resolves one VPC; `None` when it does not exist.
    pub(crate) fn build(intent: &Intent, id: &VpcId) -> Option<VpcView> {
        let vpc = intent.get::<Vpc>(id)?.clone();
        let mut problems = Vec::new();
        let subnets: Vec<SubnetView> = intent
            .in_vpc::<Subnet>(id)
            .map(|subnet| SubnetView {
                subnet: subnet.clone(),
                table: intent.route_table_of(subnet).map_or(0, |t| t.number),
                acl: intent.network_acl_of(subnet).map(|acl| acl.id.clone()),
            })
            .collect();
        let ports = build_ports(intent, id, &subnets, &mut problems);
        let internet_gateway = intent
            .in_vpc::<InternetGateway>(id)
            .next()
            .map(|igw| igw.id.clone());
        let sites: Vec<Arc<Site>> = intent.in_vpc::<Site>(id).cloned().collect();
        let mut gateways = Vec::new();
        let mut interfaces = Vec::new();
        for endpoint in intent.in_vpc::<VpcEndpoint>(id) {
            match &endpoint.kind {
                EndpointKind::Gateway { .. } => gateways.push(GatewayView {
                    endpoint: endpoint.clone(),
                    prefixes: routes::service_prefixes(intent, &endpoint.service),
                }),
                EndpointKind::Interface {
                    interfaces: ids, ..
                } => interfaces.push(InterfaceView {
                    endpoint: endpoint.clone(),
                    interfaces: ids
                        .iter()
                        .filter_map(|eni| intent.get(eni))
                        .cloned()
                        .collect(),
                }),
            }
        }
        let resolvers = intent
            .in_vpc::<ResolverEndpoint>(id)
            .map(|endpoint| ResolverView {
                endpoint: endpoint.clone(),
                interfaces: endpoint
                    .addresses
                    .iter()
                    .filter_map(|address| intent.get(&address.interface))
                    .cloned()
                    .collect(),
            })
            .collect();
        let tables = intent
            .in_vpc::<RouteTable>(id)
            .map(|table| routes::build_table(intent, &vpc, table, &gateways, &sites))
            .collect();
        let unplugged = sites
            .iter()
            .filter(|site| !routes::is_plugged(intent, site))
            .map(|site| site.name.clone())
            .collect();
        Some(VpcView {
            generation: intent.generation,
            subnets,
            tables,
            ports,
            groups: intent
                .in_vpc::<SecurityGroup>(id)
                .map(|g| groups::build_group(intent, g))
                .collect(),
            acls: intent
                .in_vpc::<NetworkAcl>(id)
                .map(|acl| AclView::build(acl))
                .collect(),
            egress_only: intent
                .in_vpc::<EgressOnlyInternetGateway>(id)
                .next()
                .map(|gateway| gateway.id.clone()),
            peerings: peering::build_peerings(intent, id),
            edges: routes::build_edges(intent, id),
            flow_logs: intent
                .in_vpc::<FlowLog>(id)
                .filter(|log| log.is_of_something(intent))
                .cloned()
                .collect(),
            s3_blocks: routes::s3_blocks(intent),
            unplugged,
            gateways,
            interfaces,
            resolvers,
            internet_gateway,
            site_hosts: intent.in_vpc::<SiteHost>(id).cloned().collect(),
            sites,
            problems,
            vpc,
        })
    }

    /// The network ACL of a subnet; none: everything passes.
    pub fn acl_of(&self, subnet: &SubnetId) -> Option<&AclView> {
        let place = self.subnets.iter().find(|s| s.subnet.id == *subnet)?;
        let id = place.acl.as_ref()?;
        self.acls.iter().find(|acl| acl.id == *id)
    }

    /// The port that has this address.
    pub fn port_at(&self, address: IpAddr) -> Option<&PortView> {
        self.ports.iter().find(|port| port.has(address))
    }

    /// The table that routes what comes in by the internet gateway, if it has one of its own.
    pub fn internet_table(&self) -> Option<u16> {
        let edge = |edge: &&EdgeView| matches!(edge.gateway, EdgeGateway::Internet(_));
        self.edges.iter().find(edge).map(|edge| edge.table)
    }

    /// The table that routes what comes in from a site, if its gateway has one of its own.
    pub fn site_table(&self, site: &SiteName) -> Option<u16> {
        let edge = self.edges.iter().find(|edge| edge.sites.contains(site));
        edge.map(|edge| edge.table)
    }

    /// The blocks of the VPC, of both families.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> + '_ {
        let v4 = self.vpc.cidrs.iter().map(|block| IpNet::V4(block.cidr));
        v4.chain(self.vpc.ipv6.iter().map(|block| IpNet::V6(block.cidr)))
    }

    /// Whether it has IPv6 at all: no packet of that family is anywhere in a VPC without a block.
    pub fn has_ipv6(&self) -> bool {
        !self.vpc.ipv6.is_empty()
    }

    /// Whether it has a way to the internet: by an internet gateway, or with IPv6 alone by an
    /// egress-only one.
    pub fn leads_out(&self) -> bool {
        self.internet_gateway.is_some() || (self.has_ipv6() && self.egress_only.is_some())
    }

    /// The IPv6 blocks that take no new connection from the internet: those of subnets with a route
    /// to the egress-only gateway, and everything while no internet gateway is attached.
    pub fn closed_blocks(&self) -> Vec<Ipv6Net> {
        if self.internet_gateway.is_none() {
            return self.vpc.ipv6.iter().map(|block| block.cidr).collect();
        }
        let leaves = |number: u16| {
            let mut tables = self.tables.iter().filter(|table| table.number == number);
            tables.any(|table| {
                let mut routes = table.routes.iter();
                routes.any(|route| matches!(route.target, Target::EgressOnly(_)))
            })
        };
        let places = self.subnets.iter().filter(|place| leaves(place.table));
        places
            .filter_map(|place| place.subnet.ipv6.as_ref())
            .map(|block| block.cidr)
            .collect()
    }

    /// The port with this interface.
    pub fn port(&self, id: &NetworkInterfaceId) -> Option<&PortView> {
        self.ports.iter().find(|p| p.interface.id == *id)
    }
}

fn build_ports(
    intent: &Intent,
    vpc: &VpcId,
    subnets: &[SubnetView],
    problems: &mut Vec<Problem>,
) -> Vec<PortView> {
    let mut ports = Vec::new();
    for interface in intent.in_vpc::<NetworkInterface>(vpc) {
        let Some(place) = subnets.iter().find(|s| s.subnet.id == interface.subnet) else {
            problems.push(Problem {
                resource: interface.id.to_string(),
                what: format!("its subnet `{}` does not exist", interface.subnet),
            });
            continue;
        };
        let user = match &interface.user {
            InterfaceUser::Endpoint { endpoint, .. } => PortUser::Endpoint(endpoint.clone()),
            InterfaceUser::Run(_)
            | InterfaceUser::Attached { .. }
            | InterfaceUser::HostDevice(_) => PortUser::Instance,
            InterfaceUser::ResolverEndpoint(endpoint) => PortUser::Resolver(endpoint.clone()),
            InterfaceUser::NatGateway(gateway) => PortUser::NatGateway(gateway.clone()),
            // Nobody is there.
            InterfaceUser::Available | InterfaceUser::LoadBalancer(_) => continue,
        };
        ports.push(PortView {
            interface: interface.clone(),
            subnet: place.subnet.clone(),
            table: place.table,
            user,
        });
    }
    ports
}
