//! Access control lists of S3: the ways to ask for one, the form it is kept in, and what it grants
//! [s3-policy §B.4].
//!
//! A list is kept as JSON with the names of the API, for buckets and objects alike. Whether a bucket has
//! lists at all is its ownership setting's to say: [`crate::BucketView::has_acls`].

use adit_policy::AclGrant;
use adit_policy::acl::Permission;
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// The ownership setting that switches lists off, which is how a bucket starts.
pub const OWNER_ENFORCED: &str = "BucketOwnerEnforced";

/// The ownership setting under which an object is the bucket owner's if its writer says
/// `bucket-owner-full-control`.
pub const OWNER_PREFERRED: &str = "BucketOwnerPreferred";

/// Most grants of a list.
pub const MOST_GRANTS: usize = 100;

/// The canonical id of those who do not sign; they own what they write.
pub const ANONYMOUS: &str = "65a011a29cdf8ec533ec3d1ccaae921c";

/// The headers that grant, and the permission that each stands for.
pub const HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-full-control", Permission::FullControl),
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
];

/// One grant of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub grantee: Grantee,
    /// What.
    pub permission: Permission,
}

/// To whom a list grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grantee {
    /// An account, by canonical id.
    Account(String),
    /// Everybody.
    AllUsers,
    /// Everybody who signs.
    AuthenticatedUsers,
    /// The service that writes access logs.
    LogDelivery,
}

/// The groups, by their URIs.
const GROUPS: [(&str, Grantee); 3] = [
    (
        "http://acs.amazonaws.com/groups/global/AllUsers",
        Grantee::AllUsers,
    ),
    (
        "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
        Grantee::AuthenticatedUsers,
    ),
    (
        "http://acs.amazonaws.com/groups/s3/LogDelivery",
        Grantee::LogDelivery,
    ),
];

impl Grantee {
    /// The group with this URI.
    pub fn group(uri: &str) -> Option<Grantee> {
        let found = GROUPS.into_iter().find(|(known, _)| *known == uri);
        found.map(|(_, group)| group)
    }

    /// The canonical id of an account; none for a group.
    pub fn account(&self) -> Option<&str> {
        match self {
            Grantee::Account(id) => Some(id),
            Grantee::AllUsers | Grantee::AuthenticatedUsers | Grantee::LogDelivery => None,
        }
    }

    /// The URI of a group; none for an account.
    pub fn uri(&self) -> Option<&'static str> {
        let found = GROUPS.into_iter().find(|(_, group)| group == self);
        found.map(|(uri, _)| uri)
    }
}

/// A list that a request asks for, in the one way that it uses.
#[derive(Debug, Clone, Default)]
pub struct Asked<'a> {
    /// The name of a canned list.
    pub canned: Option<&'a str>,
    /// Headers of [`HEADERS`] with their values.
    pub headers: Vec<(&'static str, Permission, &'a str)>,
    /// A document.
    pub document: Option<Document<'a>>,
}

/// The document `AccessControlPolicy`.
#[derive(Debug, Clone, Default)]
pub struct Document<'a> {
    /// Whom it calls the owner.
    pub owner: Option<&'a str>,
    /// Its grants.
    pub grants: Vec<Given<'a>>,
}

/// A grant of a document, before it is known to be one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    id: Option<&'a str>,
    uri: Option<&'a str>,
    email: Option<&'a str>,
    permission: Option<&'a str>,
}

impl<'a> Given<'a> {
    /// What stands in the elements `ID`, `URI` and `EmailAddress` of its grantee, and in its `Permission`.
    pub fn new([id, uri, email]: [Option<&'a str>; 3], permission: Option<&'a str>) -> Self {
        Given {
            id,
            uri,
            email,
            permission,
        }
    }
}

/// What a list is of.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The canonical id of its owner.
    pub owner: &'a str,
    /// For an object, the canonical id of its bucket's owner.
    pub bucket_owner: Option<&'a str>,
}

/// Why a list is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AclError {
    /// More than one way of saying it.
    #[error("Specifying both Canned ACLs and Header Grants is not allowed")]
    TwoWays,
    /// A document beside headers that say it already.
    #[error("This request does not support content")]
    UnexpectedContent,
    /// A canned list that there is not.
    #[error("")]
    UnknownCanned(String),
    /// A canned list for a service of AWS that is not here.
    #[error("The canned ACL aws-exec-read is not supported. See docs/compatibility.md.")]
    ExecRead,
    /// A header of another form than `id="…", uri="…"`.
    #[error("Argument format not recognized")]
    Header {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// A group that does not exist.
    #[error("Invalid group uri")]
    UnknownGroup(String),
    /// An account that does not exist.
    #[error("Invalid id")]
    UnknownId(String),
    /// Grantees by e-mail address, which AWS has given up.
    #[error("The specified method is not allowed against this resource.")]
    Email,
    /// A document with something missing, unknown or too much.
    #[error(
        "The XML you provided was not well-formed or did not validate against our published schema"
    )]
    Malformed,
    /// A document that would give the resource to somebody else.
    #[error("Access Denied")]
    OtherOwner,
}

impl AclError {
    /// S3's code.
    pub fn code(&self) -> &'static str {
        match self {
            AclError::TwoWays => "InvalidRequest",
            AclError::UnexpectedContent => "UnexpectedContent",
            AclError::ExecRead => "NotImplemented",
            AclError::Email => "MethodNotAllowed",
            AclError::Malformed => "MalformedACLError",
            AclError::OtherOwner => "AccessDenied",
            _ => "InvalidArgument",
        }
    }

    /// The HTTP status that goes with it.
    pub fn status(&self) -> u16 {
        match self {
            AclError::ExecRead => 501,
            AclError::Email => 405,
            AclError::OtherOwner => 403,
            _ => 400,
        }
    }

    /// The argument at fault, and its value.
    pub fn argument(&self) -> Option<(&'static str, &str)> {
        match self {
            AclError::UnknownCanned(value) => Some(("x-amz-acl", value)),
            AclError::Header { name, value } => Some((name, value)),
            AclError::UnknownGroup(value) => Some(("Group/URI", value)),
            AclError::UnknownId(value) => Some(("CanonicalUser/ID", value)),
            _ => None,
        }
    }
}

/// What an owner has of its own.
pub fn own(owner: &str) -> Grant {
    Grant {
        grantee: Grantee::Account(owner.to_owned()),
        permission: Permission::FullControl,
    }
}

/// A value that is shown in an error: no longer than one needs.
fn short(text: &str) -> String {
    text.chars().take(256).collect()
}

/// The grants that a request asks for; none when it asks for none. `known` says whether a canonical id
/// is an account's.
///
/// # Errors
/// [`AclError`]
pub fn grants(
    asked: &Asked<'_>,
    subject: Subject<'_>,
    known: impl Fn(&str) -> bool,
) -> Result<Option<Vec<Grant>>, AclError> {
    match (asked.canned, asked.headers.is_empty(), &asked.document) {
        (Some(_), false, _) => return Err(AclError::TwoWays),
        (Some(_), _, Some(_)) | (_, false, Some(_)) => return Err(AclError::UnexpectedContent),
        _ => {}
    }
    if let Some(name) = asked.canned {
        return canned(name, subject).map(Some);
    }
    let mut found = Vec::new();
    for &(name, permission, text) in &asked.headers {
        for grantee in grantees(name, text)? {
            found.push(Grant {
                grantee,
                permission,
            });
        }
    }
    if let Some(document) = &asked.document {
        let owner = document.owner.ok_or(AclError::Malformed)?;
        if !known(owner) && owner != ANONYMOUS {
            return Err(AclError::UnknownId(short(owner)));
        }
        if owner != subject.owner {
            return Err(AclError::OtherOwner);
        }
        for given in &document.grants {
            found.push(read(given)?);
        }
    } else if asked.headers.is_empty() {
        return Ok(None);
    }
    if found.len() > MOST_GRANTS {
        return Err(AclError::Malformed);
    }
    for grant in &found {
        if let Grantee::Account(id) = &grant.grantee
            && !known(id)
            && id != ANONYMOUS
        {
            return Err(AclError::UnknownId(short(id)));
        }
    }
    Ok(Some(found))
}

/// The grants of a canned list.
fn canned(name: &str, subject: Subject<'_>) -> Result<Vec<Grant>, AclError> {
    let mut grants = vec![own(subject.owner)];
    let mut add = |grantee: Grantee, permission| {
        let grant = Grant {
            grantee,
            permission,
        };
        if !grants.contains(&grant) {
            grants.push(grant);
        }
    };
    let of_bucket = |id: &str| Grantee::Account(id.to_owned());
    match (name, subject.bucket_owner) {
        ("private", _) => {}
        ("public-read", _) => add(Grantee::AllUsers, Permission::Read),
        ("public-read-write", _) => {
            add(Grantee::AllUsers, Permission::Read);
            add(Grantee::AllUsers, Permission::Write);
        }
        ("authenticated-read", _) => add(Grantee::AuthenticatedUsers, Permission::Read),
        ("log-delivery-write", None) => {
            add(Grantee::LogDelivery, Permission::Write);
            add(Grantee::LogDelivery, Permission::ReadAcp);
        }
        ("bucket-owner-read", Some(owner)) if owner != subject.owner => {
            add(of_bucket(owner), Permission::Read);
        }
        ("bucket-owner-full-control", Some(owner)) => {
            add(of_bucket(owner), Permission::FullControl);
        }
        // S3 ignores these on buckets.
        ("bucket-owner-read" | "bucket-owner-full-control", _) => {}
        ("aws-exec-read", _) => return Err(AclError::ExecRead),
        _ => return Err(AclError::UnknownCanned(short(name))),
    }
    Ok(grants)
}

/// Reads the value of a header that grants: `id="…", uri="…"`.
fn grantees(name: &'static str, text: &str) -> Result<Vec<Grantee>, AclError> {
    let malformed = || AclError::Header {
        name,
        value: short(text),
    };
    let piece = |piece: &str| {
        let (kind, value) = piece.trim().split_once('=').ok_or_else(malformed)?;
        let value = value.trim().trim_matches('"');
        match kind.trim().to_ascii_lowercase().as_str() {
            "id" if !value.is_empty() => Ok(Grantee::Account(value.to_owned())),
            "uri" => Grantee::group(value).ok_or_else(|| AclError::UnknownGroup(short(value))),
            "emailaddress" => Err(AclError::Email),
            _ => Err(malformed()),
        }
    };
    // A list that is too long needs not be read to its end.
    text.split(',').take(MOST_GRANTS + 1).map(piece).collect()
}

/// One grant of a document.
fn read(given: &Given<'_>) -> Result<Grant, AclError> {
    let permission = given.permission.and_then(Permission::parse);
    if given.email.is_some() {
        return Err(AclError::Email);
    }
    let grantee = match (given.id, given.uri) {
        (Some(id), None) => Grantee::Account(id.to_owned()),
        (None, Some(uri)) => {
            Grantee::group(uri).ok_or_else(|| AclError::UnknownGroup(short(uri)))?
        }
        _ => return Err(AclError::Malformed),
    };
    Ok(Grant {
        grantee,
        permission: permission.ok_or(AclError::Malformed)?,
    })
}

/// A list in the form it is kept in; [`read_kept`] reads it.
pub fn write(grants: &[Grant]) -> String {
    let shown = grants.iter().map(|grant| {
        let grantee = match (&grant.grantee, grant.grantee.uri()) {
            (Grantee::Account(id), _) => json!({ "Type": "CanonicalUser", "ID": id }),
            (_, uri) => json!({ "Type": "Group", "URI": uri }),
        };
        json!({ "Grantee": grantee, "Permission": grant.permission.name() })
    });
    json!({ "Grants": shown.collect::<Vec<Json>>() }).to_string()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeptList {
    grants: Vec<KeptGrant>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeptGrant {
    grantee: KeptGrantee,
    permission: String,
}

#[derive(Deserialize)]
struct KeptGrantee {
    #[serde(rename = "ID")]
    id: Option<String>,
    #[serde(rename = "URI")]
    uri: Option<String>,
}

/// The grants of a list as it is kept; none when it cannot be read.
pub fn read_kept(list: &[u8]) -> Option<Vec<Grant>> {
    let list: KeptList = serde_json::from_slice(list).ok()?;
    let grants = list.grants.iter().map(|grant| {
        read(&Given {
            id: grant.grantee.id.as_deref(),
            uri: grant.grantee.uri.as_deref(),
            email: None,
            permission: Some(&grant.permission),
        })
        .ok()
    });
    grants.collect()
}

/// Whether a list lets in people whom its owner does not know.
pub fn is_public(grants: &[Grant]) -> bool {
    grants.iter().any(|grant| {
        matches!(
            grant.grantee,
            Grantee::AllUsers | Grantee::AuthenticatedUsers
        )
    })
}

/// What kind of resource a list is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// A bucket.
    Bucket,
    /// An object.
    Object,
}

/// What a list grants a caller (by canonical id; none: somebody who did not sign) for an action.
pub fn granted(grants: &[Grant], action: &str, of: Of, caller: Option<&str>) -> AclGrant {
    let id = caller.unwrap_or(ANONYMOUS);
    let mut found = AclGrant::None;
    for grant in grants {
        let stands = match of {
            Of::Object => grant.permission.allows_on_object(action),
            Of::Bucket => grant.permission.allows_on_bucket(action),
        };
        if !stands {
            continue;
        }
        match &grant.grantee {
            Grantee::Account(known) if known == id => return AclGrant::Account,
            Grantee::AllUsers => found = AclGrant::Public,
            Grantee::AuthenticatedUsers if caller.is_some() => found = AclGrant::Public,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests;
