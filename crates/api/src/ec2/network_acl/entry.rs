//! The numbered rules of network ACLs.

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::context::{Answer, Ctx};
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;

/// The numbers of the rules that deny what no other matched, for IPv4 and IPv6.
const LAST: [i64; 2] = [32767, 32768];

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let acl = ctx.required::<NetworkAcl>(draft, input, "NetworkAclId")?;
    let entry = read(input, draft, &acl)?;
    if acl.entries.iter().any(|there| is_same(there, &entry)) {
        return Err(Refusal::new(
            "NetworkAclEntryAlreadyExists",
            format!(
                "The network acl entry identified by {} already exists.",
                entry.number
            ),
        ));
    }
    let way = acl.entries.iter().filter(|e| e.egress == entry.egress);
    quotas::ENTRIES_PER_NETWORK_ACL.check(draft, || way.count())?;
    draft.edit::<NetworkAcl>(&acl.id, |acl| acl.entries.push(entry));
    Ok(Answer::done())
}

pub(crate) fn replace(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let acl = ctx.required::<NetworkAcl>(draft, input, "NetworkAclId")?;
    let entry = read(input, draft, &acl)?;
    if !acl.entries.iter().any(|there| is_same(there, &entry)) {
        return Err(not_found(&acl, entry.number.into()));
    }
    draft.edit::<NetworkAcl>(&acl.id, |acl| {
        let there = acl.entries.iter_mut();
        for there in there.filter(|there| is_same(there, &entry)) {
            *there = entry.clone();
        }
    });
    Ok(Answer::done())
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let acl = ctx.required::<NetworkAcl>(draft, input, "NetworkAclId")?;
    let number = number(input)?;
    let egress = egress(input)?;
    let is_it = |entry: &AclEntry| i64::from(entry.number) == number && entry.egress == egress;
    if !acl.entries.iter().any(is_it) {
        return Err(not_found(&acl, number));
    }
    draft.edit::<NetworkAcl>(&acl.id, |acl| acl.entries.retain(|entry| !is_it(entry)));
    Ok(Answer::done())
}

fn is_same(a: &AclEntry, b: &AclEntry) -> bool {
    a.number == b.number && a.egress == b.egress
}

fn not_found(acl: &NetworkAcl, number: i64) -> Refusal {
    Refusal::new(
        "InvalidNetworkAclEntry.NotFound",
        format!(
            "The network acl entry identified by rule number {number} in network ACL {} does not exist.",
            acl.id
        ),
    )
}

fn number(input: &Input<'_>) -> Result<i64, Refusal> {
    let number = input.get("RuleNumber").int();
    number.ok_or_else(|| Refusal::missing("ruleNumber"))
}

fn egress(input: &Input<'_>) -> Result<bool, Refusal> {
    let egress = input.get("Egress").bool();
    egress.ok_or_else(|| Refusal::missing("egress"))
}

/// The rule that a request describes.
fn read(input: &Input<'_>, intent: &Intent, acl: &NetworkAcl) -> Result<AclEntry, Refusal> {
    let number = number(input)?;
    let egress = egress(input)?;
    let invalid = |value: &str, parameter: &str, why: &str| {
        Refusal::invalid_value(format!(
            "Value ({value}) for parameter {parameter} is invalid. {why}"
        ))
    };
    let number = match u16::try_from(number) {
        Ok(number @ 1..=32766) => number,
        _ => {
            return Err(invalid(
                &number.to_string(),
                "ruleNumber",
                "The rule number must be between 1 and 32766.",
            ));
        }
    };
    let allow = match input.required("RuleAction")? {
        "allow" => true,
        "deny" => false,
        other => return Err(invalid(other, "ruleAction", "Expecting allow or deny.")),
    };
    let text = input.required("Protocol")?;
    let protocol = protocol(text).ok_or_else(|| invalid(text, "protocol", "Unknown protocol."))?;
    let cidr = cidr(input)?;
    if matches!(cidr, IpNet::V6(_)) && !has_ipv6(intent, &acl.vpc) {
        return Err(Refusal::invalid(format!(
            "The VPC {} has no IPv6 CIDR block.",
            acl.vpc
        )));
    }
    let (mut ports, mut icmp) = (None, None);
    match protocol {
        IpProtocol::Tcp | IpProtocol::Udp => ports = Some(port_range(input)?),
        IpProtocol::Icmp | IpProtocol::Icmpv6 => icmp = Some(type_and_code(input)?),
        // Others have no ports; AWS ignores what is said of them.
        IpProtocol::All | IpProtocol::Number(_) => {}
    }
    Ok(AclEntry {
        number,
        egress,
        allow,
        protocol,
        cidr,
        ports,
        icmp,
    })
}

fn has_ipv6(intent: &Intent, vpc: &VpcId) -> bool {
    let vpc = intent.get::<Vpc>(vpc);
    vpc.is_some_and(|vpc| !vpc.ipv6.is_empty())
}

fn cidr(input: &Input<'_>) -> Result<IpNet, Refusal> {
    let bad = |text: &str, parameter: &str| {
        Refusal::invalid_value(format!(
            "Value ({text}) for parameter {parameter} is invalid. This is not a valid CIDR block."
        ))
    };
    match (input.text("CidrBlock"), input.text("Ipv6CidrBlock")) {
        (Some(_), Some(_)) => Err(Refusal::combination(
            "The request must contain either cidrBlock or ipv6CidrBlock, not both",
        )),
        (Some(text), None) => match text.parse::<Ipv4Net>() {
            Ok(block) => Ok(IpNet::V4(block.trunc())),
            Err(_) => Err(bad(text, "cidrBlock")),
        },
        (None, Some(text)) => match text.parse::<Ipv6Net>() {
            Ok(block) => Ok(IpNet::V6(block.trunc())),
            Err(_) => Err(bad(text, "ipv6CidrBlock")),
        },
        (None, None) => Err(Refusal::missing("cidrBlock")),
    }
}

/// A protocol by number or by name.
fn protocol(text: &str) -> Option<IpProtocol> {
    Some(match text.to_ascii_lowercase().as_str() {
        "-1" | "all" => IpProtocol::All,
        "6" | "tcp" => IpProtocol::Tcp,
        "17" | "udp" => IpProtocol::Udp,
        "1" | "icmp" => IpProtocol::Icmp,
        "58" | "icmpv6" => IpProtocol::Icmpv6,
        number => IpProtocol::Number(number.parse().ok()?),
    })
}

fn protocol_number(protocol: IpProtocol) -> String {
    match protocol {
        IpProtocol::All => "-1".to_string(),
        IpProtocol::Tcp => "6".to_string(),
        IpProtocol::Udp => "17".to_string(),
        IpProtocol::Icmp => "1".to_string(),
        IpProtocol::Icmpv6 => "58".to_string(),
        IpProtocol::Number(number) => number.to_string(),
    }
}

fn port_range(input: &Input<'_>) -> Result<(u16, u16), Refusal> {
    let range = input.get("PortRange");
    let (from, to) = match (range.get("From").int(), range.get("To").int()) {
        (Some(from), Some(to)) => (from, to),
        _ => return Err(Refusal::missing("portRange")),
    };
    match (u16::try_from(from), u16::try_from(to)) {
        (Ok(from), Ok(to)) if from <= to => Ok((from, to)),
        _ => Err(Refusal::invalid_value(format!(
            "Value ({from}-{to}) for parameter portRange is invalid. Ports are between 0 and 65535, in order."
        ))),
    }
}

fn type_and_code(input: &Input<'_>) -> Result<(i16, i16), Refusal> {
    let icmp = input.get("IcmpTypeCode");
    let number = |name: &str| match icmp.get(name).int() {
        None => Ok(-1),
        Some(number @ -1..=255) => Ok(number as i16),
        Some(number) => Err(Refusal::invalid_value(format!(
            "Value ({number}) for parameter icmp.{name} is invalid. Expecting -1 to 255."
        ))),
    };
    if icmp.is_null() {
        return Err(Refusal::missing("icmp"));
    }
    Ok((number("Type")?, number("Code")?))
}

/// Every rule as shown: those that leave first, by number, with the last ones that deny.
pub(super) fn all(acl: &NetworkAcl, intent: &Intent) -> Vec<Value> {
    let families = if has_ipv6(intent, &acl.vpc) { 2 } else { 1 };
    let mut shown = Vec::new();
    for egress in [true, false] {
        let mut entries: Vec<&AclEntry> =
            acl.entries.iter().filter(|e| e.egress == egress).collect();
        entries.sort_by_key(|entry| entry.number);
        shown.extend(entries.into_iter().map(show));
        for (number, cidr) in LAST.iter().zip(["0.0.0.0/0", "::/0"]).take(families) {
            let family = match cidr {
                "::/0" => "Ipv6CidrBlock",
                _ => "CidrBlock",
            };
            shown.push(map! {
                family => cidr,
                "Egress" => egress,
                "Protocol" => "-1",
                "RuleAction" => "deny",
                "RuleNumber" => *number,
            });
        }
    }
    shown
}

fn show(entry: &AclEntry) -> Value {
    let (v4, v6) = match entry.cidr {
        IpNet::V4(block) => (Some(block.to_string()), None),
        IpNet::V6(block) => (None, Some(block.to_string())),
    };
    let ports = entry
        .ports
        .map(|(from, to)| map! { "From" => i64::from(from), "To" => i64::from(to) });
    let icmp = entry
        .icmp
        .map(|(kind, code)| map! { "Type" => i64::from(kind), "Code" => i64::from(code) });
    map! {
        "CidrBlock" => v4,
        "Ipv6CidrBlock" => v6,
        "Egress" => entry.egress,
        "Protocol" => protocol_number(entry.protocol),
        "PortRange" => ports,
        "IcmpTypeCode" => icmp,
        "RuleAction" => if entry.allow { "allow" } else { "deny" },
        "RuleNumber" => i64::from(entry.number),
    }
}
