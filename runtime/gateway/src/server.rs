use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use switchyard_listen::Acceptor;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{Gateway, GatewayError, client, gateway::Shared};

const REFUSAL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A gateway behind a listener.
#[derive(Debug)]
pub struct GatewayService {
    gateway: Gateway,
    listener: TcpListener,
    address: SocketAddr,
}

impl GatewayService {
    /// A service on a listener that is bound already. Fails if a route leads to it.
    pub fn new(gateway: Gateway, listener: TcpListener) -> Result<Self, GatewayError> {
        let address = listener.local_addr().map_err(GatewayError::Listen)?;
        gateway.listens(address)?;
        Ok(Self { gateway, listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`; then nobody new is let in, and what is in flight is answered, for the configured time at most.
    pub async fn run(self, stop: CancellationToken) -> Result<(), GatewayError> {
        let shared = self.gateway.shared.clone();
        let mut clients = JoinSet::new();
        let door = Door { shared: shared.clone(), stop: stop.clone() };
        let served = door.accept(&self.listener, &mut clients).await;
        stop.cancel();
        drop(self.listener);
        self.gateway.listens_no_more(self.address);
        let finished = async { while clients.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_millis(shared.config.drain_ms), finished).await.is_err() {
            tracing::warn!(clients = clients.len(), "requests did not end in time and are cut off");
            shared.counters.cut.add(clients.len() as u64);
            clients.shutdown().await;
        }
        served
    }
}

/// What every client gets from the service.
struct Door {
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl Door {
    async fn accept(&self, listener: &TcpListener, clients: &mut JoinSet<()>) -> Result<(), GatewayError> {
        let mut acceptor = Acceptor::new(listener);
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(()),
                Some(_) = clients.join_next() => {}
                accepted = acceptor.next() => {
                    let (stream, address) = accepted.map_err(GatewayError::Listen)?;
                    self.welcome(stream, address, clients);
                }
            }
        }
    }

    fn welcome(&self, stream: TcpStream, address: SocketAddr, clients: &mut JoinSet<()>) {
        if clients.len() >= self.shared.config.connections_max {
            self.shared.counters.refused.one();
            refuse(stream);
            return;
        }
        self.shared.counters.accepted.one();
        // A socket that does not take the option still works.
        let _ = stream.set_nodelay(true);
        let present = Present::new(self.shared.clone());
        let (shared, stop) = (self.shared.clone(), self.stop.clone());
        clients.spawn(async move {
            let _present = present;
            client::converse(stream, address, shared, stop).await;
        });
    }
}

/// Says why and closes. The answer fits into the buffer of a fresh socket; if it does not, closing says enough.
fn refuse(stream: TcpStream) {
    let refused = stream.into_std().and_then(|mut stream| stream.write_all(REFUSAL));
    if let Err(error) = refused {
        let kind: io::ErrorKind = error.kind();
        tracing::debug!(%kind, "a client was refused without a word");
    }
}

/// Counts a client for as long as it is there, however its task ends.
struct Present(Arc<Shared>);

impl Present {
    fn new(shared: Arc<Shared>) -> Self {
        shared.counters.connections.one();
        Self(shared)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.counters.connections.less();
    }
}
