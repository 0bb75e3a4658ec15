use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::header::EXPECT,
};
use http_body::{Frame, SizeHint};
use tokio::{runtime::Handle, time::timeout};

/// What is still taken in, and thrown away, of a body that nobody wants any more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    bytes_max: u64,
    time_max: Duration,
}

impl Patience {
    /// With a client that has shown its token.
    pub(super) const KNOWN: Self = Self { bytes_max: 1 << 30, time_max: Duration::from_secs(30) };

    /// With one that has not: as much as an upload may have, for a shorter time. An author with yesterday's token is told so
    /// whatever the plugin's size; a stranger keeps one of the bounded connections busy for ten seconds, and no memory.
    pub(super) const fn stranger(upload_bytes_max: u64) -> Self {
        Self { bytes_max: upload_bytes_max, time_max: Duration::from_secs(10) }
    }
}

/// A request body that is read on when it is dropped before its end, while the answer is on its way. A connection that is
/// closed with unread bytes is reset, and a client that is still sending would lose the very answer that tells it to stop.
struct Drained {
    body: Body,
    patience: Patience,
    /// The client sends nothing until it is told to go on, which the first read does.
    held_back: bool,
}

/// The same request; what is not read of its body is drained.
pub(super) fn drained(request: Request, patience: Patience) -> Request {
    let held_back = request.headers().contains_key(EXPECT);
    request.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        Body::new(Drained { body, patience, held_back })
    })
}

impl HttpBody for Drained {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.held_back = false;
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Drained {
    fn drop(&mut self) {
        // Where no runtime is left there is no connection either.
        if self.held_back || self.body.is_end_stream() || Handle::try_current().is_err() {
            return;
        }
        let body = std::mem::take(&mut self.body);
        tokio::spawn(timeout(self.patience.time_max, drain(body, self.patience.bytes_max)));
    }
}

async fn drain(mut body: Body, bytes_max: u64) {
    let mut bytes = 0_u64;
    while let Some(Ok(frame)) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        bytes = bytes.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
        if bytes > bytes_max {
            return;
        }
    }
}
