//! What signature version 2 leaves open. It signs a list of sub-resources and the `x-amz-` family, and no
//! other query parameter: whoever holds a URL may add some. None of them may change what is done.

use adit_policy::actions::{Api, Facts, Operation};
use adit_wire::s3::{self, Recognised};
use adit_wire::sigv4;
use adit_wire::{ErrorReply, OperationRef, Parts};
use percent_encoding::percent_decode_str;

use crate::address::Place;

/// Checks that the parameters of a URL which version 2 does not sign change nothing.
///
/// # Errors
/// `AccessDenied` when they do.
pub(crate) fn check(place: &Place, wire: &Parts<'_>, op: &OperationRef) -> Result<(), ErrorReply> {
    moved_headers_are_signed(wire.query)?;
    let kept: Vec<&str> = wire
        .query
        .split('&')
        .filter(|pair| is_signed(pair))
        .collect();
    let query = kept.join("&");
    let signed = s3::recognise(
        &place.address,
        &Parts {
            query: &query,
            ..*wire
        },
    );
    let same = match signed {
        Ok(Recognised::Operation(meant)) => meant == *op || needs(&meant) == needs(op),
        _ => false,
    };
    match same {
        true => Ok(()),
        false => Err(unsigned(
            "There were query parameters present in the request which were not signed",
        )),
    }
}

/// Signers write the `x-amz-` parameters of a URL in lower case. One that is spelled otherwise was added
/// by somebody else: it is refused by its name, before the signature over all of them would fail.
fn moved_headers_are_signed(query: &str) -> Result<(), ErrorReply> {
    const FAMILY: &str = "x-amz-";
    for pair in query.split('&') {
        let name = name(pair);
        let family = name.get(..FAMILY.len());
        if family.is_some_and(|family| family.eq_ignore_ascii_case(FAMILY) && family != FAMILY) {
            let error = unsigned("There were headers present in the request which were not signed");
            return Err(error.with("HeadersNotSigned", name.to_ascii_lowercase()));
        }
    }
    Ok(())
}

fn is_signed(pair: &str) -> bool {
    sigv4::v2_signs(&name(pair))
}

fn name(pair: &str) -> String {
    let name = pair.split('=').next().unwrap_or_default();
    percent_decode_str(name).decode_utf8_lossy().into_owned()
}

/// What an operation must be allowed: operations that need the same may stand for each other.
fn needs(op: &OperationRef) -> Option<Vec<String>> {
    let row = Operation::find(Api::S3, op.name())?;
    let needs = row.needs(&Facts::default());
    Some(
        needs
            .map(|need| format!("{} {:?}", need.action.name(), need.on))
            .collect(),
    )
}

fn unsigned(message: &str) -> ErrorReply {
    ErrorReply::new("AccessDenied", 403, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_family_is_signed_in_lower_case_only() {
        moved_headers_are_signed("AWSAccessKeyId=a&x-amz-acl=private&x-id=1").unwrap();
        for query in ["X-Amz-Acl=private", "a=b&%58-amz-acl=private", "x-AMZ-acl"] {
            assert_eq!(
                moved_headers_are_signed(query).unwrap_err().code,
                "AccessDenied",
                "{query}"
            );
        }
    }
}
