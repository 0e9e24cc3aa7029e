//! What a request says about its signer, read and not yet believed.

use std::borrow::Cow;

use super::{AuthError, Carrier, Claim, Token, V2, V4};
use crate::protocol::text::{cut, percent_decode, pieces, shortened};
use crate::request::Parts;
use crate::time;

/// The one algorithm of version 4 that is served.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// Longest list of signed headers; servers take about a hundred headers.
const MOST_SIGNED: usize = 200;
/// Longest validity of a presigned URL: a week.
const MOST_EXPIRES: u32 = 604_800;
/// Most query parameters of a signed request.
pub(super) const MOST_PARAMETERS: usize = 20_000;

const MISSING_PARAMETER: &str = "Query-string authentication version 4 requires the \
    X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and \
    X-Amz-Expires parameters.";
const BAD_CREDENTIAL: &str = "Error parsing the X-Amz-Credential parameter; the Credential is \
    mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";

fn bad_header(reason: impl Into<String>) -> AuthError {
    AuthError::MalformedHeader {
        reason: reason.into(),
    }
}

fn bad_query(reason: impl Into<String>) -> AuthError {
    AuthError::MalformedQuery {
        reason: reason.into(),
    }
}

/// Reads who claims to have signed `parts`. The query is looked at only where its raw text can
/// hold a signature.
///
/// # Errors
/// When a signature is there but cannot be read, or more than one is.
pub fn claim<'a>(parts: &Parts<'a>) -> Result<Claim<'a>, AuthError> {
    let mut headers = parts.headers.all("authorization");
    let header = headers.next();
    if headers.next().is_some() {
        return Err(AuthError::TwoMechanisms);
    }
    // Names of the parameters are plain text: an escaped spelling is no signature, and the request
    // is then as good as anonymous.
    const TELLING: [&str; 4] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "AWSAccessKeyId",
        "Signature",
    ];
    let telling = |name: &&str| parts.query.contains(*name);
    let query = if !parts.query.is_empty() && TELLING.iter().any(telling) {
        Some(Query::read(parts.query)?)
    } else {
        None
    };
    let v4 = query.as_ref().is_some_and(|q| {
        q.has("X-Amz-Algorithm") || q.has("X-Amz-Signature") || q.has("X-Amz-Credential")
    });
    let v2 = query
        .as_ref()
        .is_some_and(|q| q.has("AWSAccessKeyId") && q.has("Signature"));
    match (header, query) {
        (Some(_), Some(_)) if v4 || v2 => Err(AuthError::TwoMechanisms),
        (None, Some(query)) if v4 && v2 => {
            drop(query);
            Err(AuthError::TwoMechanisms)
        }
        (None, Some(query)) if v4 => presigned_v4(query).map(Claim::V4),
        (None, Some(query)) if v2 => presigned_v2(query).map(Claim::V2),
        (Some(text), _) => {
            let text = std::str::from_utf8(text)
                .map_err(|_| bad_header("it is not UTF-8"))?
                .trim();
            from_header(parts, text)
        }
        (None, _) => Ok(Claim::Anonymous),
    }
}

fn from_header<'a>(parts: &Parts<'a>, text: &'a str) -> Result<Claim<'a>, AuthError> {
    let (scheme, rest) = cut(text, b' ');
    let rest = rest.unwrap_or_default();
    let token = || {
        parts
            .headers
            .get("x-amz-security-token")
            .map(|t| Token(t.into()))
    };
    match scheme {
        ALGORITHM => header_v4(parts, rest, token()).map(Claim::V4),
        "AWS" => {
            let (id, signature) = rest
                .trim()
                .rsplit_once(':')
                .filter(|(id, signature)| !id.is_empty() && !signature.is_empty())
                .ok_or_else(|| bad_header("the key id and signature are missing"))?;
            Ok(Claim::V2(V2 {
                carrier: Carrier::Header,
                access_key_id: Cow::Borrowed(id),
                signature: Cow::Borrowed(signature),
                expires: None,
                session_token: token(),
            }))
        }
        other => Err(AuthError::UnsupportedMechanism {
            mechanism: shortened(other),
        }),
    }
}

fn header_v4<'a>(
    parts: &Parts<'a>,
    rest: &'a str,
    session_token: Option<Token<'a>>,
) -> Result<V4<'a>, AuthError> {
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for piece in pieces(rest, b',')
        .map(str::trim)
        .filter(|piece| !piece.is_empty())
    {
        let (name, Some(value)) = cut(piece, b'=') else {
            return Err(bad_header("a part lacks `=`"));
        };
        let slot = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed_headers,
            "Signature" => &mut signature,
            other => return Err(bad_header(format!("it has no part `{}`", shortened(other)))),
        };
        if slot.replace(value.trim()).is_some() {
            return Err(bad_header(format!("`{name}` is given twice")));
        }
    }
    let (Some(credential), Some(signed_headers), Some(signature)) =
        (credential, signed_headers, signature)
    else {
        return Err(bad_header(
            "the authorization header requires three components: Credential, SignedHeaders, and \
             Signature.",
        ));
    };
    let scope = Scope::parse(credential).ok_or_else(|| {
        bad_header(
            "the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        )
    })?;
    if !plausible(signed_headers) {
        return Err(bad_header("the SignedHeaders are mal-formed"));
    }
    let (amz_date, signed_at) = date(parts)?;
    Ok(V4 {
        carrier: Carrier::Header,
        access_key_id: Cow::Borrowed(scope.access_key_id),
        date: Cow::Borrowed(scope.date),
        region: Cow::Borrowed(scope.region),
        service: Cow::Borrowed(scope.service),
        signed_headers: Cow::Borrowed(signed_headers),
        signature: Cow::Borrowed(signature),
        amz_date,
        signed_at,
        expires: None,
        session_token,
        credential: Cow::Borrowed(credential),
    })
}

/// When a header-signed request was signed: `x-amz-date`, else `date`.
fn date<'a>(parts: &Parts<'a>) -> Result<(Cow<'a, str>, i64), AuthError> {
    if parts.headers.has("x-amz-date") {
        let text = parts
            .headers
            .get("x-amz-date")
            .ok_or(AuthError::MissingDate)?;
        return match (time::parse_amz_date(text), time::parse_http_date(text)) {
            (Some(at), _) => Ok((Cow::Borrowed(text), at)),
            (None, Some(at)) => Ok((Cow::Owned(time::amz_date(at)), at)),
            (None, None) => Err(AuthError::MissingDate),
        };
    }
    let text = parts.headers.get("date").ok_or(AuthError::MissingDate)?;
    let at = time::parse_http_date(text)
        .or_else(|| time::parse_amz_date(text))
        .ok_or(AuthError::MissingDate)?;
    Ok((Cow::Owned(time::amz_date(at)), at))
}

/// True for a list of lower-case header names that is not endless.
pub(super) fn plausible(signed_headers: &str) -> bool {
    let bytes = signed_headers.as_bytes();
    // Sums without branches: this is looked at for every request.
    let wrong = |b: u8| !b.is_ascii_graphic() | b.is_ascii_uppercase() | (b == b':');
    let bad = bytes.iter().fold(false, |bad, &byte| bad | wrong(byte));
    let names = 1 + bytes
        .iter()
        .fold(0, |sum, &byte| sum + usize::from(byte == b';'));
    let empty = bytes
        .windows(2)
        .fold(false, |bad, pair| bad | (pair == b";;"));
    let ends = [bytes.first(), bytes.last()];
    !bad && !empty && names <= MOST_SIGNED && ends.iter().all(|end| end.is_some_and(|b| *b != b';'))
}

/// A credential, split.
pub(super) struct Scope<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl<'a> Scope<'a> {
    pub(super) fn parse(credential: &'a str) -> Option<Scope<'a>> {
        let mut all = pieces(credential, b'/');
        let access_key_id = all.next()?;
        let date = all.next()?;
        let region = all.next()?;
        let service = all.next()?;
        let end = all.next()?;
        if all.next().is_some() {
            return None;
        }
        let date_fine = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
        let fine = end == "aws4_request" && date_fine && !access_key_id.is_empty();
        fine.then_some(Scope {
            access_key_id,
            date,
            region,
            service,
        })
    }
}

/// The query's parameters, decoded.
struct Query<'a>(Vec<Parameter<'a>>);

struct Parameter<'a> {
    name: Cow<'a, str>,
    value: Cow<'a, str>,
    /// The value as it was sent.
    raw: &'a str,
}

impl<'a> Query<'a> {
    fn read(text: &'a str) -> Result<Query<'a>, AuthError> {
        let bad = || bad_query("The query string is not well encoded.");
        let mut all = Vec::with_capacity(8);
        // Most of a query stands for itself: what does not is looked for once, not in every name and value.
        let escaped = |from: usize| {
            let rest = text.as_bytes().get(from..)?;
            memchr::memchr2(b'%', b'+', rest).map(|at| from + at)
        };
        let (mut start, mut next) = (0, escaped(0));
        for piece in pieces(text, b'&') {
            let end = start + piece.len();
            let plain = next.is_none_or(|next| next >= end);
            if !plain {
                next = escaped(end);
            }
            start = end + 1;
            if piece.is_empty() {
                continue;
            }
            if all.len() == MOST_PARAMETERS {
                return Err(bad());
            }
            let read = |text: &'a str| match plain {
                true => Some(Cow::Borrowed(text)),
                false => percent_decode(text, true),
            };
            let (name, raw) = cut(piece, b'=');
            let raw = raw.unwrap_or_default();
            all.push(Parameter {
                name: read(name).ok_or_else(bad)?,
                value: read(raw).ok_or_else(bad)?,
                raw,
            });
        }
        Ok(Query(all))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|parameter| parameter.name == name)
    }

    /// The one parameter `name`, taken out.
    fn one(&mut self, name: &str) -> Result<Option<Parameter<'a>>, AuthError> {
        let is = |parameter: &Parameter<'_>| parameter.name == name;
        let Some(at) = self.0.iter().position(is) else {
            return Ok(None);
        };
        let value = self.0.swap_remove(at);
        match self.0.get(at..).unwrap_or_default().iter().any(is) {
            true => Err(bad_query(format!(
                "The parameter {name} is given more than once."
            ))),
            false => Ok(Some(value)),
        }
    }

    fn need(&mut self, name: &str) -> Result<Parameter<'a>, AuthError> {
        self.one(name)?
            .filter(|parameter| !parameter.value.is_empty())
            .ok_or_else(|| bad_query(MISSING_PARAMETER))
    }
}

/// The query of a presigned URL without what only its signature needs: what the request itself asks for. The rest stays as it
/// was sent.
///
/// A query is looked through by every phase of a request; and of most presigned URLs nothing is left.
pub fn without_signature(query: &str) -> Cow<'_, str> {
    let signs = |piece: &&str| {
        piece.strip_prefix("X-Amz-").is_some_and(|rest| {
            matches!(
                cut(rest, b'=').0,
                "Algorithm"
                    | "Content-Sha256"
                    | "Credential"
                    | "Date"
                    | "Expires"
                    | "Security-Token"
                    | "Signature"
                    | "SignedHeaders"
            )
        })
    };
    if !pieces(query, b'&').any(|piece| signs(&piece)) {
        return Cow::Borrowed(query);
    }
    let mut kept = String::new();
    for piece in pieces(query, b'&').filter(|piece| !signs(piece)) {
        if !kept.is_empty() {
            kept.push('&');
        }
        kept.push_str(piece);
    }
    Cow::Owned(kept)
}

fn presigned_v4(mut query: Query<'_>) -> Result<V4<'_>, AuthError> {
    let algorithm = query.need("X-Amz-Algorithm")?.value;
    if algorithm != ALGORITHM {
        if algorithm.starts_with("AWS4-ECDSA") {
            return Err(AuthError::UnsupportedMechanism {
                mechanism: shortened(&algorithm),
            });
        }
        return Err(bad_query(
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"",
        ));
    }
    let credential = query.need("X-Amz-Credential")?;
    let signature = query.need("X-Amz-Signature")?.value;
    let amz_date = query.need("X-Amz-Date")?.value;
    let signed_headers = query.need("X-Amz-SignedHeaders")?.value;
    let expires = expires(&query.need("X-Amz-Expires")?.value)?;
    let token = query.one("X-Amz-Security-Token")?;
    let session_token = token.map(|parameter| Token(parameter.value));
    let signed_at = time::parse_amz_date(&amz_date).ok_or_else(|| {
        bad_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    })?;
    if !plausible(&signed_headers) {
        return Err(bad_query(
            "The X-Amz-SignedHeaders parameter is mal-formed.",
        ));
    }
    let scope = Scope::parse(&credential.value).ok_or_else(|| bad_query(BAD_CREDENTIAL))?;
    // Every piece is in what was sent as well, between escaped slashes, unless the client escaped more than it had to.
    let mut sent = SentPieces(credential.raw);
    let mut piece = |text: &str| match sent.next() {
        Some(sent) if sent == text => Cow::Borrowed(sent),
        _ => Cow::Owned(text.to_owned()),
    };
    Ok(V4 {
        carrier: Carrier::Query,
        access_key_id: piece(scope.access_key_id),
        date: piece(scope.date),
        region: piece(scope.region),
        service: piece(scope.service),
        signed_headers,
        signature,
        amz_date,
        signed_at,
        expires: Some(expires),
        session_token,
        credential: credential.value,
    })
}

/// The pieces of a credential as a query holds it.
struct SentPieces<'a>(&'a str);

impl<'a> Iterator for SentPieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let all = self.0;
        let end = memchr::memchr2(b'%', b'/', all.as_bytes()).unwrap_or(all.len());
        let (piece, rest) = all.split_at_checked(end)?;
        let slash = ["%2F", "%2f", "/"];
        self.0 = slash
            .iter()
            .find_map(|slash| rest.strip_prefix(slash))
            .unwrap_or_default();
        Some(piece)
    }
}

fn expires(text: &str) -> Result<u32, AuthError> {
    let number: i64 = text
        .parse()
        .map_err(|_| bad_query("X-Amz-Expires should be a number"))?;
    match u32::try_from(number) {
        Ok(seconds @ 1..=MOST_EXPIRES) => Ok(seconds),
        Ok(0) | Err(_) if number <= 0 => Err(bad_query("X-Amz-Expires must be positive")),
        _ => Err(bad_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given \
             X-Amz-Expires must be less than 604800 seconds",
        )),
    }
}

fn presigned_v2(mut query: Query<'_>) -> Result<V2<'_>, AuthError> {
    const MISSING: &str = "Query-string authentication requires the Signature, Expires and \
        AWSAccessKeyId parameters";
    let mut need = |name: &str| {
        let found = query.one(name)?.map(|parameter| parameter.value);
        found
            .filter(|value| !value.is_empty())
            .ok_or_else(|| bad_query(MISSING))
    };
    let expires = need("Expires")?;
    let expires = expires.parse::<i64>().map_err(|_| {
        bad_query(format!(
            "Invalid date (should be seconds since epoch): {}",
            shortened(&expires)
        ))
    })?;
    let (access_key_id, signature) = (need("AWSAccessKeyId")?, need("Signature")?);
    let token = query.one("x-amz-security-token")?;
    Ok(V2 {
        carrier: Carrier::Query,
        access_key_id,
        signature,
        expires: Some(expires),
        session_token: token.map(|parameter| Token(parameter.value)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_a_signature_needs_is_taken_out_of_a_query() {
        let signed = "X-Amz-Algorithm=A&X-Amz-Credential=k%2F1&X-Amz-Date=d&X-Amz-Expires=1&X-Amz-SignedHeaders=host\
            &X-Amz-Security-Token=t&X-Amz-Content-Sha256=c&X-Amz-Signature=s";
        for (query, left) in [
            ("", ""),
            ("uploads", "uploads"),
            (signed, ""),
            ("a=1&X-Amz-Date=d&b=%2F&X-Amz-Signature=s&c", "a=1&b=%2F&c"),
            ("X-Amz-Signature", ""),
            // What a signature does not know is the request's own.
            ("X-Amz-Acl=private&X-Amz-Date=d", "X-Amz-Acl=private"),
            (
                "x-amz-date=d&X-Amz-Dates=1&X%2DAmz-Date=1",
                "x-amz-date=d&X-Amz-Dates=1&X%2DAmz-Date=1",
            ),
        ] {
            assert_eq!(without_signature(query), left, "{query}");
        }
    }

    #[test]
    fn pieces_of_a_credential_are_found_where_they_were_sent() {
        for (sent, borrowed) in [
            ("K%2F20260102%2Fr%2fs%2Faws4_request", true),
            ("K/20260102/r/s/aws4_request", true),
            ("%4B%2F20260102%2Fr%2Fs%2Faws4_request", false),
        ] {
            let query = format!(
                "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={sent}&X-Amz-Date=20260102T030405Z\
                 &X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"
            );
            let claim = presigned_v4(Query::read(&query).unwrap()).unwrap();
            let pieces = [
                &claim.access_key_id,
                &claim.date,
                &claim.region,
                &claim.service,
            ];
            assert_eq!(pieces.map(|piece| &**piece), ["K", "20260102", "r", "s"]);
            assert_eq!(
                matches!(claim.access_key_id, Cow::Borrowed(_)),
                borrowed,
                "{sent}"
            );
            assert_eq!(claim.credential, "K/20260102/r/s/aws4_request");
        }
    }
}
