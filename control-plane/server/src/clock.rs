use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock, in milliseconds since 1970: for display, and to lay beside each other what several machines have seen. Nothing
/// is decided by it, because it may jump.
pub(crate) fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
