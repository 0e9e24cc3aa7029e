//! The configuration file: what an operator decides once. Everything that may change at run time is
//! intent and goes through the API. `docs/operate/configuration.md` has every setting, which a test compares.

mod limits;
mod regions;

pub use limits::LimitsConfig;
pub use regions::{RegionConfig, RegionPlan};

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use adit_gateway::Settings;
use adit_model::Region;
use adit_objects::EtagKind;
use serde::Deserialize;

use crate::origins::{DynamoDbConfig, OriginConfig};

/// Where the API answers unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:4566";

/// The whole file. Unknown keys are refused.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the API answers; `--listen` wins.
    pub listen: Option<SocketAddr>,
    /// The Region that answers when a caller names none.
    pub default_region: Option<Region>,
    /// The Regions; only `us-east-1` when none is named.
    pub region: Vec<RegionConfig>,
    /// S3 manners.
    pub s3: S3Config,
    /// Names.
    pub dns: DnsConfig,
    /// The audit log.
    pub audit: LogConfig,
    /// Batch jobs.
    pub jobs: JobsConfig,
    /// Numbers for monitoring.
    pub metrics: MetricsConfig,
    /// Records of what passes.
    pub flow_logs: FlowLogsConfig,
    /// Upstreams that keep objects of some buckets.
    pub origin: Vec<OriginConfig>,
    /// Certificates of the operator's own.
    pub certificate: Vec<CertificateConfig>,
    /// The database behind DynamoDB endpoints.
    pub dynamodb: Option<DynamoDbConfig>,
}

/// A log of lines: when a file begins anew, and how many older ones stay.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// Megabytes in one file.
    pub megabytes: u32,
    /// Hours in one file.
    pub hours: u32,
    /// Older files that are kept.
    pub keep: u32,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            megabytes: 100,
            hours: 24,
            keep: 10,
        }
    }
}

impl LogConfig {
    /// As limits of the log.
    pub fn limits(&self) -> crate::rotate::Limits {
        crate::rotate::Limits {
            size: u64::from(self.megabytes.max(1)) << 20,
            age: std::time::Duration::from_secs(u64::from(self.hours.max(1)) * 3600),
            keep: self.keep.min(10_000),
        }
    }
}

/// Names: what Adit does not know itself, and who asked for what.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsConfig {
    /// Servers that are asked for them, in this order, from the host's own network: addresses, with
    /// port 53 where none is given. None: there are no other names (the network is isolated).
    pub upstream: Vec<UpstreamServer>,
    /// The files of query logs.
    pub log: LogConfig,
    /// How many seconds query logs that go to a bucket gather before they become an object: 1 to 600.
    pub bucket_log_seconds: u32,
}

impl Default for DnsConfig {
    fn default() -> DnsConfig {
        DnsConfig {
            upstream: Vec::new(),
            log: LogConfig::default(),
            bucket_log_seconds: 300,
        }
    }
}

/// The most upstream servers: each may cost a query its patience.
const MOST_UPSTREAMS: usize = 6;

impl DnsConfig {
    /// The servers with their ports.
    pub fn upstreams(&self) -> Vec<SocketAddr> {
        self.upstream.iter().map(|server| server.0).collect()
    }

    /// How long query logs that go to a bucket gather.
    pub fn bucket_logs_every(&self) -> Duration {
        Duration::from_secs(self.bucket_log_seconds.clamp(1, 600).into())
    }
}

/// The address of a server, port 53 unless another is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UpstreamServer(SocketAddr);

impl TryFrom<String> for UpstreamServer {
    type Error = String;
    fn try_from(text: String) -> Result<UpstreamServer, String> {
        let alone = text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53));
        let address = alone.or_else(|_| text.parse::<SocketAddr>());
        let address = address.map_err(|_| format!("`{text}` is not the address of a server"))?;
        match address.ip().is_unspecified() || address.ip().is_multicast() || address.port() == 0 {
            true => Err(format!("`{text}` is not the address of a server")),
            false => Ok(UpstreamServer(address)),
        }
    }
}

/// Batch jobs of S3 Control.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobsConfig {
    /// How many act on objects at the same time.
    pub concurrent: usize,
}

impl Default for JobsConfig {
    fn default() -> JobsConfig {
        // Each has eight requests under way: enough to keep a small machine busy.
        JobsConfig { concurrent: 4 }
    }
}

/// Numbers for monitoring.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsConfig {
    /// Where they are shown, at `/metrics`, in Prometheus' text form. A loopback address: they tell
    /// names of buckets and endpoints to whoever asks. Nowhere when it is not set.
    pub listen: Option<SocketAddr>,
}

/// Records of what passes.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FlowLogsConfig {
    /// The most seconds that a record covers, whatever a flow log asks for: 1 to 600.
    pub seconds: u32,
}

impl Default for FlowLogsConfig {
    fn default() -> FlowLogsConfig {
        FlowLogsConfig { seconds: 600 }
    }
}

impl FlowLogsConfig {
    /// As settings of the recorder.
    pub fn settings(&self) -> crate::flow_logs::Settings {
        crate::flow_logs::Settings {
            seconds: self.seconds.clamp(1, 600),
        }
    }
}

/// S3 manners.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3Config {
    /// Whether presigned URLs of signature version 2 are accepted: unmodified clients in
    /// us-east-1 still make them. Policies can refuse them by `s3:signatureversion`.
    pub signature_v2: bool,
    /// How entity tags are made.
    pub etag: EtagConfig,
    /// What new buckets' objects are encrypted with unless the bucket says otherwise: none, or SSE-S3.
    pub default_encryption: EncryptionConfig,
    /// Hosts of the API address that mean S3 itself, besides AWS's names.
    pub hosts: Vec<String>,
    /// Minutes between two looks at what lifecycle rules let go.
    pub lifecycle_minutes: u32,
    /// Seconds between two deliveries of access logs.
    pub access_log_seconds: u32,
    /// What one client, or one endpoint, may take.
    pub limits: LimitsConfig,
}

/// How entity tags of objects are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EtagConfig {
    /// The MD5 wherever clients compare it: of parts, and of bodies that are not larger than what clients
    /// send in one request without giving its MD5.
    #[default]
    Auto,
    /// The MD5 of the body, as S3 does.
    Md5,
    /// Random digits, unless the client gives the MD5.
    Opaque,
}

/// The default encryption of new buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum EncryptionConfig {
    /// None: bytes lie on disk as they came.
    #[default]
    #[serde(rename = "none")]
    None,
    /// SSE-S3, as AWS has it.
    #[serde(rename = "AES256")]
    Aes256,
}

impl Default for S3Config {
    fn default() -> S3Config {
        S3Config {
            signature_v2: true,
            etag: EtagConfig::Auto,
            default_encryption: EncryptionConfig::None,
            hosts: Vec::new(),
            lifecycle_minutes: 60,
            access_log_seconds: 300,
            limits: LimitsConfig::default(),
        }
    }
}

impl S3Config {
    /// The front door's settings.
    pub fn settings(&self, explain_allowed: bool) -> Settings {
        let mut settings = Settings {
            signature_v2: self.signature_v2,
            etag: match self.etag {
                EtagConfig::Auto => EtagKind::Auto,
                EtagConfig::Md5 => EtagKind::Md5,
                EtagConfig::Opaque => EtagKind::Opaque,
            },
            seal_new_buckets: self.default_encryption == EncryptionConfig::Aes256,
            explain_allowed,
            ..Settings::default()
        };
        settings.hosts.extend(self.hosts.iter().cloned());
        self.limits.apply(&mut settings);
        settings
    }

    /// How often lifecycle rules are applied.
    pub fn lifecycle_every(&self) -> Duration {
        Duration::from_secs(u64::from(self.lifecycle_minutes.max(1)) * 60)
    }

    /// How often access logs are delivered.
    pub fn access_logs_every(&self) -> Duration {
        Duration::from_secs(u64::from(self.access_log_seconds.max(1)))
    }
}

/// A certificate of the operator's own, instead of one of the local authority: one `[[certificate]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateConfig {
    /// For which names clients get it: as they are, or `*.` and what follows the first label.
    pub names: Vec<String>,
    /// The chain, PEM, the certificate itself first.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{path}`: {why}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the configuration `{path}` is not valid: {why}")]
    Parse {
        /// Which file.
        path: String,
        /// What the parser said, in one line.
        why: String,
    },
    /// Values that do not go together.
    #[error("the configuration is not valid: {0}")]
    Inconsistent(String),
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|why| ConfigError::Read {
            path: shown.clone(),
            why,
        })?;
        let config: Config = toml::from_str(&text).map_err(|error| {
            let why = error
                .to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            ConfigError::Parse { path: shown, why }
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        if self.dns.upstream.len() > MOST_UPSTREAMS {
            return Err(ConfigError::Inconsistent(format!(
                "dns.upstream names {} servers; the most is {MOST_UPSTREAMS}",
                self.dns.upstream.len()
            )));
        }
        match self.metrics.listen {
            Some(listen) if !listen.ip().is_loopback() => Err(ConfigError::Inconsistent(format!(
                "metrics.listen `{listen}` is not a loopback address"
            ))),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod page;
#[cfg(test)]
mod tests;
