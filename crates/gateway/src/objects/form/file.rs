//! The file of a form as it comes, within the bounds that the form's policy sets.

use std::borrow::Cow;

use adit_objects::BodyChecks;
use adit_wire::ErrorReply;
use adit_wire::s3::{FormReader, FormStep};
use adit_wire::sigv4::{FormError, Policy};
use bytes::Bytes;

use crate::upload::{Declared, Upload};

/// Most bytes after the file that are read so that the connection can be used again.
const AFTER: usize = 64 << 10;

/// The file of one form.
#[derive(Debug)]
pub(crate) struct FormFile<'u> {
    upload: &'u mut Upload,
    reader: FormReader,
    /// What was received and not yet split.
    received: Bytes,
    policy: Option<&'u Policy>,
    declared: Declared,
    /// Bytes of the file so far.
    size: u64,
    /// What somebody counts on it to be.
    exact: Option<u64>,
    after: usize,
    ended: bool,
    /// The file once more.
    again: Option<Bytes>,
}

impl<'u> FormFile<'u> {
    /// The file that `reader` has come to; `received`: what came with the last field.
    pub(super) fn new(
        upload: &'u mut Upload,
        (reader, received): (FormReader, Bytes),
        policy: Option<&'u Policy>,
        declared: Declared,
    ) -> FormFile<'u> {
        FormFile {
            upload,
            reader,
            received,
            policy,
            declared,
            size: 0,
            exact: None,
            after: 0,
            ended: false,
            again: None,
        }
    }

    /// How long the whole file is if nothing but the form's end follows it; none where the request does
    /// not say its own length.
    pub(crate) fn announced(&self) -> Option<u64> {
        let left = self.received.len() as u64 + self.upload.left()?;
        left.checked_sub(self.reader.closing() as u64)
    }

    /// Refuses the file when it is not of this length, before its last bytes are given.
    pub(crate) fn must_be(&mut self, length: u64) {
        self.exact = Some(length);
    }

    /// The digests that the form announces.
    pub(crate) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// What the file must be found to be, after its end.
    pub(crate) fn checks(&self) -> BodyChecks {
        self.declared.checks(self.size)
    }

    /// Makes a file that was read to its end begin again.
    pub(crate) fn again(&mut self, body: Bytes) {
        self.again = Some(body);
    }

    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// What is wrong with the request or the form; a size that the policy does not admit.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ErrorReply> {
        while !self.ended {
            let received = std::mem::take(&mut self.received);
            let mut input: &[u8] = &received;
            match self.reader.step(&mut input).map_err(|why| why.reply())? {
                FormStep::Data(piece) => {
                    self.size += piece.len() as u64;
                    let piece = match piece {
                        Cow::Borrowed(piece) => received.slice_ref(piece),
                        Cow::Owned(piece) => Bytes::from(piece),
                    };
                    self.received = received.slice_ref(input);
                    self.within()?;
                    return Ok(Some(piece));
                }
                FormStep::More | FormStep::File => {}
                FormStep::Done => self.after += input.len(),
            }
            // What stands behind the file does not matter, but is between this request and the next.
            match self.upload.next().await {
                Ok(Some(next)) if self.after <= AFTER => self.received = next,
                Ok(_) => self.end()?,
                Err(_) if self.reader.finish().is_ok() => self.end()?,
                Err(why) => return Err(why),
            }
        }
        Ok(self.again.take())
    }

    fn within(&self) -> Result<(), ErrorReply> {
        if self.exact.is_some_and(|length| self.size > length) {
            return Err(not_last());
        }
        match self.policy.map(|policy| policy.check_length(self.size)) {
            Some(Err(why @ FormError::TooLarge { .. })) => Err(why.reply()),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<(), ErrorReply> {
        self.reader.finish().map_err(|why| why.reply())?;
        if let Some(policy) = self.policy {
            policy.check_length(self.size).map_err(|why| why.reply())?;
        }
        if self.exact.is_some_and(|length| self.size != length) {
            return Err(not_last());
        }
        self.ended = true;
        Ok(())
    }
}

/// A form whose length does not tell its file's.
fn not_last() -> ErrorReply {
    ErrorReply::new(
        "NotImplemented",
        501,
        "The file must be the last part of the form, whose end must be a line.",
    )
}
