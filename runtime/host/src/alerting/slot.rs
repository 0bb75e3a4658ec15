use std::{
    collections::HashSet,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::{Mutex, MutexGuard};

use super::{
    Alert, AlertTable, Alerting, Columns, Notification, Verdict,
    kind::{EVALUATE, NOTIFY},
};
use crate::{Host, HostError, SlotFigures, Strategy, SwapOrder, SwapReport, Upkeep, slot::Slot};

/// The decisions of a group of rules: what is not normal, and what is said about it. Cheap to clone.
#[derive(Clone)]
pub struct AlertingSlot {
    slot: Slot<Alerting>,
    corrected: Arc<AtomicU64>,
    turn: Arc<Mutex<()>>,
}

impl AlertingSlot {
    /// A slot with as many shards as the table has, without a strategy: nothing is evaluated.
    pub fn new(host: &Host, table: Weak<dyn AlertTable>, shards: usize, upkeep: Upkeep) -> Self {
        Self { slot: Slot::new(host, table, shards, upkeep), corrected: Arc::default(), turn: Arc::default() }
    }

    /// Whether a strategy is active and not quarantined.
    pub fn decides(&self) -> bool {
        self.slot.wants() != 0
    }

    /// Held by whoever changes alerts, from the first call of an evaluation until what it said is applied. A swap waits for it and
    /// keeps it: no event tells a successor of an alert that has changed since it adopted the others, so none changes.
    /// Instances that are replaced without a swap have failed, and alerts do not change while nobody answers.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock()
    }

    /// Asks which rows are not normal, and applies the answer while the shard's decisions are locked. `last` closes an
    /// evaluation of several calls.
    ///
    /// `apply` gets none where no usable answer came: no strategy, a busy shard, a quarantine, a failed call. The verdicts
    /// that it gets name series of these columns only.
    pub fn evaluate<R>(
        &self,
        shard: usize,
        now_ms: u64,
        columns: &Columns,
        last: bool,
        apply: impl FnOnce(Option<&[Verdict]>) -> R,
    ) -> R {
        self.slot.decide(
            shard,
            EVALUATE,
            |instance, _| {
                let mut verdicts = instance.evaluate(now_ms, columns, last)?;
                self.drop_unknown(&mut verdicts, columns);
                Ok(verdicts)
            },
            |verdicts| apply(verdicts.map(Vec::as_slice)),
            |_, _| {},
        )
    }

    fn drop_unknown(&self, verdicts: &mut Vec<Verdict>, columns: &Columns) {
        if verdicts.is_empty() {
            return;
        }
        let known: HashSet<u64> = columns.series.iter().copied().collect();
        let named = verdicts.len();
        verdicts.retain(|verdict| known.contains(&verdict.series));
        self.corrected.fetch_add((named - verdicts.len()) as u64, Relaxed);
    }

    /// Asks what is sent about alerts that have begun to fire, changed their severity or were resolved, in the same way.
    pub fn notify<R>(
        &self,
        shard: usize,
        now_ms: u64,
        alerts: &[Alert],
        apply: impl FnOnce(Option<&[Notification]>) -> R,
    ) -> R {
        self.slot.decide(
            shard,
            NOTIFY,
            |instance, _| instance.notify(now_ms, alerts),
            |notifications| apply(notifications.map(Vec::as_slice)),
            |_, _| {},
        )
    }

    /// Lets `strategy` decide from now on; the same strategy again changes nothing. Blocks while it stages.
    pub fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError> {
        self.swap_with(&SwapOrder::new(strategy, seed))
    }

    /// The same, watched.
    pub fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
        let _turn = self.turn();
        self.slot.swap(order)
    }

    pub(crate) fn slot(&self) -> &Slot<Alerting> {
        &self.slot
    }

    /// Nothing is evaluated any more.
    pub fn clear(&self) {
        self.slot.clear();
    }

    /// What the slot has done. Takes each shard's lock for a moment.
    pub fn figures(&self) -> SlotFigures {
        let mut figures = self.slot.figures();
        figures.shards.corrected = self.corrected.load(Relaxed);
        figures
    }
}
