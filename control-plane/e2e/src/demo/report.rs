use anyhow::Result;
use serde::Serialize;

use super::{
    phases::{self, Phase},
    refusal::Refusal,
    script::Played,
    stage::Stage,
};
use crate::{latency::Quantiles, workload::Workload};

/// Every figure of the demo: what `--json` writes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The trace's file, or that the workload was generated and from which seed.
    pub(super) workload: String,
    /// Requests of the workload.
    pub(super) requests: u64,
    /// Requests that got an error or another value than was stored.
    pub(super) errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_error: Option<String>,
    pub(super) unique_keys: usize,
    pub(super) budget_entries: u64,
    pub(super) shards: usize,
    pub(super) seconds: f64,
    pub(super) requests_per_second: f64,
    /// Decisions of strategies about entries, and those that the fallback made in their place.
    pub(super) decisions: u64,
    pub(super) fallbacks: u64,
    /// Longest time that decisions stood still at a flip.
    pub(super) flip_ms_max: f64,
    pub(super) refused: Vec<Refusal>,
    pub(super) phases: Vec<Phase>,
    /// Latency of GETs and SETs as the clients see it.
    pub(super) latency: Vec<Quantiles>,
    /// Of the whole process, server and node, at the end and at most.
    pub(super) resident_bytes: u64,
    pub(super) resident_bytes_max: u64,
}

impl Report {
    /// No errors, every request made, and every bad plugin refused where it should be.
    pub(super) fn is_good(&self) -> bool {
        self.errors == 0 && self.refused.iter().all(Refusal::is_right)
    }
}

pub(super) fn write(stage: &Stage, workload: &Workload, played: &Played, reference: &[bool]) -> Result<Report> {
    let Played { served, decisions, fallbacks, flips, refusals, resident_bytes, resident_bytes_max } = played;
    let seconds = served.elapsed.as_secs_f64();
    let missing = (workload.ids.len() as u64).saturating_sub(served.requests);
    Ok(Report {
        workload: workload.name.clone(),
        requests: served.requests,
        errors: served.errors + missing,
        first_error: served.first_error.clone(),
        unique_keys: workload.unique,
        budget_entries: stage.entries,
        shards: stage.shards,
        seconds,
        requests_per_second: served.requests as f64 / seconds,
        decisions: *decisions,
        fallbacks: *fallbacks,
        flip_ms_max: flips.iter().map(|flip| flip.flip_ms).fold(0.0, f64::max),
        refused: refusals.clone(),
        phases: phases::cut(flips, &served.outcomes, reference),
        latency: served.latencies.quantiles(),
        resident_bytes: *resident_bytes,
        resident_bytes_max: *resident_bytes_max,
    })
}
