use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchyard_types::Page;

use crate::{
    arguments::Global,
    node_http::{NodeHttp, NodeHttpArguments},
    output,
    runtime::block_on,
    table::{age, table},
};

/// Alerts that are asked for at once.
const PART: &str = "500";
/// Parts of the list that are asked for: a node keeps ten thousand alerts.
const PARTS_MAX: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct Alerts {
    /// Only those in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    #[command(flatten)]
    node: NodeHttpArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// Seen, but not for as long as its rule asks
    Pending,
    /// Somebody has been told
    Firing,
    /// Over, and kept for a quarter of an hour
    Resolved,
}

/// What is shown of an alert.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    state: State,
    severity: String,
    rule: String,
    series: Series,
    value: f64,
    reason: String,
    state_for_ms: u64,
}

#[derive(Debug, Deserialize)]
struct Series {
    metric: String,
    labels: Vec<(String, String)>,
}

pub(crate) fn run(verb: &Alerts, global: &Global) -> Result<()> {
    let alerts = block_on(async { read(&NodeHttp::find(&verb.node, global).await?, verb.state).await })?;
    output::print(global.output, alerts.as_slice(), show)
}

/// Every alert, or those in a state.
async fn read(node: &NodeHttp, state: Option<State>) -> Result<Vec<Value>> {
    let state = state.and_then(|state| state.to_possible_value());
    let state = state.as_ref().map(|state| ("state", state.get_name()));
    let (mut alerts, mut after) = (Vec::new(), None::<String>);
    for _ in 0..PARTS_MAX {
        let mut query = vec![("limit", PART)];
        query.extend(state);
        query.extend(after.as_deref().map(|token| ("continue", token)));
        let page: Page<Value> = node.json(node.request(Method::GET, &["v1", "alerts"]).query(&query)).await?;
        alerts.extend(page.items);
        match page.continue_token {
            Some(token) => after = Some(token),
            None => return Ok(alerts),
        }
    }
    bail!("the node's list of alerts does not end")
}

fn show(alerts: &[Value]) -> Result<String> {
    let read =
        |alert: &Value| Shown::deserialize(alert).context("an alert is of another shape than this version knows");
    let alerts = alerts.iter().map(read).collect::<Result<Vec<_>>>()?;
    let head = ["state", "severity", "rule", "series", "value", "since", "reason"];
    Ok(table(&head, &["value", "since"], alerts.iter().map(row)))
}

fn row(alert: &Shown) -> Vec<String> {
    let state = alert.state.to_possible_value().map(|state| state.get_name().to_owned());
    let labels = alert.series.labels.iter().map(|(name, value)| format!("{name}={value:?}"));
    let labels = labels.collect::<Vec<_>>().join(",");
    let series =
        if labels.is_empty() { alert.series.metric.clone() } else { format!("{}{{{labels}}}", alert.series.metric) };
    vec![
        state.unwrap_or_default(),
        alert.severity.clone(),
        alert.rule.clone(),
        series,
        format!("{:.4}", alert.value),
        age(alert.state_for_ms),
        alert.reason.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_a_row() {
        let alert = serde_json::json!({"state": "firing", "severity": "CRITICAL", "rule": "CpuHigh", "value": 0.95,
            "series": {"metric": "cpu", "labels": [["host", "a"]]}, "reason": "cpu is 0.95", "evidence": "",
            "activeForMs": 90_000, "stateForMs": 61_000});
        let expected = "STATE   SEVERITY  RULE     SERIES          VALUE  SINCE  REASON\n\
                        firing  CRITICAL  CpuHigh  cpu{host=\"a\"}  0.9500    61s  cpu is 0.95";
        assert_eq!(show(&[alert]).unwrap(), expected);
    }
}
