use std::collections::BTreeMap;

use serde::Serialize;

use super::{Phase, queue::Notification};
use crate::clock::rfc3339;

/// The body of Alertmanager's webhook, version 4.
/// <https://prometheus.io/docs/alerting/latest/configuration/#webhook_config>
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Payload {
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
    status: &'static str,
    receiver: &'static str,
    group_labels: BTreeMap<String, String>,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    alerts: Vec<PayloadAlert>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PayloadAlert {
    status: &'static str,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: String,
}

/// What Go writes for no time.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

impl Payload {
    /// A batch of one rule and one status.
    pub(super) fn of(batch: &[Notification]) -> Self {
        let alerts: Vec<_> = batch.iter().map(PayloadAlert::of).collect();
        let rule = batch.first().map(|first| first.notice.change.alert.rule.clone()).unwrap_or_default();
        let group_labels = BTreeMap::from([("alertname".to_owned(), rule.clone())]);
        Self {
            version: "4",
            group_key: format!("{{}}:{{alertname={rule:?}}}"),
            truncated_alerts: 0,
            status: alerts.first().map_or("firing", |alert| alert.status),
            receiver: "switchyard",
            group_labels,
            common_labels: common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            external_url: "",
            alerts,
        }
    }
}

impl PayloadAlert {
    fn of(notification: &Notification) -> Self {
        let notice = &notification.notice;
        let alert = &notice.change.alert;
        let annotations = [
            ("summary", notice.title.clone()),
            ("description", notice.text.clone()),
            ("evidence", alert.evidence.clone()),
            // Not a label: those are the alert's identity, and this one changes while it fires.
            ("severity", alert.severity.name().to_lowercase()),
            ("value", alert.value.to_string()),
        ];
        // Alertmanager's receivers show what is there: an empty line is worse than none.
        let annotations = annotations.into_iter().filter(|(_, text)| !text.is_empty());
        Self {
            status: if alert.state == Phase::Resolved { "resolved" } else { "firing" },
            labels: alert.labels(),
            annotations: annotations.map(|(name, text)| (name.to_owned(), text)).collect(),
            starts_at: rfc3339(notification.starts_unix_ms),
            ends_at: notification.ends_unix_ms.map_or_else(|| NO_TIME.to_owned(), rfc3339),
            generator_url: "",
            fingerprint: format!("{:016x}", alert.fingerprint()),
        }
    }
}

/// What all have with the same value.
fn common<'a>(mut all: impl Iterator<Item = &'a BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut common = all.next().cloned().unwrap_or_default();
    all.for_each(|other| common.retain(|name, value| other.get(name) == Some(value)));
    common
}
