//! One VPC, resolved: what the network plane renders and what paths are decided on.

use std::net::Ipv4Addr;
use std::sync::Arc;

use adit_model::*;
use ipnet::{IpNet, Ipv4Net};

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
    /// On-premises sites attached to it.
    pub sites: Vec<Arc<Site>>,
    /// Hosts present in those sites.
    pub site_hosts: Vec<Arc<SiteHost>>,
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
}

/// A route table, complete.
#[derive(Debug, Clone)]
pub struct TableView {
    /// Its id.
    pub id: RouteTableId,
    /// Its kernel number.
    pub number: u16,
    /// Every route except local ones, no destination twice: the kernel's longest prefix decides.
    pub routes: Vec<ResolvedRoute>,
}

/// One route of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRoute {
    /// Where packets go to.
    pub destination: Ipv4Net,
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
    Interface(NetworkInterfaceId, Ipv4Addr),
    /// An on-premises site.
    Site(SiteName),
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

/// What uses a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortUser {
    /// A host of its own.
    Instance,
    /// An interface endpoint.
    Endpoint(VpcEndpointId),
    /// A resolver endpoint.
    Resolver(ResolverEndpointId),
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
        /// Its blocks, v4.
        blocks: Vec<Ipv4Net>,
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
                    prefixes: service_prefixes(intent, &endpoint.service),
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
            .map(|table| build_table(intent, &vpc, table, &gateways, &sites))
            .collect();
        Some(VpcView {
            generation: intent.generation,
            subnets,
            tables,
            ports,
            groups: intent
                .in_vpc::<SecurityGroup>(id)
                .map(|g| build_group(intent, g))
                .collect(),
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
            InterfaceUser::Run(_) => PortUser::Instance,
            InterfaceUser::ResolverEndpoint(endpoint) => PortUser::Resolver(endpoint.clone()),
            // Nobody is there.
            InterfaceUser::Available
            | InterfaceUser::NatGateway(_)
            | InterfaceUser::LoadBalancer(_) => continue,
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

fn service_prefixes(intent: &Intent, service: &str) -> Vec<Ipv4Net> {
    intent
        .prefix_lists
        .values()
        .find(|list| list.owner.is_none() && list.name == service)
        .map(|list| list.ipv4().collect())
        .unwrap_or_default()
}

/// Static routes, then routes to prefix lists, endpoints and sites: a destination that is there
/// already wins, which is AWS's order for equal ranges [ec2-api §11]. Longer prefixes win in the
/// kernel.
fn build_table(
    intent: &Intent,
    vpc: &Vpc,
    table: &RouteTable,
    gateways: &[GatewayView],
    sites: &[Arc<Site>],
) -> TableView {
    let mut routes: Vec<ResolvedRoute> = Vec::new();
    let mut add = |destination: Ipv4Net, target: Target| {
        if !routes.iter().any(|r| r.destination == destination) {
            routes.push(ResolvedRoute {
                destination,
                target,
            });
        }
    };
    let fixed = statics(intent, table);
    for (destination, target) in &fixed {
        if let RouteTarget::VpnGateway(gateway) = target {
            for (block, site) in behind(intent, vpc, gateway, *destination, &fixed) {
                add(block, site);
            }
        }
        add(*destination, resolve(intent, vpc, target));
    }
    for gateway in gateways {
        let EndpointKind::Gateway { route_tables } = &gateway.endpoint.kind else {
            continue;
        };
        if route_tables.contains(&table.id) {
            for prefix in &gateway.prefixes {
                add(
                    *prefix,
                    Target::GatewayEndpoint(gateway.endpoint.id.clone()),
                );
            }
        }
    }
    for gateway in &table.propagating {
        for (block, site) in behind(intent, vpc, gateway, Ipv4Net::default(), &[]) {
            add(block, site);
        }
    }
    for site in sites.iter().filter(|site| site.vpn.is_none()) {
        add(site.cidr, Target::Site(site.name.clone()));
    }
    TableView {
        id: table.id.clone(),
        number: table.number,
        routes,
    }
}

/// The static IPv4 routes of a table, with prefix lists as their blocks: those come last, since a
/// block that is stated itself wins over the same one of a list.
fn statics<'a>(intent: &Intent, table: &'a RouteTable) -> Vec<(Ipv4Net, &'a RouteTarget)> {
    let mut routes = Vec::new();
    for route in &table.routes {
        if let Destination::Ipv4(block) = route.destination {
            routes.push((block, &route.target));
        }
    }
    for route in &table.routes {
        if let Destination::PrefixList(id) = &route.destination
            && let Some(list) = intent.get::<PrefixList>(id)
        {
            routes.extend(list.ipv4().map(|block| (block, &route.target)));
        }
    }
    routes
}

/// What a virtual private gateway leads to of a destination: the routes of its VPN connections that
/// have a site at the other end. A block that a longer route of the table takes elsewhere is left out.
fn behind(
    intent: &Intent,
    vpc: &Vpc,
    gateway: &VpnGatewayId,
    destination: Ipv4Net,
    fixed: &[(Ipv4Net, &RouteTarget)],
) -> Vec<(Ipv4Net, Target)> {
    let attached = intent.get::<VpnGateway>(gateway);
    if attached.and_then(|gateway| gateway.attached.as_ref()) != Some(&vpc.id) {
        return Vec::new();
    }
    let mut found = Vec::new();
    for connection in intent.related_to::<VpnConnection>(gateway.as_str()) {
        let Some(site) = intent.site_behind(&vpc.id, &connection.id) else {
            continue;
        };
        let announced = (!connection.static_routes_only).then_some(site.cidr);
        for block in connection.routes.iter().copied().chain(announced) {
            let Some(shared) = shared(block, destination) else {
                continue;
            };
            let elsewhere = fixed.iter().any(|(other, _)| {
                other.prefix_len() > destination.prefix_len() && other.contains(&shared)
            });
            if !elsewhere {
                found.push((shared, Target::Site(site.name.clone())));
            }
        }
    }
    found
}

/// The addresses that two blocks share.
fn shared(a: Ipv4Net, b: Ipv4Net) -> Option<Ipv4Net> {
    match (a.contains(&b), b.contains(&a)) {
        (true, _) => Some(b),
        (_, true) => Some(a),
        _ => None,
    }
}

/// Where a static route leads now; a target that is gone or elsewhere leads nowhere.
fn resolve(intent: &Intent, vpc: &Vpc, target: &RouteTarget) -> Target {
    match target {
        RouteTarget::InternetGateway(id) => match intent.get::<InternetGateway>(id) {
            Some(igw) if igw.attached.as_ref() == Some(&vpc.id) => {
                Target::InternetGateway(id.clone())
            }
            _ => Target::Blackhole,
        },
        RouteTarget::NetworkInterface(id) => match intent.get::<NetworkInterface>(id) {
            Some(eni) if eni.vpc == vpc.id => Target::Interface(id.clone(), eni.private_ip),
            _ => Target::Blackhole,
        },
        // What no connection of the gateway leads to is dropped there.
        RouteTarget::VpnGateway(_) => Target::Blackhole,
        // Not on the list of what is real.
        RouteTarget::NatGateway(_)
        | RouteTarget::EgressOnlyInternetGateway(_)
        | RouteTarget::VpcPeeringConnection(_)
        | RouteTarget::Local => Target::Blackhole,
    }
}

fn build_group(intent: &Intent, group: &SecurityGroup) -> GroupView {
    let rules = |egress: bool| {
        let mut rules: Vec<ResolvedRule> = group
            .rules
            .iter()
            .filter(|rule| rule.egress == egress)
            .map(|rule| ResolvedRule {
                protocol: rule.protocol,
                ports: rule.from_port.zip(rule.to_port),
                peers: peers(intent, &group.vpc, &rule.peer),
            })
            .collect();
        rules.sort();
        rules.dedup();
        rules
    };
    GroupView {
        id: group.id.clone(),
        ingress: rules(false),
        egress: rules(true),
    }
}

fn peers(intent: &Intent, vpc: &VpcId, peer: &RulePeer) -> PeerSet {
    match peer {
        RulePeer::Cidr(block) => PeerSet::Cidr(*block),
        RulePeer::PrefixList(id) => PeerSet::Named {
            name: id.to_string(),
            blocks: intent
                .get::<PrefixList>(id)
                .map(|list| list.ipv4().collect())
                .unwrap_or_default(),
        },
        RulePeer::Group(id) => PeerSet::Named {
            name: id.to_string(),
            blocks: intent
                .in_vpc::<NetworkInterface>(vpc)
                .filter(|eni| eni.groups.contains(id))
                .flat_map(|eni| eni.private_ips())
                .map(Ipv4Net::from)
                .collect(),
        },
    }
}
