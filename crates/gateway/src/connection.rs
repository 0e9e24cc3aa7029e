//! What is known of a connection before a byte of HTTP is read: the identity of its path.

use std::net::SocketAddr;

use adit_model::VpcEndpointId;

/// Which way a connection came; said by whoever bound the listener, never by the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Via {
    /// Through a VPC endpoint, gateway or interface: the listener stands inside the endpoint.
    Endpoint(VpcEndpointId),
    /// Through an internet gateway to S3's public addresses. The local address tells the Region.
    Internet,
    /// To the installation's API address. The name or the signature tells the Region.
    Api,
}

/// What is spoken on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP only.
    Plain,
    /// HTTP over TLS only.
    Tls,
    /// Either: the first byte of a connection tells.
    Both,
}

/// The TLS version of a connection, `s3:TlsVersion`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2
    V1_2,
    /// TLS 1.3
    V1_3,
}

impl TlsVersion {
    /// `1.2` or `1.3`.
    pub fn as_str(self) -> &'static str {
        match self {
            TlsVersion::V1_2 => "1.2",
            TlsVersion::V1_3 => "1.3",
        }
    }
}

/// One accepted connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Which way it came.
    pub via: Via,
    /// The client as the listener saw it: `aws:VpcSourceIp` through an endpoint, else `aws:SourceIp`.
    pub peer: SocketAddr,
    /// The address it was sent to.
    pub local: SocketAddr,
    /// The TLS version; none on plain HTTP (`aws:SecureTransport` is false then).
    pub tls: Option<TlsVersion>,
}
