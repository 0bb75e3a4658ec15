use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt};
use switchyard_types::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::problem::Problem;

/// Answers without an end at once, of those that people ask for: each holds a connection, and most of these are for nodes.
const STREAMS_MAX: usize = 128;

/// Answers that go on until somebody ends them. A server that stops ends them at once.
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// The right to one of them.
pub(crate) struct Place {
    permit: Share,
    stop: CancellationToken,
}

/// Keeps a place taken for as long as any of it lives.
pub(crate) type Share = Arc<OwnedSemaphorePermit>;

impl Streams {
    /// None is open yet; `stop` ends them all.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(STREAMS_MAX)), stop }
    }

    /// A place, if there is one.
    pub(crate) fn enter(&self) -> Result<Place, Problem> {
        let permit = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            let message = format!("{STREAMS_MAX} watches are open, which is the most; try again in a moment");
            Problem::new(ErrorCode::Busy, message)
        })?;
        Ok(Place { permit: Arc::new(permit), stop: self.stop.clone() })
    }
}

impl Place {
    /// For a task that works for the answer: the answer may be gone before the task has noticed.
    pub(crate) fn share(&self) -> Share {
        Arc::clone(&self.permit)
    }

    /// These pieces, until they or the server end. An error breaks the answer off.
    pub(crate) fn body<E>(self, pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static) -> Body
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let Self { permit, stop } = self;
        Body::from_stream(pieces.take_until(stop.cancelled_owned()).map(move |piece| {
            let _ = &permit;
            piece
        }))
    }

    /// An answer of one JSON value a line.
    pub(crate) fn lines(self, lines: impl Stream<Item = Bytes> + Send + 'static) -> Response {
        let body = self.body(lines.map(Ok::<_, std::convert::Infallible>));
        ([(header::CONTENT_TYPE, "application/jsonl"), (header::CACHE_CONTROL, "no-store")], body).into_response()
    }
}
