use std::{sync::Arc, time::Duration};

use switchyard_types::route::TimeoutSpec;
use tokio::time::Instant;

use super::upload::{Upload, Waits};
use crate::backend::Failure;

/// How long one request may take for what.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    connect: Duration,
    response: Duration,
    idle: Duration,
    /// When everything must be over.
    until: Option<Instant>,
    upload: Option<Arc<Upload>>,
}

impl Patience {
    pub(crate) fn new(spec: &TimeoutSpec, begun: Instant, upload: Option<Arc<Upload>>) -> Self {
        let [connect, response, idle] = [spec.connect_ms, spec.response_ms, spec.idle_ms].map(Duration::from_millis);
        let until = spec.total_ms.map(|total_ms| begun + Duration::from_millis(total_ms));
        Self { connect, response, idle, until, upload }
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }

    /// For opening a connection.
    pub(crate) fn connect(&self) -> Duration {
        self.until.map_or(self.connect, |until| self.connect.min(until.saturating_duration_since(Instant::now())))
    }

    /// When to look first whether there is an answer to a try that begins now: not later than its time can be over.
    pub(crate) fn first_at(&self, begun: Instant) -> Instant {
        let time = if self.upload.is_some() { self.idle.min(self.response) } else { self.response };
        self.bounded(begun + time)
    }

    /// Until when the next piece of an answer must come, after one that came then.
    pub(crate) fn idle_at(&self, moved: Instant) -> Instant {
        self.bounded(moved + self.idle)
    }

    fn bounded(&self, at: Instant) -> Instant {
        self.until.map_or(at, |until| until.min(at))
    }

    /// When something last came of the request's body, which may come while the answer does.
    pub(crate) fn upload_moved_at(&self) -> Option<Instant> {
        self.upload.as_ref().and_then(|upload| upload.moved_at())
    }

    /// The timer of a try that began then has run out: when to look again, or whose fault it is. A body that comes slowly but
    /// comes is nobody's; the answer's own time begins when the body has ended.
    pub(crate) fn overdue(&self, begun: Instant) -> Result<Instant, Failure> {
        let now = Instant::now();
        if self.is_over(now) {
            return Err(Failure::Timeout);
        }
        let (waits, since) = self.upload.as_ref().map_or((Waits::Ended, begun), |upload| upload.waits(begun));
        let (time, failure) = match waits {
            Waits::Ended => (self.response, Failure::Timeout),
            Waits::Backend => (self.idle, Failure::Timeout),
            Waits::Client => (self.idle, Failure::Client(super::BodyFailure::Idle)),
        };
        let deadline = since + time;
        if deadline <= now {
            return Err(failure);
        }
        // A body that ends meanwhile gives the answer its time, which is not over before the next look.
        let look = if waits == Waits::Ended { deadline } else { deadline.min(now + self.response) };
        Ok(self.bounded(look))
    }
}
