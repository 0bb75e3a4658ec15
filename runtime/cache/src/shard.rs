use switchyard_host::caching::{Load, Wants};

use crate::{
    events::EventBuffer,
    namespace::namespace_of,
    table::{Payload, Slot, Table},
};

/// What a shard has done since it was made.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counters {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) stores: u64,
    pub(crate) refused: u64,
    pub(crate) too_large: u64,
    pub(crate) evicted_by_strategy: u64,
    pub(crate) evicted_by_fallback: u64,
    pub(crate) expired: u64,
}

/// A table with what is told of it: events for the strategy, counters for people. Everything here runs under the
/// shard's lock and calls nothing outside.
#[derive(Debug)]
pub(crate) struct Shard<P> {
    pub(crate) table: Table<P>,
    pub(crate) events: EventBuffer,
    pub(crate) counters: Counters,
    reported: (u64, u64),
}

impl<P: Payload> Shard<P> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            table: Table::new(seed),
            events: EventBuffer::default(),
            counters: Counters::default(),
            reported: (0, 0),
        }
    }

    /// Whether so many events wait that the strategy should be told.
    #[inline]
    pub(crate) fn batch_is_full(&self, wants: Wants) -> bool {
        wants.batch > 0 && self.events.len() >= wants.batch
    }

    /// Nobody listens any more: what was meant for an earlier strategy must not reach the next one, which adopts the table
    /// as it then is.
    #[inline]
    pub(crate) fn attend(&mut self, wants: Wants) {
        if wants.batch == 0 && self.events.len() > 0 {
            self.events.clear();
        }
    }

    /// Reads an entry: a hit or a miss, counted and told.
    #[inline]
    pub(crate) fn read<R>(
        &mut self,
        wants: Wants,
        now_ms: u64,
        id: u64,
        key: &[u8],
        read: impl FnOnce(&P) -> R,
    ) -> Option<R> {
        let position = self.live(wants, now_ms, id, key);
        let Some(slot) = position.and_then(|position| self.table.touch(position)) else {
            self.counters.misses += 1;
            if wants.misses {
                self.events.read(id, namespace_of(key), 0, false);
            }
            return None;
        };
        self.counters.hits += 1;
        if wants.hits {
            self.events.read(id, slot.namespace, slot.size, true);
        }
        Some(read(&slot.payload))
    }

    /// The entry of this key without counting a read.
    pub(crate) fn peek(&mut self, wants: Wants, now_ms: u64, id: u64, key: &[u8]) -> Option<&Slot<P>> {
        let position = self.live(wants, now_ms, id, key)?;
        self.table.slot(position)
    }

    /// Where the entry of this key is. What has expired is removed on the way.
    #[inline]
    pub(crate) fn live(&mut self, wants: Wants, now_ms: u64, id: u64, key: &[u8]) -> Option<u32> {
        let position = self.table.find(id)?;
        let slot = self.table.slot(position)?;
        if slot.expired(now_ms) {
            let gone = self.table.remove(position);
            self.tell_expired(wants, gone);
            return None;
        }
        slot.payload.belongs_to(key).then_some(position)
    }

    /// Removes the entry of this key because somebody asked for it.
    pub(crate) fn delete(&mut self, wants: Wants, now_ms: u64, id: u64, key: &[u8]) -> bool {
        let gone = self.live(wants, now_ms, id, key).and_then(|position| self.table.remove(position));
        self.tell_removed(wants, gone.as_ref());
        gone.is_some()
    }

    /// Removes up to `max` entries, whichever: for a flush in slices. Returns whether any are left.
    pub(crate) fn clear(&mut self, wants: Wants, max: usize) -> bool {
        for _ in 0..max {
            let Some(last) = self.table.len().checked_sub(1) else { return false };
            let gone = self.table.remove(last as u32);
            self.tell_removed(wants, gone.as_ref());
        }
        self.table.len() > 0
    }

    /// Removes what has expired, in at most `steps` steps. Returns whether there may be more.
    pub(crate) fn expire(&mut self, wants: Wants, now_ms: u64, mut steps: usize) -> bool {
        while let Some(gone) = self.table.pop_expired(now_ms, &mut steps) {
            self.tell_expired(wants, Some(gone));
        }
        steps == 0
    }

    /// Evicts by the built-in policy, at most `max` entries, until the room is there; the entry that will be replaced is
    /// counted as gone and stays. Returns how many went, and whether it fits now.
    pub(crate) fn make_room(&mut self, wants: Wants, now_ms: u64, room: Room, max: usize) -> (u64, bool) {
        let resident = room.keep.and_then(|id| self.table.find(id)).and_then(|position| self.table.slot(position));
        let replaced = resident.map_or(0, |slot| slot.size);
        let target = room.capacity.saturating_sub(u64::from(room.size)) + u64::from(replaced);
        let mut evicted = 0;
        while self.table.used() > target && evicted < max as u64 {
            let Some(gone) = self.table.sample(now_ms, room.keep).and_then(|position| self.table.remove(position))
            else {
                break;
            };
            evicted += 1;
            self.tell_removed(wants, Some(&gone));
        }
        self.counters.evicted_by_fallback += evicted;
        (evicted, self.table.used() <= target)
    }

    /// Figures since the last call.
    pub(crate) fn load(&mut self) -> Load {
        let (hits, requests) = (self.counters.hits, self.counters.hits + self.counters.misses);
        let (hits_before, requests_before) = std::mem::replace(&mut self.reported, (hits, requests));
        Load {
            requests: requests - requests_before,
            hits: hits - hits_before,
            entries: self.table.len() as u64,
            used: self.table.used(),
        }
    }

    pub(crate) fn tell_removed(&mut self, wants: Wants, gone: Option<&Slot<P>>) {
        if let Some(slot) = gone.filter(|_| wants.batch > 0) {
            self.events.removed(slot.id, slot.namespace);
        }
    }

    fn tell_expired(&mut self, wants: Wants, gone: Option<Slot<P>>) {
        self.counters.expired += 1;
        self.tell_removed(wants, gone.as_ref());
    }
}

/// What has to fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) capacity: u64,
    pub(crate) size: u32,
    /// The id of what is to be stored; none, with a size of 0, where only a smaller budget has to be met.
    pub(crate) keep: Option<u64>,
}
