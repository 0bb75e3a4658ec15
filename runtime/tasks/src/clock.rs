use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where milliseconds come from: the machine's monotonic clock, set to the time of day when the tasks were opened. So the
/// time at which a task was accepted can be told before and after a start, and an adjustment of the time of day moves nothing.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    base_ms: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), base_ms: wall_ms() }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.base_ms.saturating_add(self.start.elapsed().as_millis() as u64)
    }

    /// When a time of day will be, as far as is known now.
    pub(crate) fn at_wall(&self, at_ms: u64) -> u64 {
        let (now_ms, wall_ms) = (self.now_ms(), wall_ms());
        now_ms.saturating_add(at_ms).saturating_sub(wall_ms)
    }
}

/// The time of day, in milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
