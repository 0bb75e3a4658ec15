use std::collections::VecDeque;

use crate::CallError;

/// Failures in a row after which the fallback takes over.
const FAILURES_IN_A_ROW: u32 = 3;
/// Or so many failures within [`CALLS_WINDOW`] calls: one in a hundred.
const FAILURES_IN_WINDOW: usize = 10;
const CALLS_WINDOW: u64 = 1_000;
/// How long the fallback decides before the plugin is tried again with a cold instance, in milliseconds.
const FIRST_MS: u64 = 300_000;
/// And how long at most, when trial after trial fails.
const LONGEST_MS: u64 = 3_600_000;

/// The quarantines of one strategy in one slot. Each is twice as long as the one before, unless the strategy has decided for
/// as long as that in between: then it begins anew.
#[derive(Debug, Default)]
pub(crate) struct Quarantines {
    /// Of the last one; 0: there was none.
    length_ms: u64,
    /// When the trial after it began.
    trial_ms: u64,
}

impl Quarantines {
    /// One begins. Returns when it ends.
    pub(crate) fn begin(&mut self, now_ms: u64) -> u64 {
        let is_first = self.length_ms == 0 || now_ms.saturating_sub(self.trial_ms) >= self.length_ms;
        self.length_ms = if is_first { FIRST_MS } else { self.length_ms.saturating_mul(2).min(LONGEST_MS) };
        let ends_ms = now_ms.saturating_add(self.length_ms);
        self.trial_ms = ends_ms;
        ends_ms
    }

    /// The strategy decides again.
    pub(crate) fn trial(&mut self, now_ms: u64) {
        self.trial_ms = now_ms;
    }
}

/// Watches the calls of one shard for a plugin that fails too often.
#[derive(Debug, Default)]
pub(crate) struct FailureWindow {
    calls: u64,
    in_a_row: u32,
    /// The calls that failed, by number, those of the window only.
    failed: VecDeque<u64>,
}

impl FailureWindow {
    #[inline]
    pub(crate) fn succeeded(&mut self) {
        self.calls += 1;
        self.in_a_row = 0;
    }

    /// Calls since the instances were flipped to, or tried again.
    pub(crate) fn calls(&self) -> u64 {
        self.calls
    }

    /// Returns whether the strategy is to be quarantined. A starved call says something about the machine only.
    pub(crate) fn failed(&mut self, error: &CallError) -> bool {
        self.calls += 1;
        if matches!(error, CallError::Starved { .. }) {
            return false;
        }
        self.in_a_row += 1;
        self.failed.push_back(self.calls);
        while self.failed.front().is_some_and(|call| call + CALLS_WINDOW <= self.calls) {
            self.failed.pop_front();
        }
        self.in_a_row >= FAILURES_IN_A_ROW || self.failed.len() >= FAILURES_IN_WINDOW
    }

    /// After a quarantine the next failure is one too many.
    pub(crate) fn half_open(&mut self) {
        *self = Self { in_a_row: FAILURES_IN_A_ROW - 1, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trap() -> CallError {
        CallError::Trap("unreachable".into())
    }

    #[test]
    fn quarantines_double_up_to_an_hour_and_begin_anew_after_a_good_while() {
        let mut quarantines = Quarantines::default();
        let mut now_ms = 7;
        let minutes = std::array::from_fn::<_, 6, _>(|_| {
            let ends_ms = quarantines.begin(now_ms);
            let length_ms = ends_ms - now_ms;
            quarantines.trial(ends_ms);
            // It fails a little before it would be forgiven.
            now_ms = ends_ms + length_ms - 1;
            length_ms / 60_000
        });
        assert_eq!(minutes, [5, 10, 20, 40, 60, 60]);
        assert_eq!(quarantines.begin(now_ms + 1) - (now_ms + 1), FIRST_MS);
        // A trial that fails while it is staged never decided.
        let ends_ms = quarantines.begin(now_ms + 1 + FIRST_MS);
        assert_eq!(ends_ms - (now_ms + 1 + FIRST_MS), 2 * FIRST_MS);
    }

    #[test]
    fn three_in_a_row() {
        let mut window = FailureWindow::default();
        assert!(!window.failed(&trap()));
        assert!(!window.failed(&trap()));
        window.succeeded();
        assert!(!window.failed(&trap()));
        assert!(!window.failed(&trap()));
        assert!(window.failed(&trap()));
    }

    #[test]
    fn one_in_a_hundred() {
        let run = |every: u64| {
            let mut window = FailureWindow::default();
            (1..=10_000u64).any(|call| {
                if call % every == 0 {
                    return window.failed(&trap());
                }
                window.succeeded();
                false
            })
        };
        assert!(run(100));
        assert!(!run(112));
    }

    #[test]
    fn starving_is_not_guilt_and_half_open_is_strict() {
        let mut window = FailureWindow::default();
        assert!((0..100).all(|_| !window.failed(&CallError::Starved { wall_us: 1 })));
        window.half_open();
        assert!(window.failed(&trap()));
    }
}
