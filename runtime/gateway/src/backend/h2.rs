use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use switchyard_types::route::HealthSpec;
use tokio::net::TcpStream;

use super::{Backend, Failure};
use crate::proxy::RequestBody;

pub(crate) type Sender = http2::SendRequest<RequestBody>;

/// A share of the connection.
pub(crate) struct Multiplex {
    id: u64,
    pub(crate) sender: Sender,
    /// Others have used it: that it breaks may be an old story.
    pub(crate) reused: bool,
}

/// The HTTP/2 connection to a backend: one carries all its requests.
#[derive(Default)]
pub(super) struct Multiplexed {
    current: Mutex<Option<(u64, Sender)>>,
    opened: AtomicU64,
    /// Held by the one that opens: the others wait for its connection instead of opening their own.
    opening: tokio::sync::Mutex<()>,
}

impl Multiplexed {
    fn get(&self) -> Option<Multiplex> {
        let current = self.current.lock();
        let (id, sender) = current.as_ref().filter(|(_, sender)| !sender.is_closed())?;
        Some(Multiplex { id: *id, sender: sender.clone(), reused: true })
    }

    fn set(&self, sender: Sender) -> Multiplex {
        let id = self.opened.fetch_add(1, Ordering::Relaxed);
        *self.current.lock() = Some((id, sender.clone()));
        Multiplex { id, sender, reused: false }
    }

    /// Streams that run end on their own; then the connection closes, because nobody can send on it any more.
    pub(super) fn close(&self) {
        self.current.lock().take();
    }
}

impl Backend {
    /// A sender on the backend's HTTP/2 connection, which is opened where there is none.
    pub(crate) async fn multiplexed(&self, timeout: Duration) -> Result<Multiplex, Failure> {
        if let Some(current) = self.multiplexed.get() {
            return Ok(current);
        }
        let opening = tokio::time::timeout(timeout, self.multiplexed.opening.lock()).await;
        let _opening = opening.map_err(|_| Failure::Connect)?;
        if let Some(current) = self.multiplexed.get() {
            return Ok(current);
        }
        let stream = self.open(timeout).await?;
        let health = self.health.lock().clone();
        let sender = over(stream, &health).await?;
        let opened = self.multiplexed.set(sender);
        if self.removed.is_cancelled() {
            self.multiplexed.close();
        }
        Ok(opened)
    }

    /// Nobody new uses this connection: another is opened.
    pub(crate) fn distrust_multiplexed(&self, broken: &Multiplex) {
        self.multiplexed.current.lock().take_if(|(id, _)| *id == broken.id);
    }
}

/// HTTP/2 over a fresh connection. Its task ends with it, or when the last sender and stream are gone. It is asked as often as
/// the backend is checked whether anybody is there: a peer that has gone without a word would have it used for ever.
pub(super) async fn over(stream: TcpStream, health: &HealthSpec) -> Result<Sender, Failure> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(Duration::from_millis(health.interval_ms));
    builder.keep_alive_timeout(Duration::from_millis(health.timeout_ms));
    let handshake = builder.handshake(TokioIo::new(stream)).await;
    let (sender, driver) = handshake.map_err(|_| Failure::Connect)?;
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(%error, "an HTTP/2 connection to a backend broke");
        }
    });
    Ok(sender)
}

/// Sends a request on a multiplexed connection.
pub(crate) async fn send(mut sender: Sender, request: Request<RequestBody>) -> Result<Response<Incoming>, Failure> {
    sender.try_send_request(request).await.map_err(|mut error| match error.take_message() {
        Some(_) => Failure::Unsent,
        None => Failure::Lost,
    })
}
