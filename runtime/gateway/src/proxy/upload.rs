use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::Instant;

/// What of a body is kept for a second try, in bytes: beyond it the body streams through and the request is tried once.
const REPLAY_BYTES_MAX: usize = 64 << 10;

/// Why the body of a request did not come through: the client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyFailure {
    /// It is larger than the route takes.
    #[error("the body of the request is too large")]
    TooLarge,
    /// Nothing came for too long.
    #[error("the body of the request stopped coming")]
    Idle,
    /// The connection broke, or what came is no body.
    #[error("the body of the request broke off")]
    Broken,
}

/// The body of a request as it comes from the client, with its beginning kept where the request may be tried twice.
#[derive(Debug)]
pub(crate) struct Upload(Mutex<State>);

#[derive(Debug)]
struct State {
    incoming: Incoming,
    kept: Vec<Bytes>,
    kept_bytes: usize,
    kept_bytes_max: usize,
    /// Something came through that was not kept: there is no second try.
    spilled: bool,
    trailers: Option<HeaderMap>,
    bytes: u64,
    bytes_max: u64,
    ended: bool,
    failure: Option<BodyFailure>,
    /// When the last piece or the end came.
    moved_at: Option<Instant>,
    /// It is the client that is waited for.
    waiting: bool,
}

/// What an upload waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The client sends nothing.
    Client,
    /// The backend takes nothing.
    Backend,
    /// For nothing: the backend has everything.
    Ended,
}

impl Upload {
    pub(crate) fn new(incoming: Incoming, bytes_max: u64, replay: bool) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            incoming,
            kept: Vec::new(),
            kept_bytes: 0,
            kept_bytes_max: if replay { REPLAY_BYTES_MAX } else { 0 },
            spilled: false,
            trailers: None,
            bytes: 0,
            bytes_max,
            ended: false,
            failure: None,
            moved_at: None,
            waiting: false,
        })))
    }

    pub(crate) fn can_replay(&self) -> bool {
        !self.0.lock().spilled
    }

    /// What has come of it.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.lock().bytes
    }

    /// What is wrong with it on the client's side.
    pub(crate) fn failure(&self) -> Option<BodyFailure> {
        self.0.lock().failure
    }

    /// When the last piece or the end came; none: nothing has.
    pub(crate) fn moved_at(&self) -> Option<Instant> {
        self.0.lock().moved_at
    }

    /// What it waits for, and since when; the try that sends it began then.
    pub(crate) fn waits(&self, begun: Instant) -> (Waits, Instant) {
        let state = self.0.lock();
        let waits = match () {
            // What ends with its announced length is not asked for its end.
            () if state.ended || state.incoming.is_end_stream() => Waits::Ended,
            () if state.waiting => Waits::Client,
            () => Waits::Backend,
        };
        (waits, state.moved_at.map_or(begun, |moved_at| moved_at.max(begun)))
    }
}

impl State {
    fn poll(&mut self, cx: &mut Context<'_>, next: &mut usize) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        if let Some(failure) = self.failure {
            return Poll::Ready(Some(Err(failure)));
        }
        if let Some(piece) = self.kept.get(*next) {
            *next += 1;
            return Poll::Ready(Some(Ok(Frame::data(piece.clone()))));
        }
        if self.ended {
            // Once after everything that was kept.
            let trailers = (*next == self.kept.len()).then(|| self.trailers.clone()).flatten();
            *next = self.kept.len() + 1;
            return Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))));
        }
        let polled = Pin::new(&mut self.incoming).poll_frame(cx);
        self.waiting = polled.is_pending();
        let Poll::Ready(frame) = polled else { return Poll::Pending };
        self.moved_at = Some(Instant::now());
        match frame {
            None => self.end(None, next),
            Some(Err(_)) => self.fail(BodyFailure::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(piece) => self.piece(piece, next),
                Err(frame) => self.end(frame.into_trailers().ok(), next),
            },
        }
    }

    fn piece(&mut self, piece: Bytes, next: &mut usize) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        self.bytes += piece.len() as u64;
        if self.bytes > self.bytes_max {
            return self.fail(BodyFailure::TooLarge);
        }
        if !self.spilled && self.kept_bytes + piece.len() <= self.kept_bytes_max {
            self.kept_bytes += piece.len();
            self.kept.push(piece.clone());
            *next += 1;
        } else if !self.spilled {
            self.spilled = true;
            *next = 0;
            self.kept = Vec::new();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn end(
        &mut self,
        trailers: Option<HeaderMap>,
        next: &mut usize,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        self.ended = true;
        *next = self.kept.len() + 1;
        self.trailers.clone_from(&trailers);
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn fail(&mut self, failure: BodyFailure) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        self.failure = Some(failure);
        Poll::Ready(Some(Err(failure)))
    }
}

/// The body of one try.
#[derive(Debug)]
pub(crate) struct RequestBody {
    upload: Option<Arc<Upload>>,
    next: usize,
}

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self { upload: None, next: 0 }
    }

    pub(crate) fn new(upload: Option<Arc<Upload>>) -> Self {
        Self { upload, next: 0 }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        let body = self.get_mut();
        let Some(upload) = &body.upload else { return Poll::Ready(None) };
        upload.0.lock().poll(cx, &mut body.next)
    }

    fn is_end_stream(&self) -> bool {
        self.upload.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.upload.as_ref().map_or_else(|| SizeHint::with_exact(0), |_| SizeHint::new())
    }
}
