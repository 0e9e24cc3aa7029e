//! What a name means from where it is asked.

use std::net::{IpAddr, Ipv4Addr};

use adit_model::*;

use crate::build::Snapshot;
use crate::names::{self, EndpointName, Family, PublicName, S3Name};

/// Where a query comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Viewpoint {
    /// An instance asks its VPC's resolver.
    Vpc(VpcId),
    /// Somebody asks an inbound resolver endpoint of a VPC.
    Inbound(VpcId),
    /// Anybody on the internet, or a site without a resolver of its own.
    Public,
}

/// The answer to an address query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAnswer {
    /// What was found.
    pub found: Found,
    /// Which rule found it.
    pub reason: NameReason,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// These addresses, of one family or both.
    Addresses(Vec<IpAddr>),
    /// The name exists but has no address now (or none of the type asked for).
    NoData,
    /// There is no such name.
    NoName,
    /// This resolver does not answer.
    Refused,
}

/// Which rule answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameReason {
    /// A service's public name, answered with an address of its prefix list.
    Public(Region),
    /// The name of an endpoint.
    Endpoint(VpcEndpointId),
    /// Private DNS of this endpoint took a public name over.
    PrivateDns(VpcEndpointId),
    /// The host name of an address in this VPC.
    Host,
    /// DNS support is off in this VPC.
    DnsSupportOff(VpcId),
    /// Nobody serves this name here.
    Unknown,
}

/// Seconds an answer may be kept [dns §2].
pub const TTL: u32 = 60;

/// Answers a name, lower case without trailing dot, with its addresses.
pub fn name(snapshot: &Snapshot, from: &Viewpoint, name: &str) -> NameAnswer {
    let answer = |found, reason| NameAnswer { found, reason };
    let vpc = match from {
        Viewpoint::Public => None,
        Viewpoint::Vpc(id) | Viewpoint::Inbound(id) => match snapshot.intent.get::<Vpc>(id) {
            Some(vpc) if vpc.dns_support => Some(vpc),
            Some(vpc) => return answer(Found::Refused, NameReason::DnsSupportOff(vpc.id.clone())),
            None => return answer(Found::Refused, NameReason::Unknown),
        },
    };
    match names::parse(name) {
        Some(S3Name::Endpoint(asked)) => endpoint_name(snapshot, &asked),
        Some(S3Name::Public(asked)) => {
            let private = vpc.and_then(|vpc| private_dns(snapshot, vpc, from, &asked));
            private.unwrap_or_else(|| public_name(snapshot, &asked))
        }
        None => match (
            names::dynamodb_region(name),
            vpc.and_then(|vpc| host_name(vpc, name)),
        ) {
            (Some(region), _) => service_name(snapshot, "dynamodb", region, false),
            (None, Some(address)) => {
                answer(Found::Addresses(vec![address.into()]), NameReason::Host)
            }
            (None, None) => answer(Found::NoName, NameReason::Unknown),
        },
    }
}

/// A service has one steady address in a Region, the first of its prefix list: AWS rotates, but a
/// steady one lets people follow a packet. Dual-stack names have the IPv6 one that goes with it, too.
fn service_name(snapshot: &Snapshot, service: &str, region: Region, dualstack: bool) -> NameAnswer {
    match snapshot.service_address(service, &region) {
        Some(address) => {
            let v6 = dualstack.then(|| IpAddr::V6(net::public_ipv6(address)));
            let both = [Some(address.into()), v6].into_iter().flatten();
            NameAnswer {
                found: Found::Addresses(both.collect()),
                reason: NameReason::Public(region),
            }
        }
        None => NameAnswer {
            found: Found::NoName,
            reason: NameReason::Unknown,
        },
    }
}

fn endpoint_name(snapshot: &Snapshot, asked: &EndpointName) -> NameAnswer {
    let unknown = NameAnswer {
        found: Found::NoName,
        reason: NameReason::Unknown,
    };
    let Some(view) = snapshot.endpoint(&asked.endpoint) else {
        return unknown;
    };
    let EndpointKind::Interface {
        dns_suffix,
        interfaces,
        ..
    } = &view.endpoint.kind
    else {
        return unknown;
    };
    let service = names::service_name(&asked.service, &asked.region);
    if *dns_suffix != asked.suffix || view.endpoint.service != service {
        return unknown;
    }
    let enis = interfaces
        .iter()
        .filter_map(|id| snapshot.intent.get::<NetworkInterface>(id));
    let in_zone = enis.filter(|eni| match &asked.zone {
        None => true,
        Some(zone) => snapshot
            .intent
            .get::<Subnet>(&eni.subnet)
            .is_some_and(|subnet| subnet.zone == *zone),
    });
    let in_zone: Vec<&NetworkInterface> = in_zone.map(|eni| &**eni).collect();
    let records = records(&view.endpoint);
    let serving = in_zone.iter().filter(|eni| is_in_service(snapshot, eni));
    let addresses: Vec<IpAddr> = serving.flat_map(|eni| addresses(eni, records)).collect();
    let found = match (addresses.is_empty(), in_zone.is_empty(), &asked.zone) {
        (false, ..) => Found::Addresses(addresses),
        // A zone in which the endpoint has no subnet has no name.
        (true, true, Some(_)) => Found::NoName,
        (true, ..) => Found::NoData,
    };
    NameAnswer {
        found,
        reason: NameReason::Endpoint(asked.endpoint.clone()),
    }
}

/// Which kinds of address records an endpoint's own names have: A, AAAA [dns §5].
fn records(endpoint: &VpcEndpoint) -> (bool, bool) {
    let (v4, v6) = (
        endpoint.address_type.has_v4(),
        endpoint.address_type.has_v6(),
    );
    match endpoint.dns_record {
        Some(DnsRecordType::Ipv4) => (v4, false),
        Some(DnsRecordType::Ipv6) => (false, v6),
        Some(DnsRecordType::Dualstack | DnsRecordType::ServiceDefined) | None => (v4, v6),
    }
}

/// The addresses of an interface that such records show.
fn addresses(
    eni: &NetworkInterface,
    (v4, v6): (bool, bool),
) -> impl Iterator<Item = IpAddr> + use<'_> {
    let v4 = v4.then_some(IpAddr::V4(eni.private_ip));
    let v6 = eni.ipv6.iter().copied().filter(move |_| v6).map(IpAddr::V6);
    v4.into_iter().chain(v6)
}

/// Whether names lead to an interface: not while its zone is out of service.
fn is_in_service(snapshot: &Snapshot, eni: &NetworkInterface) -> bool {
    let zone = snapshot.intent.get::<Subnet>(&eni.subnet).map(|s| &s.zone);
    !zone.is_some_and(|zone| snapshot.intent.is_failed(zone))
}

/// The interface endpoint of the VPC that has taken this public name over, if one has.
fn private_dns(
    snapshot: &Snapshot,
    vpc: &Vpc,
    from: &Viewpoint,
    asked: &PublicName,
) -> Option<NameAnswer> {
    let region = asked.region.as_ref()?;
    if !asked.family.has_private_dns() || !vpc.dns_hostnames {
        return None;
    }
    let service = format!("com.amazonaws.{region}.s3");
    let endpoints = snapshot
        .intent
        .in_vpc::<VpcEndpoint>(&vpc.id)
        .filter(|e| e.service == service);
    for endpoint in endpoints {
        if let EndpointKind::Interface {
            private_dns: true,
            inbound_only,
            interfaces,
            ..
        } = &endpoint.kind
        {
            if *inbound_only && !matches!(from, Viewpoint::Inbound(_)) {
                continue;
            }
            let mut records = records(endpoint);
            // An IPv4 endpoint does not answer dual-stack names; what a service defines is that its
            // plain names have A records alone [dns §5].
            if asked.dualstack && !records.1 {
                continue;
            }
            if !asked.dualstack && endpoint.dns_record == Some(DnsRecordType::ServiceDefined) {
                records.1 = false;
            }
            let addresses: Vec<IpAddr> = interfaces
                .iter()
                .filter_map(|id| snapshot.intent.get::<NetworkInterface>(id))
                .filter(|eni| is_in_service(snapshot, eni))
                .flat_map(|eni| addresses(eni, records))
                .collect();
            let found = if addresses.is_empty() {
                Found::NoData
            } else {
                Found::Addresses(addresses)
            };
            return Some(NameAnswer {
                found,
                reason: NameReason::PrivateDns(endpoint.id.clone()),
            });
        }
    }
    None
}

/// A public name of S3.
fn public_name(snapshot: &Snapshot, asked: &PublicName) -> NameAnswer {
    let none = NameAnswer {
        found: Found::NoName,
        reason: NameReason::Unknown,
    };
    let region = match (&asked.region, asked.family) {
        (Some(region), _) => region.clone(),
        // The global name is us-east-1's; an installation without that Region lends it its default.
        (None, Family::Global) => match (
            "us-east-1".parse::<Region>(),
            snapshot.intent.installation(),
        ) {
            (Ok(region), _) if snapshot.intent.get::<RegionInfo>(&region).is_some() => region,
            (_, Some(installation)) => installation.default_region.clone(),
            _ => return none,
        },
        (None, _) => return none,
    };
    service_name(snapshot, "s3", region, asked.dualstack)
}

/// `ip-10-0-0-5.ec2.internal` and `ip-10-0-0-5.<region>.compute.internal`: every address of the VPC
/// has one [dns §3].
pub fn host_name(vpc: &Vpc, name: &str) -> Option<Ipv4Addr> {
    let domain = host_domain(&vpc.region);
    let label = name.strip_suffix(&domain)?.strip_suffix('.')?;
    let mut octets = label
        .strip_prefix("ip-")?
        .splitn(4, '-')
        .map(|part| part.parse::<u8>());
    let mut next = || octets.next()?.ok();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    vpc.contains(address).then_some(address)
}

/// The domain of instance host names in a Region.
pub fn host_domain(region: &Region) -> String {
    match region.as_str() {
        "us-east-1" => "ec2.internal".to_string(),
        other => format!("{other}.compute.internal"),
    }
}
