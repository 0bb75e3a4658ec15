use std::sync::Weak;

use super::{Score, ScoreTable, Scoring, Table, kind::SCORE};
use crate::{Host, HostError, SlotFigures, Strategy, SwapOrder, SwapReport, Upkeep, slot::Slot};

/// The only shard: a score is made of everything.
const SHARD: usize = 0;

/// The decisions of a scope: how healthy it is. Cheap to clone.
#[derive(Clone)]
pub struct ScoringSlot(Slot<Scoring>);

impl ScoringSlot {
    /// A slot without a strategy: nothing is scored.
    pub fn new(host: &Host, table: Weak<dyn ScoreTable>, upkeep: Upkeep) -> Self {
        Self(Slot::new(host, table, 1, upkeep))
    }

    /// Whether a strategy is active and not quarantined.
    pub fn decides(&self) -> bool {
        self.0.wants() != 0
    }

    /// Asks for scores, and applies the answer while the decisions are locked.
    ///
    /// `apply` gets none where no usable answer came: no strategy, a busy shard, a quarantine, a failed call.
    pub fn score<R>(&self, now_ms: u64, tables: &[Table], apply: impl FnOnce(Option<&[Score]>) -> R) -> R {
        self.0.decide(
            SHARD,
            SCORE,
            |instance, _| instance.score(now_ms, tables),
            |scores| apply(scores.map(Vec::as_slice)),
            |_, _| {},
        )
    }

    /// Lets `strategy` decide from now on; the same strategy again changes nothing. Blocks while it stages.
    pub fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError> {
        self.swap_with(&SwapOrder::new(strategy, seed))
    }

    /// The same, watched.
    pub fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
        self.0.swap(order)
    }

    pub(crate) fn slot(&self) -> &Slot<Scoring> {
        &self.0
    }

    /// Nothing is scored any more.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// What the slot has done. Takes the shard's lock for a moment.
    pub fn figures(&self) -> SlotFigures {
        self.0.figures()
    }
}
