use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use super::{Score, ScoreEntry};
use crate::clock::Clock;

/// Scopes that are scored.
pub const SCOPES_MAX: usize = 1_024;
/// Parts of a score.
const PARTS_MAX: usize = 64;
/// Findings of a score.
const FINDINGS_MAX: usize = 64;
/// Bytes of all texts of a score.
const TEXT_BYTES_MAX: usize = 32 << 10;

/// Why a score was not kept; the one before it stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RejectedScore {
    /// A score, part or forecast is not a number from 0 to 100, or a weight is none from 0 to 1.
    #[error("a score is not a number from 0 to 100, or a weight is none from 0 to 1")]
    Range,
    /// Too many parts or findings, or texts that are too long.
    #[error("the score has too many parts or findings, or its texts are too long")]
    TooLarge,
    /// There are [`SCOPES_MAX`] scopes already.
    #[error("there are as many scopes as there may be")]
    Full,
}

/// The scores of a node: a handle, cheap to clone.
#[derive(Debug, Clone)]
pub struct Scores {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    kept: Mutex<BTreeMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    score: Score,
    at_ms: u64,
    stale: Option<String>,
}

impl Scores {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { shared: Arc::new(Shared { clock, kept: Mutex::default() }) }
    }

    /// Keeps the score of a scope.
    pub fn record(&self, scope: &str, score: Score) -> Result<(), RejectedScore> {
        check(scope, &score)?;
        let at_ms = self.shared.clock.now_ms();
        let mut kept = self.shared.kept.lock();
        if !kept.contains_key(scope) && kept.len() >= SCOPES_MAX {
            return Err(RejectedScore::Full);
        }
        kept.insert(scope.to_owned(), Kept { score, at_ms, stale: None });
        Ok(())
    }

    /// The strategy does not answer: the last score stays and says so. Nothing for a scope that never had one.
    pub fn mark_stale(&self, scope: &str, reason: &str) {
        if let Some(kept) = self.shared.kept.lock().get_mut(scope) {
            kept.stale = Some(crate::store::cut(reason, TEXT_BYTES_MAX).to_owned());
        }
    }

    /// Nobody scores this scope any more.
    pub fn remove(&self, scope: &str) {
        self.shared.kept.lock().remove(scope);
    }

    /// Every score, by scope.
    pub fn list(&self) -> Vec<ScoreEntry> {
        let now_ms = self.shared.clock.now_ms();
        self.shared.kept.lock().iter().map(|(scope, kept)| kept.entry(scope, now_ms)).collect()
    }

    /// The score of a scope.
    pub fn get(&self, scope: &str) -> Option<ScoreEntry> {
        let now_ms = self.shared.clock.now_ms();
        self.shared.kept.lock().get(scope).map(|kept| kept.entry(scope, now_ms))
    }
}

impl Kept {
    fn entry(&self, scope: &str, now_ms: u64) -> ScoreEntry {
        ScoreEntry {
            scope: scope.to_owned(),
            score: self.score.clone(),
            age_ms: now_ms.saturating_sub(self.at_ms),
            stale: self.stale.clone(),
        }
    }
}

fn check(scope: &str, score: &Score) -> Result<(), RejectedScore> {
    let values = score.parts.iter().filter_map(|part| part.value).chain(score.forecast).chain([score.value]);
    // A NaN lies in no range.
    let in_range = values.into_iter().all(|value| (0.0..=100.0).contains(&value));
    let weighted = score.parts.iter().all(|part| (0.0..=1.0).contains(&part.weight));
    if !in_range || !weighted {
        return Err(RejectedScore::Range);
    }
    let small = score.parts.len() <= PARTS_MAX && score.findings.len() <= FINDINGS_MAX;
    if small && scope.len() + text_bytes(score) <= TEXT_BYTES_MAX { Ok(()) } else { Err(RejectedScore::TooLarge) }
}

fn text_bytes(score: &Score) -> usize {
    let parts = score.parts.iter().map(|part| {
        part.name.len() + part.evidence.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
    });
    let findings = score.findings.iter().map(|finding| finding.text.len() + finding.advice.len());
    parts.chain(findings).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::ScorePart;

    fn score(value: f64) -> Score {
        let part = ScorePart { name: "success".to_owned(), weight: 1.0, value: Some(value), evidence: Vec::new() };
        Score { value, parts: vec![part], findings: Vec::new(), forecast: None }
    }

    #[test]
    fn the_last_score_stays_and_says_that_it_is_old() {
        let scores = Scores::new(Clock::start());
        scores.mark_stale("a", "never scored");
        assert_eq!(scores.get("a"), None);
        scores.record("a", score(80.0)).unwrap();
        scores.mark_stale("a", "it trapped");
        let entry = scores.get("a").unwrap();
        assert_eq!((entry.score.value, entry.stale.as_deref()), (80.0, Some("it trapped")));
        for bad in [f64::NAN, f64::INFINITY, -0.1, 100.1] {
            assert_eq!(scores.record("a", score(bad)), Err(RejectedScore::Range));
        }
        assert_eq!(scores.get("a").unwrap().score.value, 80.0);
        scores.record("a", score(90.0)).unwrap();
        assert_eq!(scores.list().len(), 1);
        assert_eq!(scores.get("a").unwrap().stale, None);
        scores.remove("a");
        assert!(scores.list().is_empty());
    }

    #[test]
    fn scores_are_bounded() {
        let scores = Scores::new(Clock::start());
        (0..SCOPES_MAX).for_each(|n| scores.record(&n.to_string(), score(1.0)).unwrap());
        assert_eq!(scores.record("more", score(1.0)), Err(RejectedScore::Full));
        scores.record("0", score(2.0)).unwrap();
        let mut large = score(1.0);
        large.parts[0].name = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(scores.record("0", large), Err(RejectedScore::TooLarge));
    }
}
