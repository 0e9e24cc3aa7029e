//! Sealed blobs: every one has a data key of its own, sealed by the store's master key (SSE-S3) or by a key that
//! the caller brings ([`crate::customer`]).
//!
//! A sealed blob is a sequence of chunks of 64 KiB, each with a tag of AES-256-GCM; the nonce is the
//! chunk's number (a data key seals one blob, once), and the last chunk is marked, so chunks can be neither
//! swapped, dropped nor cut off, and a range opens only the chunks it touches.

use ring::aead::{self, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::error::{Error, Fault};

/// Plain bytes of a chunk.
pub(crate) const CHUNK: usize = 64 * 1024;
/// Bytes a chunk grows by.
pub(crate) const TAG: usize = 16;
/// Bytes of a key.
pub(crate) const KEY: usize = 32;

/// Bytes on disk of a sealed blob.
pub(crate) fn sealed_len(size: u64) -> u64 {
    size + size.div_ceil(CHUNK as u64) * TAG as u64
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| fault("draw random bytes"))?;
    Ok(bytes)
}

fn fault(doing: &'static str) -> Error {
    Error::Fault(Fault::new(doing, "aes-256-gcm", "cryptographic failure"))
}

fn key(bytes: &[u8]) -> Result<LessSafeKey, Error> {
    let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| fault("make a key"))?;
    Ok(LessSafeKey::new(key))
}

/// The key that seals data keys.
pub(crate) struct MasterKey {
    key: LessSafeKey,
    fingerprint: [u8; 16],
}

impl MasterKey {
    pub(crate) fn new(bytes: &[u8]) -> Result<MasterKey, Error> {
        let mut fingerprint = [0; 16];
        let whole = digest::digest(&digest::SHA256, bytes);
        for (to, from) in fingerprint.iter_mut().zip(whole.as_ref()) {
            *to = *from;
        }
        Ok(MasterKey {
            key: key(bytes)?,
            fingerprint,
        })
    }

    /// Tells this key from another one without telling the key.
    pub(crate) fn fingerprint(&self) -> [u8; 16] {
        self.fingerprint
    }

    /// A new data key and its sealed form: nonce, sealed key, tag.
    pub(crate) fn new_data_key(&self) -> Result<(DataKey, Vec<u8>), Error> {
        let bytes = Zeroizing::new(random::<KEY>()?);
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = bytes.to_vec();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::empty(),
                &mut sealed,
            )
            .map_err(|_| fault("seal a data key"))?;
        Ok((
            DataKey::new(bytes.as_slice())?,
            [nonce.as_slice(), &sealed].concat(),
        ))
    }

    pub(crate) fn open_data_key(&self, sealed: &[u8]) -> Result<DataKey, Error> {
        let failed = || fault("open a data key");
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or_else(failed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| failed())?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let bytes = self
            .key
            .open_in_place(nonce, Aad::empty(), &mut rest)
            .map_err(|_| failed())?;
        DataKey::new(bytes)
    }
}

/// The key of one blob.
pub(crate) struct DataKey {
    key: LessSafeKey,
}

impl DataKey {
    pub(crate) fn new(bytes: &[u8]) -> Result<DataKey, Error> {
        Ok(DataKey { key: key(bytes)? })
    }

    /// Seals chunk `number` in place and appends its tag.
    pub(crate) fn seal(&self, number: u64, last: bool, chunk: &mut Vec<u8>) -> Result<(), Error> {
        self.key
            .seal_in_place_append_tag(nonce(number), Aad::from([u8::from(last)]), chunk)
            .map_err(|_| fault("seal a chunk"))
    }

    /// Opens chunk `number` in place; the plain bytes are at the front, their count is returned.
    pub(crate) fn open(&self, number: u64, last: bool, chunk: &mut [u8]) -> Result<usize, Error> {
        self.key
            .open_in_place(nonce(number), Aad::from([u8::from(last)]), chunk)
            .map(|plain| plain.len())
            .map_err(|_| fault("open a chunk"))
    }

    /// Seals a whole small body.
    pub(crate) fn seal_all(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(sealed_len(body.len() as u64) as usize);
        let count = body.len().div_ceil(CHUNK);
        for (number, plain) in body.chunks(CHUNK).enumerate() {
            let mut chunk = plain.to_vec();
            self.seal(number as u64, number + 1 == count, &mut chunk)?;
            out.extend_from_slice(&chunk);
        }
        Ok(out)
    }

    /// Opens a whole small body.
    pub(crate) fn open_all(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(sealed.len());
        let count = sealed.len().div_ceil(CHUNK + TAG);
        for (number, chunk) in sealed.chunks(CHUNK + TAG).enumerate() {
            let mut chunk = chunk.to_vec();
            let plain = self.open(number as u64, number + 1 == count, &mut chunk)?;
            out.extend_from_slice(chunk.get(..plain).unwrap_or_default());
        }
        Ok(out)
    }
}

fn nonce(number: u64) -> Nonce {
    let mut bytes = [0; aead::NONCE_LEN];
    for (to, from) in bytes.iter_mut().skip(4).zip(number.to_be_bytes()) {
        *to = from;
    }
    Nonce::assume_unique_for_key(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_open_only_whole_and_with_their_key() {
        let master = MasterKey::new(&[7; 32]).unwrap();
        let (data, sealed_key) = master.new_data_key().unwrap();
        let again = master.open_data_key(&sealed_key).unwrap();
        for len in [1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let body: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let sealed = data.seal_all(&body).unwrap();
            assert_eq!(sealed.len() as u64, sealed_len(len as u64));
            assert_eq!(again.open_all(&sealed).unwrap(), body);
            assert!(again.open_all(&sealed[..sealed.len() - 1]).is_err(), "cut");
            if len > CHUNK {
                assert!(
                    again.open_all(&sealed[..CHUNK + TAG]).is_err(),
                    "cut at a chunk"
                );
            }
            let mut flipped = sealed.clone();
            flipped[len / 2] ^= 1;
            assert!(again.open_all(&flipped).is_err(), "flipped");
        }
        assert!(
            MasterKey::new(&[8; 32])
                .unwrap()
                .open_data_key(&sealed_key)
                .is_err()
        );
    }
}
