//! Limits and manners.

use std::time::Duration;

/// How a [`Gateway`](crate::Gateway) behaves. The defaults are meant to be used.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Further hosts that are the S3 service itself, besides AWS's names: path-style, and with a bucket
    /// in front. Only for [`Via::Api`](crate::Via::Api).
    pub hosts: Vec<String>,
    /// Whether presigned URLs with signature version 2 are accepted, which default clients make in
    /// us-east-1. Policies can still deny them by `s3:signatureversion`.
    pub signature_v2: bool,
    /// How entity tags of stored objects are made. Opaque ones save the MD5 of a body, by far the slowest
    /// thing done to one; clients that compare a tag with a file's MD5 then cannot. A body whose client
    /// gave its MD5 has that as its tag in any case.
    pub etag: adit_objects::EtagKind,
    /// Whether buckets are made with SSE-S3 as their default encryption, as AWS makes them: the bytes of
    /// their objects are sealed on disk. A bucket's own settings can change it.
    pub seal_new_buckets: bool,
    /// Whether records of allowed requests name the statement that allowed them too. Costs a second
    /// evaluation with a trace; refused requests always have one.
    pub explain_allowed: bool,
    /// How long a TLS handshake may take, and the first byte of a connection.
    pub handshake_timeout: Duration,
    /// How long a request's head may take from its first byte to its end.
    pub head_timeout: Duration,
    /// How long a kept-alive connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How long a body may stand still, in either direction.
    pub body_timeout: Duration,
    /// Least bytes a second of a body in either direction, on average over [`Settings::body_timeout`] spent
    /// waiting for the client: whoever is slower only holds a connection. 0: any speed will do.
    pub body_rate: u32,
    /// Most bytes of request line and headers together.
    pub max_head: usize,
    /// Most connections of one listener; further ones are closed at once.
    pub max_connections: usize,
    /// Most connections of one endpoint, over all its addresses and ports.
    pub max_endpoint_connections: usize,
    /// Most bytes of bodies that are held as a whole (documents), over all requests at once.
    pub max_documents: usize,
    /// How long requests in flight may take when a listener is removed.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            hosts: vec!["localhost".to_owned()],
            signature_v2: true,
            etag: adit_objects::EtagKind::Auto,
            seal_new_buckets: false,
            explain_allowed: false,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(60),
            body_rate: 240,
            max_head: 16 * 1024,
            max_connections: 20_000,
            max_endpoint_connections: 20_000,
            max_documents: 128 << 20,
            drain: Duration::from_secs(30),
        }
    }
}
