//! The conditions of requests, decided on values.

use crate::error::{Condition, Error};
use crate::object::{EtagMatch, ReadConditions, UnixMillis, VersionId, WriteConditions};

/// What conditions look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    pub(crate) etag: &'a str,
    pub(crate) last_modified: UnixMillis,
}

/// Conditions of a read. As on S3, `If-Match` true outweighs `If-Unmodified-Since`, and `If-None-Match`
/// outweighs `If-Modified-Since`. HTTP dates have whole seconds, so seconds are compared.
pub(crate) fn check_read(
    conditions: &ReadConditions,
    subject: Subject<'_>,
    version_id: impl FnOnce() -> Option<VersionId>,
) -> Result<(), Error> {
    match first_failure(conditions, subject) {
        None => Ok(()),
        Some(Condition::IfNoneMatch | Condition::IfModifiedSince) => Err(Error::NotModified {
            etag: subject.etag.to_owned(),
            last_modified: subject.last_modified,
            version_id: version_id(),
        }),
        Some(condition) => Err(Error::PreconditionFailed { condition }),
    }
}

/// Conditions on the source of a copy: every failure is 412.
pub(crate) fn check_source(conditions: &ReadConditions, subject: Subject<'_>) -> Result<(), Error> {
    let condition = match first_failure(conditions, subject) {
        None => return Ok(()),
        Some(Condition::IfMatch) => Condition::CopySourceIfMatch,
        Some(Condition::IfNoneMatch) => Condition::CopySourceIfNoneMatch,
        Some(Condition::IfModifiedSince) => Condition::CopySourceIfModifiedSince,
        Some(_) => Condition::CopySourceIfUnmodifiedSince,
    };
    Err(Error::PreconditionFailed { condition })
}

fn first_failure(conditions: &ReadConditions, subject: Subject<'_>) -> Option<Condition> {
    let modified = subject.last_modified.seconds();
    match (&conditions.if_match, conditions.if_unmodified_since) {
        (Some(tags), _) if !tags.matches(subject.etag) => return Some(Condition::IfMatch),
        (None, Some(since)) if modified > since.seconds() => {
            return Some(Condition::IfUnmodifiedSince);
        }
        _ => {}
    }
    match (&conditions.if_none_match, conditions.if_modified_since) {
        (Some(tags), _) if tags.matches(subject.etag) => Some(Condition::IfNoneMatch),
        (None, Some(since)) if modified <= since.seconds() => Some(Condition::IfModifiedSince),
        _ => None,
    }
}

/// Conditions of a write on the key's current object (none: absent, or a delete marker).
pub(crate) fn check_write(
    conditions: &WriteConditions,
    key: &str,
    current: Option<&str>,
) -> Result<(), Error> {
    if let Some(tags) = &conditions.if_match {
        match current {
            // Who asks for any object at all asks whether there is one.
            None if *tags == EtagMatch::Any => {
                return Err(Error::PreconditionFailed {
                    condition: Condition::IfMatch,
                });
            }
            None => {
                return Err(Error::NoSuchKey {
                    key: key.to_owned(),
                    delete_marker: None,
                });
            }
            Some(etag) if !tags.matches(etag) => {
                return Err(Error::PreconditionFailed {
                    condition: Condition::IfMatch,
                });
            }
            Some(_) => {}
        }
    }
    match (&conditions.if_none_match, current) {
        (Some(tags), Some(etag)) if tags.matches(etag) => Err(Error::PreconditionFailed {
            condition: Condition::IfNoneMatch,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject<'static> {
        Subject {
            etag: "e",
            last_modified: UnixMillis(10_500),
        }
    }

    #[test]
    fn reads_follow_s3_order() {
        let tag = |t: &str| Some(EtagMatch::parse(t));
        let at = |s: i64| Some(UnixMillis(s * 1000));
        // (if-match, if-none-match, modified-since, unmodified-since) -> code
        let cases = [
            (None, None, None, None, "ok"),
            (tag("e"), None, None, at(1), "ok"),
            (tag("x"), None, None, at(99), "PreconditionFailed"),
            (None, None, None, at(10), "ok"),
            (None, None, None, at(9), "PreconditionFailed"),
            (None, tag("e"), None, None, "NotModified"),
            (None, tag("*"), None, None, "NotModified"),
            (None, tag("x"), at(99), None, "ok"),
            (None, tag("e"), at(1), None, "NotModified"),
            (None, None, at(10), None, "NotModified"),
            (None, None, at(9), None, "ok"),
            (tag("x"), tag("e"), None, None, "PreconditionFailed"),
            (tag("e"), tag("e"), None, None, "NotModified"),
        ];
        for (if_match, if_none_match, if_modified_since, if_unmodified_since, expected) in cases {
            let conditions = ReadConditions {
                if_match,
                if_none_match,
                if_modified_since,
                if_unmodified_since,
            };
            let seen = check_read(&conditions, subject(), || None);
            assert_eq!(
                seen.map_or_else(|e| e.code(), |()| "ok"),
                expected,
                "{conditions:?}"
            );
            let copy = check_source(&conditions, subject());
            let expected = if expected == "ok" {
                "ok"
            } else {
                "PreconditionFailed"
            };
            assert_eq!(
                copy.map_or_else(|e| e.code(), |()| "ok"),
                expected,
                "{conditions:?}"
            );
        }
    }

    #[test]
    fn writes_ask_the_current_object() {
        let tag = |t: &str| Some(EtagMatch::parse(t));
        let cases = [
            (None, tag("*"), None, "ok"),
            (None, tag("*"), Some("e"), "PreconditionFailed"),
            (tag("e"), None, Some("e"), "ok"),
            (tag("\"e\""), None, Some("e"), "ok"),
            (tag("x"), None, Some("e"), "PreconditionFailed"),
            (tag("e"), None, None, "NoSuchKey"),
            (tag("*"), None, Some("e"), "ok"),
            (tag("*"), None, None, "PreconditionFailed"),
            (None, tag("x"), Some("e"), "ok"),
        ];
        for (if_match, if_none_match, current, expected) in cases {
            let conditions = WriteConditions {
                if_match,
                if_none_match,
            };
            let seen = check_write(&conditions, "k", current);
            assert_eq!(
                seen.map_or_else(|e| e.code(), |()| "ok"),
                expected,
                "{conditions:?}"
            );
        }
    }
}
