use std::{
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional},
    time::Instant,
};

use super::visit::Visit;
use crate::{backend::Flight, clock::millis};

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");
const UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// What a client asks for with `Upgrade: websocket`. Other upgrades are not asked of a backend, as HTTP allows.
pub(crate) fn wanted(head: &mut Parts) -> Option<OnUpgrade> {
    let upgrade = head.extensions.remove::<OnUpgrade>()?;
    let asked = head.method == Method::GET && head.version == Version::HTTP_11;
    let value = head.headers.get(header::UPGRADE)?;
    (asked && value.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes())).then_some(upgrade)
}

/// The headers that make a message one about an upgrade.
pub(crate) fn mark(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, UPGRADE);
    headers.insert(header::UPGRADE, WEBSOCKET);
}

/// Two connections that have become one.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) client: OnUpgrade,
    pub(crate) backend: OnUpgrade,
    pub(crate) idle: Duration,
    pub(crate) flight: Flight,
    pub(crate) visit: Option<Visit>,
}

impl Tunnel {
    /// Carries bytes both ways until one side closes, or nothing moves for the route's idle time. Nothing that passes here
    /// ends by itself: it is cut when the service has drained, by dropping the client's task.
    pub(crate) async fn carry(self: Box<Self>) {
        let Self { client, backend, idle, flight, visit } = *self;
        let Ok((client, backend)) = tokio::try_join!(client, backend) else { return };
        let moved = Arc::new(Moved::new());
        let (mut client, mut backend) = (Watched::new(client, &moved), Watched::new(backend, &moved));
        let mut copy = pin!(copy_bidirectional(&mut client, &mut backend));
        loop {
            let until = moved.at() + idle;
            tokio::select! {
                _ = copy.as_mut() => break,
                () = tokio::time::sleep_until(until) => if moved.at() + idle <= Instant::now() { break },
            }
        }
        drop((flight, visit));
    }
}

/// When something was last read.
struct Moved {
    begun: Instant,
    after_ms: AtomicU64,
}

impl Moved {
    fn new() -> Self {
        Self { begun: Instant::now(), after_ms: AtomicU64::new(0) }
    }

    fn now(&self) {
        self.after_ms.store(millis(self.begun.elapsed()), Ordering::Relaxed);
    }

    fn at(&self) -> Instant {
        self.begun + Duration::from_millis(self.after_ms.load(Ordering::Relaxed))
    }
}

/// A connection that says when something was read.
struct Watched {
    io: TokioIo<Upgraded>,
    moved: Arc<Moved>,
}

impl Watched {
    fn new(upgraded: Upgraded, moved: &Arc<Moved>) -> Self {
        Self { io: TokioIo::new(upgraded), moved: moved.clone() }
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.io).poll_read(cx, buffer);
        if read.is_ready() {
            this.moved.now();
        }
        read
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
