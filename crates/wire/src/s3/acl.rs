//! Access control lists between the codec's values and plain texts.

use crate::value::{Map, Value};

/// A grant as a document gives it, unchecked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GivenGrant<'v> {
    /// The grantee's canonical id.
    pub id: Option<&'v str>,
    /// The grantee's group.
    pub uri: Option<&'v str>,
    /// What is granted.
    pub permission: Option<&'v str>,
}

/// The owner and the grants of an `AccessControlPolicy`.
pub fn given(policy: &Value) -> (Option<&str>, Vec<GivenGrant<'_>>) {
    let grants = policy.get("Grants").list().iter().map(one).collect();
    (policy.get("Owner").get("ID").str(), grants)
}

fn one(grant: &Value) -> GivenGrant<'_> {
    let grantee = grant.get("Grantee");
    GivenGrant {
        id: grantee.get("ID").str(),
        uri: grantee.get("URI").str(),
        permission: grant.get("Permission").str(),
    }
}

/// A grant as answers show it: to an account by its canonical id, or to a group by its URI.
pub fn shown(id: Option<&str>, uri: Option<&str>, permission: &str) -> Value {
    let mut grantee = Map::new();
    match id {
        Some(id) => {
            grantee.push("Type", "CanonicalUser");
            grantee.push("ID", id);
        }
        None => {
            grantee.push("Type", "Group");
            grantee.push("URI", uri);
        }
    }
    let mut shown = Map::new();
    shown.push("Grantee", grantee);
    shown.push("Permission", permission);
    shown.into()
}
