//! DHCP options: what hosts of a VPC are told about names and time [ec2-api §20].

use std::collections::BTreeMap;
use std::net::IpAddr;

use adit_model::*;
use adit_snapshot::decide::name::host_domain;
use adit_wire::{Value, map};

use crate::context::{Answer, Ctx, Home, Owned, View};
use crate::describe::{Describe, tags};
use crate::input::Input;
use crate::refusal::Refusal;

/// The options that a VPC has when nobody chose others: one set for each account and Region, made
/// with the first VPC; its id follows from both.
pub(crate) fn default_of(draft: &mut Draft, home: &Home<'_>) -> DhcpOptionsId {
    let id = DhcpOptionsId::from_digits(digits(&home.account, &home.region));
    if draft.get::<DhcpOptions>(&id).is_none() {
        let servers = vec![DhcpOptions::AMAZON_DNS.to_string()];
        let domain = vec![host_domain(&home.region)];
        draft.put(DhcpOptions {
            id: id.clone(),
            owner: home.account.clone(),
            region: home.region.clone(),
            options: BTreeMap::from([
                ("domain-name".to_string(), domain),
                ("domain-name-servers".to_string(), servers),
            ]),
            tags: Tags::new(),
        });
    }
    id
}

fn digits(account: &AccountId, region: &Region) -> u128 {
    let digest = ring::digest::digest(
        &ring::digest::SHA256,
        format!("dhcp {account} {region}").as_bytes(),
    );
    let bytes = digest.as_ref().iter().take(8);
    bytes.fold(0, |digits, byte| digits << 8 | u128::from(*byte))
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let mut options = BTreeMap::new();
    for option in input.get("DhcpConfigurations").list() {
        let key = option.get("Key").str().unwrap_or_default();
        let values: Vec<String> = option
            .get("Values")
            .list()
            .iter()
            .filter_map(|value| value.str().map(str::to_string))
            .collect();
        check(key, &values)?;
        if options.insert(key.to_string(), values).is_some() {
            return Err(Refusal::invalid_value(format!(
                "The DHCP option {key} is given more than once."
            )));
        }
    }
    if options.is_empty() {
        return Err(Refusal::missing("dhcpConfiguration"));
    }
    let tags = input.tags("dhcp-options")?;
    let made = draft.put(DhcpOptions {
        id: DhcpOptionsId::from_digits(ctx.ids.digits()),
        owner: ctx.caller.account.clone(),
        region: ctx.region.clone(),
        options,
        tags,
    });
    Ok(Answer::from(map! { "DhcpOptions" => show(&made) }))
}

/// What an option may say.
fn check(key: &str, values: &[String]) -> Result<(), Refusal> {
    let invalid = |value: &str, why: &str| {
        Err(Refusal::invalid_value(format!(
            "Value ({value}) for parameter {key} is invalid. {why}"
        )))
    };
    let addresses = |most: usize, name: Option<&str>| {
        if values.len() > most {
            return invalid(&values.join(","), &format!("At most {most} are allowed."));
        }
        let bad =
            |value: &&String| value.parse::<IpAddr>().is_err() && Some(value.as_str()) != name;
        match values.iter().find(bad) {
            Some(value) => invalid(value, "This is not an IP address."),
            None => Ok(()),
        }
    };
    if values.is_empty() || values.iter().any(String::is_empty) {
        return Err(Refusal::missing("Value"));
    }
    match key {
        "domain-name" => match values {
            [_] => Ok(()),
            _ => invalid(&values.join(","), "One value is allowed."),
        },
        "domain-name-servers" => addresses(4, Some(DhcpOptions::AMAZON_DNS)),
        "ntp-servers" | "netbios-name-servers" => addresses(4, None),
        "netbios-node-type" => match values {
            [one] if matches!(one.as_str(), "1" | "2" | "4" | "8") => Ok(()),
            _ => invalid(&values.join(","), "Expecting 1, 2, 4 or 8."),
        },
        "ipv6-address-preferred-lease-time" => match values {
            [one]
                if one
                    .parse::<u32>()
                    .is_ok_and(|n| (140..=2_147_483_647).contains(&n)) =>
            {
                Ok(())
            }
            _ => invalid(
                &values.join(","),
                "Expecting seconds from 140 to 2147483647.",
            ),
        },
        other => Err(Refusal::invalid_value(format!(
            "Value ({other}) for parameter key is invalid. Unknown DHCP option."
        ))),
    }
}

pub(crate) fn associate(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    let id = match input.required("DhcpOptionsId")? {
        "default" => DhcpOptionsId::none(),
        id => find(draft, ctx, id)?.id.clone(),
    };
    draft.edit::<Vpc>(&vpc.id, |vpc| vpc.dhcp_options = id);
    Ok(Answer::done())
}

/// The options with this id. Where there are none the text names the kind as AWS does.
fn find(intent: &Intent, ctx: &Ctx, id: &str) -> Result<std::sync::Arc<DhcpOptions>, Refusal> {
    let missing = |_| {
        Refusal::new(
            DhcpOptions::NOT_FOUND,
            format!("The dhcpOption ID '{id}' does not exist"),
        )
    };
    ctx.find::<DhcpOptions>(intent, id).map_err(missing)
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let options = find(draft, ctx, input.required("DhcpOptionsId")?)?;
    if draft
        .vpcs
        .values()
        .any(|vpc| vpc.dhcp_options == options.id)
    {
        return Err(Refusal::dependency(&format!(
            "dhcpOptions '{}'",
            options.id
        )));
    }
    draft.remove::<DhcpOptions>(&options.id);
    Ok(Answer::done())
}

const DESCRIBE: Describe<DhcpOptions> = Describe {
    ids: "DhcpOptionsIds",
    items: "DhcpOptions",
    pages: 5..=1000,
    filters: &["dhcp-options-id", "key", "value"],
    show: |options, _| show(options),
    filter: |options, name, _| {
        Some(match name {
            "dhcp-options-id" => vec![options.id.to_string()],
            "key" => options.options.keys().cloned().collect(),
            "value" => options.options.values().flatten().cloned().collect(),
            _ => return None,
        })
    },
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run_with(input, view, ctx, |id| find(view.intent, ctx, id))
}

fn show(options: &DhcpOptions) -> Value {
    let value = |value: &String| map! { "Value" => value };
    let option = |(key, values): (&String, &Vec<String>)| {
        map! { "Key" => key, "Values" => values.iter().map(value).collect::<Value>() }
    };
    map! {
        "DhcpOptionsId" => options.id.as_str(),
        "OwnerId" => options.owner.as_str(),
        "DhcpConfigurations" => options.options.iter().map(option).collect::<Value>(),
        "Tags" => tags(&options.tags),
    }
}
