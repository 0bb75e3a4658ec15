use serde::Serialize;

use super::{Phase, Severity, Verdict};
use crate::Series;

/// One series under one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The rule.
    pub rule: String,
    /// The series.
    pub series: Series,
    /// Where it is.
    pub state: Phase,
    /// How bad it is now; of a resolved one, how bad it was last.
    pub severity: Severity,
    /// The value that was judged last.
    pub value: f64,
    /// Why, by the last verdict.
    pub reason: String,
    /// Figures behind the reason, by the last verdict.
    pub evidence: String,
    /// When it was first seen, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub active_since_ms: u64,
    /// When it came into its state, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub state_since_ms: u64,
    /// When its series was judged last, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub judged_ms: u64,
}

/// An alert as it is listed: with ages, because its times mean nothing outside the process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedAlert {
    /// The alert.
    #[serde(flatten)]
    pub alert: Alert,
    /// How long ago it was first seen, in milliseconds.
    pub active_for_ms: u64,
    /// How long it has been in its state, in milliseconds.
    pub state_for_ms: u64,
}

impl ListedAlert {
    pub(super) fn of(alert: Alert, now_ms: u64) -> Self {
        let active_for_ms = now_ms.saturating_sub(alert.active_since_ms);
        let state_for_ms = now_ms.saturating_sub(alert.state_since_ms);
        Self { alert, active_for_ms, state_for_ms }
    }
}

impl Alert {
    pub(super) fn new(now_ms: u64, series: &Series, verdict: &Verdict) -> Self {
        Self {
            rule: verdict.rule.clone(),
            series: series.clone(),
            state: Phase::Pending,
            severity: verdict.severity,
            value: verdict.value,
            reason: verdict.reason.clone(),
            evidence: verdict.evidence.clone(),
            active_since_ms: now_ms,
            state_since_ms: now_ms,
            judged_ms: now_ms,
        }
    }

    /// Takes over what a verdict says. The host has cut its texts.
    pub(super) fn tell(&mut self, verdict: &Verdict) {
        self.severity = verdict.severity;
        self.value = verdict.value;
        self.reason.clone_from(&verdict.reason);
        self.evidence.clone_from(&verdict.evidence);
    }

    pub(super) fn enter(&mut self, now_ms: u64, state: Phase) {
        self.state = state;
        self.state_since_ms = now_ms;
    }

    /// Whether it is pending or firing.
    pub fn is_active(&self) -> bool {
        self.state != Phase::Resolved
    }
}
