use std::{io, net::SocketAddr, time::Duration};

use rustix::io::Errno;
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
            Ok(Err(error)) if is_own(&error) => Err(self.exhausted(&error)),
            Ok(Err(error)) => Err(self.unreachable(&error)),
            Err(_) => Err(self.unreachable(&io::ErrorKind::TimedOut.into())),
        }
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        tracing::debug!(backend = self.name, %error, "no connection to a backend");
        self.connect_failed();
        Failure::Connect
    }

    fn exhausted(&self, error: &io::Error) -> Failure {
        tracing::debug!(backend = self.name, %error, "no room for a connection to a backend");
        self.counters.exhausted.one();
        Failure::Exhausted
    }
}

/// Whether it is this machine that has no room for a connection: no file, port or buffer is left. It says nothing about
/// the backend.
pub(super) fn is_own(error: &io::Error) -> bool {
    let own = [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| own.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_is_not_the_backends_fault() {
        let check = |errno: Errno, expected| assert_eq!(is_own(&errno.into()), expected, "{errno}");
        check(Errno::MFILE, true);
        check(Errno::ADDRNOTAVAIL, true);
        check(Errno::CONNREFUSED, false);
        check(Errno::HOSTUNREACH, false);
        assert!(!is_own(&io::ErrorKind::TimedOut.into()));
    }
}
