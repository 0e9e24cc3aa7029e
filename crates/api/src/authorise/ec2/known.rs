//! What is known of the resources that calls of EC2 name by their ids.

use std::sync::Arc;

use adit_model::*;

use crate::context::Owned;

/// The types of ARNs, by the prefix of the id; of two that fit the first.
const TYPES: &[(&str, &str)] = &[
    ("vpce-svc-", "vpc-endpoint-service"),
    ("vpce-", "vpc-endpoint"),
    ("vpc-", "vpc"),
    ("subnet-", "subnet"),
    ("rtb-", "route-table"),
    ("igw-", "internet-gateway"),
    ("eigw-", "egress-only-internet-gateway"),
    ("nat-", "natgateway"),
    ("vgw-", "vpn-gateway"),
    ("cgw-", "customer-gateway"),
    ("vpn-", "vpn-connection"),
    ("pcx-", "vpc-peering-connection"),
    ("acl-", "network-acl"),
    ("sgr-", "security-group-rule"),
    ("sg-", "security-group"),
    ("eni-", "network-interface"),
    ("pl-", "prefix-list"),
    ("dopt-", "dhcp-options"),
    ("eipalloc-", "elastic-ip"),
    ("fl-", "vpc-flow-log"),
];

/// Ids of parts: they stand for what they are a part of.
const PARTS: &[&str] = &[
    "vpce-nfn-",
    "vpc-cidr-assoc-",
    "subnet-cidr-assoc-",
    "eni-attach-",
    "rtbassoc-",
    "aclassoc-",
    "eipassoc-",
];

/// What is known of a resource that a call names.
pub(super) struct Known {
    /// None: it belongs to AWS.
    pub(super) owner: Option<AccountId>,
    pub(super) tags: Tags,
    pub(super) vpc: Option<VpcId>,
    /// Keys that only this kind has.
    pub(super) keys: Vec<(&'static str, String)>,
}

fn of<R: Owned>(intent: &Intent, id: &str) -> Option<(Arc<R>, Known)> {
    let found = intent.get::<R>(id)?.clone();
    let known = Known {
        owner: Some(found.owner().clone()),
        tags: found.tags().clone(),
        vpc: found.vpc().cloned(),
        keys: Vec::new(),
    };
    Some((found, known))
}

/// Looks a resource up by its id.
pub(super) fn known(intent: &Intent, id: &str) -> Option<Known> {
    let (prefix, _) = type_of(id)?;
    Some(match prefix {
        "vpc-" => {
            let (vpc, mut known) = of::<Vpc>(intent, id)?;
            known.keys.push(("ec2:Tenancy", vpc.tenancy.clone()));
            known
        }
        "subnet-" => {
            let (subnet, mut known) = of::<Subnet>(intent, id)?;
            let zone = subnet.zone.to_string();
            known.keys.push(("ec2:AvailabilityZone", zone));
            known
        }
        "vpce-" => {
            let (endpoint, mut known) = of::<VpcEndpoint>(intent, id)?;
            let service = endpoint.service.clone();
            known.keys.push(("ec2:VpceServiceName", service));
            let region = Owned::region(&*endpoint, intent).map(Region::to_string);
            known
                .keys
                .push(("ec2:VpceServiceRegion", region.unwrap_or_default()));
            known
                .keys
                .push(("ec2:VpceMultiRegion", flag(false).to_string()));
            known
        }
        "rtb-" => of::<RouteTable>(intent, id)?.1,
        "igw-" => of::<InternetGateway>(intent, id)?.1,
        "sg-" => of::<SecurityGroup>(intent, id)?.1,
        "eni-" => {
            let (interface, mut known) = of::<NetworkInterface>(intent, id)?;
            if let Some(subnet) = intent.get::<Subnet>(&interface.subnet) {
                known
                    .keys
                    .push(("ec2:AvailabilityZone", subnet.zone.to_string()));
            }
            known
        }
        "pl-" => {
            let list = intent.get::<PrefixList>(id)?;
            Known {
                owner: list.owner.clone(),
                tags: Tags::new(),
                vpc: None,
                keys: Vec::new(),
            }
        }
        _ => return None,
    })
}

/// The prefix and the type of an id.
pub(super) fn type_of(id: &str) -> Option<(&'static str, &'static str)> {
    if PARTS.iter().any(|part| id.starts_with(part)) {
        return None;
    }
    TYPES
        .iter()
        .find(|(prefix, _)| id.starts_with(prefix))
        .copied()
}

/// The key that holds an id of this type: `ec2:VpcID`.
pub(super) fn id_key(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "vpc" => "ec2:VpcID",
        "subnet" => "ec2:SubnetID",
        "route-table" => "ec2:RouteTableID",
        "security-group" => "ec2:SecurityGroupID",
        "internet-gateway" => "ec2:InternetGatewayID",
        "network-acl" => "ec2:NetworkAclID",
        "network-interface" => "ec2:NetworkInterfaceID",
        "vpc-peering-connection" => "ec2:VpcPeeringConnectionID",
        _ => return None,
    })
}

/// What a part belongs to. Only who is not root pays for looking.
pub(super) fn wholes(intent: &Intent, id: &str) -> Vec<String> {
    if id.starts_with("rtbassoc-") {
        let mut found = Vec::new();
        for table in intent.route_tables.values() {
            for association in &table.associations {
                if association.id.as_str() == id {
                    found.push(table.id.to_string());
                    found.extend(association.subnet.as_ref().map(SubnetId::to_string));
                }
            }
        }
        return found;
    }
    if id.starts_with("vpc-cidr-assoc-") {
        let has = |vpc: &&Arc<Vpc>| vpc.cidrs.iter().any(|c| c.association.as_str() == id);
        return intent
            .vpcs
            .values()
            .find(has)
            .map(|vpc| vpc.id.to_string())
            .into_iter()
            .collect();
    }
    Vec::new()
}

pub(super) fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
