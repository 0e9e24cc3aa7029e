//! Which VPCs' queries are logged, and where to [dns §9.2].

use serde::{Deserialize, Serialize};

use crate::id::*;
use crate::intent::Generation;
use crate::resources::{Millis, Tags};

/// A query logging configuration of the resolver.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryLogConfig {
    /// Its id.
    pub id: QueryLogConfigId,
    /// The owner.
    pub owner: AccountId,
    /// Where it is.
    pub region: Region,
    /// A name for people.
    pub name: String,
    /// Where the lines go. It was once a log group always.
    #[serde(alias = "log_group")]
    pub target: QueryLogTarget,
    /// The destination as its caller named it.
    pub destination: String,
    /// What the caller named the request that made it.
    pub creator_request_id: String,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
}

/// Where query logs go.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum QueryLogTarget {
    /// A log group, by name: a file of this installation, since there is no CloudWatch.
    LogGroup(LogGroupName),
    /// Objects of a bucket.
    Bucket {
        /// The bucket, of the same account, kept by the embedded store.
        bucket: BucketName,
        /// The folder in front of `AWSLogs`, without slashes around it; empty for none.
        prefix: String,
    },
}

/// That the queries of a VPC are logged by a configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct QueryLogAssociation {
    /// Its id.
    pub id: QueryLogAssociationId,
    /// The configuration.
    pub config: QueryLogConfigId,
    /// The VPC.
    pub vpc: VpcId,
    /// The owner.
    pub owner: AccountId,
    /// When it was made.
    pub created: Millis,
    /// The generation that made it: it is active when every plane has reached it.
    pub changed: Generation,
}

/// The name of a log group: 1 to 512 letters, digits, and `. - _ / #`. Each part between slashes
/// becomes a directory, so it has at most 200 and is neither `.` nor `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogGroupName(String);

impl LogGroupName {
    /// The name as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not the name of a log group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of a log group")]
pub struct LogGroupError(pub String);

impl std::str::FromStr for LogGroupName {
    type Err = LogGroupError;
    fn from_str(text: &str) -> Result<LogGroupName, LogGroupError> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b".-_/#".contains(&b);
        let part = |part: &str| part.len() <= 200 && !matches!(part, "." | "..");
        let good = (1..=512).contains(&text.len())
            && text.bytes().all(fits)
            && text.bytes().any(|b| b != b'/')
            && text.split('/').all(part);
        match good {
            true => Ok(LogGroupName(text.to_string())),
            false => Err(LogGroupError(text.chars().take(128).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_they_were_written() {
        let group = QueryLogTarget::LogGroup("/a/b".parse().unwrap());
        let bucket = QueryLogTarget::Bucket {
            bucket: "logs".parse().unwrap(),
            prefix: "dns".to_owned(),
        };
        assert_eq!(serde_json::to_string(&group).unwrap(), r#""/a/b""#);
        for target in [group, bucket] {
            let text = serde_json::to_string(&target).unwrap();
            let read: QueryLogTarget = serde_json::from_str(&text).unwrap();
            assert_eq!(read, target, "{text}");
        }
    }

    #[test]
    fn names_of_log_groups() {
        for good in ["a", "/aws/route53/x", "a.b", "a//b", "_#-."] {
            assert!(good.parse::<LogGroupName>().is_ok(), "{good}");
        }
        let long = "x".repeat(201);
        for bad in ["", "/", ".", "a/../b", "a b", "a\0", "ä", &long] {
            assert!(bad.parse::<LogGroupName>().is_err(), "{bad}");
        }
    }
}
