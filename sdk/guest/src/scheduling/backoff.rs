use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Placement, Retry, Task};
use crate::random::Random;

/// When a task that failed is tried again: exponential back-off with full jitter, a part for configurations.
///
/// Attempt n waits a random time below `base_ms` x 2^(n-1), at most `cap_ms`. (Full jitter: Brooker, "Exponential Backoff
/// And Jitter", AWS Architecture Blog, 2015.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// Failures after which a task is given up: one more than it has retries. What the job itself says ends it sooner.
    #[schemars(range(min = 1, max = 1000))]
    pub attempts_max: u32,
    /// The first wait is shorter than this, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub base_ms: u64,
    /// No wait is longer than this, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub cap_ms: u64,
}

impl Default for Backoff {
    /// As Faktory has it: the first attempt and 25 retries. The waits grow from five seconds to an hour.
    fn default() -> Self {
        Self { attempts_max: 26, base_ms: 5_000, cap_ms: 3_600_000 }
    }
}

impl Backoff {
    /// What becomes of a task that has failed; tried again, it stands at `rank`.
    pub fn retry(&self, task: &Task, rank: f64, random: &mut Random) -> Retry {
        if task.attempt >= self.attempts_max {
            return Retry::GiveUp;
        }
        let doublings = task.attempt.saturating_sub(1).min(32);
        let bound_ms = self.base_ms.saturating_mul(1 << doublings).min(self.cap_ms);
        Retry::Again(Placement { rank, delay_ms: random.below(bound_ms) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(attempt: u32) -> Task {
        Task { id: 1, priority: 5, tenant: 0, width: 1, estimate_ms: None, deadline_ms: None, attempt, accepted_ms: 0 }
    }

    #[test]
    fn waits_grow_to_the_cap_and_end() {
        let backoff = Backoff { attempts_max: 40, base_ms: 100, cap_ms: 1_000 };
        let mut random = Random::new(7);
        let mut longest = |attempt| {
            let waits = (0..200).map(|_| match backoff.retry(&failed(attempt), 3.0, &mut random) {
                Retry::Again(Placement { rank: 3.0, delay_ms }) => delay_ms,
                other => unreachable!("{other:?}"),
            });
            waits.max().unwrap_or_default()
        };
        assert!((80..100).contains(&longest(1)));
        assert!((160..200).contains(&longest(2)));
        assert!((800..1_000).contains(&longest(39)));
        assert_eq!(backoff.retry(&failed(40), 0.0, &mut Random::new(7)), Retry::GiveUp);
    }
}
