use std::time::Duration;

use anyhow::Result;
use reqwest::Client;
use serde::{Deserialize, de::DeserializeOwned};
use switchyard_types::Page;

/// The rule of `alerting-threshold` that is to fire.
pub(super) const RULE: &str = "ResponseSlow";
/// The part of `scoring-weighted` that is to drop.
const PART: &str = "response-time";
/// Asking the node takes no more.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

/// What the node says of alerts and scores.
#[derive(Debug)]
pub(super) struct Watch {
    http: Client,
    node: String,
}

/// Where an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AlertState {
    Pending,
    Firing,
    Resolved,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    rule: String,
    pub(super) state: AlertState,
    pub(super) reason: String,
    pub(super) active_for_ms: u64,
}

/// The last score.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Score {
    value: Option<f64>,
    parts: Vec<Part>,
    findings: Vec<Finding>,
    stale: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Part {
    name: String,
    value: Option<f64>,
    evidence: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Finding {
    severity: String,
    text: String,
    advice: String,
}

impl Watch {
    pub(super) fn new(node: String) -> Result<Self> {
        Ok(Self { http: Client::builder().no_proxy().timeout(ANSWER_DEADLINE).build()?, node })
    }

    /// The alert of the rule: if it is about several series the worst.
    pub(super) async fn alert(&self) -> Result<Option<Alert>> {
        let Page { items: alerts, .. }: Page<Alert> = self.get("/v1/alerts?limit=500").await?;
        let rank = |alert: &Alert| match alert.state {
            AlertState::Firing => 0,
            AlertState::Pending => 1,
            AlertState::Resolved => 2,
        };
        Ok(alerts.into_iter().filter(|alert| alert.rule == RULE).min_by_key(rank))
    }

    /// The node's score, if response times are part of it.
    pub(super) async fn score(&self) -> Result<Option<Score>> {
        let scores: Vec<Score> = self.get("/v1/scores").await?;
        Ok(scores
            .into_iter()
            .find(|score| score.stale.is_none() && score.value.is_some() && score.response().is_some()))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.http.get(format!("{}{path}", self.node)).send().await?.error_for_status()?;
        Ok(serde_json::from_slice(&answer.bytes().await?)?)
    }
}

impl Score {
    /// 0 to 100.
    pub(super) fn value(&self) -> f64 {
        self.value.unwrap_or_default()
    }

    /// What was found wrong with response times, and what to do about it.
    pub(super) fn reason(&self) -> Option<String> {
        let evidence = self.parts.iter().find(|part| part.name == PART).map(|part| &part.evidence)?;
        let finding = self.findings.iter().find(|finding| finding.text == *evidence)?;
        Some(format!("{}: {} {}", finding.severity, finding.text, finding.advice))
    }

    fn response(&self) -> Option<f64> {
        self.parts.iter().find(|part| part.name == PART)?.value
    }
}
