use serde::{Deserialize, Serialize};

use crate::{FailureCounts, Measures, SlotId, SlotVersion};

/// What one hook of one slot has done lately under one version, over the nodes that have told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookReport {
    /// Where.
    pub slot: SlotId,
    /// Which version decided; none: nothing but the built-in fallback.
    pub version: Option<SlotVersion>,
    /// Which hook.
    pub hook: String,
    /// Over the last minute.
    pub last_1m: SpanFigures,
    /// Over the last ten minutes.
    pub last_10m: SpanFigures,
}

/// Figures over a span that ends now. Nodes tell every ten seconds, so the newest seconds are not in it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SpanFigures {
    /// Nodes that told something.
    pub nodes: usize,
    /// Calls made.
    pub calls: u64,
    /// Calls a second, over the whole span.
    pub rate: f64,
    /// Those that gave no answer, by why.
    pub failures: FailureCounts,
    /// Callers that the fallback answered.
    pub fallbacks: u64,
    /// Of these, because the shard was busy.
    pub busy: u64,
    /// Latency of sampled calls, in nanoseconds: the median, wrong by 1.6 % at most.
    pub latency_p50_ns: u64,
    /// The 99th percentile.
    pub latency_p99_ns: u64,
    /// Mean CPU time of sampled calls, in nanoseconds.
    pub cpu_mean_ns: u64,
}

impl SpanFigures {
    /// What these measures say of a span of so many seconds.
    pub fn new(measures: &Measures, nodes: usize, seconds: u64) -> Self {
        Self {
            nodes,
            calls: measures.calls,
            rate: measures.calls as f64 / seconds.max(1) as f64,
            failures: measures.failures,
            fallbacks: measures.fallbacks,
            busy: measures.busy,
            latency_p50_ns: measures.latency.quantile(0.5).unwrap_or(0),
            latency_p99_ns: measures.latency.quantile(0.99).unwrap_or(0),
            cpu_mean_ns: measures.cpu_ns.checked_div(measures.cpu_samples).unwrap_or(0),
        }
    }
}
