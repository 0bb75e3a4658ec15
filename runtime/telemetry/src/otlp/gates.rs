use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refused;

/// Requests that are read or wait for their turn at once. Each holds up to a body's bound.
const REQUESTS_MAX: usize = 32;
/// Requests that are decoded at once. Decoded, a hostile body takes up to a hundred megabytes: there is only one such at a
/// time.
const DECODED_MAX: usize = 1;

/// Who may post now.
#[derive(Debug)]
pub(crate) struct Gates {
    requests: Arc<Semaphore>,
    decoded: Arc<Semaphore>,
}

impl Gates {
    pub(crate) fn new() -> Self {
        let gate = |places| Arc::new(Semaphore::new(places));
        Self { requests: gate(REQUESTS_MAX), decoded: gate(DECODED_MAX) }
    }

    /// A place for a request, or 429.
    pub(crate) fn enter(&self) -> Result<OwnedSemaphorePermit, Refused> {
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| Refused::busy())
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
        let mut inside: Vec<_> = (0..REQUESTS_MAX).map(|_| gates.enter().unwrap()).collect();
        let refused = gates.enter().unwrap_err().in_encoding(Encoding::Json).into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()["retry-after"], "1");
        inside.pop();
        assert!(gates.enter().is_ok());
    }
}
