use std::collections::VecDeque;

use proptest::prelude::*;
use switchyard_sdk::{
    caching::{Budget, Unit},
    testing::{CacheDriver, shake, spread},
};

use super::*;

fn cache(unit: Unit, capacity: u64) -> CacheDriver<Lru> {
    CacheDriver::new("{}", Budget { unit, capacity }).unwrap()
}

/// LRU as a textbook has it: the most recently used at the back.
struct Model {
    entries: VecDeque<(u64, u32)>,
    capacity: u64,
}

impl Model {
    fn access(&mut self, id: u64, size: u32) -> bool {
        let known = self.entries.iter().position(|(other, _)| *other == id);
        let entry = known.and_then(|at| self.entries.remove(at));
        if entry.is_none() {
            if u64::from(size) > self.capacity {
                return false;
            }
            while self.used() + u64::from(size) > self.capacity {
                self.entries.pop_front();
            }
        }
        self.entries.push_back(entry.unwrap_or((id, size)));
        entry.is_some()
    }

    fn used(&self) -> u64 {
        self.entries.iter().map(|(_, size)| u64::from(*size)).sum()
    }
}

proptest! {
    #[test]
    fn hits_are_those_of_the_model(
        accesses in prop::collection::vec(0..60_u64, 1..1_500),
        capacity in 1..50_u64,
        unit in prop::sample::select(vec![Unit::Entries, Unit::Bytes]),
    ) {
        let mut model = Model { entries: VecDeque::new(), capacity };
        let mut cache = cache(unit, capacity);
        for id in accesses {
            // Some are larger than the smallest caches; no entry ever needs more victims than one answer may name.
            let size = if unit == Unit::Bytes { 1 + (id % 7) as u32 } else { 1 };
            prop_assert_eq!(cache.access_sized(spread(id), size), model.access(id, size), "id {}", id);
        }
        prop_assert_eq!(cache.used(), model.used());
        let figures = cache.figures();
        prop_assert_eq!((figures.unknown_victims, figures.fallback_evictions), (0, 0));
    }

    #[test]
    fn the_contract_is_kept(seed: u64, unit in prop::sample::select(vec![Unit::Entries, Unit::Bytes])) {
        prop_assert_eq!(shake::<Lru>("{}", unit, seed, 500), Ok(()));
    }

    /// A swap to another instance of the same changes no decision: order survives in what `adopt` is told.
    #[test]
    fn a_swap_changes_no_decision(accesses in prop::collection::vec(0..60_u64, 2..600), at in 0.0..1.0) {
        let (before, after) = accesses.split_at((accesses.len() as f64 * at) as usize);
        let (mut stays, mut swapped) = (cache(Unit::Entries, 20), cache(Unit::Entries, 20));
        for id in before {
            prop_assert_eq!(stays.access(*id), swapped.access(*id));
        }
        let mut swapped: CacheDriver<Lru> = swapped.swap("{}").unwrap();
        for id in after {
            prop_assert_eq!(stays.access(*id), swapped.access(*id));
        }
    }
}

#[test]
fn the_least_recently_used_goes_first() {
    let mut cache = cache(Unit::Entries, 3);
    let hits = [1, 2, 3, 1, 4, 2, 1, 3].map(|id| cache.access(id));
    assert_eq!(hits, [false, false, false, true, false, false, true, false]);
    assert!(cache.holds(1) && cache.holds(2) && cache.holds(3) && !cache.holds(4));
}

#[test]
fn a_write_is_a_use() {
    let mut cache = cache(Unit::Bytes, 10);
    assert!(cache.put(1, 4) && cache.put(2, 4) && cache.put(1, 5) && cache.put(3, 4));
    assert!(cache.holds(1) && !cache.holds(2) && cache.holds(3));
    assert_eq!(cache.used(), 9);
}

#[test]
fn what_is_larger_than_the_cache_is_refused_and_its_old_value_goes() {
    let mut cache = cache(Unit::Bytes, 10);
    assert!(cache.put(1, 4) && cache.put(2, 4));
    assert!(!cache.put(1, 11));
    assert!(!cache.holds(1) && cache.holds(2));
    assert!(cache.put(3, 6), "the refused entry's room is free");
    assert!(cache.holds(2));
    assert_eq!(cache.figures().unknown_victims, 0);
}

#[test]
fn a_smaller_budget_is_reached_by_the_next_writes() {
    let mut cache = cache(Unit::Entries, 3_000);
    cache.play(0..3_000);
    cache.resize(1_000);
    cache.access(3_000);
    let figures = cache.figures();
    // One has to go for the newcomer, 2,000 for the budget; the strategy names as many as an answer may.
    assert_eq!((cache.used(), figures.fallback_evictions, figures.unknown_victims), (1_000, 2_001 - 1_024, 0));
    assert!((0..1_024).all(|id| !cache.holds(id)), "those that the strategy named are the least recently used");
}

#[test]
fn a_configuration_has_no_keys() {
    let budget = Budget { unit: Unit::Entries, capacity: 1 };
    let error = CacheDriver::<Lru>::new(r#"{"size": 1}"#, budget).err().unwrap();
    assert!(error.starts_with(r#"configuration key "size" has the value 1: unknown field"#), "{error}");
}
