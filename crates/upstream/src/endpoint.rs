//! Where an upstream answers.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};

/// Where authorities that a system trusts are kept, by distribution.
const SYSTEM_ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// An address and how to speak with it.
#[derive(Clone)]
pub struct Endpoint {
    /// The host without port or brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The `Host` header: with a port unless it is the scheme's own.
    authority: String,
    pub(crate) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

/// Why an endpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not of the form `http://host[:port]` or `https://host[:port]`.
    #[error("`{0}` is not of the form `http://host[:port]` or `https://host[:port]`")]
    Url(String),
    /// The authorities to trust.
    #[error("cannot read certificates from `{path}`: {why}")]
    Roots {
        /// Which file.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// TLS is needed and no authority is known.
    #[error("no file of trusted authorities is on this system; name one")]
    NoRoots,
    /// The TLS library.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.url())
    }
}

impl Endpoint {
    /// Reads a URL. `roots` is a PEM file of the authorities to trust instead of the system's.
    ///
    /// # Errors
    /// A URL of another form; authorities that cannot be read.
    pub fn parse(url: &str, roots: Option<&Path>) -> Result<Endpoint, EndpointError> {
        let bad = || EndpointError::Url(url.to_owned());
        let uri: http::Uri = url.parse().map_err(|_| bad())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad()),
        };
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        let authority = uri
            .authority()
            .filter(|a| bare && !a.as_str().contains('@'));
        let authority = authority.ok_or_else(bad)?;
        let host = authority.host();
        let own = if tls { 443 } else { 80 };
        let port = authority.port_u16().unwrap_or(own);
        if host.is_empty() || port == 0 {
            return Err(bad());
        }
        let shown = match port == own {
            true => host.to_owned(),
            false => format!("{host}:{port}"),
        };
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let tls = match tls {
            false => None,
            true => {
                let name = ServerName::try_from(host.clone()).map_err(|_| bad())?;
                Some((Arc::new(client_config(roots)?), name))
            }
        };
        Ok(Endpoint {
            host,
            port,
            authority: shown,
            tls,
        })
    }

    /// The `Host` header of requests to it.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether it is spoken to over TLS.
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether nobody else can read what is sent to it: over TLS, or to this machine by its address.
    pub fn is_private(&self) -> bool {
        let here = self.host.parse::<std::net::IpAddr>();
        self.is_tls() || here.is_ok_and(|ip| ip.is_loopback())
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }
}

fn client_config(roots: Option<&Path>) -> Result<ClientConfig, EndpointError> {
    let path = match roots {
        Some(path) => path,
        None => SYSTEM_ROOTS
            .iter()
            .map(Path::new)
            .find(|path| path.exists())
            .ok_or(EndpointError::NoRoots)?,
    };
    let bad = |why: String| EndpointError::Roots {
        path: path.display().to_string(),
        why,
    };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| bad(e.to_string()))? {
        let certificate = certificate.map_err(|e| bad(e.to_string()))?;
        match store.add(certificate) {
            Ok(()) => {}
            // A system's list may hold what this library does not take; a named file may not.
            Err(_) if roots.is_none() => {}
            Err(why) => return Err(bad(why.to_string())),
        }
    }
    if store.is_empty() {
        return Err(bad("there is none".to_owned()));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_one_form() {
        for (url, authority, host, port) in [
            ("http://a", "a", "a", 80),
            ("http://a/", "a", "a", 80),
            ("http://127.0.0.1:9000", "127.0.0.1:9000", "127.0.0.1", 9000),
            ("http://[::1]:9000", "[::1]:9000", "::1", 9000),
            ("http://a:80", "a", "a", 80),
        ] {
            let endpoint = Endpoint::parse(url, None).unwrap();
            assert_eq!(endpoint.authority(), authority, "{url}");
            assert_eq!(
                (endpoint.host.as_str(), endpoint.port),
                (host, port),
                "{url}"
            );
        }
        for bad in [
            "",
            "a:9000",
            "ftp://a",
            "http://",
            "http://u:p@a",
            "http://a/b",
            "http://a?b",
            "http://a:0",
        ] {
            assert!(Endpoint::parse(bad, None).is_err(), "{bad}");
        }
    }
}
