//! The way into the table: the strategy is asked, and what it says is held against what is there. The cache and the replay
//! share it, so that a replay measures what a node does.

use parking_lot::MutexGuard;
use switchyard_host::caching::{CachingSlot, Decision, Entry, Wants};

use crate::{
    shard::{Room, Shard},
    shards::Shards,
    table::{Incoming, NEVER, Payload, Slot},
};

/// Bytes of a key that crosses to a strategy that asked for keys. A longer one stays here: copying megabytes would use up
/// the strategy's budget, and a client must not be able to fail it.
const KEY_BYTES_MAX: usize = 4 << 10;
/// Entries that are evicted in one go before the lock is offered to those who wait for it.
const EVICTIONS_PER_TURN: usize = 64;
/// Timers that a store looks at: more than it can add, so that expired entries do not pile up.
const EXPIRY_STEPS: usize = 4;

/// What happened to an entry that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the table.
    Stored,
    /// The strategy did not want it; an older value is gone.
    Refused,
    /// Larger than the shard's whole budget: nothing was changed.
    TooLarge,
    /// The caller's own condition did not hold: nothing was stored.
    Declined,
}

/// The answer to an offer, and whether the shard's events are worth a call now: the cache wakes a policy thread, the
/// replay observes on the spot.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) shard: usize,
    pub(crate) batch_is_full: bool,
}

/// An entry that is offered to the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offer<'a> {
    pub(crate) id: u64,
    pub(crate) key: &'a [u8],
    pub(crate) namespace: u32,
    /// In the budget's unit, as far as it is known before the lock is held.
    pub(crate) size: u32,
    /// As asked; none: no expiry.
    pub(crate) ttl_ms: Option<u64>,
    /// Kept whatever the strategy says: the caller was promised that the value is there (INCR, NX, XX, GET).
    pub(crate) always: bool,
}

impl Offer<'_> {
    /// What crosses to the strategy: the key only where it is wanted.
    fn entry(&self, wants: Wants) -> Entry {
        Entry {
            id: self.id,
            namespace: self.namespace,
            size: self.size,
            ttl_ms: self.ttl_ms,
            key: (wants.keys && self.key.len() <= KEY_BYTES_MAX).then(|| self.key.to_vec()),
        }
    }
}

/// What an offer becomes under the lock, beside the resident that it would replace. None: the caller's condition does not
/// hold.
pub(crate) struct Stored<P> {
    pub(crate) payload: P,
    pub(crate) size: u32,
    pub(crate) expires_at_ms: u64,
}

/// Offers an entry to the strategy of its shard and puts it where the answer says. `prepare` runs under the shard's lock.
pub(crate) fn store<P: Payload>(
    shards: &Shards<P>,
    slot: &CachingSlot,
    now_ms: u64,
    offer: Offer<'_>,
    prepare: impl FnOnce(Option<&Slot<P>>) -> Option<Stored<P>>,
) -> Answer {
    let shard = shards.shard_of(offer.id);
    let capacity = shards.capacity(shard);
    if u64::from(offer.size) > capacity {
        shards.lock(shard).counters.too_large += 1;
        return Answer { outcome: Outcome::TooLarge, shard, batch_is_full: false };
    }
    let entry = offer.entry(slot.wants());
    let (applied, asked) = slot.store(shard, now_ms, &entry, |decision| {
        let mut guard = shards.lock(shard);
        let wants = slot.wants();
        guard.attend(wants);
        (
            Settling { guard, wants, now_ms, capacity, offer, decision, contested: false }.settle(prepare),
            decision.is_some(),
        )
    });
    if applied.unknown_victims > 0 {
        slot.count_unknown_victims(applied.unknown_victims);
    }
    if asked && applied.evicted > 0 {
        slot.count_fallback_evictions(applied.evicted);
    }
    Answer { outcome: applied.outcome, shard, batch_is_full: applied.batch_is_full }
}

/// What was done with an answer.
#[derive(Debug)]
struct Applied {
    outcome: Outcome,
    unknown_victims: u64,
    /// By the built-in policy.
    evicted: u64,
    batch_is_full: bool,
}

/// One answer and the locked shard that it is about.
struct Settling<'a, P> {
    guard: MutexGuard<'a, Shard<P>>,
    wants: Wants,
    now_ms: u64,
    capacity: u64,
    offer: Offer<'a>,
    decision: Option<&'a Decision>,
    /// An older value was removed between the decision and now: the instance will hear of it and must then hear that the
    /// new one is there.
    contested: bool,
}

impl<P: Payload> Settling<'_, P> {
    fn settle(mut self, prepare: impl FnOnce(Option<&Slot<P>>) -> Option<Stored<P>>) -> Applied {
        self.contested = self.decision.is_some() && self.guard.events.removed_lately(self.offer.id);
        self.forget_expired();
        // Victims first: one that has just expired is still there, and the instance was right about it.
        let unknown_victims = self.remove_victims();
        self.guard.expire(self.wants, self.now_ms, EXPIRY_STEPS);
        let kept = self.offer.always || self.decision.is_none_or(|decision| decision.admit && decision.memory);
        let (outcome, evicted) = if kept { self.keep(prepare) } else { (self.refuse(), 0) };
        let batch_is_full = self.guard.batch_is_full(self.wants);
        Applied { outcome, unknown_victims, evicted, batch_is_full }
    }

    /// An older value whose time is over goes without a word where the instance has just decided about its id: it would
    /// take the news for the end of the new one.
    fn forget_expired(&mut self) {
        let Some(position) = self.decision.and_then(|_| self.guard.table.find(self.offer.id)) else { return };
        if self.guard.table.slot(position).is_some_and(|slot| slot.expired(self.now_ms)) {
            self.guard.table.remove(position);
            self.guard.counters.expired += 1;
        }
    }

    /// Victims go even where the entry then does not come: the strategy believes that they are gone.
    fn remove_victims(&mut self) -> u64 {
        let mut unknown = 0;
        let victims = self.decision.map(|decision| decision.victims.as_slice()).unwrap_or_default();
        // The offered entry's own old value is not a victim: what takes its place may be made from it (INCR, XX).
        for victim in victims.iter().filter(|victim| **victim != self.offer.id) {
            match self.guard.table.remove_id(*victim) {
                Some(_) => self.guard.counters.evicted_by_strategy += 1,
                None => unknown += 1,
            }
        }
        unknown
    }

    fn refuse(&mut self) -> Outcome {
        self.guard.table.remove_id(self.offer.id);
        self.guard.counters.refused += 1;
        if self.decision.is_some_and(|decision| decision.admit) {
            // It was meant for a tier that this node does not have.
            self.guard.events.removed(self.offer.id, self.offer.namespace);
        }
        Outcome::Refused
    }

    fn keep(&mut self, prepare: impl FnOnce(Option<&Slot<P>>) -> Option<Stored<P>>) -> (Outcome, u64) {
        let mut evicted = self.make_all_room();
        let resident = self.guard.peek(self.wants, self.now_ms, self.offer.id, self.offer.key);
        let Some(stored) = prepare(resident) else {
            self.correct();
            return (Outcome::Declined, evicted);
        };
        if stored.size > self.offer.size {
            // The value has grown since the strategy was asked, by a few digits. The lock stays: what `prepare` saw holds.
            evicted += self.make_room(stored.size).0;
        }
        self.put(stored);
        (Outcome::Stored, evicted)
    }

    fn make_all_room(&mut self) -> u64 {
        let mut total = 0;
        loop {
            let (evicted, fits) = self.make_room(self.offer.size);
            total += evicted;
            if fits || evicted == 0 {
                return total;
            }
            MutexGuard::bump(&mut self.guard);
        }
    }

    fn make_room(&mut self, size: u32) -> (u64, bool) {
        let room = Room { capacity: self.capacity, size, keep: Some(self.offer.id) };
        self.guard.make_room(self.wants, self.now_ms, room, EVICTIONS_PER_TURN)
    }

    fn put(&mut self, stored: Stored<P>) {
        let Offer { id, namespace, .. } = self.offer;
        let shortened = self.decision.filter(|_| !self.offer.always).and_then(|decision| decision.ttl_ms);
        let at_most = shortened.map_or(NEVER, |ttl_ms| self.now_ms.saturating_add(ttl_ms));
        let Stored { payload, size, expires_at_ms } = stored;
        let expires_at_ms = expires_at_ms.min(at_most);
        self.guard.table.put(Incoming { id, namespace, size, expires_at_ms, payload });
        self.guard.counters.stores += 1;
        let decided = self.decision.is_some_and(|decision| decision.admit && decision.memory);
        let known = decided && size == self.offer.size && !self.contested;
        if !known && self.wants.batch > 0 {
            self.guard.events.stored(id, namespace, size);
        }
    }

    /// The strategy was asked about an entry that then was not stored: it is told what is there instead.
    fn correct(&mut self) {
        if self.decision.is_none() || self.wants.batch == 0 {
            return;
        }
        let Offer { id, namespace, .. } = self.offer;
        let resident = self.guard.table.find(id).and_then(|position| self.guard.table.slot(position));
        match resident.map(|slot| (slot.namespace, slot.size)) {
            Some((namespace, size)) => self.guard.events.stored(id, namespace, size),
            None => self.guard.events.removed(id, namespace),
        }
    }
}

#[cfg(test)]
mod tests;
