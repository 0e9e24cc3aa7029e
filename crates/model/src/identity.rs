//! Who may act: users, groups, roles and the policies they share.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::AccountId;
use crate::resources::{Millis, Tags};
use crate::secret::Secret;

/// The key under which an intent keeps a user, group, role or policy: names differ within an account
/// and without regard to case.
pub fn identity_key(account: &AccountId, name: &str) -> String {
    format!("{account}/{}", name.to_lowercase())
}

/// An IAM user.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct User {
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name, unique in the account without regard to case.
    pub name: String,
    /// Its path, `/` by default.
    pub path: String,
    /// `AIDA…`.
    pub unique_id: String,
    /// Inline policies by name.
    pub inline_policies: BTreeMap<String, String>,
    /// ARNs of the managed policies attached to it.
    #[serde(default)]
    pub attached: BTreeSet<String>,
    /// ARN of the managed policy that is its permissions boundary.
    #[serde(default)]
    pub boundary: Option<String>,
    /// Names of its groups.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// Tags.
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
}

impl User {
    /// `arn:aws:iam::ACCOUNT:user/PATH/NAME`.
    pub fn arn(&self) -> String {
        arn(&self.account, "user", &self.path, &self.name)
    }
}

/// A group of users.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Group {
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name, unique in the account without regard to case.
    pub name: String,
    /// Its path, `/` by default.
    pub path: String,
    /// `AGPA…`.
    pub unique_id: String,
    /// Inline policies by name.
    pub inline_policies: BTreeMap<String, String>,
    /// ARNs of the managed policies attached to it.
    pub attached: BTreeSet<String>,
    /// When it was made.
    pub created: Millis,
}

impl Group {
    /// `arn:aws:iam::ACCOUNT:group/PATH/NAME`.
    pub fn arn(&self) -> String {
        arn(&self.account, "group", &self.path, &self.name)
    }
}

/// A role: what whoever its trust policy admits may become for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Role {
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name, unique in the account without regard to case.
    pub name: String,
    /// Its path, `/` by default.
    pub path: String,
    /// `AROA…`: sessions of an earlier role of the same name are not this one's.
    pub unique_id: String,
    /// What it is for.
    pub description: Option<String>,
    /// The trust policy, as given.
    pub trust: String,
    /// The longest session, in seconds: 3,600 to 43,200.
    pub max_session: u32,
    /// Inline policies by name.
    pub inline_policies: BTreeMap<String, String>,
    /// ARNs of the managed policies attached to it.
    pub attached: BTreeSet<String>,
    /// ARN of the managed policy that is its permissions boundary.
    pub boundary: Option<String>,
    /// Tags.
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
}

impl Role {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    pub fn arn(&self) -> String {
        arn(&self.account, "role", &self.path, &self.name)
    }
}

/// A managed policy of an account, with its versions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ManagedPolicy {
    /// The account it belongs to.
    pub account: AccountId,
    /// Its name, unique in the account without regard to case.
    pub name: String,
    /// Its path, `/` by default.
    pub path: String,
    /// `ANPA…`.
    pub unique_id: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its versions, by number; at most five.
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the version in force.
    pub default: u32,
    /// The number that the next version gets: numbers are not used again.
    pub next: u32,
    /// Tags.
    pub tags: Tags,
    /// When it was made.
    pub created: Millis,
    /// When a version was last made or chosen.
    pub updated: Millis,
}

/// One version of a managed policy.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The document, as given.
    pub document: String,
    /// When it was made.
    pub created: Millis,
}

impl ManagedPolicy {
    /// `arn:aws:iam::ACCOUNT:policy/PATH/NAME`.
    pub fn arn(&self) -> String {
        arn(&self.account, "policy", &self.path, &self.name)
    }

    /// The document in force.
    pub fn document(&self) -> &str {
        self.versions
            .get(&self.default)
            .map_or("", |version| &version.document)
    }
}

/// When an access key last signed a request, to within a quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The key's id.
    pub key: String,
    /// When.
    pub at: Millis,
    /// For which service: `s3`.
    pub service: String,
    /// In which Region.
    pub region: String,
}

/// The name by which people know an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountAlias {
    /// The account.
    pub account: AccountId,
    /// Its alias, unique in the installation.
    pub alias: String,
}

/// What an installation seals with: tokens of sessions and encoded messages are its own, and nobody
/// else's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SealingKey {
    /// There is one.
    pub id: String,
    /// From randomness, never shown.
    pub secret: Secret,
}

impl SealingKey {
    /// The id of the one key.
    pub const ID: &'static str = "sealing-key";
}

fn arn(account: &AccountId, kind: &str, path: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:{kind}{path}{name}")
}
