use serde::{Deserialize, Serialize};

use super::{Severity, Verdict};
use crate::{Series, store::cut};

/// Bytes of a reason; what is longer is cut.
const REASON_BYTES_MAX: usize = 1_024;
/// Pieces of evidence; what is more is left out.
const EVIDENCE_MAX: usize = 16;
/// Bytes of a name or value of evidence.
const EVIDENCE_BYTES_MAX: usize = 256;

/// Where an alert is in its life. Inactive ones are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Seen, but not for as long as its rule asks.
    Pending,
    /// Somebody is told.
    Firing,
    /// Over; kept a while to be looked at.
    Resolved,
}

/// One series under one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The rule.
    pub rule: String,
    /// The series.
    pub series: Series,
    /// Where it is.
    pub state: AlertState,
    /// How bad it is now; of a resolved one, how bad it was last.
    pub severity: Severity,
    /// The value that was judged last. Not a number only where a strategy said so; JSON has `null` then.
    pub value: f64,
    /// Why, by the last verdict.
    pub reason: String,
    /// By what, by the last verdict.
    pub evidence: Vec<(String, String)>,
    /// When it was first seen, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub active_since_ms: u64,
    /// When it came into its state, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub state_since_ms: u64,
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
    pub(super) fn new(now_ms: u64, rule: &str, verdict: &Verdict) -> Self {
        let mut alert = Self {
            rule: rule.to_owned(),
            series: verdict.series.clone(),
            state: AlertState::Pending,
            severity: verdict.severity,
            value: 0.0,
            reason: String::new(),
            evidence: Vec::new(),
            active_since_ms: now_ms,
            state_since_ms: now_ms,
        };
        alert.tell(verdict);
        alert
    }

    /// Takes over what a verdict says, within its bounds.
    pub(super) fn tell(&mut self, verdict: &Verdict) {
        self.severity = verdict.severity;
        self.value = verdict.value;
        self.reason = cut(&verdict.reason, REASON_BYTES_MAX).to_owned();
        let evidence = verdict.evidence.iter().take(EVIDENCE_MAX);
        let bounded = |text: &String| cut(text, EVIDENCE_BYTES_MAX).to_owned();
        self.evidence = evidence.map(|(name, value)| (bounded(name), bounded(value))).collect();
    }

    pub(super) fn enter(&mut self, now_ms: u64, state: AlertState) {
        self.state = state;
        self.state_since_ms = now_ms;
    }

    /// Whether it is pending or firing.
    pub fn is_active(&self) -> bool {
        self.state != AlertState::Resolved
    }
}
