//! From the notes on a request to its line.

use adit_model::{KeyOwner, Millis};
use adit_snapshot::Snapshot;
use adit_wire::sigv4::Carrier;
use http::Version;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, REFERER, USER_AGENT};
use http::request::Parts;

use super::{Line, operation};
use crate::account::Account;
use crate::authenticate::Identity;
use crate::connection::Connection;
use crate::ids::RequestId;
use crate::reply::Reply;

/// Most characters of a header in a line.
const MOST: usize = 1024;

impl Account {
    /// Notes who asks, and how they prove it.
    pub(crate) fn identified(&mut self, snapshot: &Snapshot, identity: &Identity) {
        let Some(log) = &mut self.log else { return };
        // The root user is told by the account's canonical id, others by their names.
        log.requester = identity.key.as_ref().map(|key| match key.key.owner {
            KeyOwner::Root if key.session.is_none() => {
                let account = snapshot.intent.accounts.get(key.key.account.as_str());
                account.map_or_else(|| key.arn.clone(), |account| account.canonical_id.clone())
            }
            _ => key.arn.clone(),
        });
        let Some(signature) = &identity.signature else {
            return;
        };
        log.signature = Some(match signature.version {
            "AWS" => "SigV2",
            _ => "SigV4",
        });
        log.auth = Some(match signature.carrier {
            Carrier::Header => "AuthHeader",
            Carrier::Query => "QueryString",
            Carrier::Form => "POST",
        });
    }

    /// The line of the bucket's access log; none where it keeps none.
    pub(crate) fn line(
        &mut self,
        parts: &Parts,
        connection: &Connection,
        now: Millis,
        id: &RequestId,
        reply: &Reply,
        error: Option<&str>,
    ) -> Option<Line> {
        let log = self.log.take()?;
        let view = self.bucket.as_ref()?;
        let header = |name| {
            let text = parts.headers.get(name)?;
            let text = String::from_utf8_lossy(text.as_bytes());
            Some(text.chars().take(MOST).collect::<String>())
        };
        let method = parts.method.as_str();
        let answered = |name| {
            let value: Option<&http::HeaderValue> = reply.headers.get(name);
            value.and_then(|value| value.to_str().ok())
        };
        // Of a piece the range tells the whole.
        let whole = answered(CONTENT_RANGE.as_str()).and_then(|range| range.rsplit('/').next());
        let sized = matches!(
            self.operation.as_deref(),
            Some("GetObject" | "HeadObject" | "PutObject")
        );
        let length = match self.operation.as_deref() {
            Some("PutObject") => parts
                .headers
                .get("x-amz-decoded-content-length")
                .or_else(|| parts.headers.get(CONTENT_LENGTH))
                .and_then(|value| value.to_str().ok()),
            _ => answered(CONTENT_LENGTH.as_str()),
        };
        let size = whole.or(length).and_then(|text| text.parse().ok());
        let target = parts
            .uri
            .path_and_query()
            .map_or("/", |target| target.as_str());
        Some(Line {
            // What the owner is called in lists.
            owner: log.owner,
            bucket: view.bucket.name.to_string(),
            incarnation: view.bucket.incarnation.clone(),
            time: now,
            peer: connection.peer.ip(),
            requester: log.requester,
            request_id: id.as_str().to_owned(),
            operation: operation(self.operation.as_deref().unwrap_or_default(), method),
            key: log.key,
            method: method.to_owned(),
            target: target.to_owned(),
            http: match parts.version {
                Version::HTTP_2 => "HTTP/2",
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            status: reply.status.as_u16(),
            error: error.map(str::to_owned),
            size: size.filter(|_| sized && error.is_none()),
            begun: self.begun,
            turned: self.begun.map_or(0, |at| at.elapsed().as_millis()),
            referer: header(REFERER),
            user_agent: header(USER_AGENT),
            version: answered("x-amz-version-id").map(str::to_owned),
            host_id: String::from_utf8_lossy(&id.host_id()).into_owned(),
            signature: log.signature,
            auth: log.auth,
            host: log.host,
            tls: connection.tls.map(|tls| tls.as_str()),
            access_point: log.access_point,
            acl: log.by_acl && error.is_none(),
            batch: log.batch,
        })
    }
}
