//! A raw signing HTTP client: what it costs is not what is measured, and it is the same for all.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{SystemTime, UNIX_EPOCH};

use adit_wire::sigv4::{Key, Secret, Sign, Signer};
use adit_wire::{Headers, Parts, Service};

/// The access key that servers are started with.
pub const ACCESS_KEY: &str = "AKIABENCHBENCHBENCH0";
/// Its secret.
pub const SECRET: &str = "bench-secret-bench-secret-bench-secret";
const REGION: &str = "us-east-1";

/// One client with at most one connection.
pub struct Client {
    address: SocketAddr,
    secret: Secret,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub fn new(address: SocketAddr) -> Client {
        Client {
            address,
            secret: Secret::new(SECRET),
            connection: None,
        }
    }

    /// Calls an EC2 operation; the answer is its XML, which must be a success.
    pub fn call(&mut self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = format!("Action={action}&Version=2016-11-15");
        for (name, value) in parameters {
            form.push_str(&format!("&{name}={}", value.replace('=', "%3D")));
        }
        let (status, text) = self.post(form.as_bytes());
        assert_eq!(status, 200, "{action} {parameters:?}: {text}");
        text
    }

    fn post(&mut self, body: &[u8]) -> (u16, String) {
        let request = self.request(body);
        // A kept connection may have been closed meanwhile; a new one has not.
        if self.connection.is_some()
            && let Some(answer) = self.exchange(&request)
        {
            return answer;
        }
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket");
        self.connection = Some(BufReader::new(stream));
        self.exchange(&request).expect("the server answers")
    }

    fn request(&self, body: &[u8]) -> Vec<u8> {
        let host = self.address.to_string();
        let fields: [(&str, &[u8]); 2] = [
            ("host", host.as_bytes()),
            (
                "content-type",
                b"application/x-www-form-urlencoded; charset=utf-8",
            ),
        ];
        let parts = Parts {
            method: "POST",
            path: "/",
            query: "",
            headers: Headers(&fields),
            body,
        };
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let signer = Signer {
            key: Key {
                access_key_id: ACCESS_KEY,
                secret: &self.secret,
                session_token: None,
            },
            region: REGION,
            service: Service::Ec2,
            now: since.expect("a clock after 1970").as_millis() as i64,
        };
        let mut request = format!(
            "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/x-www-form-urlencoded; charset=utf-8\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in signer.sign(&parts, Sign::Bytes(body)) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        request
    }

    /// One request and its answer; `None` when the connection is no more.
    fn exchange(&mut self, request: &[u8]) -> Option<(u16, String)> {
        let mut connection = self.connection.take()?;
        connection.get_mut().write_all(request).ok()?;
        let mut line = String::new();
        connection.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let mut keep = line.starts_with("HTTP/1.1");
        let status = line.split(' ').nth(1)?.parse().ok()?;
        let mut length = None;
        loop {
            let mut line = String::new();
            connection.read_line(&mut line).ok()?;
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            match line.split_once(':') {
                Some(("content-length", value)) => length = value.trim().parse::<usize>().ok(),
                Some(("connection", value)) => keep &= value.trim() != "close",
                _ => {}
            }
        }
        let mut body = Vec::new();
        match length {
            Some(length) => {
                body.resize(length, 0);
                connection.read_exact(&mut body).ok()?;
            }
            None => {
                connection.read_to_end(&mut body).ok()?;
                keep = false;
            }
        }
        if keep {
            self.connection = Some(connection);
        }
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

/// The text of every element with this name.
pub fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = Vec::new();
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once(open.as_str()) {
        let Some((text, after)) = after.split_once(close.as_str()) else {
            break;
        };
        found.push(text);
        rest = after;
    }
    found
}
