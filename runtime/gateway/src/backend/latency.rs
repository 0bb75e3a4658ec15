use std::sync::atomic::{AtomicU32, Ordering};

use switchyard_host::routing::{LATENCY_DEAD, OutcomeKind};

/// A new latency counts for this part of the average: as in RFC 6298, section 2.
const PART: u32 = 8;

/// The moving average of a backend's latencies, of just the outcomes that strategies are told: what the next one begins
/// with. In microseconds; 0 before the first, [`LATENCY_DEAD`] after one that reached nobody.
#[derive(Debug, Default)]
pub(crate) struct RecentLatency(AtomicU32);

impl RecentLatency {
    /// Two at once may count as one: an average does not need every single one.
    pub(crate) fn heard(&self, kind: OutcomeKind, latency_us: u32) {
        let new = latency_us.clamp(1, LATENCY_DEAD - 1);
        let next = match (kind, self.get()) {
            (OutcomeKind::Unreachable, _) => LATENCY_DEAD,
            (_, 0 | LATENCY_DEAD) => new,
            (_, average) => average - average / PART + new / PART,
        };
        self.0.store(next.max(1), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_what_comes() {
        let latency = RecentLatency::default();
        let heard = |kind, latency_us| {
            latency.heard(kind, latency_us);
            latency.get()
        };
        assert_eq!(latency.get(), 0);
        assert_eq!(heard(OutcomeKind::Answered, 8_000), 8_000);
        assert_eq!(heard(OutcomeKind::Failed, 16_000), 9_000);
        assert_eq!(heard(OutcomeKind::Unreachable, 1), LATENCY_DEAD);
        assert_eq!(heard(OutcomeKind::Answered, 800), 800, "what was before it died is long ago");
        (0..100).for_each(|_| latency.heard(OutcomeKind::Answered, 0));
        assert!((1..20).contains(&latency.get()));
        assert_eq!(heard(OutcomeKind::Unreachable, 0), LATENCY_DEAD);
        assert_eq!(heard(OutcomeKind::Answered, u32::MAX), LATENCY_DEAD - 1);
    }
}
