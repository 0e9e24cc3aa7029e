//! A body that streams through: checked while it passes, and complete at the upstream only if it was right.
//!
//! The last piece is held back until every digest that the client gave has been compared: an upstream
//! that waits for more bytes keeps nothing of a broken request.

use adit_objects::{BodyChecks, ChecksumAlgorithm, RunningChecksum};
use adit_upstream::{Answer, Body, Feed, Payload, UpstreamError};
use adit_wire::ErrorReply;
use bytes::Bytes;
use ring::digest;

use super::answer::failed;
use super::request::Outgoing;
use crate::origins::Place;
use crate::upload::{Upload, checksum_differs, hex, incomplete, payload_differs};

/// Sends the request with the client's body.
///
/// # Errors
/// What is wrong with the body; `ServiceUnavailable` when there is no answer.
pub(super) async fn stream(
    upload: &mut Upload,
    outgoing: Outgoing<'_>,
) -> Result<Answer, ErrorReply> {
    let length = upload.required_length()?;
    let place = outgoing.place();
    let upstream = &place.origin.upstream;
    let payload = match upload.sha256() {
        // Costs nothing more, and where there is no TLS it protects the body on its way.
        Some(hash) if !upstream.endpoint().is_tls() => Payload::Sha256(hex(&hash)),
        _ => Payload::Unsigned,
    };
    through(upload, Some(length), place, |body| {
        upstream.call(outgoing.call(payload, body))
    })
    .await
}

/// A body in pieces, and what it must be.
pub(super) trait Pieces {
    /// The next bytes; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ErrorReply>;
    /// Whether SHA-256 is among the checks.
    fn binds_sha256(&self) -> bool;
    /// The checksum among the checks.
    fn algorithm(&self) -> Option<ChecksumAlgorithm>;
    /// The checks, after the end.
    fn checks(&self) -> Result<BodyChecks, ErrorReply>;
}

impl Pieces for Upload {
    async fn next(&mut self) -> Result<Option<Bytes>, ErrorReply> {
        Upload::next(self).await
    }

    fn binds_sha256(&self) -> bool {
        Upload::binds_sha256(self)
    }

    fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.declared().algorithm()
    }

    fn checks(&self) -> Result<BodyChecks, ErrorReply> {
        Upload::checks(self)
    }
}

/// Sends a request whose body is the client's: `length` bytes, or as many as come.
///
/// # Errors
/// As [`stream`].
pub(super) async fn through<P: Pieces, F>(
    upload: &mut P,
    length: Option<u64>,
    place: &Place,
    send: impl FnOnce(Body) -> F,
) -> Result<Answer, ErrorReply>
where
    F: Future<Output = Result<Answer, UpstreamError>>,
{
    let mut passing = Passing::new(upload);
    if length == Some(0) {
        passing.all(upload, None).await?;
        let answer = send(Body::empty()).await;
        return answer.map_err(|why| failed(place, &why));
    }
    let (feed, body) = Body::fed(length);
    let mut sending = std::pin::pin!(send(body));
    let early = {
        let mut pumping = std::pin::pin!(passing.all(upload, Some(feed)));
        tokio::select! {
            answer = &mut sending => Some(answer),
            pumped = &mut pumping => {
                pumped?;
                None
            }
        }
    };
    let answer = match early {
        Some(answer) => answer,
        None => sending.await,
    };
    answer.map_err(|why| failed(place, &why))
}

/// Digests of a body on its way.
struct Passing {
    sha256: Option<digest::Context>,
    checksum: Option<RunningChecksum>,
    length: u64,
}

impl Passing {
    fn new(upload: &impl Pieces) -> Passing {
        Passing {
            sha256: upload
                .binds_sha256()
                .then(|| digest::Context::new(&digest::SHA256)),
            checksum: upload.algorithm().map(RunningChecksum::new),
            length: 0,
        }
    }

    /// Takes the whole body through. When nobody takes it any more that is no error here: the answer tells
    /// why.
    async fn all<P: Pieces>(
        &mut self,
        upload: &mut P,
        feed: Option<Feed>,
    ) -> Result<(), ErrorReply> {
        let mut held: Option<Bytes> = None;
        while let Some(data) = upload.next().await? {
            if let Some(sha256) = &mut self.sha256 {
                sha256.update(&data);
            }
            if let Some(checksum) = &mut self.checksum {
                checksum.update(&data);
            }
            self.length += data.len() as u64;
            if let (Some(feed), Some(before)) = (&feed, held.replace(data))
                && feed.give(before).await.is_err()
            {
                return Ok(());
            }
        }
        self.compare(&upload.checks()?)?;
        if let Some(feed) = &feed {
            let _ = feed.give(held.unwrap_or_default()).await;
            // Only a body without a length needs to be told; another has ended already.
            let _ = feed.end().await;
        }
        Ok(())
    }

    fn compare(&mut self, checks: &BodyChecks) -> Result<(), ErrorReply> {
        if checks.length.is_some_and(|length| length != self.length) {
            return Err(incomplete());
        }
        if let (Some(expected), Some(computed)) = (checks.payload_sha256, self.sha256.take()) {
            let computed = computed.finish();
            if computed.as_ref() != expected {
                return Err(payload_differs(&expected, computed.as_ref()));
            }
        }
        if let (Some(expected), Some(computed)) = (checks.checksum, self.checksum.take()) {
            let computed = computed.finish();
            if computed != expected {
                return Err(checksum_differs(expected.algorithm()));
            }
        }
        Ok(())
    }
}
