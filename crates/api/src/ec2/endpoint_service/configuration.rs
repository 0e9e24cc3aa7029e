//! Endpoint services as their providers state them [ec2-api §14, privatelink §2].

use std::collections::BTreeSet;
use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, list, map};

use super::private_name;
use crate::context::{Answer, Ctx, Owned, View};
use crate::describe::{Describe, tags};
use crate::ec2::endpoint::unsuccessful;
use crate::input::{Input, malformed};
use crate::refusal::Refusal;
use crate::tokens::Token;

impl Owned for EndpointService {
    const NOUN: &'static str = "VpcEndpointService Id";
    const NOT_FOUND: &'static str = "InvalidVpcEndpointServiceId.NotFound";
    fn owner(&self) -> &AccountId {
        &self.owner
    }
    fn region<'a>(&'a self, _: &'a Intent) -> Option<&'a Region> {
        Some(&self.region)
    }
    fn tags(&self) -> &Tags {
        &self.tags
    }
    fn not_found(id: &str) -> Refusal {
        Refusal::new(
            Self::NOT_FOUND,
            format!("The VpcEndpointService Id '{id}' does not exist"),
        )
    }
}

/// The caller's service with this id. The doubled `Id` of the code is AWS's.
pub(super) fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<Arc<EndpointService>, Refusal> {
    id.parse::<VpcEndpointServiceId>()
        .map_err(|error| malformed("InvalidVpcEndpointServiceIdId.Malformed", "Id", &error))?;
    ctx.find::<EndpointService>(intent, id)
}

/// The connections of a service that carry traffic or may come to: they hold it in place.
fn live<'a>(
    intent: &'a Intent,
    service: &EndpointService,
) -> impl Iterator<Item = &'a Arc<VpcEndpoint>> + use<'a> {
    intent
        .related_to::<VpcEndpoint>(service.id.as_str())
        .filter(|endpoint| {
            let connection = endpoint.connection.as_ref();
            connection.is_some_and(|c| c.answer != ConnectionAnswer::Rejected)
        })
}

fn existing(id: &VpcEndpointServiceId) -> Refusal {
    Refusal::new(
        "ExistingVpcEndpointConnections",
        format!("Service {id} has existing VPC Endpoint connections. Reject them first."),
    )
}

/// The zones of a service are those of its load balancers.
pub(super) fn zones(service: &EndpointService, intent: &Intent) -> Vec<Zone> {
    let balancers = service
        .load_balancers
        .iter()
        .filter_map(|arn| intent.get::<LoadBalancer>(arn));
    let subnets = balancers.flat_map(|balancer| &balancer.subnets);
    let zones: BTreeSet<Zone> = subnets
        .filter_map(|(subnet, _)| intent.get::<Subnet>(subnet))
        .map(|subnet| subnet.zone.clone())
        .collect();
    zones.into_iter().collect()
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let token = Token::of(input, "CreateVpcEndpointServiceConfiguration", ctx)?;
    if let Some(token) = &token
        && let Some(id) = token.replay(draft, ctx)?
        && let Some(made) = draft.get::<EndpointService>(id).cloned()
    {
        return Ok(answer(made));
    }
    if !input.texts("NetworkLoadBalancerArns").is_empty()
        && !input.texts("GatewayLoadBalancerArns").is_empty()
    {
        return Err(Refusal::combination(
            "NetworkLoadBalancerArn and GatewayLoadBalancerArn cannot be used in the same request",
        ));
    }
    input.refuse_unbuilt(&["GatewayLoadBalancerArns"])?;
    let arns = input.texts("NetworkLoadBalancerArns");
    if arns.is_empty() {
        return Err(Refusal::missing("NetworkLoadBalancerArn"));
    }
    let mut service = EndpointService {
        id: VpcEndpointServiceId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        load_balancers: Vec::new(),
        acceptance_required: input.flag("AcceptanceRequired", true),
        ipv4: false,
        ipv6: false,
        private_name: None,
        regions: BTreeSet::from([ctx.region.clone()]),
        owner_pays: false,
        permissions: Default::default(),
        client_token: token.as_ref().map(|token| token.text.clone()),
        created: ctx.now,
        tags: input.tags("vpc-endpoint-service")?,
    };
    add_balancers(draft, ctx, &arns, &mut service)?;
    let types = input.texts("SupportedIpAddressTypes");
    set_types(
        if types.is_empty() { &["ipv4"] } else { &types },
        true,
        &mut service,
    )?;
    check_types(draft, &service)?;
    let regions = input.texts("SupportedRegions");
    add_regions(draft, &regions, &mut service)?;
    if let Some(name) = input.text("PrivateDnsName").filter(|name| !name.is_empty()) {
        service.private_name = Some(private_name::new(name, ctx)?);
    }
    let service = draft.put(service);
    if let Some(token) = &token {
        token.remember(draft, ctx, &service.id);
    }
    Ok(answer(service))
}

fn answer(service: Arc<EndpointService>) -> Answer {
    Answer::later(move |view| {
        map! {
            "ServiceConfiguration" => show(&service, view),
            "ClientToken" => service.client_token.clone(),
        }
    })
}

/// Puts load balancers behind a service: each exists, is the caller's and serves no other.
fn add_balancers(
    intent: &Intent,
    ctx: &Ctx,
    arns: &[&str],
    service: &mut EndpointService,
) -> Result<(), Refusal> {
    for arn in arns {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let form = matches!(
            parts.as_slice(),
            ["arn", "aws", "elasticloadbalancing", _, _, rest]
                if rest.starts_with("loadbalancer/net/") && rest.split('/').count() == 4
        );
        if !form {
            let arn: String = arn.chars().take(256).collect();
            return Err(Refusal::new(
                "InvalidNetworkLoadBalancerArn.Malformed",
                format!("The network load balancer ARN '{arn}' is malformed"),
            ));
        }
        let found = intent.get::<LoadBalancer>(arn).filter(|balancer| {
            balancer.owner == ctx.caller.account && balancer.region == ctx.region
        });
        let Some(balancer) = found else {
            return Err(Refusal::new(
                "InvalidNetworkLoadBalancerArn.NotFound",
                format!("The network load balancer '{arn}' does not exist"),
            ));
        };
        let mut users = intent.related_to::<EndpointService>(arn);
        if let Some(other) = users.find(|other| other.id != service.id) {
            return Err(Refusal::invalid(format!(
                "The network load balancer '{arn}' is already associated with VPC Endpoint Service {}.",
                other.id
            )));
        }
        if !service.load_balancers.contains(&balancer.arn) {
            service.load_balancers.push(balancer.arn.clone());
        }
    }
    Ok(())
}

fn set_types(types: &[&str], on: bool, service: &mut EndpointService) -> Result<(), Refusal> {
    for name in types {
        match *name {
            "ipv4" => service.ipv4 = on,
            "ipv6" => service.ipv6 = on,
            other => {
                return Err(Refusal::invalid_value(format!(
                    "Value ({other}) for parameter SupportedIpAddressType is invalid. Valid values are ipv4 and ipv6."
                )));
            }
        }
    }
    Ok(())
}

/// A service has addresses, and those its load balancers have.
fn check_types(intent: &Intent, service: &EndpointService) -> Result<(), Refusal> {
    if !service.ipv4 && !service.ipv6 {
        return Err(Refusal::invalid(
            "A VPC Endpoint Service must support at least one IP address type.",
        ));
    }
    let mut balancers = service
        .load_balancers
        .iter()
        .filter_map(|arn| intent.get::<LoadBalancer>(arn));
    match balancers.find(|balancer| service.ipv6 && !balancer.address_type.has_v6()) {
        Some(balancer) => Err(Refusal::invalid(format!(
            "The load balancer '{}' must be dualstack to support ipv6.",
            balancer.arn
        ))),
        None => Ok(()),
    }
}

fn add_regions(
    intent: &Intent,
    names: &[&str],
    service: &mut EndpointService,
) -> Result<(), Refusal> {
    for name in names {
        let region = intent.get::<RegionInfo>(name).ok_or_else(|| {
            Refusal::invalid_value(format!(
                "Value ({name}) for parameter SupportedRegion is invalid. It is no Region of this installation."
            ))
        })?;
        service.regions.insert(region.name.clone());
    }
    Ok(())
}

pub(crate) fn modify(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let old = find(draft, ctx, input.required("ServiceId")?)?;
    input.refuse_unbuilt(&[
        "AddGatewayLoadBalancerArns",
        "RemoveGatewayLoadBalancerArns",
    ])?;
    let mut new = EndpointService::clone(&old);
    add_balancers(
        draft,
        ctx,
        &input.texts("AddNetworkLoadBalancerArns"),
        &mut new,
    )?;
    for arn in input.texts("RemoveNetworkLoadBalancerArns") {
        if !new.load_balancers.iter().any(|there| there == arn) {
            return Err(Refusal::new(
                "InvalidNetworkLoadBalancerArn.NotFound",
                format!(
                    "The network load balancer '{arn}' is not associated with {}",
                    new.id
                ),
            ));
        }
        if live(draft, &new).next().is_some() {
            return Err(existing(&new.id));
        }
        new.load_balancers.retain(|there| there != arn);
    }
    if new.load_balancers.is_empty() {
        return Err(Refusal::invalid(
            "A VPC Endpoint Service must have at least one load balancer.",
        ));
    }
    set_types(&input.texts("AddSupportedIpAddressTypes"), true, &mut new)?;
    set_types(
        &input.texts("RemoveSupportedIpAddressTypes"),
        false,
        &mut new,
    )?;
    check_types(draft, &new)?;
    add_regions(draft, &input.texts("AddSupportedRegions"), &mut new)?;
    for region in input.texts("RemoveSupportedRegions") {
        if region == new.region.as_str() {
            return Err(Refusal::invalid(format!(
                "The Region {region} of the service itself cannot be removed."
            )));
        }
        new.regions.retain(|there| there.as_str() != region);
    }
    if let Some(required) = input.get("AcceptanceRequired").bool() {
        new.acceptance_required = required;
    }
    let name = input.text("PrivateDnsName").filter(|name| !name.is_empty());
    match (name, input.flag("RemovePrivateDnsName", false)) {
        (Some(_), true) => {
            return Err(Refusal::combination(
                "PrivateDnsName and RemovePrivateDnsName cannot be used in the same request",
            ));
        }
        (None, true) => new.private_name = None,
        (Some(name), false) => {
            // The same name keeps its proof; another one starts anew.
            if new
                .private_name
                .as_ref()
                .is_none_or(|there| there.name != name)
            {
                new.private_name = Some(private_name::new(name, ctx)?);
            }
        }
        (None, false) => {}
    }
    draft.put(new);
    Ok(Answer::from(map! { "Return" => true }))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let ids = input.texts("ServiceIds");
    if ids.is_empty() {
        return Err(Refusal::missing("ServiceId"));
    }
    Ok(unsuccessful(&ids, |id| {
        let service = find(draft, ctx, id)?;
        if live(draft, &service).next().is_some() {
            return Err(existing(&service.id));
        }
        super::notification::remove_all(draft, service.id.as_str());
        draft.remove::<EndpointService>(&service.id);
        Ok(())
    }))
}

const DESCRIBE: Describe<EndpointService> = Describe {
    ids: "ServiceIds",
    items: "ServiceConfigurations",
    pages: 5..=1000,
    filters: &[
        "service-name",
        "service-id",
        "service-state",
        "supported-ip-address-types",
    ],
    show,
    filter: |service, name, _| {
        Some(match name {
            "service-name" => vec![service.name()],
            "service-id" => vec![service.id.to_string()],
            "service-state" => vec!["Available".into()],
            "supported-ip-address-types" => address_types(service)
                .into_iter()
                .map(String::from)
                .collect(),
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run_with(input, view, ctx, |id| find(view.intent, ctx, id))
}

fn address_types(service: &EndpointService) -> Vec<&'static str> {
    let all = [(service.ipv4, "ipv4"), (service.ipv6, "ipv6")];
    all.into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, t)| t)
        .collect()
}

/// The service takes requests for connections as soon as it is stated: that is what `Available`
/// says. Whether a connection carries traffic is the endpoint's state.
fn show(service: &EndpointService, view: View<'_>) -> Value {
    let zones = zones(service, view.intent);
    let ids = zones.iter().filter_map(|zone| view.intent.zone_id(zone));
    let regions = service.regions.iter();
    let regions = regions.map(|r| map! { "Region" => r.as_str(), "ServiceState" => "Available" });
    let name = service.private_name.as_ref();
    map! {
        "ServiceType" => list![map! { "ServiceType" => "Interface" }],
        "ServiceId" => service.id.as_str(),
        "ServiceName" => service.name(),
        "ServiceState" => "Available",
        "AvailabilityZoneIds" => ids.collect::<Value>(),
        "AvailabilityZones" => zones.iter().map(Zone::as_str).collect::<Value>(),
        "AcceptanceRequired" => service.acceptance_required,
        "ManagesVpcEndpoints" => false,
        "NetworkLoadBalancerArns" => service.load_balancers.iter().map(String::as_str).collect::<Value>(),
        "SupportedIpAddressTypes" => address_types(service),
        "BaseEndpointDnsNames" =>
            list![format!("{}.{}.vpce.amazonaws.com", service.id, service.region)],
        "PrivateDnsName" => name.map(|name| name.name.as_str()),
        "PrivateDnsNameConfiguration" => name.map(private_name::show),
        "PayerResponsibility" => service.owner_pays.then_some("ServiceOwner"),
        "Tags" => tags(&service.tags),
        "SupportedRegions" => regions.collect::<Value>(),
        "RemoteAccessEnabled" => service.regions.iter().any(|r| *r != service.region),
    }
}
