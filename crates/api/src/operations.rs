//! The one visible table of what is built.

use adit_model::{Draft, Group, ManagedPolicy, Role, User};
use adit_wire::{Service, Value};

use crate::authorise::Touches;
use crate::context::{Answer, Ctx, View};
use crate::input::Input;
use crate::refusal::Refusal;
use crate::{authorise, ec2, elbv2, iam, own, route53, route53resolver, s3, s3control, sts};

/// How an operation runs.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Looks at the newest durable intent and what the planes made of it.
    Read(ReadFn),
    /// Changes a draft, in a transaction.
    Write(WriteFn),
}

pub(crate) type ReadFn = fn(&Input<'_>, View<'_>, &Ctx) -> Result<Value, Refusal>;
pub(crate) type WriteFn = fn(&Input<'_>, &mut Draft, &mut Ctx) -> Result<Answer, Refusal>;

/// One operation.
pub struct Row {
    /// The service.
    pub service: Service,
    /// Its name in the API reference.
    pub name: &'static str,
    /// The action that the caller must be allowed; none when anybody may, or when somebody else
    /// decides: S3's operations are decided by the front door, with the path in mind.
    pub action: Option<&'static str>,
    /// The resources that this action is decided on, see [`crate::authorise`].
    pub(crate) touches: Touches,
    /// What it does.
    pub(crate) run: Run,
}

impl Row {
    /// Whether it changes anything.
    pub fn writes(&self) -> bool {
        matches!(self.run, Run::Write(_))
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.service.name(), self.name)
    }
}

macro_rules! action {
    (none $name:ident) => {
        None
    };
    ($prefix:literal $name:ident) => {
        Some(concat!($prefix, ":", stringify!($name)))
    };
}

macro_rules! touches {
    () => {
        Touches::Derived
    };
    ($find:path) => {
        Touches::By($find)
    };
}

macro_rules! rows {
    ($($service:ident $prefix:tt {
        $($kind:ident $name:ident $run:path $(=> $touches:path)?;)*
    })*) => {
        &[$($(Row {
            service: Service::$service,
            name: stringify!($name),
            action: action!($prefix $name),
            touches: touches!($($touches)?),
            run: Run::$kind($run),
        },)*)*]
    };
}

/// Every operation that is built. What is not here answers with the service's own error.
pub static OPERATIONS: &[Row] = rows! {
    Ec2 "ec2" {
        Write CreateVpc ec2::vpc::create;
        Write DeleteVpc ec2::vpc::delete;
        Read DescribeVpcs ec2::vpc::describe;
        Write ModifyVpcAttribute ec2::vpc::modify_attribute;
        Read DescribeVpcAttribute ec2::vpc::describe_attribute;
        Write CreateDefaultVpc ec2::default_vpc::create;
        Write CreateDefaultSubnet ec2::default_vpc::create_subnet;

        Write ModifyVpcTenancy ec2::vpc::modify_tenancy;
        Write AssociateVpcCidrBlock ec2::vpc::block::associate;
        Write DisassociateVpcCidrBlock ec2::vpc::block::disassociate => authorise::everything;

        Write CreateSubnet ec2::subnet::create;
        Write DeleteSubnet ec2::subnet::delete;
        Read DescribeSubnets ec2::subnet::describe;
        Write ModifySubnetAttribute ec2::subnet::modify_attribute;
        Write AssociateSubnetCidrBlock ec2::subnet::ipv6::associate;
        Write DisassociateSubnetCidrBlock ec2::subnet::ipv6::disassociate => authorise::everything;

        Write CreateRouteTable ec2::route_table::create;
        Write DeleteRouteTable ec2::route_table::delete;
        Read DescribeRouteTables ec2::route_table::describe;
        Write AssociateRouteTable ec2::route_table::associate;
        Write DisassociateRouteTable ec2::route_table::disassociate;
        Write ReplaceRouteTableAssociation ec2::route_table::replace_association;
        Write CreateRoute ec2::route::create;
        Write ReplaceRoute ec2::route::replace;
        Write DeleteRoute ec2::route::delete;
        Write EnableVgwRoutePropagation ec2::vpn_gateway::enable_propagation;
        Write DisableVgwRoutePropagation ec2::vpn_gateway::disable_propagation;

        Write CreateFlowLogs ec2::flow_log::create;
        Write DeleteFlowLogs ec2::flow_log::delete;
        Read DescribeFlowLogs ec2::flow_log::describe;

        Write CreateInternetGateway ec2::internet_gateway::create;
        Write AttachInternetGateway ec2::internet_gateway::attach;
        Write DetachInternetGateway ec2::internet_gateway::detach;
        Write DeleteInternetGateway ec2::internet_gateway::delete;
        Read DescribeInternetGateways ec2::internet_gateway::describe;
        Write CreateEgressOnlyInternetGateway ec2::egress_only_gateway::create;
        Write DeleteEgressOnlyInternetGateway ec2::egress_only_gateway::delete;
        Read DescribeEgressOnlyInternetGateways ec2::egress_only_gateway::describe;

        Write CreateSecurityGroup ec2::security_group::create;
        Write DeleteSecurityGroup ec2::security_group::delete;
        Read DescribeSecurityGroups ec2::security_group::describe;
        Read GetSecurityGroupsForVpc ec2::security_group::describe_for_vpc;
        Write AuthorizeSecurityGroupIngress ec2::security_group::rule::authorize_ingress;
        Write AuthorizeSecurityGroupEgress ec2::security_group::rule::authorize_egress;
        Write RevokeSecurityGroupIngress ec2::security_group::rule::revoke_ingress;
        Write RevokeSecurityGroupEgress ec2::security_group::rule::revoke_egress;
        Read DescribeSecurityGroupReferences ec2::security_group::references;
        Read DescribeStaleSecurityGroups ec2::security_group::peer::describe_stale;
        Read DescribeSecurityGroupRules ec2::security_group::rule::describe;
        Write ModifySecurityGroupRules ec2::security_group::rule_update::modify;
        Write UpdateSecurityGroupRuleDescriptionsIngress
            ec2::security_group::rule_update::describe_ingress;
        Write UpdateSecurityGroupRuleDescriptionsEgress
            ec2::security_group::rule_update::describe_egress;

        Write CreateNetworkAcl ec2::network_acl::create;
        Write DeleteNetworkAcl ec2::network_acl::delete;
        Read DescribeNetworkAcls ec2::network_acl::describe;
        Write CreateNetworkAclEntry ec2::network_acl::create_entry;
        Write ReplaceNetworkAclEntry ec2::network_acl::replace_entry;
        Write DeleteNetworkAclEntry ec2::network_acl::delete_entry;
        Write ReplaceNetworkAclAssociation ec2::network_acl::replace_association;

        Write CreateNatGateway ec2::nat_gateway::create;
        Write DeleteNatGateway ec2::nat_gateway::delete;
        Read DescribeNatGateways ec2::nat_gateway::describe;
        Write AllocateAddress ec2::address::allocate;
        Write AssociateAddress ec2::address::associate;
        Write DisassociateAddress ec2::address::disassociate;
        Write ReleaseAddress ec2::address::release;
        Read DescribeAddresses ec2::address::describe;
        Read DescribeAddressesAttribute ec2::address::describe_attribute;

        Write CreateVpnGateway ec2::vpn_gateway::create;
        Write AttachVpnGateway ec2::vpn_gateway::attach;
        Write DetachVpnGateway ec2::vpn_gateway::detach;
        Write DeleteVpnGateway ec2::vpn_gateway::delete;
        Read DescribeVpnGateways ec2::vpn_gateway::describe;
        Write CreateCustomerGateway ec2::customer_gateway::create;
        Write DeleteCustomerGateway ec2::customer_gateway::delete;
        Read DescribeCustomerGateways ec2::customer_gateway::describe;
        Write CreateVpnConnection ec2::vpn_connection::create;
        Write DeleteVpnConnection ec2::vpn_connection::delete;
        Write CreateVpnConnectionRoute ec2::vpn_connection::create_route;
        Write DeleteVpnConnectionRoute ec2::vpn_connection::delete_route;
        Read DescribeVpnConnections ec2::vpn_connection::describe;

        Write CreateVpcPeeringConnection ec2::peering::create;
        Write AcceptVpcPeeringConnection ec2::peering::accept;
        Write RejectVpcPeeringConnection ec2::peering::reject;
        Write DeleteVpcPeeringConnection ec2::peering::delete;
        Write ModifyVpcPeeringConnectionOptions ec2::peering::modify_options;
        Read DescribeVpcPeeringConnections ec2::peering::describe;

        Write CreateDhcpOptions ec2::dhcp_options::create;
        Write AssociateDhcpOptions ec2::dhcp_options::associate;
        Write DeleteDhcpOptions ec2::dhcp_options::delete;
        Read DescribeDhcpOptions ec2::dhcp_options::describe;

        Read DescribePrefixLists ec2::prefix_list::describe;
        Read DescribeManagedPrefixLists ec2::prefix_list::describe_managed;
        Read GetManagedPrefixListEntries ec2::prefix_list::entries;
        Read GetManagedPrefixListAssociations ec2::prefix_list::associations;
        Write CreateManagedPrefixList ec2::prefix_list::create;
        Write ModifyManagedPrefixList ec2::prefix_list::modify;
        Write RestoreManagedPrefixListVersion ec2::prefix_list::restore;
        Write DeleteManagedPrefixList ec2::prefix_list::delete;

        Read DescribeNetworkInterfaces ec2::network_interface::describe;
        Read DescribeNetworkInterfaceAttribute ec2::network_interface::describe_attribute;
        Write CreateNetworkInterface ec2::network_interface::create;
        Write DeleteNetworkInterface ec2::network_interface::delete;
        Write ModifyNetworkInterfaceAttribute ec2::network_interface::modify;
        Write AssignPrivateIpAddresses ec2::network_interface::assign;
        Write UnassignPrivateIpAddresses ec2::network_interface::unassign;
        Write AssignIpv6Addresses ec2::network_interface::assign_ipv6;
        Write UnassignIpv6Addresses ec2::network_interface::unassign_ipv6;
        Write AttachNetworkInterface ec2::network_interface::attach;
        Write DetachNetworkInterface ec2::network_interface::detach;

        Write CreateVpcEndpoint ec2::endpoint::create::create;
        Write ModifyVpcEndpoint ec2::endpoint::modify::modify;
        Write DeleteVpcEndpoints ec2::endpoint::delete::delete;
        Read DescribeVpcEndpoints ec2::endpoint::describe;
        Read DescribeVpcEndpointServices ec2::endpoint_service::describe;
        Read DescribeVpcEndpointAssociations ec2::endpoint::describe_associations;

        Write CreateVpcEndpointServiceConfiguration ec2::endpoint_service::configuration::create;
        Write ModifyVpcEndpointServiceConfiguration ec2::endpoint_service::configuration::modify;
        Write DeleteVpcEndpointServiceConfigurations ec2::endpoint_service::configuration::delete;
        Read DescribeVpcEndpointServiceConfigurations
            ec2::endpoint_service::configuration::describe;
        Write ModifyVpcEndpointServicePermissions ec2::endpoint_service::permission::modify;
        Read DescribeVpcEndpointServicePermissions ec2::endpoint_service::permission::describe;
        Write ModifyVpcEndpointServicePayerResponsibility
            ec2::endpoint_service::private_name::modify_payer;
        Write StartVpcEndpointServicePrivateDnsVerification
            ec2::endpoint_service::private_name::start_verification;
        Write AcceptVpcEndpointConnections ec2::endpoint_service::connection::accept;
        Write RejectVpcEndpointConnections ec2::endpoint_service::connection::reject;
        Read DescribeVpcEndpointConnections ec2::endpoint_service::connection::describe;
        Write CreateVpcEndpointConnectionNotification ec2::endpoint_service::notification::create;
        Write ModifyVpcEndpointConnectionNotification ec2::endpoint_service::notification::modify;
        Write DeleteVpcEndpointConnectionNotifications ec2::endpoint_service::notification::delete;
        Read DescribeVpcEndpointConnectionNotifications
            ec2::endpoint_service::notification::describe;

        Write CreateTags ec2::tag::create;
        Write DeleteTags ec2::tag::delete;
        Read DescribeTags ec2::tag::describe;

        Read DescribeInstances ec2::absent::instances;
        Read DescribeInstanceStatus ec2::absent::instance_statuses;
        Read DescribeTransitGateways ec2::absent::transit_gateways;
        Read DescribeTransitGatewayVpcAttachments ec2::absent::transit_gateway_attachments;
        Read DescribeAvailabilityZones ec2::place::describe_zones;
        Read DescribeRegions ec2::place::describe_regions;
        Read DescribeAccountAttributes ec2::account::describe_attributes;
    }
    Elbv2 "elasticloadbalancing" {
        Write CreateLoadBalancer elbv2::load_balancer::create;
        Write DeleteLoadBalancer elbv2::load_balancer::delete;
        Read DescribeLoadBalancers elbv2::load_balancer::describe;
    }
    Sts none {
        Read GetCallerIdentity sts::caller_identity;
        Read GetSessionToken sts::token::session;
    }
    Sts "sts" {
        Read GetAccessKeyInfo sts::access_key_info => authorise::everything;
        Read AssumeRole sts::assume::assume => sts::assume::touches;
        Read GetFederationToken sts::token::federation => sts::token::touches;
        Read DecodeAuthorizationMessage sts::decode_message => authorise::everything;
    }
    Iam "iam" {
        Write CreateUser iam::user::create;
        Read GetUser iam::user::get;
        Read ListUsers iam::user::list;
        Write UpdateUser iam::user::update;
        Write DeleteUser iam::user::delete;
        Write TagUser iam::tagged::tag::<User>;
        Write UntagUser iam::tagged::untag::<User>;
        Read ListUserTags iam::tagged::list::<User>;
        Write CreateAccessKey iam::access_key::create;
        Read ListAccessKeys iam::access_key::list;
        Write UpdateAccessKey iam::access_key::update;
        Write DeleteAccessKey iam::access_key::delete;
        Read GetAccessKeyLastUsed iam::access_key::last_used => authorise::iam::key_owner;
        Write CreateGroup iam::group::create;
        Read GetGroup iam::group::get;
        Read ListGroups iam::group::list;
        Read ListGroupsForUser iam::group::list_for_user;
        Write UpdateGroup iam::group::update;
        Write DeleteGroup iam::group::delete;
        Write AddUserToGroup iam::group::add_user;
        Write RemoveUserFromGroup iam::group::remove_user;
        Write CreateRole iam::role::create;
        Read GetRole iam::role::get;
        Read ListRoles iam::role::list;
        Write UpdateRole iam::role::update;
        Write UpdateRoleDescription iam::role::update_description;
        Write UpdateAssumeRolePolicy iam::role::update_trust;
        Write DeleteRole iam::role::delete;
        Write TagRole iam::tagged::tag::<Role>;
        Write UntagRole iam::tagged::untag::<Role>;
        Read ListRoleTags iam::tagged::list::<Role>;
        Write CreatePolicy iam::managed_policy::create;
        Read GetPolicy iam::managed_policy::get;
        Read ListPolicies iam::managed_policy::list;
        Write DeletePolicy iam::managed_policy::delete;
        Write CreatePolicyVersion iam::managed_policy::create_version;
        Read GetPolicyVersion iam::managed_policy::get_version;
        Read ListPolicyVersions iam::managed_policy::list_versions;
        Write DeletePolicyVersion iam::managed_policy::delete_version;
        Write SetDefaultPolicyVersion iam::managed_policy::set_default;
        Read ListEntitiesForPolicy iam::managed_policy::list_entities;
        Write TagPolicy iam::tagged::tag::<ManagedPolicy>;
        Write UntagPolicy iam::tagged::untag::<ManagedPolicy>;
        Read ListPolicyTags iam::tagged::list::<ManagedPolicy>;
        Write PutUserPolicy iam::inline::put::<User>;
        Read GetUserPolicy iam::inline::get::<User>;
        Read ListUserPolicies iam::inline::list::<User>;
        Write DeleteUserPolicy iam::inline::delete::<User>;
        Write AttachUserPolicy iam::attached::attach::<User>;
        Write DetachUserPolicy iam::attached::detach::<User>;
        Read ListAttachedUserPolicies iam::attached::list::<User>;
        Write PutGroupPolicy iam::inline::put::<Group>;
        Read GetGroupPolicy iam::inline::get::<Group>;
        Read ListGroupPolicies iam::inline::list::<Group>;
        Write DeleteGroupPolicy iam::inline::delete::<Group>;
        Write AttachGroupPolicy iam::attached::attach::<Group>;
        Write DetachGroupPolicy iam::attached::detach::<Group>;
        Read ListAttachedGroupPolicies iam::attached::list::<Group>;
        Write PutRolePolicy iam::inline::put::<Role>;
        Read GetRolePolicy iam::inline::get::<Role>;
        Read ListRolePolicies iam::inline::list::<Role>;
        Write DeleteRolePolicy iam::inline::delete::<Role>;
        Write AttachRolePolicy iam::attached::attach::<Role>;
        Write DetachRolePolicy iam::attached::detach::<Role>;
        Read ListAttachedRolePolicies iam::attached::list::<Role>;
        Write PutUserPermissionsBoundary iam::attached::put_boundary::<User>;
        Write DeleteUserPermissionsBoundary iam::attached::delete_boundary::<User>;
        Write PutRolePermissionsBoundary iam::attached::put_boundary::<Role>;
        Write DeleteRolePermissionsBoundary iam::attached::delete_boundary::<Role>;
        Write CreateAccountAlias iam::account::create_alias;
        Write DeleteAccountAlias iam::account::delete_alias;
        Read ListAccountAliases iam::account::list_aliases;
        Read GetAccountSummary iam::account::summary;
        Read GetAccountAuthorizationDetails iam::account::authorization_details;
        Read ListInstanceProfiles iam::absent::instance_profiles;
        Read ListInstanceProfilesForRole iam::absent::instance_profiles_for_role;
        Read ListSSHPublicKeys iam::absent::ssh_keys;
        Read ListMFADevices iam::absent::mfa_devices;
        Read ListVirtualMFADevices iam::absent::virtual_mfa_devices;
        Read ListSigningCertificates iam::absent::signing_certificates;
        Read ListServiceSpecificCredentials iam::absent::service_credentials;
        Read GetLoginProfile iam::absent::get_login_profile;
        Write DeleteLoginProfile iam::absent::delete_login_profile;
        Read SimulatePrincipalPolicy iam::simulate::principal;
        Read SimulateCustomPolicy iam::simulate::custom;
        Read GetContextKeysForPrincipalPolicy iam::simulate::keys_of_principal;
        Read GetContextKeysForCustomPolicy iam::simulate::keys_of_custom;
    }
    S3 none {
        Write CreateBucket s3::bucket::create;
        Write DeleteBucket s3::bucket::delete;
        Read HeadBucket s3::bucket::head;
        Read GetBucketLocation s3::bucket::location;
        Read ListBuckets s3::bucket::list;
        Write PutBucketPolicy s3::policy::put;
        Read GetBucketPolicy s3::policy::get;
        Write DeleteBucketPolicy s3::policy::delete;
        Read GetBucketPolicyStatus s3::policy::status;
        Write PutBucketVersioning s3::settings::put_versioning;
        Read GetBucketVersioning s3::settings::get_versioning;
        Write PutBucketTagging s3::settings::put_tagging;
        Read GetBucketTagging s3::settings::get_tagging;
        Write DeleteBucketTagging s3::settings::delete_tagging;
        Write PutPublicAccessBlock s3::settings::put_public_access_block;
        Read GetPublicAccessBlock s3::settings::get_public_access_block;
        Write DeletePublicAccessBlock s3::settings::delete_public_access_block;
        Write PutBucketOwnershipControls s3::settings::put_ownership;
        Read GetBucketOwnershipControls s3::settings::get_ownership;
        Write DeleteBucketOwnershipControls s3::settings::delete_ownership;
        Write PutBucketAcl s3::acl::put;
        Read GetBucketAcl s3::acl::get;
        Write PutBucketCors s3::subresource::put_cors;
        Read GetBucketCors s3::subresource::get_cors;
        Write DeleteBucketCors s3::subresource::delete_cors;
        Write PutBucketLifecycleConfiguration s3::subresource::put_lifecycle;
        Read GetBucketLifecycleConfiguration s3::subresource::get_lifecycle;
        Write DeleteBucketLifecycle s3::subresource::delete_lifecycle;
        Write PutBucketEncryption s3::subresource::put_encryption;
        Read GetBucketEncryption s3::subresource::get_encryption;
        Write DeleteBucketEncryption s3::subresource::delete_encryption;
        Write PutBucketLogging s3::logging::put;
        Read GetBucketLogging s3::logging::get;
        Read GetBucketWebsite s3::defaults::website;
        Write DeleteBucketWebsite s3::defaults::remove;
        Read GetBucketReplication s3::defaults::replication;
        Write DeleteBucketReplication s3::defaults::remove;
        Write PutObjectLockConfiguration s3::lock::put;
        Read GetObjectLockConfiguration s3::lock::get;
        Read GetBucketAccelerateConfiguration s3::defaults::nothing;
        Read GetBucketNotificationConfiguration s3::defaults::nothing;
        Write PutBucketNotificationConfiguration s3::defaults::put_notification;
        Read GetBucketRequestPayment s3::defaults::payment;
        Write PutBucketRequestPayment s3::defaults::put_payment;
        Read ListBucketAnalyticsConfigurations s3::defaults::no_page;
        Read ListBucketInventoryConfigurations s3::defaults::no_page;
        Read ListBucketMetricsConfigurations s3::defaults::no_page;
        Read ListBucketIntelligentTieringConfigurations s3::defaults::no_page;
    }
    S3Control none {
        Write CreateAccessPoint s3control::access_point::create;
        Read GetAccessPoint s3control::access_point::get;
        Read ListAccessPoints s3control::access_point::list;
        Write DeleteAccessPoint s3control::access_point::delete;
        Write PutAccessPointPolicy s3control::point_policy::put;
        Read GetAccessPointPolicy s3control::point_policy::get;
        Write DeleteAccessPointPolicy s3control::point_policy::delete;
        Read GetAccessPointPolicyStatus s3control::point_policy::status;
        Write PutPublicAccessBlock s3control::account_block::put;
        Read GetPublicAccessBlock s3control::account_block::get;
        Write DeletePublicAccessBlock s3control::account_block::delete;
        Write CreateJob s3control::job::create;
        Read DescribeJob s3control::job::describe;
        Read ListJobs s3control::job::list;
        Write UpdateJobPriority s3control::job::update_priority;
        Write UpdateJobStatus s3control::job::update_status;
        Read GetJobTagging s3control::job::tagging::get;
        Write PutJobTagging s3control::job::tagging::put;
        Write DeleteJobTagging s3control::job::tagging::delete;
        Read ListTagsForResource s3control::tagging::list;
        Write TagResource s3control::tagging::tag;
        Write UntagResource s3control::tagging::untag;
    }
    Route53 "route53" {
        Write CreateHostedZone route53::hosted_zone::create;
        Read GetHostedZone route53::hosted_zone::get;
        Read ListHostedZones route53::hosted_zone::list;
        Read ListHostedZonesByName route53::hosted_zone::list_by_name;
        Read ListHostedZonesByVPC route53::hosted_zone::list_by_vpc;
        Read GetHostedZoneCount route53::hosted_zone::count;
        Write UpdateHostedZoneComment route53::hosted_zone::update_comment;
        Write DeleteHostedZone route53::hosted_zone::delete;
        Read GetHostedZoneLimit route53::limit::of_zone;
        Read GetAccountLimit route53::limit::of_account;
        Write AssociateVPCWithHostedZone route53::association::associate;
        Write DisassociateVPCFromHostedZone route53::association::disassociate;
        Write CreateVPCAssociationAuthorization route53::association::authorize;
        Write DeleteVPCAssociationAuthorization route53::association::deauthorize;
        Read ListVPCAssociationAuthorizations route53::association::authorizations;
        Write ChangeResourceRecordSets route53::change::change;
        Read ListResourceRecordSets route53::record_set::list;
        Read GetChange route53::get_change;
        Write ChangeTagsForResource route53::tag::change;
        Read ListTagsForResource route53::tag::list;
        Read ListTagsForResources route53::tag::list_of_several;
    }
    Route53Resolver "route53resolver" {
        Write CreateResolverEndpoint route53resolver::endpoint::create;
        Write UpdateResolverEndpoint route53resolver::endpoint::update;
        Write DeleteResolverEndpoint route53resolver::endpoint::delete;
        Read GetResolverEndpoint route53resolver::endpoint::get;
        Read ListResolverEndpoints route53resolver::endpoint::list;
        Write AssociateResolverEndpointIpAddress route53resolver::address::associate;
        Write DisassociateResolverEndpointIpAddress route53resolver::address::disassociate;
        Read ListResolverEndpointIpAddresses route53resolver::address::list;
        Write CreateResolverRule route53resolver::rule::create;
        Write UpdateResolverRule route53resolver::rule::update;
        Write DeleteResolverRule route53resolver::rule::delete;
        Read GetResolverRule route53resolver::rule::get;
        Read ListResolverRules route53resolver::rule::list;
        Write AssociateResolverRule route53resolver::rule_association::associate;
        Write DisassociateResolverRule route53resolver::rule_association::disassociate;
        Read GetResolverRuleAssociation route53resolver::rule_association::get;
        Read ListResolverRuleAssociations route53resolver::rule_association::list;
        Write CreateResolverQueryLogConfig route53resolver::query_log::create;
        Write DeleteResolverQueryLogConfig route53resolver::query_log::delete;
        Read GetResolverQueryLogConfig route53resolver::query_log::get;
        Read ListResolverQueryLogConfigs route53resolver::query_log::list;
        Write AssociateResolverQueryLogConfig route53resolver::query_log::associate;
        Write DisassociateResolverQueryLogConfig route53resolver::query_log::disassociate;
        Read GetResolverQueryLogConfigAssociation route53resolver::query_log::get_association;
        Read ListResolverQueryLogConfigAssociations route53resolver::query_log::list_associations;
        Read GetResolverConfig route53resolver::config::get;
        Write UpdateResolverConfig route53resolver::config::update;
        Read ListResolverConfigs route53resolver::config::list;
        Write TagResource route53resolver::tag::tag;
        Write UntagResource route53resolver::tag::untag;
        Read ListTagsForResource route53resolver::tag::list;
    }
    Adit "adit" {
        Write CreateAccount own::account::create;
        Read ListAccounts own::account::list;
        Write CreateRun own::run::create;
        Write DeleteRun own::run::delete;
        Read ListRuns own::run::list;
        Write CreateInterface own::attachment::create;
        Write AttachInterface own::attachment::attach;
        Write DetachInterface own::attachment::detach;
        Read ListAttachments own::attachment::list;
        Read GetNameExport own::name_export::get;
        Write FailZone own::failed_zone::fail;
        Write RecoverZone own::failed_zone::recover;
        Read ListFailedZones own::failed_zone::list;
        Write CreateSite own::site::create;
        Write DeleteSite own::site::delete;
        Write SetPrefixList own::prefix_list::set;
        Write SetQuota own::quota::set;
        Read ListQuotas own::quota::list;
        Read ListSites own::site::list;
        Write CreateSiteRun own::site::create_run;
        Write DeleteSiteRun own::site::delete_run;
    }
};

/// The row of an operation.
pub(crate) fn find(service: Service, name: &str) -> Option<&'static Row> {
    OPERATIONS
        .iter()
        .find(|row| row.service == service && row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_an_operation_of_its_service() {
        for row in OPERATIONS.iter().filter(|row| row.service != Service::Adit) {
            let table = row.service.table().unwrap();
            assert!(table.operation(row.name).is_some(), "{row:?}");
        }
    }

    #[test]
    fn no_row_stands_twice() {
        let mut names: Vec<String> = OPERATIONS.iter().map(|row| format!("{row:?}")).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
