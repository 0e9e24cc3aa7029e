//! The names of S3 and of endpoints: how they are spelled, and what part of one is which.
//!
//! One parser for everybody: the name plane answers with it, the gateway makes certificates with
//! it. Names are lower case and have no trailing dot here.

use adit_model::{EndpointKind, Region, VpcEndpoint, VpcEndpointId, Zone};

/// The public DNS domain of AWS, under which all these names live.
pub const DOMAIN: &str = "amazonaws.com";

/// The Region of DynamoDB's public name; `None` when it is another's.
pub fn dynamodb_region(name: &str) -> Option<Region> {
    let below = name.strip_suffix(DOMAIN)?.strip_suffix('.')?;
    below.strip_prefix("dynamodb.")?.parse().ok()
}

/// DynamoDB's public name in a Region.
pub fn dynamodb(region: &Region) -> String {
    format!("dynamodb.{region}.{DOMAIN}")
}

/// What a name of S3 is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum S3Name {
    /// A service name, with or without a bucket or account in front.
    Public(PublicName),
    /// A name of one endpoint.
    Endpoint(EndpointName),
}

/// A public service name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicName {
    /// Which family of names.
    pub family: Family,
    /// The Region the name says; the global name says none.
    pub region: Option<Region>,
    /// Whether it is the dual-stack form.
    pub dualstack: bool,
    /// What stands in front of the service's own name: a bucket, an account, an access point.
    pub prefix: Option<String>,
}

/// A family of public S3 names [dns §4.1].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// `s3.<region>`
    Regional,
    /// `s3.amazonaws.com`: older than Regions; never covered by private DNS.
    Global,
    /// `s3-<region>`: the old dash form; never covered by private DNS.
    Dash,
    /// `s3-control.<region>`
    Control,
    /// `s3-accesspoint.<region>`
    AccessPoint,
}

impl Family {
    /// Whether an interface endpoint's private DNS covers names of this family.
    pub fn has_private_dns(self) -> bool {
        matches!(
            self,
            Family::Regional | Family::Control | Family::AccessPoint
        )
    }
}

/// A name of one endpoint: `[prefix.]vpce-<digits>-<suffix>[-<zone>].s3.<region>.vpce.amazonaws.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointName {
    /// The endpoint it claims to name.
    pub endpoint: VpcEndpointId,
    /// The random part, which must be the endpoint's own.
    pub suffix: String,
    /// The zone, in a zonal name.
    pub zone: Option<Zone>,
    /// The service's short name, such as `s3`.
    pub service: String,
    /// The Region.
    pub region: Region,
    /// What stands in front: `bucket`, `accesspoint`, `control`, and what a client puts before those.
    pub prefix: Option<String>,
}

/// Reads a name; `None` when it is not a name of S3.
pub fn parse(name: &str) -> Option<S3Name> {
    let below = name.strip_suffix(DOMAIN)?.strip_suffix('.')?;
    match below.strip_suffix(".vpce") {
        Some(below) => parse_endpoint(below).map(S3Name::Endpoint),
        None => parse_public(below).map(S3Name::Public),
    }
}

fn parse_endpoint(below: &str) -> Option<EndpointName> {
    let mut labels: Vec<&str> = below.split('.').collect();
    let region: Region = labels.pop()?.parse().ok()?;
    let service = labels.pop()?.to_string();
    let own = labels.pop()?;
    // `vpce-` 17 digits `-` suffix; a zone may follow: `-us-east-1a`.
    let (endpoint, rest) = own.split_at_checked("vpce-".len() + 17)?;
    let rest = rest.strip_prefix('-')?;
    let (suffix, zone) = match rest.split_once('-') {
        Some((suffix, zone)) => (suffix, Some(zone.parse().ok()?)),
        None => (rest, None),
    };
    Some(EndpointName {
        endpoint: endpoint.parse().ok()?,
        suffix: suffix.to_string(),
        zone,
        service,
        region,
        prefix: (!labels.is_empty()).then(|| labels.join(".")),
    })
}

fn parse_public(below: &str) -> Option<PublicName> {
    let made = |family, region, dualstack, prefix: &str| {
        let prefix = (!prefix.is_empty()).then(|| prefix.trim_end_matches('.').to_string());
        Some(PublicName {
            family,
            region,
            dualstack,
            prefix,
        })
    };
    let (front, last) = match below.rsplit_once('.') {
        Some((front, last)) => (front, last),
        None => ("", below),
    };
    if last == "s3" {
        return made(Family::Global, None, false, front);
    }
    if let Some(region) = last.strip_prefix("s3-") {
        return made(Family::Dash, Some(region.parse().ok()?), false, front);
    }
    let region: Region = last.parse().ok()?;
    let (front, dualstack) = match strip_label(front, "dualstack") {
        Some(front) => (front, true),
        None => (front, false),
    };
    let families = [
        ("s3", Family::Regional),
        ("s3-control", Family::Control),
        ("s3-accesspoint", Family::AccessPoint),
    ];
    families
        .iter()
        .find_map(|(label, family)| Some((strip_label(front, label)?, *family)))
        .and_then(|(front, family)| made(family, Some(region), dualstack, front))
}

/// `front` without its last label, if that is `label`.
fn strip_label<'a>(front: &'a str, label: &str) -> Option<&'a str> {
    let rest = front.strip_suffix(label)?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_suffix('.')
    }
}

/// The regional name of an endpoint, without the leading `*.` that S3's are shown with.
pub fn regional(endpoint: &VpcEndpointId, suffix: &str, service: &str, region: &Region) -> String {
    format!("{endpoint}-{suffix}.{service}.{region}.vpce.{DOMAIN}")
}

/// The full name of the service that endpoint names call `short`: a customer's by its id.
pub fn service_name(short: &str, region: &Region) -> String {
    match short.starts_with("vpce-svc-") {
        true => format!("com.amazonaws.vpce.{region}.{short}"),
        false => format!("com.amazonaws.{region}.{short}"),
    }
}

/// The zonal name of an endpoint.
pub fn zonal(
    endpoint: &VpcEndpointId,
    suffix: &str,
    zone: &Zone,
    service: &str,
    region: &Region,
) -> String {
    format!("{endpoint}-{suffix}-{zone}.{service}.{region}.vpce.{DOMAIN}")
}

/// The endpoint's own names: the regional one, then the zonal ones of these zones. Everything below
/// each of them is a name of the endpoint too. None for a gateway endpoint.
pub fn of_endpoint<'a>(
    endpoint: &VpcEndpoint,
    zones: impl Iterator<Item = &'a Zone>,
) -> Vec<String> {
    let EndpointKind::Interface { dns_suffix, .. } = &endpoint.kind else {
        return Vec::new();
    };
    let Some((region, service)) = region_and_short_name(&endpoint.service) else {
        return Vec::new();
    };
    let mut names = vec![regional(&endpoint.id, dns_suffix, service, &region)];
    for zone in zones {
        let name = zonal(&endpoint.id, dns_suffix, zone, service, &region);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The Region of a full service name and its last label: what [`service_name`] puts together.
fn region_and_short_name(service: &str) -> Option<(Region, &str)> {
    let rest = service.strip_prefix("com.amazonaws.")?;
    let (region, short) = rest.strip_prefix("vpce.").unwrap_or(rest).split_once('.')?;
    Some((region.parse().ok()?, short))
}

/// The names that private DNS of an S3 endpoint covers, each with everything below it.
pub fn private_names(region: &Region) -> Vec<String> {
    ["s3", "s3-accesspoint", "s3-control"]
        .iter()
        .map(|label| format!("{label}.{region}.{DOMAIN}"))
        .collect()
}

/// The dual-stack names that private DNS of an S3 endpoint with IPv6 addresses covers besides.
pub fn dualstack_private_names(region: &Region) -> Vec<String> {
    ["s3", "s3-accesspoint", "s3-control"]
        .iter()
        .map(|label| format!("{label}.dualstack.{region}.{DOMAIN}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_names() {
        let cases = [
            (
                "s3.us-east-1.amazonaws.com",
                Family::Regional,
                Some("us-east-1"),
                false,
                None,
            ),
            (
                "b.s3.us-east-1.amazonaws.com",
                Family::Regional,
                Some("us-east-1"),
                false,
                Some("b"),
            ),
            (
                "my.dotted.s3.eu-west-2.amazonaws.com",
                Family::Regional,
                Some("eu-west-2"),
                false,
                Some("my.dotted"),
            ),
            (
                "b.s3.dualstack.us-east-1.amazonaws.com",
                Family::Regional,
                Some("us-east-1"),
                true,
                Some("b"),
            ),
            ("s3.amazonaws.com", Family::Global, None, false, None),
            (
                "b.c.s3.amazonaws.com",
                Family::Global,
                None,
                false,
                Some("b.c"),
            ),
            (
                "b.s3-us-west-2.amazonaws.com",
                Family::Dash,
                Some("us-west-2"),
                false,
                Some("b"),
            ),
            (
                "123456789012.s3-control.us-east-1.amazonaws.com",
                Family::Control,
                Some("us-east-1"),
                false,
                Some("123456789012"),
            ),
            (
                "ap-123456789012.s3-accesspoint.us-east-1.amazonaws.com",
                Family::AccessPoint,
                Some("us-east-1"),
                false,
                Some("ap-123456789012"),
            ),
        ];
        for (name, family, region, dualstack, prefix) in cases {
            let Some(S3Name::Public(got)) = parse(name) else {
                panic!("{name}")
            };
            assert_eq!(
                (
                    got.family,
                    got.region.as_ref().map(Region::as_str),
                    got.dualstack,
                    got.prefix.as_deref()
                ),
                (family, region, dualstack, prefix),
                "{name}"
            );
        }
        for other in [
            "amazonaws.com",
            "ec2.us-east-1.amazonaws.com",
            "s3.us-east-1.example.com",
            "xs3.us-east-1.amazonaws.com",
            "s3-website.us-east-1.amazonaws.com",
            "",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn endpoint_names_round_trip() {
        let id = VpcEndpointId::from_digits(0xabc);
        let region: Region = "us-east-1".parse().unwrap();
        let zone: Zone = "us-east-1b".parse().unwrap();
        for (name, zone) in [
            (regional(&id, "5e6f7a8b", "s3", &region), None),
            (
                zonal(&id, "5e6f7a8b", &zone, "s3", &region),
                Some(zone.clone()),
            ),
        ] {
            for prefix in [
                None,
                Some("bucket"),
                Some("my.b.bucket"),
                Some("ap-1.accesspoint"),
            ] {
                let full = prefix.map_or(name.clone(), |p| format!("{p}.{name}"));
                let Some(S3Name::Endpoint(got)) = parse(&full) else {
                    panic!("{full}")
                };
                assert_eq!(
                    (&got.endpoint, got.suffix.as_str(), &got.zone),
                    (&id, "5e6f7a8b", &zone)
                );
                assert_eq!(got.prefix.as_deref(), prefix);
            }
        }
        for bad in [
            "vpce-123.s3.us-east-1.vpce.amazonaws.com",
            "s3.us-east-1.vpce.amazonaws.com",
            "vpce.amazonaws.com",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
