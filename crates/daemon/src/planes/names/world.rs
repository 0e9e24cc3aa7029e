//! What VPCs see besides public names, as zones and rules ready to be asked: hosted zones, private
//! DNS of endpoints, resolver rules.
//!
//! A change rebuilds the zones it touched and the VPCs that see them; VPCs without private names
//! cost nothing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use adit_dns::index::{Layer, Rule, Zone};
use adit_dns::wire::{Rdata, RecordSet, RecordType, Soa};
use adit_dns::{Name, Upstreams};
use adit_model::record::RecordValue;
use adit_model::*;
use adit_snapshot::Snapshot;
use adit_snapshot::decide::name::{self, Found, TTL, Viewpoint};
use adit_snapshot::names as spelling;
use rpds::RedBlackTreeMapSync;

/// Most values in an answer from several sets [Route 53's multivalue answer].
const MOST_VALUES: usize = 8;

/// The private names of every VPC at one generation.
#[derive(Default)]
pub(super) struct World {
    generation: Generation,
    // A clone of either costs nothing, however many there are.
    zones: RedBlackTreeMapSync<HostedZoneId, Built>,
    vpcs: RedBlackTreeMapSync<VpcId, Arc<VpcNames>>,
}

#[derive(Clone)]
struct Built {
    zone: Arc<Zone>,
    /// Whether addresses of endpoints were copied into it.
    leans_on_endpoints: bool,
}

/// What one VPC's resolver knows besides public names.
#[derive(Default)]
pub(super) struct VpcNames {
    /// For everybody who asks it.
    pub(super) private: Layer,
    /// For those who ask through an inbound endpoint, besides.
    pub(super) inbound: Layer,
}

impl World {
    /// The private names of a VPC, if it has any.
    pub(super) fn vpc(&self, id: &VpcId) -> Option<&Arc<VpcNames>> {
        self.vpcs.get(id)
    }

    /// Everything, from nothing.
    pub(super) fn build(snapshot: &Snapshot) -> World {
        let mut world = World {
            generation: snapshot.generation,
            ..World::default()
        };
        for zone in snapshot.intent.hosted_zones.values() {
            world.set_zone(snapshot, &zone.id);
        }
        for vpc in snapshot.intent.vpcs.values() {
            world.set_vpc(snapshot, &vpc.id);
        }
        world
    }

    /// The world of a newer snapshot; what did not change is shared.
    pub(super) fn next(&self, snapshot: &Snapshot) -> World {
        let intent = &snapshot.intent;
        let Some(touched) = intent.changed_since(self.generation) else {
            return World::build(snapshot);
        };
        let mut zones = BTreeSet::new();
        let mut vpcs = BTreeSet::new();
        for change in touched {
            match change.kind {
                Kind::FailedZone => return World::build(snapshot),
                Kind::HostedZone | Kind::ZoneRecord => {
                    let id = change.key.split(' ').next().unwrap_or_default();
                    zones.extend(id.parse::<HostedZoneId>().ok());
                }
                Kind::VpcEndpoint => {
                    let leaning = self.zones.iter().filter(|(_, b)| b.leans_on_endpoints);
                    zones.extend(leaning.map(|(id, _)| id.clone()));
                    vpcs.extend(change.vpc.clone());
                }
                Kind::ResolverRule => {
                    let held = intent.rule_associations.values();
                    let held = held.filter(|a| a.rule.as_str() == change.key);
                    vpcs.extend(held.map(|a| a.vpc.clone()));
                }
                Kind::ZoneAssociation | Kind::RuleAssociation | Kind::Vpc => {
                    vpcs.extend(change.vpc.clone());
                }
                _ => {}
            }
        }
        let mut next = World {
            generation: snapshot.generation,
            zones: self.zones.clone(),
            vpcs: self.vpcs.clone(),
        };
        for zone in &zones {
            next.set_zone(snapshot, zone);
            vpcs.extend(intent.vpcs_of_zone(zone).map(|a| a.vpc.clone()));
        }
        for vpc in &vpcs {
            next.set_vpc(snapshot, vpc);
        }
        next
    }

    fn set_zone(&mut self, snapshot: &Snapshot, id: &HostedZoneId) {
        match snapshot.intent.get::<HostedZone>(id) {
            Some(zone) => match build_zone(snapshot, zone) {
                Some(built) => {
                    self.zones.insert_mut(id.clone(), built);
                }
                // The API refuses what cannot be read: this is a state of another version.
                None => tracing::warn!(zone = id.as_str(), "a hosted zone cannot be served"),
            },
            None => {
                self.zones.remove_mut(id);
            }
        }
    }

    fn set_vpc(&mut self, snapshot: &Snapshot, id: &VpcId) {
        let names = snapshot
            .intent
            .get::<Vpc>(id)
            .map(|vpc| self.names_of(snapshot, vpc));
        match names {
            Some((names, true)) => {
                self.vpcs.insert_mut(id.clone(), Arc::new(names));
            }
            _ => {
                self.vpcs.remove_mut(id);
            }
        }
    }

    /// The names of a VPC, and whether there are any.
    fn names_of(&self, snapshot: &Snapshot, vpc: &Vpc) -> (VpcNames, bool) {
        let intent = &snapshot.intent;
        let mut names = VpcNames::default();
        let mut any = false;
        for association in intent.in_vpc::<ZoneAssociation>(&vpc.id) {
            // Hosted zones need both attributes [dns §6].
            if let Some(built) = self
                .zones
                .get(&association.zone)
                .filter(|_| vpc.dns_hostnames)
            {
                names.private.put_zone(built.zone.clone());
                any = true;
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
            for domain in spelling::private_names(&vpc.region) {
                let addresses = match name::name(
                    snapshot,
                    &Viewpoint::Inbound(vpc.id.clone()),
                    &domain,
                )
                .found
                {
                    Found::Addresses(addresses) => addresses,
                    _ => Vec::new(),
                };
                if let Some(zone) = service_zone(&domain, &addresses) {
                    layer.put_zone(Arc::new(zone));
                    any = true;
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
            any = true;
        }
        // Host names stay here even with a rule for `.`, unless a rule names their domain [dns §9.1].
        let hosts = format!("{}.", name::host_domain(&vpc.region));
        if !domains.is_empty()
            && !domains.contains(&hosts)
            && let Some(domain) = wire_name(&hosts)
        {
            names.private.put_rule(domain, Rule::System);
        }
        (names, any)
    }
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
fn service_zone(domain: &str, addresses: &[std::net::Ipv4Addr]) -> Option<Zone> {
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
    let set = RecordSet::a(TTL, addresses.iter().copied());
    zone.put(&apex, &set).ok()?;
    match addresses.is_empty() {
        // Names exist even while no address is in service.
        true => zone
            .put_alias(&apex.prepend("*").ok()?, RecordType::A, &apex)
            .ok()?,
        false => zone.put(&apex.prepend("*").ok()?, &set).ok()?,
    }
    Some(zone)
}

fn build_zone(snapshot: &Snapshot, zone: &HostedZone) -> Option<Built> {
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
    let mut built = Zone::new(apex, soa, *ttl);
    let mut leans_on_endpoints = false;
    // Sets of the same name and type stand next to each other.
    let mut pending: Option<(Name, RecordSet)> = None;
    for record in intent
        .records_of_zone(&zone.id)
        .filter(|r| r.rtype != "SOA")
    {
        let (Some(name), Ok(rtype)) = (wire_name(&record.name), record.rtype.parse()) else {
            continue;
        };
        let set = match &record.content {
            RecordContent::Values { ttl, values } => RecordSet {
                rtype,
                ttl: *ttl,
                data: values
                    .iter()
                    .filter_map(|text| rdata(&record.rtype, text))
                    .collect(),
            },
            RecordContent::Alias {
                zone: of, target, ..
            } if *of == zone.id.as_str() => {
                built.put_alias(&name, rtype, &wire_name(target)?).ok()?;
                continue;
            }
            RecordContent::Alias { target, .. } => {
                leans_on_endpoints = true;
                let found = name::name(snapshot, &Viewpoint::Public, target.trim_end_matches('.'));
                match found.found {
                    Found::Addresses(addresses) if rtype == RecordType::A => {
                        RecordSet::a(TTL, addresses)
                    }
                    _ => continue,
                }
            }
        };
        match &mut pending {
            Some((held, more)) if *held == name && more.rtype == set.rtype => {
                more.ttl = more.ttl.min(set.ttl);
                more.data.extend(set.data);
                more.data.truncate(MOST_VALUES);
            }
            _ => {
                if let Some((name, set)) = pending.replace((name, set)) {
                    built.put(&name, &set).ok()?;
                }
            }
        }
    }
    if let Some((name, set)) = pending {
        built.put(&name, &set).ok()?;
    }
    Some(Built {
        zone: Arc::new(built),
        leans_on_endpoints,
    })
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
