use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// Where a table's milliseconds come from.
#[derive(Debug)]
pub(crate) enum Clock {
    /// The machine's monotonic clock, from when the cache was made.
    Machine(Instant),
    /// The newest time that a trace has named.
    Trace(AtomicU64),
}

impl Clock {
    pub(crate) fn now_ms(&self) -> u64 {
        match self {
            Self::Machine(start) => start.elapsed().as_millis() as u64,
            Self::Trace(now) => now.load(Ordering::Relaxed),
        }
    }

    /// Moves a trace's clock forward; the machine's moves by itself.
    pub(crate) fn advance(&self, now_ms: u64) {
        if let Self::Trace(now) = self {
            now.fetch_max(now_ms, Ordering::Relaxed);
        }
    }
}
