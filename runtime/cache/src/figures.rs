use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{shards::Shards, table::Payload};

/// What a cache has done since it was made, and what it holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CacheFigures {
    /// Reads that found something.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Values stored.
    pub stores: u64,
    /// Values that the strategy did not admit.
    pub refused: u64,
    /// Values larger than a shard's whole budget.
    pub too_large: u64,
    /// Entries that the strategy named as victims.
    pub evicted_by_strategy: u64,
    /// Entries that the built-in policy evicted.
    pub evicted_by_fallback: u64,
    /// Entries whose time was over.
    pub expired: u64,
    /// Entries now.
    pub entries: u64,
    /// Of these, with a time to live.
    pub entries_expiring: u64,
    /// What the entries take, in the budget's unit.
    pub used: u64,
    /// The budget.
    pub capacity: u64,
    /// Keys, values and overhead of the entries, in bytes.
    pub bytes: u64,
    /// Reads that the strategy was not told of, because too many waited.
    pub events_reads_dropped: u64,
    /// Changes that the strategy was not told of, because too many waited.
    pub events_changes_dropped: u64,
    /// Clients now.
    pub connections: u64,
    /// Clients since the start.
    pub connections_accepted: u64,
    /// Clients refused because there were too many.
    pub connections_refused: u64,
    /// Clients cut off because they did not read their answers or sent more than fits.
    pub connections_cut: u64,
    /// Commands carried out.
    pub commands: u64,
}

impl CacheFigures {
    /// The table's part.
    pub(crate) fn of<P: Payload>(shards: &Shards<P>) -> Self {
        let mut figures = Self { capacity: shards.total_capacity(), ..Self::default() };
        (0..shards.len()).for_each(|shard| figures.add(&shards.lock(shard)));
        figures
    }

    fn add<P: Payload>(&mut self, shard: &crate::shard::Shard<P>) {
        let counters = shard.counters;
        self.hits += counters.hits;
        self.misses += counters.misses;
        self.stores += counters.stores;
        self.refused += counters.refused;
        self.too_large += counters.too_large;
        self.evicted_by_strategy += counters.evicted_by_strategy;
        self.evicted_by_fallback += counters.evicted_by_fallback;
        self.expired += counters.expired;
        self.entries += shard.table.len() as u64;
        self.entries_expiring += shard.table.expiring() as u64;
        self.used += shard.table.used();
        self.bytes += shard.table.bytes();
        let (reads, changes) = shard.events.dropped();
        self.events_reads_dropped += reads;
        self.events_changes_dropped += changes;
    }

    /// Hits of all reads, from 0 to 1; 0 before the first read.
    pub fn hit_ratio(&self) -> f64 {
        let reads = self.hits + self.misses;
        if reads == 0 { 0.0 } else { self.hits as f64 / reads as f64 }
    }

    /// Every figure by its name, as it stands in a node's status: `cache.hits` and so on.
    pub fn named(&self) -> BTreeMap<String, f64> {
        let whole = [
            ("hits", self.hits),
            ("misses", self.misses),
            ("stores", self.stores),
            ("refused", self.refused),
            ("too_large", self.too_large),
            ("evicted_by_strategy", self.evicted_by_strategy),
            ("evicted_by_fallback", self.evicted_by_fallback),
            ("expired", self.expired),
            ("entries", self.entries),
            ("entries_expiring", self.entries_expiring),
            ("used", self.used),
            ("capacity", self.capacity),
            ("bytes", self.bytes),
            ("events_reads_dropped", self.events_reads_dropped),
            ("events_changes_dropped", self.events_changes_dropped),
            ("connections", self.connections),
            ("connections_accepted", self.connections_accepted),
            ("connections_refused", self.connections_refused),
            ("connections_cut", self.connections_cut),
            ("commands", self.commands),
        ];
        let named = whole.into_iter().map(|(name, value)| (format!("cache.{name}"), value as f64));
        named.chain([("cache.hit_ratio".to_owned(), self.hit_ratio())]).collect()
    }
}

/// What the listener counts, shared by its connections.
#[derive(Debug, Default)]
pub(crate) struct ServiceCounters {
    pub(crate) connections: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) cut: AtomicU64,
    pub(crate) commands: AtomicU64,
}

impl ServiceCounters {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fill(&self, figures: &mut CacheFigures) {
        figures.connections = self.connections.load(Ordering::Relaxed);
        figures.connections_accepted = self.accepted.load(Ordering::Relaxed);
        figures.connections_refused = self.refused.load(Ordering::Relaxed);
        figures.connections_cut = self.cut.load(Ordering::Relaxed);
        figures.commands = self.commands.load(Ordering::Relaxed);
    }
}
