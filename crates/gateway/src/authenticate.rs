//! Who signed a request, if anybody.

use std::sync::Arc;

use adit_model::{Millis, Region};
use adit_snapshot::{KeyView, SignerError, Snapshot};
use adit_wire::sigv4::{
    self, AuthError, Body, Carrier, Claim, Expect, Key, Payload, Secret, Verified,
};
use adit_wire::{ErrorReply, Parts, Service};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

use crate::address::Place;
use crate::forward::Pass;
use crate::gateway::Inner;
use crate::origins::Origin;

/// A caller: the key that signed, with what the signature says; or nobody.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) key: Option<Arc<KeyView>>,
    pub(crate) signature: Option<Verified>,
    /// The Region that the request was sent to.
    pub(crate) region: Region,
    /// Somebody whose signature only an upstream can verify: see [`Pass`].
    pub(crate) pass: Option<Pass>,
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
    let token = claim.session_token();
    let find = |id: &str| signer(gateway, snapshot, service, id, token, now);
    match &claim {
        Claim::Anonymous => nobody(snapshot, place),
        Claim::V4(claim) => {
            let region = region(snapshot, place, Some(&claim.region))?;
            let id = &claim.access_key_id;
            if service == Service::S3
                && snapshot.key(id).is_none()
                && let Some((origin, arn)) = gateway.origins.principal(id)
            {
                return passing(snapshot, claim, (origin, arn), wire, region, now);
            }
            let view = find(id)?;
            holder(gateway, view, token, service, region, now, |key, region| {
                let expect = Expect {
                    service,
                    region: Some(region),
                    now,
                    body: Body::Streamed,
                };
                sigv4::verify(claim, wire, key, &expect, &gateway.keys)
            })
        }
        Claim::V2(claim) => {
            if !gateway.settings.signature_v2 || claim.carrier != Carrier::Query {
                return Err(unsupported());
            }
            let view = find(&claim.access_key_id)?;
            let resource = place.address.v2_resource(wire.path);
            let region = region(snapshot, place, None)?;
            holder(gateway, view, token, service, region, now, |key, _| {
                sigv4::verify_v2(claim, wire, &resource, key, now)
            })
        }
    }
}

/// Somebody who signed with a key of an upstream's: for whom the key stands, the operator says; that they
/// hold its secret, the upstream will.
fn passing(
    snapshot: &Snapshot,
    claim: &sigv4::V4<'_>,
    (origin, arn): (&Arc<Origin>, &str),
    wire: &Parts<'_>,
    region: Region,
    now: Millis,
) -> Result<Identity, ErrorReply> {
    let view = snapshot.user_of(arn, &claim.access_key_id).ok_or_else(|| {
        tracing::error!(%arn, origin = %origin.name, "no such user for an upstream's access key");
        ErrorReply::new("AccessDenied", 403, "Access Denied")
    })?;
    let mut headers = HeaderMap::new();
    for (name, value) in wire.headers.iter() {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_bytes(value),
        ) {
            headers.append(name, value);
        }
    }
    Ok(Identity {
        key: Some(Arc::new(view)),
        signature: Some(Verified {
            carrier: claim.carrier,
            version: "AWS4-HMAC-SHA256",
            age: now.saturating_sub(claim.signed_at).max(0),
            payload: Payload::Unsigned,
            chain: None,
        }),
        region,
        pass: Some(Pass {
            origin: origin.clone(),
            headers,
        }),
    })
}

/// Nobody in particular.
///
/// # Errors
/// `ServiceUnavailable` where there is no Region yet.
pub(crate) fn nobody(snapshot: &Snapshot, place: &Place) -> Result<Identity, ErrorReply> {
    Ok(Identity {
        key: None,
        signature: None,
        region: region(snapshot, place, None)?,
        pass: None,
    })
}

/// Verifies the signature that a form's fields hold.
///
/// # Errors
/// As [`authenticate`].
pub(crate) fn form(
    gateway: &Inner,
    snapshot: &Snapshot,
    fields: &[(&str, &str)],
    place: &Place,
    now: Millis,
) -> Result<Identity, ErrorReply> {
    let refuse = |why: sigv4::AuthError| why.reply(Service::S3);
    let claim = sigv4::form_claim(fields).map_err(refuse)?;
    let (id, scope) = match &claim {
        Claim::Anonymous => return nobody(snapshot, place),
        Claim::V4(claim) => (&claim.access_key_id, Some(&*claim.region)),
        Claim::V2(claim) if gateway.settings.signature_v2 => (&claim.access_key_id, None),
        Claim::V2(_) => return Err(unsupported()),
    };
    let region = region(snapshot, place, scope)?;
    let token = claim.session_token();
    let view = signer(gateway, snapshot, Service::S3, id, token, now)?;
    let service = Service::S3;
    holder(gateway, view, token, service, region, now, |key, region| {
        let expect = Expect {
            service,
            region: Some(region),
            now,
            body: Body::Streamed,
        };
        sigv4::verify_form(&claim, fields, key, &expect, &gateway.keys)
    })
}

/// Who holds a key, once `verify` finds that the signature was made with its secret for the Region. The use
/// of the key is noted.
///
/// # Errors
/// Those of `verify`, in the service's codes.
pub(crate) fn holder(
    gateway: &Inner,
    view: Arc<KeyView>,
    token: Option<&str>,
    service: Service,
    region: Region,
    now: Millis,
    verify: impl FnOnce(&Key<'_>, &str) -> Result<Verified, AuthError>,
) -> Result<Identity, ErrorReply> {
    let secret = Secret::new(view.key.secret.expose());
    let key = Key {
        access_key_id: &view.key.id,
        secret: &secret,
        session_token: token,
    };
    let verified = verify(&key, region.as_str()).map_err(|why| why.reply(service))?;
    note(gateway, &view, service, &region, now);
    Ok(Identity {
        key: Some(view),
        signature: Some(verified),
        region,
        pass: None,
    })
}

fn region(snapshot: &Snapshot, place: &Place, scope: Option<&str>) -> Result<Region, ErrorReply> {
    place.signing_region(scope, snapshot).ok_or_else(|| {
        ErrorReply::new(
            "ServiceUnavailable",
            503,
            "This installation has no Region yet.",
        )
    })
}

fn unsupported() -> ErrorReply {
    ErrorReply::new(
        "InvalidRequest",
        400,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    )
}

/// The key with this id, as the session that a token stands for if there is one.
pub(crate) fn signer(
    gateway: &Inner,
    snapshot: &Snapshot,
    service: Service,
    id: &str,
    token: Option<&str>,
    now: Millis,
) -> Result<Arc<KeyView>, ErrorReply> {
    let found = gateway.sessions.signer(snapshot, id, token, now);
    found.map_err(|why| unknown(why, id, token).reply(service))
}

/// Notes the use of a long-term key whose signature held.
fn note(gateway: &Inner, view: &KeyView, service: Service, region: &Region, now: Millis) {
    if view.session.is_none() {
        let name = service.signing_name();
        gateway.uses.note(&view.key.id, name, region.as_str(), now);
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
