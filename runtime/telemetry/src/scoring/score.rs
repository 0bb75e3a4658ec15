use serde::Serialize;

use crate::alerting::Severity;

/// How well a scope is: what a strategy says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// From 0 to 100.
    pub value: f64,
    /// What it is made of.
    pub parts: Vec<ScorePart>,
    /// What is wrong, and what to do.
    pub findings: Vec<Finding>,
    /// Where it is going, from 0 to 100, where the strategy says so.
    pub forecast: Option<f64>,
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScorePart {
    /// Its name.
    pub name: String,
    /// Its part of the whole, from 0 to 1.
    pub weight: f64,
    /// From 0 to 100; none where there was nothing to judge it by.
    pub value: Option<f64>,
    /// What it was judged by: names and values.
    pub evidence: Vec<(String, String)>,
}

/// Something that a strategy found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What it is, in a sentence.
    pub text: String,
    /// What to do, in a sentence; empty where nobody knows.
    pub advice: String,
}

/// The last score of a scope.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreEntry {
    /// What was scored.
    pub scope: String,
    /// Its last score.
    #[serde(flatten)]
    pub score: Score,
    /// How long ago it was scored, in milliseconds.
    pub age_ms: u64,
    /// Why there is no newer one; none: the last score is what the strategy says now.
    pub stale: Option<String>,
}
