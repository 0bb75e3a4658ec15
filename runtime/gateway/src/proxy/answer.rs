use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::{patience::Patience, tunnel::Tunnel, visit::Visit};
use crate::backend::{Flight, Http1};

/// Why an answer broke off after its head was sent: the client sees a connection that closes early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the backend broke off its answer")]
    Broken(#[source] hyper::Error),
    #[error("the backend stopped sending its answer")]
    Idle,
}

/// The body of an answer. It holds what counts as in flight, so the end of the body, however it comes, is the end of the
/// request.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    source: Source,
    visit: Option<Visit>,
}

#[derive(Debug)]
enum Source {
    Whole(Option<Bytes>),
    Backend(Box<Download>),
    /// The end of HTTP on this connection; it begins with the request's visit.
    Tunnel(Option<Box<Tunnel>>),
}

/// What carries an answer.
#[derive(Debug)]
pub(crate) enum Link {
    /// A connection that this answer drives; none when it has gone back to the pool.
    Http1(Option<Box<Http1>>),
    /// A connection that has its own task; the timer of this answer.
    Elsewhere(Pin<Box<Sleep>>),
}

/// An answer that comes from a backend.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) body: Incoming,
    pub(crate) link: Link,
    pub(crate) flight: Flight,
    pub(crate) patience: Patience,
    /// When its head or the last piece of it came.
    pub(crate) moved_at: Instant,
}

impl AnswerBody {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { source: Source::Whole(Some(bytes)), visit: None }
    }

    pub(crate) fn backend(download: Box<Download>) -> Self {
        Self { source: Source::Backend(download), visit: None }
    }

    pub(crate) fn tunnel(tunnel: Tunnel) -> Self {
        Self { source: Source::Tunnel(Some(Box::new(tunnel))), visit: None }
    }

    /// Lets the request count until the body, or what the connection became, has ended.
    pub(crate) fn hold(&mut self, visit: Visit) {
        if let Source::Tunnel(tunnel) = &mut self.source
            && let Some(mut tunnel) = tunnel.take()
        {
            let peer = visit.peer();
            tunnel.visit = Some(visit);
            peer.becomes(tunnel.carry());
        } else {
            self.visit.insert(visit).offers();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = AnswerError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let body = self.get_mut();
        let frame = match &mut body.source {
            Source::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Source::Backend(download) => download.poll(cx),
            Source::Tunnel(_) => Poll::Ready(None),
        };
        if let Some(visit) = &mut body.visit {
            match &frame {
                Poll::Ready(Some(Ok(frame))) => visit.sent(frame.data_ref().map_or(0, Bytes::len)),
                _ => visit.waits(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Whole(bytes) => bytes.is_none(),
            // An answer without a body is not polled: its connection goes back when this is dropped.
            Source::Backend(download) => download.body.is_end_stream(),
            Source::Tunnel(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Source::Backend(download) => download.body.size_hint(),
            Source::Tunnel(_) => SizeHint::with_exact(0),
        }
    }
}

impl Download {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        if let Poll::Ready(frame) = self.poll_body(cx) {
            return Poll::Ready(frame);
        }
        if let Link::Http1(Some(connection)) = &mut self.link {
            connection.drive(cx);
            if let Poll::Ready(frame) = self.poll_body(cx) {
                return Poll::Ready(frame);
            }
        }
        self.poll_time(cx)
    }

    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.moved_at = Instant::now();
        // Nothing comes after trailers, and nobody asks again.
        if frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers)) {
            self.recycle(cx);
        }
        Poll::Ready(frame.map(|frame| frame.map_err(AnswerError::Broken)))
    }

    fn recycle(&mut self, cx: &mut Context<'_>) {
        if let Link::Http1(connection) = &mut self.link
            && let Some(connection) = connection.take()
        {
            self.flight.backend.recycle(connection, cx);
        }
    }

    /// The timer is not set for every piece: when it runs out, it is asked whether something came meanwhile.
    fn poll_time(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnswerError>>> {
        while self.poll_timer(cx).is_ready() {
            let now = Instant::now();
            let moved_at = self.patience.upload_moved_at().map_or(self.moved_at, |at| at.max(self.moved_at));
            let at = self.patience.idle_at(moved_at);
            if at <= now {
                return Poll::Ready(Some(Err(AnswerError::Idle)));
            }
            match &mut self.link {
                Link::Http1(Some(connection)) => connection.set_timer(at),
                Link::Elsewhere(timer) => timer.as_mut().reset(at),
                Link::Http1(None) => {}
            }
        }
        Poll::Pending
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.link {
            Link::Http1(Some(connection)) => connection.poll_timer(cx),
            Link::Elsewhere(timer) => timer.as_mut().poll(cx),
            Link::Http1(None) => Poll::Pending,
        }
    }
}

impl Drop for Download {
    /// An answer to HEAD, a 204 or a 304 has no body that would be polled to its end.
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.recycle(&mut Context::from_waker(std::task::Waker::noop()));
        }
    }
}
