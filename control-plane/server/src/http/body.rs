use axum::body::{Body, Bytes, HttpBody};
use bytes::BytesMut;
use futures_util::StreamExt;

use crate::problem::Problem;

/// Reads a body. One that is over the bound is refused as soon as that is known: from the announced length before the
/// first byte, else when the bound is passed.
pub(super) async fn read(
    body: Body,
    bytes_max: u64,
    too_large: impl FnOnce() -> Problem + Send,
) -> Result<Bytes, Problem> {
    if body.size_hint().exact().is_some_and(|bytes| bytes > bytes_max) {
        return Err(too_large());
    }
    // Memory follows what was sent, not what was announced.
    let mut taken = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Problem::invalid("the body broke off before its end"))?;
        if (taken.len() + chunk.len()) as u64 > bytes_max {
            return Err(too_large());
        }
        taken.extend_from_slice(&chunk);
    }
    Ok(taken.freeze())
}
