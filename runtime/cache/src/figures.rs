use std::sync::atomic::{AtomicU64, Ordering};

use switchyard_types::Figure;

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

    /// Each by its name in the node's status and metrics: `cache.hits` and so on.
    pub fn list(&self) -> Vec<Figure> {
        let counters = [
            ("cache.hits", "{read}", "Reads that found something", self.hits),
            ("cache.misses", "{read}", "Reads that found nothing", self.misses),
            ("cache.stores", "{value}", "Values stored", self.stores),
            ("cache.refused", "{value}", "Values that the strategy did not admit", self.refused),
            ("cache.too_large", "{value}", "Values larger than a shard's whole budget", self.too_large),
            ("cache.evicted_by_strategy", "{entry}", "Entries that the strategy evicted", self.evicted_by_strategy),
            ("cache.evicted_by_fallback", "{entry}", "Entries that the fallback evicted", self.evicted_by_fallback),
            ("cache.expired", "{entry}", "Entries whose time was over", self.expired),
            ("cache.events_reads_dropped", "{read}", "Reads that no strategy was told of", self.events_reads_dropped),
            (
                "cache.events_changes_dropped",
                "{change}",
                "Changes that no strategy was told of",
                self.events_changes_dropped,
            ),
            ("cache.connections_accepted", "{connection}", "Clients since the start", self.connections_accepted),
            ("cache.connections_refused", "{connection}", "Clients over the bound", self.connections_refused),
            ("cache.connections_cut", "{connection}", "Clients cut off for what they did", self.connections_cut),
            ("cache.commands", "{command}", "Commands carried out", self.commands),
        ];
        let gauges = [
            ("cache.entries", "{entry}", "Entries", self.entries as f64),
            ("cache.entries_expiring", "{entry}", "Entries with a time to live", self.entries_expiring as f64),
            ("cache.used", "", "What the entries take of the budget, in its unit", self.used as f64),
            ("cache.capacity", "", "The budget, in its unit", self.capacity as f64),
            ("cache.bytes", "By", "Keys, values and overhead of the entries", self.bytes as f64),
            ("cache.connections", "{connection}", "Clients", self.connections as f64),
            ("cache.hit_ratio", "1", "Hits of all reads since the start", self.hit_ratio()),
        ];
        let counter = |(name, unit, text, count)| Figure::counter(name, unit, text, count as f64);
        let gauge = |(name, unit, text, value)| Figure::gauge(name, unit, text, value);
        counters.map(counter).into_iter().chain(gauges.map(gauge)).collect()
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
