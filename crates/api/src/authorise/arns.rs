//! What calls of the other services touch.

use adit_wire::Value;

use super::{Call, Touch};

/// Hosted zones and changes, by their ids, with the keys of record changes [iam-control §5].
pub(super) fn route53<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    let mut touches = Vec::new();
    let change = call.row.name == "GetChange";
    let resource = call.input.text("ResourceId").is_some();
    for name in ["HostedZoneId", "Id", "ResourceId"] {
        let Some(id) = call.input.text(name) else {
            continue;
        };
        let id = id.rsplit('/').next().unwrap_or_default();
        let kind = match call.input.text("ResourceType") {
            Some(kind) if resource => kind,
            _ if change => "change",
            _ => "hostedzone",
        };
        touches.push(Touch::on(format!("arn:aws:route53:::{kind}/{id}")));
    }
    let changes = call.input.get("ChangeBatch").get("Changes").list();
    let each = |find: fn(&Value) -> Option<String>| {
        let mut all: Vec<String> = changes.iter().filter_map(find).collect();
        all.sort();
        all.dedup();
        all
    };
    let vpc = call.input.get("VPC");
    for touch in &mut touches {
        if let (Some(id), Some(region)) = (vpc.get("VPCId").str(), vpc.get("VPCRegion").str()) {
            touch.key("route53:VPCs", format!("VPCId={id},VPCRegion={region}"));
        }
        if changes.is_empty() {
            continue;
        }
        touch.key(
            "route53:ChangeResourceRecordSetsNormalizedRecordNames",
            each(|change| {
                let name = change.get("ResourceRecordSet").get("Name").str()?;
                Some(name.trim_end_matches('.').to_ascii_lowercase())
            }),
        );
        touch.key(
            "route53:ChangeResourceRecordSetsRecordTypes",
            each(|change| {
                change
                    .get("ResourceRecordSet")
                    .get("Type")
                    .str()
                    .map(str::to_string)
            }),
        );
        touch.key(
            "route53:ChangeResourceRecordSetsActions",
            each(|change| change.get("Action").str().map(str::to_string)),
        );
    }
    touches
}

/// Resolver endpoints, rules and the rest, by the prefixes of their ids.
pub(super) fn resolver<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    const TYPES: [(&str, &str); 5] = [
        ("rslvr-in-", "resolver-endpoint"),
        ("rslvr-out-", "resolver-endpoint"),
        ("rslvr-rr-", "resolver-rule"),
        ("rslvr-autodefined-rr-", "resolver-rule"),
        ("rqlc-", "resolver-query-log-config"),
    ];
    let mut touches = by_arn(call);
    let members = call.input.0.map().into_iter().flat_map(|map| map.iter());
    for id in members.filter_map(|(_, value)| value.str()) {
        if let Some((_, kind)) = TYPES.iter().find(|(prefix, _)| id.starts_with(prefix)) {
            let (region, account) = (&call.ctx.region, call.account());
            let arn = format!("arn:aws:route53resolver:{region}:{account}:{kind}/{id}");
            touches.push(Touch::on(arn));
        }
    }
    touches
}

/// Whatever a call names by its ARN.
pub(super) fn by_arn<'a>(call: &Call<'a>) -> Vec<Touch<'a>> {
    let members = call.input.0.map().into_iter().flat_map(|map| map.iter());
    let named = members.filter(|(name, _)| name.ends_with("Arn") || name.ends_with("Arns"));
    named
        .flat_map(|(_, value)| value.str().into_iter().chain(value.strings()))
        .filter(|text| text.starts_with("arn:"))
        .map(Touch::on)
        .collect()
}
