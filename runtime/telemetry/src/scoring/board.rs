use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;
use switchyard_host::scoring::{Load, Resident, Score, ScoreTable};

use super::ScoreEntry;
use crate::clock::Clock;

/// Scopes that are scored: some answers' worth.
pub const SCOPES_MAX: usize = 1_024;

/// There are [`SCOPES_MAX`] scopes already, all of them scored of late: a new one has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are as many scopes as there may be: {SCOPES_MAX}")]
pub struct TooManyScopes;

/// The scores of a node: a handle, cheap to clone. What a score may be the host has checked.
#[derive(Debug, Clone)]
pub struct Scores {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    kept: Mutex<BTreeMap<String, Kept>>,
    /// Since the strategy was last told.
    recorded: AtomicU64,
}

#[derive(Debug)]
struct Kept {
    score: Score,
    at_ms: u64,
    stale: Option<String>,
}

impl Scores {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { shared: Arc::new(Shared { clock, kept: Mutex::default(), recorded: AtomicU64::new(0) }) }
    }

    /// What a slot reads of them.
    pub(crate) fn table(&self) -> Arc<dyn ScoreTable> {
        self.shared.clone()
    }

    /// Keeps the score of its scope.
    pub fn record(&self, score: Score) -> Result<(), TooManyScopes> {
        let at_ms = self.shared.clock.now_ms();
        let mut kept = self.shared.kept.lock();
        if !kept.contains_key(&score.scope) && kept.len() >= SCOPES_MAX {
            // What nobody scores any more makes room.
            let stale = kept.iter().filter(|(_, kept)| kept.stale.is_some()).min_by_key(|(_, kept)| kept.at_ms);
            let oldest = stale.map(|(scope, _)| scope.clone()).ok_or(TooManyScopes)?;
            kept.remove(&oldest);
        }
        kept.insert(score.scope.clone(), Kept { score, at_ms, stale: None });
        self.shared.recorded.fetch_add(1, Relaxed);
        Ok(())
    }

    /// The last scores that are older than `before_ms` stay and say why: nobody renews them.
    pub fn mark_stale(&self, before_ms: u64, reason: &str) {
        for kept in self.shared.kept.lock().values_mut().filter(|kept| kept.at_ms < before_ms) {
            kept.stale = Some(reason.to_owned());
        }
    }

    /// Nobody scores this scope any more.
    pub fn remove(&self, scope: &str) {
        self.shared.kept.lock().remove(scope);
    }

    /// Every score, by scope.
    pub fn list(&self) -> Vec<ScoreEntry> {
        let now_ms = self.shared.clock.now_ms();
        self.shared.kept.lock().values().map(|kept| kept.entry(now_ms)).collect()
    }

    /// The score of a scope.
    pub fn get(&self, scope: &str) -> Option<ScoreEntry> {
        let now_ms = self.shared.clock.now_ms();
        self.shared.kept.lock().get(scope).map(|kept| kept.entry(now_ms))
    }
}

impl ScoreTable for Shared {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn residents(&self, into: &mut Vec<Resident>) {
        let kept = self.kept.lock();
        let resident = |kept: &Kept| {
            let Score { scope, value, .. } = &kept.score;
            Some(Resident { scope: scope.clone(), value: (*value)?, at_ms: kept.at_ms })
        };
        into.extend(kept.values().filter_map(resident));
    }

    fn load(&self) -> Load {
        Load { scores: self.recorded.swap(0, Relaxed) }
    }
}

impl Kept {
    fn entry(&self, now_ms: u64) -> ScoreEntry {
        ScoreEntry { score: self.score.clone(), age_ms: now_ms.saturating_sub(self.at_ms), stale: self.stale.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(scope: &str, value: f64) -> Score {
        let (parts, findings) = (Vec::new(), Vec::new());
        Score { scope: scope.to_owned(), value: Some(value), parts, findings, forecast: None }
    }

    #[test]
    fn the_last_score_stays_and_says_that_it_is_old() {
        let scores = Scores::new(Clock::start());
        scores.mark_stale(u64::MAX, "never scored");
        assert_eq!(scores.get("a"), None);
        scores.record(score("a", 80.0)).unwrap();
        scores.mark_stale(0, "it is new");
        assert_eq!(scores.get("a").unwrap().stale, None);
        scores.mark_stale(u64::MAX, "it trapped");
        let entry = scores.get("a").unwrap();
        assert_eq!((entry.score.value, entry.stale.as_deref()), (Some(80.0), Some("it trapped")));
        let mut residents = Vec::new();
        scores.table().residents(&mut residents);
        assert_eq!((residents.len(), residents[0].value), (1, 80.0));
        scores.record(score("a", 90.0)).unwrap();
        assert_eq!((scores.list().len(), scores.get("a").unwrap().stale), (1, None));
        scores.remove("a");
        assert!(scores.list().is_empty());
    }

    #[test]
    fn scopes_are_bounded() {
        let scores = Scores::new(Clock::start());
        (0..SCOPES_MAX).for_each(|n| scores.record(score(&n.to_string(), 1.0)).unwrap());
        assert_eq!(scores.record(score("more", 1.0)), Err(TooManyScopes));
        scores.record(score("0", 2.0)).unwrap();
        assert_eq!(scores.table().load().scores, SCOPES_MAX as u64 + 1);
        // What is stale makes room, one for one.
        scores.mark_stale(u64::MAX, "nobody scores it");
        scores.record(score("more", 1.0)).unwrap();
        assert_eq!((scores.list().len(), scores.get("more").is_some()), (SCOPES_MAX, true));
    }
}
