use std::collections::HashMap;

use crate::caching::{Budget, Resident};

/// How many residents the fallback compares: Redis's default, and what a node's own fallback is like.
const SAMPLES: usize = 5;

#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) id: u64,
    pub(super) size: u32,
    pub(super) ttl_ms: Option<u64>,
    hits: u32,
    last_access: u64,
}

/// The table of one shard, as a node has it: dense rows, a stamp of the last access, a sampled fallback.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Row>,
    places: HashMap<u64, usize>,
    budget: Budget,
    used: u64,
    stamp: u64,
    random: u64,
}

impl Table {
    pub(super) fn new(budget: Budget, seed: u64) -> Self {
        Self { rows: Vec::new(), places: HashMap::new(), budget, used: 0, stamp: 0, random: seed | 1 }
    }

    pub(super) fn budget(&self) -> Budget {
        self.budget
    }

    pub(super) fn set_budget(&mut self, budget: Budget) {
        self.budget = budget;
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    pub(super) fn over_budget(&self, with: u32) -> bool {
        self.used + u64::from(with) > self.budget.capacity
    }

    pub(super) fn row(&self, id: u64) -> Option<&Row> {
        self.rows.get(*self.places.get(&id)?)
    }

    /// A read.
    pub(super) fn touch(&mut self, id: u64) -> Option<Row> {
        self.stamp += 1;
        let row = self.rows.get_mut(*self.places.get(&id)?)?;
        row.hits = row.hits.saturating_add(1);
        row.last_access = self.stamp;
        Some(*row)
    }

    /// Adds a row that is not there.
    pub(super) fn insert(&mut self, id: u64, size: u32, ttl_ms: Option<u64>) {
        self.stamp += 1;
        self.used += u64::from(size);
        self.places.insert(id, self.rows.len());
        self.rows.push(Row { id, size, ttl_ms, hits: 0, last_access: self.stamp });
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Row> {
        let place = self.places.remove(&id)?;
        let row = self.rows.swap_remove(place);
        if let Some(moved) = self.rows.get(place) {
            self.places.insert(moved.id, place);
        }
        self.used -= u64::from(row.size);
        Some(row)
    }

    /// The least recently used of a few.
    pub(super) fn fallback_victim(&mut self) -> Option<u64> {
        let len = self.rows.len();
        let rows = (0..SAMPLES.min(len)).filter_map(|_| {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            self.rows.get((self.random % len as u64) as usize)
        });
        rows.min_by_key(|row| row.last_access).map(|row| row.id)
    }

    /// What a strategy that takes over is told: least recently used first.
    pub(super) fn residents(&self) -> Vec<Resident> {
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| row.last_access);
        let resident =
            |row: Row| Resident { id: row.id, namespace: 0, size: row.size, ttl_ms: row.ttl_ms, hits: row.hits };
        rows.into_iter().map(resident).collect()
    }
}
