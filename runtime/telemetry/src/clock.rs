use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock's first reading: thirty days, so that what was seen before the start has a time too.
const FIRST_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// The last second of the year 9999.
const UNIX_MS_MAX: u64 = 253_402_300_799_000;

/// Monotonic milliseconds: what every time inside is measured on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    started: Instant,
    started_unix_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), started_unix_ms: unix_ms() }
    }

    pub(crate) fn now_ms(self) -> u64 {
        FIRST_MS + self.started.elapsed().as_millis() as u64
    }

    /// A time of this clock on the wall clock, for display: the same for the same time, whenever it is asked.
    pub(crate) fn unix_ms_of(self, at_ms: u64) -> u64 {
        (self.started_unix_ms + at_ms).saturating_sub(FIRST_MS)
    }
}

/// Wall-clock milliseconds since 1970, for display and for what is persisted. A clock before 1970 reads as 0.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// A time of the wall clock as RFC 3339 writes it, in UTC.
pub(crate) fn rfc3339(unix_ms: u64) -> String {
    // The library refuses years after 9999.
    let time = UNIX_EPOCH + Duration::from_millis(unix_ms.min(UNIX_MS_MAX));
    humantime::format_rfc3339_millis(time).to_string()
}
