use std::{
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::HeaderValue;
use parking_lot::Mutex;
use switchyard_host::KeyedHash;

use super::framing::Framing;
use crate::{GatewayConfig, clock::Clock};

/// No request's head has begun.
const NONE: u64 = u64::MAX;

/// A client's connection: who it is for the backends, and what it is doing.
pub(crate) struct Peer {
    /// Its address, as `X-Forwarded-For` has it.
    pub(crate) address: HeaderValue,
    /// What `Forwarded` says of it (RFC 7239).
    pub(crate) forwarded: HeaderValue,
    /// What strategies see instead of its address.
    pub(crate) number: u64,
    pub(crate) framing: Framing,
    /// What the connection is about to become.
    tunnel: Mutex<Option<Tunnel>>,
    clock: Clock,
    requests: AtomicU64,
    /// Answers of which the client could take more.
    offered: AtomicU64,
    /// Pieces of answers that it has taken.
    taken: AtomicU64,
    head_since_ms: AtomicU64,
    idle_since_ms: AtomicU64,
}

/// Carries what comes after HTTP has ended on a connection.
type Tunnel = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is wrong with a connection that has been watched for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Well,
    /// It rests for too long.
    Resting,
    /// Its request's head does not end.
    Stuck,
    /// It takes nothing of what there is for it.
    Stalled,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, hash: KeyedHash, clock: Clock) -> Arc<Self> {
        // A client of IPv4 on a listener for both is one of IPv4.
        let ip = address.ip().to_canonical();
        let node = match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("\"[{ip}]\""),
        };
        Arc::new(Self {
            number: hash.of(ip.to_string().as_bytes()),
            address: text(&ip.to_string()),
            forwarded: text(&format!("for={node};proto=http")),
            framing: Framing::default(),
            tunnel: Mutex::new(None),
            clock,
            requests: AtomicU64::new(0),
            offered: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            head_since_ms: AtomicU64::new(NONE),
            idle_since_ms: AtomicU64::new(clock.now_ms()),
        })
    }

    /// Bytes came: between requests they are the next head's, but on HTTP/2, where they may be a word about the connection.
    pub(crate) fn received(&self) {
        if self.framing.is_http2() {
            self.head_since_ms.store(NONE, Ordering::Relaxed);
        } else if self.requests.load(Ordering::Relaxed) == 0 && self.head_since_ms.load(Ordering::Relaxed) == NONE {
            self.head_since_ms.store(self.clock.now_ms(), Ordering::Relaxed);
        }
    }

    /// A request has its head, and a body of this length; none: nobody knows. It is busy until what is returned is dropped.
    pub(crate) fn busy(self: &Arc<Self>, body_bytes: Option<u64>) -> Busy {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since_ms.store(NONE, Ordering::Relaxed);
        Busy { peer: self.clone(), body_bytes, offered: false }
    }

    /// When HTTP has ended on this connection, its task carries what comes.
    pub(crate) fn becomes(&self, tunnel: impl Future<Output = ()> + Send + 'static) {
        let before = self.tunnel.lock().replace(Box::pin(tunnel));
        drop(before);
    }

    pub(crate) fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.lock().take()
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// How many pieces of answers a client of HTTP/2 has taken, where it could take more now. On HTTP/1.1 its socket says
    /// it better: a piece may be long, and a slow client is not a bad one.
    pub(crate) fn taken(&self) -> Option<u64> {
        (self.framing.is_http2() && self.offered.load(Ordering::Relaxed) > 0)
            .then(|| self.taken.load(Ordering::Relaxed))
    }

    pub(crate) fn verdict(&self, config: &GatewayConfig) -> Verdict {
        if self.is_busy() {
            return Verdict::Well;
        }
        let now_ms = self.clock.now_ms();
        match self.head_since_ms.load(Ordering::Relaxed) {
            NONE => {
                let rested = now_ms.saturating_sub(self.idle_since_ms.load(Ordering::Relaxed));
                if rested >= config.keep_alive_ms { Verdict::Resting } else { Verdict::Well }
            }
            since_ms if now_ms.saturating_sub(since_ms) >= config.header_ms => Verdict::Stuck,
            _ => Verdict::Well,
        }
    }

    #[cfg(test)]
    pub(crate) fn for_test(address: &str) -> Arc<Self> {
        let address = SocketAddr::new(address.parse().expect("an address"), 1);
        Self::new(address, KeyedHash::random(), Clock::new())
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("address", &self.address).finish_non_exhaustive()
    }
}

fn text(text: &str) -> HeaderValue {
    // Addresses are visible ASCII.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("unknown"))
}

/// A request that has not ended.
#[derive(Debug)]
pub(crate) struct Busy {
    peer: Arc<Peer>,
    body_bytes: Option<u64>,
    offered: bool,
}

impl Busy {
    /// The client whose request it is.
    pub(crate) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    /// There is more for the client, and what there was it has taken.
    pub(crate) fn offers(&mut self) {
        self.peer.taken.fetch_add(1, Ordering::Relaxed);
        if !std::mem::replace(&mut self.offered, true) {
            self.peer.offered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It is not the client that is waited for.
    pub(crate) fn waits(&mut self) {
        if std::mem::take(&mut self.offered) {
            self.peer.offered.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.waits();
        self.peer.framing.over(self.body_bytes);
        if self.peer.requests.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.peer.idle_since_ms.store(self.peer.clock.now_ms(), Ordering::Relaxed);
        }
    }
}
