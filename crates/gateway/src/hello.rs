//! The first bytes of a connection: plain HTTP or TLS, and which certificate.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::ProtocolVersion;
use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::certificates::Certificates;
use crate::connection::{Connection, Scheme, TlsVersion, Via};
use crate::gateway::Gateway;
use crate::io::{Linger, Quiet};

/// The first byte of every TLS connection: a handshake record.
const HANDSHAKE: u8 = 0x16;

/// A connection that is ready for HTTP.
pub struct Stream {
    inner: Either,
    http2: bool,
}

enum Either {
    Plain(Linger<TcpStream>),
    Tls(Box<TlsStream<Linger<TcpStream>>>),
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.inner {
            Either::Plain(_) => "Stream(plain)",
            Either::Tls(_) => "Stream(tls)",
        })
    }
}

impl Stream {
    /// Whether the client chose HTTP/2 in the TLS handshake.
    pub fn is_http2(&self) -> bool {
        self.http2
    }

    /// See [`Linger::quiet`].
    pub(crate) fn quiet(&self) -> Quiet {
        match &self.inner {
            Either::Plain(stream) => stream.quiet(),
            Either::Tls(stream) => stream.get_ref().0.quiet(),
        }
    }
}

impl Gateway {
    /// Takes an accepted connection up to its first byte of HTTP. `via` is the identity of its path and
    /// comes from whoever bound the listener. Takes at most
    /// [`Settings::handshake_timeout`](crate::Settings::handshake_timeout).
    ///
    /// # Errors
    /// When the client closes, is too slow, or fails the handshake; a name that is not served on this
    /// path fails it.
    pub async fn hello(
        &self,
        tcp: TcpStream,
        via: Via,
        scheme: Scheme,
    ) -> io::Result<(Stream, Connection)> {
        let limit = self.inner.settings.handshake_timeout;
        let hello = self.hello_unlimited(tcp, via, scheme);
        tokio::time::timeout(limit, hello)
            .await
            .unwrap_or_else(|_| {
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "no handshake in time",
                ))
            })
    }

    async fn hello_unlimited(
        &self,
        tcp: TcpStream,
        via: Via,
        scheme: Scheme,
    ) -> io::Result<(Stream, Connection)> {
        // Small answers must not wait for the client's delayed acknowledgement.
        tcp.set_nodelay(true)?;
        let (peer, local) = (tcp.peer_addr()?, tcp.local_addr()?);
        let encrypted = match scheme {
            Scheme::Plain => false,
            Scheme::Tls => true,
            Scheme::Both => {
                let mut first = [0u8];
                tcp.peek(&mut first).await? == 1 && first == [HANDSHAKE]
            }
        };
        let mut connection = Connection {
            via,
            peer,
            local,
            tls: None,
        };
        if !encrypted {
            let inner = Either::Plain(Linger::new(tcp));
            return Ok((
                Stream {
                    inner,
                    http2: false,
                },
                connection,
            ));
        }
        let stream = accept(tcp, &self.inner.certificates, &connection.via, local, self).await?;
        let (_, session) = stream.get_ref();
        connection.tls = Some(match session.protocol_version() {
            Some(ProtocolVersion::TLSv1_3) => TlsVersion::V1_3,
            _ => TlsVersion::V1_2,
        });
        let http2 = session.alpn_protocol() == Some(b"h2");
        Ok((
            Stream {
                inner: Either::Tls(Box::new(stream)),
                http2,
            },
            connection,
        ))
    }
}

async fn accept(
    tcp: TcpStream,
    certificates: &Certificates,
    via: &Via,
    local: SocketAddr,
    gateway: &Gateway,
) -> io::Result<TlsStream<Linger<TcpStream>>> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), Linger::new(tcp)).await?;
    let config = {
        let hello = start.client_hello();
        let snapshot = gateway.inner.snapshots.borrow().clone();
        certificates.choose(hello.server_name(), via, local.ip(), snapshot.as_deref())
    };
    start.into_stream(config).await
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Either::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Either::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Either::Plain(stream) => Pin::new(stream).poll_write(cx, data),
            Either::Tls(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.inner {
            Either::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, data),
            Either::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, data),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.inner {
            Either::Plain(stream) => stream.is_write_vectored(),
            Either::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Either::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Either::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.inner {
            Either::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Either::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
