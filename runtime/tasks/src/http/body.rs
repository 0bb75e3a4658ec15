use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use futures_util::{Stream, StreamExt};
use switchyard_types::ErrorCode;
use tokio::time::timeout;

use super::problem::Problem;
use crate::TasksError;

/// Bytes that are still taken in, and thrown away, after a body was refused.
const DRAIN_BYTES_MAX: usize = 1 << 30;
/// How long they are waited for.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// How long a body may take.
const READ_TIME_MAX: Duration = Duration::from_secs(60);

/// Reads a job. Memory follows what was sent, not what was announced.
pub(super) async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Problem> {
    let wrong = |message: &str| Problem::new(ErrorCode::InvalidRequest, message);
    let read = timeout(READ_TIME_MAX, async {
        let (mut taken, mut chunks) = (BytesMut::new(), body.into_data_stream());
        while let Some(chunk) = chunks.next().await {
            taken.extend_from_slice(&chunk.map_err(|_| wrong("the body broke off before its end"))?);
            if taken.len() > bytes_max {
                drain(chunks);
                return Err(TasksError::TooLarge { bytes_max }.into());
            }
        }
        Ok(taken.freeze())
    });
    read.await.unwrap_or_else(|_| Err(wrong("the body took too long to arrive")))
}

/// Goes on reading a body that was refused, while the answer is on its way. A connection that is closed with unread bytes
/// is reset, and a client that is still sending would lose the very answer that tells it to stop.
fn drain(mut chunks: impl Stream<Item = Result<Bytes, axum::Error>> + Send + Unpin + 'static) {
    tokio::spawn(timeout(DRAIN_TIME_MAX, async move {
        let mut bytes = 0;
        while let Some(Ok(chunk)) = chunks.next().await {
            bytes += chunk.len();
            if bytes > DRAIN_BYTES_MAX {
                return;
            }
        }
    }));
}
