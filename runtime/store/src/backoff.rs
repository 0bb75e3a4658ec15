use std::time::Duration;

/// The first window and the longest, in milliseconds.
const WINDOW_FIRST_MS: u64 = 200;
const WINDOW_LONGEST_MS: u64 = 20_000;

/// How long to wait after so many failures in a row. Each wait is drawn from the whole window, so that a fleet which lost its
/// store together does not come back together. The window doubles with every failure.
pub(crate) fn delay(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let window_ms = (WINDOW_FIRST_MS << doublings).min(WINDOW_LONGEST_MS);
    Duration::from_millis(fastrand::u64(0..=window_ms))
}
