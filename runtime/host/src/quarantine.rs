use std::{collections::VecDeque, time::Duration};

use crate::CallError;

/// Failures in a row after which the fallback takes over.
const FAILURES_IN_A_ROW: u32 = 3;
/// Or so many failures within [`CALLS_WINDOW`] calls: one in a hundred.
const FAILURES_IN_WINDOW: usize = 10;
const CALLS_WINDOW: u64 = 1_000;
/// How long the fallback decides before the plugin is tried again with a cold instance.
pub(crate) const HALF_OPEN_AFTER: Duration = Duration::from_secs(300);

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
