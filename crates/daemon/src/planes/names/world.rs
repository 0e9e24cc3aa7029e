//! All names as zones and rules ready to be asked: what everybody sees ([`public`]), and what VPCs
//! see besides: hosted zones, private DNS of endpoints, resolver rules.
//!
//! A change rebuilds the names it touched and the VPCs that see them.

pub(super) mod public;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use adit_dns::index::{Layer, Rule, Zone};
use adit_dns::wire::{Rdata, RecordSet, RecordType, Soa};
use adit_dns::{Name, Upstreams};
use adit_model::record::RecordValue;
use adit_model::*;
use adit_snapshot::Snapshot;
use adit_snapshot::decide::name::{self, Found, NameReason, TTL, Viewpoint};
use adit_snapshot::names::{self as spelling, S3Name};
use rpds::RedBlackTreeMapSync;

use super::query_log::Sink;

/// Most values in an answer from several sets [Route 53's multivalue answer].
const MOST_VALUES: usize = 8;

/// All names at one generation.
pub(super) struct World {
    /// What they were built from.
    pub(super) snapshot: Arc<Snapshot>,
    /// What everybody sees.
    pub(super) public: Layer,
    // A clone of these costs nothing, however many there are.
    zones: RedBlackTreeMapSync<HostedZoneId, Arc<Zone>>,
    /// The hosted zones into which addresses of an endpoint were copied, by the endpoint's id: a
    /// change of one endpoint looks at no other's.
    leaning: RedBlackTreeMapSync<(String, String), ()>,
    /// The same, by zone.
    leans: RedBlackTreeMapSync<HostedZoneId, BTreeSet<String>>,
    vpcs: RedBlackTreeMapSync<String, Arc<VpcNames>>,
}

/// What one VPC's resolver knows besides public names.
pub(super) struct VpcNames {
    /// The VPC.
    pub(super) vpc: Arc<Vpc>,
    /// The domain of its host names.
    pub(super) hosts: Name,
    /// Whether it answers reverse names of the VPC's addresses.
    pub(super) reverse: bool,
    /// The directories of the log groups that its queries are logged to.
    pub(super) logs: BTreeSet<Sink>,
    /// For everybody who asks it.
    pub(super) private: Layer,
    /// For those who ask through an inbound endpoint, besides.
    pub(super) inbound: Layer,
}

impl World {
    /// What a VPC's resolver knows.
    pub(super) fn vpc(&self, id: &str) -> Option<&Arc<VpcNames>> {
        self.vpcs.get(id)
    }

    /// Everything, from nothing.
    pub(super) fn build(snapshot: &Arc<Snapshot>) -> World {
        let mut world = World {
            snapshot: snapshot.clone(),
            public: public::build(snapshot),
            zones: RedBlackTreeMapSync::default(),
            leaning: RedBlackTreeMapSync::default(),
            leans: RedBlackTreeMapSync::default(),
            vpcs: RedBlackTreeMapSync::default(),
        };
        for zone in snapshot.intent.hosted_zones.values() {
            world.set_zone(&zone.id);
        }
        for vpc in snapshot.intent.vpcs.keys() {
            world.set_vpc(vpc);
        }
        world
    }

    /// The world of a newer snapshot; what did not change is shared.
    pub(super) fn next(&self, snapshot: &Arc<Snapshot>) -> World {
        let intent = &snapshot.intent;
        let Some(touched) = intent.changed_since(self.snapshot.generation) else {
            return World::build(snapshot);
        };
        let mut zones = BTreeSet::new();
        let mut vpcs = BTreeSet::new();
        let mut endpoints = BTreeSet::new();
        let mut services = false;
        for change in touched {
            match change.kind {
                Kind::FailedZone => return World::build(snapshot),
                Kind::Installation | Kind::RegionInfo => return World::build(snapshot),
                Kind::PrefixList => services = true,
                Kind::HostedZone | Kind::ZoneRecord => {
                    let id = change.key.split(' ').next().unwrap_or_default();
                    zones.extend(id.parse::<HostedZoneId>().ok());
                }
                Kind::VpcEndpoint => {
                    vpcs.extend(change.vpc.as_ref().map(VpcId::to_string));
                    endpoints.insert(change.key.clone());
                }
                Kind::NetworkInterface => {
                    let eni = intent.get::<NetworkInterface>(&change.key);
                    if let Some(InterfaceUser::Endpoint { endpoint, .. }) = eni.map(|eni| &eni.user)
                    {
                        vpcs.extend(change.vpc.as_ref().map(VpcId::to_string));
                        endpoints.insert(endpoint.to_string());
                    }
                }
                Kind::ResolverRule => {
                    let held = intent.rule_associations.values();
                    let held = held.filter(|a| a.rule.as_str() == change.key);
                    vpcs.extend(held.map(|a| a.vpc.to_string()));
                }
                Kind::ZoneAssociation
                | Kind::RuleAssociation
                | Kind::QueryLogAssociation
                | Kind::ResolverConfig
                | Kind::Vpc => {
                    // An endpoint without a VPC has no names.
                    if let (Kind::Vpc, Some(vpc)) = (change.kind, &change.vpc)
                        && intent.get::<Vpc>(vpc).is_none()
                    {
                        let left = intent.in_vpc::<VpcEndpoint>(vpc);
                        endpoints.extend(left.map(|endpoint| endpoint.id.to_string()));
                    }
                    vpcs.extend(change.vpc.as_ref().map(VpcId::to_string));
                }
                _ => {}
            }
        }
        let mut next = World {
            snapshot: snapshot.clone(),
            public: self.public.clone(),
            zones: self.zones.clone(),
            leaning: self.leaning.clone(),
            leans: self.leans.clone(),
            vpcs: self.vpcs.clone(),
        };
        for endpoint in &endpoints {
            zones.extend(self.leaning_on(endpoint));
            public::follow(&mut next.public, &self.snapshot, snapshot, endpoint);
        }
        if services {
            public::put_services(&mut next.public, snapshot);
        }
        for zone in &zones {
            next.set_zone(zone);
            vpcs.extend(intent.vpcs_of_zone(zone).map(|a| a.vpc.to_string()));
        }
        for vpc in &vpcs {
            next.set_vpc(vpc);
        }
        next
    }

    /// The hosted zones into which addresses of an endpoint were copied.
    fn leaning_on(&self, endpoint: &str) -> impl Iterator<Item = HostedZoneId> {
        self.leaning
            .range((endpoint.to_string(), String::new())..)
            .take_while(move |((of, _), ())| of == endpoint)
            .filter_map(|((_, zone), ())| zone.parse().ok())
    }

    fn set_zone(&mut self, id: &HostedZoneId) {
        for endpoint in self.leans.get(id).cloned().unwrap_or_default() {
            self.leaning.remove_mut(&(endpoint, id.to_string()));
        }
        self.leans.remove_mut(id);
        let snapshot = self.snapshot.clone();
        match snapshot.intent.get::<HostedZone>(id) {
            Some(zone) => match build_zone(&snapshot, zone) {
                Some((zone, leans)) => {
                    self.zones.insert_mut(id.clone(), Arc::new(zone));
                    for endpoint in &leans {
                        self.leaning
                            .insert_mut((endpoint.clone(), id.to_string()), ());
                    }
                    if !leans.is_empty() {
                        self.leans.insert_mut(id.clone(), leans);
                    }
                }
                // The API refuses what cannot be read: this is a state of another version.
                None => tracing::warn!(zone = id.as_str(), "a hosted zone cannot be served"),
            },
            None => {
                self.zones.remove_mut(id);
            }
        }
    }

    fn set_vpc(&mut self, id: &str) {
        let vpc = self.snapshot.intent.get::<Vpc>(id);
        match vpc.and_then(|vpc| self.names_of(vpc)) {
            Some(names) => {
                self.vpcs.insert_mut(id.to_string(), Arc::new(names));
            }
            None => {
                self.vpcs.remove_mut(id);
            }
        }
    }

    /// The names of a VPC.
    fn names_of(&self, vpc: &Arc<Vpc>) -> Option<VpcNames> {
        let snapshot = &*self.snapshot;
        let intent = &snapshot.intent;
        let hosts = format!("{}.", name::host_domain(&vpc.region));
        let mut names = VpcNames {
            vpc: vpc.clone(),
            hosts: wire_name(&hosts)?,
            logs: logs(intent, vpc),
            reverse: intent.has_reverse_names(&vpc.id),
            private: Layer::new(),
            inbound: Layer::new(),
        };
        for association in intent.in_vpc::<ZoneAssociation>(&vpc.id) {
            // Hosted zones need both attributes [dns §6].
            let zone = self.zones.get(&association.zone);
            if let Some(zone) = zone.filter(|_| vpc.dns_hostnames) {
                names.private.put_zone(zone.clone());
            }
        }
        for endpoint in intent.in_vpc::<VpcEndpoint>(&vpc.id) {
            let EndpointKind::Interface {
                private_dns: true,
                inbound_only,
                ..
            } = &endpoint.kind
            else {
                continue;
            };
            if !vpc.dns_hostnames || !endpoint.service.ends_with(".s3") {
                continue;
            }
            let layer = match inbound_only {
                true => &mut names.inbound,
                false => &mut names.private,
            };
            let from = Viewpoint::Inbound(vpc.id.clone());
            let both = [
                spelling::private_names(&vpc.region),
                spelling::dualstack_private_names(&vpc.region),
            ];
            for domain in both.concat() {
                let answer = name::name(snapshot, &from, &domain);
                // Another endpoint of the VPC may have the name.
                if answer.reason == NameReason::PrivateDns(endpoint.id.clone())
                    && let Some(zone) = service_zone(&domain, &answer.found)
                {
                    layer.put_zone(Arc::new(zone));
                }
            }
        }
        let mut domains = BTreeSet::new();
        for association in intent.in_vpc::<RuleAssociation>(&vpc.id) {
            let Some(rule) = intent.get::<ResolverRule>(&association.rule) else {
                continue;
            };
            let Some(domain) = wire_name(&rule.domain) else {
                continue;
            };
            let action = match &rule.action {
                RuleAction::System => Rule::System,
                RuleAction::Forward { targets, endpoint } => Rule::Forward(Arc::new(Upstreams {
                    servers: targets
                        .iter()
                        .map(|t| SocketAddr::new(t.ip, t.port))
                        .collect(),
                    via: via(endpoint),
                })),
            };
            names.private.put_rule(domain, action);
            domains.insert(rule.domain.clone());
        }
        // Host names stay here even with a rule for `.`, unless a rule names their domain [dns §9.1].
        if !domains.is_empty() && !domains.contains(&hosts) {
            names.private.put_rule(names.hosts.clone(), Rule::System);
        }
        // So do reverse names of private addresses.
        let wide = !domains.is_empty() && names.reverse;
        for domain in reverse_domains().filter(|_| wide) {
            if !domains.contains(&format!("{domain}."))
                && let Some(domain) = wire_name(&domain)
            {
                names.private.put_rule(domain, Rule::System);
            }
        }
        Some(names)
    }
}

/// The reverse domains of private addresses [dns §9.1].
pub(super) fn reverse_domains() -> impl Iterator<Item = String> {
    let between = (16..32).map(|n| format!("{n}.172.in-addr.arpa"));
    let whole = ["10.in-addr.arpa", "168.192.in-addr.arpa"];
    whole.into_iter().map(str::to_string).chain(between)
}

/// Where the lines about a VPC's queries go.
fn logs(intent: &Intent, vpc: &Vpc) -> BTreeSet<Sink> {
    let configs = intent
        .in_vpc::<QueryLogAssociation>(&vpc.id)
        .filter_map(|association| intent.get::<QueryLogConfig>(&association.config));
    configs.map(|config| Sink::of(config, vpc)).collect()
}

/// The number by which the sockets of an outbound endpoint are found again: its digits.
pub(super) fn via(endpoint: &ResolverEndpointId) -> u64 {
    let digits = endpoint.as_str().rsplit('-').next().unwrap_or_default();
    let low = digits
        .get(digits.len().saturating_sub(16)..)
        .unwrap_or_default();
    u64::from_str_radix(low, 16).unwrap_or_default()
}

/// A name in stored spelling (octal escapes, a bare `*`) on the wire.
fn wire_name(stored: &str) -> Option<Name> {
    if stored == "." {
        return Some(Name::root());
    }
    let mut wire = Vec::with_capacity(stored.len() + 1);
    for label in stored.trim_end_matches('.').split('.') {
        let mut bytes = Vec::with_capacity(label.len());
        let mut rest = label.as_bytes();
        while let [first, tail @ ..] = rest {
            rest = tail;
            match (first, tail) {
                (b'\\', [a, b, c, after @ ..]) => {
                    let digit = |d: &u8| d.wrapping_sub(b'0') & 7;
                    bytes.push(digit(a) << 6 | digit(b) << 3 | digit(c));
                    rest = after;
                }
                (byte, _) => bytes.push(*byte),
            }
        }
        wire.push(u8::try_from(bytes.len()).ok()?);
        wire.extend_from_slice(&bytes);
    }
    wire.push(0);
    Name::from_wire(&wire).ok()
}

/// What an endpoint's private name and everything below it leads to.
fn service_zone(domain: &str, found: &Found) -> Option<Zone> {
    let apex = wire_name(&format!("{domain}."))?;
    let soa = Soa {
        primary: wire_name("ns-1536.awsdns-00.co.uk.")?,
        mailbox: wire_name("awsdns-hostmaster.amazon.com.")?,
        serial: 1,
        refresh: 7200,
        retry: 900,
        expire: 1_209_600,
        minimum: TTL,
    };
    let mut zone = Zone::new(apex.clone(), soa, TTL);
    public::set(&mut zone, &apex.prepend("*").ok()?, found);
    public::set(&mut zone, &apex, found);
    Some(zone)
}

/// A hosted zone as it is asked, and the endpoints whose addresses were copied into it.
fn build_zone(snapshot: &Snapshot, zone: &HostedZone) -> Option<(Zone, BTreeSet<String>)> {
    let intent = &snapshot.intent;
    let apex = wire_name(&zone.name)?;
    let soa_key = record_key(&zone.id, &zone.name, "SOA", None);
    let soa = intent.get::<ZoneRecord>(soa_key)?;
    let RecordContent::Values { ttl, values } = &soa.content else {
        return None;
    };
    let Some(Rdata::Soa(soa)) = values.first().and_then(|text| rdata("SOA", text)) else {
        return None;
    };
    let mut built = Zone::new(apex.clone(), soa, *ttl);
    let mut leans = BTreeSet::new();
    let records: Vec<&Arc<ZoneRecord>> = intent
        .records_of_zone(&zone.id)
        .filter(|r| r.rtype != "SOA")
        .collect();
    // Sets of the same name and type stand next to each other.
    for same in records.chunk_by(|a, b| (&a.name, &a.rtype) == (&b.name, &b.rtype)) {
        let [first, ..] = same else { continue };
        let (Some(name), Ok(rtype)) = (wire_name(&first.name), first.rtype.parse()) else {
            continue;
        };
        // A lone alias is followed when it is asked for. What an alias to elsewhere says is copied
        // where it is one of several, or where the name would be looked for in this zone.
        if let [one] = same
            && let RecordContent::Alias {
                zone: of, target, ..
            } = &one.content
        {
            let target = wire_name(followed(target))?;
            if *of == zone.id.as_str() || !target.as_ref().is_within(apex.as_ref()) {
                built.put_alias(&name, rtype, &target).ok()?;
                continue;
            }
        }
        let mut all: Option<RecordSet> = None;
        for record in same {
            let set = match &record.content {
                RecordContent::Values { ttl, values } => RecordSet {
                    rtype,
                    ttl: *ttl,
                    data: values
                        .iter()
                        .filter_map(|text| rdata(&record.rtype, text))
                        .collect(),
                },
                RecordContent::Alias { target, .. } => {
                    let target = followed(target).trim_end_matches('.');
                    // Also one that is not there: it may come back.
                    if let Some(S3Name::Endpoint(name)) = spelling::parse(target) {
                        leans.insert(name.endpoint.to_string());
                    }
                    match name::name(snapshot, &Viewpoint::Public, target).found {
                        Found::Addresses(addresses) => {
                            let (v4, v6) = public::sets(&addresses);
                            let of_type = [v4, v6].into_iter().find(|set| set.rtype == rtype);
                            match of_type {
                                Some(set) => set,
                                None => continue,
                            }
                        }
                        _ => continue,
                    }
                }
            };
            match &mut all {
                Some(all) => {
                    all.ttl = all.ttl.min(set.ttl);
                    all.data.extend(set.data);
                }
                None => all = Some(set),
            }
        }
        if let Some(mut set) = all {
            if same.len() > 1 {
                set.data.truncate(MOST_VALUES);
            }
            built.put(&name, &set).ok()?;
        }
    }
    Some((built, leans))
}

/// The name that an alias leads to. An endpoint's wildcard, which is what `DnsEntries` show, is no
/// name to look up: the endpoint's own stands for it.
fn followed(target: &str) -> &str {
    let bare = target.trim_start_matches("*.");
    match spelling::parse(bare.trim_end_matches('.')) {
        Some(S3Name::Endpoint(_)) => bare,
        _ => target,
    }
}

fn rdata(rtype: &str, text: &str) -> Option<Rdata> {
    Some(match RecordValue::parse(rtype, text).ok()? {
        RecordValue::A(address) => Rdata::A(address),
        RecordValue::Aaaa(address) => Rdata::Aaaa(address),
        RecordValue::Cname(name) => Rdata::Cname(wire_name(&name)?),
        RecordValue::Ns(name) => Rdata::Ns(wire_name(&name)?),
        RecordValue::Ptr(name) => Rdata::Ptr(wire_name(&name)?),
        RecordValue::Mx(preference, host) => Rdata::Mx {
            preference,
            exchange: wire_name(&host)?,
        },
        RecordValue::Txt(strings) if rtype == "SPF" => {
            let mut bytes = Vec::new();
            for string in strings {
                bytes.push(u8::try_from(string.len()).ok()?);
                bytes.extend_from_slice(&string);
            }
            Rdata::Raw(RecordType::SPF, bytes)
        }
        RecordValue::Txt(strings) => Rdata::Txt(strings),
        RecordValue::Srv(priority, weight, port, host) => Rdata::Srv {
            priority,
            weight,
            port,
            target: wire_name(&host)?,
        },
        RecordValue::Caa(flags, tag, value) => Rdata::Caa { flags, tag, value },
        RecordValue::Soa(primary, mailbox, [serial, refresh, retry, expire, minimum]) => {
            Rdata::Soa(Soa {
                primary: wire_name(&primary)?,
                mailbox: wire_name(&mailbox)?,
                serial,
                refresh,
                retry,
                expire,
                minimum,
            })
        }
    })
}
