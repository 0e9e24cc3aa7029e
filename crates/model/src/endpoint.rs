//! VPC endpoints, as their owners stated them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::*;
use crate::intent::Generation;
use crate::resources::{Millis, Tags};

/// The policy of a gateway endpoint that was given none, byte for byte AWS's [ec2-api §10].
pub const DEFAULT_GATEWAY_POLICY: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// The policy of an interface endpoint that was given none; AWS prints it in lines.
pub const DEFAULT_INTERFACE_POLICY: &str = "{\n  \"Statement\": [\n    {\n      \"Action\": \"*\", \n      \"Effect\": \"Allow\", \n      \"Principal\": \"*\", \n      \"Resource\": \"*\"\n    }\n  ]\n}";

/// A VPC endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct VpcEndpoint {
    /// Its id.
    pub id: VpcEndpointId,
    /// The VPC it serves.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// The service, such as `com.amazonaws.us-east-1.s3`.
    pub service: String,
    /// The Region of the service where that is another than the VPC's.
    #[serde(default)]
    pub service_region: Option<Region>,
    /// Gateway or interface, with what belongs to it.
    pub kind: EndpointKind,
    /// The endpoint policy as given, byte for byte; the default when none was.
    pub policy: String,
    /// A small number, unique in the VPC while the endpoint exists (kernel table and mark).
    pub number: u16,
    /// The generation that last changed it: it is available when every plane has reached it.
    pub changed: Generation,
    /// When it was made.
    pub created: Millis,
    /// The caller's idempotency token.
    pub client_token: Option<String>,
    /// Which addresses it has.
    #[serde(default)]
    pub address_type: AddressType,
    /// Which kind of address records its names have; none is the default of its kind.
    #[serde(default)]
    pub dns_record: Option<DnsRecordType>,
    /// The connection to a customer's service, which its provider accepts or rejects; none for the
    /// installation's own services.
    #[serde(default)]
    pub connection: Option<Connection>,
    /// Tags.
    pub tags: Tags,
}

/// Whose service an endpoint leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// S3 of a Region.
    S3,
    /// DynamoDB of a Region.
    DynamoDb,
    /// A customer's.
    Customer(VpcEndpointServiceId),
}

impl VpcEndpoint {
    /// Whose service it leads to; `None` for a name that no service has.
    pub fn serves(&self) -> Option<Served> {
        let rest = self.service.strip_prefix("com.amazonaws.")?;
        let (_, last) = rest.rsplit_once('.')?;
        match last {
            "s3" => Some(Served::S3),
            "dynamodb" => Some(Served::DynamoDb),
            id if rest.starts_with("vpce.") => Some(Served::Customer(id.parse().ok()?)),
            _ => None,
        }
    }

    /// The Region of the service as its name has it; `None` for a name of another form.
    pub fn region_in_name(&self) -> Option<&str> {
        let rest = self.service.strip_prefix("com.amazonaws.")?;
        let rest = rest.strip_prefix("vpce.").unwrap_or(rest);
        rest.split_once('.').map(|(region, _)| region)
    }

    /// What it can be found by besides its VPC: the customer's service it is connected to.
    pub(crate) fn relations(&self) -> Vec<String> {
        let connection = self.connection.iter();
        connection.map(|c| c.service.to_string()).collect()
    }

    /// Gateway endpoints are counted, by owner and service.
    pub(crate) fn counted_as(&self) -> Option<String> {
        match self.kind {
            EndpointKind::Gateway { .. } => {
                Some(VpcEndpoint::gateways_of(&self.owner, &self.service))
            }
            EndpointKind::Interface { .. } => None,
        }
    }

    /// The text under which all gateway endpoints of an account to one service are counted.
    pub fn gateways_of(owner: &AccountId, service: &str) -> String {
        format!("{owner}/{service}")
    }
}

/// Which addresses an endpoint or a service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum AddressType {
    /// IPv4 alone.
    #[default]
    Ipv4,
    /// IPv6 alone.
    Ipv6,
    /// Both.
    Dualstack,
}

impl AddressType {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            AddressType::Ipv4 => "ipv4",
            AddressType::Ipv6 => "ipv6",
            AddressType::Dualstack => "dualstack",
        }
    }

    /// Whether IPv4 is among them.
    pub fn has_v4(self) -> bool {
        self != AddressType::Ipv6
    }

    /// Whether IPv6 is among them.
    pub fn has_v6(self) -> bool {
        self != AddressType::Ipv4
    }
}

/// A text that names none of the values there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid value")]
pub struct UnknownValue(pub String);

impl FromStr for AddressType {
    type Err = UnknownValue;
    fn from_str(text: &str) -> Result<AddressType, UnknownValue> {
        let all = [AddressType::Ipv4, AddressType::Ipv6, AddressType::Dualstack];
        let found = all.into_iter().find(|value| value.as_str() == text);
        found.ok_or_else(|| UnknownValue(text.chars().take(128).collect()))
    }
}

/// Which kind of address records an endpoint's names have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DnsRecordType {
    /// `ipv4`: A records alone.
    Ipv4,
    /// `ipv6`: AAAA records alone.
    Ipv6,
    /// `dualstack`: both.
    Dualstack,
    /// `service-defined`: what the service's public names have.
    ServiceDefined,
}

impl DnsRecordType {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            DnsRecordType::Ipv4 => "ipv4",
            DnsRecordType::Ipv6 => "ipv6",
            DnsRecordType::Dualstack => "dualstack",
            DnsRecordType::ServiceDefined => "service-defined",
        }
    }
}

impl FromStr for DnsRecordType {
    type Err = UnknownValue;
    fn from_str(text: &str) -> Result<DnsRecordType, UnknownValue> {
        let all = [
            DnsRecordType::Ipv4,
            DnsRecordType::Ipv6,
            DnsRecordType::Dualstack,
            DnsRecordType::ServiceDefined,
        ];
        let found = all.into_iter().find(|value| value.as_str() == text);
        found.ok_or_else(|| UnknownValue(text.chars().take(128).collect()))
    }
}

/// What kind of endpoint, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointKind {
    /// Reached by prefix-list routes from these tables.
    Gateway {
        /// The associated route tables.
        route_tables: Vec<RouteTableId>,
    },
    /// Reached at an address in each of its subnets.
    Interface {
        /// One network interface per subnet, in the order the subnets were given.
        interfaces: Vec<NetworkInterfaceId>,
        /// The subnets, in step with `interfaces`.
        subnets: Vec<SubnetId>,
        /// Security groups of every interface.
        groups: Vec<SecurityGroupId>,
        /// The random part of its DNS names: eight lower-case letters and digits.
        dns_suffix: String,
        /// Whether the service's own names lead here inside the VPC.
        private_dns: bool,
        /// Whether they do so only for queries through an inbound resolver endpoint.
        inbound_only: bool,
    },
}

/// A connection of an interface endpoint to a customer's service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its id.
    pub id: VpcEndpointConnectionId,
    /// The service.
    pub service: VpcEndpointServiceId,
    /// What the provider said.
    pub answer: ConnectionAnswer,
}

/// What a provider said to a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionAnswer {
    /// Nothing yet, and it must.
    Awaited,
    /// Accepted, by hand or because the service accepts everybody it permits.
    Accepted,
    /// Rejected.
    Rejected,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_knows_whose_service_it_leads_to() {
        let svc = VpcEndpointServiceId::from_digits(7);
        let customer = format!("com.amazonaws.vpce.us-east-1.{svc}");
        for (service, served) in [
            ("com.amazonaws.us-east-1.s3", Some(Served::S3)),
            ("com.amazonaws.us-east-1.dynamodb", Some(Served::DynamoDb)),
            (customer.as_str(), Some(Served::Customer(svc.clone()))),
            ("com.amazonaws.us-east-1.ec2", None),
            ("com.amazonaws.us-east-1.vpce-svc-0123456789abcdef0", None),
            ("s3", None),
        ] {
            let endpoint = VpcEndpoint {
                id: VpcEndpointId::from_digits(1),
                vpc: VpcId::from_digits(1),
                owner: "123456789012".parse().unwrap(),
                service: service.to_string(),
                service_region: None,
                kind: EndpointKind::Gateway {
                    route_tables: Vec::new(),
                },
                policy: String::new(),
                number: 1,
                changed: Generation(1),
                created: 0,
                client_token: None,
                address_type: AddressType::Ipv4,
                dns_record: None,
                connection: None,
                tags: Tags::new(),
            };
            assert_eq!(endpoint.serves(), served, "{service}");
            let region = (service != "s3").then_some("us-east-1");
            assert_eq!(endpoint.region_in_name(), region, "{service}");
        }
    }

    #[test]
    fn values_are_spelled_as_they_are_read() {
        for text in ["ipv4", "ipv6", "dualstack"] {
            assert_eq!(text.parse::<AddressType>().unwrap().as_str(), text);
        }
        for text in ["ipv4", "ipv6", "dualstack", "service-defined"] {
            assert_eq!(text.parse::<DnsRecordType>().unwrap().as_str(), text);
        }
        assert!("IPv4".parse::<AddressType>().is_err());
    }
}
