use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use switchyard_host::caching::{Budget, CacheTable, Event, Load, Resident, Unit};

use crate::{clock::Clock, shard::Shard, table::Payload};

/// Residents that one slice of a walk looks at under the lock: some microseconds.
const RESIDENTS_SLICE: usize = 512;

/// Seed of the eviction samples of shard 0; the next shards count on. Fixed, so that a replay repeats itself.
const SAMPLE_SEED: u64 = 0x5357_4954_4348_5944;

/// A shard on cache lines of its own: two cores that work in neighbouring shards do not take lines from each other.
/// 128 bytes, because the prefetcher fetches them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Cell<P> {
    shard: Mutex<Shard<P>>,
    capacity: AtomicU64,
}

/// Every shard of a cache, and the share of the budget that each may hold. This is what a caching slot sees.
#[derive(Debug)]
pub(crate) struct Shards<P> {
    first: Cell<P>,
    rest: Box<[Cell<P>]>,
    /// How far an id is moved right to give its shard: shards are told apart by the highest bits, places in a shard's
    /// index by the lowest.
    shift: u32,
    unit: Unit,
    clock: Clock,
}

impl<P: Payload> Shards<P> {
    /// Shards for this budget. Their number is rounded up to a power of two, and halved while some would hold nothing.
    pub(crate) fn new(shards: usize, budget: Budget, clock: Clock) -> Self {
        let most = 1_u64 << budget.capacity.max(1).ilog2();
        let shards = shards.max(1).next_power_of_two().min(usize::try_from(most).unwrap_or(usize::MAX));
        let mut cells = (0..shards).map(|at| Cell {
            shard: Mutex::new(Shard::new(SAMPLE_SEED + at as u64)),
            capacity: AtomicU64::new(share(budget.capacity, shards, at)),
        });
        let first = cells.next().unwrap_or_else(|| Cell {
            shard: Mutex::new(Shard::new(SAMPLE_SEED)),
            capacity: AtomicU64::new(budget.capacity),
        });
        Self { first, rest: cells.collect(), shift: u64::BITS - shards.trailing_zeros(), unit: budget.unit, clock }
    }

    pub(crate) fn len(&self) -> usize {
        1 + self.rest.len()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }

    /// Which shard an id belongs to.
    #[inline]
    pub(crate) fn shard_of(&self, id: u64) -> usize {
        id.checked_shr(self.shift).unwrap_or(0) as usize
    }

    /// What the shard may hold.
    #[inline]
    pub(crate) fn capacity(&self, shard: usize) -> u64 {
        self.cell(shard).capacity.load(Ordering::Relaxed)
    }

    /// What all shards may hold.
    pub(crate) fn total_capacity(&self) -> u64 {
        (0..self.len()).map(|shard| self.capacity(shard)).sum()
    }

    /// Splits another capacity over the shards. Nothing is evicted here.
    pub(crate) fn set_capacity(&self, capacity: u64) {
        for shard in 0..self.len() {
            self.cell(shard).capacity.store(share(capacity, self.len(), shard), Ordering::Relaxed);
        }
    }

    /// The shard, locked.
    #[inline]
    pub(crate) fn lock(&self, shard: usize) -> MutexGuard<'_, Shard<P>> {
        self.cell(shard).shard.lock()
    }

    #[inline]
    fn cell(&self, shard: usize) -> &Cell<P> {
        self.rest.get(shard.wrapping_sub(1)).unwrap_or(&self.first)
    }
}

/// The share of one shard: the remainder goes to the first ones, so that the shares add up to the whole.
fn share(capacity: u64, shards: usize, shard: usize) -> u64 {
    let shards = shards as u64;
    capacity / shards + u64::from((shard as u64) < capacity % shards)
}

impl<P: Payload + Send + 'static> CacheTable for Shards<P> {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn budget(&self, shard: usize) -> Budget {
        Budget { unit: self.unit, capacity: self.capacity(shard) }
    }

    fn drain(&self, shard: usize, max: usize, into: &mut Vec<Event>) {
        self.lock(shard).events.drain(max, into);
    }

    /// Positions are walked downwards: whatever moves into a hole comes from a higher position, so it can be seen twice
    /// and never be missed.
    fn residents(&self, shard: usize, cursor: Option<usize>, into: &mut Vec<Resident>) -> Option<usize> {
        let now_ms = self.clock.now_ms();
        let shard = self.lock(shard);
        let end = cursor.unwrap_or(usize::MAX).min(shard.table.len());
        let start = end.saturating_sub(RESIDENTS_SLICE);
        let slots = (start..end).rev().filter_map(|position| shard.table.slot(position as u32));
        into.extend(slots.filter(|slot| !slot.expired(now_ms)).map(|slot| Resident {
            id: slot.id,
            namespace: slot.namespace,
            size: slot.size,
            ttl_ms: slot.ttl_ms(now_ms),
            hits: slot.hits,
            last_access: slot.last_access,
        }));
        (start > 0).then_some(start)
    }

    fn load(&self, shard: usize) -> Load {
        self.lock(shard).load()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Incoming, NEVER};

    fn shards(count: usize, capacity: u64) -> Shards<()> {
        let budget = Budget { unit: Unit::Entries, capacity };
        Shards::new(count, budget, Clock::Trace(AtomicU64::new(0)))
    }

    #[test]
    fn shares_add_up_to_the_budget() {
        for (count, capacity) in [(1, 979), (2, 979), (3, 10), (8, 5), (64, 1 << 40), (4, 0)] {
            let shards = shards(count, capacity);
            assert!(shards.len() == count.next_power_of_two() || (shards.len() as u64) <= capacity.max(1));
            assert!(capacity == 0 || (0..shards.len()).all(|shard| shards.capacity(shard) > 0));
            assert_eq!(shards.total_capacity(), capacity);
            shards.set_capacity(capacity * 3 + 1);
            assert_eq!(shards.total_capacity(), capacity * 3 + 1);
        }
    }

    #[test]
    fn ids_go_to_the_shard_of_their_high_bits() {
        assert_eq!(shards(1, 1).shard_of(u64::MAX), 0);
        let four = shards(4, 4);
        for (id, shard) in [(0, 0), (1 << 62, 1), (1 << 63, 2), (u64::MAX, 3)] {
            assert_eq!(four.shard_of(id), shard);
        }
    }

    #[test]
    fn a_walk_sees_whatever_stays() {
        let shards = shards(1, 10_000);
        let incoming = |id| Incoming { id, namespace: 0, size: 1, expires_at_ms: NEVER, payload: () };
        (0..3_000).for_each(|id| shards.lock(0).table.put(incoming(id)));
        let mut seen = Vec::new();
        let mut cursor = shards.residents(0, None, &mut seen);
        let mut next = 0;
        while let Some(at) = cursor {
            // Between the slices every tenth of the first entries goes, and new ones come.
            for id in (next..next + 300).step_by(10) {
                shards.lock(0).table.remove_id(id);
                shards.lock(0).table.put(incoming(10_000 + id));
            }
            next += 300;
            cursor = shards.residents(0, Some(at), &mut seen);
        }
        let seen: std::collections::BTreeSet<u64> = seen.iter().map(|resident| resident.id).collect();
        let stayed = (0..3_000_u64).filter(|id| *id >= next || id % 10 != 0);
        assert_eq!(stayed.filter(|id| !seen.contains(id)).count(), 0);
    }
}
