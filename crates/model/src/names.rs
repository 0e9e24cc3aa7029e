//! What their owners stated about names: private hosted zones and their records, resolver
//! endpoints and rules.
//!
//! A zone, its records and its associations are resources of their own, so that a change costs
//! what it changes and a VPC knows its zones without a scan.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::*;
use crate::intent::{Generation, Intent};
use crate::resources::{Millis, Tags};

/// A private hosted zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostedZone {
    /// Its id: `Z` and up to 31 capitals and digits.
    pub id: HostedZoneId,
    /// The owner.
    pub owner: AccountId,
    /// Its domain: lower case, escaped, with a final dot.
    pub name: String,
    /// What the caller named the request that made it; unique in the account.
    pub caller_reference: String,
    /// What it is for.
    pub comment: Option<String>,
    /// How many record sets it has.
    pub records: u32,
    /// VPCs of other accounts whose owners may associate them.
    pub authorized: Vec<AuthorizedVpc>,
    /// Tags.
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
}

/// A VPC that its owner may associate with a zone of another account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizedVpc {
    /// The VPC.
    pub vpc: VpcId,
    /// Where it is.
    pub region: Region,
}

/// That a VPC's resolver answers from a hosted zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ZoneAssociation {
    /// The zone.
    pub zone: HostedZoneId,
    /// The VPC.
    pub vpc: VpcId,
    /// Where the VPC is.
    pub region: Region,
}

/// One record set of a hosted zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRecord {
    /// The zone.
    pub zone: HostedZoneId,
    /// Its name: lower case, escaped but for a leading `*`, with a final dot.
    pub name: String,
    /// Its type, such as `A`.
    pub rtype: String,
    /// Tells sets of the same name and type apart; none for a set that stands alone.
    pub set_identifier: Option<String>,
    /// How one of several sets is chosen; none for a set that stands alone.
    pub routing: Option<Routing>,
    /// What it holds.
    pub content: RecordContent,
}

/// How one of several sets of the same name and type is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    /// All of them, up to eight.
    MultiValue,
}

/// What a record set holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecordContent {
    /// Values in the form of zone files.
    Values {
        /// Seconds a resolver may keep them.
        ttl: u32,
        /// The values, as given.
        values: Vec<String>,
    },
    /// The records that another name has.
    Alias {
        /// The id of the zone of that name.
        zone: String,
        /// The name: lower case, escaped, with a final dot.
        target: String,
        /// Whether to look at the target's health.
        evaluate: bool,
    },
}

/// The key of a record: its zone, its name with the labels reversed (the order in which Route 53
/// lists), its type, its identifier.
pub fn record_key(
    zone: &HostedZoneId,
    name: &str,
    rtype: &str,
    identifier: Option<&str>,
) -> String {
    format!(
        "{zone} {} {rtype} {}",
        reversed(name),
        identifier.unwrap_or_default()
    )
}

/// A name with its labels reversed, final dot included: `www.example.com.` is `com.example.www.`.
pub fn reversed(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 1);
    for label in name.trim_end_matches('.').rsplit('.') {
        text.push_str(label);
        text.push('.');
    }
    text
}

impl ZoneRecord {
    /// See [`record_key`].
    pub fn key(&self) -> String {
        record_key(
            &self.zone,
            &self.name,
            &self.rtype,
            self.set_identifier.as_deref(),
        )
    }
}

/// The id of a resolver endpoint: `rslvr-in-` or `rslvr-out-` and 17 digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResolverEndpointId(Box<str>);

impl ResolverEndpointId {
    /// The id of an endpoint of this direction with these digits.
    pub fn from_digits(direction: Direction, digits: u128) -> ResolverEndpointId {
        let digits = digits & ((1u128 << 64) - 1);
        ResolverEndpointId(format!("{}0{digits:016x}", direction.prefix()).into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResolverEndpointId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<ResolverEndpointId, IdError> {
        let digits = [Direction::Inbound, Direction::Outbound]
            .iter()
            .find_map(|direction| text.strip_prefix(direction.prefix()));
        match digits {
            Some(digits) if well_formed(digits) => Ok(ResolverEndpointId(text.into())),
            _ => Err(IdError {
                what: "ResolverEndpointId",
                text: text.chars().take(128).collect(),
                expecting: "rslvr-in-... or rslvr-out-...",
            }),
        }
    }
}

impl std::fmt::Display for ResolverEndpointId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::fmt::Debug for ResolverEndpointId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ResolverEndpointId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Which way queries pass a resolver endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// From elsewhere to the VPC's resolver.
    Inbound,
    /// From the VPC's resolver to servers elsewhere.
    Outbound,
}

impl Direction {
    fn prefix(self) -> &'static str {
        match self {
            Direction::Inbound => "rslvr-in-",
            Direction::Outbound => "rslvr-out-",
        }
    }

    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "INBOUND",
            Direction::Outbound => "OUTBOUND",
        }
    }
}

/// An inbound or outbound resolver endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResolverEndpoint {
    /// Its id.
    pub id: ResolverEndpointId,
    /// The VPC of its interfaces.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// Which way queries pass.
    pub direction: Direction,
    /// A name for people.
    pub name: Option<String>,
    /// Security groups of every interface; they cannot be changed.
    pub groups: Vec<SecurityGroupId>,
    /// Its addresses.
    pub addresses: Vec<ResolverAddress>,
    /// What the caller named the request that made it.
    pub creator_request_id: String,
    /// Tags.
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
    /// When it was last changed.
    pub modified: Millis,
    /// The generation that last changed it: it is operational when every plane has reached it.
    pub changed: Generation,
}

/// One address of a resolver endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolverAddress {
    /// Its id.
    pub id: ResolverIpId,
    /// The network interface that has it.
    pub interface: NetworkInterfaceId,
    /// The interface's subnet.
    pub subnet: SubnetId,
    /// The address; it never changes.
    pub ip: Ipv4Addr,
    /// When it was added.
    pub created: Millis,
}

/// A resolver rule: what happens to queries for a domain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResolverRule {
    /// Its id.
    pub id: ResolverRuleId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// The domain: lower case, escaped, with a final dot; `.` alone is every name.
    pub domain: String,
    /// What happens.
    pub action: RuleAction,
    /// A name for people.
    pub name: Option<String>,
    /// What the caller named the request that made it.
    pub creator_request_id: String,
    /// Tags.
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
    /// When it was last changed.
    pub modified: Millis,
}

/// What happens to queries for a rule's domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleAction {
    /// FORWARD: they are sent to these servers through an outbound endpoint.
    Forward {
        /// The servers, with ports.
        targets: Vec<ForwardTarget>,
        /// The outbound endpoint.
        endpoint: ResolverEndpointId,
    },
    /// SYSTEM: they are answered here, whatever a rule for a wider domain says.
    System,
}

/// A server that queries are forwarded to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardTarget {
    /// Its address.
    pub ip: IpAddr,
    /// Its port; 53 unless told.
    pub port: u16,
}

/// That a resolver rule holds in a VPC.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RuleAssociation {
    /// Its id.
    pub id: RuleAssociationId,
    /// The rule.
    pub rule: ResolverRuleId,
    /// The VPC.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// A name for people.
    pub name: Option<String>,
}

/// Settings of a VPC's resolver; one without has the settings that every VPC begins with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResolverConfig {
    /// The VPC.
    pub vpc: VpcId,
    /// Whether it answers reverse names of the VPC's addresses; it does at first.
    pub reverse: bool,
}

/// That the operator took an availability zone out of service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FailedZone {
    /// The zone.
    pub zone: Zone,
    /// Since when.
    pub since: Millis,
}

impl Intent {
    /// Whether a VPC's resolver answers reverse names of its own.
    pub fn has_reverse_names(&self, vpc: &VpcId) -> bool {
        self.get::<ResolverConfig>(vpc)
            .is_none_or(|config| config.reverse)
    }

    /// The VPCs that a hosted zone is associated with, in order of their ids.
    pub fn vpcs_of_zone(
        &self,
        zone: &HostedZoneId,
    ) -> impl Iterator<Item = &std::sync::Arc<ZoneAssociation>> {
        let prefix = format!("{zone} ");
        self.zone_associations
            .range(prefix.clone()..)
            .take_while(move |(key, _)| key.starts_with(&prefix))
            .map(|(_, association)| association)
    }

    /// The record sets of a hosted zone in the order in which Route 53 lists them.
    pub fn records_of_zone(
        &self,
        zone: &HostedZoneId,
    ) -> impl Iterator<Item = &std::sync::Arc<ZoneRecord>> {
        self.records_from(zone, format!("{zone} "))
    }

    /// The record sets of a hosted zone from a key on.
    pub fn records_from(
        &self,
        zone: &HostedZoneId,
        key: String,
    ) -> impl Iterator<Item = &std::sync::Arc<ZoneRecord>> {
        let prefix = format!("{zone} ");
        self.zone_records
            .range(key..)
            .take_while(move |(key, _)| key.starts_with(&prefix))
            .map(|(_, record)| record)
    }

    /// Whether the operator took an availability zone out of service.
    pub fn is_failed(&self, zone: &Zone) -> bool {
        self.failed_zones.contains_key(zone.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_keys_sort_as_route_53_lists() {
        let zone: HostedZoneId = "Z0123456789".parse().unwrap();
        let key = |name: &str, rtype: &str| record_key(&zone, name, rtype, None);
        let sorted = [
            key("example.com.", "A"),
            key("example.com.", "NS"),
            key("example.com.", "SOA"),
            key("*.example.com.", "A"),
            key("a.example.com.", "A"),
            // A hyphen sorts before the dot that ends a label.
            key("a-b.example.com.", "A"),
            key("x.a.example.com.", "A"),
            key("b.example.com.", "A"),
        ];
        let mut shuffled: Vec<String> = sorted.iter().rev().cloned().collect();
        shuffled.sort();
        let names = |keys: &[String]| keys.join("|");
        let mut expected = sorted.to_vec();
        // `com.example.a-b.` against `com.example.a.`: 0x2d is less than 0x2e.
        expected.swap(4, 5);
        assert_eq!(names(&shuffled), names(&expected));
    }

    #[test]
    fn resolver_endpoint_ids_say_their_direction() {
        for direction in [Direction::Inbound, Direction::Outbound] {
            let id = ResolverEndpointId::from_digits(direction, 0xabc);
            assert_eq!(id.as_str().parse::<ResolverEndpointId>().unwrap(), id);
        }
        for bad in ["rslvr-rr-0123456789abcdef0", "rslvr-in-", "rslvr-in-xyz"] {
            assert!(bad.parse::<ResolverEndpointId>().is_err(), "{bad}");
        }
    }
}
