//! EC2: VPCs, their parts, and VPC endpoints. One file per kind of resource.

pub(crate) mod absent;
pub(crate) mod account;
pub(crate) mod address;
pub(crate) mod customer_gateway;
pub(crate) mod default_vpc;
pub(crate) mod dhcp_options;
pub(crate) mod egress_only_gateway;
pub(crate) mod endpoint;
pub(crate) mod endpoint_service;
pub(crate) mod flow_log;
pub(crate) mod internet_gateway;
pub(crate) mod nat_gateway;
pub(crate) mod network_acl;
pub(crate) mod network_interface;
pub(crate) mod peering;
pub(crate) mod place;
pub(crate) mod prefix_list;
pub(crate) mod route;
pub(crate) mod route_table;
pub(crate) mod security_group;
pub(crate) mod subnet;
pub(crate) mod tag;
pub(crate) mod vpc;
pub(crate) mod vpn_connection;
pub(crate) mod vpn_gateway;

use adit_model::{AccountId, Region};

/// The ARN of a resource of EC2.
fn arn(region: &Region, owner: &AccountId, kind: &str, id: impl std::fmt::Display) -> String {
    format!("arn:aws:ec2:{region}:{owner}:{kind}/{id}")
}
