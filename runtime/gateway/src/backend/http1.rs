use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep},
};

use super::{Backend, Failure};
use crate::proxy::RequestBody;

type Driver = http1::Connection<TokioIo<TcpStream>, RequestBody>;
type Sent = Result<Response<Incoming>, TrySendError<Request<RequestBody>>>;

/// A connection to a backend, driven by the task that uses it.
///
/// hyper's way is a task for each connection, with a channel between: two more wake-ups for every request, often on
/// another core. Here the request's own task reads and writes the socket. Nobody drives an unused connection: that the
/// backend has closed it is seen when it is taken, before anything is sent.
pub(crate) struct Http1 {
    sender: http1::SendRequest<RequestBody>,
    driver: Driver,
    driven: Driven,
    /// One timer for all requests of the connection: moving it on costs no lock.
    timer: Pin<Box<Sleep>>,
    pub(crate) reused: bool,
    pub(super) idle_since_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Driven {
    Open,
    Closed,
}

impl Http1 {
    pub(crate) async fn new(stream: TcpStream) -> Result<Box<Self>, Failure> {
        let handshake = http1::Builder::new().handshake(TokioIo::new(stream)).await;
        let (sender, driver) = handshake.map_err(|_| Failure::Connect)?;
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut connection =
            Box::new(Self { sender, driver, driven: Driven::Open, timer, reused: false, idle_since_ms: 0 });
        // It asks for a request when it is driven for the first time.
        connection.drive_once().await;
        Ok(connection)
    }

    /// Reads and writes what can be.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        if self.driven == Driven::Open && Pin::new(&mut self.driver).poll(cx).is_ready() {
            self.driven = Driven::Closed;
        }
    }

    async fn drive_once(&mut self) {
        poll_fn(|cx| {
            self.drive(cx);
            Poll::Ready(())
        })
        .await;
    }

    fn is_closed(&self) -> bool {
        self.driven == Driven::Closed
    }

    /// Whether it could take a request now.
    fn is_ready(&self) -> bool {
        self.driven == Driven::Open && self.sender.is_ready()
    }

    pub(crate) fn set_timer(&mut self, at: Instant) {
        self.timer.as_mut().reset(at);
    }

    pub(crate) fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll(cx)
    }

    /// Sends a request and waits for the head of the answer. `overdue` is asked when the timer has run out; it gives a new
    /// time where there is a reason to wait on.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
        mut overdue: impl FnMut() -> Result<Instant, Failure>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            self.drive(cx);
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(outcome(answer));
            }
            if self.is_closed() {
                return Poll::Ready(Err(Failure::Lost));
            }
            while self.poll_timer(cx).is_ready() {
                match overdue() {
                    Ok(at) => self.set_timer(at),
                    Err(failure) => return Poll::Ready(Err(failure)),
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl std::fmt::Debug for Http1 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Http1").field("driven", &self.driven).field("reused", &self.reused).finish_non_exhaustive()
    }
}

fn outcome(answer: Sent) -> Result<Response<Incoming>, Failure> {
    answer.map_err(|mut error| {
        let unsent = error.take_message().is_some();
        let error = error.into_error();
        match unsent {
            true => Failure::Unsent,
            false if error.is_parse() => Failure::Malformed,
            false => Failure::Lost,
        }
    })
}

impl Backend {
    /// A new connection.
    pub(crate) async fn connect(&self, timeout: Duration) -> Result<Box<Http1>, Failure> {
        Http1::new(self.open(timeout).await?).await
    }

    /// An unused connection that the backend has not closed.
    pub(crate) async fn pooled(&self) -> Option<Box<Http1>> {
        while let Some(mut connection) = self.pool.take() {
            connection.drive_once().await;
            if connection.is_ready() {
                connection.reused = true;
                return Some(connection);
            }
        }
        None
    }

    /// A broken connection is a sign that the other unused ones are too.
    pub(crate) fn distrust_pooled(&self) {
        self.pool.clear();
    }

    /// Closes connections that were not used for the route's idle time.
    pub(super) fn sweep_pooled(&self) {
        let idle_ms = self.idle_ms.load(Ordering::Relaxed);
        self.pool.sweep(self.clock.now_ms().saturating_sub(idle_ms));
    }

    /// Keeps a connection whose answer has ended for the next request, if it can take one.
    pub(crate) fn recycle(self: &Arc<Self>, mut connection: Box<Http1>, cx: &mut Context<'_>) {
        if !connection.is_ready() {
            connection.drive(cx);
        }
        if connection.is_ready() {
            connection.idle_since_ms = self.clock.now_ms();
            self.pool.put(connection);
        }
    }
}
