//! `aws-chunked` bodies, decoded as they stream.
//!
//! The decoder holds no body: it hands out slices of what it is fed and keeps only the line or
//! trailer that is incomplete. Data is handed out before its chunk's signature is known to hold:
//! commit nothing before [`Step::Done`].

use crate::protocol::ErrorReply;

/// What verifies a chain of chunk signatures: key, scope, date and the seed signature.
#[derive(Clone)]
pub struct Chain {
    _private: (),
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Chain(…)")
    }
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    _private: (),
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
    /// A chunk or the trailer has another signature.
    #[error("the signature of a chunk does not match")]
    Signature,
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
    /// `trailers` are the names that `x-amz-trailer` announces, lower case. `chain` is
    /// [`crate::sigv4::Verified::chain`]; `None` decodes the unsigned form.
    pub fn new(chain: Option<Chain>, decoded_length: u64, trailers: Vec<String>) -> Decoder {
        let _ = (chain, decoded_length, trailers);
        Decoder { _private: () }
    }

    /// Takes from the front of `input` until something can be said.
    ///
    /// # Errors
    /// Any [`ChunkError`]; the decoder answers with it for ever after.
    pub fn step<'d>(&mut self, input: &mut &'d [u8]) -> Result<Step<'d>, ChunkError> {
        let _ = input;
        Err(ChunkError::Incomplete)
    }

    /// The body's source has ended.
    ///
    /// # Errors
    /// [`ChunkError::Incomplete`] unless [`Step::Done`] was reached.
    pub fn finish(&self) -> Result<(), ChunkError> {
        Err(ChunkError::Incomplete)
    }

    /// The trailers that came, names in lower case, verified where they are signed. Complete after
    /// [`Step::Done`].
    pub fn trailers(&self) -> &[(String, String)] {
        &[]
    }
}

impl ChunkError {
    /// The error as S3 tells it.
    pub fn reply(&self) -> ErrorReply {
        ErrorReply::new("IncompleteBody", 400, self.to_string())
    }
}
