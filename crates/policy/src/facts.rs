//! What a request says about each condition key: from its context, or derived from the caller and
//! the resource.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::context::Value;
use crate::hash::hash;
use crate::keys::{self, Key};
use crate::principal::PrincipalKind;
use crate::request::Request;
use crate::scalar::{self, Instant, Number};

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Bool(bool),
    Number(i64),
    Time(i64),
    Address(IpAddr),
}

/// The values of a key that is present.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Values<'a> {
    One(Scalar<'a>),
    /// Two or more.
    Texts(&'a [&'a str]),
    Owned(&'a [Box<str>]),
}

impl<'a> Values<'a> {
    fn of(value: &'a Value<'a>) -> Values<'a> {
        match value {
            Value::Text(text) => Values::One(Scalar::Text(text)),
            Value::Texts([text]) => Values::One(Scalar::Text(text)),
            Value::Texts(texts) => Values::Texts(texts),
            Value::Owned(texts) => match &**texts {
                [text] => Values::One(Scalar::Text(text)),
                texts => Values::Owned(texts),
            },
            Value::Bool(value) => Values::One(Scalar::Bool(*value)),
            Value::Number(value) => Values::One(Scalar::Number(*value)),
            Value::Time(value) => Values::One(Scalar::Time(*value)),
            Value::Address(value) => Values::One(Scalar::Address(*value)),
        }
    }

    /// The value of a single-valued key.
    pub(crate) fn single(&self) -> Option<Scalar<'a>> {
        match self {
            Values::One(scalar) => Some(*scalar),
            Values::Texts(_) | Values::Owned(_) => None,
        }
    }

    /// Whether all (or any) of the values pass.
    pub(crate) fn test(&self, all: bool, mut passes: impl FnMut(Scalar<'a>) -> bool) -> bool {
        match self {
            Values::One(scalar) => passes(*scalar),
            Values::Texts(texts) if all => texts.iter().all(|text| passes(Scalar::Text(text))),
            Values::Texts(texts) => texts.iter().any(|text| passes(Scalar::Text(text))),
            Values::Owned(texts) if all => texts.iter().all(|text| passes(Scalar::Text(text))),
            Values::Owned(texts) => texts.iter().any(|text| passes(Scalar::Text(text))),
        }
    }

    /// As text, for traces.
    pub(crate) fn to_strings(self) -> Vec<String> {
        match self {
            Values::One(scalar) => vec![scalar.with_text(str::to_owned)],
            Values::Texts(texts) => texts.iter().map(|text| (*text).to_owned()).collect(),
            Values::Owned(texts) => texts.iter().map(|text| text.to_string()).collect(),
        }
    }
}

impl Scalar<'_> {
    /// The value as a string operator sees it.
    pub(crate) fn with_text<R>(&self, read: impl FnOnce(&str) -> R) -> R {
        let mut buffer = Buffer::default();
        // The buffer is longer than any of these can be.
        let _ = match self {
            Scalar::Text(text) => return read(text),
            Scalar::Bool(true) => return read("true"),
            Scalar::Bool(false) => return read("false"),
            Scalar::Number(value) => write!(buffer, "{value}"),
            Scalar::Time(seconds) => scalar::write_time(&mut buffer, *seconds),
            Scalar::Address(address) => write!(buffer, "{address}"),
        };
        read(buffer.text())
    }

    pub(crate) fn number(&self) -> Option<Number> {
        match self {
            Scalar::Text(text) => Number::parse(text),
            Scalar::Number(value) => Some(Number::from_integer(*value)),
            Scalar::Bool(_) | Scalar::Time(_) | Scalar::Address(_) => None,
        }
    }

    pub(crate) fn instant(&self) -> Option<Instant> {
        match self {
            Scalar::Text(text) => Instant::parse(text),
            Scalar::Number(seconds) | Scalar::Time(seconds) => {
                Some(Instant::from_seconds(*seconds))
            }
            Scalar::Bool(_) | Scalar::Address(_) => None,
        }
    }

    pub(crate) fn address(&self) -> Option<IpAddr> {
        match self {
            Scalar::Text(text) => text.parse().ok(),
            Scalar::Address(address) => Some(*address),
            Scalar::Bool(_) | Scalar::Number(_) | Scalar::Time(_) => None,
        }
    }
}

/// Text on the stack.
struct Buffer {
    bytes: [u8; 64],
    len: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer {
            bytes: [0; 64],
            len: 0,
        }
    }
}

impl Buffer {
    fn text(&self) -> &str {
        let written = self.bytes.get(..self.len).unwrap_or_default();
        std::str::from_utf8(written).unwrap_or_default()
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes
            .get_mut(self.len..end)
            .ok_or(fmt::Error)?
            .copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// A request with what evaluation derives from it. `resource` differs from the request's for the
/// access point's half.
pub(crate) struct Facts<'r> {
    pub(crate) request: &'r Request<'r>,
    pub(crate) resource: &'r str,
    /// `s3:ListAllMyBuckets` has no resource, yet AWS's own examples grant it on `arn:aws:s3:::*`,
    /// and that works: such a request also matches as this ARN.
    pub(crate) also_resource: Option<&'static str>,
    head: Cell<Option<u32>>,
}

impl<'r> Facts<'r> {
    pub(crate) fn new(request: &'r Request<'r>, resource: &'r str) -> Self {
        let is_list = || {
            request
                .action
                .name()
                .eq_ignore_ascii_case("s3:ListAllMyBuckets")
        };
        let also_resource = (resource == "*" && is_list()).then_some("arn:aws:s3:::*");
        Facts {
            request,
            resource,
            also_resource,
            head: Cell::new(None),
        }
    }

    /// Hash of the resource's head, by which statements are indexed; worked out once.
    pub(crate) fn head_hash(&self) -> u32 {
        if let Some(hash) = self.head.get() {
            return hash;
        }
        let hash = hash(head_of(self.resource).as_bytes());
        self.head.set(Some(hash));
        hash
    }

    /// The values of a key; `None` if it is absent.
    pub(crate) fn values(&self, key: Option<Key>, name: &str) -> Option<Values<'r>> {
        let found = self.request.context.lookup(key, name);
        let Some(value) = found else {
            return self.derived(key?).map(Values::One);
        };
        match (key, Values::of(value)) {
            (Some(keys::EPOCH_TIME), Values::One(Scalar::Time(seconds))) => {
                Some(Values::One(Scalar::Number(seconds)))
            }
            (_, values) => Some(values),
        }
    }

    /// Keys that follow from the caller, the resource or another key.
    fn derived(&self, key: Key) -> Option<Scalar<'r>> {
        let principal = self.request.principal;
        let is_service = principal.kind() == PrincipalKind::Service;
        Some(match key {
            keys::PRINCIPAL_ARN => Scalar::Text(principal.principal_arn()?),
            keys::PRINCIPAL_ACCOUNT => Scalar::Text(principal.account()?),
            keys::PRINCIPAL_TYPE => Scalar::Text(principal.principal_type()),
            keys::USER_NAME => Scalar::Text(principal.user_name()?),
            keys::USER_ID => Scalar::Text(principal.user_id()?),
            keys::PRINCIPAL_IS_AWS_SERVICE => Scalar::Bool(is_service),
            keys::PRINCIPAL_SERVICE_NAME if is_service => Scalar::Text(principal.arn()),
            keys::VIA_AWS_SERVICE => Scalar::Bool(false),
            keys::RESOURCE_ACCOUNT => Scalar::Text(self.request.owner()?),
            keys::S3_RESOURCE_ACCOUNT if self.request.action.service().starts_with("s3") => {
                Scalar::Text(self.request.owner()?)
            }
            keys::EPOCH_TIME => Scalar::Number(self.time(keys::CURRENT_TIME)?),
            keys::CURRENT_TIME => Scalar::Time(self.time(keys::EPOCH_TIME)?),
            _ => return None,
        })
    }

    fn time(&self, key: Key) -> Option<i64> {
        let value = Values::of(self.request.context.lookup(Some(key), "")?);
        value
            .single()?
            .instant()
            .map(|instant| instant.0.div_euclid(1000))
    }
}

/// The part of an ARN by which statements are indexed: up to the first slash after the fifth colon,
/// for S3 the bucket's ARN.
pub(crate) fn head_of(resource: &str) -> &str {
    const S3: &str = "arn:aws:s3:::";
    let relative = if resource.starts_with(S3) {
        S3.len()
    } else {
        crate::compile::fifth_colon(resource).map_or(resource.len(), |colon| colon + 1)
    };
    let rest = resource.as_bytes().get(relative..).unwrap_or_default();
    let len = memchr::memchr(b'/', rest).unwrap_or(rest.len());
    resource.get(..relative + len).unwrap_or(resource)
}
