use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use bytes::BytesMut;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

use crate::problem::Problem;

/// Bytes that are still taken in, and thrown away, after a body was refused.
const DRAIN_BYTES_MAX: u64 = 1 << 30;
/// How long they are waited for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);

/// Reads a body. One that is over the bound is refused as soon as that is known: from the announced length before the
/// first byte, else when the bound is passed.
pub(super) async fn read(
    body: Body,
    bytes_max: u64,
    too_large: impl FnOnce() -> Problem + Send,
) -> Result<Bytes, Problem> {
    if body.size_hint().exact().is_some_and(|bytes| bytes > bytes_max) {
        drain(body.into_data_stream());
        return Err(too_large());
    }
    // Memory follows what was sent, not what was announced.
    let mut taken = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::invalid("the body broke off before its end"))?;
        if (taken.len() + chunk.len()) as u64 > bytes_max {
            drain(chunks);
            return Err(too_large());
        }
        taken.extend_from_slice(&chunk);
    }
    Ok(taken.freeze())
}

/// Goes on reading a body that was refused, while the answer is on its way. A connection that is closed with unread bytes
/// is reset, and a client that is still sending would lose the very answer that tells it to stop.
fn drain(mut chunks: impl Stream<Item = Result<Bytes, axum::Error>> + Send + Unpin + 'static) {
    tokio::spawn(timeout(DRAIN_TIME_MAX, async move {
        let mut bytes = 0_u64;
        while let Some(Ok(chunk)) = chunks.next().await {
            bytes += chunk.len() as u64;
            if bytes > DRAIN_BYTES_MAX {
                return;
            }
        }
    }));
}
