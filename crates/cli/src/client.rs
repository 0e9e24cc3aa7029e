//! Calls to the daemon, signed like any AWS client's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use adit_wire::protocol::percent_encoded;
use adit_wire::sigv4::{Key, Secret, Sign, Signer};
use adit_wire::{Headers, Parts, Service};
use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::Value;

use crate::args::Target;

/// Longest wait for an answer: a change waits for the network to be placed.
const PATIENCE: Duration = Duration::from_secs(60);

/// A signing client of one daemon.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// `127.0.0.1:4566`
    authority: String,
    region: String,
    access_key_id: String,
    secret: Secret,
    session_token: Option<String>,
}

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refused {}

impl Client {
    pub(crate) fn find(target: &Target) -> anyhow::Result<Client> {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let given = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"));
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        match given {
            Some((id, secret)) => {
                let region = match region {
                    Some(region) => region,
                    None => target
                        .client_file()
                        .map_or_else(|_| "us-east-1".into(), |f| f.region),
                };
                let endpoint = match (&target.endpoint, &target.state) {
                    (None, Some(_)) => target.client_file()?.endpoint,
                    _ => target.endpoint(),
                };
                Client::new(
                    &endpoint,
                    &region,
                    &id,
                    &secret,
                    variable("AWS_SESSION_TOKEN"),
                )
            }
            None => {
                let file = target.client_file()?;
                let endpoint = if target.endpoint.is_some() {
                    target.endpoint()
                } else {
                    file.endpoint
                };
                let region = region.unwrap_or(file.region);
                Client::new(
                    &endpoint,
                    &region,
                    &file.access_key_id,
                    &file.secret_access_key,
                    None,
                )
            }
        }
    }

    pub(crate) fn new(
        endpoint: &str,
        region: &str,
        access_key_id: &str,
        secret: &str,
        session_token: Option<String>,
    ) -> anyhow::Result<Client> {
        let Some(authority) = endpoint.strip_prefix("http://") else {
            bail!("the endpoint `{endpoint}` must have the form http://HOST:PORT");
        };
        Ok(Client {
            authority: authority.trim_end_matches('/').to_string(),
            region: region.to_string(),
            access_key_id: access_key_id.to_string(),
            secret: Secret::new(secret),
            session_token,
        })
    }

    /// Calls one of Adit's own operations.
    pub(crate) fn adit(&self, operation: &str, input: Value) -> anyhow::Result<Value> {
        let body = self.own(operation, &input)?;
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Calls one of Adit's own operations whose answer is not one value.
    pub(crate) fn adit_bytes(&self, operation: &str) -> anyhow::Result<Bytes> {
        self.own(operation, &serde_json::json!({}))
    }

    fn own(&self, operation: &str, input: &Value) -> anyhow::Result<Bytes> {
        let target = format!("Adit.{operation}");
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", target.as_str()),
        ];
        let (status, body) = self.post(Service::Adit, &headers, input.to_string().into_bytes())?;
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let text = |name: &str| answer.get(name).and_then(Value::as_str).map(str::to_string);
        let code = text("__type").unwrap_or_else(|| format!("HTTP {status}"));
        let message = text("message").or_else(|| text("Message"));
        let message = message.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned());
        Err(Refused { code, message }.into())
    }

    /// Calls an operation of a Query service (EC2, IAM); the answer is its XML.
    pub(crate) fn query(
        &self,
        service: Service,
        parameters: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let version = service.table().map_or("", |table| table.version);
        let mut form = format!("Version={version}");
        for (name, value) in parameters {
            form.push_str(&format!("&{name}={}", percent_encoded(value)));
        }
        let headers = [(
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        )];
        let (status, body) = self.post(service, &headers, form.into_bytes())?;
        let text = String::from_utf8_lossy(&body).into_owned();
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let code = element(&text, "Code").unwrap_or("unknown").to_string();
        let message = element(&text, "Message").unwrap_or(&text).to_string();
        Err(Refused { code, message }.into())
    }

    fn post(
        &self,
        service: Service,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> anyhow::Result<(u16, Bytes)> {
        let mut fields: Vec<(&str, &[u8])> = vec![("host", self.authority.as_bytes())];
        fields.extend(
            headers
                .iter()
                .map(|(name, value)| (*name, value.as_bytes())),
        );
        let parts = Parts {
            method: "POST",
            path: "/",
            query: "",
            headers: Headers(&fields),
            body: &body,
        };
        let signer = Signer {
            key: Key {
                access_key_id: &self.access_key_id,
                secret: &self.secret,
                session_token: self.session_token.as_deref(),
            },
            region: &self.region,
            service,
            now: now_millis(),
        };
        let mut request = Request::builder()
            .method("POST")
            .uri("/")
            .header("host", &self.authority);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in signer.sign(&parts, Sign::Bytes(&body)) {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.send(request)).await })
            .with_context(|| format!("adit at {} did not answer in {PATIENCE:?}", self.authority))?
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
        let stream = tokio::net::TcpStream::connect(&self.authority)
            .await
            .with_context(|| {
                format!(
                    "no adit answers at {}: start one with `adit up`",
                    self.authority
                )
            })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let answer = sender
            .send_request(request)
            .await
            .context("the connection to adit broke")?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}

/// Milliseconds since the epoch.
pub(crate) fn now_millis() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64)
}

/// The text of the first element with this name in an answer of our own daemon.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let from = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let rest = xml.get(from..)?;
    rest.get(..rest.find(&format!("</{name}>"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        let xml = "<a><vpcId>vpc-1</vpcId><vpcId>vpc-2</vpcId></a>";
        assert_eq!(element(xml, "vpcId"), Some("vpc-1"));
        assert_eq!(element(xml, "subnetId"), None);
    }

    #[test]
    fn form_encoding() {
        assert_eq!(percent_encoded("a b&c=d/é"), "a%20b%26c%3Dd%2F%C3%A9");
    }
}
