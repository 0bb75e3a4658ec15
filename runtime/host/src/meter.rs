use rustix::time::{ClockId, clock_gettime};

/// The wall cap of a call is so many times its CPU budget: on a machine that gives a call a twentieth of a core it is
/// stopped, as starved and not as the plugin's fault.
const WALL_PER_CPU: u64 = 20;

/// How a call was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Budget,
    Starved,
}

/// Measures the CPU time of the calling thread during one call, at ticks only: reading the clock on entry would cost
/// more than a call. The first tick inside a call takes the start reading, so a call is stopped within its budget and
/// two ticks.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    budget_us: u64,
    start: Option<Reading>,
    stopped: Option<Stop>,
}

#[derive(Debug, Clone, Copy)]
struct Reading {
    cpu_us: u64,
    wall_us: u64,
}

impl Meter {
    /// A call with this budget begins.
    #[inline]
    pub(crate) fn begin(&mut self, budget_us: u64) {
        *self = Self { budget_us, start: None, stopped: None };
    }

    /// A tick came while the guest was running. Returns how to stop it, if it must.
    pub(crate) fn tick(&mut self) -> Option<Stop> {
        let now = Reading { cpu_us: thread_cpu_ns() / 1_000, wall_us: monotonic_ns() / 1_000 };
        let start = *self.start.get_or_insert(now);
        self.stopped = if now.cpu_us.saturating_sub(start.cpu_us) >= self.budget_us {
            Some(Stop::Budget)
        } else if now.wall_us.saturating_sub(start.wall_us) >= self.wall_cap_us() {
            Some(Stop::Starved)
        } else {
            None
        };
        self.stopped
    }

    /// Why the last call was stopped, if it was.
    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stopped
    }

    pub(crate) fn budget_us(&self) -> u64 {
        self.budget_us
    }

    pub(crate) fn wall_cap_us(&self) -> u64 {
        self.budget_us.saturating_mul(WALL_PER_CPU)
    }
}

/// CPU time of the calling thread, in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(ClockId::ThreadCPUTime)
}

/// The monotonic clock, in nanoseconds.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    (time.tv_sec as u64).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn_us(us: u64) {
        let end = thread_cpu_ns() + us * 1_000;
        while thread_cpu_ns() < end {}
    }

    #[test]
    fn cpu_time_is_what_counts() {
        let mut meter = Meter::default();
        meter.begin(2_000);
        assert_eq!(meter.tick(), None, "the first tick takes the start reading");
        std::thread::sleep(std::time::Duration::from_millis(10));
        assert_eq!(meter.tick(), None, "waiting costs no CPU time");
        burn_us(2_500);
        assert_eq!(meter.tick(), Some(Stop::Budget));
        meter.begin(2_000);
        assert_eq!((meter.tick(), meter.stopped()), (None, None), "a new call begins from nothing");
    }

    #[test]
    fn a_call_without_cpu_is_starved_and_not_guilty() {
        let mut meter = Meter::default();
        meter.begin(2_000);
        meter.tick();
        std::thread::sleep(std::time::Duration::from_micros(meter.wall_cap_us()));
        assert_eq!(meter.tick(), Some(Stop::Starved));
    }
}
