use std::{io, net::SocketAddr, time::Duration};

use tokio::net::TcpStream;

use super::{Backend, Failure};

/// Where to connect: an address, or a name that is resolved every time, because what it means may change.
#[derive(Debug)]
pub(super) enum Target {
    Address(SocketAddr),
    Name(String),
}

impl Target {
    pub(super) fn new(address: &str) -> Self {
        address.parse().map_or_else(|_| Self::Name(address.to_owned()), Self::Address)
    }

    pub(super) async fn open(&self) -> io::Result<TcpStream> {
        let stream = match self {
            Self::Address(address) => TcpStream::connect(address).await?,
            Self::Name(name) => TcpStream::connect(name.as_str()).await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Backend {
    /// A new connection for a request; that it cannot be opened counts against the backend.
    pub(crate) async fn open(&self, timeout: Duration) -> Result<TcpStream, Failure> {
        match tokio::time::timeout(timeout, self.target.open()).await {
            Ok(Ok(stream)) => {
                self.connected();
                Ok(stream)
            }
            Ok(Err(error)) => self.unreachable(&error),
            Err(_) => self.unreachable(&io::ErrorKind::TimedOut.into()),
        }
    }

    fn unreachable(&self, error: &io::Error) -> Result<TcpStream, Failure> {
        tracing::debug!(backend = self.name, %error, "no connection to a backend");
        self.connect_failed();
        Err(Failure::Connect)
    }
}
