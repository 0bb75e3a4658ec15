use super::{Figures, table::Table};
use crate::caching::{Budget, Caching, Component, Entry, Event, EventKind, Load, Unit, Victims};

/// Residents in one call of `adopt`.
const ADOPT_MAX: usize = 256;

/// A cache of one shard around a strategy.
///
/// Reads and writes are told in the order and the batches of a node with one shard; victims are removed as a node
/// removes them, and what is over the budget then goes by a sampled fallback. A strategy that is right has no
/// `unknown_victims`, and no `fallback_evictions` unless an entry needs more than `Victims::MAX`.
pub struct CacheDriver<S> {
    strategy: Component<S>,
    table: Table,
    backlog: Vec<Event>,
    figures: Figures,
    now_ms: u64,
    seed: u64,
}

impl<S: Caching> CacheDriver<S> {
    /// An empty cache with a strategy of this configuration, as JSON. The error is the strategy's.
    pub fn new(configuration: &str, budget: Budget) -> Result<Self, String> {
        Self::with_seed(configuration, budget, 1)
    }

    /// The same with a seed of the caller's.
    pub fn with_seed(configuration: &str, budget: Budget, seed: u64) -> Result<Self, String> {
        let mut driver = Self {
            strategy: Component::new(),
            table: Table::new(budget, seed),
            backlog: Vec::new(),
            figures: Figures::default(),
            now_ms: 0,
            seed,
        };
        driver.start(configuration, None)?;
        Ok(driver)
    }

    /// Another strategy takes over this table, as at a swap; it takes over the state too where formats match. Figures
    /// begin again.
    pub fn swap<T: Caching>(mut self, configuration: &str) -> Result<CacheDriver<T>, String> {
        self.flush();
        let state = S::STATE_FORMAT.map(|format| (format, self.strategy.export_state()));
        let mut driver = CacheDriver {
            strategy: Component::new(),
            table: self.table,
            backlog: Vec::new(),
            figures: Figures::default(),
            now_ms: self.now_ms,
            seed: self.seed,
        };
        driver.start(configuration, state)?;
        Ok(driver)
    }

    /// A read and, where it finds nothing, a write of one entry of size 1. Whether it was a hit.
    pub fn access(&mut self, id: u64) -> bool {
        self.access_sized(id, 1)
    }

    /// The same with a size. In a budget of entries the size is 1 whatever is said here.
    pub fn access_sized(&mut self, id: u64, size: u32) -> bool {
        let hit = self.get(id);
        if !hit {
            self.put(id, size);
        }
        hit
    }

    /// Accesses one after the other, each of size 1. How many were hits.
    pub fn play(&mut self, ids: impl IntoIterator<Item = u64>) -> u64 {
        ids.into_iter().map(|id| u64::from(self.access(id))).sum()
    }

    /// A read.
    pub fn get(&mut self, id: u64) -> bool {
        self.figures.requests += 1;
        match self.table.touch(id).map(|row| row.size) {
            Some(size) => {
                self.figures.hits += 1;
                if S::INTERESTS.hits() {
                    self.tell(id, size, EventKind::Hit);
                }
                true
            }
            None => {
                if S::INTERESTS.misses() {
                    self.tell(id, 0, EventKind::Miss);
                }
                false
            }
        }
    }

    /// A write. Whether the entry is kept.
    pub fn put(&mut self, id: u64, size: u32) -> bool {
        let key = S::INTERESTS.keys().then(|| id.to_string().into_bytes());
        let entry = Entry { id, namespace: 0, size: self.sized(size), ttl_ms: None, key };
        self.put_entry(&entry)
    }

    /// A write of an entry of the caller's making. Whether it is kept.
    pub fn put_entry(&mut self, entry: &Entry) -> bool {
        let decision = self.strategy.store(self.now_ms, entry, &self.backlog);
        self.backlog.clear();
        let victims_left = decision.victims.len() < Victims::MAX;
        for victim in decision.victims {
            if self.table.remove(victim).is_none() {
                self.figures.unknown_victims += 1;
            }
        }
        self.table.remove(entry.id);
        if !decision.admit {
            self.figures.refused += 1;
            return false;
        }
        if u64::from(entry.size) > self.table.budget().capacity {
            self.tell(entry.id, 0, EventKind::Removed);
            return false;
        }
        if victims_left && self.table.over_budget(entry.size) {
            self.figures.missing_victims += 1;
        }
        self.make_room(entry.size);
        self.table.insert(entry.id, entry.size, decision.ttl_ms.or(entry.ttl_ms));
        true
    }

    /// The host keeps an entry without having asked, as it does when the strategy is busy.
    pub fn put_unasked(&mut self, id: u64, size: u32) {
        let size = self.sized(size);
        self.table.remove(id);
        self.make_room(size);
        self.table.insert(id, size, None);
        self.tell(id, size, EventKind::Stored);
    }

    /// An entry is deleted or expires. Whether there was one.
    pub fn remove(&mut self, id: u64) -> bool {
        let removed = self.table.remove(id).is_some();
        if removed {
            self.tell(id, 0, EventKind::Removed);
        }
        removed
    }

    /// Another capacity, in the same unit.
    pub fn resize(&mut self, capacity: u64) {
        let budget = Budget { capacity, ..self.table.budget() };
        self.table.set_budget(budget);
        self.strategy.resize(budget);
    }

    /// Time passes.
    pub fn advance(&mut self, ms: u64) {
        self.now_ms = self.now_ms.saturating_add(ms);
    }

    /// Events so far are told, then a tick.
    pub fn tick(&mut self) {
        self.flush();
        let load = Load {
            requests: self.figures.requests,
            hits: self.figures.hits,
            entries: self.table.len() as u64,
            used: self.table.used(),
        };
        self.strategy.tick(self.now_ms, &load);
    }

    /// Tells the strategy what has been buffered, as a node does when nobody writes.
    pub fn flush(&mut self) {
        self.strategy.observe(self.now_ms, &self.backlog);
        self.backlog.clear();
    }

    /// What the strategy would export now.
    pub fn state(&self) -> Vec<u8> {
        self.strategy.export_state()
    }

    /// Whether the table holds an id.
    pub fn holds(&self, id: u64) -> bool {
        self.table.row(id).is_some()
    }

    /// How many entries the table holds.
    pub fn entries(&self) -> usize {
        self.table.len()
    }

    /// What the table's entries take of the budget.
    pub fn used(&self) -> u64 {
        self.table.used()
    }

    /// What has been counted since the start or the last swap.
    pub fn figures(&self) -> Figures {
        self.figures
    }

    fn start(&mut self, configuration: &str, state: Option<(&str, Vec<u8>)>) -> Result<(), String> {
        self.strategy.configure(configuration, self.seed)?;
        self.strategy.resize(self.table.budget());
        if let Some((format, bytes)) = state.filter(|(format, _)| S::STATE_FORMAT == Some(*format)) {
            self.strategy.import_state(format, &bytes)?;
        }
        let residents = self.table.residents();
        let mut batches = residents.chunks(ADOPT_MAX).peekable();
        if batches.peek().is_none() {
            self.strategy.adopt(self.now_ms, &[], true);
        }
        while let Some(batch) = batches.next() {
            self.strategy.adopt(self.now_ms, batch, batches.peek().is_none());
        }
        Ok(())
    }

    fn sized(&self, size: u32) -> u32 {
        match self.table.budget().unit {
            Unit::Entries => 1,
            Unit::Bytes => size,
        }
    }

    fn make_room(&mut self, size: u32) {
        while self.table.over_budget(size) {
            let Some(victim) = self.table.fallback_victim() else { return };
            self.table.remove(victim);
            self.figures.fallback_evictions += 1;
            self.tell(victim, 0, EventKind::Removed);
        }
    }

    fn tell(&mut self, id: u64, size: u32, kind: EventKind) {
        self.backlog.push(Event { id, namespace: 0, size, kind });
        if self.backlog.len() >= S::INTERESTS.batch() as usize {
            self.flush();
        }
    }
}
