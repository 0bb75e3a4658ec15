use serde::Serialize;
use switchyard_host::scoring::Score;

/// The last score of a scope.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScoreEntry {
    /// What the strategy said.
    #[serde(flatten)]
    pub score: Score,
    /// How long ago it was scored, in milliseconds.
    pub age_ms: u64,
    /// Why there is no newer one; none: the last score is what the strategy says now.
    pub stale: Option<String>,
}
