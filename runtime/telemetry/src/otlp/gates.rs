use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{BODY_BYTES_MAX, Refused};

/// Bytes of bodies that are held at once, while they arrive or wait for their turn: so many of the largest. What has not
/// arrived holds nothing, so whoever connects and is silent keeps nobody out.
const HELD_BYTES_MAX: usize = 32 * BODY_BYTES_MAX;
/// Requests that are decoded at once. Decoded, a hostile body takes up to a hundred megabytes: there is only one such at a
/// time.
const DECODED_MAX: usize = 1;

/// Who may post now.
#[derive(Debug)]
pub(crate) struct Gates {
    /// A permit is a byte.
    held: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
}

impl Gates {
    pub(crate) fn new() -> Self {
        let gate = |places| Arc::new(Semaphore::new(places));
        Self { held: gate(HELD_BYTES_MAX), decoded: gate(DECODED_MAX) }
    }

    /// Room for bytes that have arrived, or 429.
    pub(crate) fn hold(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refused> {
        let bytes = u32::try_from(bytes).map_err(|_| Refused::too_large(BODY_BYTES_MAX))?;
        Arc::clone(&self.held).try_acquire_many_owned(bytes).map_err(|_| Refused::busy())
    }

    /// Waits for the turn to be decoded. The gate is never closed.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.decoded).acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use axum::{http::StatusCode, response::IntoResponse};

    use super::*;
    use crate::otlp::Encoding;

    #[test]
    fn who_comes_too_many_is_asked_to_come_again() {
        let gates = Gates::new();
        let mut inside: Vec<_> = (0..32).map(|_| gates.hold(BODY_BYTES_MAX).unwrap()).collect();
        let refused = gates.hold(1).unwrap_err().in_encoding(Encoding::Json).into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["retry-after"], "1");
        inside.pop();
        assert!(gates.hold(BODY_BYTES_MAX).is_ok());
    }
}
