use std::{sync::Arc, time::Duration};

use switchyard_types::route::TimeoutSpec;
use tokio::time::Instant;

use super::upload::{Progress, Upload};
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

    /// When to look first whether there is an answer: a body that comes has the time of bodies.
    pub(crate) fn first_at(&self, now: Instant) -> Instant {
        self.at(now, if self.upload.is_some() { self.idle } else { self.response })
    }

    pub(crate) fn idle_at(&self, now: Instant) -> Instant {
        self.at(now, self.idle)
    }

    fn at(&self, now: Instant, time: Duration) -> Instant {
        self.until.map_or(now + time, |until| until.min(now + time))
    }

    pub(crate) fn upload_moves(&self) -> bool {
        self.upload.as_ref().is_some_and(|upload| upload.progress() == Progress::Moving)
    }

    /// The timer of a try has run out: until when to wait on, or whose fault it is. A body that comes slowly but comes is
    /// nobody's.
    pub(crate) fn overdue(&self) -> Result<Instant, Failure> {
        let now = Instant::now();
        if self.is_over(now) {
            return Err(Failure::Timeout);
        }
        match self.upload.as_ref().map(|upload| upload.progress()) {
            Some(Progress::Moving) => Ok(self.at(now, self.response)),
            Some(Progress::Waiting) => Err(Failure::Client(super::BodyFailure::Idle)),
            Some(Progress::Done) | None => Err(Failure::Timeout),
        }
    }
}
