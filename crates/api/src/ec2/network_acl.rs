//! The default network ACL of every VPC: it lets everything pass, both ways, in every subnet.
//!
//! There are no others, and this one cannot be changed; so it is no resource but follows from the
//! VPC and its subnets, ids included.

use adit_model::*;
use adit_wire::{Map, Value, list, map};

use crate::context::{Ctx, View};
use crate::describe::{Query, is_tag_filter, yes};
use crate::input::Input;
use crate::refusal::Refusal;

/// The ACL of a VPC.
struct DefaultAcl<'a> {
    id: NetworkAclId,
    vpc: &'a Vpc,
    /// Its associations: one for each subnet.
    subnets: Vec<(NetworkAclAssociationId, SubnetId)>,
}

/// The numbers of its rules: all are allowed, and what is left is not.
const RULES: [(i64, &str); 2] = [(100, "allow"), (32767, "deny")];

/// Digits that follow from what an id is for.
fn digits(what: &str, of: &str) -> u128 {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{what} {of}").as_bytes());
    digest
        .as_ref()
        .iter()
        .take(8)
        .fold(0, |digits, byte| digits << 8 | u128::from(*byte))
}

impl<'a> DefaultAcl<'a> {
    fn of(intent: &Intent, vpc: &'a Vpc) -> DefaultAcl<'a> {
        let association = |subnet: &Subnet| {
            let id = NetworkAclAssociationId::from_digits(digits("aclassoc", subnet.id.as_str()));
            (id, subnet.id.clone())
        };
        DefaultAcl {
            id: NetworkAclId::from_digits(digits("acl", vpc.id.as_str())),
            vpc,
            subnets: intent
                .in_vpc::<Subnet>(&vpc.id)
                .map(|subnet| association(subnet))
                .collect(),
        }
    }

    fn values(&self, filter: &str) -> Vec<String> {
        match filter {
            "association.association-id" => {
                self.subnets.iter().map(|(id, _)| id.to_string()).collect()
            }
            "association.network-acl-id" => {
                self.subnets.iter().map(|_| self.id.to_string()).collect()
            }
            "association.subnet-id" => self.subnets.iter().map(|(_, id)| id.to_string()).collect(),
            "default" => yes(true),
            "entry.cidr" => vec!["0.0.0.0/0".into()],
            "entry.protocol" => vec!["-1".into()],
            "entry.rule-action" => RULES.iter().map(|(_, action)| action.to_string()).collect(),
            "entry.rule-number" => RULES.iter().map(|(number, _)| number.to_string()).collect(),
            "entry.egress" => vec!["true".into(), "false".into()],
            "network-acl-id" => vec![self.id.to_string()],
            "owner-id" => vec![self.vpc.owner.to_string()],
            "vpc-id" => vec![self.vpc.id.to_string()],
            _ => Vec::new(),
        }
    }

    fn show(&self) -> Value {
        let association = |(id, subnet): &(NetworkAclAssociationId, SubnetId)| {
            map! {
                "NetworkAclAssociationId" => id.as_str(),
                "NetworkAclId" => self.id.as_str(),
                "SubnetId" => subnet.as_str(),
            }
        };
        let entries = [true, false].into_iter().flat_map(|egress| {
            RULES.iter().map(move |(number, action)| {
                map! {
                    "CidrBlock" => "0.0.0.0/0",
                    "Egress" => egress,
                    "Protocol" => "-1",
                    "RuleAction" => *action,
                    "RuleNumber" => *number,
                }
            })
        });
        map! {
            "NetworkAclId" => self.id.as_str(),
            "VpcId" => self.vpc.id.as_str(),
            "OwnerId" => self.vpc.owner.as_str(),
            "IsDefault" => true,
            "Associations" => self.subnets.iter().map(association).collect::<Value>(),
            "Entries" => entries.collect::<Value>(),
            "Tags" => list![],
        }
    }
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
    "owner-id",
    "vpc-id",
];

pub(crate) fn describe(input: &Input<'_>, view: View<'_>, ctx: &Ctx) -> Result<Value, Refusal> {
    let ids = input.texts("NetworkAclIds");
    let query = Query::of(input, !ids.is_empty(), &(5..=1000), |name| {
        FILTERS.contains(&name) || is_tag_filter(name)
    })?;
    let vpcs = view
        .intent
        .vpcs
        .values()
        .filter(|vpc| ctx.sees(view.intent, &***vpc));
    let mut all: Vec<DefaultAcl<'_>> = vpcs.map(|vpc| DefaultAcl::of(view.intent, vpc)).collect();
    if let Some(id) = ids
        .iter()
        .find(|id| !all.iter().any(|acl| acl.id.as_str() == **id))
    {
        return Err(Refusal::new(
            "InvalidNetworkAclID.NotFound",
            format!("The networkAcl ID '{id}' does not exist"),
        ));
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let wanted = all
        .iter()
        .filter(|acl| ids.is_empty() || ids.contains(&acl.id.as_str()))
        .filter(|acl| query.matches(|name| acl.values(name)));
    let (items, next) = query.page(wanted, |acl| acl.id.to_string(), |acl| acl.show());
    let mut output = Map::new();
    output.push("NetworkAcls", Value::List(items));
    output.push("NextToken", next);
    Ok(Value::Map(output))
}
