//! Access control lists between the codec's values and plain texts.

use crate::value::{Map, Value};

/// The owner's canonical id and the grants of an `AccessControlPolicy`. Nothing is checked: `grant` makes one
/// of what stands for its grantee's canonical id, URI and e-mail address, and for its permission.
pub fn given<'v, G>(
    policy: &'v Value,
    grant: impl Fn([Option<&'v str>; 3], Option<&'v str>) -> G,
) -> (Option<&'v str>, Vec<G>) {
    let grants = policy.get("Grants").list().iter().map(|given| {
        let grantee = given.get("Grantee");
        let names = ["ID", "URI", "EmailAddress"];
        grant(
            names.map(|name| grantee.get(name).str()),
            given.get("Permission").str(),
        )
    });
    (policy.get("Owner").get("ID").str(), grants.collect())
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
