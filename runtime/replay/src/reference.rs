//! Policies written once more, natively and plainly, to hold the real ones against.

use std::collections::{BTreeMap, HashMap};

/// An exact LRU over one shard. A hit keeps the size that the object entered with; an object larger than the cache is
/// not kept.
#[derive(Debug)]
pub struct Lru {
    capacity: u64,
    used: u64,
    clock: u64,
    /// By id: when it was last used, and its size.
    entries: HashMap<u64, (u64, u32)>,
    /// By last use: the id.
    order: BTreeMap<u64, u64>,
}

impl Lru {
    /// An empty cache of `capacity` entries or bytes, by what sizes count.
    pub fn new(capacity: u64) -> Self {
        Self { capacity, used: 0, clock: 0, entries: HashMap::new(), order: BTreeMap::new() }
    }

    /// Asks for an object and keeps it; whether it was there.
    pub fn access(&mut self, id: u64, size: u32) -> bool {
        self.clock += 1;
        if let Some((used_at, _)) = self.entries.get_mut(&id) {
            self.order.remove(used_at);
            *used_at = self.clock;
            self.order.insert(self.clock, id);
            return true;
        }
        if u64::from(size) <= self.capacity {
            self.make_room(size);
            self.used += u64::from(size);
            self.entries.insert(id, (self.clock, size));
            self.order.insert(self.clock, id);
        }
        false
    }

    fn make_room(&mut self, size: u32) {
        while self.used + u64::from(size) > self.capacity {
            let Some((_, victim)) = self.order.pop_first() else { return };
            let freed = self.entries.remove(&victim).map_or(0, |(_, size)| size);
            self.used -= u64::from(freed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut lru = Lru::new(2);
        let hits: Vec<_> = [1, 2, 1, 3, 2, 1, 3].map(|id| lru.access(id, 1)).into();
        assert_eq!(hits, [false, false, true, false, false, false, false]);
    }

    #[test]
    fn sizes_count_and_what_never_fits_is_not_kept() {
        let mut lru = Lru::new(10);
        assert!(!lru.access(1, 6) && !lru.access(2, 4) && lru.access(1, 6));
        assert!(!lru.access(3, 11) && lru.access(1, 6) && lru.access(2, 4));
        assert!(!lru.access(4, 5) && !lru.access(1, 6) && !lru.access(2, 4));
    }
}
