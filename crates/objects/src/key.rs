//! What a key, its tags, metadata and storage class may be.

use std::collections::BTreeSet;

use crate::error::{Error, echo};
use crate::object::{Attributes, Tags};

/// S3: a key has at most this many bytes of UTF-8.
const KEY_MAX: usize = 1024;
/// S3: names and values of user metadata together.
const USER_METADATA_MAX: usize = 2048;
/// S3: tags of one object.
const TAGS_MAX: usize = 10;
/// S3: characters of a tag's key and value.
const TAG_KEY_MAX: usize = 128;
const TAG_VALUE_MAX: usize = 256;

/// The classes S3 knows; all are stored alike.
const STORAGE_CLASSES: [&str; 11] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "OUTPOSTS",
    "GLACIER_IR",
    "SNOW",
    "EXPRESS_ONEZONE",
];

/// A key is opaque, with two bounds: its length, and that reading it as a path never climbs above its
/// beginning (S3 refuses such a key because clients that normalise would reach another bucket with it).
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    if key.len() > KEY_MAX {
        return Err(Error::KeyTooLong {
            size: key.len(),
            max_size_allowed: KEY_MAX,
        });
    }
    if key.is_empty() {
        return Err(Error::argument("Key", key, "A key must not be empty."));
    }
    let mut depth = 0u32;
    for segment in key.split('/') {
        match segment {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return Err(Error::InvalidUri { uri: echo(key) }),
            },
            _ => depth += 1,
        }
    }
    Ok(())
}

pub(crate) fn check_attributes(attributes: &Attributes) -> Result<(), Error> {
    let size = attributes
        .user
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if size > USER_METADATA_MAX {
        return Err(Error::MetadataTooLarge {
            size,
            max_size_allowed: USER_METADATA_MAX,
        });
    }
    if !STORAGE_CLASSES.contains(&attributes.storage_class.as_str()) {
        return Err(Error::InvalidStorageClass {
            requested: echo(&attributes.storage_class),
        });
    }
    check_tags(&attributes.tags)
}

pub(crate) fn check_tags(tags: &Tags) -> Result<(), Error> {
    let refuse = |key: &str, value: &str, message| {
        Err(Error::InvalidTag {
            key: echo(key),
            value: echo(value),
            message,
        })
    };
    if tags.len() > TAGS_MAX {
        return Err(Error::TooManyTags);
    }
    let mut seen = BTreeSet::new();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > TAG_KEY_MAX {
            return refuse(key, value, "The TagKey you have provided is invalid");
        }
        if value.chars().count() > TAG_VALUE_MAX {
            return refuse(key, value, "The TagValue you have provided is invalid");
        }
        if key.starts_with("aws:") {
            return refuse(key, value, "Your TagKey cannot be prefixed with aws:");
        }
        if !seen.insert(key) {
            return refuse(key, value, "Cannot provide multiple Tags with the same key");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_few_and_the_callers_own() {
        let code = |tags: &Tags| check_tags(tags).map_err(|why| why.code());
        let tag = |key: &str| (key.to_string(), String::new());
        let many = |n: usize| (0..n).map(|n| tag(&format!("k{n}"))).collect::<Tags>();
        assert_eq!(code(&many(10)), Ok(()));
        assert_eq!(code(&many(11)), Err("BadRequest"));
        assert_eq!(code(&vec![tag("aws:x")]), Err("InvalidTag"));
        assert_eq!(code(&vec![tag("AWS:x")]), Ok(()));
        assert_eq!(code(&vec![tag("a"), tag("a")]), Err("InvalidTag"));
    }

    #[test]
    fn keys_are_opaque_but_for_length_and_climbing() {
        let long = "k".repeat(1024);
        let good = [
            "a",
            "/",
            "//",
            "/a",
            "a//b",
            "a/../b",
            "a/b/../../c",
            "dir//x",
            "...",
            "a..",
            "é",
            &long,
        ];
        for key in good {
            assert!(check_key(key).is_ok(), "{key}");
        }
        for key in [
            "..",
            "../a",
            "a/../..",
            "a/../../b",
            "/..",
            "./..",
            "a/../b/../../c",
        ] {
            assert!(
                matches!(check_key(key), Err(Error::InvalidUri { .. })),
                "{key}"
            );
        }
        assert!(matches!(
            check_key(&"k".repeat(1025)),
            Err(Error::KeyTooLong { size: 1025, .. })
        ));
        // 513 two-byte characters: bytes count, not characters.
        assert!(matches!(
            check_key(&"é".repeat(513)),
            Err(Error::KeyTooLong { size: 1026, .. })
        ));
        assert!(check_key("").is_err());
    }

    #[test]
    fn attributes_have_bounds() {
        let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let with = |tags| {
            check_attributes(&Attributes {
                tags,
                ..Attributes::default()
            })
        };
        assert!(with((0..10).map(|n| tag(&n.to_string(), "")).collect()).is_ok());
        assert!(with((0..11).map(|n| tag(&n.to_string(), "")).collect()).is_err());
        assert!(with(vec![tag("a", "1"), tag("a", "2")]).is_err());
        assert!(with(vec![tag("", "1")]).is_err());
        assert!(with(vec![tag(&"é".repeat(128), &"é".repeat(256))]).is_ok());
        assert!(with(vec![tag("a", &"v".repeat(257))]).is_err());
        let mut attributes = Attributes::default();
        attributes.user.insert("n".into(), "v".repeat(2047));
        assert!(check_attributes(&attributes).is_ok());
        attributes.user.insert("m".into(), String::new());
        assert!(matches!(
            check_attributes(&attributes),
            Err(Error::MetadataTooLarge { size: 2049, .. })
        ));
        let class = Attributes {
            storage_class: "COLD".into(),
            ..Attributes::default()
        };
        assert!(matches!(
            check_attributes(&class),
            Err(Error::InvalidStorageClass { .. })
        ));
    }
}
