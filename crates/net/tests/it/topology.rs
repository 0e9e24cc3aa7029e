//! VPCs as the planner of the product would state them: a router namespace, instances, an
//! interface endpoint with two ports, a gateway endpoint, an internet gateway, a site. Two VPCs of
//! these have the same addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use adit_net::desired::{
    Address, Attachment, Desired, Link, LinkKind, METRIC_LAST, Mac, Namespace, Neighbour, Nexthop,
    NexthopTarget, PolicyRule, Route, RouteKind, TABLE_LOCAL,
};
use adit_net::nft::{
    Base, Chain, ChainKind, CtState, Datum, Element, Expr, Field, Hook, KeyType, NatTarget, Rule,
    Set, Table, Value, ValueType, Verdict,
};

/// Prefixes of the storage service.
pub(crate) const SERVICE: [&str; 2] = ["54.123.160.0/19", "52.216.0.0/15"];
/// Packets from the gateway endpoint carry this mark, so that answers the kernel itself makes to
/// them (ICMP) find their way back.
const ENDPOINT_MARK: u32 = 0x201;

pub(crate) fn net(text: &str) -> ipnet::IpNet {
    text.parse().unwrap()
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn mac(vpc: u8, subnet: u8, number: u8, end: u8) -> Mac {
    Mac([2, 0, vpc, subnet, number, end])
}

pub(crate) fn veth(name: &str, near: Mac, peer_ns: &str, peer_name: &str, far: Mac) -> Link {
    Link {
        name: name.into(),
        altname: None,
        mac: Some(near),
        mtu: Some(8500),
        kind: LinkKind::Veth {
            peer_ns: peer_ns.into(),
            peer_name: peer_name.into(),
            peer_mac: Some(far),
        },
    }
}

pub(crate) fn address(device: &str, text: &str) -> Address {
    Address {
        device: device.into(),
        address: net(text),
    }
}

pub(crate) fn neighbour(device: &str, address: &str, mac: Mac) -> Neighbour {
    Neighbour {
        device: device.into(),
        address: ip(address),
        mac: Some(mac),
    }
}

pub(crate) fn via(destination: &str, router: &str, device: &str) -> Route {
    Route {
        via: Some(ip(router)),
        device: Some(device.into()),
        ..Route::to(net(destination))
    }
}

pub(crate) fn dev(destination: &str, device: &str) -> Route {
    Route {
        device: Some(device.into()),
        ..Route::to(net(destination))
    }
}

pub(crate) fn nowhere(destination: &str, table: u32, kind: RouteKind, metric: u32) -> Route {
    Route {
        table,
        kind,
        metric,
        ..Route::to(net(destination))
    }
}

pub(crate) fn by_nexthop(destination: &str, table: u32, id: u32) -> Route {
    Route {
        table,
        nexthop: Some(id),
        ..Route::to(net(destination))
    }
}

pub(crate) fn any_ip(prefix: &str) -> Route {
    Route {
        kind: RouteKind::Local,
        table: TABLE_LOCAL,
        device: Some("lo".into()),
        ..Route::to(net(prefix))
    }
}

fn settings(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// The internet: the service's public side and one other server.
pub(crate) fn internet() -> Arc<Desired> {
    let ns = Namespace {
        addresses: vec![address("lo", "203.0.113.10/32")],
        routes: SERVICE.iter().map(|p| any_ip(p)).collect(),
        ..Namespace::default()
    };
    Arc::new(Desired {
        namespaces: [("inet".to_owned(), ns)].into(),
        ..Desired::default()
    })
}

/// A port of the router: an instance's or an interface endpoint's.
pub(crate) struct Port<'a> {
    pub(crate) name: &'a str,
    pub(crate) ns: &'a str,
    pub(crate) device: &'a str,
    pub(crate) subnet: u8,
    pub(crate) host: u8,
    pub(crate) groups: (&'a str, &'a str),
}

impl Port<'_> {
    fn ip(&self) -> String {
        format!("10.0.{}.{}", self.subnet, self.host)
    }

    fn table(&self) -> u32 {
        100 + u32::from(self.subnet)
    }
}

/// A VPC under construction.
pub(crate) struct Vpc {
    /// Letter that begins all its names.
    pub(crate) letter: char,
    /// Number that its addresses towards the internet and its MACs have.
    pub(crate) number: u8,
    pub(crate) desired: Desired,
}

impl Vpc {
    pub(crate) fn ns(&self, part: &str) -> String {
        format!("{}-{part}", self.letter)
    }

    pub(crate) fn router(&mut self) -> &mut Namespace {
        let name = self.ns("r");
        self.desired.namespaces.entry(name).or_default()
    }

    pub(crate) fn table(&mut self) -> &mut Table {
        self.router().nft.as_mut().unwrap()
    }

    pub(crate) fn add(&mut self, set: &str, key: Vec<Datum>, value: Option<Value>) {
        self.table()
            .sets
            .get_mut(set)
            .unwrap()
            .elements
            .push(Element { key, value });
    }

    /// The router with its policy and no ports.
    pub(crate) fn new(letter: char, number: u8) -> Self {
        let mut vpc = Self {
            letter,
            number,
            desired: Desired::default(),
        };
        let router = vpc.router();
        router.sysctls = settings(&[
            ("ipv4/ip_forward", "1"),
            ("ipv4/conf/all/rp_filter", "0"),
            ("ipv4/conf/default/rp_filter", "0"),
            ("ipv4/conf/all/send_redirects", "0"),
            ("ipv4/conf/default/send_redirects", "0"),
            ("ipv4/conf/default/proxy_arp", "1"),
            ("ipv4/fwmark_reflect", "1"),
            ("ipv6/conf/default/disable_ipv6", "1"),
        ]);
        for own in [
            "10.0.1.1/32",
            "10.0.2.1/32",
            "10.0.0.2/32",
            "169.254.169.253/32",
        ] {
            router.addresses.push(address("lo", own));
        }
        let last = nowhere("10.0.0.0/16", 254, RouteKind::Blackhole, METRIC_LAST);
        router.routes.push(last);
        for table in [101, 102, 180, 190] {
            router.rules.push(PolicyRule {
                priority: 1000 + table,
                mark: Some(table),
                table,
                ..PolicyRule::default()
            });
            router
                .routes
                .push(nowhere("10.0.0.0/16", table, RouteKind::Throw, 0));
            router.routes.push(nowhere(
                "0.0.0.0/0",
                table,
                RouteKind::Blackhole,
                METRIC_LAST,
            ));
        }
        router.nft = Some(policy());
        vpc
    }

    pub(crate) fn port(&mut self, port: &Port<'_>) {
        let (own, gateway) = (port.ip(), format!("10.0.{}.1", port.subnet));
        let near = mac(self.number, port.subnet, port.host, 1);
        let far = mac(self.number, port.subnet, port.host, 2);
        let ns = self.ns(port.ns);
        let router = self.router();
        let mut link = veth(port.name, near, &ns, port.device, far);
        link.altname = Some(format!("eni-{}-{:017x}", port.name, port.host));
        router.links.push(link);
        router
            .sysctls
            .insert(format!("ipv4/neigh/{}/proxy_delay", port.name), "0".into());
        router.routes.push(dev(&format!("{own}/32"), port.name));
        router.neighbours.push(neighbour(port.name, &own, far));
        let name = || vec![Datum::name(port.name)];
        let jump = |chain: String| Some(Value::Verdict(Verdict::Jump(chain)));
        self.add("port_rtb", name(), Some(Value::Mark(port.table())));
        self.add(
            "port_src",
            vec![Datum::name(port.name), Datum::Addr(ip(&own))],
            None,
        );
        self.add("sg_in", name(), jump(port.groups.0.into()));
        self.add("sg_out", name(), jump(port.groups.1.into()));
        self.add("acl_in", name(), jump(format!("acl{}_in", port.subnet)));
        if port.subnet == 1 {
            self.add("acl_out", name(), jump("acl1_out".into()));
        }
        let end = self.desired.namespaces.entry(ns).or_default();
        end.addresses
            .push(address(port.device, &format!("{own}/24")));
        end.neighbours.push(neighbour(port.device, &gateway, near));
        end.sysctls
            .insert("ipv6/conf/default/disable_ipv6".into(), "1".into());
    }

    pub(crate) fn instance(&mut self, port: &Port<'_>) {
        self.port(port);
        let gateway = format!("10.0.{}.1", port.subnet);
        let ns = self.ns(port.ns);
        let end = self.desired.namespaces.entry(ns).or_default();
        end.routes.push(via("0.0.0.0/0", &gateway, port.device));
    }

    /// One namespace with a port in each of the two subnets; replies leave by the port asked.
    pub(crate) fn interface_endpoint(&mut self) {
        let ns = self.ns("if");
        for (index, subnet) in [1u8, 2].into_iter().enumerate() {
            let (name, device) = (format!("p-eni{subnet}"), format!("eth{index}"));
            self.port(&Port {
                name: &name,
                ns: "if",
                device: &device,
                subnet,
                host: 100,
                groups: ("sg_app_in", "sg_open_out"),
            });
            let end = self.desired.namespaces.entry(ns.clone()).or_default();
            let table = 10 + u32::from(subnet);
            let gateway = format!("10.0.{subnet}.1");
            end.routes.push(Route {
                table,
                ..via("0.0.0.0/0", &gateway, &device)
            });
            end.rules.push(PolicyRule {
                priority: 100 + u32::from(subnet),
                from: Some(net(&format!("10.0.{subnet}.100/32"))),
                table,
                ..PolicyRule::default()
            });
            end.sysctls
                .insert("ipv4/conf/all/arp_ignore".into(), "1".into());
            end.sysctls
                .insert("ipv4/conf/all/rp_filter".into(), "0".into());
        }
    }

    /// The internet gateway: its own namespace with 1:1 NAT, behind the only default routes.
    pub(crate) fn internet_gateway(&mut self) {
        let (k, ns) = (self.number, self.ns("igw"));
        let router = self.router();
        let (near, far) = (mac(k, 8, 8, 1), mac(k, 8, 8, 2));
        router.links.push(veth("igw", near, &ns, "vpc", far));
        router.addresses.push(address("igw", "169.254.10.1/30"));
        router
            .neighbours
            .push(neighbour("igw", "169.254.10.2", far));
        router.nexthops.push(nexthop(7, "169.254.10.2", "igw"));
        for table in [101, 102] {
            router.routes.push(by_nexthop("0.0.0.0/0", table, 7));
        }
        self.add("port_rtb", vec![Datum::name("igw")], Some(Value::Mark(190)));

        let (up, down) = (
            format!("198.51.100.{}", k * 16 + 2),
            format!("198.51.100.{}", k * 16 + 1),
        );
        let (inner, outer) = (mac(k, 8, 9, 1), mac(k, 8, 9, 2));
        let to = format!("to-{}", self.letter);
        let mut table = Table::new("adit");
        let public = |host: u8| Value::Addr(ip(&format!("198.51.10{k}.{host}")));
        let pair = |private: &str, host| Element {
            key: vec![Datum::Addr(ip(private))],
            value: Some(public(host)),
        };
        let elements = vec![
            pair("10.0.1.10", 11),
            pair("10.0.1.11", 12),
            pair("10.0.2.10", 13),
        ];
        let (key, value) = (vec![KeyType::Ipv4], Some(ValueType::Ipv4));
        table.sets.insert(
            "public".into(),
            Set {
                key,
                value,
                interval: false,
                elements,
            },
        );
        let map = NatTarget::Map {
            fields: vec![Field::IpSaddr],
            map: "public".into(),
            family: Default::default(),
        };
        let rules = vec![Rule::from([
            Expr::is(Field::Oifname, Datum::name("upl")),
            Expr::Snat(map),
        ])];
        let base = base(ChainKind::Nat, Hook::Postrouting, 100, false);
        table.chains.insert("post".into(), Chain { base, rules });
        let gateway = Namespace {
            sysctls: settings(&[("ipv4/ip_forward", "1")]),
            links: vec![veth("upl", inner, "inet", &to, outer)],
            addresses: vec![
                address("vpc", "169.254.10.2/30"),
                address("upl", &format!("{up}/30")),
            ],
            routes: vec![
                via("10.0.0.0/16", "169.254.10.1", "vpc"),
                via("0.0.0.0/0", &down, "upl"),
            ],
            neighbours: vec![
                neighbour("vpc", "169.254.10.1", near),
                neighbour("upl", &down, outer),
            ],
            nft: Some(table),
            ..Namespace::default()
        };
        self.desired.namespaces.insert(ns, gateway);
        let attachment = Attachment {
            addresses: vec![address(&to, &format!("{down}/30"))],
            routes: vec![via(&format!("198.51.10{k}.0/24"), &up, &to)],
            neighbours: vec![neighbour(&to, &up, inner)],
            ..Attachment::default()
        };
        self.desired.attachments.insert("inet".into(), attachment);
    }

    /// A gateway endpoint: a namespace to which the service's addresses are local, reached from
    /// the route tables it is associated with.
    pub(crate) fn gateway_endpoint(&mut self, tables: &[u32]) {
        let (k, ns) = (self.number, self.ns("gw"));
        let (near, far) = (mac(k, 9, 9, 1), mac(k, 9, 9, 2));
        let router = self.router();
        let mut link = veth("vpce-1", near, &ns, "eth0", far);
        link.altname = Some("vpce-0123456789abcdef0".into());
        router.links.push(link);
        router.addresses.push(address("vpce-1", "169.254.20.5/30"));
        router
            .neighbours
            .push(neighbour("vpce-1", "169.254.20.6", far));
        router.nexthops.push(nexthop(21, "169.254.20.6", "vpce-1"));
        router.rules.push(PolicyRule {
            priority: 1900,
            mark: Some(ENDPOINT_MARK),
            table: ENDPOINT_MARK,
            ..PolicyRule::default()
        });
        router
            .routes
            .push(nowhere("10.0.0.0/16", ENDPOINT_MARK, RouteKind::Throw, 0));
        for prefix in SERVICE {
            for table in tables.iter().chain([&ENDPOINT_MARK]) {
                router.routes.push(by_nexthop(prefix, *table, 21));
            }
        }
        self.add(
            "port_rtb",
            vec![Datum::name("vpce-1")],
            Some(Value::Mark(ENDPOINT_MARK)),
        );
        let mut routes = vec![via("0.0.0.0/0", "169.254.20.5", "eth0")];
        routes.extend(SERVICE.iter().map(|p| any_ip(p)));
        let end = Namespace {
            addresses: vec![address("eth0", "169.254.20.6/30")],
            routes,
            neighbours: vec![neighbour("eth0", "169.254.20.5", near)],
            ..Namespace::default()
        };
        self.desired.namespaces.insert(ns, end);
    }

    /// One of many gateway endpoints, as small as they are.
    pub(crate) fn endpoint_number(&mut self, n: u16) {
        let [high, low] = n.to_be_bytes();
        let (name, ns) = (format!("ep-{n}"), self.ns(&format!("ep-{n}")));
        let (near, far) = (
            mac(self.number, high, low, 3),
            mac(self.number, high, low, 4),
        );
        let id = 1000 + u32::from(n);
        let gateway = format!("169.254.{}.{}", 64 + high, low);
        let router = self.router();
        router.links.push(veth(&name, near, &ns, "eth0", far));
        router.neighbours.push(neighbour(&name, &gateway, far));
        router.nexthops.push(nexthop(id, &gateway, &name));
        router.rules.push(PolicyRule {
            priority: id,
            mark: Some(id),
            table: id,
            ..PolicyRule::default()
        });
        router
            .routes
            .push(nowhere("10.0.0.0/16", id, RouteKind::Throw, 0));
        router
            .routes
            .extend(SERVICE.iter().map(|p| by_nexthop(p, id, id)));
        self.add("port_rtb", vec![Datum::name(&name)], Some(Value::Mark(id)));
        let mut routes = vec![via("0.0.0.0/0", "169.254.20.5", "eth0")];
        routes.extend(SERVICE.iter().map(|p| any_ip(p)));
        let end = Namespace {
            addresses: vec![address("eth0", &format!("{gateway}/32"))],
            routes,
            neighbours: vec![neighbour("eth0", "169.254.20.5", near)],
            ..Namespace::default()
        };
        self.desired.namespaces.insert(ns, end);
    }

    /// A site on the other end of a VPN.
    pub(crate) fn site(&mut self) {
        let (k, ns) = (self.number, self.ns("site"));
        let (near, far) = (mac(k, 7, 7, 1), mac(k, 7, 7, 2));
        let router = self.router();
        router.links.push(veth("vpn", near, &ns, "eth0", far));
        router.addresses.push(address("vpn", "169.254.30.1/30"));
        router
            .neighbours
            .push(neighbour("vpn", "169.254.30.2", far));
        router.nexthops.push(nexthop(30, "169.254.30.2", "vpn"));
        for table in [101, 102] {
            router.routes.push(by_nexthop("192.168.50.0/24", table, 30));
        }
        self.add("port_rtb", vec![Datum::name("vpn")], Some(Value::Mark(180)));
        let source = Some(ip("192.168.50.10"));
        let to = |prefix| Route {
            source,
            ..via(prefix, "169.254.30.1", "eth0")
        };
        let end = Namespace {
            addresses: vec![
                address("eth0", "169.254.30.2/30"),
                address("lo", "192.168.50.10/32"),
            ],
            routes: vec![to("10.0.0.0/16"), to("54.123.160.0/19")],
            neighbours: vec![neighbour("eth0", "169.254.30.1", near)],
            ..Namespace::default()
        };
        self.desired.namespaces.insert(ns, end);
    }

    /// Everything the reference topology has.
    pub(crate) fn whole(letter: char, number: u8) -> Self {
        let mut vpc = Self::new(letter, number);
        let instance = |name, ns, subnet, host, groups| Port {
            name,
            ns,
            device: "eth0",
            subnet,
            host,
            groups,
        };
        vpc.instance(&instance(
            "p-i1",
            "i1",
            1,
            10,
            ("sg_open_in", "sg_s3only_out"),
        ));
        vpc.instance(&instance("p-i2", "i2", 1, 11, ("sg_app_in", "sg_open_out")));
        vpc.instance(&instance(
            "p-i3",
            "i3",
            2,
            10,
            ("sg_open_in", "sg_open_out"),
        ));
        vpc.interface_endpoint();
        vpc.add("sg_app_members", vec![Datum::Addr(ip("10.0.2.10"))], None);
        vpc.internet_gateway();
        vpc.gateway_endpoint(&[101]);
        vpc
    }

    pub(crate) fn build(&self) -> Arc<Desired> {
        Arc::new(self.desired.clone())
    }
}

pub(crate) fn nexthop(id: u32, gateway: &str, device: &str) -> Nexthop {
    let target = NexthopTarget::Via {
        gateway: ip(gateway),
        device: device.into(),
    };
    Nexthop { id, target }
}

pub(crate) fn base(kind: ChainKind, hook: Hook, priority: i32, drop: bool) -> Option<Base> {
    Some(Base {
        kind,
        hook,
        priority,
        drop,
    })
}

fn map(key: KeyType, value: ValueType) -> Set {
    Set {
        key: vec![key],
        value: Some(value),
        interval: false,
        elements: Vec::new(),
    }
}

fn set(key: &[KeyType], interval: bool) -> Set {
    Set {
        key: key.to_vec(),
        value: None,
        interval,
        elements: Vec::new(),
    }
}

fn tcp_to(port: u32) -> Expr {
    Expr::is(Field::TcpDport, Datum::Number(port))
}

fn number(field: Field, value: u32) -> Expr {
    Expr::is(field, Datum::Number(value))
}

fn within(field: Field, prefix: &str) -> Expr {
    Expr::is(field, Datum::Net(net(prefix)))
}

fn dropped() -> Rule {
    Rule::from([Expr::COUNTER, Expr::DROP])
}

fn tracked() -> [Rule; 2] {
    [
        Rule::from([
            Expr::CtState(vec![CtState::Established, CtState::Related]),
            Expr::ACCEPT,
        ]),
        Rule::from([Expr::CtState(vec![CtState::Invalid]), Expr::DROP]),
    ]
}

/// The whole policy of a VPC; ports are elements of its maps.
pub(crate) fn policy() -> Table {
    let mut table = Table::new("adit");
    let verdicts = || map(KeyType::Interface, ValueType::Verdict);
    for name in ["sg_in", "sg_out", "acl_in", "acl_out"] {
        table.sets.insert(name.into(), verdicts());
    }
    table
        .sets
        .insert("port_rtb".into(), map(KeyType::Interface, ValueType::Mark));
    table.sets.insert(
        "port_src".into(),
        set(&[KeyType::Interface, KeyType::Ipv4], true),
    );
    let mut prefixes = set(&[KeyType::Ipv4], true);
    let element = |p: &&str| Element {
        key: vec![Datum::Net(net(p))],
        value: None,
    };
    prefixes.elements = SERVICE.iter().map(element).collect();
    table.sets.insert("pl_s3".into(), prefixes);
    table
        .sets
        .insert("sg_app_members".into(), set(&[KeyType::Ipv4], false));
    hooks(&mut table);
    acls(&mut table);
    groups(&mut table);
    table
}

fn hooks(table: &mut Table) {
    let mut add = |name: &str, base, rules| {
        table.chains.insert(name.into(), Chain { base, rules });
    };
    let filter = |hook, priority, drop| base(ChainKind::Filter, hook, priority, drop);
    let port = || Expr::is(Field::Iifname, Datum::name("p-*"));
    let spoofed = Rule {
        comment: Some("source check".into()),
        ..Rule::from([
            port(),
            Expr::not_in_set(&[Field::Iifname, Field::IpSaddr], "port_src"),
            Expr::COUNTER,
            Expr::DROP,
        ])
    };
    let mark = Expr::SetMarkFrom {
        fields: vec![Field::Iifname],
        map: "port_rtb".into(),
    };
    add(
        "pre",
        filter(Hook::Prerouting, -150, false),
        vec![spoofed, Rule::from([mark])],
    );
    let mut input = tracked().to_vec();
    input.extend([
        Rule::from([Expr::is(Field::Iifname, Datum::name("lo")), Expr::ACCEPT]),
        Rule::from([number(Field::IcmpType, 8), Expr::ACCEPT]),
        Rule::from([
            port(),
            Expr::one_of(
                Field::IpDaddr,
                vec![
                    Datum::Addr(ip("10.0.0.2")),
                    Datum::Addr(ip("169.254.169.253")),
                ],
            ),
            Expr::one_of(Field::L4proto, vec![Datum::Number(6), Datum::Number(17)]),
            number(Field::ThDport, 53),
            Expr::ACCEPT,
        ]),
    ]);
    add("inp", filter(Hook::Input, 0, true), input);
    let stateless = vec![
        Rule::from([Expr::vmap(&[Field::Iifname], "acl_out")]),
        Rule::from([Expr::vmap(&[Field::Oifname], "acl_in")]),
    ];
    add("nacl", filter(Hook::Forward, -10, false), stateless);
    let mut forward = tracked().to_vec();
    forward.insert(0, Rule::from([Expr::TcpSyn, Expr::ClampMss]));
    forward.push(Rule::from([Expr::vmap(&[Field::Iifname], "sg_out")]));
    forward.push(Rule::from([Expr::jump("fwd_in")]));
    add("vpcfwd", filter(Hook::Forward, 0, true), forward);
    let outside = ["vpce-1", "igw", "vpn"].map(Datum::name).to_vec();
    let to_ports = vec![
        Rule::from([Expr::vmap(&[Field::Oifname], "sg_in")]),
        Rule::from([Expr::one_of(Field::Oifname, outside), Expr::ACCEPT]),
    ];
    add("fwd_in", None, to_ports);
}

fn acls(table: &mut Table) {
    let ephemeral = || Expr::is(Field::TcpDport, Datum::NumberRange(32768, 65535));
    let ports = |list: &[u32]| {
        Expr::one_of(
            Field::TcpDport,
            list.iter().map(|p| Datum::Number(*p)).collect(),
        )
    };
    let icmp = || number(Field::L4proto, 1);
    let mut add = |name: &str, own: Expr, open: Vec<Expr>| {
        let mut rules = vec![Rule::from([own, Expr::RETURN])];
        rules.extend(open.into_iter().map(|e| Rule::from([e, Expr::RETURN])));
        rules.push(dropped());
        table
            .chains
            .insert(name.into(), Chain { base: None, rules });
    };
    let own = within(Field::IpDaddr, "10.0.1.0/24");
    add(
        "acl1_out",
        own,
        vec![
            ports(&[443, 80, 22]),
            ephemeral(),
            number(Field::IcmpType, 0),
        ],
    );
    let own = within(Field::IpSaddr, "10.0.1.0/24");
    add("acl1_in", own, vec![ports(&[443, 80]), ephemeral(), icmp()]);
    let own = within(Field::IpSaddr, "10.0.2.0/24");
    add("acl2_in", own, vec![ports(&[443]), ephemeral(), icmp()]);
}

fn groups(table: &mut Table) {
    let mut add = |name: &str, rules| {
        table
            .chains
            .insert(name.into(), Chain { base: None, rules });
    };
    let go = || Expr::goto("fwd_in");
    add("sg_open_out", vec![Rule::from([go()])]);
    add(
        "sg_s3only_out",
        vec![
            Rule::from([Expr::in_set(&[Field::IpDaddr], "pl_s3"), tcp_to(443), go()]),
            Rule::from([within(Field::IpDaddr, "10.0.0.0/16"), go()]),
            dropped(),
        ],
    );
    add("sg_open_in", vec![Rule::from([Expr::ACCEPT])]);
    add(
        "sg_app_in",
        vec![
            Rule::from([
                tcp_to(443),
                Expr::in_set(&[Field::IpSaddr], "sg_app_members"),
                Expr::ACCEPT,
            ]),
            Rule::from([
                tcp_to(443),
                within(Field::IpSaddr, "192.168.50.0/24"),
                Expr::ACCEPT,
            ]),
            dropped(),
        ],
    );
}
