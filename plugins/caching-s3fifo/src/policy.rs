use switchyard_sdk::{caching::Victims, queues::Queues};

use crate::Configuration;

/// On probation.
pub(crate) const SMALL: usize = 0;
/// Proven.
pub(crate) const MAIN: usize = 1;
/// Ids of entries that left the small queue and the cache.
pub(crate) const GHOST: usize = 2;

/// More hits than this change nothing.
pub(crate) const HITS_MAX: u8 = 3;

/// Entries that one decision looks at: where a large main queue is hot throughout, finding one that is not would walk it
/// up to three times while a caller waits. What stands first then goes, hot or not.
const STEPS_MAX: u32 = 8_192;

/// The queues of one shard, and what may be in them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Policy {
    /// Values are hits since the entry entered its queue, at most [`HITS_MAX`].
    pub(crate) queues: Queues<u8, 3>,
    /// Whether nothing has been evicted yet and the main queue may be filled directly.
    pub(crate) filling: bool,
    capacity: u64,
    small_share: u64,
    main_share: u64,
    ghost_share: u64,
    promotion_hits: u8,
}

impl Policy {
    pub(crate) fn new(configuration: &Configuration) -> Self {
        Self { filling: configuration.fill_main, promotion_hits: configuration.promotion_hits, ..Self::default() }
    }

    pub(crate) fn resize(&mut self, configuration: &Configuration, capacity: u64) {
        let percent = |whole: u64, percent: u64| (u128::from(whole) * u128::from(percent) / 100) as u64;
        self.capacity = capacity;
        self.small_share = percent(capacity, configuration.small_percent.into());
        self.main_share = capacity - self.small_share;
        self.ghost_share = percent(self.main_share, configuration.ghost_percent.into());
        self.trim_ghost();
    }

    pub(crate) fn fits(&self, size: u32) -> bool {
        u64::from(size) <= self.capacity
    }

    /// A resident was read.
    pub(crate) fn hit(&mut self, id: u64) {
        if let Some(hits) = self.queues.value_mut(id) {
            *hits = (*hits + 1).min(HITS_MAX);
        }
    }

    /// A resident is gone. The ghost keeps what it has: it speaks of entries that are gone.
    pub(crate) fn remove(&mut self, id: u64) {
        if self.queues.get(id).is_some_and(|item| item.queue != GHOST) {
            self.queues.remove(id);
        }
    }

    /// Takes an entry in, after making room for it where victims may be named.
    pub(crate) fn enter(&mut self, id: u64, size: u32, victims: Option<&mut Victims>) {
        // Out first: an entry that replaces itself must not become its own victim.
        let before = self.queues.remove(id);
        if let Some(victims) = victims {
            self.make_room(size, victims);
        }
        let (queue, hits) = match before {
            Some(item) if item.queue == GHOST => (MAIN, 0),
            Some(item) => (item.queue, (item.value + 1).min(HITS_MAX)),
            None if self.filling && self.queues.used(SMALL) + u64::from(size) > self.small_share => (MAIN, 0),
            None => (SMALL, 0),
        };
        self.queues.push_back(queue, id, size, hits);
    }

    /// The table holds these, least recently used first, and nothing else; values are hits since they were stored.
    ///
    /// What is not known enters the small queue in that order, one hit short of main: what nobody reads leaves first, as
    /// it would have under an order of last use, and one read is proof enough for what has held out so far. Splitting
    /// residents between the queues at once, by recency or by hits, was measured too (`examples/swaps`): more of
    /// what was used before and not lately stays, and hits just after a swap fall below those of the strategy before.
    pub(crate) fn adopt(&mut self, residents: &Queues<u8, 1>) {
        let one_short = self.promotion_hits.saturating_sub(1);
        for queue in [SMALL, MAIN] {
            let absent = self.queues.iter(queue).map(|item| item.id).filter(|id| residents.get(*id).is_none());
            for id in absent.collect::<Vec<_>>() {
                self.queues.remove(id);
            }
        }
        for resident in residents.iter(0) {
            match self.queues.get(resident.id).map(|item| item.queue) {
                Some(GHOST) => self.queues.push_back(MAIN, resident.id, resident.size, 0),
                Some(_) => drop(self.queues.set_size(resident.id, resident.size)),
                None => self.queues.push_back(SMALL, resident.id, resident.size, resident.value.max(one_short)),
            }
        }
    }

    fn make_room(&mut self, size: u32, victims: &mut Victims) {
        let mut steps = STEPS_MAX;
        while self.used().saturating_add(size.into()) > self.capacity && !victims.is_full() {
            self.filling = false;
            let from_main = self.queues.used(MAIN) > self.main_share || self.queues.is_empty(SMALL);
            let victim = if from_main { self.leave_main(&mut steps) } else { self.leave_small(&mut steps) };
            match victim {
                Some(victim) => drop(victims.push(victim)),
                None if self.used() == 0 => return,
                None => {}
            }
        }
    }

    /// The first of main that nobody has read since its last turn. None: main is empty.
    fn leave_main(&mut self, steps: &mut u32) -> Option<u64> {
        while let Some(first) = self.queues.front(MAIN) {
            if first.value == 0 || *steps == 0 {
                return self.queues.pop_front(MAIN).map(|item| item.id);
            }
            *steps -= 1;
            self.queues.move_front(MAIN, MAIN, first.value - 1);
        }
        None
    }

    /// The first of small that has not earned its place; those before it move to main. None: all had.
    fn leave_small(&mut self, steps: &mut u32) -> Option<u64> {
        while let Some(first) = self.queues.front(SMALL) {
            if first.value < self.promotion_hits || *steps == 0 {
                self.queues.move_front(SMALL, GHOST, 0);
                self.trim_ghost();
                return Some(first.id);
            }
            *steps -= 1;
            self.queues.move_front(SMALL, MAIN, 0);
        }
        None
    }

    fn trim_ghost(&mut self) {
        while self.queues.used(GHOST) > self.ghost_share {
            if self.queues.pop_front(GHOST).is_none() {
                return;
            }
        }
    }

    fn used(&self) -> u64 {
        self.queues.used(SMALL) + self.queues.used(MAIN)
    }
}
