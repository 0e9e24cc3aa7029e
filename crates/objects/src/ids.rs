//! Version ids and upload ids: row numbers, sealed so that clients can neither guess nor read them.
//!
//! 24 bytes as 32 characters: a tag of 16 bytes (keyed hash of kind and number), then the number masked
//! with a hash of the tag. The same number always gives the same text, so the text needs no column and no
//! index of its own, and a text that this store did not make is recognised without a look-up.

use base64::Engine as _;
use base64::alphabet::Alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
use ring::hmac;

use crate::object::VersionId;

/// URL-safe, and no `-` that would make an id look like a command-line option.
const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";

pub(crate) struct Ids {
    key: hmac::Key,
    text: GeneralPurpose,
}

#[derive(Clone, Copy)]
enum Kind {
    Version = 1,
    Upload = 2,
}

impl Ids {
    pub(crate) fn new(key: &[u8]) -> Ids {
        let alphabet = Alphabet::new(LETTERS).unwrap_or(base64::alphabet::URL_SAFE);
        Ids {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            text: GeneralPurpose::new(&alphabet, NO_PAD),
        }
    }

    pub(crate) fn version(&self, row: i64) -> VersionId {
        VersionId::new(self.seal(Kind::Version, row))
    }

    pub(crate) fn version_row(&self, id: &VersionId) -> Option<i64> {
        self.open(Kind::Version, id.as_str())
    }

    pub(crate) fn upload(&self, row: i64) -> String {
        self.seal(Kind::Upload, row)
    }

    pub(crate) fn upload_row(&self, id: &str) -> Option<i64> {
        self.open(Kind::Upload, id)
    }

    fn seal(&self, kind: Kind, row: i64) -> String {
        let row = row.to_be_bytes();
        let tag = self.tag(kind, row);
        let mut whole = [0; 24];
        let (front, back) = whole.split_at_mut(16);
        front.copy_from_slice(&tag);
        back.copy_from_slice(&self.masked(tag, row));
        self.text.encode(whole)
    }

    fn open(&self, kind: Kind, text: &str) -> Option<i64> {
        if text.len() != 32 {
            return None;
        }
        let mut whole = [0; 24];
        self.text.decode_slice(text, &mut whole).ok()?;
        let (tag, back) = whole.split_at(16);
        let tag = tag.try_into().ok()?;
        let row = self.masked(tag, back.try_into().ok()?);
        (self.tag(kind, row) == tag).then(|| i64::from_be_bytes(row))
    }

    fn tag(&self, kind: Kind, row: [u8; 8]) -> [u8; 16] {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&[kind as u8]);
        context.update(&row);
        first(context.sign().as_ref())
    }

    fn masked(&self, tag: [u8; 16], row: [u8; 8]) -> [u8; 8] {
        let mask: [u8; 8] = first(hmac::sign(&self.key, &tag).as_ref());
        let mut out = row;
        for (byte, mask) in out.iter_mut().zip(mask) {
            *byte ^= mask;
        }
        out
    }
}

fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_and_nothing_else_is() {
        let ids = Ids::new(b"key");
        for row in [0, 1, 77, i64::MAX] {
            let version = ids.version(row);
            assert_eq!(version.as_str().len(), 32);
            assert!(!version.as_str().contains('-'));
            assert_eq!(ids.version_row(&version), Some(row));
            assert_eq!(ids.upload_row(version.as_str()), None, "another kind");
            assert_eq!(ids.upload_row(&ids.upload(row)), Some(row));
            assert_eq!(
                Ids::new(b"other").version_row(&version),
                None,
                "another store"
            );
            let mut forged = version.as_str().to_owned();
            let last = if forged.ends_with('A') { 'B' } else { 'A' };
            forged.replace_range(31.., &last.to_string());
            assert_eq!(ids.version_row(&VersionId::new(forged)), None);
        }
        for text in ["", "null", "x", "é".repeat(16).as_str()] {
            assert_eq!(ids.version_row(&VersionId::new(text)), None);
        }
    }
}
