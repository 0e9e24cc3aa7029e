//! Certificates of the operator's own, instead of ones of the local authority.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::ca::CaError;

/// A certificate with its key, and the names for which clients get it.
#[derive(Debug, Clone)]
pub struct OwnCertificate {
    names: Vec<String>,
    key: Arc<CertifiedKey>,
}

impl OwnCertificate {
    /// Reads a chain and its private key, both PEM. `names` are names as they are, or `*.` and what follows
    /// the first label. What a client makes of a certificate that does not cover them is its own matter.
    ///
    /// # Errors
    /// Files that cannot be read, or do not belong together; a name that is none.
    pub fn read(
        names: &[String],
        certificate: &Path,
        key: &Path,
    ) -> Result<OwnCertificate, CaError> {
        let content = |what, path: &Path, why: String| CaError::Content {
            what,
            path: path.to_owned(),
            why,
        };
        for name in names {
            let labels = name.strip_prefix("*.").unwrap_or(name);
            if labels.is_empty() || labels.contains('*') {
                let why = format!("`{name}` is neither a name nor `*.` and a name");
                return Err(content("certificate", certificate, why));
            }
        }
        let wrong = |why: rustls::pki_types::pem::Error| {
            content("certificate chain", certificate, why.to_string())
        };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
            .map_err(wrong)?
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        if chain.is_empty() {
            let why = "there is none in it".to_owned();
            return Err(content("certificate chain", certificate, why));
        }
        let private = PrivateKeyDer::from_pem_file(key)
            .map_err(|why| content("private key", key, why.to_string()))?;
        let private = rustls::crypto::ring::sign::any_supported_type(&private)
            .map_err(|why| content("private key", key, why.to_string()))?;
        let made = CertifiedKey::new(chain, private);
        match made.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(why) => return Err(content("private key", key, why.to_string())),
        }
        Ok(OwnCertificate {
            names: names.iter().map(|n| n.to_ascii_lowercase()).collect(),
            key: Arc::new(made),
        })
    }

    pub(crate) fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// Whether clients that ask for a name, in lower case, get it.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        self.names.iter().any(|own| match own.strip_prefix("*.") {
            None => own == name,
            Some(rest) => name
                .split_once('.')
                .is_some_and(|(label, below)| !label.is_empty() && below == rest),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["s3.example".to_owned()]).unwrap();
        let (certificate, private) = (dir.path().join("c.pem"), dir.path().join("k.pem"));
        std::fs::write(&certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        (dir, certificate, private)
    }

    #[test]
    fn names_are_whole_or_below_one_label() {
        let (_dir, certificate, key) = files();
        let names = ["S3.example".to_owned(), "*.s3.example".to_owned()];
        let own = OwnCertificate::read(&names, &certificate, &key).unwrap();
        for (name, expected) in [
            ("s3.example", true),
            ("b.s3.example", true),
            ("a.b.s3.example", false),
            (".s3.example", false),
            ("xs3.example", false),
        ] {
            assert_eq!(own.is_for(name), expected, "{name}");
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let (_dir, certificate, key) = files();
        let (_other, _, stranger) = files();
        let names = ["s3.example".to_owned()];
        let read = |names: &[String], certificate: &Path, key: &Path| {
            OwnCertificate::read(names, certificate, key)
                .unwrap_err()
                .to_string()
        };
        assert!(read(&names, &certificate, &stranger).contains("private key"));
        assert!(read(&names, &key, &key).contains("certificate"));
        assert!(read(&names, Path::new("/nowhere"), &key).contains("/nowhere"));
        for bad in ["*", "*.", "a.*.b", "**.b"] {
            assert!(
                read(&[bad.to_owned()], &certificate, &key).contains(bad),
                "{bad}"
            );
        }
    }
}
