use std::{
    io::{self, Write as _},
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use switchyard_listen::{Acceptor, Account};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{Cache, CacheError, connection::Connection, figures::ServiceCounters};

/// How long connections may finish what they do when the service stops.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// How often what has expired is freed.
const SWEEP_INTERVAL: Duration = Duration::from_millis(100);

/// The cache behind a RESP listener.
#[derive(Debug)]
pub struct CacheService {
    cache: Cache,
    listener: TcpListener,
    account: Arc<Account>,
}

impl CacheService {
    /// A service on a listener that is bound already.
    pub fn new(cache: Cache, listener: TcpListener) -> Self {
        let account = Account::new(cache.config().buffers_bytes_max);
        Self { cache, listener, account }
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop`, then lets connections finish what they do, for five seconds at most.
    pub async fn run(self, stop: CancellationToken) -> Result<(), CacheError> {
        let mut clients = JoinSet::new();
        let sweeper = tokio::spawn(sweep(self.cache.clone(), stop.clone()));
        let served = self.accept(&stop, &mut clients).await;
        stop.cancel();
        let finished = async { while clients.join_next().await.is_some() {} };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, finished).await.is_err() {
            tracing::warn!(clients = clients.len(), "clients did not finish in time and are cut off");
            clients.shutdown().await;
        }
        // It has been told to stop, and does not fail.
        let _ = sweeper.await;
        served
    }

    async fn accept(&self, stop: &CancellationToken, clients: &mut JoinSet<()>) -> Result<(), CacheError> {
        let mut acceptor = Acceptor::new(&self.listener);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                Some(_) = clients.join_next() => {}
                accepted = acceptor.next() => {
                    let (stream, _) = accepted.map_err(CacheError::Listen)?;
                    self.welcome(stream, stop, clients);
                }
            }
        }
    }

    fn welcome(&self, stream: TcpStream, stop: &CancellationToken, clients: &mut JoinSet<()>) {
        let counters = self.cache.counters();
        if clients.len() >= self.cache.config().connections_max {
            ServiceCounters::count(&counters.refused);
            refuse(stream);
            return;
        }
        let id = counters.accepted.fetch_add(1, Ordering::Relaxed) + 1;
        // A socket that does not take the option still works.
        let _ = stream.set_nodelay(true);
        let cache = self.cache.clone();
        let connection = Connection::new(stream, cache.clone(), id, self.account.share(), stop.clone());
        clients.spawn(async move {
            let _present = Present::new(cache);
            connection.run().await;
        });
    }
}

/// Says why and closes. The answer fits into the buffer of a fresh socket; if it does not, closing says enough.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write_all(b"-ERR max number of clients reached\r\n");
    }
}

/// Counts a client for as long as it is there, however its task ends.
struct Present(Cache);

impl Present {
    fn new(cache: Cache) -> Self {
        ServiceCounters::count(&cache.counters().connections);
        Self(cache)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.counters().connections.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn sweep(cache: Cache, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let cache = cache.clone();
        // A large expiry takes its time, and clients must not wait for it. A panic there is one sweep less.
        if let Err(error) = tokio::task::spawn_blocking(move || cache.sweep()).await {
            tracing::error!(%error, "a sweep failed");
        }
    }
}
