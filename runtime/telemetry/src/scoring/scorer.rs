use std::{sync::Arc, thread, time::Duration};

use parking_lot::Mutex;
use switchyard_host::{
    Host, SlotFigures, Upkeep,
    scoring::{Score, ScoringSlot, Table},
};

use super::Scores;
use crate::clock::Clock;

/// How often a strategy is asked again that is being swapped or is busy with its upkeep.
const ATTEMPTS_MAX: usize = 20;
/// Pause between: a flip takes less than a millisecond, a tick at most its budget of 10.
const PAUSE: Duration = Duration::from_millis(5);

/// Asks the strategy how well the node is.
pub(crate) struct Scorer {
    clock: Clock,
    scores: Scores,
    slot: ScoringSlot,
    /// When the strategy last answered. Held for a whole call: there is one at a time.
    answered_ms: Mutex<Option<u64>>,
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scorer").field("answered_ms", &self.answered_ms).finish_non_exhaustive()
    }
}

impl Scorer {
    pub(crate) fn new(host: &Host, clock: Clock, scores: Scores) -> Self {
        // Held weakly: it lives as long as the scores do.
        let slot = ScoringSlot::new(host, Arc::downgrade(&scores.table()), Upkeep::Threads);
        Self { clock, scores, slot, answered_ms: Mutex::default() }
    }

    pub(crate) fn slot(&self) -> &ScoringSlot {
        &self.slot
    }

    /// Asks once; `read` measures since a time. Blocks while the strategy decides.
    pub(crate) fn score(&self, interval: Duration, read: impl FnOnce(u64) -> Table) {
        let mut answered_ms = self.answered_ms.lock();
        let now_ms = self.clock.now_ms();
        if self.slot.figures().strategy.is_none() {
            return self.scores.mark_stale(u64::MAX, "there is no scoring strategy any more");
        }
        let since_ms = answered_ms.unwrap_or(now_ms.saturating_sub(interval.as_millis() as u64));
        match self.ask(now_ms, &[read(since_ms)]) {
            Some(scores) => {
                *answered_ms = Some(now_ms);
                self.record(scores);
                self.scores.mark_stale(now_ms, "the scoring strategy no longer scores it");
            }
            None => self.scores.mark_stale(u64::MAX, why(&self.slot.figures())),
        }
    }

    fn record(&self, scores: Vec<Score>) {
        for score in scores {
            if let Err(error) = self.scores.record(score) {
                tracing::warn!(%error, "a score is not kept");
            }
        }
    }

    /// None: the strategy does not answer.
    fn ask(&self, now_ms: u64, tables: &[Table]) -> Option<Vec<Score>> {
        let busy = || self.slot.figures().hooks.get("score").map_or(0, |hook| hook.busy);
        for _ in 0..ATTEMPTS_MAX {
            let before = busy();
            let answer = self.slot.score(now_ms, tables, |scores| scores.map(<[Score]>::to_vec));
            // Somebody else held the instance for a moment: asked again, it may answer.
            if answer.is_some() || busy() == before {
                return answer;
            }
            thread::sleep(PAUSE);
        }
        None
    }
}

fn why(figures: &SlotFigures) -> &'static str {
    if figures.quarantined {
        "the scoring strategy failed too often and is in quarantine"
    } else {
        "the scoring strategy gave no usable answer, the log says why"
    }
}
