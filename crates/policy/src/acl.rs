//! What the permissions of S3's access control lists allow.
//!
//! An ACL only grants, and only to accounts and groups. The caller of this crate knows the grants and
//! to whom they are; this table says which actions a permission stands for, and the answer goes into
//! [`crate::Layers::acl`].

/// A permission of an ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// `READ`
    Read,
    /// `WRITE`
    Write,
    /// `READ_ACP`
    ReadAcp,
    /// `WRITE_ACP`
    WriteAcp,
    /// `FULL_CONTROL`
    FullControl,
}

const PARTS: [Permission; 4] = [
    Permission::Read,
    Permission::Write,
    Permission::ReadAcp,
    Permission::WriteAcp,
];

impl Permission {
    /// Reads the name that the XML and the headers have.
    pub fn parse(name: &str) -> Option<Permission> {
        Some(match name {
            "READ" => Permission::Read,
            "WRITE" => Permission::Write,
            "READ_ACP" => Permission::ReadAcp,
            "WRITE_ACP" => Permission::WriteAcp,
            "FULL_CONTROL" => Permission::FullControl,
            _ => return None,
        })
    }

    /// The name that the XML has.
    pub fn name(self) -> &'static str {
        match self {
            Permission::Read => "READ",
            Permission::Write => "WRITE",
            Permission::ReadAcp => "READ_ACP",
            Permission::WriteAcp => "WRITE_ACP",
            Permission::FullControl => "FULL_CONTROL",
        }
    }

    /// Whether the permission, in a bucket's ACL, stands for the action (`s3:ListBucket`).
    pub fn allows_on_bucket(self, action: &str) -> bool {
        let actions: &[&str] = match self {
            Permission::Read => &[
                "s3:ListBucket",
                "s3:ListBucketVersions",
                "s3:ListBucketMultipartUploads",
            ],
            Permission::Write => &["s3:PutObject"],
            Permission::ReadAcp => &["s3:GetBucketAcl"],
            Permission::WriteAcp => &["s3:PutBucketAcl"],
            Permission::FullControl => return PARTS.iter().any(|p| p.allows_on_bucket(action)),
        };
        actions.iter().any(|name| name.eq_ignore_ascii_case(action))
    }

    /// Whether the permission, in an object's ACL, stands for the action (`s3:GetObject`).
    pub fn allows_on_object(self, action: &str) -> bool {
        let actions: &[&str] = match self {
            Permission::Read => &["s3:GetObject", "s3:GetObjectVersion"],
            Permission::Write => &[],
            Permission::ReadAcp => &["s3:GetObjectAcl", "s3:GetObjectVersionAcl"],
            Permission::WriteAcp => &["s3:PutObjectAcl", "s3:PutObjectVersionAcl"],
            Permission::FullControl => return PARTS.iter().any(|p| p.allows_on_object(action)),
        };
        actions.iter().any(|name| name.eq_ignore_ascii_case(action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_stand_for_actions() {
        for (permission, on_bucket, on_object) in [
            (
                "READ",
                Some("s3:ListBucketVersions"),
                Some("s3:GetObjectVersion"),
            ),
            ("WRITE", Some("s3:PutObject"), None),
            ("READ_ACP", Some("s3:GetBucketAcl"), Some("s3:GetObjectAcl")),
            (
                "WRITE_ACP",
                Some("s3:PutBucketAcl"),
                Some("s3:PutObjectVersionAcl"),
            ),
        ] {
            let permission = Permission::parse(permission).unwrap();
            for other in PARTS {
                let same = other == permission;
                let bucket = on_bucket.is_some_and(|action| other.allows_on_bucket(action));
                assert_eq!(bucket, same && on_bucket.is_some());
                let object = on_object.is_some_and(|action| other.allows_on_object(action));
                assert_eq!(object, same && on_object.is_some());
            }
            assert!(
                on_bucket.is_none_or(|action| Permission::FullControl.allows_on_bucket(action))
            );
            assert!(
                on_object.is_none_or(|action| Permission::FullControl.allows_on_object(action))
            );
        }
        assert!(!Permission::FullControl.allows_on_bucket("s3:DeleteBucket"));
        assert!(!Permission::FullControl.allows_on_object("s3:DeleteObject"));
        assert_eq!(Permission::parse("read"), None);
    }
}
