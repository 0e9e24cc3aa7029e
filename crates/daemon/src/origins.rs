//! The upstreams of the configuration, ready to be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use adit_gateway::{BucketMap, DynamoDb, MapError, Origin, Origins};
use adit_model::AccountId;
use adit_plane::metrics::{Kind, Metrics};
use adit_upstream::{
    Credentials, CredentialsError, Endpoint, EndpointError, State, Timeouts, Upstream,
};
use adit_wire::Service;
use serde::Deserialize;

/// An S3 endpoint that keeps objects of some buckets: one `[[origin]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginConfig {
    /// Its name, which stays with the buckets that are made there.
    pub name: String,
    /// Its URL: `http://host:port` or `https://host:port`.
    pub endpoint: String,
    /// Authorities to trust instead of the system's, for `https`.
    pub ca_file: Option<PathBuf>,
    /// The Region to sign for.
    #[serde(default = "first_region")]
    pub region: String,
    /// Where the bucket stands in requests to it.
    #[serde(default)]
    pub addressing: Addressing,
    /// Whether it keeps keys with `//` and `\` as they are, instead of making paths of them and cleaning those.
    #[serde(default)]
    pub exact_keys: bool,
    /// Where its credentials are.
    pub credentials: CredentialsConfig,
    /// Access keys of the upstream's own that clients may use, and the ARN of the user here that each stands
    /// for.
    #[serde(default)]
    pub pass_through: BTreeMap<String, String>,
    /// Seconds that an answer may take to begin, after the request was sent.
    pub timeout: Option<u64>,
    /// Which buckets it keeps.
    #[serde(default)]
    pub bucket: Vec<MapConfig>,
}

fn first_region() -> String {
    "us-east-1".to_owned()
}

/// Where the bucket stands in requests to an upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Addressing {
    /// In the path, which every server takes.
    #[default]
    Path,
    /// In the host.
    Virtual,
}

/// The database behind DynamoDB endpoints: `[dynamodb]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DynamoDbConfig {
    /// Its URL.
    pub upstream: String,
    /// Authorities to trust instead of the system's, for `https`.
    pub ca_file: Option<PathBuf>,
    /// The Region to sign for.
    #[serde(default = "first_region")]
    pub region: String,
    /// Where its credentials are.
    pub credentials: CredentialsConfig,
    /// The account whose tables it holds.
    pub account: AccountId,
}

impl DynamoDbConfig {
    /// Makes the client.
    ///
    /// # Errors
    /// What cannot be used.
    pub fn open(&self) -> Result<DynamoDb, OriginError> {
        let open = || -> Result<DynamoDb, Why> {
            let endpoint = Endpoint::parse(&self.upstream, self.ca_file.as_deref())?;
            let upstream = Upstream::new(
                endpoint,
                self.region.clone(),
                Service::DynamoDb,
                Some(self.credentials.read()?),
                Timeouts::default(),
            );
            Ok(DynamoDb {
                upstream,
                account: self.account.clone(),
            })
        };
        open().map_err(|why| OriginError {
            name: "dynamodb".to_owned(),
            why,
        })
    }
}

/// Where credentials are.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum CredentialsConfig {
    /// In a file in the form of AWS's shared credentials, which only its owner can read.
    File {
        /// Which file.
        file: PathBuf,
        /// Which profile in it.
        #[serde(default = "default_profile")]
        profile: String,
    },
    /// In two environment variables.
    Environment {
        /// The variable that holds the access key id.
        access_key_id: String,
        /// The variable that holds the secret.
        secret_access_key: String,
    },
}

fn default_profile() -> String {
    "default".to_owned()
}

/// Buckets of an origin: one `[[origin.bucket]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MapConfig {
    /// A bucket's name, or its begin and `*`.
    pub name: String,
    /// The bucket there; the same name unless it is set. `*` is what `*` stood for.
    pub upstream: Option<String>,
    /// In front of every key there.
    #[serde(default)]
    pub prefix: String,
    /// Whether a bucket that is there already may be taken over; so unless `name` has a `*`.
    pub adopt: Option<bool>,
}

/// Why an origin cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("origin `{name}`: {why}")]
pub struct OriginError {
    name: String,
    why: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("it stands twice")]
    Twice,
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error(transparent)]
    Map(#[from] MapError),
}

/// Makes clients for every origin of the configuration. Nothing is asked of them yet.
///
/// # Errors
/// What cannot be used, by the origin's name.
pub fn open(origins: &[OriginConfig], metrics: &Metrics) -> Result<Origins, OriginError> {
    let mut names = BTreeSet::new();
    let mut made = Vec::new();
    for origin in origins {
        let opened = match names.insert(&origin.name) {
            true => one(origin),
            false => Err(Why::Twice),
        };
        made.push(opened.map_err(|why| OriginError {
            name: origin.name.clone(),
            why,
        })?);
    }
    count(&made, metrics);
    Ok(Origins::new(made))
}

fn one(config: &OriginConfig) -> Result<Origin, Why> {
    let endpoint = Endpoint::parse(&config.endpoint, config.ca_file.as_deref())?;
    let credentials = config.credentials.read()?;
    let mut buckets = Vec::new();
    for map in &config.bucket {
        let bucket = map.upstream.clone().unwrap_or_else(|| map.name.clone());
        let map = BucketMap {
            name: map.name.clone(),
            adopt: map.adopt.unwrap_or(!map.name.contains('*')),
            prefix: map.prefix.clone(),
            bucket,
        };
        map.check()?;
        buckets.push(map);
    }
    let mut timeouts = Timeouts::default();
    if let Some(seconds) = config.timeout {
        timeouts.answer = Duration::from_secs(seconds.max(1));
    }
    Ok(Origin {
        name: config.name.clone(),
        upstream: Upstream::new(
            endpoint,
            config.region.clone(),
            Service::S3,
            Some(credentials),
            timeouts,
        ),
        virtual_hosted: config.addressing == Addressing::Virtual,
        exact_keys: config.exact_keys,
        buckets,
        pass_through: config.pass_through.clone().into_iter().collect(),
    })
}

impl CredentialsConfig {
    /// Reads them.
    ///
    /// # Errors
    /// [`CredentialsError`]
    pub fn read(&self) -> Result<Credentials, CredentialsError> {
        match self {
            CredentialsConfig::File { file, profile } => Credentials::from_file(file, profile),
            CredentialsConfig::Environment {
                access_key_id,
                secret_access_key,
            } => Credentials::from_environment(access_key_id, secret_access_key),
        }
    }
}

/// Shows how the origins are.
fn count(origins: &[Origin], metrics: &Metrics) {
    let all: Vec<(String, Upstream)> = origins
        .iter()
        .map(|origin| (origin.name.clone(), origin.upstream.clone()))
        .collect();
    let family = |name, kind, help, number: fn(&adit_upstream::Health) -> u64| {
        let all = all.clone();
        metrics.sampled(name, kind, help, &["origin"], move || {
            all.iter()
                .map(|(name, upstream)| (vec![name.clone()], number(&upstream.health())))
                .collect()
        });
    };
    family(
        "adit_origin_up",
        Kind::Gauge,
        "Whether an upstream is asked: 1, or 0 while it fails.",
        |health| u64::from(health.state != State::Down),
    );
    family(
        "adit_origin_requests_total",
        Kind::Counter,
        "Requests to an upstream.",
        |health| health.requests,
    );
    family(
        "adit_origin_failures_total",
        Kind::Counter,
        "Requests to an upstream that got no answer.",
        |health| health.failures,
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const START: &str = "[[origin]]\nname = 'o'\nendpoint = 'http://127.0.0.1:1'\n";

    /// What a configuration gives; `KEYS` stands for credentials that exist.
    fn opened(text: &str) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let keys = "[default]\naws_access_key_id = A\naws_secret_access_key = B\n";
        std::fs::write(file.path(), keys).unwrap();
        let keys = format!("credentials = {{file = '{}'}}", file.path().display());
        let text = format!("{START}{}", text.replace("KEYS", &keys));
        let config: Config = toml::from_str(&text).map_err(|e| e.to_string())?;
        let metrics = Metrics::default();
        open(&config.origin, &metrics).map_err(|e| e.to_string())?;
        Ok(metrics.text())
    }

    #[test]
    fn origins_that_cannot_work_are_named() {
        for (text, word) in [
            ("", "credentials"),
            ("KEYS\nspeed = 1", "unknown field"),
            ("credentials = {file = '/nowhere'}", "/nowhere"),
            (
                "credentials = {access_key_id = 'ADIT_NO_SUCH', secret_access_key = 'X'}",
                "ADIT_NO_SUCH",
            ),
            ("KEYS\n[[origin.bucket]]\nname = 'a*b'", "at the end"),
            (
                "KEYS\n[[origin]]\nname = 'o'\nendpoint = 'http://x'\nKEYS",
                "twice",
            ),
        ] {
            let why = opened(text).unwrap_err();
            assert!(why.contains(word), "{text}: {why}");
        }
    }

    #[test]
    fn health_is_shown_by_name() {
        let text = opened("KEYS\n[[origin.bucket]]\nname = '*'").unwrap();
        assert!(text.contains("adit_origin_up{origin=\"o\"} 1"), "{text}");
    }
}
