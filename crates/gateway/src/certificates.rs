//! Which certificate a client gets: only for names that are served on its path, minted on first use,
//! kept in a bounded cache.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use adit_model::{EndpointKind, VpcEndpointId};
use adit_snapshot::Snapshot;
use adit_snapshot::names::{self, EndpointName, PublicName, S3Name};
use moka::sync::Cache;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::ca::{Authority, CaError};
use crate::connection::Via;
use crate::dynamodb;
use crate::own_certificate::OwnCertificate;

/// Certificates kept at most. Each is made in a fraction of a millisecond when it is missing.
const KEPT: u64 = 4096;
/// How long one is used; much less than it is valid.
const AGE: Duration = Duration::from_secs(7 * 86_400);
/// Longest host name.
const LONGEST: usize = 253;

/// The certificates of one authority, ready for handshakes.
pub struct Certificates {
    authority: Arc<Authority>,
    base: ServerConfig,
    refusing: Arc<ServerConfig>,
    hosts: Vec<String>,
    own: RwLock<Vec<(OwnCertificate, Arc<ServerConfig>)>>,
    cache: Cache<Box<str>, Arc<ServerConfig>>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificates({} cached)", self.cache.entry_count())
    }
}

/// What a certificate covers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Covers {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

#[derive(Debug)]
struct Never;

impl ResolvesServerCert for Never {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

impl Certificates {
    /// Certificates of an authority. `hosts` are names of the API address, served besides AWS's names
    /// on [`Via::Api`] connections only.
    ///
    /// # Errors
    /// If the TLS library cannot be set up.
    pub fn new(authority: Arc<Authority>, hosts: Vec<String>) -> Result<Certificates, CaError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = |resolver: Arc<dyn ResolvesServerCert>| -> Result<ServerConfig, CaError> {
            let builder = ServerConfig::builder_with_provider(provider.clone())
                .with_protocol_versions(&[&rustls::version::TLS12, &rustls::version::TLS13])
                .map_err(|source| CaError::Use {
                    subject: "TLS".to_owned(),
                    source,
                })?;
            let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            Ok(config)
        };
        let mut base = config(Arc::new(Never))?;
        if let Ok(ticketer) = rustls::crypto::ring::Ticketer::new() {
            base.ticketer = ticketer;
        }
        Ok(Certificates {
            authority,
            base,
            refusing: Arc::new(config(Arc::new(Never))?),
            own: RwLock::default(),
            hosts: hosts.into_iter().map(|h| h.to_ascii_lowercase()).collect(),
            cache: Cache::builder()
                .max_capacity(KEPT)
                .time_to_live(AGE)
                .build(),
        })
    }

    /// Replaces the operator's own certificates; handshakes from now on get the new ones. The first that
    /// is for a name is used, instead of one of the authority.
    pub fn set_own(&self, own: Vec<OwnCertificate>) {
        let with_config = own.into_iter().map(|own| {
            let mut config = self.base.clone();
            config.cert_resolver = Arc::new(Always(own.key().clone()));
            (own, Arc::new(config))
        });
        let made: Vec<_> = with_config.collect();
        *self.own.write().unwrap_or_else(PoisonError::into_inner) = made;
    }

    fn own(&self, name: &str) -> Option<Arc<ServerConfig>> {
        let own = self.own.read().unwrap_or_else(PoisonError::into_inner);
        own.iter()
            .find(|(own, _)| own.is_for(name))
            .map(|(_, config)| config.clone())
    }

    /// The TLS configuration for a client that asks for `sni` on this path; one that refuses the
    /// handshake when the name is not served there.
    pub fn choose(
        &self,
        sni: Option<&str>,
        via: &Via,
        local: IpAddr,
        snapshot: Option<&Snapshot>,
    ) -> Arc<ServerConfig> {
        let name = sni.map(|name| name.trim_end_matches('.').to_ascii_lowercase());
        let covers = match &name {
            None => Some(Covers {
                names: Vec::new(),
                addresses: vec![local],
            }),
            Some(name) if name.len() > LONGEST => None,
            Some(name) => self.served(name, via, local, snapshot),
        };
        let Some(covers) = covers else {
            return self.refusing.clone();
        };
        if let Some(config) = name.as_deref().and_then(|name| self.own(name)) {
            return config;
        }
        let key = match covers.names.first() {
            Some(first) => first.clone().into_boxed_str(),
            None => local.to_string().into_boxed_str(),
        };
        // Two paths may cover the same names differently (an address too): the key tells them apart.
        let key = if covers.names.is_empty() || covers.addresses.is_empty() {
            key
        } else {
            format!("{key}@{local}").into_boxed_str()
        };
        let made = self.cache.try_get_with(key, || -> Result<_, CaError> {
            let certificate = self.authority.mint(&covers.names, &covers.addresses)?;
            let mut config = self.base.clone();
            config.cert_resolver = Arc::new(Always(certificate));
            Ok(Arc::new(config))
        });
        made.unwrap_or_else(|why| {
            tracing::warn!(%why, "cannot make a certificate");
            self.refusing.clone()
        })
    }

    fn served(
        &self,
        name: &str,
        via: &Via,
        local: IpAddr,
        snapshot: Option<&Snapshot>,
    ) -> Option<Covers> {
        if *via == Via::Api
            && let Some(host) = self.hosts.iter().find(|host| is_or_below(name, host))
        {
            // Many clients take no wildcard directly below a name of one label.
            let mut names = vec![host.clone(), format!("*.{host}")];
            if name != host {
                names.insert(0, name.to_owned());
            }
            return Some(Covers {
                names,
                addresses: vec![local],
            });
        }
        if let (Via::Endpoint(id), Some(snapshot)) = (via, snapshot)
            && dynamodb::is_for(snapshot, via)
        {
            let own = names::dynamodb(&snapshot.endpoint(id)?.region);
            return (name == own).then(|| Covers {
                names: vec![own],
                addresses: Vec::new(),
            });
        }
        match names::parse(name)? {
            S3Name::Endpoint(endpoint) => {
                let Via::Endpoint(id) = via else { return None };
                is_name_of(&endpoint, id, snapshot?).then(|| endpoint_names(name, &endpoint))
            }
            S3Name::Public(public) => {
                if let (Via::Endpoint(id), Some(region)) = (via, &public.region)
                    && snapshot?.endpoint(id)?.region != *region
                {
                    return None;
                }
                public_names(name, &public)
            }
        }
    }
}

/// Whether `name` is `host` or lies below it.
pub(crate) fn is_or_below(name: &str, host: &str) -> bool {
    name.strip_suffix(host)
        .is_some_and(|front| front.is_empty() || front.ends_with('.'))
}

/// Whether a name is one of this endpoint's own.
pub(crate) fn is_name_of(name: &EndpointName, id: &VpcEndpointId, snapshot: &Snapshot) -> bool {
    let Some(view) = snapshot.endpoint(id) else {
        return false;
    };
    let EndpointKind::Interface { dns_suffix, .. } = &view.endpoint.kind else {
        return false;
    };
    name.endpoint == *id
        && name.suffix == *dns_suffix
        && name.region == view.region
        && view
            .endpoint
            .service
            .ends_with(&format!(".{}", name.service))
}

/// `names`, and `name` itself where no wildcard reaches it (a dotted bucket: two labels deep). Names
/// that a wildcard covers share one certificate.
fn cover(name: &str, mut names: Vec<String>) -> Covers {
    let covered = names.iter().any(|pattern| match pattern.strip_prefix('*') {
        Some(suffix) => name
            .strip_suffix(suffix)
            .is_some_and(|label| !label.is_empty() && !label.contains('.')),
        None => pattern == name,
    });
    if !covered {
        names.insert(0, name.to_owned());
    }
    Covers {
        names,
        addresses: Vec::new(),
    }
}

/// The names of E.1: the endpoint's (or zone's) own, everything below it, and everything below its
/// three service labels.
fn endpoint_names(name: &str, endpoint: &EndpointName) -> Covers {
    let own = match &endpoint.prefix {
        Some(prefix) => name.get(prefix.len() + 1..).unwrap_or(name),
        None => name,
    };
    let names = ["", "*.", "*.bucket.", "*.accesspoint.", "*.control."];
    cover(
        name,
        names
            .iter()
            .map(|prefix| format!("{prefix}{own}"))
            .collect(),
    )
}

fn public_names(name: &str, public: &PublicName) -> Option<Covers> {
    let own = match &public.prefix {
        Some(prefix) => name.get(prefix.len() + 1..)?,
        None => name,
    };
    Some(cover(name, vec![own.to_owned(), format!("*.{own}")]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str) -> EndpointName {
        match names::parse(name) {
            Some(S3Name::Endpoint(endpoint)) => endpoint,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn endpoint_certificates_cover_the_documented_names() {
        let own = "vpce-0123456789abcdef0-5e6f7a8b.s3.us-east-1.vpce.amazonaws.com";
        for front in [
            "",
            "bucket.",
            "b.bucket.",
            "ap-123456789012.accesspoint.",
            "123456789012.control.",
            "b.",
        ] {
            let name = format!("{front}{own}");
            let covers = endpoint_names(&name, &parsed(&name));
            let expected: Vec<String> = ["", "*.", "*.bucket.", "*.accesspoint.", "*.control."]
                .iter()
                .map(|p| format!("{p}{own}"))
                .collect();
            assert_eq!(covers.names, expected, "{name}");
        }
        // A dotted bucket is named itself.
        let name = format!("my.b.bucket.{own}");
        assert_eq!(endpoint_names(&name, &parsed(&name)).names[0], name);
    }

    #[test]
    fn public_certificates_cover_a_label_below() {
        for (name, first) in [
            ("s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"),
            ("b.s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com"),
            ("b.s3.amazonaws.com", "s3.amazonaws.com"),
            (
                "b.s3.dualstack.us-east-1.amazonaws.com",
                "s3.dualstack.us-east-1.amazonaws.com",
            ),
            (
                "1.s3-control.us-east-1.amazonaws.com",
                "s3-control.us-east-1.amazonaws.com",
            ),
        ] {
            let Some(S3Name::Public(public)) = names::parse(name) else {
                panic!("{name}")
            };
            let covers = public_names(name, &public).unwrap();
            assert_eq!(
                covers.names,
                [first.to_owned(), format!("*.{first}")],
                "{name}"
            );
        }
    }

    #[test]
    fn below_means_a_whole_label() {
        assert!(is_or_below("a.localhost", "localhost"));
        assert!(is_or_below("localhost", "localhost"));
        assert!(!is_or_below("alocalhost", "localhost"));
    }
}
