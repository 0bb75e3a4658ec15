use std::collections::VecDeque;

use switchyard_host::caching::{Event, EventKind};

/// Reads that wait for the strategy of a shard. Beyond it they are dropped and counted: a strategy that misses some reads
/// decides a little worse, and readers never wait.
const READS_MAX: usize = 4_096;
/// Changes that wait for the strategy of a shard, reads among them. A strategy that misses changes names victims that
/// are gone, so these have far more room; beyond it they are dropped and counted too.
const CHANGES_MAX: usize = 65_536;

/// Events at the end of the buffer among which the removal of an id is looked for: more than come between a decision
/// and its being applied, some microseconds.
const LATELY: usize = 64;

/// What has happened in a shard and its strategy has not yet been told, in order.
#[derive(Debug, Default)]
pub(crate) struct EventBuffer {
    events: VecDeque<Event>,
    reads_dropped: u64,
    changes_dropped: u64,
}

impl EventBuffer {
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn read(&mut self, id: u64, namespace: u32, size: u32, hit: bool) {
        if self.events.len() >= READS_MAX {
            self.reads_dropped += 1;
            return;
        }
        let kind = if hit { EventKind::Hit } else { EventKind::Miss };
        self.events.push_back(Event { id, namespace, size, kind });
    }

    pub(crate) fn stored(&mut self, id: u64, namespace: u32, size: u32) {
        self.change(Event { id, namespace, size, kind: EventKind::Stored });
    }

    pub(crate) fn removed(&mut self, id: u64, namespace: u32) {
        self.change(Event { id, namespace, size: 0, kind: EventKind::Removed });
    }

    fn change(&mut self, event: Event) {
        if self.events.len() >= CHANGES_MAX {
            self.changes_dropped += 1;
        } else {
            self.events.push_back(event);
        }
    }

    /// Whether the newest events say that this id is gone.
    pub(crate) fn removed_lately(&self, id: u64) -> bool {
        let mut newest = self.events.iter().rev().take(LATELY);
        newest.any(|event| event.id == id && event.kind == EventKind::Removed)
    }

    /// Forgets what no strategy will be told.
    pub(crate) fn clear(&mut self) {
        self.events.clear();
    }

    /// Moves up to `max` of the oldest into `into`.
    pub(crate) fn drain(&mut self, max: usize, into: &mut Vec<Event>) {
        into.extend(self.events.drain(..max.min(self.events.len())));
    }

    /// Reads and changes that found no room.
    pub(crate) fn dropped(&self) -> (u64, u64) {
        (self.reads_dropped, self.changes_dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_dropped_long_before_changes() {
        let mut buffer = EventBuffer::default();
        (0..READS_MAX as u64 + 5).for_each(|id| buffer.read(id, 0, 1, id % 2 == 0));
        assert_eq!((buffer.len(), buffer.dropped()), (READS_MAX, (5, 0)));
        (0..CHANGES_MAX as u64).for_each(|id| buffer.stored(id, 0, 1));
        assert_eq!((buffer.len(), buffer.dropped()), (CHANGES_MAX, (5, READS_MAX as u64)));
    }

    #[test]
    fn events_leave_in_their_order() {
        let mut buffer = EventBuffer::default();
        buffer.stored(1, 7, 10);
        buffer.read(1, 7, 10, true);
        buffer.removed(1, 7);
        let mut events = Vec::new();
        buffer.drain(2, &mut events);
        buffer.drain(2, &mut events);
        let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::Stored, EventKind::Hit, EventKind::Removed]);
        assert_eq!((events[2].size, buffer.len()), (0, 0));
        buffer.stored(2, 7, 10);
        buffer.clear();
        assert_eq!(buffer.len(), 0);
    }
}
