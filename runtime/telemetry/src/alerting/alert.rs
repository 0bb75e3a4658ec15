use std::collections::BTreeMap;

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
    /// When the value came that began it, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub active_since_ms: u64,
    /// When it came into its state, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub state_since_ms: u64,
    /// When the last value of its series came, on the monotonic clock, in milliseconds.
    #[serde(skip)]
    pub touched_ms: u64,
}

/// Offset and prime of the 64-bit FNV-1a hash.
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

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
    pub(super) fn new(now_ms: u64, touched_ms: u64, series: &Series, verdict: &Verdict) -> Self {
        Self {
            rule: verdict.rule.clone(),
            series: series.clone(),
            state: Phase::Pending,
            severity: verdict.severity,
            value: verdict.value,
            reason: verdict.reason.clone(),
            evidence: verdict.evidence.clone(),
            active_since_ms: touched_ms,
            state_since_ms: now_ms,
            touched_ms,
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

    /// What makes it the same alert to a receiver: the labels of its series, its rule as `alertname` and its metric. Its
    /// severity is not among them: a receiver that tells alerts apart by their labels would never see the end of a warning
    /// that became critical.
    pub(super) fn labels(&self) -> BTreeMap<String, String> {
        let series = self.series.labels().iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let mut labels: BTreeMap<_, _> = series.collect();
        labels.insert("alertname".to_owned(), self.rule.clone());
        labels.insert("metric".to_owned(), self.series.metric().to_string());
        labels
    }

    /// A hash of these labels (64-bit FNV-1a over sorted names and values, as Alertmanager makes its own) that is the same on
    /// every node and after every start. Nothing here takes two alerts for one because of it.
    pub(super) fn fingerprint(&self) -> u64 {
        // 0xFF stands in no UTF-8 text, so that parts cannot run into one another.
        let labels = self.labels();
        let texts = labels.iter().flat_map(|(name, value)| [name, value]);
        let bytes = texts.flat_map(|text| text.bytes().chain([0xFF]));
        bytes.fold(FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
    }

    /// Whether it is pending or firing.
    pub fn is_active(&self) -> bool {
        self.state != Phase::Resolved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(rule: &str, severity: Severity, labels: &[(&str, &str)]) -> Alert {
        let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        let (rule, reason, evidence) = (rule.to_owned(), String::new(), String::new());
        let verdict = Verdict { rule, series: 1, severity, holds: false, value: 1.0, for_ms: 0, reason, evidence };
        Alert::new(0, 0, &Series::new("m", labels), &verdict)
    }

    #[test]
    fn a_rule_and_a_series_make_an_alert_and_its_severity_does_not() {
        let fingerprint = |rule, severity, labels| alert(rule, severity, labels).fingerprint();
        let one = fingerprint("a", Severity::Warning, &[("ab", "c")]);
        assert_eq!(one, fingerprint("a", Severity::Critical, &[("ab", "c")]));
        assert_ne!(one, fingerprint("b", Severity::Warning, &[("ab", "c")]));
        assert_ne!(one, fingerprint("a", Severity::Warning, &[("a", "bc")]));
    }
}
