use anyhow::Result;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::{
    arguments::Global,
    node_http::{NodeHttp, NodeHttpArguments},
    output,
    runtime::block_on,
    table::{age, pairs, table},
};

#[derive(Debug, Args)]
pub(crate) struct ScoreVerb {
    /// Only the score of this scope
    scope: Option<String>,
    #[command(flatten)]
    node: NodeHttpArguments,
}

/// The last score of a scope, as a node tells it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Score {
    scope: String,
    value: Option<f64>,
    parts: Vec<Part>,
    findings: Vec<Finding>,
    forecast: Option<f64>,
    age_ms: u64,
    stale: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Part {
    name: String,
    weight: f64,
    value: Option<f64>,
    evidence: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Finding {
    severity: String,
    text: String,
    advice: String,
}

pub(crate) fn run(verb: &ScoreVerb, global: &Global) -> Result<()> {
    let node = async { NodeHttp::find(&verb.node, global).await };
    match &verb.scope {
        Some(scope) => {
            let score: Score = block_on(async { node.await?.get_json(&["v1", "scores", scope]).await })?;
            output::print(global.output, &score, |score| Ok(show(score)))
        }
        None => {
            let scores: Vec<Score> = block_on(async { node.await?.get_json(&["v1", "scores"]).await })?;
            output::print(global.output, scores.as_slice(), |scores| Ok(show_all(scores)))
        }
    }
}

fn show_all(scores: &[Score]) -> String {
    match scores {
        [] => "nothing has been scored: is there a scoring strategy?".to_owned(),
        scores => scores.iter().map(show).collect::<Vec<_>>().join("\n\n"),
    }
}

fn show(score: &Score) -> String {
    let mut lines = vec![("scope", score.scope.clone()), ("score", number(score.value)), ("age", age(score.age_ms))];
    lines.extend(score.forecast.map(|forecast| ("forecast", number(Some(forecast)))));
    lines.extend(score.stale.clone().map(|stale| ("stale", stale)));
    lines.extend(
        score
            .findings
            .iter()
            .map(|finding| ("finding", format!("{} {} {}", finding.severity, finding.text, finding.advice))),
    );
    let parts = score.parts.iter().map(|part| {
        vec![part.name.clone(), format!("{:.0} %", part.weight * 100.0), number(part.value), part.evidence.clone()]
    });
    format!("{}\n\n{}", pairs(&lines), table(&["part", "weight", "score", "evidence"], &["weight", "score"], parts))
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_is_shown_with_its_parts_and_why_it_is_low() {
        let part = |name: &str, value| Part { name: name.into(), weight: 0.5, value, evidence: "slow".into() };
        let finding = Finding { severity: "WARNING".into(), text: "Requests are slow.".into(), advice: "Look.".into() };
        let score = Score {
            scope: "node".into(),
            value: Some(41.26),
            parts: vec![part("response-time", Some(41.26)), part("success", None)],
            findings: vec![finding],
            forecast: None,
            age_ms: 2_000,
            stale: Some("it trapped".into()),
        };
        let expected = "\
scope    node
score    41.3
age      2s
stale    it trapped
finding  WARNING Requests are slow. Look.

PART           WEIGHT         SCORE  EVIDENCE
response-time    50 %          41.3  slow
success          50 %  not measured  slow";
        assert_eq!(show_all(&[score]), expected);
    }
}
