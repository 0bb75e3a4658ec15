//! One shard's entries: an index from ids to dense slots, a timer wheel, and the accounting. It knows nothing of plugins
//! or protocols, and nothing is evicted by itself: callers make room, then insert.

mod random;
mod slab;
mod slot;
mod wheel;

use hashbrown::HashTable;

use random::Random;
use slab::Slab;
pub(crate) use slot::{Incoming, NEVER, Payload, Record, Slot};
use wheel::Wheel;

/// What an entry costs beside its key and value, in bytes: the slot 64, its place in the index 16 (8 at a mean load of
/// 65 %, with control bytes), the shared allocation's counters 16, the allocator's header and rounding 16. The
/// test `tests/memory.rs` holds it against the resident memory of a real table.
pub const ENTRY_OVERHEAD_BYTES: u64 = 112;

/// Residents that the built-in eviction looks at: Redis's own `maxmemory-samples`.
const SAMPLE: u32 = 5;

/// Where an entry is, with enough of its id that the index can grow without reading the entries.
#[derive(Debug, Clone, Copy)]
struct Place {
    tag: u32,
    position: u32,
}

impl Place {
    fn hash(tag: u32) -> u64 {
        // The index takes its 7 control bits from the top and the bucket from the bottom.
        u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// The entries of one shard.
#[derive(Debug)]
pub(crate) struct Table<P> {
    index: HashTable<Place>,
    slots: Slab<Slot<P>>,
    wheel: Wheel,
    random: Random,
    used: u64,
    bytes: u64,
    accesses: u64,
}

impl<P: Payload> Table<P> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            index: HashTable::new(),
            slots: Slab::new(),
            wheel: Wheel::new(),
            random: Random::new(seed),
            used: 0,
            bytes: 0,
            accesses: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Entries with a time to live.
    pub(crate) fn expiring(&self) -> usize {
        self.wheel.len()
    }

    /// The sizes of all entries, in the budget's unit.
    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    /// Keys, values and overhead of all entries, whatever the budget counts.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Where the entry with this id is.
    #[inline]
    pub(crate) fn find(&self, id: u64) -> Option<u32> {
        let tag = id as u32;
        self.index
            .find(Place::hash(tag), |place| {
                place.tag == tag && self.slots.get(place.position).is_some_and(|slot| slot.id == id)
            })
            .map(|place| place.position)
    }

    #[inline]
    pub(crate) fn slot(&self, position: u32) -> Option<&Slot<P>> {
        self.slots.get(position)
    }

    /// Counts a read of the entry and returns it.
    #[inline]
    pub(crate) fn touch(&mut self, position: u32) -> Option<&Slot<P>> {
        self.accesses += 1;
        let slot = self.slots.get_mut(position)?;
        slot.hits = slot.hits.saturating_add(1);
        slot.last_access = self.accesses;
        Some(slot)
    }

    /// Inserts the entry, in place of the one with the same id if there is one.
    pub(crate) fn put(&mut self, incoming: Incoming<P>) {
        match self.find(incoming.id) {
            Some(position) => self.replace(position, incoming),
            None => self.insert(incoming),
        }
    }

    fn insert(&mut self, incoming: Incoming<P>) {
        self.accesses += 1;
        self.used += u64::from(incoming.size);
        self.bytes += incoming.payload.bytes() + ENTRY_OVERHEAD_BYTES;
        let Incoming { id, namespace, size, expires_at_ms, payload } = incoming;
        let (last_access, timer) = (self.accesses, wheel::NONE);
        let slot = Slot { id, payload, expires_at_ms: NEVER, last_access, hits: 0, size, namespace, timer };
        let position = self.slots.push(slot);
        let tag = id as u32;
        self.index.insert_unique(Place::hash(tag), Place { tag, position }, |place| Place::hash(place.tag));
        self.set_expiry(position, expires_at_ms);
    }

    fn replace(&mut self, position: u32, incoming: Incoming<P>) {
        self.accesses += 1;
        if let Some(slot) = self.slots.get_mut(position) {
            self.used = self.used - u64::from(slot.size) + u64::from(incoming.size);
            self.bytes = self.bytes - slot.payload.bytes() + incoming.payload.bytes();
            slot.payload = incoming.payload;
            (slot.size, slot.namespace) = (incoming.size, incoming.namespace);
            (slot.hits, slot.last_access) = (0, self.accesses);
        }
        self.set_expiry(position, incoming.expires_at_ms);
    }

    /// Changes when the entry expires.
    pub(crate) fn set_expiry(&mut self, position: u32, expires_at_ms: u64) {
        let Some(slot) = self.slots.get_mut(position).filter(|slot| slot.expires_at_ms != expires_at_ms) else {
            return;
        };
        self.wheel.cancel(slot.timer);
        slot.expires_at_ms = expires_at_ms;
        slot.timer = if expires_at_ms == NEVER { wheel::NONE } else { self.wheel.schedule(position, expires_at_ms) };
    }

    /// Takes the entry at this position out.
    pub(crate) fn remove(&mut self, position: u32) -> Option<Slot<P>> {
        let last = self.slots.len().checked_sub(1)? as u32;
        let slot = self.slots.swap_remove(position)?;
        self.wheel.cancel(slot.timer);
        self.unindex(slot.id, position);
        if position != last {
            self.moved(last, position);
        }
        self.used -= u64::from(slot.size);
        self.bytes -= slot.payload.bytes() + ENTRY_OVERHEAD_BYTES;
        Some(slot)
    }

    /// Takes the entry with this id out.
    pub(crate) fn remove_id(&mut self, id: u64) -> Option<Slot<P>> {
        self.remove(self.find(id)?)
    }

    /// Takes out the next entry whose time is over. Every step of the wheel takes one of `steps`.
    pub(crate) fn pop_expired(&mut self, now_ms: u64, steps: &mut usize) -> Option<Slot<P>> {
        let position = self.wheel.pop_due(now_ms, steps)?;
        if let Some(slot) = self.slots.get_mut(position) {
            slot.timer = wheel::NONE;
        }
        self.remove(position)
    }

    /// The built-in eviction's choice: the least recently used, or something expired, of five residents at random. Never
    /// the entry with the id `keep`.
    pub(crate) fn sample(&mut self, now_ms: u64, keep: Option<u64>) -> Option<u32> {
        let len = self.slots.len() as u32;
        let mut oldest = None;
        for _ in 0..SAMPLE {
            let position = self.random.below(len);
            let Some(slot) = self.slots.get(position).filter(|slot| Some(slot.id) != keep) else { continue };
            let age = if slot.expired(now_ms) { 0 } else { slot.last_access };
            if oldest.is_none_or(|(least, _)| age < least) {
                oldest = Some((age, position));
            }
        }
        oldest.map(|(_, position)| position).or_else(|| {
            // A table of two, where every draw was the one to keep.
            [0, 1].into_iter().find(|&position| self.slot(position).is_some_and(|slot| Some(slot.id) != keep))
        })
    }

    fn unindex(&mut self, id: u64, position: u32) {
        let tag = id as u32;
        let found = self.index.find_entry(Place::hash(tag), |place| place.position == position && place.tag == tag);
        if let Ok(place) = found {
            place.remove();
        }
    }

    /// The last entry has moved into a hole: the index and its timer learn where it is.
    fn moved(&mut self, from: u32, to: u32) {
        let Some(slot) = self.slots.get(to) else { return };
        let tag = slot.id as u32;
        if let Some(place) = self.index.find_mut(Place::hash(tag), |place| place.position == from && place.tag == tag) {
            place.position = to;
        }
        self.wheel.reassign(slot.timer, to);
    }
}

#[cfg(test)]
mod tests;
