use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderMap, header::CONTENT_ENCODING},
};
use bytes::BytesMut;
use futures_util::{Stream, StreamExt};
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{Gates, Refused};

/// Bytes of a body, packed and unpacked: the bound that gRPC has for a message unless configured. Ten thousand series in
/// one request stay below it.
pub(crate) const BODY_BYTES_MAX: usize = 4 << 20;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// Bytes that are still taken in, and thrown away, after a body was refused.
const DRAIN_BYTES_MAX: u64 = 1 << 30;
/// How long they are waited for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Plain,
    Gzip,
}

pub(super) fn packing(headers: &HeaderMap) -> Result<Packing, Refused> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Packing::Plain) };
    match value.to_str().unwrap_or("?").trim() {
        "" => Ok(Packing::Plain),
        name if name.eq_ignore_ascii_case("identity") => Ok(Packing::Plain),
        name if name.eq_ignore_ascii_case("gzip") => Ok(Packing::Gzip),
        other => Err(Refused::packing(other)),
    }
}

/// A body, and the room that it takes up; none: it is empty.
type Held = (Bytes, Option<OwnedSemaphorePermit>);

/// Reads a body within its bounds: one that is announced too large is refused before its first byte.
pub(super) async fn read(gates: &Gates, body: Body) -> Result<Held, Refused> {
    if body.size_hint().exact().is_some_and(|bytes| bytes > BODY_BYTES_MAX as u64) {
        drain(body.into_data_stream());
        return Err(Refused::too_large(BODY_BYTES_MAX));
    }
    timeout(BODY_TIME_MAX, read_chunks(gates, body)).await.map_err(|_| Refused::too_slow())?
}

async fn read_chunks(gates: &Gates, body: Body) -> Result<Held, Refused> {
    // Memory follows what was sent, not what was announced.
    let (mut taken, mut room) = (BytesMut::new(), None::<OwnedSemaphorePermit>);
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refused::broken_off())?;
        if taken.len() + chunk.len() > BODY_BYTES_MAX {
            drain(chunks);
            return Err(Refused::too_large(BODY_BYTES_MAX));
        }
        let more = match gates.hold(chunk.len()) {
            Ok(more) => more,
            Err(refused) => {
                drain(chunks);
                return Err(refused);
            }
        };
        match &mut room {
            Some(room) => room.merge(more),
            none => *none = Some(more),
        }
        taken.extend_from_slice(&chunk);
    }
    Ok((taken.freeze(), room))
}

/// Goes on reading a body that was refused: a connection that is closed with unread bytes is reset, and the client would
/// lose the answer that tells it to stop.
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
