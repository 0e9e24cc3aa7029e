//! Runs: a program as a host in a subnet. Its interface lives as long as its process.

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Map, Value, map};

use super::{lease, names_of, ticks};
use crate::addresses;
use crate::context::{Answer, Ctx, View};
use crate::ec2::security_group;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let lease = |input: &Input<'_>| lease(input).map(InterfaceUser::Run);
    let (vpc, interface) = place(input, draft, ctx, "adit run", lease)?;
    let (resolvers, domain) = names_of(draft, &vpc);
    Ok(Answer::from(map! {
        "NetworkInterfaceId" => interface.id.as_str(),
        "PrivateIpAddress" => interface.private_ip.to_string(),
        "PublicIpAddress" => interface.public_ip.map(|ip| ip.to_string()),
        "VpcId" => vpc.id.as_str(),
        "Namespace" => interface.id.as_str(),
        "Resolver" => resolvers.first().map(ToString::to_string),
        "Resolvers" => super::addresses(&resolvers),
        "SearchDomain" => domain,
    }))
}

/// A new interface in the subnet that a request names, with the groups and the public address that it asks for.
pub(super) fn place(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
    description: &str,
    user: impl FnOnce(&Input<'_>) -> Result<InterfaceUser, Refusal>,
) -> Result<(Arc<Vpc>, Arc<NetworkInterface>), Refusal> {
    let subnet = ctx.required::<Subnet>(draft, input, "SubnetId")?;
    let Some(vpc) = draft.get::<Vpc>(&subnet.vpc).cloned() else {
        return Err(Refusal::invalid(format!(
            "VPC {} does not exist.",
            subnet.vpc
        )));
    };
    let groups = groups(input, draft, ctx, &vpc)?;
    let user = user(input)?;
    let private_ip = addresses::private(draft, &subnet)?;
    let ipv6 = addresses::ipv6::on_creation(draft, &subnet)?;
    let public_ip = match input.get("PublicIp").bool().unwrap_or(subnet.map_public_ip) {
        true => Some(addresses::public(draft, &vpc.region)?),
        false => None,
    };
    let interface = draft.put(NetworkInterface {
        id: NetworkInterfaceId::from_digits(ctx.ids.digits()),
        vpc: vpc.id.clone(),
        subnet: subnet.id.clone(),
        owner: vpc.owner.clone(),
        private_ip,
        secondary: Vec::new(),
        ipv6,
        public_ip,
        mac: ctx.ids.mac(),
        groups,
        description: description.to_string(),
        source_dest_check: true,
        user,
        created: ctx.now,
        tags: Tags::new(),
    });
    Ok((vpc, interface))
}

/// The groups that a request names, else the VPC's default one.
fn groups(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    vpc: &Vpc,
) -> Result<Vec<SecurityGroupId>, Refusal> {
    let mut groups = Vec::new();
    for id in input.texts("SecurityGroupIds") {
        let group = security_group::find(intent, ctx, id)?;
        if group.vpc != vpc.id {
            return Err(Refusal::invalid(format!(
                "Security group {id} and the subnet belong to different networks."
            )));
        }
        if !groups.contains(&group.id) {
            groups.push(group.id.clone());
        }
    }
    if groups.is_empty() {
        let default = security_group::by_name(intent, &vpc.id, security_group::DEFAULT);
        groups.extend(default.map(|group| group.id.clone()));
    }
    quotas::GROUPS_PER_INTERFACE.check_total(intent, || groups.len())?;
    Ok(groups)
}

/// Takes a run's interface away; one that is gone already is gone.
pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let id = input.required("NetworkInterfaceId")?;
    let there = draft.get::<NetworkInterface>(id);
    match there
        .filter(|eni| eni.owner == ctx.caller.account)
        .map(|eni| &eni.user)
    {
        None => {}
        Some(InterfaceUser::Run(_)) => {
            draft.remove_interface(id);
        }
        Some(_) => {
            return Err(Refusal::new(
                "OperationNotPermitted",
                format!("The network interface {id} does not belong to a run."),
            ));
        }
    }
    Ok(Answer::done())
}

/// Every run of the caller's account, in subnets and at sites.
pub(crate) fn list(_: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let account = &ctx.caller.account;
    let interfaces = view
        .intent
        .network_interfaces
        .values()
        .filter(|eni| eni.owner == *account);
    let runs = interfaces.filter_map(|eni| match &eni.user {
        InterfaceUser::Run(lease) => Some(show(eni, lease)),
        _ => None,
    });
    let hosts = view.intent.site_hosts.values().filter(|host| {
        view.intent
            .get::<Site>(&host.site)
            .is_some_and(|site| site.owner == *account)
    });
    let site_runs = hosts.map(|host| {
        map! {
            "HostId" => host.id.as_str(),
            "Site" => host.site.as_str(),
            "IpAddress" => host.ip.to_string(),
            "Pid" => host.lease.pid,
            "Started" => ticks(host.lease.started),
        }
    });
    let mut output = Map::new();
    output.push("Runs", runs.collect::<Value>());
    output.push("SiteRuns", site_runs.collect::<Value>());
    Ok(Value::Map(output))
}

fn show(eni: &NetworkInterface, lease: &Lease) -> Value {
    map! {
        "NetworkInterfaceId" => eni.id.as_str(),
        "SubnetId" => eni.subnet.as_str(),
        "VpcId" => eni.vpc.as_str(),
        "PrivateIpAddress" => eni.private_ip.to_string(),
        "PublicIpAddress" => eni.public_ip.map(|ip| ip.to_string()),
        "SecurityGroupIds" => eni.groups.iter().map(String::from).collect::<Value>(),
        "Pid" => lease.pid,
        "Started" => ticks(lease.started),
    }
}
