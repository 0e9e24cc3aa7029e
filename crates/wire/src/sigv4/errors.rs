//! What each service says about a signature that does not hold.

use super::{AuthError, Carrier, Mismatch};
use crate::protocol::ErrorReply;
use crate::tables::{Protocol, Service};
use crate::time;

/// The families of wording.
enum Voice {
    S3,
    Ec2,
    Query,
    Json,
}

fn voice(service: Service) -> Voice {
    match service {
        Service::S3 | Service::S3Control => Voice::S3,
        Service::Ec2 => Voice::Ec2,
        other if other.protocol() == Protocol::Json => Voice::Json,
        _ => Voice::Query,
    }
}

pub(super) fn reply(error: &AuthError, service: Service) -> ErrorReply {
    match voice(service) {
        Voice::S3 => s3(error),
        Voice::Ec2 => ec2(error),
        Voice::Query => query(error),
        Voice::Json => json(error),
    }
}

fn moment(millis: i64) -> String {
    time::iso8601(millis, false)
}

fn s3(error: &AuthError) -> ErrorReply {
    let bad_header = |reason: &str| {
        ErrorReply::new(
            "AuthorizationHeaderMalformed",
            400,
            format!("The authorization header is malformed; {reason}"),
        )
    };
    let bad_query =
        |reason: &str| ErrorReply::new("AuthorizationQueryParametersError", 400, reason);
    let bad_scope = |carrier: Carrier, reason: String| match carrier {
        Carrier::Header => bad_header(&reason),
        _ => bad_query(&format!(
            "Error parsing the X-Amz-Credential parameter; {reason}"
        )),
    };
    match error {
        AuthError::Missing => ErrorReply::new("AccessDenied", 403, "Access Denied"),
        AuthError::UnknownKey { access_key_id } => ErrorReply::new(
            "InvalidAccessKeyId",
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        )
        .with("AWSAccessKeyId", access_key_id),
        AuthError::ExpiredToken { token, .. } => {
            ErrorReply::new("ExpiredToken", 400, "The provided token has expired.")
                .with("Token-0", token.expose())
        }
        AuthError::InvalidToken { token, .. } => ErrorReply::new(
            "InvalidToken",
            400,
            "The provided token is malformed or otherwise invalid.",
        )
        .with("Token-0", token.expose()),
        AuthError::TwoMechanisms => ErrorReply::new(
            "InvalidArgument",
            400,
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
             query string parameter or the Authorization header should be specified",
        )
        .with("ArgumentName", "Authorization"),
        AuthError::MalformedHeader { reason } => bad_header(reason),
        AuthError::MalformedQuery { reason } if reason.starts_with("Bucket POST") => {
            ErrorReply::new("InvalidArgument", 400, reason)
        }
        AuthError::MalformedQuery { reason } => bad_query(reason),
        AuthError::MissingDate => ErrorReply::new(
            "AccessDenied",
            403,
            "AWS authentication requires a valid Date or x-amz-date header",
        ),
        AuthError::UnsupportedMechanism { .. } => ErrorReply::new(
            "InvalidRequest",
            400,
            "The authorization mechanism you have provided is not supported. Please use \
             AWS4-HMAC-SHA256.",
        ),
        AuthError::WrongRegion {
            got,
            expected,
            carrier,
        } => bad_scope(
            *carrier,
            format!("the region '{got}' is wrong; expecting '{expected}'"),
        )
        .with("Region", expected),
        AuthError::WrongService {
            got,
            expected,
            carrier,
        } => bad_scope(
            *carrier,
            format!("incorrect service \"{got}\". This endpoint belongs to \"{expected}\"."),
        ),
        AuthError::WrongDate {
            scope,
            date,
            carrier,
        } => bad_scope(
            *carrier,
            format!(
                "Invalid credential date \"{scope}\". This date is not the same as X-Amz-Date: \
                 \"{}\".",
                date.get(..8).unwrap_or(date)
            ),
        ),
        AuthError::Skewed { request, now } => ErrorReply::new(
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        )
        .with("RequestTime", time::amz_date(*request))
        .with("ServerTime", moment(*now))
        .with("MaxAllowedSkewMilliseconds", "900000"),
        AuthError::Expired {
            validity,
            expires,
            now,
        } => {
            let reply = ErrorReply::new("AccessDenied", 403, "Request has expired");
            let reply = match validity {
                Some(seconds) => reply.with("X-Amz-Expires", seconds.to_string()),
                None => reply,
            };
            reply
                .with("Expires", moment(*expires))
                .with("ServerTime", moment(*now))
        }
        AuthError::HeadersNotSigned { headers } => ErrorReply::new(
            "AccessDenied",
            403,
            "There were headers present in the request which were not signed",
        )
        .with("HeadersNotSigned", headers),
        AuthError::MissingHeader { name } => ErrorReply::new(
            "MissingSecurityHeader",
            400,
            "Your request was missing a required header",
        )
        .with("MissingHeaderName", *name),
        AuthError::BadPayloadHash { value } => ErrorReply::new(
            "InvalidArgument",
            400,
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
             STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a \
             valid sha256 value.",
        )
        .with("ArgumentName", "x-amz-content-sha256")
        .with("ArgumentValue", value),
        AuthError::PayloadMismatch { client, computed } => ErrorReply::new(
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
        .with("ClientComputedContentSHA256", client)
        .with("S3ComputedContentSHA256", computed),
        AuthError::Mismatch(mismatch) => s3_mismatch(mismatch),
    }
}

fn s3_mismatch(mismatch: &Mismatch) -> ErrorReply {
    let spaced = |text: &str| {
        text.bytes()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<String>>()
            .join(" ")
    };
    let reply = ErrorReply::new(
        "SignatureDoesNotMatch",
        403,
        "The request signature we calculated does not match the signature you provided. Check \
         your key and signing method.",
    )
    .with("AWSAccessKeyId", &mismatch.access_key_id)
    .with("StringToSign", &mismatch.string_to_sign)
    .with("SignatureProvided", &mismatch.signature)
    .with("StringToSignBytes", spaced(&mismatch.string_to_sign));
    if mismatch.canonical_request.is_empty() {
        return reply;
    }
    reply
        .with("CanonicalRequest", &mismatch.canonical_request)
        .with("CanonicalRequestBytes", spaced(&mismatch.canonical_request))
}

fn ec2(error: &AuthError) -> ErrorReply {
    match error {
        AuthError::Missing => ErrorReply::new(
            "MissingAuthenticationToken",
            400,
            "The request must contain a valid (registered) AWS access key ID.",
        ),
        AuthError::Skewed { request, now } => ErrorReply::new(
            "RequestExpired",
            400,
            format!(
                "Request has expired. Timestamp date is {}, current date is {}.",
                moment(*request),
                moment(*now)
            ),
        ),
        AuthError::Expired { .. } | AuthError::ExpiredToken { .. } => {
            ErrorReply::new("RequestExpired", 400, "Request has expired.")
        }
        AuthError::MalformedHeader { reason } | AuthError::MalformedQuery { reason } => {
            ErrorReply::new("IncompleteSignature", 400, reason)
        }
        AuthError::MissingDate
        | AuthError::TwoMechanisms
        | AuthError::UnsupportedMechanism { .. } => {
            ErrorReply::new("IncompleteSignature", 400, sentence(error))
        }
        _ => ErrorReply::new(
            "AuthFailure",
            401,
            "AWS was not able to validate the provided access credentials",
        ),
    }
}

const NO_MATCH: &str = "The request signature we calculated does not match the signature you \
    provided. Check your AWS Secret Access Key and signing method. Consult the service \
    documentation for details.";

/// The text of the signature check that the other services share.
fn sentence(error: &AuthError) -> String {
    match error {
        AuthError::Missing => "Request is missing Authentication Token".to_owned(),
        AuthError::UnknownKey { .. } | AuthError::InvalidToken { .. } => {
            "The security token included in the request is invalid.".to_owned()
        }
        AuthError::ExpiredToken { .. } => {
            "The security token included in the request is expired".to_owned()
        }
        AuthError::WrongRegion { .. } => {
            "Credential should be scoped to a valid region.".to_owned()
        }
        AuthError::WrongService { expected, .. } => {
            format!("Credential should be scoped to correct service: '{expected}'.")
        }
        AuthError::WrongDate { scope, date, .. } => format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{scope}' != '{}', from '{date}'.",
            date.get(..8).unwrap_or(date)
        ),
        AuthError::Skewed { request, now } if request < now => format!(
            "Signature expired: {} is now earlier than {} ({} - 15 min.)",
            time::amz_date(*request),
            time::amz_date(now.saturating_sub(900_000)),
            time::amz_date(*now)
        ),
        AuthError::Skewed { request, now } => format!(
            "Signature not yet current: {} is still later than {} ({} + 15 min.)",
            time::amz_date(*request),
            time::amz_date(now.saturating_add(900_000)),
            time::amz_date(*now)
        ),
        AuthError::Expired { expires, now, .. } => format!(
            "Signature expired: {} is now earlier than {}",
            time::amz_date(*expires),
            time::amz_date(*now)
        ),
        AuthError::HeadersNotSigned { headers } => {
            format!("'{headers}' must be a 'SignedHeader' in the AWS Authorization.")
        }
        AuthError::MalformedHeader { reason } | AuthError::MalformedQuery { reason } => {
            reason.clone()
        }
        AuthError::MissingDate => {
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
                .to_owned()
        }
        AuthError::TwoMechanisms => {
            "Only one authentication mechanism may be used in a request.".to_owned()
        }
        AuthError::UnsupportedMechanism { mechanism } => {
            format!("Unsupported AWS 'algorithm': '{mechanism}'.")
        }
        AuthError::MissingHeader { .. }
        | AuthError::BadPayloadHash { .. }
        | AuthError::PayloadMismatch { .. }
        | AuthError::Mismatch(_) => NO_MATCH.to_owned(),
    }
}

/// Code and status of the services that share the signature check, as Query and as JSON have them.
fn codes(error: &AuthError) -> (&'static str, u16, &'static str) {
    match error {
        AuthError::Missing => (
            "MissingAuthenticationToken",
            403,
            "MissingAuthenticationTokenException",
        ),
        AuthError::UnknownKey { .. } | AuthError::InvalidToken { .. } => {
            ("InvalidClientTokenId", 403, "UnrecognizedClientException")
        }
        AuthError::ExpiredToken { .. } => ("ExpiredToken", 403, "ExpiredTokenException"),
        AuthError::MalformedHeader { .. }
        | AuthError::MalformedQuery { .. }
        | AuthError::MissingDate
        | AuthError::TwoMechanisms
        | AuthError::UnsupportedMechanism { .. } => {
            ("IncompleteSignature", 400, "IncompleteSignatureException")
        }
        _ => ("SignatureDoesNotMatch", 403, "InvalidSignatureException"),
    }
}

fn query(error: &AuthError) -> ErrorReply {
    let (code, status, _) = codes(error);
    ErrorReply::new(code, status, sentence(error))
}

fn json(error: &AuthError) -> ErrorReply {
    let (_, _, code) = codes(error);
    ErrorReply::new(code, 400, sentence(error))
}
