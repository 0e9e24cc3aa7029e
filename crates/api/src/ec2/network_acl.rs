//! Network ACLs: which packets pass the boundary of a subnet [ec2-api §19].
//!
//! Every VPC has a default one, and every subnet is in exactly one ACL's list of associations.

mod entry;

pub(crate) use entry::{create as create_entry, delete as delete_entry, replace as replace_entry};

use std::sync::Arc;

use adit_model::*;
use adit_wire::{Value, map};
use ipnet::IpNet;

use crate::context::{Answer, Ctx, Home, View};
use crate::describe::{Describe, tags, yes};
use crate::ids::Ids;
use crate::input::Input;
use crate::quotas;
use crate::refusal::Refusal;
use crate::tokens::Token;

/// Makes the ACL that a new VPC has: it lets everything pass, both ways.
pub(crate) fn make_default(draft: &mut Draft, home: &mut Home<'_>, vpc: &VpcId) {
    let id = NetworkAclId::from_digits(home.ids.digits());
    draft.put(NetworkAcl {
        id,
        vpc: vpc.clone(),
        owner: home.account.clone(),
        is_default: true,
        entries: allow_all(100, IpNet::V4(Default::default())).to_vec(),
        associations: Vec::new(),
        tags: Tags::new(),
    });
}

/// Lets IPv6 pass a VPC's default ACL, in directions whose rules are still those of a new one.
pub(crate) fn open_to_ipv6(draft: &mut Draft, vpc: &VpcId) {
    let Some(acl) = default_of(draft, vpc) else {
        return;
    };
    let first = allow_all(100, IpNet::V4(Default::default()));
    let as_new = |egress| {
        let now = acl.entries.iter().filter(|entry| entry.egress == egress);
        now.eq(first.iter().filter(|entry| entry.egress == egress))
    };
    let opened = allow_all(101, IpNet::V6(Default::default())).into_iter();
    let opened: Vec<AclEntry> = opened.filter(|entry| as_new(entry.egress)).collect();
    draft.edit::<NetworkAcl>(&acl.id, |acl| acl.entries.extend(opened));
}

/// Two rules that let everything pass, one for each direction.
fn allow_all(number: u16, cidr: IpNet) -> [AclEntry; 2] {
    [true, false].map(|egress| AclEntry {
        number,
        egress,
        allow: true,
        protocol: IpProtocol::All,
        cidr,
        ports: None,
        icmp: None,
    })
}

fn default_of(intent: &Intent, vpc: &VpcId) -> Option<Arc<NetworkAcl>> {
    let mut acls = intent.in_vpc::<NetworkAcl>(vpc);
    acls.find(|acl| acl.is_default).cloned()
}

/// Puts a new subnet under its VPC's default ACL.
pub(crate) fn join(draft: &mut Draft, ids: &mut Ids, subnet: &Subnet) {
    if let Some(acl) = default_of(draft, &subnet.vpc) {
        let association = AclAssociation {
            id: NetworkAclAssociationId::from_digits(ids.digits()),
            subnet: subnet.id.clone(),
        };
        draft.edit::<NetworkAcl>(&acl.id, |acl| acl.associations.push(association));
    }
}

/// Takes a subnet that goes away out of its ACL.
pub(crate) fn leave(draft: &mut Draft, subnet: &Subnet) {
    if let Some(acl) = draft.network_acl_of(subnet).cloned() {
        draft.edit::<NetworkAcl>(&acl.id, |acl| {
            acl.associations.retain(|a| a.subnet != subnet.id);
        });
    }
}

pub(crate) fn create(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let vpc = ctx.required::<Vpc>(draft, input, "VpcId")?;
    let tags = input.tags("network-acl")?;
    let token = Token::of(input, "CreateNetworkAcl", ctx)?;
    let echo = token.as_ref().map(|token| token.text.clone());
    let made = match &token {
        Some(token) => token.replay(draft, ctx)?,
        None => None,
    };
    let acl = match made.and_then(|id| draft.get::<NetworkAcl>(id).cloned()) {
        Some(acl) => acl,
        None => {
            let there = || draft.in_vpc::<NetworkAcl>(&vpc.id).count();
            quotas::NETWORK_ACLS_PER_VPC.check(draft, there)?;
            let acl = draft.put(NetworkAcl {
                id: NetworkAclId::from_digits(ctx.ids.digits()),
                vpc: vpc.id.clone(),
                owner: vpc.owner.clone(),
                is_default: false,
                entries: Vec::new(),
                associations: Vec::new(),
                tags,
            });
            if let Some(token) = &token {
                token.remember(draft, ctx, &acl.id);
            }
            acl
        }
    };
    Ok(Answer::later(
        move |view| map! { "NetworkAcl" => show(&acl, view), "ClientToken" => echo },
    ))
}

pub(crate) fn delete(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let acl = ctx.required::<NetworkAcl>(draft, input, "NetworkAclId")?;
    if acl.is_default {
        return Err(Refusal::invalid(format!(
            "cannot delete default network ACL {}",
            acl.id
        )));
    }
    if !acl.associations.is_empty() {
        return Err(Refusal::dependency(&format!("networkAcl '{}'", acl.id)));
    }
    draft.remove::<NetworkAcl>(&acl.id);
    Ok(Answer::done())
}

/// Moves a subnet to another ACL of its VPC: its association gets a new id.
pub(crate) fn replace_association(
    input: &Input<'_>,
    draft: &mut Draft,
    ctx: &mut Ctx,
) -> Result<Answer, Refusal> {
    let wanted = input.required("AssociationId")?;
    let to = ctx.required::<NetworkAcl>(draft, input, "NetworkAclId")?;
    let has = |acl: &&Arc<NetworkAcl>| acl.associations.iter().any(|a| a.id.as_str() == wanted);
    let mine = draft.network_acls.values();
    let mut mine = mine.filter(|acl| ctx.sees(draft, &***acl));
    let Some(from) = mine.find(has).cloned() else {
        return Err(Refusal::new(
            "InvalidAssociationID.NotFound",
            format!("The association ID '{wanted}' does not exist"),
        ));
    };
    if from.vpc != to.vpc {
        return Err(Refusal::invalid_value(format!(
            "Network ACL {} and network ACL {} belong to different networks",
            from.id, to.id
        )));
    }
    let id = NetworkAclAssociationId::from_digits(ctx.ids.digits());
    let mut subnets = from.associations.iter();
    let subnet = subnets.find(|a| a.id.as_str() == wanted);
    let moved = subnet.map(|a| AclAssociation {
        id: id.clone(),
        subnet: a.subnet.clone(),
    });
    draft.edit::<NetworkAcl>(&from.id, |acl| {
        acl.associations.retain(|a| a.id.as_str() != wanted);
    });
    draft.edit::<NetworkAcl>(&to.id, |acl| acl.associations.extend(moved));
    Ok(Answer::from(map! { "NewAssociationId" => id.as_str() }))
}

const FILTERS: &[&str] = &[
    "association.association-id",
    "association.network-acl-id",
    "association.subnet-id",
    "default",
    "entry.cidr",
    "entry.icmp.code",
    "entry.icmp.type",
    "entry.ipv6-cidr",
    "entry.port-range.from",
    "entry.port-range.to",
    "entry.protocol",
    "entry.rule-action",
    "entry.egress",
    "entry.rule-number",
    "network-acl-id",
    "vpc-id",
];

const DESCRIBE: Describe<NetworkAcl> = Describe {
    ids: "NetworkAclIds",
    items: "NetworkAcls",
    pages: 5..=1000,
    filters: FILTERS,
    show,
    filter,
};

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    DESCRIBE.run(input, view, ctx)
}

fn filter(acl: &NetworkAcl, name: &str, view: View<'_>) -> Option<Vec<String>> {
    let associations = acl.associations.iter();
    let of_entries = |path: &[&str]| {
        let entries = entry::all(acl, view.intent);
        let found = entries.iter().filter_map(|shown| {
            let value = path.iter().fold(shown, |value, name| value.get(name));
            match value {
                Value::Null => None,
                Value::Bool(flag) => Some(flag.to_string()),
                value => value
                    .str()
                    .map(str::to_string)
                    .or_else(|| value.int().map(|number| number.to_string())),
            }
        });
        found.collect::<Vec<_>>()
    };
    Some(match name {
        "association.association-id" => associations.map(|a| a.id.to_string()).collect(),
        "association.network-acl-id" => associations.map(|_| acl.id.to_string()).collect(),
        "association.subnet-id" => associations.map(|a| a.subnet.to_string()).collect(),
        "default" => yes(acl.is_default),
        "entry.cidr" => of_entries(&["CidrBlock"]),
        "entry.ipv6-cidr" => of_entries(&["Ipv6CidrBlock"]),
        "entry.icmp.code" => of_entries(&["IcmpTypeCode", "Code"]),
        "entry.icmp.type" => of_entries(&["IcmpTypeCode", "Type"]),
        "entry.port-range.from" => of_entries(&["PortRange", "From"]),
        "entry.port-range.to" => of_entries(&["PortRange", "To"]),
        "entry.protocol" => of_entries(&["Protocol"]),
        "entry.rule-action" => of_entries(&["RuleAction"]),
        "entry.egress" => of_entries(&["Egress"]),
        "entry.rule-number" => of_entries(&["RuleNumber"]),
        "network-acl-id" => vec![acl.id.to_string()],
        "vpc-id" => vec![acl.vpc.to_string()],
        _ => return None,
    })
}

fn show(acl: &NetworkAcl, view: View<'_>) -> Value {
    let association = |a: &AclAssociation| {
        map! {
            "NetworkAclAssociationId" => a.id.as_str(),
            "NetworkAclId" => acl.id.as_str(),
            "SubnetId" => a.subnet.as_str(),
        }
    };
    map! {
        "NetworkAclId" => acl.id.as_str(),
        "VpcId" => acl.vpc.as_str(),
        "OwnerId" => acl.owner.as_str(),
        "IsDefault" => acl.is_default,
        "Associations" => acl.associations.iter().map(association).collect::<Value>(),
        "Entries" => Value::List(entry::all(acl, view.intent)),
        "Tags" => tags(&acl.tags),
    }
}
