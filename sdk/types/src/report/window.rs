use serde::{Deserialize, Serialize};

use crate::{LatencyHistogram, SlotId, SlotVersion};

/// What one hook of one slot did under one version during some seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Where.
    pub slot: SlotId,
    /// Which version decided; none: nothing but the built-in fallback.
    #[serde(default)]
    pub version: Option<SlotVersion>,
    /// Which hook.
    pub hook: String,
    /// When it began, in milliseconds since 1970 by the node's clock.
    pub start_unix_ms: u64,
    /// How long it lasted, in milliseconds, by a clock that nobody sets.
    pub span_ms: u64,
    /// What happened in it.
    #[serde(flatten)]
    pub measures: Measures,
}

/// What is counted of a hook. Two of them are merged by adding.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Measures {
    /// Calls made.
    pub calls: u64,
    /// Those that gave no answer, by why.
    pub failures: FailureCounts,
    /// Callers that the fallback answered, for whatever reason; without a version that is everybody.
    pub fallbacks: u64,
    /// Of these, because the shard was busy.
    pub busy: u64,
    /// CPU time of the calls that were sampled, in nanoseconds.
    pub cpu_ns: u64,
    /// How many were.
    pub cpu_samples: u64,
    /// Latency of sampled calls.
    pub latency: LatencyHistogram,
}

/// Calls that gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FailureCounts {
    /// They trapped, or refused.
    pub trap: u64,
    /// They could not go on within the memory limit.
    pub memory: u64,
    /// They were stopped at their CPU budget.
    pub budget: u64,
    /// They were stopped at the wall cap: the machine gave them no CPU.
    pub starved: u64,
    /// Their answer was not valid.
    pub invalid: u64,
}

impl Measures {
    /// Adds everything of another one.
    pub fn merge(&mut self, other: &Self) {
        let sum = |one: &mut u64, other: u64| *one = one.saturating_add(other);
        sum(&mut self.calls, other.calls);
        sum(&mut self.fallbacks, other.fallbacks);
        sum(&mut self.busy, other.busy);
        sum(&mut self.cpu_ns, other.cpu_ns);
        sum(&mut self.cpu_samples, other.cpu_samples);
        self.failures = self.failures.zip(other.failures, u64::saturating_add);
        self.latency.merge(&other.latency);
    }

    /// What happened since an earlier reading of the same counters.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(before.calls),
            failures: self.failures.zip(before.failures, u64::saturating_sub),
            fallbacks: self.fallbacks.saturating_sub(before.fallbacks),
            busy: self.busy.saturating_sub(before.busy),
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            cpu_samples: self.cpu_samples.saturating_sub(before.cpu_samples),
            latency: self.latency.since(&before.latency),
        }
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl FailureCounts {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { trap, memory, budget, starved, invalid } = *self;
        [trap, memory, budget, starved, invalid].into_iter().fold(0, u64::saturating_add)
    }

    fn zip(self, other: Self, with: fn(u64, u64) -> u64) -> Self {
        Self {
            trap: with(self.trap, other.trap),
            memory: with(self.memory, other.memory),
            budget: with(self.budget, other.budget),
            starved: with(self.starved, other.starved),
            invalid: with(self.invalid, other.invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measures(factor: u64) -> Measures {
        let mut latency = LatencyHistogram::default();
        latency.record(100, factor);
        let failures = FailureCounts { trap: factor, memory: 0, budget: 2 * factor, starved: 0, invalid: factor };
        Measures {
            calls: 10 * factor,
            failures,
            fallbacks: 5 * factor,
            busy: factor,
            cpu_ns: 7 * factor,
            cpu_samples: factor,
            latency,
        }
    }

    #[test]
    fn measures_are_added_and_taken_apart() {
        let mut sum = measures(1);
        sum.merge(&measures(2));
        assert_eq!(sum, measures(3));
        assert_eq!(sum.since(&measures(1)), measures(2));
        assert_eq!(sum.failures.total(), 12);
        assert!(sum.since(&sum).is_empty() && measures(1).since(&sum).is_empty());
    }

    #[test]
    fn what_an_older_node_does_not_say_is_nothing() {
        let text = r#"{"slot":{"kind":"caching"},"hook":"store","start_unix_ms":1,"span_ms":2,"calls":3,"news":4}"#;
        let window: Window = serde_json::from_str(text).unwrap();
        assert_eq!((window.version, window.measures), (None, Measures { calls: 3, ..Measures::default() }));
    }
}
