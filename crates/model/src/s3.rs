//! What S3 Control states: access points, and the settings of an account.

use serde::{Deserialize, Serialize};

use crate::id::*;
use crate::resources::{Millis, PublicAccessBlock, Tags};

/// A named way into a bucket, with a policy of its own.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccessPoint {
    /// Its name, unique in its account and Region.
    pub name: String,
    /// The owner.
    pub owner: AccountId,
    /// Where it is; always the bucket's Region.
    pub region: Region,
    /// The bucket it leads to.
    pub bucket: BucketName,
    /// The account that owns the bucket.
    pub bucket_owner: AccountId,
    /// The only VPC it may be used from; none: network origin Internet.
    pub vpc: Option<VpcId>,
    /// The bucket-like name under which it can be addressed too; unique in the installation.
    pub alias: String,
    /// Its policy as given.
    pub policy: Option<String>,
    /// Block Public Access; chosen when it is made, never changed.
    pub public_access_block: PublicAccessBlock,
    /// Tags.
    #[serde(default)]
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
}

impl AccessPoint {
    /// The key under which an intent keeps an access point.
    pub fn key_of(owner: &str, region: &str, name: &str) -> String {
        format!("{owner}/{region}/{name}")
    }

    /// The ARN of an access point.
    pub fn arn_of(owner: &str, region: &str, name: &str) -> String {
        format!("arn:aws:s3:{region}:{owner}:accesspoint/{name}")
    }

    /// `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME`.
    pub fn arn(&self) -> String {
        AccessPoint::arn_of(self.owner.as_str(), self.region.as_str(), &self.name)
    }

    /// `VPC` or `Internet`.
    pub fn network_origin(&self) -> &'static str {
        match self.vpc {
            Some(_) => "VPC",
            None => "Internet",
        }
    }
}

/// Block Public Access of a whole account; there is none where it was never set.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountPublicAccessBlock {
    /// The account.
    pub account: AccountId,
    /// Its settings.
    pub block: PublicAccessBlock,
}
