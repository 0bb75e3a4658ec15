use std::time::Duration;

use http::{Request, Response};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use tokio::net::TcpStream;

use super::{Backend, Failure};
use crate::proxy::RequestBody;

pub(crate) type Sender = http2::SendRequest<RequestBody>;

/// The HTTP/2 connection to a backend: one carries all its requests.
#[derive(Default)]
pub(super) struct Multiplexed {
    current: Mutex<Option<Sender>>,
    /// Held by the one that opens: the others wait for its connection instead of opening their own.
    opening: tokio::sync::Mutex<()>,
}

impl Multiplexed {
    fn get(&self) -> Option<Sender> {
        self.current.lock().as_ref().filter(|sender| !sender.is_closed()).cloned()
    }

    /// Streams that run end on their own; then the connection closes, because nobody can send on it any more.
    pub(super) fn close(&self) {
        self.current.lock().take();
    }
}

impl Backend {
    /// A sender on the backend's HTTP/2 connection, which is opened where there is none.
    pub(crate) async fn multiplexed(&self, timeout: Duration) -> Result<Sender, Failure> {
        if let Some(sender) = self.multiplexed.get() {
            return Ok(sender);
        }
        let opening = tokio::time::timeout(timeout, self.multiplexed.opening.lock()).await;
        let _opening = opening.map_err(|_| Failure::Connect)?;
        if let Some(sender) = self.multiplexed.get() {
            return Ok(sender);
        }
        let sender = over(self.open(timeout).await?).await?;
        if !self.removed.is_cancelled() {
            *self.multiplexed.current.lock() = Some(sender.clone());
        }
        Ok(sender)
    }
}

/// HTTP/2 over a fresh connection. Its task ends with it, or when the last sender and stream are gone.
pub(super) async fn over(stream: TcpStream) -> Result<Sender, Failure> {
    let handshake = http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await;
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
