//! Where a task stands, and when one that failed is tried again, where no strategy decides: the only place that knows.

use crate::rank::Rank;

/// The longest wait that a failed task is given, in milliseconds: six hours.
const BACKOFF_MAX_MS: u64 = 6 * 60 * 60 * 1_000;
/// The longest wait after the first failure, in milliseconds; each further failure doubles it.
const BACKOFF_BASE_MS: u64 = 1_000;
/// The most urgent priority.
const PRIORITY_MAX: u8 = 9;

/// Where a task stands: the lowest rank runs first, of equal ones the task that was accepted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placement {
    pub(crate) rank: Rank,
    pub(crate) delay_ms: u64,
}

/// What happens to a task that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    Again(Placement),
    GiveUp,
}

/// First in, first out within a priority.
pub(crate) fn fallback(priority: u8) -> Placement {
    Placement { rank: Rank::whole(PRIORITY_MAX.saturating_sub(priority)), delay_ms: 0 }
}

/// Whether the job lets nobody try it once more. A strategy is not asked then: a job that must not run twice does not.
pub(crate) fn is_spent(attempt: u32, retry: i32) -> bool {
    retry <= 0 || attempt > retry.unsigned_abs()
}

/// Exponential back-off with full jitter (Brooker, "Exponential Backoff And Jitter", 2015): a wait anywhere below a bound
/// that doubles. `attempt` counts the failures, this one included; `random` is evenly spread over all numbers.
pub(crate) fn fallback_retry(priority: u8, attempt: u32, retry: i32, random: u64) -> Retry {
    if is_spent(attempt, retry) {
        return Retry::GiveUp;
    }
    let doubled = 1_u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX);
    let bound_ms = BACKOFF_BASE_MS.saturating_mul(doubled).min(BACKOFF_MAX_MS);
    let delay_ms = ((u128::from(random) * u128::from(bound_ms)) >> 64) as u64;
    Retry::Again(Placement { delay_ms, ..fallback(priority) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(attempt: u32, retry: i32, bound_ms: Option<u64>) {
        let delay = |random| match fallback_retry(5, attempt, retry, random) {
            Retry::Again(placement) => Some(placement.delay_ms),
            Retry::GiveUp => None,
        };
        assert_eq!(delay(0), bound_ms.map(|_| 0), "{attempt} of {retry}");
        assert_eq!(delay(u64::MAX), bound_ms.map(|bound_ms| bound_ms - 1), "{attempt} of {retry}");
    }

    #[test]
    fn waits_double_up_to_the_cap_and_end_with_the_count() {
        check(1, 25, Some(1_000));
        check(2, 25, Some(2_000));
        check(11, 25, Some(1_024_000));
        check(25, 25, Some(BACKOFF_MAX_MS));
        check(26, 25, None);
        check(1_000, i32::MAX, Some(BACKOFF_MAX_MS));
        check(1, 1, Some(1_000));
        check(2, 1, None);
        check(1, 0, None);
        check(1, -1, None);
    }

    #[test]
    fn the_most_urgent_come_first() {
        assert!((2..=9).all(|priority| fallback(priority).rank < fallback(priority - 1).rank));
    }
}
