//! The local certificate authority: one key, made at first start, that signs short-lived certificates
//! for the names this installation serves.

use std::fs;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// The private key's file in the authority's directory, mode 0600.
pub const KEY_FILE: &str = "ca-key.pem";
/// The certificate's file, for clients (`AWS_CA_BUNDLE`).
pub const CERTIFICATE_FILE: &str = "ca.pem";

const DAY: i64 = 86_400_000;
/// Certificates begin yesterday, so that a client whose clock is behind accepts them.
const BEFORE: i64 = DAY;
const CA_DAYS: i64 = 3652;
const LEAF_DAYS: i64 = 90;

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A file could not be read or written.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{}` is not a usable {what}: {why}", path.display())]
    Content {
        /// What it should be.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The certificate is there and its key is not: a new key would break every client's trust silently.
    #[error("`{}` exists but its key `{}` does not; restore the key, or delete the certificate to begin with a new authority", certificate.display(), key.display())]
    KeyMissing {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate for {subject}")]
    Mint {
        /// For what.
        subject: String,
        /// Why not.
        #[source]
        source: rcgen::Error,
    },
    /// The made certificate cannot be used by the TLS library.
    #[error("cannot use the certificate for {subject}")]
    Use {
        /// For what.
        subject: String,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
}

/// The authority. Its key does not print and does not leave.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
    leaf_key: KeyPair,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(..)")
    }
}

impl Authority {
    /// The authority whose files are in `dir`; made, with the directory, if it is not there yet.
    ///
    /// The key file is written before the certificate and both are complete or absent, so that a crash
    /// in between is repaired by the next start.
    ///
    /// # Errors
    /// [`CaError`]; nothing is overwritten.
    pub fn open_or_create(dir: &Path) -> Result<Authority, CaError> {
        fs::create_dir_all(dir).map_err(|source| file("make", dir, source))?;
        let key_path = dir.join(KEY_FILE);
        let certificate_path = dir.join(CERTIFICATE_FILE);
        let key_text = read(&key_path)?;
        let certificate_text = read(&certificate_path)?;
        let key = match &key_text {
            Some(text) => KeyPair::from_pem(text).map_err(|why| CaError::Content {
                what: "private key",
                path: key_path.clone(),
                why: why.to_string(),
            })?,
            None if certificate_text.is_some() => {
                return Err(CaError::KeyMissing {
                    certificate: certificate_path,
                    key: key_path,
                });
            }
            None => {
                let key = generate("the authority")?;
                write(&key_path, 0o600, &key.serialize_pem())?;
                key
            }
        };
        let params = authority_params(&key)?;
        let pem = match certificate_text {
            Some(text) => text,
            None => {
                let made = params.self_signed(&key).map_err(|source| CaError::Mint {
                    subject: "the authority".to_owned(),
                    source,
                })?;
                let pem = made.pem();
                write(&certificate_path, 0o644, &pem)?;
                pem
            }
        };
        let content = |why: String| CaError::Content {
            what: "certificate of this authority's key",
            path: certificate_path.clone(),
            why,
        };
        let certificate =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|e| content(e.to_string()))?;
        // The key's bits are in the certificate: a foreign pair of files would fail every client later.
        if !holds(&certificate, key.public_key_raw()) {
            return Err(content("it belongs to another key".to_owned()));
        }
        Ok(Authority {
            issuer: Issuer::new(params, key),
            certificate,
            pem,
            leaf_key: generate("certificates")?,
        })
    }

    /// The authority's certificate, for clients that shall trust it.
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names and addresses, valid for 90 days.
    ///
    /// # Errors
    /// If a name cannot stand in a certificate.
    pub fn mint(
        &self,
        names: &[String],
        addresses: &[IpAddr],
    ) -> Result<Arc<CertifiedKey>, CaError> {
        let subject = || {
            names
                .first()
                .cloned()
                .unwrap_or_else(|| format!("{addresses:?}"))
        };
        let mint = |source| CaError::Mint {
            subject: subject(),
            source,
        };
        let mut params = CertificateParams::default();
        for name in names {
            let name = name.as_str().try_into().map_err(mint)?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params
            .subject_alt_names
            .extend(addresses.iter().map(|a| SanType::IpAddress(*a)));
        params.distinguished_name = DistinguishedName::new();
        // A common name longer than 64 characters is not valid; clients look at the names only.
        let common = subject();
        let common = if common.len() <= 64 {
            common
        } else {
            "S3".to_owned()
        };
        params.distinguished_name.push(DnType::CommonName, common);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, LEAF_DAYS);
        params.serial_number = Some(serial());
        let made = params
            .signed_by(&self.leaf_key, &self.issuer)
            .map_err(mint)?;
        let key =
            PrivateKeyDer::try_from(self.leaf_key.serialize_der()).map_err(|why| CaError::Use {
                subject: subject(),
                source: rustls::Error::General(why.to_owned()),
            })?;
        let key = rustls::crypto::ring::sign::any_supported_type(&key).map_err(|source| {
            CaError::Use {
                subject: subject(),
                source,
            }
        })?;
        let chain = vec![made.der().clone(), self.certificate.clone()];
        Ok(Arc::new(CertifiedKey::new(chain, key)))
    }
}

fn generate(subject: &str) -> Result<KeyPair, CaError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|source| CaError::Mint {
        subject: subject.to_owned(),
        source,
    })
}

/// The authority's own parameters. They follow from the key, except for the times and the serial
/// number, which signing does not look at: the certificate need not be parsed to sign again.
fn authority_params(key: &KeyPair) -> Result<CertificateParams, CaError> {
    let digest = ring::digest::digest(&ring::digest::SHA256, key.public_key_raw());
    let tag: String = digest
        .as_ref()
        .iter()
        .take(4)
        .map(|b| format!("{b:02x}"))
        .collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Adit local CA {tag}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    validity(&mut params, CA_DAYS);
    params.serial_number = Some(serial());
    Ok(params)
}

fn validity(params: &mut CertificateParams, days: i64) {
    let from = now() - BEFORE;
    params.not_before = day(from);
    params.not_after = day(from + days * DAY);
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Midnight of a moment's day.
fn day(millis: i64) -> time::OffsetDateTime {
    time::OffsetDateTime::UNIX_EPOCH + time::Duration::days(millis.div_euclid(DAY))
}

/// 16 random bytes, positive and not zero, as RFC 5280 wants a serial number.
fn serial() -> SerialNumber {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Unique is enough here: secrecy does not depend on it.
        bytes = (now() as u128).to_be_bytes();
    }
    bytes[0] = bytes[0] & 0x7f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// Whether a certificate's bytes contain those of a public key.
fn holds(certificate: &CertificateDer<'_>, public_key: &[u8]) -> bool {
    certificate
        .as_ref()
        .windows(public_key.len().max(1))
        .any(|window| window == public_key)
}

fn file(doing: &'static str, path: &Path, source: std::io::Error) -> CaError {
    CaError::File {
        doing,
        path: path.to_owned(),
        source,
    }
}

fn read(path: &Path) -> Result<Option<String>, CaError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(file("read", path, why)),
    }
}

/// Writes a file completely or not at all; an existing one is never replaced.
fn write(path: &Path, mode: u32, text: &str) -> Result<(), CaError> {
    let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
    let made = || -> std::io::Result<()> {
        let mut out = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&temporary)?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        fs::hard_link(&temporary, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    let done = made().map_err(|source| file("write", path, source));
    let _ = fs::remove_file(&temporary);
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_is_private_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::open_or_create(dir.path()).unwrap();
        let mode = fs::metadata(dir.path().join(KEY_FILE))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = Authority::open_or_create(dir.path()).unwrap();
        assert_eq!(first.certificate_pem(), again.certificate_pem());
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            2,
            "no temporary file stays"
        );
        assert!(!format!("{first:?}").contains("KEY"));
    }

    #[test]
    fn a_crash_between_key_and_certificate_is_repaired() {
        let dir = tempfile::tempdir().unwrap();
        Authority::open_or_create(dir.path()).unwrap();
        fs::remove_file(dir.path().join(CERTIFICATE_FILE)).unwrap();
        Authority::open_or_create(dir.path())
            .unwrap()
            .mint(&["a.example".to_owned()], &[])
            .unwrap();
    }

    #[test]
    fn lost_or_foreign_keys_are_refused() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Authority::open_or_create(dir.path()).unwrap();
        Authority::open_or_create(other.path()).unwrap();
        fs::copy(other.path().join(KEY_FILE), dir.path().join(KEY_FILE)).unwrap();
        assert!(matches!(
            Authority::open_or_create(dir.path()),
            Err(CaError::Content { .. })
        ));
        fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
        assert!(matches!(
            Authority::open_or_create(dir.path()),
            Err(CaError::KeyMissing { .. })
        ));
        fs::write(dir.path().join(KEY_FILE), "nonsense").unwrap();
        assert!(matches!(
            Authority::open_or_create(dir.path()),
            Err(CaError::Content { .. })
        ));
    }

    #[test]
    fn a_name_that_no_certificate_can_hold_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let ca = Authority::open_or_create(dir.path()).unwrap();
        assert!(ca.mint(&["ä.example".to_owned()], &[]).is_err());
        let long = format!(
            "*.{}.s3.us-east-1.vpce.amazonaws.com",
            "vpce-0123456789abcdef0-5e6f7a8b-us-east-1a"
        );
        ca.mint(&[long], &["10.0.0.5".parse().unwrap()]).unwrap();
    }
}
