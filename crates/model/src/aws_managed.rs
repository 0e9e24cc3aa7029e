//! Managed policies that every account has without making them: those of AWS's that say something
//! about what Adit serves. The documents are ours, with the meaning that AWS's have here.

/// A policy `arn:aws:iam::aws:policy/…`.
#[derive(Debug, Clone, Copy)]
pub struct AwsManagedPolicy {
    /// Its name; its path is `/`.
    pub name: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The document.
    pub document: &'static str,
}

/// The account part of their ARNs.
const PREFIX: &str = "arn:aws:iam::aws:policy/";

macro_rules! allow {
    ($actions:literal) => {
        concat!(
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"#,
            $actions,
            r#","Resource":"*"}]}"#
        )
    };
}

/// All of them, by name.
pub static AWS_MANAGED: &[AwsManagedPolicy] = &[
    AwsManagedPolicy {
        name: "AdministratorAccess",
        description: "Everything, everywhere in the account.",
        document: allow!(r#""*""#),
    },
    AwsManagedPolicy {
        name: "AmazonEC2FullAccess",
        description: "Everything of EC2.",
        document: allow!(r#""ec2:*""#),
    },
    AwsManagedPolicy {
        name: "AmazonEC2ReadOnlyAccess",
        description: "Looking at everything of EC2.",
        document: allow!(r#"["ec2:Describe*","ec2:GetSecurityGroupsForVpc"]"#),
    },
    AwsManagedPolicy {
        name: "AmazonRoute53FullAccess",
        description: "Everything of Route 53, and looking at what its zones are for.",
        document: allow!(
            r#"["route53:*","route53domains:*","ec2:DescribeVpcs","ec2:DescribeVpcEndpoints","ec2:DescribeRegions","elasticloadbalancing:DescribeLoadBalancers","s3:ListAllMyBuckets","s3:GetBucketLocation"]"#
        ),
    },
    AwsManagedPolicy {
        name: "AmazonRoute53ReadOnlyAccess",
        description: "Looking at everything of Route 53.",
        document: allow!(r#"["route53:Get*","route53:List*","route53:TestDNSAnswer"]"#),
    },
    AwsManagedPolicy {
        name: "AmazonS3FullAccess",
        description: "Everything of S3.",
        document: allow!(r#"["s3:*","s3-object-lambda:*"]"#),
    },
    AwsManagedPolicy {
        name: "AmazonS3ReadOnlyAccess",
        description: "Looking at everything of S3, and reading it.",
        document: allow!(
            r#"["s3:Get*","s3:List*","s3:Describe*","s3-object-lambda:Get*","s3-object-lambda:List*"]"#
        ),
    },
    AwsManagedPolicy {
        name: "AmazonVPCFullAccess",
        description: "Everything that is part of a VPC.",
        document: allow!(
            r#"["ec2:AcceptVpcPeeringConnection","ec2:AcceptVpcEndpointConnections","ec2:AllocateAddress","ec2:AssignIpv6Addresses","ec2:AssignPrivateIpAddresses","ec2:Associate*","ec2:Attach*","ec2:AuthorizeSecurityGroup*","ec2:CreateCarrierGateway","ec2:CreateCustomerGateway","ec2:CreateDefault*","ec2:CreateDhcpOptions","ec2:CreateEgressOnlyInternetGateway","ec2:CreateFlowLogs","ec2:CreateInternetGateway","ec2:CreateManagedPrefixList","ec2:CreateNatGateway","ec2:CreateNetworkAcl*","ec2:CreateNetworkInterface*","ec2:CreateRoute*","ec2:CreateSecurityGroup","ec2:CreateSubnet*","ec2:CreateTags","ec2:CreateVp*","ec2:DeleteCarrierGateway","ec2:DeleteCustomerGateway","ec2:DeleteDhcpOptions","ec2:DeleteEgressOnlyInternetGateway","ec2:DeleteFlowLogs","ec2:DeleteInternetGateway","ec2:DeleteManagedPrefixList","ec2:DeleteNatGateway","ec2:DeleteNetworkAcl*","ec2:DeleteNetworkInterface*","ec2:DeleteRoute*","ec2:DeleteSecurityGroup","ec2:DeleteSubnet*","ec2:DeleteTags","ec2:DeleteVp*","ec2:Describe*","ec2:Detach*","ec2:Disable*Vgw*","ec2:Disassociate*","ec2:Enable*Vgw*","ec2:GetManagedPrefixList*","ec2:GetSecurityGroupsForVpc","ec2:ModifyManagedPrefixList","ec2:ModifyNetworkInterfaceAttribute","ec2:ModifySecurityGroupRules","ec2:ModifySubnetAttribute","ec2:ModifyVp*","ec2:MoveAddressToVpc","ec2:RejectVp*","ec2:ReleaseAddress","ec2:Replace*","ec2:ResetNetworkInterfaceAttribute","ec2:RestoreManagedPrefixListVersion","ec2:RevokeSecurityGroup*","ec2:StartVpcEndpointServicePrivateDnsVerification","ec2:Unassign*","ec2:UpdateSecurityGroupRuleDescriptions*"]"#
        ),
    },
    AwsManagedPolicy {
        name: "AmazonVPCReadOnlyAccess",
        description: "Looking at everything that is part of a VPC.",
        document: allow!(
            r#"["ec2:Describe*","ec2:GetManagedPrefixListAssociations","ec2:GetManagedPrefixListEntries","ec2:GetSecurityGroupsForVpc"]"#
        ),
    },
    AwsManagedPolicy {
        name: "IAMFullAccess",
        description: "Everything of IAM.",
        document: allow!(r#""iam:*""#),
    },
    AwsManagedPolicy {
        name: "IAMReadOnlyAccess",
        description: "Looking at everything of IAM, and asking what would be decided.",
        document: allow!(
            r#"["iam:GenerateCredentialReport","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy"]"#
        ),
    },
    AwsManagedPolicy {
        name: "PowerUserAccess",
        description: "Everything but users, groups, roles and their policies.",
        document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},{"Effect":"Allow","Action":["iam:ListRoles","account:GetAccountInformation"],"Resource":"*"}]}"#,
    },
    AwsManagedPolicy {
        name: "ReadOnlyAccess",
        description: "Looking at everything that Adit serves.",
        document: allow!(
            r#"["dynamodb:BatchGetItem","dynamodb:Describe*","dynamodb:Get*","dynamodb:List*","dynamodb:Query","dynamodb:Scan","ec2:Describe*","ec2:Get*","ec2:List*","ec2:Search*","elasticloadbalancing:Describe*","iam:Get*","iam:List*","route53:Get*","route53:List*","route53resolver:Get*","route53resolver:List*","s3:Describe*","s3:Get*","s3:List*","sns:Get*","sns:List*","sts:GetAccessKeyInfo","sts:GetCallerIdentity","adit:Get*","adit:List*"]"#
        ),
    },
    AwsManagedPolicy {
        name: "SecurityAudit",
        description: "Looking at how everything is set up, without reading data.",
        document: allow!(
            r#"["ec2:Describe*","ec2:GetManagedPrefixList*","elasticloadbalancing:Describe*","iam:Get*","iam:List*","iam:SimulateCustomPolicy","iam:SimulatePrincipalPolicy","route53:Get*","route53:List*","route53resolver:Get*","route53resolver:List*","s3:DescribeJob","s3:GetAccessPoint*","s3:GetBucket*","s3:GetEncryptionConfiguration","s3:GetJobTagging","s3:GetLifecycleConfiguration","s3:ListAccessPoints","s3:ListAllMyBuckets","s3:ListJobs"]"#
        ),
    },
];

impl AwsManagedPolicy {
    /// `arn:aws:iam::aws:policy/NAME`.
    pub fn arn(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The policy with this ARN.
    pub fn find(arn: &str) -> Option<&'static AwsManagedPolicy> {
        let name = arn.strip_prefix(PREFIX)?;
        AWS_MANAGED.iter().find(|policy| policy.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_lead_back() {
        assert!(AWS_MANAGED.is_sorted_by_key(|policy| policy.name));
        for policy in AWS_MANAGED {
            let found = AwsManagedPolicy::find(&policy.arn()).map(|found| found.name);
            assert_eq!(found, Some(policy.name));
        }
        assert!(AwsManagedPolicy::find("arn:aws:iam::aws:policy/None").is_none());
    }
}
