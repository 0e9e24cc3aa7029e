//! Limits on how many there may be of something [ec2-api §21].
//!
//! Limits inside one VPC have AWS's defaults. Limits of a whole Region have none: they are there
//! on AWS to share its hardware. An installation can set any of them (`adit quota set`).

use adit_model::Intent;

use crate::refusal::Refusal;

/// A limit.
#[derive(Debug)]
pub(crate) struct Quota {
    /// The name by which an installation sets it.
    pub(crate) name: &'static str,
    /// The limit unless an installation sets one.
    pub(crate) default: Option<u32>,
    code: &'static str,
    text: &'static str,
}

impl Quota {
    /// The limit in force; as many as can be counted where there is none.
    pub(crate) fn limit(&self, intent: &Intent) -> i64 {
        let set = intent.installation().and_then(|i| i.quotas.get(self.name));
        set.copied().or(self.default).map_or(i64::MAX, i64::from)
    }

    /// Refuses one more when there are already as many as there may be.
    pub(crate) fn check(
        &self,
        intent: &Intent,
        count: impl FnOnce() -> usize,
    ) -> Result<(), Refusal> {
        self.check_total(intent, || count().saturating_add(1))
    }

    /// The limit, if there is one.
    pub(crate) fn value(&self, intent: &Intent) -> Option<u32> {
        let set = intent.installation().and_then(|i| i.quotas.get(self.name));
        set.copied().or(self.default)
    }

    /// Refuses a total beyond the limit.
    pub(crate) fn check_total(
        &self,
        intent: &Intent,
        total: impl FnOnce() -> usize,
    ) -> Result<(), Refusal> {
        match self.value(intent) {
            Some(limit) if total() > limit as usize => Err(Refusal::new(self.code, self.text)),
            _ => Ok(()),
        }
    }
}

macro_rules! quotas {
    ($($name:ident $key:literal $default:expr, $code:literal $text:literal;)*) => {
        $(pub(crate) const $name: Quota =
            Quota { name: $key, default: $default, code: $code, text: $text };)*

        /// Every limit.
        pub(crate) const ALL: &[Quota] = &[$($name),*];
    };
}

quotas! {
    VPCS_PER_REGION "vpcs-per-region" None,
        "VpcLimitExceeded" "The maximum number of VPCs has been reached.";
    SUBNETS_PER_VPC "subnets-per-vpc" Some(200),
        "SubnetLimitExceeded" "The maximum number of subnets has been reached.";
    FLOW_LOGS_PER_RESOURCE "flow-logs-per-resource" Some(2),
        "FlowLogsLimitExceeded" "The maximum number of flow logs of a resource has been reached.";
    ROUTE_TABLES_PER_VPC "route-tables-per-vpc" Some(200),
        "RouteTableLimitExceeded" "The maximum number of route tables has been reached.";
    ROUTES_PER_TABLE "routes-per-table" Some(50),
        "RouteLimitExceeded" "The maximum number of routes has been reached.";
    INTERNET_GATEWAYS_PER_REGION "internet-gateways-per-region" None,
        "InternetGatewayLimitExceeded" "The maximum number of internet gateways has been reached.";
    SECURITY_GROUPS_PER_VPC "security-groups-per-vpc" Some(500),
        "SecurityGroupLimitExceeded" "The maximum number of security groups has been reached.";
    RULES_PER_GROUP "rules-per-security-group" Some(60),
        "RulesPerSecurityGroupLimitExceeded"
        "The maximum number of rules per security group has been reached.";
    GROUPS_PER_INTERFACE "security-groups-per-interface" Some(5),
        "SecurityGroupsPerInterfaceLimitExceeded"
        "The maximum number of security groups per interface has been reached.";
    GATEWAY_ENDPOINTS_PER_REGION "gateway-endpoints-per-region" None,
        "VpcEndpointLimitExceeded" "The maximum number of VPC endpoints has been reached.";
    GATEWAY_ENDPOINTS_PER_VPC "gateway-endpoints-per-vpc" Some(255),
        "VpcEndpointLimitExceeded" "The maximum number of VPC endpoints has been reached.";
    INTERFACE_ENDPOINTS_PER_VPC "interface-endpoints-per-vpc" Some(50),
        "VpcEndpointLimitExceeded" "The maximum number of VPC endpoints has been reached.";
    ACCESS_POINTS_PER_REGION "access-points-per-region" Some(10_000),
        "TooManyAccessPoints"
        "You have attempted to create more access points than are allowed for an account in a Region.";
    UNFINISHED_JOBS_PER_REGION "unfinished-jobs-per-region" Some(1_000),
        "TooManyRequestsException" "There are as many unfinished jobs as an account may have in a Region.";
    JOBS_PER_REGION "jobs-per-region" Some(10_000),
        "TooManyRequestsException" "There are as many jobs as an account may have in a Region.";
    HOSTED_ZONES_PER_ACCOUNT "hosted-zones-per-account" Some(500),
        "TooManyHostedZones" "This account already has the maximum number of hosted zones.";
    RECORDS_PER_ZONE "record-sets-per-hosted-zone" Some(10_000),
        "InvalidChangeBatch" "[Number of resource record sets limit of the hosted zone exceeded.]";
    VPCS_PER_ZONE "vpcs-per-hosted-zone" Some(300),
        "LimitsExceeded" "The hosted zone has the maximum number of VPC associations.";
    AUTHORIZATIONS_PER_ZONE "vpc-association-authorizations-per-hosted-zone" Some(1000),
        "TooManyVPCAssociationAuthorizations"
        "The hosted zone has the maximum number of VPC association authorizations.";
    RESOLVER_ENDPOINTS_PER_REGION "resolver-endpoints-per-region" Some(4),
        "LimitExceededException" "The maximum number of resolver endpoints has been reached.";
    ADDRESSES_PER_RESOLVER_ENDPOINT "ip-addresses-per-resolver-endpoint" Some(6),
        "LimitExceededException"
        "The maximum number of IP addresses per resolver endpoint has been reached.";
    RESOLVER_RULES_PER_REGION "resolver-rules-per-region" Some(1000),
        "LimitExceededException" "The maximum number of resolver rules has been reached.";
    RULE_ASSOCIATIONS_PER_REGION "resolver-rule-associations-per-region" Some(2000),
        "LimitExceededException" "The maximum number of resolver rule associations has been reached.";
    QUERY_LOG_CONFIGS_PER_REGION "query-log-configs-per-region" Some(20),
        "LimitExceededException"
        "The maximum number of query logging configurations has been reached.";
    QUERY_LOG_ASSOCIATIONS_PER_REGION "query-log-associations-per-region" Some(100),
        "LimitExceededException"
        "The maximum number of query logging configuration associations has been reached.";
    TARGETS_PER_RULE "target-ip-addresses-per-resolver-rule" Some(6),
        "LimitExceededException"
        "The maximum number of target IP addresses per resolver rule has been reached.";
    CIDR_BLOCKS_PER_VPC "ipv4-cidr-blocks-per-vpc" Some(5),
        "CidrLimitExceeded" "This network already has the maximum number of CIDR blocks.";
    IPV6_CIDR_BLOCKS_PER_VPC "ipv6-cidr-blocks-per-vpc" Some(5),
        "CidrLimitExceeded" "This network already has the maximum number of IPv6 CIDR blocks.";
    EGRESS_ONLY_GATEWAYS_PER_REGION "egress-only-internet-gateways-per-region" None,
        "EgressOnlyInternetGatewayLimitExceeded"
        "The maximum number of egress-only internet gateways has been reached.";
    NETWORK_ACLS_PER_VPC "network-acls-per-vpc" Some(200),
        "NetworkAclLimitExceeded" "The maximum number of network ACLs has been reached.";
    ENTRIES_PER_NETWORK_ACL "rules-per-network-acl" Some(20),
        "NetworkAclEntryLimitExceeded"
        "The maximum number of network ACL entries has been reached.";
    ADDRESSES_PER_REGION "elastic-ips-per-region" None,
        "AddressLimitExceeded" "The maximum number of addresses has been reached.";
    NAT_GATEWAYS_PER_ZONE "nat-gateways-per-zone" None,
        "NatGatewayLimitExceeded" "The maximum number of NAT gateways has been reached.";
    PEERINGS_PER_VPC "active-peerings-per-vpc" Some(50),
        "ActiveVpcPeeringConnectionPerVpcLimitExceeded"
        "The maximum number of active VPC peering connections has been reached.";
    OUTSTANDING_PEERINGS "outstanding-peerings" Some(25),
        "OutstandingVpcPeeringConnectionLimitExceeded"
        "The maximum number of outstanding VPC peering connection requests has been reached.";
    PREFIX_LISTS_PER_REGION "prefix-lists-per-region" None,
        "PrefixListLimitExceeded" "The maximum number of prefix lists has been reached.";
    ENTRIES_PER_PREFIX_LIST "entries-per-prefix-list" Some(1000),
        "PrefixListMaxEntriesExceeded"
        "The maximum number of entries of a prefix list has been reached.";
    PROPAGATED_ROUTES_PER_TABLE "propagated-routes-per-table" Some(100),
        "RouteLimitExceeded" "The maximum number of propagated routes has been reached.";
    ADDRESSES_PER_INTERFACE "private-addresses-per-interface" Some(50),
        "PrivateIpAddressLimitExceeded"
        "The maximum number of private addresses of a network interface has been reached.";
    IPV6_ADDRESSES_PER_INTERFACE "ipv6-addresses-per-interface" Some(50),
        "PrivateIpAddressLimitExceeded"
        "The maximum number of IPv6 addresses of a network interface has been reached.";
    INTERFACES_PER_REGION "network-interfaces-per-region" None,
        "NetworkInterfaceLimitExceeded"
        "The maximum number of network interfaces has been reached.";
    VPN_GATEWAYS_PER_REGION "vpn-gateways-per-region" None,
        "VpnGatewayLimitExceeded" "The maximum number of virtual private gateways has been reached.";
    CUSTOMER_GATEWAYS_PER_REGION "customer-gateways-per-region" None,
        "CustomerGatewayLimitExceeded" "The maximum number of customer gateways has been reached.";
    VPN_CONNECTIONS_PER_REGION "vpn-connections-per-region" None,
        "VpnConnectionLimitExceeded" "The maximum number of VPN connections has been reached.";
    ACCESS_KEYS_PER_USER "access-keys-per-user" Some(2),
        "LimitExceeded" "Cannot exceed quota for AccessKeysPerUser: 2";
    GROUPS_PER_USER "groups-per-user" Some(10),
        "LimitExceeded" "Cannot exceed quota for GroupsPerUser: 10";
    POLICIES_PER_IDENTITY "attached-policies-per-identity" Some(10),
        "LimitExceeded" "Cannot exceed quota for PoliciesPerUser: 10";
    VERSIONS_PER_POLICY "versions-per-policy" Some(5),
        "LimitExceeded"
        "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use adit_model::{Draft, Installation};

    use super::*;

    #[test]
    fn an_installation_sets_its_own() {
        let mut draft = Draft::new(&Intent::default());
        assert!(ROUTES_PER_TABLE.check(&draft, || 49).is_ok());
        assert!(ROUTES_PER_TABLE.check(&draft, || 50).is_err());
        assert!(VPCS_PER_REGION.check(&draft, || 1_000_000).is_ok());
        let quotas = [("routes-per-table", 60), ("vpcs-per-region", 5)];
        draft.put(Installation {
            id: "a".into(),
            default_region: "us-east-1".parse().unwrap(),
            quotas: quotas
                .iter()
                .map(|(name, n)| (name.to_string(), *n))
                .collect::<BTreeMap<_, _>>(),
        });
        assert!(ROUTES_PER_TABLE.check(&draft, || 59).is_ok());
        assert_eq!(
            VPCS_PER_REGION.check(&draft, || 5).unwrap_err().code,
            "VpcLimitExceeded"
        );
    }

    #[test]
    fn names_are_distinct() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|quota| quota.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
