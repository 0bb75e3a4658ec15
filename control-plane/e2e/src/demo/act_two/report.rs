use serde::Serialize;

use super::{
    clients::{Seen, Served},
    script::{Played, Tasks},
    strategies::Swap,
};

/// A score that falls by less has not dropped.
const DROP_MIN: f64 = 10.0;

/// Every figure of the second act: what `--json` writes as `act_two`.
#[derive(Debug, Serialize)]
pub(in crate::demo) struct Report {
    pub(super) requests: u64,
    /// Requests without a good answer. A healthy backend could have answered each: one was there at any time.
    pub(super) failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_error: Option<String>,
    /// Requests that the gateway tried on another backend too: nobody sees them.
    pub(super) retries: u64,
    /// Videos that the API has accepted, each with a task.
    pub(super) tasks_pushed: usize,
    pub(super) tasks_done: usize,
    pub(super) tasks_lost: usize,
    /// Runs of one task after its first.
    pub(super) duplicates: u64,
    /// After a backend became slow; none: it did not.
    pub(super) alert_fired_after_s: Option<f64>,
    /// After another routing strategy was asked for; none: it was not.
    pub(super) alert_resolved_after_s: Option<f64>,
    pub(super) alert_reason: Option<String>,
    /// Whether it went on firing when the rules were swapped.
    pub(super) alert_kept_at_swap: bool,
    pub(super) score_before: Option<f64>,
    pub(super) score_lowest: Option<f64>,
    pub(super) score_reason: Option<String>,
    pub(super) score_after: Option<f64>,
    /// From its start anew until the backend that was killed had answered requests again; none: it did not.
    pub(super) killed_served_again_after_s: Option<f64>,
    pub(super) swaps: Vec<Swap>,
    pub(super) phases: Vec<Phase>,
}

/// What clients saw meanwhile, in milliseconds.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    pub(super) phase: &'static str,
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) mean_ms: f64,
    pub(super) p50_ms: u64,
    pub(super) p99_ms: u64,
    pub(super) max_ms: u64,
}

impl Report {
    /// No request failed, no task is lost, the killed backend is used again, the alert fired, went on over a swap and is resolved, the score dropped with
    /// its reason and recovered.
    pub(in crate::demo) fn is_good(&self) -> bool {
        let alert =
            self.alert_fired_after_s.is_some() && self.alert_kept_at_swap && self.alert_resolved_after_s.is_some();
        self.requests > 0
            && self.failed == 0
            && self.tasks_pushed > 0
            && self.tasks_lost == 0
            && alert
            && self.killed_served_again_after_s.is_some()
            && self.score_came_back()
    }

    fn score_came_back(&self) -> bool {
        let (Some(before), Some(lowest), Some(after)) = (self.score_before, self.score_lowest, self.score_after) else {
            return false;
        };
        self.score_reason.is_some() && before - lowest >= DROP_MIN && after - lowest >= (before - lowest) / 2.0
    }
}

pub(super) fn write(served: Served, played: Played, swaps: Vec<Swap>) -> Report {
    let Tasks { pushed, done, duplicates } = played.tasks;
    Report {
        requests: served.requests,
        failed: served.failed,
        first_error: served.first_error,
        retries: played.retries,
        tasks_pushed: pushed,
        tasks_done: done,
        tasks_lost: pushed - done,
        duplicates,
        alert_fired_after_s: played.alert_fired.map(|after| after.as_secs_f64()),
        alert_resolved_after_s: played.alert_resolved.map(|after| after.as_secs_f64()),
        alert_reason: played.alert_reason,
        alert_kept_at_swap: played.alert_kept,
        score_before: played.score_before,
        score_lowest: played.score_lowest,
        score_reason: played.score_reason,
        score_after: played.score_after,
        killed_served_again_after_s: played.killed_served_again.map(|after| after.as_secs_f64()),
        swaps,
        phases: served.phases.iter().map(phase).collect(),
    }
}

fn phase(seen: &Seen) -> Phase {
    let latencies = &seen.latencies;
    Phase {
        phase: seen.phase,
        requests: latencies.len() + seen.failed,
        failed: seen.failed,
        mean_ms: latencies.mean(),
        p50_ms: latencies.value_at_quantile(0.50),
        p99_ms: latencies.value_at_quantile(0.99),
        max_ms: latencies.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        let served = Served { requests: 10, failed: 0, first_error: None, videos: Default::default(), phases: vec![] };
        let second = Some(std::time::Duration::from_secs(1));
        let played = Played {
            alert_fired: second,
            alert_resolved: second,
            alert_reason: None,
            alert_kept: true,
            score_before: Some(100.0),
            score_lowest: Some(40.0),
            score_reason: Some("slow".to_owned()),
            score_after: Some(99.0),
            killed_served_again: second,
            retries: 1,
            tasks: Tasks { pushed: 5, done: 5, duplicates: 1 },
        };
        write(served, played, Vec::new())
    }

    #[test]
    fn everything_must_have_been_shown() {
        assert!(good().is_good());
        let check = |what: &str, change: fn(&mut Report)| {
            let mut report = good();
            change(&mut report);
            assert!(!report.is_good(), "{what}");
        };
        check("nothing was asked", |report| report.requests = 0);
        check("one failed", |report| report.failed = 1);
        check("one is lost", |report| report.tasks_lost = 1);
        check("no alert", |report| report.alert_fired_after_s = None);
        check("the swap ended it", |report| report.alert_kept_at_swap = false);
        check("it goes on", |report| report.alert_resolved_after_s = None);
        check("never used again", |report| report.killed_served_again_after_s = None);
        check("no drop", |report| report.score_lowest = Some(95.0));
        check("no reason", |report| report.score_reason = None);
        check("it stays low", |report| report.score_after = Some(50.0));
    }
}
