use std::{sync::Arc, time::Duration};

use http::StatusCode;
use tokio::time::Instant;

use super::{Backend, Failure};

/// One try at one backend, counted in flight until it is dropped: with the end of the answer's body.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) backend: Arc<Backend>,
    begun: Instant,
}

impl Flight {
    pub(crate) fn new(backend: Arc<Backend>, begun: Instant) -> Self {
        backend.counters.requests.one();
        backend.counters.in_flight.one();
        Self { backend, begun }
    }

    /// The head of the answer is here.
    pub(crate) fn answered(&self, status: StatusCode, now: Instant) {
        let counters = &self.backend.counters;
        counters.statuses.count(status);
        counters.latency.record(now.saturating_duration_since(self.begun));
    }

    pub(crate) fn lasts(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }

    /// There is no answer. Errors of a connection that could not be opened are counted where that is seen.
    pub(crate) fn failed(&self, failure: &Failure) {
        let counters = &self.backend.counters;
        match failure {
            Failure::Lost | Failure::Malformed => counters.lost.one(),
            Failure::Timeout => counters.timeouts.one(),
            Failure::Connect | Failure::Unsent | Failure::Client(_) => {}
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.backend.counters.in_flight.less();
    }
}
