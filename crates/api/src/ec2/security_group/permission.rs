//! What requests say of security group rules, read and checked; and rules shown in that form.

use adit_model::*;
use adit_wire::{Map, Value, map};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::peer;
use crate::context::Ctx;
use crate::ec2::prefix_list;
use crate::input::Input;
use crate::refusal::Refusal;

/// A rule that a request names: everything that tells rules apart, and the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) protocol: IpProtocol,
    pub(crate) ports: Option<(i32, i32)>,
    pub(crate) peer: RulePeer,
    pub(crate) description: Option<String>,
}

impl Permission {
    /// Whether a rule says the same, descriptions aside.
    pub(crate) fn is(&self, rule: &SecurityGroupRule) -> bool {
        self.protocol == rule.protocol
            && self.ports == rule.from_port.zip(rule.to_port)
            && self.peer == rule.peer
    }
}

/// Reads the rules of a request: `IpPermissions`, else the older flat parameters.
pub(crate) fn read(
    input: &Input<'_>,
    intent: &Intent,
    ctx: &Ctx,
    group: &SecurityGroup,
) -> Result<Vec<Permission>, Refusal> {
    let flat = [
        "IpProtocol",
        "CidrIp",
        "SourceSecurityGroupName",
        "SourceSecurityGroupOwnerId",
    ];
    let is_flat = flat.iter().any(|name| !input.get(name).is_null());
    let listed = input.get("IpPermissions").list();
    if is_flat && !listed.is_empty() {
        return Err(Refusal::combination(
            "The parameter ipPermissions may not be used in combination with ipProtocol, cidrIp or a source security group",
        ));
    }
    let mut all = Vec::new();
    if is_flat {
        all.extend(read_one(&unflattened(*input), intent, ctx, group)?);
    }
    for permission in listed {
        all.extend(read_one(permission, intent, ctx, group)?);
    }
    for (index, one) in all.iter().enumerate() {
        let same = |other: &Permission| {
            (other.protocol, other.ports, &other.peer) == (one.protocol, one.ports, &one.peer)
        };
        if all.iter().skip(index + 1).any(same) {
            let text = "The same permission must not appear multiple times";
            return Err(Refusal::invalid_value(text));
        }
    }
    Ok(all)
}

/// The flat parameters as one member of `IpPermissions`.
fn unflattened(input: Input<'_>) -> Value {
    let mut permission = Map::new();
    // Without a protocol the old form meant every one, and so does naming a group alone.
    permission.push("IpProtocol", input.text("IpProtocol").unwrap_or("-1"));
    permission.push("FromPort", input.get("FromPort").clone());
    permission.push("ToPort", input.get("ToPort").clone());
    if let Some(cidr) = input.text("CidrIp") {
        permission.push("IpRanges", Value::List(vec![map! { "CidrIp" => cidr }]));
    }
    if let Some(name) = input.text("SourceSecurityGroupName") {
        let pair = map! {
            "GroupName" => name,
            "UserId" => input.text("SourceSecurityGroupOwnerId"),
        };
        permission.push("UserIdGroupPairs", Value::List(vec![pair]));
    }
    Value::Map(permission)
}

fn read_one(
    permission: &Value,
    intent: &Intent,
    ctx: &Ctx,
    group: &SecurityGroup,
) -> Result<Vec<Permission>, Refusal> {
    let protocol = match permission.get("IpProtocol").str() {
        Some(text) => protocol(text)?,
        None => return Err(Refusal::missing("IpPermissions.IpProtocol")),
    };
    let port = |name: &str| permission.get(name).int();
    let ports = ports(protocol, port("FromPort"), port("ToPort"))?;
    let mut all = Vec::new();
    let mut add = |peer: RulePeer, from: &Value| {
        let description = description(from.get("Description").str())?;
        all.push(Permission {
            protocol,
            ports,
            peer,
            description,
        });
        Ok::<(), Refusal>(())
    };
    for range in permission.get("IpRanges").list() {
        add(cidr4(range.get("CidrIp").str().unwrap_or_default())?, range)?;
    }
    for range in permission.get("Ipv6Ranges").list() {
        add(
            cidr6(range.get("CidrIpv6").str().unwrap_or_default())?,
            range,
        )?;
    }
    for list in permission.get("PrefixListIds").list() {
        let id = list.get("PrefixListId").str().unwrap_or_default();
        add(
            RulePeer::PrefixList(prefix_list::find(intent, ctx, id)?.id.clone()),
            list,
        )?;
    }
    for pair in permission.get("UserIdGroupPairs").list() {
        add(peer::read(pair, intent, ctx, group)?, pair)?;
    }
    if all.is_empty() {
        return Err(Refusal::missing("IpPermissions.IpRanges"));
    }
    Ok(all)
}

/// An IP protocol by name or number.
pub(crate) fn protocol(text: &str) -> Result<IpProtocol, Refusal> {
    let unknown = || {
        Refusal::invalid_value(format!(
            "Invalid value '{text}' for IP protocol. Unknown protocol."
        ))
    };
    Ok(match text.to_ascii_lowercase().as_str() {
        "-1" | "all" => IpProtocol::All,
        "tcp" | "6" => IpProtocol::Tcp,
        "udp" | "17" => IpProtocol::Udp,
        "icmp" | "1" => IpProtocol::Icmp,
        "icmpv6" | "58" => IpProtocol::Icmpv6,
        number => IpProtocol::Number(number.parse().map_err(|_| unknown())?),
    })
}

/// The ports of a rule as kept: none for all ports, for all ICMP types, and where the protocol has
/// no ports.
pub(crate) fn ports(
    protocol: IpProtocol,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<Option<(i32, i32)>, Refusal> {
    let refused = |why: String| Err(Refusal::invalid_value(why));
    match protocol {
        IpProtocol::All | IpProtocol::Number(_) => Ok(None),
        IpProtocol::Tcp | IpProtocol::Udp => {
            let (Some(from), Some(to)) = (from, to) else {
                return refused(
                    "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."
                        .into(),
                );
            };
            for port in [from, to] {
                if !(0..=65535).contains(&port) {
                    return refused(format!(
                        "Invalid value '{port}' for portRange. Ports are 0-65535."
                    ));
                }
            }
            if from > to {
                return refused(format!(
                    "Invalid value '{from}-{to}' for portRange. The first port is after the last."
                ));
            }
            Ok(Some((from as i32, to as i32)))
        }
        IpProtocol::Icmp | IpProtocol::Icmpv6 => {
            let (kind, code) = (from.unwrap_or(-1), to.unwrap_or(-1));
            for value in [kind, code] {
                if !(-1..=255).contains(&value) {
                    return refused(format!("Invalid value '{value}' for ICMP type or code."));
                }
            }
            match (kind, code) {
                (-1, -1) => Ok(None),
                (-1, _) => refused("ICMP code must be -1 if the ICMP type is -1".into()),
                _ => Ok(Some((kind as i32, code as i32))),
            }
        }
    }
}

/// A rule's description, checked.
pub(crate) fn description(text: Option<&str>) -> Result<Option<String>, Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    match text {
        None | Some("") => Ok(None),
        Some(text) if text.len() < 256 && text.chars().all(allowed) => Ok(Some(text.to_string())),
        Some(_) => Err(Refusal::invalid_value(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )),
    }
}

/// A block of IPv4 addresses as a peer.
pub(crate) fn cidr4(text: &str) -> Result<RulePeer, Refusal> {
    let net: Ipv4Net = text.parse().map_err(|_| malformed_cidr(text))?;
    Ok(RulePeer::Cidr(IpNet::V4(net.trunc())))
}

/// A block of IPv6 addresses as a peer.
pub(crate) fn cidr6(text: &str) -> Result<RulePeer, Refusal> {
    let net: Ipv6Net = text.parse().map_err(|_| malformed_cidr(text))?;
    Ok(RulePeer::Cidr(IpNet::V6(net.trunc())))
}

fn malformed_cidr(text: &str) -> Refusal {
    Refusal::invalid_value(format!("CIDR block {text} is malformed"))
}

/// The name of a protocol on the wire.
pub(crate) fn protocol_name(protocol: IpProtocol) -> String {
    match protocol {
        IpProtocol::All => "-1".into(),
        IpProtocol::Tcp => "tcp".into(),
        IpProtocol::Udp => "udp".into(),
        IpProtocol::Icmp => "icmp".into(),
        IpProtocol::Icmpv6 => "icmpv6".into(),
        IpProtocol::Number(number) => number.to_string(),
    }
}

/// The ports of a rule on the wire: -1 for all ICMP types; nothing where a protocol has none.
pub(crate) fn shown_ports(
    protocol: IpProtocol,
    ports: Option<(i32, i32)>,
) -> (Option<i32>, Option<i32>) {
    match (protocol, ports) {
        (_, Some((from, to))) => (Some(from), Some(to)),
        (IpProtocol::Icmp | IpProtocol::Icmpv6, None) => (Some(-1), Some(-1)),
        (_, None) => (None, None),
    }
}

/// A group's rules in one direction as `IpPermissions`: peers of one protocol and port range
/// together, in the order in which they first came.
pub(crate) fn show(group: &SecurityGroup, egress: bool, intent: &Intent) -> Value {
    let mut ranges: Vec<(IpProtocol, Option<(i32, i32)>)> = Vec::new();
    let rules = || group.rules.iter().filter(|rule| rule.egress == egress);
    for rule in rules() {
        let range = (rule.protocol, rule.from_port.zip(rule.to_port));
        if !ranges.contains(&range) {
            ranges.push(range);
        }
    }
    let of_range = |(protocol, ports): &(IpProtocol, Option<(i32, i32)>)| {
        let same = rules().filter(|rule| {
            rule.protocol == *protocol && rule.from_port.zip(rule.to_port) == *ports
        });
        show_range(*protocol, *ports, same, group, intent)
    };
    ranges.iter().map(of_range).collect()
}

fn show_range<'a>(
    protocol: IpProtocol,
    ports: Option<(i32, i32)>,
    rules: impl Iterator<Item = &'a SecurityGroupRule>,
    group: &SecurityGroup,
    intent: &Intent,
) -> Value {
    let (mut v4, mut v6, mut lists, mut groups) = (vec![], vec![], vec![], vec![]);
    for rule in rules {
        let description = rule.description.as_ref();
        match &rule.peer {
            RulePeer::Cidr(IpNet::V4(net)) => {
                v4.push(map! { "CidrIp" => net.to_string(), "Description" => description });
            }
            RulePeer::Cidr(IpNet::V6(net)) => {
                v6.push(map! { "CidrIpv6" => net.to_string(), "Description" => description });
            }
            RulePeer::PrefixList(id) => {
                lists.push(map! { "PrefixListId" => id.as_str(), "Description" => description });
            }
            RulePeer::Group(id) => {
                let mut shown = peer::show(id, group, intent);
                shown.push("Description", description);
                groups.push(Value::Map(shown));
            }
        }
    }
    let (from, to) = shown_ports(protocol, ports);
    map! {
        "IpProtocol" => protocol_name(protocol),
        "FromPort" => from,
        "ToPort" => to,
        "IpRanges" => v4,
        "Ipv6Ranges" => v6,
        "PrefixListIds" => lists,
        "UserIdGroupPairs" => groups,
    }
}

/// One permission in the same form.
pub(crate) fn show_one(permission: &Permission, group: &SecurityGroup, intent: &Intent) -> Value {
    let ports = permission.ports;
    let rule = SecurityGroupRule {
        id: SecurityGroupRuleId::from_digits(0),
        egress: false,
        protocol: permission.protocol,
        from_port: ports.map(|(from, _)| from),
        to_port: ports.map(|(_, to)| to),
        peer: permission.peer.clone(),
        description: permission.description.clone(),
        tags: Tags::new(),
    };
    show_range(
        permission.protocol,
        ports,
        std::iter::once(&rule),
        group,
        intent,
    )
}

/// The same for the rules of a group that are stale: those name groups alone.
pub(crate) fn show_stale(group: &SecurityGroup, egress: bool, intent: &Intent) -> Value {
    let shown = show(group, egress, intent);
    let without = |permission: &Value| {
        let mut kept = permission.map().cloned().unwrap_or_default();
        kept.remove("Ipv6Ranges");
        Value::Map(kept)
    };
    shown.list().iter().map(without).collect()
}
