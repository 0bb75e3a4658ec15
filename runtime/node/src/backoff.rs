use std::time::Duration;

/// How long to wait before trying again: doubling from the first delay to the longest, each drawn from its upper half so
/// that a fleet which failed together does not come back together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Backoff {
    first_ms: u64,
    longest_ms: u64,
}

/// Doublings after which every real delay has reached its longest.
const DOUBLINGS_MAX: u32 = 30;

impl Backoff {
    /// For a version that could not be activated. Most causes do not pass by themselves, and a try costs a compilation.
    pub(crate) const ACTIVATE: Self = Self { first_ms: 1_000, longest_ms: 300_000 };
    /// For a store that does not answer: nodes should hear of it soon when it is back.
    pub(crate) const STORE: Self = Self { first_ms: 200, longest_ms: 10_000 };
    /// For servers that do not take a report: it is kept, and a whole fleet may have lost them together.
    pub(crate) const REPORT: Self = Self { first_ms: 500, longest_ms: 30_000 };

    /// The delay after `failures` failures in a row (at least 1), given a random number.
    pub(crate) fn delay(self, failures: u32, random: u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(DOUBLINGS_MAX);
        let full_ms = self.first_ms.saturating_mul(1 << doublings).min(self.longest_ms);
        let half_ms = full_ms / 2;
        Duration::from_millis(full_ms - random % (half_ms + 1))
    }

    /// A delay from the whole of what [`Self::delay`] is the upper half of: for what many ask of few.
    pub(crate) fn full_jitter(self, failures: u32) -> Duration {
        let full = self.delay(failures, 0);
        let full_ms = u64::try_from(full.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(getrandom::u64().map_or(full_ms, |random| random % full_ms.saturating_add(1)))
    }

    /// The same with a random number of its own.
    pub(crate) fn jittered(self, failures: u32) -> Duration {
        // Without randomness the delay is the full one: right, only not spread.
        self.delay(failures, getrandom::u64().unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_stays_in_the_upper_half_of_its_doubling(failures: u32, random: u64) {
            let delay_ms = Backoff::STORE.delay(failures, random).as_millis() as u64;
            let full_ms = 200u64.saturating_mul(1 << failures.saturating_sub(1).min(20)).min(10_000);
            prop_assert!((full_ms / 2..=full_ms).contains(&delay_ms), "{delay_ms} of {full_ms}");
        }
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let delays: Vec<_> = (0..12).map(|failures| Backoff::ACTIVATE.delay(failures, 0).as_secs()).collect();
        assert_eq!(delays, [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }
}
