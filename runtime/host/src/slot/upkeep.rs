use std::sync::atomic::Ordering::{AcqRel, Relaxed};

use super::{Shared, Upkeep, cell::Cell};
use crate::{
    CallError, HostError, SwapOrder,
    description::BATCH_MAX,
    kind::Kind,
    policy::{Chore, Chores},
};

/// Batches that one visit delivers before another shard gets its turn.
const BATCHES_PER_VISIT_MAX: usize = 64;
/// Slices that one visit does before another shard gets its turn.
const SLICES_PER_VISIT_MAX: usize = 64;

impl<K: Kind> Chores for Shared<K> {
    fn tend(&self, index: usize) {
        let (Some(shard), Some(table)) = (self.shards.get(index), self.table.upgrade()) else { return };
        shard.tend_queued.swap(false, AcqRel);
        if self.half_open_is_due() {
            return self.ask_for(Chore::Restage, index);
        }
        if self.wants.load(Relaxed) == 0 {
            return;
        }
        for _ in 0..BATCHES_PER_VISIT_MAX {
            // The lock is let go between batches: a caller waits for one batch at most.
            let mut cell = shard.cell.lock();
            if self.pump(&mut cell, &table, index) < BATCH_MAX as usize {
                let lost = cell.needs_revival();
                drop(cell);
                if lost {
                    return self.ask_for(Chore::Restage, index);
                }
                return self.slices(index, &table);
            }
        }
        self.enqueue(Chore::Tend, index);
    }

    fn restage(&self, index: usize) {
        let Some(shard) = self.shards.get(index) else { return };
        shard.restage_queued.swap(false, AcqRel);
        if self.half_open_is_due() { self.half_open() } else { self.revive(index) }
    }

    fn pass_time(&self) -> bool {
        if self.half_open_is_due() {
            // Staging takes its time, and other slots' ticks do not wait for it. Any shard stands for all.
            self.ask_for(Chore::Restage, 0);
        }
        let mut fine = false;
        for index in 0..self.shards.len() {
            fine |= self.pass_time_of(index);
        }
        fine
    }
}

impl<K: Kind> Shared<K> {
    /// Slices of what is too long for one hold of the shard: it is let go between them.
    fn slices(&self, index: usize, table: &K::Table) {
        let Some(shard) = self.shards.get(index) else { return };
        for _ in 0..SLICES_PER_VISIT_MAX {
            if !shard.cell.lock().slice(self, K::now_ms(table), table, index) {
                return;
            }
        }
        self.ask_for(Chore::Tend, index);
    }

    /// Ticks a shard that is due. Returns whether the strategy wants ticks at all, or waits for its revival.
    fn pass_time_of(&self, index: usize) -> bool {
        let (Some(shard), Some(table)) = (self.shards.get(index), self.table.upgrade()) else { return false };
        // Whoever holds it may be a plugin that loops. The next tick comes soon.
        let Some(mut cell) = shard.cell.try_lock() else { return true };
        if self.is_quarantined() {
            // The shard that failed has lost its instance; the others of the strategy give up theirs here.
            cell.give_up_instance();
            return false;
        }
        if cell.needs_revival() {
            drop(cell);
            // As above: not on this thread.
            self.ask_for(Chore::Restage, index);
            return true;
        }
        let fine = self.tick(&mut cell, &table, index);
        if cell.has_slices_due() {
            drop(cell);
            self.ask_for(Chore::Tend, index);
        }
        fine
    }

    /// Ticks a shard that is due. Returns whether the strategy wants ticks at all.
    fn tick(&self, cell: &mut Cell<K>, table: &K::Table, index: usize) -> bool {
        let Some(tick_ms) = cell.tick_ms() else { return false };
        let now_ms = K::now_ms(table);
        if now_ms >= cell.next_tick_ms {
            cell.next_tick_ms = now_ms + u64::from(tick_ms);
            cell.tick(self, now_ms, table, index);
        }
        true
    }

    /// Where no thread does it: ticks before a decision, with the shard locked anyway.
    #[inline]
    pub(super) fn let_caller_tick(&self, cell: &mut Cell<K>, table: &K::Table, index: usize) {
        if self.upkeep == Upkeep::Caller {
            self.tick(cell, table, index);
            while cell.has_slices_due() && cell.slice(self, K::now_ms(table), table, index) {}
        }
    }

    /// Where no thread does it: everything that time alone gives to do.
    pub(super) fn let_caller_pass_time(&self, index: usize) {
        if self.upkeep == Upkeep::Caller {
            self.pass_time_of(index);
        }
    }

    /// Where no thread does it: tries a quarantined strategy again before the fallback decides once more.
    #[cold]
    pub(super) fn let_caller_half_open(&self, index: usize) {
        if self.upkeep == Upkeep::Caller && self.half_open_is_due() {
            self.tend(index);
        }
    }

    /// A new instance for a shard whose own failed; it adopts the table, so nothing is forgotten that the table holds.
    fn revive(&self, index: usize) {
        if self.is_quarantined() {
            return;
        }
        // A swap is replacing it anyway, and pass_time comes back.
        let Some(_staging) = self.staging.try_lock() else { return };
        match self.replace_one(index) {
            Ok(()) => {}
            Err(HostError::Call { source, .. }) => {
                if let Some(shard) = self.shards.get(index) {
                    shard.cell.lock().lost(self, &source);
                }
            }
            // A full pool or traffic that was too fast is not the plugin's fault; time passes and it is tried again.
            Err(error) => tracing::warn!(%error, "an instance could not be replaced yet"),
        }
    }

    pub(super) fn half_open_is_due(&self) -> bool {
        let until = self.quarantined_until_ms.load(Relaxed);
        until != 0 && self.now_ms() >= until
    }

    /// Tries a quarantined strategy again, with cold instances; one more failure and it is quarantined again.
    fn half_open(&self) {
        let Some(_staging) = self.staging.try_lock() else { return };
        // A swap may just have ended the quarantine.
        if !self.half_open_is_due() {
            return;
        }
        let (active, seed) = {
            let history = self.history.lock();
            (history.active.clone(), history.seed)
        };
        let Some(strategy) = active else { return };
        match self.replace_all(&SwapOrder::new(&strategy, seed), false) {
            Ok(_) => {
                self.quarantines.lock().trial(self.now_ms());
                for shard in &self.shards {
                    shard.cell.lock().window.half_open();
                }
            }
            Err(HostError::Call { source, .. }) if !matches!(source, CallError::Starved { .. }) => {
                let plugin = &strategy.plugin().manifest().name;
                tracing::warn!(%plugin, error = %source, "a quarantined strategy failed again; the fallback goes on");
                self.quarantine(&source);
            }
            Err(error) => tracing::warn!(%error, "a quarantined strategy could not be tried yet"),
        }
    }
}
