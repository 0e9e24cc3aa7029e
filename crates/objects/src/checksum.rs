//! The checksums of S3: five algorithms, whole-object and composite values, and the arithmetic that
//! makes one CRC out of the CRCs of parts.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use ring::digest;

/// A checksum algorithm of `x-amz-checksum-algorithm`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (iSCSI).
    Crc32c,
    /// CRC-64/NVME, what S3 takes when a client names none.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl ChecksumAlgorithm {
    /// All, in the order of their stored numbers.
    pub const ALL: [ChecksumAlgorithm; 5] = [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ];

    /// As S3 writes it in `ChecksumAlgorithm`.
    pub fn name(self) -> &'static str {
        match self {
            ChecksumAlgorithm::Crc32 => "CRC32",
            ChecksumAlgorithm::Crc32c => "CRC32C",
            ChecksumAlgorithm::Crc64Nvme => "CRC64NVME",
            ChecksumAlgorithm::Sha1 => "SHA1",
            ChecksumAlgorithm::Sha256 => "SHA256",
        }
    }

    /// The algorithm of that name, in any case.
    pub fn parse(name: &str) -> Option<ChecksumAlgorithm> {
        ChecksumAlgorithm::ALL
            .into_iter()
            .find(|a| a.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of one value.
    pub fn width(self) -> usize {
        match self {
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c => 4,
            ChecksumAlgorithm::Crc64Nvme => 8,
            ChecksumAlgorithm::Sha1 => 20,
            ChecksumAlgorithm::Sha256 => 32,
        }
    }

    /// Whether values of parts can be combined into the value of the whole.
    pub fn combines(self) -> bool {
        !matches!(self, ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256)
    }

    /// The type a multipart upload has when the client names none (S3: composite, but full object for
    /// CRC64NVME).
    pub fn default_type(self) -> ChecksumType {
        match self {
            ChecksumAlgorithm::Crc64Nvme => ChecksumType::FullObject,
            _ => ChecksumType::Composite,
        }
    }

    /// Whether a multipart upload may have this type with this algorithm.
    pub fn allows(self, kind: ChecksumType) -> bool {
        match kind {
            ChecksumType::FullObject => self.combines(),
            ChecksumType::Composite => self != ChecksumAlgorithm::Crc64Nvme,
        }
    }

    pub(crate) fn number(self) -> i64 {
        ChecksumAlgorithm::ALL
            .iter()
            .position(|a| *a == self)
            .unwrap_or(0) as i64
    }

    pub(crate) fn from_number(number: i64) -> Option<ChecksumAlgorithm> {
        ChecksumAlgorithm::ALL
            .get(usize::try_from(number).ok()?)
            .copied()
    }

    fn crc(self) -> Option<CrcAlgorithm> {
        match self {
            ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
            ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
            ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
            ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
        }
    }
}

/// Whether a checksum covers the bytes of the object or the checksums of its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChecksumType {
    /// `FULL_OBJECT`: over the object's bytes.
    FullObject,
    /// `COMPOSITE`: over the concatenated values of the parts, written `base64-N`.
    Composite,
}

impl ChecksumType {
    /// As S3 writes it in `ChecksumType`.
    pub fn name(self) -> &'static str {
        match self {
            ChecksumType::FullObject => "FULL_OBJECT",
            ChecksumType::Composite => "COMPOSITE",
        }
    }

    /// The type of that name, in any case.
    pub fn parse(name: &str) -> Option<ChecksumType> {
        [ChecksumType::FullObject, ChecksumType::Composite]
            .into_iter()
            .find(|t| t.name().eq_ignore_ascii_case(name))
    }
}

/// One checksum value over bytes. `Display` is its base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    bytes: [u8; 32],
}

impl Checksum {
    /// The value from its raw bytes; none if the length is not the algorithm's.
    pub fn from_bytes(algorithm: ChecksumAlgorithm, raw: &[u8]) -> Option<Checksum> {
        if raw.len() != algorithm.width() {
            return None;
        }
        let mut bytes = [0; 32];
        bytes.get_mut(..raw.len())?.copy_from_slice(raw);
        Some(Checksum { algorithm, bytes })
    }

    /// The value from the base64 of a header or element; none if it is not one of this algorithm.
    pub fn from_base64(algorithm: ChecksumAlgorithm, text: &str) -> Option<Checksum> {
        Checksum::from_bytes(algorithm, &STANDARD.decode(text).ok()?)
    }

    /// The checksum of these bytes.
    pub fn of(algorithm: ChecksumAlgorithm, data: &[u8]) -> Checksum {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(data);
        hasher.finish()
    }

    /// The algorithm.
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The raw value, big-endian for CRCs.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.width()).unwrap_or_default()
    }

    fn from_crc(algorithm: ChecksumAlgorithm, value: u64) -> Checksum {
        let wide = value.to_be_bytes();
        let raw = wide.get(8 - algorithm.width()..).unwrap_or_default();
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(raw) {
            *to = *from;
        }
        Checksum { algorithm, bytes }
    }

    pub(crate) fn from_crc64(value: u64) -> Checksum {
        Checksum::from_crc(ChecksumAlgorithm::Crc64Nvme, value)
    }

    pub(crate) fn as_u64(&self) -> u64 {
        self.as_bytes()
            .iter()
            .take(8)
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }

    /// The checksum of `self`'s bytes followed by `next`'s; none for the SHA algorithms.
    pub fn followed_by(&self, next: &Checksum, next_len: u64) -> Option<Checksum> {
        let crc = self.algorithm.crc()?;
        if next.algorithm != self.algorithm {
            return None;
        }
        let value = crc_fast::checksum_combine(crc, self.as_u64(), next.as_u64(), next_len);
        Some(Checksum::from_crc(self.algorithm, value))
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.as_bytes()))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{self}", self.algorithm.name())
    }
}

/// The checksum stored with an object. `Display` is the value of `x-amz-checksum-…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectChecksum {
    /// The value.
    pub value: Checksum,
    /// Number of parts of a composite checksum; none for a full-object one.
    pub parts: Option<u32>,
}

impl ObjectChecksum {
    /// A checksum over the object's bytes.
    pub fn full(value: Checksum) -> ObjectChecksum {
        ObjectChecksum { value, parts: None }
    }

    /// The checksum over the concatenated values of parts; all of one algorithm.
    pub fn composite<'a>(
        algorithm: ChecksumAlgorithm,
        parts: impl Iterator<Item = &'a Checksum>,
    ) -> ObjectChecksum {
        let mut hasher = Hasher::new(algorithm);
        let mut count = 0;
        for part in parts {
            hasher.update(part.as_bytes());
            count += 1;
        }
        ObjectChecksum {
            value: hasher.finish(),
            parts: Some(count),
        }
    }

    /// The value from a header's text: base64, with `-N` when composite.
    pub fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Option<ObjectChecksum> {
        let (value, parts) = match text.split_once('-') {
            Some((value, parts)) => (value, Some(parts.parse().ok()?)),
            None => (text, None),
        };
        Some(ObjectChecksum {
            value: Checksum::from_base64(algorithm, value)?,
            parts,
        })
    }

    /// Whether it covers the object or the parts' checksums.
    pub fn kind(&self) -> ChecksumType {
        match self.parts {
            Some(_) => ChecksumType::Composite,
            None => ChecksumType::FullObject,
        }
    }
}

impl fmt::Display for ObjectChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts {
            Some(parts) => write!(f, "{}-{parts}", self.value),
            None => write!(f, "{}", self.value),
        }
    }
}

/// A checksum being computed, for bodies that pass by without being stored.
pub struct RunningChecksum(Hasher);

impl std::fmt::Debug for RunningChecksum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunningChecksum")
    }
}

impl RunningChecksum {
    /// Of nothing yet.
    pub fn new(algorithm: ChecksumAlgorithm) -> RunningChecksum {
        RunningChecksum(Hasher::new(algorithm))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Of all that was taken.
    pub fn finish(self) -> Checksum {
        self.0.finish()
    }
}

/// A checksum being computed.
pub(crate) enum Hasher {
    Crc(ChecksumAlgorithm, Box<crc_fast::Digest>),
    Sha(ChecksumAlgorithm, Box<digest::Context>),
}

impl Hasher {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Hasher {
        match algorithm.crc() {
            Some(crc) => Hasher::Crc(algorithm, Box::new(crc_fast::Digest::new(crc))),
            None => {
                let sha = match algorithm {
                    ChecksumAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
                    _ => &digest::SHA256,
                };
                Hasher::Sha(algorithm, Box::new(digest::Context::new(sha)))
            }
        }
    }

    pub(crate) fn update(&mut self, data: &[u8]) {
        match self {
            Hasher::Crc(_, digest) => digest.update(data),
            Hasher::Sha(_, context) => context.update(data),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        match self {
            Hasher::Crc(algorithm, digest) => Checksum::from_crc(algorithm, digest.finalize()),
            Hasher::Sha(algorithm, context) => {
                let mut bytes = [0; 32];
                for (to, from) in bytes.iter_mut().zip(context.finish().as_ref()) {
                    *to = *from;
                }
                Checksum { algorithm, bytes }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Check values of the CRC catalogue and of FIPS 180 for "123456789" and "abc".
    #[test]
    fn algorithms_give_their_published_values() {
        let crc = |a| Checksum::of(a, b"123456789").as_u64();
        assert_eq!(crc(ChecksumAlgorithm::Crc32), 0xcbf4_3926);
        assert_eq!(crc(ChecksumAlgorithm::Crc32c), 0xe306_9283);
        assert_eq!(crc(ChecksumAlgorithm::Crc64Nvme), 0xae8b_1486_0a79_9888);
        let sha1 = Checksum::of(ChecksumAlgorithm::Sha1, b"abc");
        assert_eq!(sha1.to_string(), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        let sha256 = Checksum::of(ChecksumAlgorithm::Sha256, b"abc");
        assert_eq!(
            sha256.to_string(),
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
    }

    #[test]
    fn combined_crcs_are_the_crc_of_the_whole() {
        let data: Vec<u8> = (0..100_003u32).map(|n| ((n * 31) >> 3) as u8).collect();
        for algorithm in ChecksumAlgorithm::ALL {
            for at in [0, 1, 4096, 99_999, data.len()] {
                let (a, b) = data.split_at(at);
                let combined = Checksum::of(algorithm, a)
                    .followed_by(&Checksum::of(algorithm, b), b.len() as u64);
                let whole = algorithm.combines().then(|| Checksum::of(algorithm, &data));
                assert_eq!(combined, whole, "{algorithm:?} at {at}");
            }
        }
    }

    #[test]
    fn object_checksums_read_what_they_write() {
        let part = Checksum::of(ChecksumAlgorithm::Crc32, b"x");
        let composite =
            ObjectChecksum::composite(ChecksumAlgorithm::Crc32, [&part, &part].into_iter());
        assert!(composite.to_string().ends_with("==-2"));
        for checksum in [composite, ObjectChecksum::full(part)] {
            let read = ObjectChecksum::parse(ChecksumAlgorithm::Crc32, &checksum.to_string());
            assert_eq!(read, Some(checksum));
        }
        for bad in ["", "AAAA", "AAAAAA==-x", "AAAAAAAAAAA="] {
            assert_eq!(
                ObjectChecksum::parse(ChecksumAlgorithm::Crc32, bad),
                None,
                "{bad}"
            );
        }
    }
}
