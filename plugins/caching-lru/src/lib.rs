//! Least recently used, exactly: every read and write moves an entry to the back of one queue, victims come from its
//! front.
//!
//! What this is not: an approximation. Where every access is reported, decisions are those of a textbook LRU, with
//! entries in the order of their last access across a swap too (`adopt` tells residents in that order, so there is no
//! state to export). Start reading at [`Lru`].

use switchyard_sdk::{
    caching::{Budget, Caching, Decision, Entry, Event, EventKind, Victims, entries_expected},
    export_caching,
    lifecycle::{Interests, NoConfiguration},
    queues::Queues,
};

/// The only queue.
const RECENCY: usize = 0;

/// The strategy: one shard's residents, least recently used first.
#[derive(Debug, Default)]
pub struct Lru {
    capacity: u64,
    residents: Queues<(), 1>,
}

impl Caching for Lru {
    type Configuration = NoConfiguration;

    const INTERESTS: Interests = Interests::NONE.with_hits();

    fn new(_: NoConfiguration, _seed: u64) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn resize(&mut self, budget: Budget) {
        self.capacity = budget.capacity;
        self.residents.reserve(entries_expected(budget));
    }

    fn store(&mut self, _now_ms: u64, entry: &Entry, victims: &mut Victims) -> Decision {
        self.residents.remove(entry.id);
        let size = u64::from(entry.size);
        if size > self.capacity {
            return Decision::REFUSE;
        }
        // Beyond the bound the host makes the rest of the room and says whom it took.
        while self.residents.used(RECENCY).saturating_add(size) > self.capacity && !victims.is_full() {
            let Some(oldest) = self.residents.pop_front(RECENCY) else { break };
            victims.push(oldest.id);
        }
        self.residents.push_back(RECENCY, entry.id, entry.size, ());
        Decision::ADMIT
    }

    fn event(&mut self, _now_ms: u64, event: &Event) {
        match event.kind {
            EventKind::Hit => drop(self.residents.move_to_back(RECENCY, event.id)),
            EventKind::Stored => self.residents.push_back(RECENCY, event.id, event.size, ()),
            EventKind::Removed => drop(self.residents.remove(event.id)),
            EventKind::Miss => {}
        }
    }
}

export_caching!(Lru);

#[cfg(test)]
mod tests;
