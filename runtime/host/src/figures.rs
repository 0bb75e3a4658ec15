use hdrhistogram::Histogram;
use switchyard_types::{FailureCounts, HookFigures, LatencyHistogram, Measures};

use crate::{CallError, meter};

/// A call's latency is sampled once in so many, its CPU time more rarely: that clock costs more than a call.
const LATENCY_EVERY: u64 = 16;
const CPU_EVERY: u64 = 64;
/// The longest latency that is told apart, in nanoseconds.
const LATENCY_NS_MAX: u64 = 10_000_000_000;

/// What one hook of one shard has done. It lies behind the shard's lock, so counting costs nothing but the addition.
#[derive(Debug)]
pub(crate) struct HookMeter {
    calls: u64,
    traps: u64,
    out_of_memory: u64,
    budget_exceeded: u64,
    starved: u64,
    invalid: u64,
    latency_ns: Histogram<u64>,
    cpu_ns: u64,
    cpu_samples: u64,
    /// Whether every call is sampled.
    always: bool,
}

/// What was read before a call that is sampled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    wall_ns: Option<u64>,
    cpu_ns: Option<u64>,
}

impl HookMeter {
    /// A hook for which a caller waits is sampled now and then, a batched one always.
    pub(crate) fn new(always: bool) -> Self {
        // Two digits are enough to compare; the bounds are constants that the constructor accepts.
        let latency_ns = Histogram::new_with_bounds(1, LATENCY_NS_MAX, 2)
            .or_else(|_| Histogram::new(2))
            .unwrap_or_else(|_| unreachable!("two significant digits are valid"));
        Self {
            calls: 0,
            traps: 0,
            out_of_memory: 0,
            budget_exceeded: 0,
            starved: 0,
            invalid: 0,
            latency_ns,
            cpu_ns: 0,
            cpu_samples: 0,
            always,
        }
    }

    #[inline]
    pub(crate) fn begin(&mut self) -> Sample {
        self.calls += 1;
        let due = |every| self.always || self.calls.is_multiple_of(every);
        Sample {
            wall_ns: due(LATENCY_EVERY).then(meter::monotonic_ns),
            cpu_ns: due(CPU_EVERY).then(meter::thread_cpu_ns),
        }
    }

    #[inline]
    pub(crate) fn end<R>(&mut self, sample: Sample, result: &Result<R, CallError>) {
        if let Some(start) = sample.cpu_ns {
            self.cpu_ns += meter::thread_cpu_ns().saturating_sub(start);
            self.cpu_samples += 1;
        }
        if let Some(start) = sample.wall_ns {
            self.latency_ns.saturating_record(meter::monotonic_ns().saturating_sub(start).max(1));
        }
        if let Err(error) = result {
            self.count(error);
        }
    }

    fn count(&mut self, error: &CallError) {
        match error {
            CallError::Trap(_) | CallError::Rejected(_) => self.traps += 1,
            CallError::OutOfMemory { .. } => self.out_of_memory += 1,
            CallError::BudgetExceeded { .. } => self.budget_exceeded += 1,
            CallError::Starved { .. } => self.starved += 1,
            CallError::InvalidResult(_) => self.invalid += 1,
        }
    }

    /// Adds this shard's part to the slot's figures.
    pub(crate) fn add_to(&self, total: &mut Totals) {
        total.figures.calls += self.calls;
        total.figures.traps += self.traps;
        total.figures.out_of_memory += self.out_of_memory;
        total.figures.budget_exceeded += self.budget_exceeded;
        total.figures.starved += self.starved;
        total.figures.invalid += self.invalid;
        total.cpu_ns += self.cpu_ns;
        total.cpu_samples += self.cpu_samples;
        match &mut total.latency_ns {
            // Same bounds on both sides: adding cannot fail.
            Some(sum) => drop(sum.add(&self.latency_ns)),
            none => *none = Some(self.latency_ns.clone()),
        }
    }
}

/// One hook over all shards.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    figures: HookFigures,
    latency_ns: Option<Histogram<u64>>,
    cpu_ns: u64,
    cpu_samples: u64,
}

impl Totals {
    /// The same as it is reported: in the buckets that all nodes have in common.
    pub(crate) fn measures(&self) -> Measures {
        let mut latency = LatencyHistogram::default();
        for recorded in self.latency_ns.iter().flat_map(|latency| latency.iter_recorded()) {
            latency.record(recorded.value_iterated_to(), recorded.count_since_last_iteration());
        }
        let HookFigures { calls, traps, out_of_memory, budget_exceeded, starved, invalid, .. } = self.figures;
        Measures {
            calls,
            failures: FailureCounts { trap: traps, memory: out_of_memory, budget: budget_exceeded, starved, invalid },
            cpu_ns: self.cpu_ns,
            cpu_samples: self.cpu_samples,
            latency,
            ..Measures::default()
        }
    }

    pub(crate) fn finish(self) -> HookFigures {
        let quantile = |q| self.latency_ns.as_ref().map_or(0, |latency| latency.value_at_quantile(q));
        HookFigures {
            latency_p50_ns: quantile(0.5),
            latency_p99_ns: quantile(0.99),
            cpu_mean_ns: self.cpu_ns.checked_div(self.cpu_samples).unwrap_or(0),
            ..self.figures
        }
    }
}
