//! The file of a browser's form, put to an upstream.
//!
//! An upstream wants to know the length beforehand, which a form does not tell: small files are read to
//! their end first; of larger ones the length follows from the form's, as browsers and SDKs write forms.

use adit_objects::{BodyChecks, ChecksumAlgorithm};
use adit_upstream::Payload;
use adit_wire::ErrorReply;
use bytes::{Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};

use super::body::{Pieces, through};
use super::request::{Outgoing, tagging};
use super::{answer, check_names};
use crate::ask::Ask;
use crate::decide::Pairs;
use crate::objects::FormFile;
use crate::origins::Place;
use crate::reply::Reply;
use crate::upload::no_length;

/// Largest file that is held in memory.
const WHOLE: usize = 1 << 20;

impl Pieces for FormFile<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, ErrorReply> {
        FormFile::next(self).await
    }

    fn binds_sha256(&self) -> bool {
        false
    }

    fn algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.declared().algorithm()
    }

    fn checks(&self) -> Result<BodyChecks, ErrorReply> {
        Ok(FormFile::checks(self))
    }
}

/// Puts a form's file, whose upload was decided, to where its bucket is kept. `ask` is the PutObject that
/// the form stands for.
///
/// # Errors
/// What is wrong with the file; the upstream's refusal.
pub(crate) async fn file(
    ask: &Ask<'_>,
    place: &Place,
    mut file: FormFile<'_>,
    tags: &Pairs,
) -> Result<Reply, ErrorReply> {
    check_names(ask, place)?;
    let mut outgoing = Outgoing::of(ask, place)?;
    let encoding = outgoing.encoding;
    let tags = tags.iter().map(|(key, value)| (key, value));
    if let Some(Ok(value)) = tagging(tags).map(|text| HeaderValue::from_str(&text)) {
        let name = HeaderName::from_static("x-amz-tagging");
        outgoing.headers.insert(name, value);
    }
    let upstream = &place.origin.upstream;
    let call = |body| upstream.call(outgoing.call(Payload::Unsigned, body));
    let sent = match file.announced() {
        Some(length) if length > WHOLE as u64 => {
            file.must_be(length);
            through(&mut file, Some(length), place, call).await?
        }
        _ => {
            let length = hold(&mut file).await?;
            through(&mut file, Some(length), place, call).await?
        }
    };
    if !sent.status.is_success() {
        return Err(answer::refused(ask, place, sent).await);
    }
    answer::document(ask, place, sent, encoding).await
}

/// Reads a small file to its end, and makes it begin again; tells its length.
async fn hold(file: &mut FormFile<'_>) -> Result<u64, ErrorReply> {
    let mut body = BytesMut::new();
    while let Some(piece) = file.next().await? {
        if body.len() + piece.len() > WHOLE {
            // Large, and the request came without a length.
            return Err(no_length());
        }
        body.extend_from_slice(&piece);
    }
    let length = body.len() as u64;
    file.again(body.freeze());
    Ok(length)
}
