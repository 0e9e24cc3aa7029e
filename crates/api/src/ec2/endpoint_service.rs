//! The services that endpoints can be made for [ec2-api §13]: the installation's own, and those
//! that customers offer.

pub(crate) mod configuration;
pub(crate) mod connection;
pub(crate) mod notification;
pub(crate) mod permission;
pub(crate) mod private_name;

use std::collections::BTreeSet;
use std::sync::Arc;

use adit_model::*;
use adit_snapshot::names;
use adit_wire::{Map, Value, list, map};

use crate::context::{Ctx, View};
use crate::describe::{Query, is_tag_filter, tag_values, tags};
use crate::ec2::prefix_list;
use crate::input::Input;
use crate::refusal::Refusal;

/// A service that belongs to the installation itself.
#[derive(Debug)]
pub(crate) struct Own {
    /// The last part of its name.
    pub(crate) short: &'static str,
    /// The types of endpoint it can be reached by.
    types: &'static [&'static str],
}

/// Every service of the installation.
static OWN: &[Own] = &[
    Own {
        short: "s3",
        types: &["Gateway", "Interface"],
    },
    Own {
        short: "dynamodb",
        types: &["Gateway"],
    },
];

/// A service as a caller finds it.
#[derive(Debug, Clone)]
pub(crate) enum Offer {
    /// One of the installation's, in a Region.
    Own(&'static Own, Region),
    /// A customer's.
    Customer(Arc<EndpointService>),
}

/// The last part of a service's name: `s3` of `com.amazonaws.us-east-1.s3`.
pub(crate) fn short_name(service: &str) -> &str {
    service.rsplit('.').next().unwrap_or_default()
}

/// The services of a Region that gateway endpoints lead to.
pub(crate) fn with_gateways(region: &Region) -> impl Iterator<Item = String> {
    OWN.iter()
        .filter(|own| own.types.contains(&"Gateway"))
        .map(move |own| format!("com.amazonaws.{region}.{}", own.short))
}

/// The refusal of a service that does not exist, or not for the caller.
pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::new(
        "InvalidServiceName",
        format!("The Vpc Endpoint Service '{name}' does not exist"),
    )
}

/// The service with this name in a Region (the caller's when none is named), when the caller may
/// have endpoints to it.
pub(crate) fn find(
    intent: &Intent,
    ctx: &Ctx,
    name: &str,
    region: Option<&str>,
) -> Result<Offer, Refusal> {
    let region = region.unwrap_or(ctx.region.as_str());
    let found = by_name(intent, &ctx.region, name).filter(|offer| match offer {
        Offer::Own(_, here) => here.as_str() == region,
        Offer::Customer(service) => {
            service.region.as_str() == region && is_open_to(service, ctx, &ctx.region)
        }
    });
    found.ok_or_else(|| unknown(name))
}

/// The service that an endpoint is to, as long as there is one.
pub(crate) fn of(intent: &Intent, endpoint: &VpcEndpoint) -> Option<Offer> {
    let region = &intent.get::<Vpc>(&endpoint.vpc)?.region;
    by_name(intent, region, &endpoint.service)
}

fn by_name(intent: &Intent, region: &Region, name: &str) -> Option<Offer> {
    let last = short_name(name);
    if let Ok(id) = last.parse::<VpcEndpointServiceId>() {
        let service = intent.get::<EndpointService>(id)?;
        return (service.name() == name).then(|| Offer::Customer(service.clone()));
    }
    // A service with gateway endpoints has a prefix list of its name.
    let own = OWN.iter().find(|own| own.short == last)?;
    let offer = Offer::Own(own, region.clone());
    (offer.name() == name && prefix_list::of_service(intent, name).is_some()).then_some(offer)
}

/// Whether a caller may have endpoints in a Region to a customer's service.
fn is_open_to(service: &EndpointService, ctx: &Ctx, region: &Region) -> bool {
    service.regions.contains(region) && permission::allows(service, &ctx.caller)
}

impl Offer {
    /// Its name.
    pub(crate) fn name(&self) -> String {
        match self {
            Offer::Own(own, region) => format!("com.amazonaws.{region}.{}", own.short),
            Offer::Customer(service) => service.name(),
        }
    }

    /// The Region it is in.
    pub(crate) fn region(&self) -> &Region {
        match self {
            Offer::Own(_, region) => region,
            Offer::Customer(service) => &service.region,
        }
    }

    /// The types of endpoint it can be reached by.
    pub(crate) fn types(&self) -> &'static [&'static str] {
        match self {
            Offer::Own(own, _) => own.types,
            Offer::Customer(_) => &["Interface"],
        }
    }

    /// The customer's service that it is.
    pub(crate) fn customer(&self) -> Option<&Arc<EndpointService>> {
        match self {
            Offer::Own(..) => None,
            Offer::Customer(service) => Some(service),
        }
    }

    /// Whether private DNS is on when a request does not say: not for S3, whose names a gateway
    /// endpoint usually carries, and never for customers' services [ec2-api §5].
    pub(crate) fn private_dns_by_default(&self) -> bool {
        matches!(self, Offer::Own(own, _) if own.short != "s3")
    }

    /// Whether endpoints may have a policy other than the one that allows everything.
    pub(crate) fn takes_policies(&self) -> bool {
        matches!(self, Offer::Own(..))
    }

    /// The names that private DNS takes over: each with everything below it, or a customer's as
    /// it is, perhaps a wildcard.
    pub(crate) fn private_names(&self) -> Vec<String> {
        match self {
            Offer::Own(own, region) if own.short == "s3" => names::private_names(region),
            Offer::Own(..) => Vec::new(),
            Offer::Customer(service) => {
                let name = service.private_name.as_ref();
                name.map(|name| name.name.clone()).into_iter().collect()
            }
        }
    }

    /// Whether its private names are known to be the provider's.
    pub(crate) fn is_verified(&self) -> bool {
        match self {
            Offer::Own(..) => true,
            Offer::Customer(service) => service
                .private_name
                .as_ref()
                .is_some_and(|name| name.verification == Verification::Verified),
        }
    }

    /// Whether addresses of this type reach it.
    pub(crate) fn has(&self, addresses: AddressType) -> bool {
        let (v4, v6) = match self {
            Offer::Own(..) => (true, true),
            Offer::Customer(service) => (service.ipv4, service.ipv6),
        };
        (v4 || !addresses.has_v4()) && (v6 || !addresses.has_v6())
    }

    /// The zones it is in.
    pub(crate) fn zones(&self, intent: &Intent) -> Vec<Zone> {
        match self {
            Offer::Own(_, region) => intent
                .get::<RegionInfo>(region)
                .map(|r| r.zones.clone())
                .unwrap_or_default(),
            Offer::Customer(service) => configuration::zones(service, intent),
        }
    }

    /// The account or company it belongs to.
    fn owner(&self) -> &str {
        match self {
            Offer::Own(..) => "amazon",
            Offer::Customer(service) => service.owner.as_str(),
        }
    }
}

/// One service with one type of endpoint: a service with two types is shown twice.
struct Shown {
    offer: Offer,
    kind: &'static str,
}

impl Shown {
    fn key(&self) -> String {
        format!("{} {}", self.offer.name(), self.kind)
    }

    /// A customer's service has an id; one of the installation's follows from name and type.
    fn id(&self) -> String {
        match &self.offer {
            Offer::Customer(service) => service.id.to_string(),
            Offer::Own(..) => {
                let digest = ring::digest::digest(&ring::digest::SHA256, self.key().as_bytes());
                let digits = digest
                    .as_ref()
                    .iter()
                    .take(8)
                    .fold(0, |d, byte| d << 8 | u128::from(*byte));
                VpcEndpointServiceId::from_digits(digits).to_string()
            }
        }
    }

    fn address_types(&self) -> Vec<&'static str> {
        let all = [AddressType::Ipv4, AddressType::Ipv6];
        let has = all.into_iter().filter(|kind| self.offer.has(*kind));
        has.map(AddressType::as_str).collect()
    }

    fn values(&self, filter: &str) -> Vec<String> {
        let offer = &self.offer;
        match filter {
            "owner" => vec![offer.owner().to_string()],
            "service-name" => vec![offer.name()],
            "service-region" => vec![offer.region().to_string()],
            "service-type" => vec![self.kind.into()],
            "supported-ip-address-types" => {
                self.address_types().iter().map(|t| t.to_string()).collect()
            }
            other => match offer {
                Offer::Customer(service) => tag_values(&service.tags, other).unwrap_or_default(),
                Offer::Own(..) => Vec::new(),
            },
        }
    }

    fn show(&self, intent: &Intent) -> Value {
        let offer = &self.offer;
        let (name, region) = (offer.name(), offer.region());
        let zones = offer.zones(intent);
        let ids = zones.iter().filter_map(|zone| intent.zone_id(zone));
        let short = short_name(&name);
        let base = match self.kind {
            "Gateway" => format!("{short}.{region}.amazonaws.com"),
            _ => format!("{short}.{region}.vpce.amazonaws.com"),
        };
        let private: Vec<String> = match (self.kind, offer) {
            ("Gateway", _) => Vec::new(),
            (_, Offer::Own(..)) => offer
                .private_names()
                .into_iter()
                .map(|name| format!("*.{name}"))
                .collect(),
            (_, Offer::Customer(_)) => offer.private_names(),
        };
        let customer = offer.customer();
        let verified = match customer {
            None => (self.kind == "Interface").then_some("verified"),
            Some(service) => {
                let name = service.private_name.as_ref();
                name.map(|name| private_name::state(name.verification))
            }
        };
        let mut detail = Map::new();
        detail.push("ServiceName", name.as_str());
        detail.push("ServiceId", self.id());
        detail.push("ServiceType", list![map! { "ServiceType" => self.kind }]);
        detail.push("ServiceRegion", region.as_str());
        detail.push("AvailabilityZoneIds", ids.collect::<Value>());
        detail.push(
            "AvailabilityZones",
            zones.iter().map(Zone::as_str).collect::<Value>(),
        );
        detail.push("Owner", offer.owner());
        detail.push("BaseEndpointDnsNames", list![base]);
        detail.push("PrivateDnsName", private.first());
        if !private.is_empty() {
            let names = private.iter().map(|name| map! { "PrivateDnsName" => name });
            detail.push("PrivateDnsNames", names.collect::<Value>());
        }
        detail.push("VpcEndpointPolicySupported", offer.takes_policies());
        detail.push(
            "AcceptanceRequired",
            customer.is_some_and(|service| service.acceptance_required),
        );
        detail.push("ManagesVpcEndpoints", false);
        detail.push(
            "PayerResponsibility",
            customer.and_then(|service| service.owner_pays.then_some("ServiceOwner")),
        );
        detail.push(
            "Tags",
            customer.map_or_else(|| list![], |service| tags(&service.tags)),
        );
        detail.push("PrivateDnsNameVerificationState", verified);
        detail.push("SupportedIpAddressTypes", self.address_types());
        Value::Map(detail)
    }
}

/// Every service that the caller may have endpoints to, of these Regions.
fn offered(intent: &Intent, ctx: &Ctx, regions: &BTreeSet<&str>) -> Vec<Shown> {
    let mut all = Vec::new();
    if regions.contains(ctx.region.as_str()) {
        let names = OWN
            .iter()
            .map(|own| format!("com.amazonaws.{}.{}", ctx.region, own.short));
        all.extend(names.filter_map(|name| by_name(intent, &ctx.region, &name)));
    }
    let services = intent.endpoint_services.values().filter(|service| {
        regions.contains(service.region.as_str()) && is_open_to(service, ctx, &ctx.region)
    });
    all.extend(services.cloned().map(Offer::Customer));
    let mut shown: Vec<Shown> = all
        .into_iter()
        .flat_map(|offer| {
            offer.types().iter().map(move |kind| Shown {
                offer: offer.clone(),
                kind,
            })
        })
        .collect();
    shown.sort_by_key(Shown::key);
    shown
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let mut regions: BTreeSet<&str> = input.texts("ServiceRegions").into_iter().collect();
    for other in &regions {
        if view.intent.get::<RegionInfo>(other).is_none() {
            return Err(Refusal::invalid_value(format!(
                "Invalid region names: [{other}]"
            )));
        }
    }
    if regions.is_empty() {
        regions.insert(ctx.region.as_str());
    }
    let names = input.texts("ServiceNames");
    let known = [
        "owner",
        "service-name",
        "service-region",
        "service-type",
        "supported-ip-address-types",
    ];
    let query = Query::of(input, false, &(1..=1000), |name| {
        known.contains(&name) || is_tag_filter(name)
    })?;
    let all = offered(view.intent, ctx, &regions);
    if let Some(name) = names
        .iter()
        .find(|name| !all.iter().any(|shown| shown.offer.name() == **name))
    {
        return Err(unknown(name));
    }
    let wanted = all
        .iter()
        .filter(|shown| names.is_empty() || names.contains(&shown.offer.name().as_str()))
        .filter(|shown| query.matches(|name| shown.values(name)));
    let (items, next) = query.page(wanted, |shown| shown.key(), |shown| shown.show(view.intent));
    // Both lists of the reply are one page of the same services.
    let mut shown: Vec<String> = items
        .iter()
        .filter_map(|item| item.get("ServiceName").str())
        .map(str::to_string)
        .collect();
    shown.dedup();
    let mut output = Map::new();
    output.push("ServiceNames", shown);
    output.push("ServiceDetails", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}
