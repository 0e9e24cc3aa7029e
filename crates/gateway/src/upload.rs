//! A request's body on its way in: unframed and checked as it streams, never held.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use adit_objects::{BodyChecks, Checksum, ChecksumAlgorithm, EtagKind, Md5};
use adit_wire::chunked::{Chain, ChunkError, Decoder, Step};
use adit_wire::sigv4::{self, AuthError, Payload, Verified};
use adit_wire::{ErrorReply, Headers, Service};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use hyper::body::Incoming;
use ring::digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::pace::Pace;
use crate::settings::Settings;

/// A body and what the request's head and signature say of it.
#[derive(Debug)]
pub(crate) struct Upload {
    body: Incoming,
    timeout: Duration,
    pace: Pace,
    framing: Framing,
    /// Bytes received and not yet handed out.
    rest: Bytes,
    ended: bool,
    /// The hash that the signature binds.
    sha256: Option<[u8; 32]>,
    length: Option<u64>,
    declared: Declared,
    /// Whether somebody else unframes and checks it.
    raw: bool,
    /// The room that a body takes which is held as a whole.
    held: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
enum Framing {
    Plain,
    Chunked { decoder: Box<Decoder>, done: bool },
}

/// Digests that the client announces, in headers or as a trailer to come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    md5: Option<[u8; 16]>,
    checksum: Option<Checksum>,
    trailer: Option<ChecksumAlgorithm>,
}

impl Declared {
    /// How the entity tag is made, where the settings say `kind`: a client's MD5 must be compared.
    pub(crate) fn etag(&self, kind: EtagKind) -> EtagKind {
        match self.md5 {
            Some(_) => EtagKind::Md5,
            None => kind,
        }
    }

    /// Whether there is any.
    pub(crate) fn any(&self) -> bool {
        self.md5.is_some() || self.algorithm().is_some()
    }

    /// The algorithm that is announced.
    pub(crate) fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.checksum
            .map(|checksum| checksum.algorithm())
            .or(self.trailer)
    }

    /// What a store must find a body to be that is announced by these alone.
    pub(crate) fn checks(&self, length: u64) -> BodyChecks {
        BodyChecks {
            length: Some(length),
            md5: self.md5,
            checksum: self.checksum,
            payload_sha256: None,
        }
    }
}

/// Header names with a checksum value, by algorithm.
pub(crate) const CHECKSUM_HEADERS: [(&str, ChecksumAlgorithm); 5] = [
    ("x-amz-checksum-crc32", ChecksumAlgorithm::Crc32),
    ("x-amz-checksum-crc32c", ChecksumAlgorithm::Crc32c),
    ("x-amz-checksum-crc64nvme", ChecksumAlgorithm::Crc64Nvme),
    ("x-amz-checksum-sha1", ChecksumAlgorithm::Sha1),
    ("x-amz-checksum-sha256", ChecksumAlgorithm::Sha256),
];

impl Upload {
    pub(crate) fn new(body: Incoming, settings: &Settings) -> Upload {
        Upload {
            ended: body.is_end_stream(),
            body,
            timeout: settings.body_timeout,
            pace: Pace::new(settings.body_rate, settings.body_timeout),
            framing: Framing::Plain,
            rest: Bytes::new(),
            sha256: None,
            length: None,
            declared: Declared::default(),
            raw: false,
            held: None,
        }
    }

    /// Whether every byte was taken: only then may the connection carry another request.
    pub(crate) fn is_spent(&self) -> bool {
        self.ended && self.rest.is_empty()
    }

    /// Learns from head and signature how the body is framed and what it must be.
    ///
    /// # Errors
    /// Digests or lengths that cannot be read.
    pub(crate) fn expect(
        &mut self,
        headers: Headers<'_>,
        signed: Option<&Verified>,
    ) -> Result<(), ErrorReply> {
        let (bound, chain) = match signed {
            Some(verified) => (verified.payload, verified.chain.clone()),
            None => (Payload::Unsigned, None),
        };
        // Where no signature binds the body the header alone says what it is; and policies are shown what it
        // says, so it must be true.
        let payload = match (bound, headers.get("x-amz-content-sha256")) {
            (Payload::Unsigned, Some(said)) => {
                sigv4::said_unsigned(said).map_err(|why| why.reply(Service::S3))?
            }
            (bound, _) => bound,
        };
        let framed = match payload {
            Payload::Chunks | Payload::ChunksWithTrailer => true,
            Payload::UnsignedWithTrailer => true,
            Payload::Unsigned => false,
            Payload::Sha256(hash) => {
                self.sha256 = Some(hash);
                false
            }
        };
        self.declared = declared(headers, framed)?;
        if framed {
            let length = headers
                .get("x-amz-decoded-content-length")
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(no_length)?;
            let length = length.parse::<u64>().map_err(|_| no_length())?;
            self.length = Some(length);
            let trailers = trailers(headers);
            // A signature over the chunks alone must not pass for one over a trailer that is no more there.
            if payload == Payload::ChunksWithTrailer && trailers.is_empty() {
                let reason = "a trailer that is not announced".to_owned();
                return Err(ChunkError::Trailer { reason }.reply());
            }
            self.chunked(chain, length, trailers);
        } else {
            self.length = self.body.size_hint().exact();
        }
        Ok(())
    }

    /// Refuses a body of which the client announces no digest, where S3 insists on one.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub(crate) fn require_digest(&self) -> Result<(), ErrorReply> {
        let given = self.declared.md5.is_some() || self.declared.algorithm().is_some();
        // What goes on as it came is for its store to judge.
        if given || self.raw {
            return Ok(());
        }
        Err(ErrorReply::new(
            "InvalidRequest",
            400,
            "Missing required header for this request: Content-MD5",
        ))
    }

    /// Takes the body as it comes: somebody else will unframe and check it.
    pub(crate) fn expect_raw(&mut self) {
        self.raw = true;
        self.length = self.body.size_hint().exact();
    }

    fn chunked(&mut self, chain: Option<Chain>, length: u64, trailers: Vec<String>) {
        let decoder = Box::new(Decoder::new(chain, length, trailers));
        self.framing = Framing::Chunked {
            decoder,
            done: false,
        };
    }

    /// The digests that the client announces.
    pub(crate) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// The hash that the signature binds.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }

    /// Whether the body must be hashed with SHA-256.
    pub(crate) fn binds_sha256(&self) -> bool {
        self.sha256.is_some()
    }

    /// The number of bytes, if it was announced.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }

    /// How many bytes are still to come, if that was announced and the body is not framed.
    pub(crate) fn left(&self) -> Option<u64> {
        match self.framing {
            Framing::Plain => Some(self.rest.len() as u64 + self.body.size_hint().exact()?),
            Framing::Chunked { .. } => None,
        }
    }

    /// The number of bytes, which objects must announce.
    ///
    /// # Errors
    /// `MissingContentLength`.
    pub(crate) fn required_length(&self) -> Result<u64, ErrorReply> {
        self.length.ok_or_else(no_length)
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// A client that stands still or goes away; framing or chunk signatures that are wrong.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ErrorReply> {
        loop {
            if !self.rest.is_empty() {
                if let Some(data) = self.unframe()? {
                    return Ok(Some(data));
                }
                continue;
            }
            if self.ended {
                if let Framing::Chunked { decoder, .. } = &self.framing {
                    decoder.finish().map_err(|why| why.reply())?;
                }
                return Ok(None);
            }
            self.receive().await?;
        }
    }

    /// Takes a piece off what was received; none when it held no data.
    fn unframe(&mut self) -> Result<Option<Bytes>, ErrorReply> {
        let received = std::mem::take(&mut self.rest);
        let Framing::Chunked { decoder, done } = &mut self.framing else {
            return Ok(Some(received));
        };
        if *done {
            return Err(ErrorReply::new(
                "IncompleteBody",
                400,
                "The request body has bytes behind its end.",
            ));
        }
        let mut input: &[u8] = &received;
        let step = decoder.step(&mut input).map_err(|why| why.reply())?;
        let data = match step {
            Step::Data(data) => Some(received.slice_ref(data)),
            Step::More => None,
            Step::Done => {
                *done = true;
                None
            }
        };
        self.rest = received.slice_ref(input);
        Ok(data.filter(|data| !data.is_empty()))
    }

    async fn receive(&mut self) -> Result<(), ErrorReply> {
        let body = &mut self.body;
        let mut frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
        // What is there already was not waited for.
        let ready = poll_fn(|cx| {
            Poll::Ready(match Pin::new(&mut frame).poll(cx) {
                Poll::Ready(frame) => Some(frame),
                Poll::Pending => None,
            })
        });
        let (frame, waited) = match ready.await {
            Some(frame) => (frame, Duration::ZERO),
            None => {
                let begun = Instant::now();
                let frame = tokio::time::timeout(self.timeout, frame).await;
                (frame.map_err(|_| too_slow())?, begun.elapsed())
            }
        };
        match frame {
            Some(Ok(frame)) => {
                // Trailers of HTTP itself are not covered by any signature: they mean nothing here.
                if let Ok(data) = frame.into_data() {
                    self.rest = data;
                }
                if !self.pace.keeps(waited, self.rest.len()) {
                    return Err(too_slow());
                }
                if self.rest.is_empty() && self.body.is_end_stream() {
                    self.ended = true;
                }
                Ok(())
            }
            Some(Err(_)) => Err(incomplete()),
            None => {
                self.ended = true;
                Ok(())
            }
        }
    }

    /// What a store must find the body to be. Complete after the end.
    ///
    /// # Errors
    /// A trailer that is no checksum.
    pub(crate) fn checks(&self) -> Result<BodyChecks, ErrorReply> {
        let mut checks = BodyChecks {
            length: self.length,
            md5: self.declared.md5,
            checksum: self.declared.checksum,
            payload_sha256: self.sha256,
        };
        if let (Some(algorithm), Framing::Chunked { decoder, .. }) =
            (self.declared.trailer, &self.framing)
        {
            let name = header_of(algorithm);
            let value = decoder.trailers().iter().find(|(key, _)| key == name);
            let value = value.map(|(_, value)| value.as_str()).unwrap_or_default();
            checks.checksum = Some(parse_checksum(name, algorithm, value)?);
        }
        Ok(checks)
    }

    /// The whole of a small body, checked. It takes of the `room` for such bodies as it comes, until the
    /// request ends: strangers cannot make the daemon hold more, however many they are.
    ///
    /// # Errors
    /// As [`Upload::next`]; a body of more than `limit` bytes; digests that differ; `SlowDown` where there
    /// is no room.
    pub(crate) async fn whole(
        &mut self,
        limit: usize,
        room: &Arc<Semaphore>,
    ) -> Result<Bytes, ErrorReply> {
        if self.length.is_some_and(|length| length > limit as u64) {
            return Err(too_large(limit));
        }
        let mut body = BytesMut::new();
        while let Some(data) = self.next().await? {
            if body.len() + data.len() > limit {
                return Err(too_large(limit));
            }
            self.take_room(data.len(), room)?;
            body.extend_from_slice(&data);
        }
        let body = body.freeze();
        self.verify(&body)?;
        Ok(body)
    }

    fn take_room(&mut self, bytes: usize, room: &Arc<Semaphore>) -> Result<(), ErrorReply> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let taken = room
            .clone()
            .try_acquire_many_owned(bytes)
            .map_err(|_| ErrorReply::new("SlowDown", 503, "Please reduce your request rate."))?;
        match &mut self.held {
            Some(held) => held.merge(taken),
            None => self.held = Some(taken),
        }
        Ok(())
    }

    fn verify(&self, body: &[u8]) -> Result<(), ErrorReply> {
        let checks = self.checks()?;
        if let Some(expected) = checks.payload_sha256 {
            let computed = digest::digest(&digest::SHA256, body);
            if computed.as_ref() != expected {
                return Err(payload_differs(&expected, computed.as_ref()));
            }
        }
        if checks
            .length
            .is_some_and(|length| length != body.len() as u64)
        {
            return Err(incomplete());
        }
        if let Some(expected) = checks.md5 {
            let computed = Md5::of(body);
            if computed != expected {
                return Err(ErrorReply::new(
                    "BadDigest",
                    400,
                    "The Content-MD5 you specified did not match what we received.",
                )
                .with("ExpectedDigest", STANDARD.encode(expected))
                .with("CalculatedDigest", STANDARD.encode(computed)));
            }
        }
        if let Some(expected) = checks.checksum {
            let computed = Checksum::of(expected.algorithm(), body);
            if computed != expected {
                return Err(checksum_differs(expected.algorithm()));
            }
        }
        Ok(())
    }
}

/// Reads the digests of a head.
pub(crate) fn declared(headers: Headers<'_>, framed: bool) -> Result<Declared, ErrorReply> {
    let mut declared = Declared::default();
    if let Some(text) = headers.get("content-md5") {
        let raw = STANDARD
            .decode(text)
            .ok()
            .and_then(|raw| <[u8; 16]>::try_from(raw).ok());
        let Some(raw) = raw else {
            return Err(ErrorReply::new(
                "InvalidDigest",
                400,
                "The Content-MD5 you specified was invalid.",
            )
            .with("Content-MD5", text));
        };
        declared.md5 = Some(raw);
    }
    for (name, algorithm) in CHECKSUM_HEADERS {
        let Some(text) = headers.get(name) else {
            continue;
        };
        if declared.checksum.is_some() {
            return Err(several());
        }
        declared.checksum = Some(parse_checksum(name, algorithm, text)?);
    }
    // A checksum that is not known cannot be compared: it must not pass for one that was.
    if headers.iter().any(|(name, _)| is_unknown_checksum(name)) {
        return Err(ErrorReply::new(
            "InvalidRequest",
            400,
            "The algorithm type you specified in x-amz-checksum- header is invalid.",
        ));
    }
    if framed {
        for name in trailers(headers) {
            let Some((_, algorithm)) = CHECKSUM_HEADERS
                .into_iter()
                .find(|(known, _)| *known == name)
            else {
                return Err(ErrorReply::new(
                    "InvalidRequest",
                    400,
                    "The value specified in the x-amz-trailer header is not supported",
                ));
            };
            if declared.algorithm().is_some() {
                return Err(several());
            }
            declared.trailer = Some(algorithm);
        }
    }
    if let Some(name) = headers.get("x-amz-sdk-checksum-algorithm") {
        let known = ChecksumAlgorithm::parse(name);
        if known.is_none() {
            return Err(ErrorReply::new(
                "InvalidRequest",
                400,
                "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
            ));
        }
        if declared.algorithm().is_none() {
            return Err(ErrorReply::new(
                "InvalidRequest",
                400,
                "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
            ));
        }
        if declared.algorithm() != known {
            return Err(ErrorReply::new(
                "InvalidRequest",
                400,
                "Value for x-amz-sdk-checksum-algorithm header is invalid.",
            ));
        }
    }
    Ok(declared)
}

/// Whether a header gives a checksum of an algorithm that is not known.
fn is_unknown_checksum(name: &str) -> bool {
    const FAMILY: &str = "x-amz-checksum-";
    // They speak of checksums and are none.
    const OTHERS: [&str; 3] = ["algorithm", "mode", "type"];
    let Some((family, rest)) = name.split_at_checked(FAMILY.len()) else {
        return false;
    };
    family.eq_ignore_ascii_case(FAMILY)
        && !OTHERS.iter().any(|other| rest.eq_ignore_ascii_case(other))
        && !CHECKSUM_HEADERS
            .iter()
            .any(|(known, _)| name.eq_ignore_ascii_case(known))
}

fn trailers(headers: Headers<'_>) -> Vec<String> {
    let announced = headers
        .all("x-amz-trailer")
        .filter_map(|value| std::str::from_utf8(value).ok());
    announced
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect()
}

/// The header that carries values of an algorithm.
pub(crate) fn header_of(algorithm: ChecksumAlgorithm) -> &'static str {
    let found = CHECKSUM_HEADERS
        .into_iter()
        .find(|(_, known)| *known == algorithm);
    found.map_or("x-amz-checksum-crc64nvme", |(name, _)| name)
}

fn parse_checksum(
    name: &str,
    algorithm: ChecksumAlgorithm,
    text: &str,
) -> Result<Checksum, ErrorReply> {
    Checksum::from_base64(algorithm, text).ok_or_else(|| {
        ErrorReply::new(
            "InvalidRequest",
            400,
            format!("Value for {name} header is invalid."),
        )
    })
}

fn several() -> ErrorReply {
    ErrorReply::new(
        "InvalidRequest",
        400,
        "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
    )
}

pub(crate) fn no_length() -> ErrorReply {
    ErrorReply::new(
        "MissingContentLength",
        411,
        "You must provide the Content-Length HTTP header.",
    )
}

/// A client that stands still, or nearly.
fn too_slow() -> ErrorReply {
    ErrorReply::new(
        "RequestTimeout",
        400,
        "Your socket connection to the server was not read from or written to within the timeout period.",
    )
}

/// A body of another length than its head said.
pub(crate) fn incomplete() -> ErrorReply {
    ErrorReply::new(
        "IncompleteBody",
        400,
        "You did not provide the number of bytes specified by the Content-Length HTTP header",
    )
}

/// A body that is not the one whose SHA-256 was signed.
pub(crate) fn payload_differs(expected: &[u8], computed: &[u8]) -> ErrorReply {
    let (client, computed) = (hex(expected), hex(computed));
    AuthError::PayloadMismatch { client, computed }.reply(Service::S3)
}

/// A body that does not have the checksum that was said.
pub(crate) fn checksum_differs(algorithm: ChecksumAlgorithm) -> ErrorReply {
    let name = algorithm.name();
    ErrorReply::new(
        "BadDigest",
        400,
        format!("The {name} you specified did not match the calculated checksum."),
    )
}

fn too_large(limit: usize) -> ErrorReply {
    ErrorReply::new(
        "EntityTooLarge",
        400,
        "Your proposed upload exceeds the maximum allowed size",
    )
    .with("MaxSizeAllowed", limit.to_string())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)], framed: bool) -> Result<Declared, String> {
        let fields: Vec<(&str, &[u8])> = fields.iter().map(|(k, v)| (*k, v.as_bytes())).collect();
        declared(Headers(&fields), framed).map_err(|why| why.code.into_owned())
    }

    #[test]
    fn one_digest_of_a_known_form() {
        assert_eq!(read(&[], false).unwrap(), Declared::default());
        let about = [
            ("x-amz-checksum-mode", "ENABLED"),
            ("x-amz-checksum-type", "COMPOSITE"),
            ("x-amz-checksum-algorithm", "SHA1"),
        ];
        assert_eq!(read(&about, false).unwrap(), Declared::default());
        let crc = read(&[("x-amz-checksum-crc32", "AAAAAA==")], false).unwrap();
        assert_eq!(crc.algorithm(), Some(ChecksumAlgorithm::Crc32));
        let trailer = read(&[("x-amz-trailer", " X-Amz-Checksum-CRC64NVME ")], true).unwrap();
        assert_eq!(trailer.algorithm(), Some(ChecksumAlgorithm::Crc64Nvme));
        for (fields, code) in [
            (vec![("content-md5", "x")], "InvalidDigest"),
            (vec![("content-md5", "AAAA")], "InvalidDigest"),
            (vec![("x-amz-checksum-md4", "AAAA")], "InvalidRequest"),
            (vec![("X-Amz-Checksum-XXHASH64", "")], "InvalidRequest"),
            (
                vec![("x-amz-trailer", "x-amz-checksum-sha512")],
                "InvalidRequest",
            ),
            (vec![("x-amz-trailer", "x-amz-meta-a")], "InvalidRequest"),
            (
                vec![("x-amz-checksum-sha256", "AAAAAA==")],
                "InvalidRequest",
            ),
            (
                vec![
                    ("x-amz-checksum-crc32", "AAAAAA=="),
                    ("x-amz-checksum-crc32c", "AAAAAA=="),
                ],
                "InvalidRequest",
            ),
            (
                vec![
                    ("x-amz-checksum-crc32", "AAAAAA=="),
                    ("x-amz-trailer", "x-amz-checksum-sha1"),
                ],
                "InvalidRequest",
            ),
            (
                vec![("x-amz-sdk-checksum-algorithm", "CRC32")],
                "InvalidRequest",
            ),
            (
                vec![("x-amz-sdk-checksum-algorithm", "MD4")],
                "InvalidRequest",
            ),
            (
                vec![
                    ("x-amz-sdk-checksum-algorithm", "SHA1"),
                    ("x-amz-checksum-crc32", "AAAAAA=="),
                ],
                "InvalidRequest",
            ),
        ] {
            assert_eq!(read(&fields, true).unwrap_err(), code, "{fields:?}");
        }
    }

    #[test]
    fn every_algorithm_has_its_header() {
        for algorithm in ChecksumAlgorithm::ALL {
            let name = algorithm.name().to_ascii_lowercase();
            assert_eq!(header_of(algorithm), format!("x-amz-checksum-{name}"));
        }
    }
}
