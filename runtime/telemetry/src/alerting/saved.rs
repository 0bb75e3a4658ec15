use serde::{Deserialize, Serialize};

use super::{Alert, Change, ChangeKind, Channels, Notice, Phase, Severity, queue::Notification};
use crate::Series;

/// The file of alerts.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Saved {
    pub(super) saved_at_unix_ms: u64,
    pub(super) alerts: Vec<SavedAlert>,
    /// Files of older versions have none.
    #[serde(default)]
    pub(super) untold: Vec<SavedNotification>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedAlert {
    rule: String,
    series: Series,
    state: Phase,
    severity: Severity,
    value: f64,
    reason: String,
    evidence: String,
    active_for_ms: u64,
    state_for_ms: u64,
}

/// What the webhook has not been told, in the words that the strategy chose.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SavedNotification {
    kind: ChangeKind,
    alert: SavedAlert,
    title: String,
    text: String,
    starts_unix_ms: u64,
    ends_unix_ms: Option<u64>,
}

impl SavedAlert {
    pub(super) fn of(alert: &Alert, now_ms: u64) -> Self {
        Self {
            rule: alert.rule.clone(),
            series: alert.series.clone(),
            state: alert.state,
            severity: alert.severity,
            value: alert.value,
            reason: alert.reason.clone(),
            evidence: alert.evidence.clone(),
            active_for_ms: now_ms.saturating_sub(alert.active_since_ms),
            state_for_ms: now_ms.saturating_sub(alert.state_since_ms),
        }
    }

    pub(super) fn aged(self, now_ms: u64, since_ms: u64) -> Alert {
        let before = |age_ms: u64| now_ms.saturating_sub(age_ms.saturating_add(since_ms));
        Alert {
            rule: self.rule,
            series: self.series,
            state: self.state,
            severity: self.severity,
            value: self.value,
            reason: self.reason,
            evidence: self.evidence,
            active_since_ms: before(self.active_for_ms),
            state_since_ms: before(self.state_for_ms),
            // Its series may take a while to come back.
            touched_ms: now_ms,
        }
    }
}

impl SavedNotification {
    pub(super) fn of(notification: &Notification, now_ms: u64) -> Self {
        let Notice { change, title, text, .. } = &notification.notice;
        Self {
            kind: change.kind,
            alert: SavedAlert::of(&change.alert, now_ms),
            title: title.clone(),
            text: text.clone(),
            starts_unix_ms: notification.starts_unix_ms,
            ends_unix_ms: notification.ends_unix_ms,
        }
    }

    pub(super) fn aged(self, now_ms: u64, since_ms: u64) -> Notification {
        let change = Change { kind: self.kind, alert: self.alert.aged(now_ms, since_ms) };
        // The log was told when it happened.
        let channels = Channels { log: false, webhook: true };
        let notice = Notice { change, channels, title: self.title, text: self.text };
        Notification { notice, starts_unix_ms: self.starts_unix_ms, ends_unix_ms: self.ends_unix_ms }
    }
}
