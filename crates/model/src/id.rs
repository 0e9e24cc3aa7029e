//! Identifiers: one newtype each, one door (`FromStr`), AWS's spelling.
//!
//! An id is a prefix and 17 lower-case hexadecimal digits; the older form with 8 digits is accepted
//! on input (AWS's own documents still show it).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what} (expecting `{expecting}`)")]
pub struct IdError {
    /// What was wanted, such as `vpc id`.
    pub what: &'static str,
    /// What was given.
    pub text: String,
    /// The form that would have been accepted.
    pub expecting: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The text before the digits.
            pub const PREFIX: &'static str = $prefix;

            /// The id with these digits; `digits` comes from the id source of a transaction.
            pub fn from_digits(digits: u128) -> $name {
                // 17 hexadecimal digits; AWS's ids start with 0.
                let digits = digits & ((1u128 << 64) - 1);
                $name(format!("{}0{digits:016x}", $prefix).into())
            }

            /// The id as AWS writes it.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The digits after the prefix.
            pub fn digits(&self) -> &str {
                &self.0[$prefix.len()..]
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<$name, IdError> {
                match text.strip_prefix($prefix) {
                    Some(digits) if well_formed(digits) => Ok($name(text.into())),
                    _ => Err(IdError {
                        what: stringify!($name),
                        text: text.chars().take(128).collect(),
                        expecting: concat!($prefix, "..."),
                    }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&$name> for String {
            fn from(id: &$name) -> String {
                id.0.to_string()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

pub(crate) fn well_formed(digits: &str) -> bool {
    matches!(digits.len(), 8 | 17)
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

ids! {
    /// A virtual private cloud.
    VpcId "vpc-";
    /// A subnet.
    SubnetId "subnet-";
    /// A route table.
    RouteTableId "rtb-";
    /// An association of a route table with a subnet, or the main association.
    RouteTableAssociationId "rtbassoc-";
    /// An internet gateway.
    InternetGatewayId "igw-";
    /// A security group.
    SecurityGroupId "sg-";
    /// One rule of a security group.
    SecurityGroupRuleId "sgr-";
    /// A network ACL.
    NetworkAclId "acl-";
    /// An association of a network ACL with a subnet.
    NetworkAclAssociationId "aclassoc-";
    /// A network interface.
    NetworkInterfaceId "eni-";
    /// An attachment of a network interface.
    AttachmentId "eni-attach-";
    /// A prefix list.
    PrefixListId "pl-";
    /// A VPC endpoint.
    VpcEndpointId "vpce-";
    /// An endpoint service.
    VpcEndpointServiceId "vpce-svc-";
    /// A permission to use an endpoint service.
    VpcEndpointServicePermissionId "vpce-svc-perm-";
    /// A connection of an endpoint to an endpoint service.
    VpcEndpointConnectionId "vpce-con-";
    /// A notification of connections.
    ConnectionNotificationId "vpce-nfn-";
    /// A CIDR block association of a VPC.
    VpcCidrAssociationId "vpc-cidr-assoc-";
    /// A CIDR block association of a subnet.
    SubnetCidrAssociationId "subnet-cidr-assoc-";
    /// A set of DHCP options.
    DhcpOptionsId "dopt-";
    /// A NAT gateway.
    NatGatewayId "nat-";
    /// An egress-only internet gateway.
    EgressOnlyInternetGatewayId "eigw-";
    /// The allocation of an Elastic IP.
    AllocationId "eipalloc-";
    /// The association of an Elastic IP with an interface.
    AddressAssociationId "eipassoc-";
    /// A virtual private gateway.
    VpnGatewayId "vgw-";
    /// A customer gateway.
    CustomerGatewayId "cgw-";
    /// A VPN connection.
    VpnConnectionId "vpn-";
    /// A VPC peering connection.
    VpcPeeringConnectionId "pcx-";
    /// A flow log.
    FlowLogId "fl-";
    /// An address of a resolver endpoint.
    ResolverIpId "rni-";
    /// A resolver rule.
    ResolverRuleId "rslvr-rr-";
    /// An association of a resolver rule with a VPC.
    RuleAssociationId "rslvr-rrassoc-";
    /// A query logging configuration of the resolver.
    QueryLogConfigId "rqlc-";
    /// An association of a query logging configuration with a VPC.
    QueryLogAssociationId "rqlca-";
    /// A VPC's resolver settings.
    ResolverConfigId "rdsc-";
}

impl DhcpOptionsId {
    /// What AWS shows in the place of an id when a VPC has no options: `default`.
    pub fn none() -> DhcpOptionsId {
        DhcpOptionsId("default".into())
    }

    /// Whether it stands for no options.
    pub fn is_none(&self) -> bool {
        &*self.0 == "default"
    }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $expecting:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<$name, IdError> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok($name(text.into()))
                } else {
                    Err(IdError { what: $what, text: text.chars().take(128).collect(), expecting: $expecting })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&$name> for String {
            fn from(name: &$name) -> String {
                name.0.to_string()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// An account: twelve digits.
    AccountId, "account id", "twelve digits",
        |t| t.len() == 12 && t.bytes().all(|b| b.is_ascii_digit());
    /// A Region, such as `us-east-1`.
    Region, "Region", "a name such as us-east-1", is_region;
    /// An availability zone, such as `us-east-1a`.
    Zone, "availability zone", "a Region and a letter, such as us-east-1a",
        |t| t.len() > 1 && t.ends_with(|c: char| c.is_ascii_lowercase())
            && t.get(..t.len() - 1).is_some_and(is_region);
    /// A bucket name that can be created today (policies may name others).
    BucketName, "bucket name", "3-63 characters of a-z, 0-9, `.` and `-`", is_bucket_name;
    /// The name of an on-premises site: it becomes part of namespace names.
    SiteName, "site name", "1-32 characters of a-z, 0-9 and `-`, starting with a letter",
        |t| (1..=32).contains(&t.len()) && t.starts_with(|c: char| c.is_ascii_lowercase())
            && t.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    /// A hosted zone.
    HostedZoneId, "hosted zone id", "Z and up to 31 capitals and digits",
        |t| (2..=32).contains(&t.len()) && t.starts_with('Z')
            && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
}

fn is_region(text: &str) -> bool {
    // A word, words, a number: `us-east-1`, `us-gov-west-1`.
    let mut parts = text.split('-');
    let last = parts.next_back().unwrap_or("");
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !last.is_empty()
        && last.bytes().all(|b| b.is_ascii_digit())
        && parts.clone().count() >= 2
        && parts.all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase()))
}

/// The rules for names that can be created today [docs: bucketnamingrules].
fn is_bucket_name(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.' || b == b'-')
        && text.starts_with(edge)
        && text.ends_with(edge)
        && !text.contains("..")
        && text.parse::<std::net::Ipv4Addr>().is_err()
        && !["xn--", "sthree-", "amzn-s3-demo-"]
            .iter()
            .any(|p| text.starts_with(p))
        && !["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"]
            .iter()
            .any(|s| text.ends_with(s))
}

impl Zone {
    /// The Region the zone belongs to.
    pub fn region(&self) -> Region {
        Region(self.0[..self.0.len() - 1].into())
    }
}

impl Region {
    /// The short code that zone ids start with: `us-east-1` is `use1`.
    pub fn code(&self) -> String {
        let mut code = String::new();
        for (index, part) in self.0.split('-').enumerate() {
            match index {
                0 => code.push_str(part),
                _ if part.bytes().all(|b| b.is_ascii_digit()) => code.push_str(part),
                _ => match part {
                    "northeast" => code.push_str("ne"),
                    "southeast" => code.push_str("se"),
                    "northwest" => code.push_str("nw"),
                    "southwest" => code.push_str("sw"),
                    other => code.push_str(&other[..1]),
                },
            }
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_accept_both_lengths_and_nothing_else() {
        for good in ["vpc-0123456789abcdef0", "vpc-1a2b3c4d"] {
            assert_eq!(good.parse::<VpcId>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "vpc-",
            "vpc-12345",
            "vpc-0123456789ABCDEF0",
            "subnet-0123456789abcdef0",
            "vpc-0123456789abcdefg",
        ] {
            assert!(bad.parse::<VpcId>().is_err(), "{bad}");
        }
        // A longer prefix is another kind of id.
        assert!(
            "vpce-svc-0123456789abcdef0"
                .parse::<VpcEndpointId>()
                .is_err()
        );
    }

    #[test]
    fn made_ids_are_well_formed() {
        let id = VpcEndpointId::from_digits(u128::MAX);
        assert_eq!(id.as_str().parse::<VpcEndpointId>().unwrap(), id);
        assert_eq!(id.as_str().len(), "vpce-".len() + 17);
    }

    #[test]
    fn bucket_names_follow_the_rules() {
        for good in ["abc", "my-bucket", "my.dotted.bucket", "0bucket9"] {
            assert!(good.parse::<BucketName>().is_ok(), "{good}");
        }
        for bad in [
            "ab",
            "My-bucket",
            "a_b_c",
            "-abc",
            "abc-",
            "a..b",
            "192.168.0.1",
            "xn--abc",
            "abc-s3alias",
            "abc--x-s3",
        ] {
            assert!(bad.parse::<BucketName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn zones_know_their_region() {
        let zone: Zone = "us-east-1a".parse().unwrap();
        assert_eq!(zone.region().as_str(), "us-east-1");
        for bad in ["us-east-1", "a", "east1a", ""] {
            assert!(bad.parse::<Zone>().is_err(), "{bad}");
        }
        for (name, code) in [
            ("us-east-1", "use1"),
            ("ap-northeast-2", "apne2"),
            ("eu-central-1", "euc1"),
        ] {
            assert_eq!(name.parse::<Region>().unwrap().code(), code);
        }
    }
}
