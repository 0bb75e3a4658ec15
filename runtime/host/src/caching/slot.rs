use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use switchyard_types::Interests;

use super::{CacheTable, Caching, Decision, Entry, Event, EventKind, Wants};
use crate::{
    Host, HostError, SlotFigures, Strategy, SwapOrder, SwapReport, Upkeep, description::BATCH_MAX, slot::Slot,
};

/// The decisions of a cache: what to keep, and whom to give up for it. Cheap to clone.
#[derive(Clone)]
pub struct CachingSlot {
    slot: Slot<Caching>,
    corrections: Arc<Corrections>,
}

/// The place of `store` in [`Caching`]'s hooks.
const STORE: usize = 0;

/// What the engine did instead of what it was told.
#[derive(Debug, Default)]
struct Corrections {
    victims_unknown: AtomicU64,
    fallback_evictions: AtomicU64,
}

impl CachingSlot {
    /// A slot with as many shards as the table has, on the built-in fallback.
    pub fn new(host: &Host, table: Weak<dyn CacheTable>, shards: usize, upkeep: Upkeep) -> Self {
        Self { slot: Slot::new(host, table, shards, upkeep), corrections: Arc::default() }
    }

    /// What the engine should buffer. It changes with a swap; reading it costs a load.
    #[inline]
    pub fn wants(&self) -> Wants {
        decode(self.slot.wants())
    }

    /// Asks about an entry that wants to be kept, and applies the answer while the shard's decisions are locked.
    ///
    /// `apply` gets none where the fallback decides: no strategy, a busy shard, a quarantine, a failed call.
    #[inline]
    pub fn store<R>(&self, shard: usize, now_ms: u64, entry: &Entry, apply: impl FnOnce(Option<&Decision>) -> R) -> R {
        self.slot.decide(
            shard,
            STORE,
            |instance, backlog| instance.store(now_ms, entry, backlog),
            apply,
            |decision, events| tee(decision, entry, events),
        )
    }

    /// Delivers what the table has buffered, now and on this thread.
    pub fn observe(&self, shard: usize) {
        self.slot.observe(shard);
    }

    /// Has what the table has buffered delivered soon. Cheap, and idempotent until it happens.
    #[inline]
    pub fn wake(&self, shard: usize) {
        self.slot.wake(shard);
    }

    /// Tells every instance its budget again.
    pub fn resize(&self) {
        self.slot.settle();
    }

    /// Lets `strategy` decide from now on; the same strategy again changes nothing. Blocks while it stages.
    pub fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError> {
        self.swap_with(&SwapOrder::new(strategy, seed))
    }

    /// The same, watched.
    pub fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
        self.slot.swap(order)
    }

    pub(crate) fn slot(&self) -> &Slot<Caching> {
        &self.slot
    }

    /// Back to the built-in fallback.
    pub fn clear(&self) {
        self.slot.clear();
    }

    /// Victims that were not resident.
    pub fn count_unknown_victims(&self, count: u64) {
        self.corrections.victims_unknown.fetch_add(count, Relaxed);
    }

    /// Entries that the fallback evicted although a strategy had decided.
    pub fn count_fallback_evictions(&self, count: u64) {
        self.corrections.fallback_evictions.fetch_add(count, Relaxed);
    }

    /// What the slot has done. Takes each shard's lock for a moment.
    pub fn figures(&self) -> SlotFigures {
        let mut figures = self.slot.figures();
        figures.shards.victims_unknown = self.corrections.victims_unknown.load(Relaxed);
        figures.shards.fallback_evictions = self.corrections.fallback_evictions.load(Relaxed);
        figures
    }
}

/// What a decision does to the table, told to an instance that did not make it.
fn tee(decision: &Decision, entry: &Entry, events: &mut Vec<Event>) {
    let event = |id, size, kind| Event { id, namespace: entry.namespace, size, kind };
    events.extend(decision.victims.iter().map(|id| event(*id, 0, EventKind::Removed)));
    events.push(match decision.admit && decision.memory {
        true => event(entry.id, entry.size, EventKind::Stored),
        false => event(entry.id, 0, EventKind::Removed),
    });
}

const HITS: u64 = 1 << 32;
const MISSES: u64 = 1 << 33;
const KEYS: u64 = 1 << 34;

/// One word for an atomic: the batch below, a bit for each wish above. Two strategies' words are joined by `or`.
pub(super) fn encode(interests: &Interests) -> u64 {
    let event = |name: &str, bit| if interests.events.iter().any(|event| event == name) { bit } else { 0 };
    let keys = if interests.keys { KEYS } else { 0 };
    u64::from(interests.batch) | event("hit", HITS) | event("miss", MISSES) | keys
}

fn decode(wants: u64) -> Wants {
    Wants {
        hits: wants & HITS != 0,
        misses: wants & MISSES != 0,
        keys: wants & KEYS != 0,
        // Two joined batches can be more than either.
        batch: ((wants & u64::from(u32::MAX)) as usize).min(BATCH_MAX as usize),
    }
}
