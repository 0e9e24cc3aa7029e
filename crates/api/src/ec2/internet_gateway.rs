//! Internet gateways [ec2-api §18].

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags};
use crate::ec2::route_table::edge;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let tags = input.tags("internet-gateway")?;
    let account = &ctx.caller.account;
    let here = || {
        let all = draft.internet_gateways.values();
        all.filter(|igw| igw.region == ctx.region && igw.owner == *account)
            .count()
    };
    quotas::INTERNET_GATEWAYS_PER_REGION.check(draft, here)?;
    let home = ctx.home();
    let gateway = draft.put(InternetGateway {
        id: InternetGatewayId::from_digits(home.ids.digits()),
        owner: home.account,
        region: home.region,
        attached: None,
        tags,
    });
    Ok(Answer::from(map! { "InternetGateway" => show(&gateway) }))
}

/// One gateway for a VPC, one VPC for a gateway.
pub(crate) fn attach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<InternetGateway>(draft, input, "InternetGatewayId")?;
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    if let Some(other) = &gateway.attached {
        return Err(Refusal::new(
            "Resource.AlreadyAssociated",
            format!(
                "resource {} is already attached to network {other}",
                gateway.id
            ),
        ));
    }
    if draft.in_vpc::<InternetGateway>(&vpc.id).next().is_some() {
        return Err(Refusal::invalid_value(format!(
            "Network {} already has an internet gateway attached",
            vpc.id
        )));
    }
    draft.edit::<InternetGateway>(&gateway.id, |gateway| {
        gateway.attached = Some(vpc.id.clone())
    });
    Ok(Answer::done())
}

pub(crate) fn detach(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<InternetGateway>(draft, input, "InternetGatewayId")?;
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    if gateway.attached.as_ref() != Some(&vpc.id) {
        return Err(Refusal::new(
            "Gateway.NotAttached",
            format!(
                "resource {} is not attached to network {}",
                gateway.id, vpc.id
            ),
        ));
    }
    if draft
        .in_vpc::<NetworkInterface>(&vpc.id)
        .any(|eni| eni.public_pairs().next().is_some())
    {
        return Err(Refusal::new(
            "DependencyViolation",
            format!(
                "Network {} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.",
                vpc.id
            ),
        ));
    }
    edge::forget(draft, &vpc.id, &EdgeGateway::Internet(gateway.id.clone()));
    draft.edit::<InternetGateway>(&gateway.id, |gateway| gateway.attached = None);
    Ok(Answer::done())
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<InternetGateway>(draft, input, "InternetGatewayId")?;
    if gateway.attached.is_some() {
        return Err(Refusal::dependency(&format!(
            "internetGateway '{}'",
            gateway.id
        )));
    }
    draft.remove::<InternetGateway>(&gateway.id);
    Ok(Answer::done())
}

const DESCRIBE: Describe<InternetGateway> = Describe {
    ids: "InternetGatewayIds",
    items: "InternetGateways",
    pages: 5..=1000,
    filters: &[
        "internet-gateway-id",
        "attachment.vpc-id",
        "attachment.state",
    ],
    show: |gateway, _| show(gateway),
    filter: |gateway, name, _| {
        let attached = gateway.attached.iter();
        Some(match name {
            "internet-gateway-id" => vec![gateway.id.to_string()],
            "attachment.vpc-id" => attached.map(String::from).collect(),
            "attachment.state" => attached.map(|_| "available".to_string()).collect(),
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

fn show(gateway: &InternetGateway) -> Value {
    // The wire says `available`, although the model of the SDKs says `attached` [ec2-api §9].
    let attachment = |vpc: &VpcId| map! { "VpcId" => vpc.as_str(), "State" => "available" };
    map! {
        "InternetGatewayId" => gateway.id.as_str(),
        "OwnerId" => gateway.owner.as_str(),
        "Attachments" => gateway.attached.iter().map(attachment).collect::<Value>(),
        "Tags" => tags(&gateway.tags),
    }
}
