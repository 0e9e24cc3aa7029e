//! Where buckets keep their objects: in the embedded store, or at an upstream that the operator named.

use std::collections::HashMap;
use std::sync::Arc;

use adit_snapshot::BucketView;
use adit_upstream::Upstream;
use adit_wire::ErrorReply;

/// An upstream that keeps objects of some buckets.
#[derive(Debug)]
pub struct Origin {
    /// Its name; stands in the intent of its buckets.
    pub name: String,
    /// The client.
    pub upstream: Upstream,
    /// Whether the bucket stands in the host (virtual-hosted style) instead of the path.
    pub virtual_hosted: bool,
    /// Whether keys with empty segments or backslashes are what they are there: many servers make paths of
    /// keys, and clean them.
    pub exact_keys: bool,
    /// Which buckets, and where they are there. The first that fits counts.
    pub buckets: Vec<BucketMap>,
    /// Access keys of the upstream's own that clients may use, and the ARN of the user here that each
    /// stands for.
    pub pass_through: HashMap<String, String>,
}

/// Buckets of an origin, and where they are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketMap {
    /// A bucket's name, or its begin and `*`.
    pub name: String,
    /// The bucket at the upstream; `*` stands for what `*` stood for in the name.
    pub bucket: String,
    /// In front of every key there; `*` as in `bucket`. Empty: the whole bucket.
    pub prefix: String,
    /// Whether a bucket that is at the upstream already may be taken over.
    pub adopt: bool,
}

/// Why mappings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MapError {
    /// `*` stands elsewhere than at the end of a name.
    #[error("bucket `{0}`: `*` may only stand at the end")]
    Star(String),
    /// Several buckets would share one place.
    #[error("buckets `{name}` would all be in `{bucket}`: put `*` into the bucket or the prefix")]
    Shared {
        /// The pattern.
        name: String,
        /// Where.
        bucket: String,
    },
    /// A prefix that keys cannot have.
    #[error(
        "bucket `{0}`: a prefix must not begin with `/` nor hold `//`, `\\`, or `.` or `..` between slashes"
    )]
    Prefix(String),
}

/// All origins but the embedded store.
#[derive(Debug, Default)]
pub struct Origins(Vec<Arc<Origin>>);

/// The place of one bucket at an upstream.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) origin: Arc<Origin>,
    pub(crate) bucket: String,
    pub(crate) prefix: String,
    pub(crate) adopt: bool,
}

impl BucketMap {
    /// Checks a mapping.
    ///
    /// # Errors
    /// [`MapError`]
    pub fn check(&self) -> Result<(), MapError> {
        let open = match self.name.find('*') {
            None => false,
            Some(at) if at + 1 == self.name.len() => true,
            Some(_) => return Err(MapError::Star(self.name.clone())),
        };
        if open && !self.bucket.contains('*') && !self.prefix.contains('*') {
            return Err(MapError::Shared {
                name: self.name.clone(),
                bucket: self.bucket.clone(),
            });
        }
        if is_blurred(&self.prefix) || has_dots(&self.prefix) {
            return Err(MapError::Prefix(self.name.clone()));
        }
        Ok(())
    }

    /// Bucket and prefix of a name that fits.
    fn place(&self, name: &str) -> Option<(String, String)> {
        let rest = match self.name.strip_suffix('*') {
            Some(front) => name.strip_prefix(front)?,
            None if name == self.name => "",
            None => return None,
        };
        let fill = |text: &str| text.replace('*', rest);
        Some((fill(&self.bucket), fill(&self.prefix)))
    }
}

/// Whether a key has segments that servers may take for a way out of its bucket.
fn has_dots(key: &str) -> bool {
    key.split('/')
        .any(|segment| segment == "." || segment == "..")
}

/// Whether a server that makes paths of keys may read another key: one that policies have not seen.
fn is_blurred(key: &str) -> bool {
    key.starts_with('/') || key.contains("//") || key.contains('\\')
}

impl Place {
    /// Whether the storage reads a key as Adit does: what was decided about one name must not happen to
    /// another.
    pub(crate) fn takes(&self, key: &str) -> bool {
        let fine = |key: &str| !has_dots(key) && (self.origin.exact_keys || !is_blurred(key));
        fine(key) && (self.prefix.is_empty() || fine(&format!("{}{key}", self.prefix)))
    }

    /// The same of the begin of keys.
    pub(crate) fn takes_prefix(&self, prefix: &str) -> bool {
        // What follows the last slash may become more than dots.
        let (folders, _) = prefix.rsplit_once('/').unwrap_or_default();
        let exact = self.origin.exact_keys;
        !has_dots(folders) && (exact || !is_blurred(prefix))
    }
}

impl Origins {
    /// These origins; the first mapping that fits a bucket decides.
    pub fn new(origins: Vec<Origin>) -> Origins {
        Origins(origins.into_iter().map(Arc::new).collect())
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Origin> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Where a bucket that is made now will be; none: in the embedded store.
    pub(crate) fn choose(&self, name: &str) -> Option<Place> {
        self.0.iter().find_map(|origin| Place::of(origin, name))
    }

    /// Where a bucket is; none: in the embedded store.
    ///
    /// # Errors
    /// `ServiceUnavailable` when its origin is not configured any more: its objects must not seem to be gone.
    pub(crate) fn find(&self, view: &BucketView) -> Result<Option<Place>, ErrorReply> {
        let Some(named) = &view.bucket.origin else {
            return Ok(None);
        };
        let origin = self.0.iter().find(|origin| origin.name == *named);
        let place = origin.and_then(|origin| Place::of(origin, view.bucket.name.as_str()));
        place.map(Some).ok_or_else(|| {
            tracing::error!(
                bucket = %view.bucket.name,
                origin = %named,
                "the origin of a bucket is not configured"
            );
            unavailable()
        })
    }

    /// The user that an access key of an upstream stands for, by ARN, and that upstream.
    pub(crate) fn principal(&self, access_key_id: &str) -> Option<(&Arc<Origin>, &str)> {
        self.0.iter().find_map(|origin| {
            let arn = origin.pass_through.get(access_key_id)?;
            Some((origin, arn.as_str()))
        })
    }
}

impl Place {
    fn of(origin: &Arc<Origin>, name: &str) -> Option<Place> {
        origin.buckets.iter().find_map(|map| {
            let (bucket, prefix) = map.place(name)?;
            Some(Place {
                origin: origin.clone(),
                bucket,
                prefix,
                adopt: map.adopt,
            })
        })
    }
}

/// The answer while an upstream cannot be asked. Clients try again.
pub(crate) fn unavailable() -> ErrorReply {
    ErrorReply::new(
        "ServiceUnavailable",
        503,
        "The storage of this bucket does not answer. Please try again.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &str, bucket: &str, prefix: &str) -> BucketMap {
        BucketMap {
            name: name.to_owned(),
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            adopt: false,
        }
    }

    #[test]
    fn names_lead_to_places() {
        let is = |bucket: &str, prefix: &str| Some((bucket.to_owned(), prefix.to_owned()));
        for (map, name, expected) in [
            (map("a", "a", ""), "a", is("a", "")),
            (map("a", "b", "p/"), "a", is("b", "p/")),
            (map("a", "a", ""), "ab", None),
            (map("*", "*", ""), "x", is("x", "")),
            (map("t-*", "u-*", ""), "t-1", is("u-1", "")),
            (map("t-*", "u", "*/"), "t-1", is("u", "1/")),
            (map("t-*", "u", "*/"), "t1", None),
        ] {
            map.check().unwrap();
            assert_eq!(map.place(name), expected, "{map:?} {name}");
        }
    }

    #[test]
    fn mappings_that_would_mix_buckets_are_refused() {
        for bad in [
            map("t-*", "u", ""),
            map("*-t", "*", ""),
            map("t-*-*", "*", ""),
            map("t", "u", "../"),
            map("t", "u", "/p"),
            map("t", "u", "a/./"),
            map("t", "u", "a//"),
            map("t", "u", "a\\"),
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
