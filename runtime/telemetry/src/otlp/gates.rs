use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refused;

/// Requests that are read or wait for their turn at once. Each holds up to a body's bound.
const REQUESTS_MAX: usize = 32;
/// Requests that are decoded at once. Decoded, a hostile body of empty messages is some fifty times as large as on the
/// wire: there is only one such at a time.
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
