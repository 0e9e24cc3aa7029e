//! The services that endpoints can be made for [ec2-api §13].

use adit_model::*;
use adit_wire::{Map, Value, list, map};

use crate::context::{Ctx, View};
use crate::describe::Query;
use crate::ec2::{place, prefix_list};
use crate::input::Input;
use crate::refusal::Refusal;

/// The last part of a service's name: `s3` of `com.amazonaws.us-east-1.s3`.
pub(crate) fn short_name(service: &str) -> &str {
    service.rsplit('.').next().unwrap_or_default()
}

/// Whether there is such a service in a Region. A service with gateway endpoints has a prefix list
/// of its name.
pub(crate) fn exists(intent: &Intent, region: &Region, name: &str) -> bool {
    name == s3(region) && prefix_list::of_service(intent, name).is_some()
}

/// The refusal of a service that does not exist, or not for the caller.
pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::new(
        "InvalidServiceName",
        format!("The Vpc Endpoint Service '{name}' does not exist"),
    )
}

/// The services of a Region that gateway endpoints lead to.
pub(crate) fn with_gateways(region: &Region) -> impl Iterator<Item = String> {
    ["s3", "dynamodb"]
        .into_iter()
        .map(move |short| format!("com.amazonaws.{region}.{short}"))
}

fn s3(region: &Region) -> String {
    format!("com.amazonaws.{region}.s3")
}

/// One service with one type of endpoint: a service with two types has two.
struct Offer {
    name: String,
    gateway: bool,
}

impl Offer {
    fn kind(&self) -> &'static str {
        if self.gateway { "Gateway" } else { "Interface" }
    }

    /// An id that follows from name and type.
    fn id(&self) -> String {
        let what = format!("{} {}", self.name, self.kind());
        let digest = ring::digest::digest(&ring::digest::SHA256, what.as_bytes());
        let digits = digest
            .as_ref()
            .iter()
            .take(8)
            .fold(0, |d, byte| d << 8 | u128::from(*byte));
        VpcEndpointServiceId::from_digits(digits).to_string()
    }

    fn values(&self, filter: &str, region: &Region) -> Vec<String> {
        match filter {
            "owner" => vec!["amazon".into()],
            "service-name" => vec![self.name.clone()],
            "service-region" => vec![region.to_string()],
            "service-type" => vec![self.kind().into()],
            "supported-ip-address-types" => vec!["ipv4".into()],
            _ => Vec::new(),
        }
    }

    fn show(&self, region: &Region, intent: &Intent) -> Value {
        let short = short_name(&self.name);
        let zones = intent
            .get::<RegionInfo>(region)
            .map(|r| r.zones.clone())
            .unwrap_or_default();
        let ids = zones.iter().filter_map(|zone| place::zone_id(intent, zone));
        let base = match self.gateway {
            true => format!("{short}.{region}.amazonaws.com"),
            false => format!("{short}.{region}.vpce.amazonaws.com"),
        };
        let private: Vec<String> = match self.gateway {
            true => Vec::new(),
            false => adit_snapshot::names::private_names(region)
                .into_iter()
                .map(|name| format!("*.{name}"))
                .collect(),
        };
        let verified = (!self.gateway).then_some("verified");
        let mut detail = Map::new();
        detail.push("ServiceName", self.name.as_str());
        detail.push("ServiceId", self.id());
        detail.push("ServiceType", list![map! { "ServiceType" => self.kind() }]);
        detail.push("ServiceRegion", region.as_str());
        detail.push("AvailabilityZoneIds", ids.collect::<Value>());
        detail.push(
            "AvailabilityZones",
            zones.iter().map(Zone::as_str).collect::<Value>(),
        );
        detail.push("Owner", "amazon");
        detail.push("BaseEndpointDnsNames", list![base]);
        detail.push("PrivateDnsName", private.first());
        if !private.is_empty() {
            let names = private.iter().map(|name| map! { "PrivateDnsName" => name });
            detail.push("PrivateDnsNames", names.collect::<Value>());
        }
        detail.push("VpcEndpointPolicySupported", true);
        detail.push("AcceptanceRequired", false);
        detail.push("ManagesVpcEndpoints", false);
        detail.push("Tags", list![]);
        detail.push("PrivateDnsNameVerificationState", verified);
        detail.push("SupportedIpAddressTypes", list!["ipv4"]);
        Value::Map(detail)
    }
}

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let region = &ctx.region;
    let regions = input.texts("ServiceRegions");
    for other in &regions {
        if view.intent.get::<RegionInfo>(other).is_none() {
            return Err(Refusal::invalid_value(format!(
                "Invalid region names: [{other}]"
            )));
        }
    }
    let names = input.texts("ServiceNames");
    if let Some(name) = names.iter().find(|name| !exists(view.intent, region, name)) {
        return Err(unknown(name));
    }
    let known = [
        "owner",
        "service-name",
        "service-region",
        "service-type",
        "supported-ip-address-types",
    ];
    let query = Query::of(input, false, &(1..=1000), |name| {
        known.contains(&name) || crate::describe::is_tag_filter(name)
    })?;
    let here = regions.is_empty() || regions.contains(&region.as_str());
    let all = exists(view.intent, region, &s3(region)) && here;
    let offers = [true, false].into_iter().filter(|_| all);
    let offers = offers.map(|gateway| Offer {
        name: s3(region),
        gateway,
    });
    let wanted: Vec<Offer> = offers
        .filter(|offer| names.is_empty() || names.contains(&offer.name.as_str()))
        .filter(|offer| query.matches(|name| offer.values(name, region)))
        .collect();
    let key = |offer: &&Offer| format!("{} {}", offer.name, offer.kind());
    let (items, next) = query.page(wanted.iter(), key, |offer| offer.show(region, view.intent));
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
