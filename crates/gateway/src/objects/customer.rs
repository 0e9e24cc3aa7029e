//! SSE-C: the key that a client brings with a request, in three headers that must agree.
//!
//! The key goes to the store, or on to an upstream by a way that nobody listens to. Answers show the algorithm
//! and the key's MD5 as the client gave it; the key itself is in no answer, error or log.

use adit_objects::{CustomerKey, EtagKind};
use adit_wire::ErrorReply;
use base64::Engine as _;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use zeroize::Zeroizing;

use crate::ask::{Ask, argument};
use crate::connection::Via;
use crate::origins::Place;
use crate::reply::Reply;

/// The one algorithm.
const ALGORITHM: &str = "AES256";

/// What all such headers begin with.
pub(crate) const FAMILIES: [&str; 2] = [
    "x-amz-server-side-encryption-customer-",
    "x-amz-copy-source-server-side-encryption-customer-",
];

/// The headers of one object.
struct Names {
    algorithm: &'static str,
    key: &'static str,
    md5: &'static str,
}

/// Those of the object that is addressed.
const ADDRESSED: Names = Names {
    algorithm: "x-amz-server-side-encryption-customer-algorithm",
    key: "x-amz-server-side-encryption-customer-key",
    md5: "x-amz-server-side-encryption-customer-key-md5",
};

/// Those of the source of a copy.
const SOURCE: Names = Names {
    algorithm: "x-amz-copy-source-server-side-encryption-customer-algorithm",
    key: "x-amz-copy-source-server-side-encryption-customer-key",
    md5: "x-amz-copy-source-server-side-encryption-customer-key-md5",
};

/// A key that was brought, and its MD5 as it was given.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) key: CustomerKey,
    md5: String,
}

/// The key for the object that is addressed.
///
/// # Errors
/// `InvalidArgument` for headers that lack or disagree; `InvalidRequest` where others could listen.
pub(crate) fn of(ask: &Ask<'_>) -> Result<Option<Customer>, ErrorReply> {
    read(ask, &ADDRESSED)
}

/// The key for the source of a copy.
///
/// # Errors
/// As [`of`].
pub(crate) fn of_source(ask: &Ask<'_>) -> Result<Option<Customer>, ErrorReply> {
    read(ask, &SOURCE)
}

/// The key to seal what is written with.
///
/// # Errors
/// As [`of`]; `InvalidArgument` beside another kind of encryption; `AccessDenied` where the bucket takes
/// no such objects.
pub(crate) fn of_write(ask: &Ask<'_>) -> Result<Option<Customer>, ErrorReply> {
    let Some(customer) = of(ask)? else {
        return Ok(None);
    };
    if let Some(other) = ask.header("x-amz-server-side-encryption") {
        return Err(argument(
            "x-amz-server-side-encryption",
            other,
            "Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
        ));
    }
    if ask.bucket()?.settings.blocks_customer_keys {
        return Err(ErrorReply::new(
            "AccessDenied",
            403,
            "The bucket's encryption configuration blocks server-side encryption with customer-provided keys (SSE-C).",
        ));
    }
    Ok(Some(customer))
}

/// Whether a name begins as those of a key do.
pub(crate) fn is_ours(name: &str) -> bool {
    let begins = |family: &&str| {
        let front = name.get(..family.len());
        front.is_some_and(|front| front.eq_ignore_ascii_case(family))
    };
    FAMILIES.iter().any(begins)
}

fn read(ask: &Ask<'_>, names: &Names) -> Result<Option<Customer>, ErrorReply> {
    // Nearly no request has any of them: the headers are looked through once.
    let longest = FAMILIES.map(str::len).into_iter().min().unwrap_or_default();
    let mut all = ask.wire.headers.iter();
    if !all.any(|(name, _)| name.len() > longest && is_ours(name)) {
        return Ok(None);
    }
    let wanted = [names.algorithm, names.key, names.md5];
    if !wanted.iter().any(|name| ask.wire.headers.has(name)) {
        return Ok(None);
    }
    if !is_private(ask) {
        return Err(ErrorReply::new(
            "InvalidRequest",
            400,
            "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.",
        ));
    }
    let lacks = |name: &str, what: &str| {
        let message = format!(
            "Requests specifying Server Side Encryption with Customer provided keys must provide {what}."
        );
        argument(name, "null", &message)
    };
    for name in wanted {
        if ask.wire.headers.all(name).count() > 1 {
            return Err(lacks(name, "each of their headers once"));
        }
    }
    match ask.header(names.algorithm) {
        Some(ALGORITHM) => {}
        _ => return Err(lacks(names.algorithm, "a valid encryption algorithm")),
    }
    let key = ask
        .header(names.key)
        .ok_or_else(|| lacks(names.key, "an appropriate secret key"))?;
    let md5 = ask
        .header(names.md5)
        .ok_or_else(|| lacks(names.md5, "the client calculated MD5 of the secret key"))?;
    // Neither of the two is repeated in an error.
    let refused = |name: &str, message: &str| argument(name, "null", message);
    let key = decoded(key).ok_or_else(|| {
        let message = "The secret key was invalid for the specified algorithm.";
        refused(names.key, message)
    })?;
    let digest = base64::engine::general_purpose::STANDARD.decode(md5);
    if !digest.is_ok_and(|digest| key.has_md5(&digest)) {
        let message =
            "The calculated MD5 hash of the key did not match the hash that was provided.";
        return Err(refused(names.md5, message));
    }
    Ok(Some(Customer {
        key,
        md5: md5.to_owned(),
    }))
}

/// A key in base64.
fn decoded(text: &str) -> Option<CustomerKey> {
    let mut buffer = Zeroizing::new([0; 64]);
    let engine = &base64::engine::general_purpose::STANDARD;
    let len = engine.decode_slice(text, buffer.as_mut_slice()).ok()?;
    CustomerKey::new(buffer.get(..len)?)
}

/// Whether nobody but the two ends sees a request: under TLS, or within this machine.
fn is_private(ask: &Ask<'_>) -> bool {
    let own = ask.connection.via == Via::Api && ask.connection.peer.ip().is_loopback();
    ask.connection.tls.is_some() || own
}

/// Makes sure that a key of this request may go on to an upstream.
///
/// # Errors
/// `InvalidRequest` if somebody could read it on its way.
pub(crate) fn may_go_on(ask: &Ask<'_>, place: &Place) -> Result<(), ErrorReply> {
    let mut all = ask.wire.headers.iter();
    if !all.any(|(name, _)| is_ours(name)) {
        return Ok(());
    }
    match place.origin.upstream.endpoint().is_private() {
        true => Ok(()),
        false => Err(ErrorReply::new(
            "InvalidRequest",
            400,
            "The storage of this bucket is not reached over a secure connection, so that customer provided keys cannot be passed on to it.",
        )),
    }
}

/// The headers that bring keys of this request to an upstream: as they came, or those of the source as if it
/// were addressed.
///
/// # Errors
/// As [`may_go_on`].
pub(crate) fn passed_on(
    ask: &Ask<'_>,
    place: &Place,
    is_source: bool,
) -> Result<HeaderMap, ErrorReply> {
    may_go_on(ask, place)?;
    let from = if is_source { &SOURCE } else { &ADDRESSED };
    let mut made = HeaderMap::new();
    for (from, to) in [
        (from.algorithm, ADDRESSED.algorithm),
        (from.key, ADDRESSED.key),
        (from.md5, ADDRESSED.md5),
    ] {
        if let Some(Ok(mut value)) = ask.header(from).map(HeaderValue::from_str) {
            value.set_sensitive(true);
            made.insert(HeaderName::from_static(to), value);
        }
    }
    Ok(made)
}

/// How the entity tag of a body is made where the settings say `kind`: of what a customer seals it is no MD5
/// in any case.
pub(crate) fn etag(customer: Option<&Customer>, kind: EtagKind) -> EtagKind {
    match customer {
        Some(_) => EtagKind::Opaque,
        None => kind,
    }
}

/// The key alone, for the store.
pub(crate) fn key(customer: Option<&Customer>) -> Option<CustomerKey> {
    customer.map(|customer| customer.key.clone())
}

/// Shows how something is sealed: with a customer's key, or `managed` by the store's.
pub(crate) fn show(reply: &mut Reply, managed: bool, customer: Option<&Customer>) {
    match customer {
        Some(customer) => {
            reply.set(HeaderName::from_static(ADDRESSED.algorithm), ALGORITHM);
            reply.set(HeaderName::from_static(ADDRESSED.md5), &customer.md5);
        }
        None if managed => reply.set(
            HeaderName::from_static("x-amz-server-side-encryption"),
            ALGORITHM,
        ),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_bytes_of_base64() {
        let right = base64::engine::general_purpose::STANDARD.encode([7; 32]);
        assert!(decoded(&right).is_some());
        for len in [0, 16, 31, 33, 48, 64, 500] {
            let wrong = base64::engine::general_purpose::STANDARD.encode(vec![7; len]);
            assert!(decoded(&wrong).is_none(), "{len}");
        }
        assert!(decoded(right.trim_end_matches('=')).is_none());
        assert!(decoded("no base64!").is_none());
    }

    #[test]
    fn headers_of_both_objects_are_known_in_any_case() {
        for name in [
            ADDRESSED.algorithm,
            SOURCE.key,
            "X-Amz-Server-Side-Encryption-Customer-Key-MD5",
        ] {
            assert!(is_ours(name), "{name}");
        }
        for name in ["x-amz-server-side-encryption", "x-amz-copy-source", "é"] {
            assert!(!is_ours(name), "{name}");
        }
    }
}
