//! `aws-chunked` bodies, decoded as they stream.
//!
//! The decoder holds no body: it hands out slices of what it is fed and keeps only the line or
//! trailer that is incomplete. Data is handed out before its chunk's signature is known to hold:
//! commit nothing before [`Step::Done`].

use std::fmt;

use ring::digest::{Context, SHA256, digest};
use ring::hmac;

use crate::protocol::ErrorReply;
use crate::protocol::text::{hex_digit, push_hex, unhex32};

/// Longest chunk header: 16 digits, a signature and slack for other extensions.
const MOST_HEADER_BYTES: usize = 512;
/// Least bytes of a chunk that is not the last: S3's rule, which also bounds what a byte can cost.
const LEAST_CHUNK_BYTES: u64 = 8192;
/// Longest trailer, all lines together.
const MOST_TRAILER_BYTES: usize = 8 << 10;

/// What verifies a chain of chunk signatures: key, scope, date and the last signature.
#[derive(Clone)]
pub struct Chain {
    key: hmac::Key,
    amz_date: String,
    scope: String,
    last: String,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chain(…)")
    }
}

impl Chain {
    /// A chain that starts at the request's own signature.
    pub(crate) fn new(key: hmac::Key, amz_date: &str, scope: &str, seed: &str) -> Chain {
        Chain {
            key,
            amz_date: amz_date.to_owned(),
            scope: scope.to_owned(),
            last: seed.to_owned(),
        }
    }

    /// Checks the next link, which becomes the last.
    fn link(&mut self, kind: &str, hashes: &[&[u8]], given: &str) -> Result<(), ChunkError> {
        let mut text = String::with_capacity(320);
        for piece in [kind, &self.amz_date, &self.scope, &self.last] {
            text.push_str(piece);
            text.push('\n');
        }
        for (at, hash) in hashes.iter().enumerate() {
            if at > 0 {
                text.push('\n');
            }
            push_hex(&mut text, hash);
        }
        let tag = unhex32(given).ok_or(ChunkError::Signature)?;
        hmac::verify(&self.key, text.as_bytes(), &tag).map_err(|_| ChunkError::Signature)?;
        given.clone_into(&mut self.last);
        Ok(())
    }
}

/// Where the decoder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Inside a chunk header line.
    Header,
    /// Inside a chunk's data, with so many bytes to come.
    Data(u64),
    /// Before the line end that closes a chunk.
    DataEnd,
    /// Inside a line after the last chunk.
    Trailer,
    Done,
}

/// Decodes one body.
pub struct Decoder {
    chain: Option<Chain>,
    announced: u64,
    names: Vec<String>,
    place: Place,
    line: Vec<u8>,
    trailer_bytes: usize,
    got: u64,
    /// Chunks begun, and the size of the newest.
    chunks: u64,
    chunk_bytes: u64,
    hash: Context,
    signature: String,
    trailers: Vec<(String, String)>,
    trailer_signature: Option<String>,
    failed: Option<ChunkError>,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("place", &self.place)
            .field("announced", &self.announced)
            .field("got", &self.got)
            .finish_non_exhaustive()
    }
}

/// What a step yielded.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'d> {
    /// Body bytes, in order.
    Data(&'d [u8]),
    /// All input is used up; feed more.
    More,
    /// The body ended; `input` may hold bytes that do not belong to it.
    Done,
}

/// Why a chunked body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// A chunk header, or what follows a chunk, is not as it must be.
    #[error("the chunk is malformed: {reason}")]
    Malformed {
        /// What is wrong.
        reason: &'static str,
    },
    /// A line or the trailer is longer than any sensible one.
    #[error("the chunk header or trailer is too long")]
    TooLong,
    /// A chunk or the trailer has another signature, or none.
    #[error("the signature of a chunk does not match")]
    Signature,
    /// A chunk that is not the last is smaller than S3 takes.
    #[error("a chunk of {size} bytes stands before chunk {chunk}")]
    Small {
        /// The number of the chunk after it, from 1.
        chunk: u64,
        /// Its bytes.
        size: u64,
    },
    /// More or fewer bytes than `x-amz-decoded-content-length`.
    #[error("the body has {got} bytes, {announced} were announced")]
    Length {
        /// Announced.
        announced: u64,
        /// Came.
        got: u64,
    },
    /// A trailer that was not announced, or announced and absent, or malformed.
    #[error("the trailer is malformed: {reason}")]
    Trailer {
        /// What is wrong.
        reason: String,
    },
    /// The body ended too early.
    #[error("the body is incomplete")]
    Incomplete,
}

impl Decoder {
    /// A decoder for a body of `decoded_length` bytes (`x-amz-decoded-content-length`).
    /// `trailers` are the names that `x-amz-trailer` announces. `chain` is
    /// [`crate::sigv4::Verified::chain`]; `None` decodes the unsigned form.
    pub fn new(chain: Option<Chain>, decoded_length: u64, trailers: Vec<String>) -> Decoder {
        let names = trailers
            .into_iter()
            .map(|name| name.trim().to_ascii_lowercase())
            .filter(|name| !name.is_empty())
            .collect();
        Decoder {
            chain,
            announced: decoded_length,
            names,
            place: Place::Header,
            line: Vec::new(),
            trailer_bytes: 0,
            got: 0,
            chunks: 0,
            chunk_bytes: LEAST_CHUNK_BYTES,
            hash: Context::new(&SHA256),
            signature: String::new(),
            trailers: Vec::new(),
            trailer_signature: None,
            failed: None,
        }
    }

    /// Takes from the front of `input` until something can be said.
    ///
    /// # Errors
    /// Any [`ChunkError`]; the decoder answers with it for ever after.
    pub fn step<'d>(&mut self, input: &mut &'d [u8]) -> Result<Step<'d>, ChunkError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.advance(input)
            .inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn advance<'d>(&mut self, input: &mut &'d [u8]) -> Result<Step<'d>, ChunkError> {
        loop {
            match self.place {
                Place::Done => return Ok(Step::Done),
                Place::Data(0) => {
                    self.end_of_chunk()?;
                    self.place = Place::DataEnd;
                }
                Place::Data(left) => {
                    let most = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    if most == 0 {
                        return Ok(Step::More);
                    }
                    let (data, rest) = input.split_at(most);
                    *input = rest;
                    if self.chain.is_some() {
                        self.hash.update(data);
                    }
                    self.got += most as u64;
                    self.place = Place::Data(left - most as u64);
                    return Ok(Step::Data(data));
                }
                Place::Header | Place::DataEnd | Place::Trailer => {
                    let Some(line) = self.take_line(input)? else {
                        return Ok(Step::More);
                    };
                    match self.place {
                        Place::Header => self.header(&line)?,
                        Place::DataEnd if line.is_empty() => self.place = Place::Header,
                        Place::DataEnd => {
                            return Err(ChunkError::Malformed {
                                reason: "data after a chunk",
                            });
                        }
                        _ => self.trailer_line(&line)?,
                    }
                }
            }
        }
    }

    /// A whole line without its end, when `input` completes one.
    fn take_line(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, ChunkError> {
        let most = match self.place {
            Place::Trailer => MOST_TRAILER_BYTES,
            _ => MOST_HEADER_BYTES,
        };
        let end = input.iter().position(|byte| *byte == b'\n');
        let (head, rest) = input.split_at(end.map_or(input.len(), |at| at + 1));
        if self.line.len() + head.len() > most {
            return Err(ChunkError::TooLong);
        }
        self.line.extend_from_slice(head);
        *input = rest;
        if end.is_none() {
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.line);
        line.pop();
        if line.pop() != Some(b'\r') || line.contains(&b'\r') {
            return Err(ChunkError::Malformed {
                reason: "a line does not end with CR LF",
            });
        }
        Ok(Some(line))
    }

    /// `hexlen[;chunk-signature=…]`.
    fn header(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let bad = |reason| ChunkError::Malformed { reason };
        let mut pieces = line.split(|byte| *byte == b';');
        let digits = pieces.next().unwrap_or_default();
        if digits.is_empty() || digits.len() > 16 {
            return Err(bad("a chunk without size"));
        }
        let mut size: u64 = 0;
        for digit in digits {
            let digit = hex_digit(*digit).ok_or(bad("a size that is not hexadecimal"))?;
            size = size << 4 | u64::from(digit);
        }
        self.signature.clear();
        for extension in pieces {
            let text = std::str::from_utf8(extension).map_err(|_| bad("an extension"))?;
            if let Some(signature) = text.trim().strip_prefix("chunk-signature=") {
                if !self.signature.is_empty() {
                    return Err(bad("two signatures"));
                }
                signature.clone_into(&mut self.signature);
            }
        }
        if size > self.announced.saturating_sub(self.got) {
            return Err(self.length(self.got.saturating_add(size)));
        }
        if size > 0 {
            self.chunks += 1;
            if self.chunk_bytes < LEAST_CHUNK_BYTES {
                return Err(ChunkError::Small {
                    chunk: self.chunks,
                    size: self.chunk_bytes,
                });
            }
            self.chunk_bytes = size;
            self.place = Place::Data(size);
            return Ok(());
        }
        self.end_of_chunk()?;
        if self.got != self.announced {
            return Err(self.length(self.got));
        }
        self.place = Place::Trailer;
        Ok(())
    }

    fn length(&self, got: u64) -> ChunkError {
        ChunkError::Length {
            announced: self.announced,
            got,
        }
    }

    /// Checks the signature of the chunk that ends here.
    fn end_of_chunk(&mut self) -> Result<(), ChunkError> {
        let Some(chain) = &mut self.chain else {
            return Ok(());
        };
        let hash = std::mem::replace(&mut self.hash, Context::new(&SHA256)).finish();
        let nothing = digest(&SHA256, b"");
        let hashes = [nothing.as_ref(), hash.as_ref()];
        chain.link("AWS4-HMAC-SHA256-PAYLOAD", &hashes, &self.signature)
    }

    /// A line after the last chunk; an empty one ends the body.
    fn trailer_line(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let bad = |reason: &str| ChunkError::Trailer {
            reason: reason.to_owned(),
        };
        if line.is_empty() {
            return self.end();
        }
        self.trailer_bytes += line.len() + 2;
        if self.trailer_bytes > MOST_TRAILER_BYTES {
            return Err(ChunkError::TooLong);
        }
        let text = std::str::from_utf8(line).map_err(|_| bad("it is not UTF-8"))?;
        let (name, value) = text
            .split_once(':')
            .ok_or_else(|| bad("a line lacks `:`"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        if self.trailer_signature.is_some() {
            return Err(bad("a line after the signature"));
        }
        if name == "x-amz-trailer-signature" {
            if self.chain.is_none() {
                return Err(bad("a signature where nothing is signed"));
            }
            self.trailer_signature = Some(value);
            return Ok(());
        }
        if !self.names.contains(&name) {
            return Err(ChunkError::Trailer {
                reason: format!("`{name}` was not announced"),
            });
        }
        if self.trailers.iter().any(|(known, _)| *known == name) {
            return Err(ChunkError::Trailer {
                reason: format!("`{name}` is given twice"),
            });
        }
        self.trailers.push((name, value));
        Ok(())
    }

    fn end(&mut self) -> Result<(), ChunkError> {
        let given = |name: &String| self.trailers.iter().any(|(known, _)| known == name);
        if let Some(absent) = self.names.iter().find(|name| !given(name)) {
            return Err(ChunkError::Trailer {
                reason: format!("`{absent}` is absent"),
            });
        }
        if let Some(chain) = &mut self.chain {
            match (&self.trailer_signature, self.names.is_empty()) {
                (None, true) => {}
                (Some(signature), false) => {
                    let mut text = String::new();
                    for (name, value) in &self.trailers {
                        text.push_str(name);
                        text.push(':');
                        text.push_str(value);
                        text.push('\n');
                    }
                    let hash = digest(&SHA256, text.as_bytes());
                    chain.link("AWS4-HMAC-SHA256-TRAILER", &[hash.as_ref()], signature)?;
                }
                (None, false) => return Err(ChunkError::Signature),
                (Some(_), true) => {
                    let reason = "a signature without a trailer".to_owned();
                    return Err(ChunkError::Trailer { reason });
                }
            }
        }
        self.place = Place::Done;
        Ok(())
    }

    /// The body's source has ended.
    ///
    /// # Errors
    /// [`ChunkError::Incomplete`] unless [`Step::Done`] was reached, or the error that was.
    pub fn finish(&self) -> Result<(), ChunkError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.place == Place::Done => Ok(()),
            None => Err(ChunkError::Incomplete),
        }
    }

    /// Body bytes handed out so far.
    pub fn decoded(&self) -> u64 {
        self.got
    }

    /// The trailers that came, names in lower case, verified where they are signed. Complete after
    /// [`Step::Done`].
    pub fn trailers(&self) -> &[(String, String)] {
        &self.trailers
    }
}

impl ChunkError {
    /// The error as S3 tells it.
    pub fn reply(&self) -> ErrorReply {
        match self {
            ChunkError::Signature => ErrorReply::new(
                "SignatureDoesNotMatch",
                403,
                "The request signature we calculated does not match the signature you provided. \
                 Check your key and signing method.",
            ),
            ChunkError::Small { chunk, size } => ErrorReply::new(
                "InvalidChunkSizeError",
                403,
                "Only the last chunk is allowed to have a size less than 8192 bytes",
            )
            .with("Chunk", chunk.to_string())
            .with("BadChunkSize", size.to_string()),
            ChunkError::Trailer { .. } => ErrorReply::new(
                "MalformedTrailerError",
                400,
                "The request contained trailing data that was not well-formed or did not conform \
                 to our published schema.",
            ),
            ChunkError::Length { .. } | ChunkError::Incomplete => ErrorReply::new(
                "IncompleteBody",
                400,
                "The request body terminated unexpectedly",
            ),
            ChunkError::Malformed { .. } | ChunkError::TooLong => ErrorReply::new(
                "InvalidRequest",
                400,
                "The chunked body is not well-formed.",
            ),
        }
    }
}
