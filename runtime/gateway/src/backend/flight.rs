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
    /// None: the backend has as many requests as it may.
    pub(crate) fn begin(backend: &Arc<Backend>, begun: Instant) -> Option<Self> {
        let counters = &backend.counters;
        if counters.in_flight.next() > backend.connections_max() {
            counters.in_flight.less();
            counters.full.one();
            return None;
        }
        counters.requests.one();
        Some(Self { backend: backend.clone(), begun })
    }

    /// The head of the answer is here.
    pub(crate) fn answered(&self, status: StatusCode, latency: Duration) {
        let counters = &self.backend.counters;
        counters.statuses.count(status);
        counters.latency.record(latency);
    }

    /// How long the backend has taken: it is not to blame for the time that the client's body took.
    pub(crate) fn latency(&self, upload_moved_at: Option<Instant>, now: Instant) -> Duration {
        latency(self.begun, upload_moved_at, now)
    }

    /// There is no answer. Errors of a connection that could not be opened are counted where that is seen.
    pub(crate) fn failed(&self, failure: &Failure) {
        let counters = &self.backend.counters;
        match failure {
            Failure::Lost | Failure::Malformed => counters.lost.one(),
            Failure::Timeout => counters.timeouts.one(),
            Failure::Connect | Failure::Unsent | Failure::Exhausted | Failure::Full | Failure::Client(_) => {}
        }
    }
}

fn latency(begun: Instant, upload_moved_at: Option<Instant>, now: Instant) -> Duration {
    now.saturating_duration_since(upload_moved_at.map_or(begun, |moved_at| moved_at.max(begun)))
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.backend.counters.in_flight.less();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_the_clients_body_is_not_the_backends() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let check = |begun: Instant, moved_at: Option<Instant>, expected_ms: u64| {
            assert_eq!(latency(begun, moved_at, at(500)), Duration::from_millis(expected_ms));
        };
        check(begun, None, 500);
        check(begun, Some(at(400)), 100);
        // A second try, of a body that came during the first.
        check(at(450), Some(at(400)), 50);
    }
}
