use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock's first reading: thirty days, so that what was seen before the start has a time too.
const FIRST_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// The last second of the year 9999.
const UNIX_MS_MAX: u64 = 253_402_300_799_000;

/// Monotonic milliseconds: what every time inside is measured on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now_ms(self) -> u64 {
        FIRST_MS + self.0.elapsed().as_millis() as u64
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
