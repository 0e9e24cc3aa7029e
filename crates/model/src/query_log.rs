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
    /// The log group, by name: a file of this installation, since there is no CloudWatch.
    pub log_group: LogGroupName,
    /// The destination as its caller named it.
    pub destination: String,
    /// What the caller named the request that made it.
    pub creator_request_id: String,
    /// When it was made.
    pub created: Millis,
    /// Tags.
    pub tags: Tags,
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

/// The name of a log group: 1 to 512 letters, digits, and `. - _ / #`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogGroupName(String);

impl LogGroupName {
    /// The name as AWS writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a file for it: every name has one of its own, and none leads elsewhere. Names
    /// too long for a file end in a number that follows from the whole of them.
    pub fn file_name(&self) -> String {
        const LONGEST: usize = 180;
        let mut name = String::with_capacity(self.0.len());
        for c in self.0.chars() {
            match c {
                '/' => name.push_str("%2F"),
                // Not hidden, and not a folder's name for itself.
                '.' if name.is_empty() => name.push_str("%2E"),
                c => name.push(c),
            }
        }
        if name.len() > LONGEST {
            // FNV-1a: plain, and the same on every machine.
            let hash = self.0.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            name.truncate(LONGEST);
            name.push_str(&format!("%{hash:016x}"));
        }
        name
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
        match (1..=512).contains(&text.len()) && text.bytes().all(fits) {
            true => Ok(LogGroupName(text.to_string())),
            false => Err(LogGroupError(text.chars().take(128).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_group_has_a_file_of_its_own() {
        let long = "a/".repeat(250);
        let other = format!("{long}b");
        let names = ["a", "a/b", "/a/b", ".", "..", "../x", "a.b", &long, &other];
        let files: std::collections::BTreeSet<String> = names
            .iter()
            .map(|name| name.parse::<LogGroupName>().unwrap().file_name())
            .collect();
        assert_eq!(files.len(), names.len(), "{files:?}");
        for file in &files {
            assert!(
                !file.contains('/') && !file.starts_with('.') && file.len() < 250,
                "{file}"
            );
        }
        for bad in ["", "a b", "a\0", "ä", &"x".repeat(513)] {
            assert!(bad.parse::<LogGroupName>().is_err(), "{bad}");
        }
    }
}
