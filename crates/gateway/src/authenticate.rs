//! Who signed a request, if anybody.

use std::sync::Arc;

use adit_model::{Millis, Region};
use adit_snapshot::{KeyView, SignerError, Snapshot};
use adit_wire::sigv4::{self, AuthError, Body, Carrier, Claim, Expect, Key, Secret, Verified};
use adit_wire::{ErrorReply, Parts, Service};

use crate::address::Place;
use crate::gateway::Inner;

/// A caller: the key that signed, with what the signature says; or nobody.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) key: Option<Arc<KeyView>>,
    pub(crate) signature: Option<Verified>,
    /// The Region that the request was sent to.
    pub(crate) region: Region,
}

impl Identity {
    /// Whether a signature was verified.
    pub(crate) fn is_signed(&self) -> bool {
        self.key.is_some()
    }
}

/// Verifies the signature of a request over exactly what was received. The body is checked as it
/// streams.
///
/// # Errors
/// In S3's codes: an unknown or inactive key, a signature that does not hold, a mechanism that is not
/// served.
pub(crate) fn authenticate(
    gateway: &Inner,
    snapshot: &Snapshot,
    wire: &Parts<'_>,
    place: &Place,
    service: Service,
    now: Millis,
) -> Result<Identity, ErrorReply> {
    let refuse = |why: sigv4::AuthError| why.reply(service);
    let claim = sigv4::claim(wire).map_err(refuse)?;
    let find = |id: &str| {
        let token = claim.session_token();
        let found = gateway.sessions.signer(snapshot, id, token, now);
        found.map_err(|why| refuse(unknown(why, id, token)))
    };
    let region = |scope: Option<&str>| {
        place.signing_region(scope, snapshot).ok_or_else(|| {
            ErrorReply::new(
                "ServiceUnavailable",
                503,
                "This installation has no Region yet.",
            )
        })
    };
    let token = claim.session_token();
    match &claim {
        Claim::Anonymous => Ok(Identity {
            key: None,
            signature: None,
            region: region(None)?,
        }),
        Claim::V4(claim) => {
            let region = region(Some(&claim.region))?;
            let view = find(&claim.access_key_id)?;
            let secret = Secret::new(view.key.secret.expose());
            let key = Key {
                access_key_id: &view.key.id,
                secret: &secret,
                session_token: token,
            };
            let expect = Expect {
                service,
                region: Some(region.as_str()),
                now,
                body: Body::Streamed,
            };
            let verified =
                sigv4::verify(claim, wire, &key, &expect, &gateway.keys).map_err(refuse)?;
            Ok(Identity {
                key: Some(view),
                signature: Some(verified),
                region,
            })
        }
        Claim::V2(claim) => {
            if !gateway.settings.signature_v2 || claim.carrier != Carrier::Query {
                return Err(ErrorReply::new(
                    "InvalidRequest",
                    400,
                    "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
                ));
            }
            let view = find(&claim.access_key_id)?;
            let secret = Secret::new(view.key.secret.expose());
            let key = Key {
                access_key_id: &view.key.id,
                secret: &secret,
                session_token: token,
            };
            let resource = place.address.v2_resource(wire.path);
            let verified = sigv4::verify_v2(claim, wire, &resource, &key, now).map_err(refuse)?;
            Ok(Identity {
                key: Some(view),
                signature: Some(verified),
                region: region(None)?,
            })
        }
    }
}

/// Why credentials are nobody's, as signatures' errors.
fn unknown(why: SignerError, id: &str, token: Option<&str>) -> AuthError {
    let access_key_id: String = id.chars().take(128).collect();
    let token = Secret::new(token.unwrap_or_default());
    match why {
        SignerError::Unknown => AuthError::UnknownKey { access_key_id },
        SignerError::InvalidToken => AuthError::InvalidToken {
            access_key_id,
            token,
        },
        SignerError::Expired => AuthError::ExpiredToken {
            access_key_id,
            token,
        },
    }
}
