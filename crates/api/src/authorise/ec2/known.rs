//! What is known of the resources that calls of EC2 name by their ids.

use std::sync::Arc;

use adit_model::*;

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

impl Known {
    fn new(owner: &AccountId, tags: &Tags, vpc: Option<&VpcId>) -> Known {
        Known {
            owner: Some(owner.clone()),
            tags: tags.clone(),
            vpc: vpc.cloned(),
            keys: Vec::new(),
        }
    }

    fn with(mut self, key: &'static str, value: impl ToString) -> Known {
        self.keys.push((key, value.to_string()));
        self
    }
}

/// A resource of a kind with an owner and tags, looked up by its id.
macro_rules! owned {
    ($type:ident, $intent:expr, $id:expr) => {{
        let found = $intent.get::<$type>($id)?;
        let known = Known::new(&found.owner, &found.tags, Resource::vpc(&**found));
        (found, known)
    }};
}

/// Looks a resource up by its id.
pub(super) fn known(intent: &Intent, id: &str) -> Option<Known> {
    let zone_of = |subnet: &SubnetId| intent.get::<Subnet>(subnet).map(|s| s.zone.to_string());
    let region_of = |vpc: &VpcId| intent.get::<Vpc>(vpc).map(|vpc| vpc.region.clone());
    Some(match type_of(id)?.0 {
        "vpc-" => {
            let (vpc, known) = owned!(Vpc, intent, id);
            known.with("ec2:Tenancy", &vpc.tenancy)
        }
        "subnet-" => {
            let (subnet, known) = owned!(Subnet, intent, id);
            known.with("ec2:AvailabilityZone", &subnet.zone)
        }
        "vpce-" => {
            let (endpoint, known) = owned!(VpcEndpoint, intent, id);
            let home = region_of(&endpoint.vpc);
            let away = endpoint.service_region.as_ref();
            let region = away.or(home.as_ref()).map(Region::to_string);
            known
                .with("ec2:VpceServiceName", &endpoint.service)
                .with("ec2:VpceServiceRegion", region.unwrap_or_default())
                .with("ec2:VpceMultiRegion", flag(away.is_some()))
        }
        "vpce-svc-" => {
            let (service, known) = owned!(EndpointService, intent, id);
            let away = service.regions.iter().any(|r| *r != service.region);
            let known = known.with("ec2:VpceMultiRegion", flag(away));
            match &service.private_name {
                Some(private) => known.with("ec2:VpceServicePrivateDnsName", &private.name),
                None => known,
            }
        }
        "eni-" => {
            let (interface, known) = owned!(NetworkInterface, intent, id);
            let zone = zone_of(&interface.subnet).unwrap_or_default();
            known.with("ec2:AvailabilityZone", zone)
        }
        "pcx-" => {
            let peering = intent.get::<VpcPeeringConnection>(id)?;
            let arn = |side: &PeerSide| {
                let (region, owner, vpc) = (&side.region, &side.owner, &side.vpc);
                format!("arn:aws:ec2:{region}:{owner}:vpc/{vpc}")
            };
            let side = &peering.requester;
            Known::new(&side.owner, &side.tags, None)
                .with("ec2:RequesterVpc", arn(side))
                .with("ec2:AccepterVpc", arn(&peering.accepter))
        }
        "pl-" => {
            let list = intent.get::<PrefixList>(id)?;
            Known {
                owner: list.owner.clone(),
                tags: list.tags.clone(),
                vpc: None,
                keys: Vec::new(),
            }
        }
        "rtb-" => owned!(RouteTable, intent, id).1,
        "igw-" => owned!(InternetGateway, intent, id).1,
        "sg-" => owned!(SecurityGroup, intent, id).1,
        "acl-" => owned!(NetworkAcl, intent, id).1,
        "nat-" => owned!(NatGateway, intent, id).1,
        "eigw-" => owned!(EgressOnlyInternetGateway, intent, id).1,
        "eipalloc-" => owned!(ElasticIp, intent, id).1,
        "vgw-" => owned!(VpnGateway, intent, id).1,
        "cgw-" => owned!(CustomerGateway, intent, id).1,
        "vpn-" => owned!(VpnConnection, intent, id).1,
        "dopt-" => owned!(DhcpOptions, intent, id).1,
        "fl-" => owned!(FlowLog, intent, id).1,
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
    let is = |part: &dyn AsRef<str>| part.as_ref() == id;
    let mut found: Vec<String> = Vec::new();
    if id.starts_with("rtbassoc-") {
        for table in intent.route_tables.values() {
            for association in table.associations.iter().filter(|a| is(&a.id)) {
                found.push(table.id.to_string());
                found.extend(association.subnet.as_ref().map(SubnetId::to_string));
            }
        }
    } else if id.starts_with("aclassoc-") {
        for acl in intent.network_acls.values() {
            for association in acl.associations.iter().filter(|a| is(&a.id)) {
                found.push(acl.id.to_string());
                found.push(association.subnet.to_string());
            }
        }
    } else if id.starts_with("vpc-cidr-assoc-") {
        let has = |vpc: &&Arc<Vpc>| {
            vpc.cidrs.iter().any(|c| is(&c.association))
                || vpc.ipv6.iter().any(|c| is(&c.association))
        };
        found.extend(intent.vpcs.values().find(has).map(|vpc| vpc.id.to_string()));
    } else if id.starts_with("subnet-cidr-assoc-") {
        let has = |subnet: &&Arc<Subnet>| subnet.ipv6.as_ref().is_some_and(|c| is(&c.association));
        found.extend(
            intent
                .subnets
                .values()
                .find(has)
                .map(|subnet| subnet.id.to_string()),
        );
    } else if id.starts_with("eipassoc-") {
        let has = |ip: &&Arc<ElasticIp>| ip.association.as_ref().is_some_and(|a| is(&a.id));
        found.extend(
            intent
                .elastic_ips
                .values()
                .find(has)
                .map(|ip| ip.id.to_string()),
        );
    } else if let Some(notification) = intent.get::<ConnectionNotification>(id) {
        found.push(notification.subject.id().to_string());
    }
    found
}

pub(super) fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}
