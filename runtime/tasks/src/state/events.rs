use std::collections::VecDeque;

use switchyard_host::scheduling::{Event, EventKind, Load, Wants};

/// Events that wait for the strategy. At 50,000 tasks a second, each with two of them, that is more than half a second; a
/// batch is due every few milliseconds then. Beyond it they are dropped and counted: a strategy that misses some decides by
/// figures that are a little wrong, and nobody waits.
const EVENTS_MAX: usize = 65_536;

/// What has happened and the strategy has not yet been told, in order.
#[derive(Debug, Default)]
pub(crate) struct EventBuffer {
    wants: Wants,
    events: VecDeque<Event>,
    /// Since the last tick; what there is now is not kept here.
    since: Load,
    dropped: u64,
}

impl EventBuffer {
    /// From now on what the strategy wants is kept, and nothing else.
    pub(crate) fn listen(&mut self, wants: Wants) {
        self.wants = wants;
        if !self.listens() {
            self.events.clear();
        }
    }

    /// Whether a strategy is there.
    pub(super) fn listens(&self) -> bool {
        self.wants.batch > 0
    }

    pub(super) fn push(&mut self, event: Event) {
        let wanted = match event.kind {
            EventKind::Started => self.wants.started,
            EventKind::Done => self.wants.done,
            EventKind::Removed | EventKind::Placed => true,
        };
        match wanted && self.listens() {
            true if self.events.len() < EVENTS_MAX => self.events.push_back(event),
            true => self.dropped += 1,
            false => {}
        }
    }

    /// Whether so much has gathered that the strategy should be told.
    pub(crate) fn is_due(&self) -> bool {
        self.listens() && self.events.len() >= self.wants.batch
    }

    /// Moves up to `max` of the oldest into `into`.
    pub(crate) fn drain(&mut self, max: usize, into: &mut Vec<Event>) {
        into.extend(self.events.drain(..max.min(self.events.len())));
    }

    /// Events that found no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    pub(super) fn accepted(&mut self) {
        self.since.accepted += 1;
    }

    pub(super) fn done(&mut self) {
        self.since.done += 1;
    }

    pub(super) fn failed(&mut self) {
        self.since.failed += 1;
    }

    /// What has been counted since the last call.
    pub(super) fn take_counts(&mut self) -> Load {
        std::mem::take(&mut self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(wants: Wants) -> (EventBuffer, Vec<EventKind>) {
        let mut buffer = EventBuffer::default();
        buffer.listen(wants);
        for kind in [EventKind::Placed, EventKind::Started, EventKind::Done, EventKind::Removed] {
            buffer.push(Event { id: 1, tenant: 0, width: 1, kind, took_ms: 0 });
        }
        let mut events = Vec::new();
        buffer.drain(10, &mut events);
        (buffer, events.into_iter().map(|event| event.kind).collect())
    }

    #[test]
    fn what_nobody_wants_is_not_kept() {
        use EventKind::{Done, Placed, Removed, Started};
        let check = |started, done, batch, expected: &[EventKind]| {
            assert_eq!(buffer(Wants { started, done, batch }).1, expected);
        };
        check(true, true, 64, &[Placed, Started, Done, Removed]);
        check(false, true, 64, &[Placed, Done, Removed]);
        check(false, false, 64, &[Placed, Removed]);
        check(true, true, 0, &[]);
    }

    #[test]
    fn the_buffer_has_a_bound_and_what_is_beyond_it_is_counted() {
        let (mut buffer, _) = buffer(Wants { started: false, done: false, batch: 2 });
        let event = Event { id: 1, tenant: 0, width: 1, kind: EventKind::Placed, took_ms: 0 };
        assert!(!buffer.is_due());
        (0..EVENTS_MAX + 3).for_each(|_| buffer.push(event));
        assert!(buffer.is_due());
        assert_eq!(buffer.dropped(), 3);
        buffer.listen(Wants::default());
        assert!(!buffer.is_due() && buffer.events.is_empty());
    }
}
