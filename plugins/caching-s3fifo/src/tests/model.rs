use std::collections::VecDeque;

use proptest::prelude::*;
use switchyard_sdk::{
    caching::Unit,
    testing::{shake, spread},
};

use super::cache;
use crate::S3Fifo;

#[derive(Clone, Copy)]
struct Item {
    id: u64,
    size: u64,
    hits: u32,
}

/// S3-FIFO written down from its description, with vectors that are searched.
#[derive(Default)]
struct Model {
    capacity: u64,
    small: VecDeque<Item>,
    main: VecDeque<Item>,
    ghost: VecDeque<Item>,
    evicted: bool,
}

fn used(queue: &VecDeque<Item>) -> u64 {
    queue.iter().map(|item| item.size).sum()
}

impl Model {
    fn access(&mut self, id: u64, size: u64) -> bool {
        if let Some(item) = self.small.iter_mut().chain(&mut self.main).find(|item| item.id == id) {
            item.hits += 1;
            return true;
        }
        if size > self.capacity {
            return false;
        }
        let known = self.ghost.iter().position(|item| item.id == id);
        known.and_then(|at| self.ghost.remove(at));
        while used(&self.small) + used(&self.main) + size > self.capacity {
            self.evicted = true;
            self.evict();
        }
        let small_is_full = used(&self.small) + size > self.capacity / 10;
        let to_main = known.is_some() || (!self.evicted && small_is_full);
        let queue = if to_main { &mut self.main } else { &mut self.small };
        queue.push_back(Item { id, size, hits: 0 });
        false
    }

    fn evict(&mut self) {
        let main_share = self.capacity - self.capacity / 10;
        if used(&self.main) > main_share || self.small.is_empty() {
            while let Some(item) = self.main.pop_front() {
                if item.hits == 0 {
                    return;
                }
                self.main.push_back(Item { hits: item.hits.min(3) - 1, ..item });
            }
        }
        while let Some(item) = self.small.pop_front() {
            if item.hits >= 2 {
                self.main.push_back(Item { hits: 0, ..item });
                continue;
            }
            self.ghost.push_back(item);
            while used(&self.ghost) > main_share {
                self.ghost.pop_front();
            }
            return;
        }
    }
}

proptest! {
    #[test]
    fn hits_are_those_of_the_model(
        accesses in prop::collection::vec((0..90_u64, any::<bool>()), 1..2_000),
        capacity in 1..70_u64,
        unit in prop::sample::select(vec![Unit::Entries, Unit::Bytes]),
    ) {
        let mut model = Model { capacity, ..Model::default() };
        let mut cache = cache("{}", unit, capacity);
        for (id, popular) in accesses {
            let id = if popular { id % 11 } else { id };
            let size = if unit == Unit::Bytes { 1 + id % 7 } else { 1 };
            prop_assert_eq!(cache.access_sized(spread(id), size as u32), model.access(id, size), "id {}", id);
        }
        prop_assert_eq!(cache.used(), used(&model.small) + used(&model.main));
        let figures = cache.figures();
        prop_assert_eq!((figures.unknown_victims, figures.fallback_evictions), (0, 0));
    }

    #[test]
    fn the_contract_is_kept(seed: u64, unit in prop::sample::select(vec![Unit::Entries, Unit::Bytes])) {
        let strict = r#"{"small_percent": 50, "ghost_percent": 0, "promotion_hits": 1, "fill_main": false}"#;
        prop_assert_eq!(shake::<S3Fifo>("{}", unit, seed, 500), Ok(()));
        prop_assert_eq!(shake::<S3Fifo>(strict, unit, seed, 500), Ok(()));
    }
}
