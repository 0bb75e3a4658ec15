use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Instant, SystemTime, UNIX_EPOCH},
};

/// Where milliseconds come from: the machine's monotonic clock, set to the time of day when the tasks were opened, or to where it
/// was left if that is later. So the times at which tasks were accepted compare over any number of starts, and an adjustment of
/// the time of day moves nothing.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    start: Instant,
    base_ms: Arc<AtomicU64>,
}

impl Clock {
    /// A clock that says the time of day.
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), base_ms: Arc::new(AtomicU64::new(wall_ms())) }
    }

    /// Goes on from where it was left, if that is later.
    pub(crate) fn go_on_from(&self, left_ms: u64) {
        self.base_ms.fetch_max(left_ms, Ordering::Relaxed);
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.base_ms.load(Ordering::Relaxed).saturating_add(self.start.elapsed().as_millis() as u64)
    }

    /// Both clocks at this moment.
    pub(crate) fn moment(&self) -> Moment {
        Moment { now_ms: self.now_ms(), wall_ms: wall_ms() }
    }
}

/// What the clock of the tasks and the time of day say at once: one can be told by the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) now_ms: u64,
    pub(crate) wall_ms: u64,
}

impl Moment {
    /// When a time of day will be, as far as is known now.
    pub(crate) fn of_wall(self, at_ms: u64) -> u64 {
        self.now_ms.saturating_add(at_ms).saturating_sub(self.wall_ms)
    }

    /// The time of day at which something was.
    pub(crate) fn to_wall(self, at_ms: u64) -> u64 {
        self.wall_ms.saturating_sub(self.now_ms.saturating_sub(at_ms))
    }
}

/// The time of day, in milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_go_back_where_the_time_of_day_did() {
        let left_ms = wall_ms() + 24 * 60 * 60 * 1_000;
        let clock = Clock::new();
        assert!(clock.now_ms() >= wall_ms() - 1_000);
        clock.go_on_from(0);
        assert!(clock.now_ms() >= wall_ms() - 1_000);
        clock.go_on_from(left_ms);
        assert!(clock.now_ms() >= left_ms);
    }

    #[test]
    fn a_time_of_day_is_told_by_the_clock_and_back() {
        let moment = Moment { now_ms: 5_000, wall_ms: 1_000_000 };
        assert_eq!((moment.of_wall(1_000_700), moment.of_wall(999_000), moment.of_wall(0)), (5_700, 4_000, 0));
        assert_eq!((moment.to_wall(4_000), moment.to_wall(0)), (999_000, 995_000));
    }
}
