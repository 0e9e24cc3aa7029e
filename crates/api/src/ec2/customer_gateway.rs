//! Customer gateways: the on-premises side of VPN connections, as described [ec2-api §18].

use std::net::IpAddr;

use adit_model::*;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, View};
use crate::describe::{Describe, tags};
use crate::ec2::vpn_gateway::{check_type, in_use, without_pages};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The autonomous system number of the other side unless it says its own.
const ASN: u32 = 65000;

/// The same gateway again is answered with the one there is.
pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    check_type(input)?;
    let tags = input.tags("customer-gateway")?;
    let asn = asn(input)?;
    let certificate_arn = input.text("CertificateArn").map(str::to_string);
    let ip = match input.text("IpAddress").or(input.text("PublicIp")) {
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| {
            Refusal::invalid_value(format!(
                "Value ({text}) for parameter ipAddress is invalid. This is not an IP address."
            ))
        })?),
        None if certificate_arn.is_some() => None,
        None => return Err(Refusal::missing("ipAddress")),
    };
    let device_name = input.text("DeviceName").map(str::to_string);
    let is_same = |there: &CustomerGateway| {
        there.asn == asn
            && there.ip == ip
            && there.device_name == device_name
            && there.certificate_arn == certificate_arn
    };
    let mine = || {
        let all = draft.customer_gateways.values();
        all.filter(|there| ctx.sees(draft, &***there))
    };
    if let Some(there) = mine().find(|there| is_same(there)) {
        return Ok(Answer::from(map! { "CustomerGateway" => show(there) }));
    }
    quotas::CUSTOMER_GATEWAYS_PER_REGION.check(draft, || mine().count())?;
    let gateway = draft.put(CustomerGateway {
        id: CustomerGatewayId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        asn,
        ip,
        device_name,
        certificate_arn,
        tags,
    });
    Ok(Answer::from(map! { "CustomerGateway" => show(&gateway) }))
}

fn asn(input: &Input<'_>) -> Result<u32, Refusal> {
    let given = input.get("BgpAsnExtended").int();
    let Some(asn) = given.or(input.get("BgpAsn").int()) else {
        return Ok(ASN);
    };
    match u32::try_from(asn) {
        Ok(asn @ 1..=4_294_967_294) => Ok(asn),
        _ => Err(Refusal::invalid_value(format!(
            "Value ({asn}) for parameter bgpAsn is invalid. Expecting 1 to 4294967294."
        ))),
    }
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let gateway = ctx.required::<CustomerGateway>(draft, input, "CustomerGatewayId")?;
    if in_use(draft, gateway.id.as_str()) {
        return Err(Refusal::new(
            "IncorrectState",
            format!(
                "The customer gateway is in use. (customerGateway '{}')",
                gateway.id
            ),
        ));
    }
    draft.remove::<CustomerGateway>(&gateway.id);
    Ok(Answer::done())
}

const DESCRIBE: Describe<CustomerGateway> = Describe {
    ids: "CustomerGatewayIds",
    items: "CustomerGateways",
    pages: 1..=1000,
    filters: &[
        "bgp-asn",
        "customer-gateway-id",
        "ip-address",
        "state",
        "type",
    ],
    show: |gateway, _| show(gateway),
    filter: |gateway, name, _| {
        Some(match name {
            "bgp-asn" => vec![gateway.asn.to_string()],
            "customer-gateway-id" => vec![gateway.id.to_string()],
            "ip-address" => gateway.ip.iter().map(ToString::to_string).collect(),
            "state" => vec!["available".to_string()],
            "type" => vec!["ipsec.1".to_string()],
            _ => return None,
        })
    },
};

/// This operation has no pages.
pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx).map(without_pages)
}

fn show(gateway: &CustomerGateway) -> Value {
    // Numbers of more than 16 bits have a member of their own.
    let (short, extended) = match gateway.asn {
        asn if asn <= 65535 => (Some(asn.to_string()), None),
        asn => (None, Some(asn.to_string())),
    };
    map! {
        "CustomerGatewayId" => gateway.id.as_str(),
        "State" => "available",
        "Type" => "ipsec.1",
        "IpAddress" => gateway.ip.map(|ip| ip.to_string()),
        "BgpAsn" => short,
        "BgpAsnExtended" => extended,
        "DeviceName" => gateway.device_name.clone(),
        "CertificateArn" => gateway.certificate_arn.clone(),
        "Tags" => tags(&gateway.tags),
    }
}
