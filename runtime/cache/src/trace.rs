use std::sync::{Arc, atomic::AtomicU64};

use switchyard_host::{
    Host, Upkeep,
    caching::{Budget, CacheTable, CachingSlot},
};

use crate::{
    CacheFigures, SHARDS_MAX,
    clock::Clock,
    shards::Shards,
    store::{self, Offer, Stored},
    table::NEVER,
};

/// The cache of a replay: the same shards and the same way into them as [`Cache`](crate::Cache), without keys, values and
/// times to live. Its clock is the trace's, and events are observed on the spot, so that one shard repeats itself exactly.
pub struct TraceCache {
    shards: Arc<Shards<()>>,
    slot: CachingSlot,
}

impl std::fmt::Debug for TraceCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TraceCache").field("shards", &self.shards.len()).finish_non_exhaustive()
    }
}

impl TraceCache {
    /// An empty cache. The number of shards is rounded up to a power of two.
    pub fn new(host: &Host, shards: usize, budget: Budget) -> Self {
        let clock = Clock::Trace(AtomicU64::new(0));
        let shards = Arc::new(Shards::new(shards.clamp(1, SHARDS_MAX), budget, clock));
        let table: Arc<dyn CacheTable> = shards.clone();
        let slot = CachingSlot::new(host, Arc::downgrade(&table), shards.len(), Upkeep::Caller);
        Self { shards, slot }
    }

    /// Where strategies are swapped.
    pub fn slot(&self) -> &CachingSlot {
        &self.slot
    }

    /// What it has done, and what it holds.
    pub fn figures(&self) -> CacheFigures {
        CacheFigures::of(&self.shards)
    }

    /// One request of a trace: a read and, where it misses, a store. Returns whether it was a hit. Ids must be hashed
    /// before: shards and places are told apart by their bits. `size` is in the budget's unit; what is larger than a
    /// shard's budget is a miss and is not stored.
    pub fn access(&self, now_ms: u64, id: u64, size: u32) -> bool {
        self.shards.clock().advance(now_ms);
        let at = self.shards.shard_of(id);
        let (hit, batch_is_full) = {
            let mut shard = self.shards.lock(at);
            let wants = self.slot.wants();
            shard.attend(wants);
            (shard.read(wants, now_ms, id, &[], |()| ()).is_some(), shard.batch_is_full(wants))
        };
        if batch_is_full {
            self.slot.observe(at);
        }
        if !hit {
            self.store(now_ms, id, size);
        }
        hit
    }

    fn store(&self, now_ms: u64, id: u64, size: u32) {
        let offer = Offer { id, key: &[], namespace: 0, size, ttl_ms: None, always: false };
        let stored = Stored { payload: (), size, expires_at_ms: NEVER };
        let answer = store::store(&self.shards, &self.slot, now_ms, offer, |_| Some(stored));
        if answer.batch_is_full {
            self.slot.observe(answer.shard);
        }
    }
}
