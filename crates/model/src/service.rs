//! Endpoint services of customers and what stands behind and beside them: load balancers, topics.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::endpoint::AddressType;
use crate::id::*;
use crate::resources::{Millis, Tags};

/// A service that a customer offers to others [privatelink §2].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EndpointService {
    /// Its id.
    pub id: VpcEndpointServiceId,
    /// The provider.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// The ARNs of the network load balancers behind it.
    pub load_balancers: Vec<String>,
    /// Whether the provider must accept each connection.
    pub acceptance_required: bool,
    /// Whether IPv4 reaches it.
    pub ipv4: bool,
    /// Whether IPv6 reaches it.
    pub ipv6: bool,
    /// The name by which consumers may call it.
    pub private_name: Option<PrivateName>,
    /// The Regions whose VPCs may have endpoints to it, its own among them.
    pub regions: BTreeSet<Region>,
    /// Whether the provider pays for the endpoints.
    pub owner_pays: bool,
    /// Who may make endpoints to it: principal to the id of the permission.
    pub permissions: BTreeMap<String, VpcEndpointServicePermissionId>,
    /// The caller's idempotency token.
    pub client_token: Option<String>,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

impl EndpointService {
    /// `com.amazonaws.vpce.REGION.ID`.
    pub fn name(&self) -> String {
        format!("com.amazonaws.vpce.{}.{}", self.region, self.id)
    }
}

/// The private name of a service, and the proof that its domain is the provider's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateName {
    /// The name; a wildcard in front is allowed.
    pub name: String,
    /// The name of the TXT record that proves it, below the domain.
    pub record: String,
    /// The value of that record.
    pub value: String,
    /// What the last look for it found.
    pub verification: Verification,
}

/// What is known of a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verification {
    /// Nobody has looked.
    Pending,
    /// The record was there.
    Verified,
    /// It was not.
    Failed,
}

/// Who wants to hear of connections of a service or an endpoint [privatelink §7].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ConnectionNotification {
    /// Its id.
    pub id: ConnectionNotificationId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Whose connections: the id of a service or an endpoint.
    pub subject: NotificationSubject,
    /// The ARN of the topic that is told.
    pub topic: String,
    /// Which events: `Accept`, `Connect`, `Delete`, `Reject`.
    pub events: BTreeSet<String>,
    /// The caller's idempotency token.
    pub client_token: Option<String>,
}

/// Whose connections somebody wants to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotificationSubject {
    /// All of a service.
    Service(VpcEndpointServiceId),
    /// One endpoint's.
    Endpoint(VpcEndpointId),
}

impl NotificationSubject {
    /// The id of the service or endpoint.
    pub fn id(&self) -> &str {
        match self {
            NotificationSubject::Service(id) => id.as_str(),
            NotificationSubject::Endpoint(id) => id.as_str(),
        }
    }
}

/// A network load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadBalancer {
    /// `arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/net/NAME/DIGITS`.
    pub arn: String,
    /// Its name, unique in account and Region.
    pub name: String,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Its VPC.
    pub vpc: VpcId,
    /// Whether it has public addresses.
    pub internet_facing: bool,
    /// Its subnets, one for each zone, with the address designated there.
    pub subnets: Vec<(SubnetId, Option<Ipv4Addr>)>,
    /// Its security groups; a balancer made without any never has one.
    pub groups: Vec<SecurityGroupId>,
    /// Which addresses it has.
    pub address_type: AddressType,
    /// Attributes that were set.
    pub attributes: BTreeMap<String, String>,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

/// Where listeners forward to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetGroup {
    /// `arn:aws:elasticloadbalancing:REGION:ACCOUNT:targetgroup/NAME/DIGITS`.
    pub arn: String,
    /// Its name, unique in account and Region.
    pub name: String,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// The VPC of its targets.
    pub vpc: VpcId,
    /// `TCP`, `TLS`, `UDP` or `TCP_UDP`.
    pub protocol: String,
    /// The port of targets that name none.
    pub port: u16,
    /// `instance`, `ip` or `alb`: what a target's id is.
    pub target_type: String,
    /// How targets are checked.
    pub health: HealthCheck,
    /// Attributes that were set.
    pub attributes: BTreeMap<String, String>,
    /// The targets: id and port.
    pub targets: BTreeSet<(String, u16)>,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

/// How targets are checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `TCP`, `HTTP` or `HTTPS`.
    pub protocol: String,
    /// A port, or `traffic-port`.
    pub port: String,
    /// The path of HTTP checks.
    pub path: Option<String>,
    /// Which HTTP statuses are healthy, such as `200-399`.
    pub matcher: Option<String>,
    /// Seconds between checks.
    pub interval: u32,
    /// Seconds a check may take.
    pub timeout: u32,
    /// Checks in a row until a target is healthy.
    pub healthy: u32,
    /// Checks in a row until a target is unhealthy.
    pub unhealthy: u32,
}

/// A port of a load balancer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoadListener {
    /// `…:listener/net/NAME/DIGITS/DIGITS`.
    pub arn: String,
    /// The load balancer.
    pub load_balancer: String,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// `TCP`, `TLS`, `UDP` or `TCP_UDP`.
    pub protocol: String,
    /// The port.
    pub port: u16,
    /// The target group it forwards to.
    pub target_group: String,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

/// A topic of SNS.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Topic {
    /// `arn:aws:sns:REGION:ACCOUNT:NAME`.
    pub arn: String,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Attributes that were set, such as `Policy`.
    pub attributes: BTreeMap<String, String>,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

impl Topic {
    /// The last part of the ARN.
    pub fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }
}

/// Who hears of a topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Subscription {
    /// The topic's ARN and a random part.
    pub arn: String,
    /// The topic.
    pub topic: String,
    /// The owner.
    pub owner: AccountId,
    /// `http`, `https`, `email`, `sqs` and the like.
    pub protocol: String,
    /// Where messages go.
    pub endpoint: String,
    /// Attributes that were set.
    pub attributes: BTreeMap<String, String>,
    /// When it was made.
    pub created: Millis,
}
