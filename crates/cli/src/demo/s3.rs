//! A small S3 client: what the demonstration needs to fill buckets, and to ask for one object where
//! the AWS CLI is not installed.

use std::process::ExitCode;
use std::sync::Arc;

use adit_wire::sigv4::{Key, Secret, Sign, Signer};
use adit_wire::{Headers, Parts, Service};
use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::daemon::Daemon;
use crate::client::{element, now_millis};

/// Someone who makes buckets, at the API address.
pub(super) struct Admin<'a> {
    daemon: &'a Daemon,
    access_key_id: String,
    secret: Secret,
}

impl<'a> Admin<'a> {
    pub(super) fn root(daemon: &'a Daemon) -> anyhow::Result<Admin<'a>> {
        Admin::with_key(
            daemon,
            &daemon.file.access_key_id,
            &daemon.file.secret_access_key,
        )
    }

    pub(super) fn with_key(
        daemon: &'a Daemon,
        id: &str,
        secret: &str,
    ) -> anyhow::Result<Admin<'a>> {
        Ok(Admin {
            daemon,
            access_key_id: id.to_string(),
            secret: Secret::new(secret),
        })
    }

    /// Makes a bucket with one object in it.
    pub(super) fn create(&self, bucket: &str, key: &str) -> anyhow::Result<()> {
        self.put(&format!("/{bucket}"), "", Vec::new())?;
        self.put(
            &format!("/{bucket}/{key}"),
            "",
            format!("hello from {bucket}\n").into_bytes(),
        )
    }

    pub(super) fn put_policy(&self, bucket: &str, policy: &Value) -> anyhow::Result<()> {
        self.put(
            &format!("/{bucket}"),
            "policy=",
            policy.to_string().into_bytes(),
        )
    }

    fn put(&self, path: &str, query: &str, body: Vec<u8>) -> anyhow::Result<()> {
        let authority = self.daemon.file.endpoint.trim_start_matches("http://");
        let call = Call {
            method: "PUT",
            authority,
            path,
            query,
            body,
            access_key_id: &self.access_key_id,
            secret: &self.secret,
            session_token: None,
            region: &self.daemon.file.region,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (status, text) = runtime.block_on(async {
            let stream = TcpStream::connect(authority).await?;
            call.send(stream).await
        })?;
        match status {
            200..300 => Ok(()),
            _ => bail!(
                "PUT {path}?{query}: {status} {}",
                element(&text, "Code").unwrap_or(&text)
            ),
        }
    }
}

/// `adit demo-client`: asks for one object and says what came.
#[derive(Debug, clap::Args)]
pub(crate) struct Get {
    #[arg(long)]
    bucket: String,
    #[arg(long)]
    key: String,
    #[arg(long)]
    endpoint_url: Option<String>,
}

pub(crate) fn get(options: &Get) -> anyhow::Result<ExitCode> {
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let region = variable("AWS_REGION")?;
    let host = match &options.endpoint_url {
        Some(url) => url
            .trim_start_matches("https://")
            .trim_end_matches('/')
            .to_string(),
        None => format!("s3.{region}.amazonaws.com"),
    };
    let secret = Secret::new(variable("AWS_SECRET_ACCESS_KEY")?);
    let call = Call {
        method: "GET",
        authority: &host,
        path: &format!("/{}/{}", options.bucket, options.key),
        query: "",
        body: Vec::new(),
        access_key_id: &variable("AWS_ACCESS_KEY_ID")?,
        secret: &secret,
        session_token: None,
        region: &region,
    };
    let ca = variable("AWS_CA_BUNDLE")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (status, text) = runtime.block_on(async {
        let patience = std::time::Duration::from_secs(10);
        tokio::time::timeout(patience, async { call.send(tls(&host, &ca).await?).await })
            .await
            .context("no answer in time")?
    })?;
    if status == 200 {
        print!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    bail!("{status} {}", element(&text, "Message").unwrap_or(&text))
}

async fn tls(host: &str, ca: &str) -> anyhow::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls::pki_types::CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect((host, 443))
        .await
        .with_context(|| format!("cannot reach {host}"))?;
    let name = rustls::pki_types::ServerName::try_from(host.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(connector.connect(name, stream).await?)
}

struct Call<'a> {
    method: &'a str,
    authority: &'a str,
    path: &'a str,
    query: &'a str,
    body: Vec<u8>,
    access_key_id: &'a str,
    secret: &'a Secret,
    session_token: Option<&'a str>,
    region: &'a str,
}

impl Call<'_> {
    async fn send<S>(self, stream: S) -> anyhow::Result<(u16, String)>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let host = [("host", self.authority.as_bytes())];
        let parts = Parts {
            method: self.method,
            path: self.path,
            query: self.query,
            headers: Headers(&host),
            body: &self.body,
        };
        let signer = Signer {
            key: Key {
                access_key_id: self.access_key_id,
                secret: self.secret,
                session_token: self.session_token,
            },
            region: self.region,
            service: Service::S3,
            now: now_millis(),
        };
        let uri = match self.query {
            "" => self.path.to_string(),
            query => format!("{}?{query}", self.path),
        };
        let mut request = Request::builder()
            .method(self.method)
            .uri(uri)
            .header("host", self.authority);
        for (name, value) in signer.sign(&parts, Sign::Bytes(&self.body)) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(self.body)))?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender.send_request(request).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}
