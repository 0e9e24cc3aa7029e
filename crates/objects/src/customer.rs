//! SSE-C: keys that callers bring with every request, and which are kept nowhere.
//!
//! A blob sealed so has a data key of its own, as any sealed blob has; the data key is sealed by a key that
//! follows from the caller's and a salt. What tells the right key again is a salted MAC under it
//! ([`KeyCheck`]), kept with the object, so that a wrong one is refused before anything is opened.

use std::fmt;
use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use zeroize::Zeroizing;

use crate::error::{Error, Fault};
use crate::md5::Md5;
use crate::object::Attributes;
use crate::seal::{DataKey, KEY, TAG, random};

const SALT: usize = 16;
/// Bytes of a data key sealed by a customer's key: salt, sealed key, tag. One that the master key sealed
/// has another length, which tells the two apart.
const SEALED: usize = SALT + KEY + TAG;

const FOR_CHECK: &[u8] = b"adit sse-c check";
const FOR_DATA_KEY: &[u8] = b"adit sse-c data key";

/// A key that a caller brought (`x-amz-server-side-encryption-customer-key`). Forgotten when the last
/// request that holds it ends: it is overwritten then, and never printed.
#[derive(Clone)]
pub struct CustomerKey(Arc<Zeroizing<[u8; KEY]>>);

impl CustomerKey {
    /// The key with these bytes; none unless there are 32.
    pub fn new(bytes: &[u8]) -> Option<CustomerKey> {
        let mut key = Zeroizing::new([0; KEY]);
        if bytes.len() != KEY {
            return None;
        }
        key.copy_from_slice(bytes);
        Some(CustomerKey(Arc::new(key)))
    }

    /// Whether this is the key's MD5, which clients send beside it.
    pub fn has_md5(&self, digest: &[u8]) -> bool {
        same(&Md5::of(self.0.as_slice()), digest)
    }

    /// What will tell this key again. Another one each time, so that nobody sees which objects have one key.
    ///
    /// # Errors
    /// [`Error::Fault`] when there is no randomness.
    pub(crate) fn check(&self) -> Result<KeyCheck, Error> {
        let salt: [u8; SALT] = random()?;
        let tag = self.mac(FOR_CHECK, &salt);
        Ok(KeyCheck([&salt, tag.as_ref()].concat().into()))
    }

    /// Whether the check is this key's; takes the same time for every wrong key.
    fn fits(&self, check: &KeyCheck) -> bool {
        let Some((salt, tag)) = check.0.split_at_checked(SALT) else {
            return false;
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        hmac::verify(&key, &[FOR_CHECK, salt].concat(), tag).is_ok()
    }

    fn mac(&self, label: &[u8], salt: &[u8]) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.as_slice());
        hmac::sign(&key, &[label, salt].concat())
    }

    /// The key that seals one data key: with a salt of its own it is used once, so its nonce may be fixed.
    fn wrapping(&self, salt: &[u8]) -> Result<LessSafeKey, Error> {
        let bytes = self.mac(FOR_DATA_KEY, salt);
        let key = UnboundKey::new(&AES_256_GCM, bytes.as_ref()).map_err(|_| failed())?;
        Ok(LessSafeKey::new(key))
    }

    /// A new data key and its sealed form.
    pub(crate) fn new_data_key(&self) -> Result<(DataKey, Vec<u8>), Error> {
        let salt: [u8; SALT] = random()?;
        let bytes = Zeroizing::new(random::<KEY>()?);
        let mut buffer = Zeroizing::new(*bytes);
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = self
            .wrapping(&salt)?
            .seal_in_place_separate_tag(nonce, Aad::empty(), buffer.as_mut_slice())
            .map_err(|_| failed())?;
        let sealed = [&salt, buffer.as_slice(), tag.as_ref()].concat();
        Ok((DataKey::new(bytes.as_slice())?, sealed))
    }

    /// Opens a data key that [`is_customers`].
    pub(crate) fn open_data_key(&self, sealed: &[u8]) -> Result<DataKey, Error> {
        let (salt, rest) = sealed.split_at_checked(SALT).ok_or_else(failed)?;
        let mut rest = Zeroizing::new(rest.to_vec());
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let wrapping = self.wrapping(salt)?;
        let opened = wrapping.open_in_place(nonce, Aad::empty(), &mut rest);
        DataKey::new(opened.map_err(|_| failed())?)
    }
}

/// Compares in a time that tells nothing of where the two differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, FOR_CHECK);
    hmac::verify(&key, one, hmac::sign(&key, other).as_ref()).is_ok()
}

impl PartialEq for CustomerKey {
    fn eq(&self, other: &CustomerKey) -> bool {
        same(self.0.as_slice(), other.0.as_slice())
    }
}

impl Eq for CustomerKey {}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}

/// Whether a sealed data key is one that only a customer's key opens.
pub(crate) fn is_customers(seal: &[u8]) -> bool {
    seal.len() == SEALED
}

fn failed() -> Error {
    Error::Fault(Fault::new(
        "open or seal a data key",
        "sse-c",
        "cryptographic failure",
    ))
}

/// What tells a customer's key again without telling the key: a salt and a MAC.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyCheck(Box<[u8]>);

impl KeyCheck {
    pub(crate) fn from_column(bytes: Vec<u8>) -> KeyCheck {
        KeyCheck(bytes.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCheck(…)")
    }
}

/// How an object's bytes are sealed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Encryption {
    /// Not at all.
    #[default]
    None,
    /// SSE-S3: with a data key of their own, which the store's master key seals.
    Managed,
    /// SSE-C: with a data key that only the caller's key opens. Set by the store where a key is brought.
    Customer(KeyCheck),
}

impl Encryption {
    /// SSE-S3, or nothing.
    pub fn managed(yes: bool) -> Encryption {
        match yes {
            true => Encryption::Managed,
            false => Encryption::None,
        }
    }

    /// Whether this is SSE-S3.
    pub fn is_managed(&self) -> bool {
        *self == Encryption::Managed
    }

    /// Whether this is SSE-C.
    pub fn is_customer(&self) -> bool {
        matches!(self, Encryption::Customer(_))
    }

    /// Whether who brings this key, or none, may be told of the object and read it.
    ///
    /// # Errors
    /// `InvalidRequest` where a key lacks or there is nothing to open with one; `AccessDenied` for another
    /// key.
    pub fn admits(&self, key: Option<&CustomerKey>) -> Result<(), Error> {
        match (self, key) {
            (Encryption::Customer(check), Some(key)) if key.fits(check) => Ok(()),
            (Encryption::Customer(_), Some(_)) => Err(Error::WrongKey),
            (Encryption::Customer(_), None) => Err(Error::request(
                "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.",
            )),
            (_, Some(_)) => Err(Error::request(
                "The encryption parameters are not applicable to this object.",
            )),
            (_, None) => Ok(()),
        }
    }

    /// Whether who brings this key, or none, may add to an upload.
    ///
    /// # Errors
    /// `InvalidRequest`.
    pub(crate) fn admits_part(&self, key: Option<&CustomerKey>) -> Result<(), Error> {
        let message = match (self, key) {
            (Encryption::Customer(check), Some(key)) if key.fits(check) => return Ok(()),
            (Encryption::Customer(_), Some(_)) => {
                "The provided encryption parameters did not match the ones used originally."
            }
            (Encryption::Customer(_), None) => {
                "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
            }
            (_, Some(_)) => {
                "The multipart upload initiate did not request encryption. Subsequent part requests must not include encryption parameters."
            }
            (_, None) => return Ok(()),
        };
        Err(Error::request(message))
    }
}

/// With what a body is sealed.
#[derive(Clone)]
pub(crate) enum Sealing {
    None,
    Managed,
    Customer(CustomerKey),
}

impl Sealing {
    /// What is asked for an object: a key that was brought goes before the store's own, and its check
    /// becomes one of the attributes.
    pub(crate) fn settle(
        attributes: &mut Attributes,
        key: Option<&CustomerKey>,
    ) -> Result<Sealing, Error> {
        if let Some(key) = key {
            attributes.encryption = Encryption::Customer(key.check()?);
        }
        Sealing::of(&attributes.encryption, key)
    }

    /// What an upload or object says, with the key that it was admitted with.
    pub(crate) fn of(encryption: &Encryption, key: Option<&CustomerKey>) -> Result<Sealing, Error> {
        match (encryption, key) {
            (Encryption::None, _) => Ok(Sealing::None),
            (Encryption::Managed, _) => Ok(Sealing::Managed),
            (Encryption::Customer(_), Some(key)) => Ok(Sealing::Customer(key.clone())),
            (Encryption::Customer(_), None) => encryption.admits(None).map(|()| Sealing::None),
        }
    }

    pub(crate) fn is_customer(&self) -> bool {
        matches!(self, Sealing::Customer(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> CustomerKey {
        CustomerKey::new(&[byte; 32]).unwrap()
    }

    #[test]
    fn keys_have_32_bytes_and_do_not_print() {
        for len in [0, 16, 31, 33, 64] {
            assert!(CustomerKey::new(&vec![7; len]).is_none(), "{len}");
        }
        assert_eq!(format!("{:?}", key(65)), "CustomerKey(…)");
        assert_eq!(format!("{:?}", key(65).check().unwrap()), "KeyCheck(…)");
        assert!(key(1) == key(1) && key(1) != key(2));
        assert!(key(1).has_md5(&Md5::of(&[1; 32])));
        for wrong in [&Md5::of(&[2; 32])[..], &[], &Md5::of(&[1; 32])[..15]] {
            assert!(!key(1).has_md5(wrong));
        }
    }

    #[test]
    fn a_check_tells_its_key_and_no_other() {
        let check = key(1).check().unwrap();
        assert!(key(1).fits(&check));
        assert!(!key(2).fits(&check));
        assert_ne!(check, key(1).check().unwrap(), "salted");
        for cut in [0, SALT - 1, SALT, SALT + 31] {
            let cut = KeyCheck::from_column(check.as_bytes()[..cut].to_vec());
            assert!(!key(1).fits(&cut));
        }
    }

    #[test]
    fn data_keys_open_with_the_key_that_sealed_them() {
        let (data, sealed) = key(1).new_data_key().unwrap();
        assert!(is_customers(&sealed));
        let body = data.seal_all(b"some bytes").unwrap();
        let again = key(1).open_data_key(&sealed).unwrap();
        assert_eq!(again.open_all(&body).unwrap(), b"some bytes");
        assert!(key(2).open_data_key(&sealed).is_err());
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(key(1).open_data_key(&flipped).is_err(), "{at}");
        }
        assert!(key(1).open_data_key(&sealed[..SALT - 1]).is_err());
        let master = crate::seal::MasterKey::new(&[7; 32]).unwrap();
        let (_, managed) = master.new_data_key().unwrap();
        assert!(!is_customers(&managed));
    }

    #[test]
    fn who_may_read_and_who_may_add() {
        let sealed = Encryption::Customer(key(1).check().unwrap());
        let table = [
            (&sealed, Some(key(1)), None),
            (
                &sealed,
                Some(key(2)),
                Some(("AccessDenied", "InvalidRequest")),
            ),
            (&sealed, None, Some(("InvalidRequest", "InvalidRequest"))),
            (&Encryption::None, None, None),
            (&Encryption::Managed, None, None),
            (
                &Encryption::None,
                Some(key(1)),
                Some(("InvalidRequest", "InvalidRequest")),
            ),
            (
                &Encryption::Managed,
                Some(key(1)),
                Some(("InvalidRequest", "InvalidRequest")),
            ),
        ];
        for (encryption, key, codes) in table {
            let read = encryption.admits(key.as_ref()).err();
            let add = encryption.admits_part(key.as_ref()).err();
            assert_eq!(read.map(|why| why.code()), codes.map(|codes| codes.0));
            assert_eq!(add.map(|why| why.code()), codes.map(|codes| codes.1));
        }
    }
}
