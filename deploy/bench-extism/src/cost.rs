use std::time::Instant;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// What one call took, in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    /// Of all threads.
    pub(crate) cpu: f64,
    /// Of the calling thread.
    pub(crate) own_cpu: f64,
    /// On the clock on the wall.
    pub(crate) wall: f64,
}

impl Cost {
    /// The mean of the calls that `run` makes.
    pub(crate) fn of(calls: usize, run: impl FnOnce() -> Result<()>) -> Result<Self> {
        let (cpu, own_cpu, wall) = (cpu_us(ClockId::ProcessCPUTime), cpu_us(ClockId::ThreadCPUTime), Instant::now());
        run()?;
        let wall = wall.elapsed().as_secs_f64() * 1e6;
        let own_cpu = cpu_us(ClockId::ThreadCPUTime) - own_cpu;
        let cpu = cpu_us(ClockId::ProcessCPUTime) - cpu;
        let each = |total: f64| total / calls as f64;
        Ok(Self { cpu: each(cpu), own_cpu: each(own_cpu), wall: each(wall) })
    }

    /// The lowest of each.
    pub(crate) fn lowest(costs: &[Self]) -> Self {
        Self::nth(costs, |_| 0)
    }

    /// The median of each.
    pub(crate) fn median(costs: &[Self]) -> Self {
        Self::nth(costs, |count| count / 2)
    }

    /// The highest of each: how far the rounds lie apart.
    pub(crate) fn highest(costs: &[Self]) -> Self {
        Self::nth(costs, |count| count.saturating_sub(1))
    }

    fn nth(costs: &[Self], place: fn(usize) -> usize) -> Self {
        let nth = |of: fn(&Self) -> f64| {
            let mut figures: Vec<_> = costs.iter().map(of).collect();
            figures.sort_by(f64::total_cmp);
            figures.get(place(figures.len())).copied().unwrap_or(f64::NAN)
        };
        Self { cpu: nth(|cost| cost.cpu), own_cpu: nth(|cost| cost.own_cpu), wall: nth(|cost| cost.wall) }
    }
}

fn cpu_us(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}
