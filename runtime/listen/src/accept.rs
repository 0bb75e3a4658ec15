use std::{io, net::SocketAddr, time::Duration};

use rustix::io::Errno;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

/// Pause after an error that a moment may heal: no file descriptor is left.
const PAUSE: Duration = Duration::from_millis(50);
/// Errors in a row, of those that may be the listener's, after which it is given up.
const ERRORS_MAX: u32 = 1_000;

/// Accepts clients, and does not give a listener up for what passes.
#[derive(Debug)]
pub struct Acceptor<'a> {
    listener: &'a TcpListener,
    /// Errors since the last client.
    errors: u32,
}

impl<'a> Acceptor<'a> {
    /// Of a listener that is bound already.
    pub fn new(listener: &'a TcpListener) -> Self {
        Self { listener, errors: 0 }
    }

    /// The next client. An error: the listener does not work any more. Whoever waits for something else too may drop it and ask
    /// again.
    pub async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            match self.listener.accept().await {
                Ok(client) => {
                    self.errors = 0;
                    return Ok(client);
                }
                Err(error) if self.errors >= ERRORS_MAX && !is_passing(&error) => return Err(error),
                Err(error) => {
                    self.errors = self.errors.saturating_add(1);
                    // Without a file to spare it would say so twenty times a second.
                    if self.errors.is_power_of_two() {
                        tracing::warn!(%error, errors = self.errors, "clients could not be accepted");
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Whether an error of `accept` says nothing about the listener: the machine has no room for another client now, or the
/// client has left. However many of these come, those that are here are served on.
fn is_passing(error: &io::Error) -> bool {
    let passing =
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::CONNABORTED, Errno::CONNRESET, Errno::PERM];
    Errno::from_io_error(error).is_some_and(|errno| passing.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_lacks_passes_and_a_bad_listener_does_not() {
        let check = |errno: Errno, expected| assert_eq!(is_passing(&errno.into()), expected, "{errno}");
        check(Errno::MFILE, true);
        check(Errno::NFILE, true);
        check(Errno::CONNABORTED, true);
        check(Errno::BADF, false);
        check(Errno::INVAL, false);
    }
}
