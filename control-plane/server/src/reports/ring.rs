use std::{collections::VecDeque, fmt, str::FromStr};

use switchyard_types::{EventKind, FleetEvent, NodeId, StrategyName};

/// Events of the whole fleet that are kept.
const EVENTS_MAX: usize = 10_000;

/// The last events, in the order in which they came.
#[derive(Default)]
pub(super) struct EventRing {
    events: VecDeque<FleetEvent>,
    /// Of the first that is kept.
    first: u64,
}

/// Which events are wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventFilter {
    pub(crate) node: Option<NodeId>,
    pub(crate) strategy: Option<StrategyName>,
    pub(crate) kind: Option<EventKind>,
}

/// Part of the events.
#[derive(Debug)]
pub(crate) struct EventPage {
    pub(crate) items: Vec<FleetEvent>,
    /// After which the next part begins.
    pub(crate) next: u64,
    /// Whether there was no more.
    pub(crate) is_last: bool,
}

/// A place among the events that one leader has heard of in one term. Another leader has them in another order, so there it is
/// the beginning: an event that comes twice is known by its node, session and sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) term: u64,
    pub(crate) after: u64,
}

impl Place {
    /// The same where the term is this one.
    pub(crate) fn of(self, term: u64) -> Option<Self> {
        (self.term == term).then_some(self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.term, self.after)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (term, after) = text.split_once('-').ok_or(())?;
        Ok(Self { term: term.parse().map_err(|_| ())?, after: after.parse().map_err(|_| ())? })
    }
}

impl EventFilter {
    fn wants(&self, event: &FleetEvent) -> bool {
        self.node.as_ref().is_none_or(|node| event.node == *node)
            && self.strategy.as_ref().is_none_or(|strategy| event.event.strategy.as_ref() == Some(strategy))
            && self.kind.is_none_or(|kind| event.event.kind == kind)
    }
}

impl EventRing {
    pub(super) fn push(&mut self, event: FleetEvent) {
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.first += 1;
        }
        self.events.push_back(event);
    }

    /// At most `limit` of them after a place; what has gone meanwhile is left out.
    pub(super) fn page(&self, filter: &EventFilter, after: Option<Place>, limit: usize) -> EventPage {
        let from = after.map_or(self.first, |place| place.after).clamp(self.first, self.end());
        let skipped = usize::try_from(from - self.first).unwrap_or(usize::MAX);
        let (mut items, mut next) = (Vec::new(), from);
        for event in self.events.iter().skip(skipped) {
            if items.len() >= limit {
                break;
            }
            next += 1;
            if filter.wants(event) {
                items.push(event.clone());
            }
        }
        EventPage { items, next, is_last: next >= self.end() }
    }

    fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use switchyard_types::{Event, SessionId};

    use super::*;

    fn event(node: &str, sequence: u64, kind: EventKind) -> FleetEvent {
        let (node, session) = (node.parse().unwrap(), SessionId::from_random(1));
        FleetEvent { node, session, sequence, event: Event::new(kind, 1, "") }
    }

    fn page(ring: &EventRing, filter: &EventFilter, after: Option<u64>, limit: usize) -> (Vec<u64>, u64, bool) {
        let page = ring.page(filter, after.map(|after| Place { term: 1, after }), limit);
        (page.items.iter().map(|event| event.sequence).collect(), page.next, page.is_last)
    }

    #[test]
    fn pages_follow_each_other_and_filters_leave_out() {
        let mut ring = EventRing::default();
        for n in 0..6 {
            let (node, kind) = if n % 2 == 0 { ("a", EventKind::Flipped) } else { ("b", EventKind::Refused) };
            ring.push(event(node, n, kind));
        }
        let all = EventFilter::default();
        assert_eq!(page(&ring, &all, None, 4), (vec![0, 1, 2, 3], 4, false));
        assert_eq!(page(&ring, &all, Some(4), 4), (vec![4, 5], 6, true));
        assert_eq!(page(&ring, &all, Some(6), 4), (vec![], 6, true));
        assert_eq!(page(&ring, &all, Some(600), 4), (vec![], 6, true));
        let of_a = EventFilter { node: Some("a".parse().unwrap()), ..EventFilter::default() };
        assert_eq!(page(&ring, &of_a, None, 2), (vec![0, 2], 3, false));
        let refused = EventFilter { kind: Some(EventKind::Refused), ..of_a };
        assert_eq!(page(&ring, &refused, None, 2), (vec![], 6, true));
    }

    #[test]
    fn the_oldest_go_and_places_stay() {
        let mut ring = EventRing::default();
        for n in 0..EVENTS_MAX as u64 + 3 {
            ring.push(event("a", n, EventKind::Flipped));
        }
        assert_eq!(ring.events.len(), EVENTS_MAX);
        let all = EventFilter::default();
        assert_eq!(page(&ring, &all, None, 1), (vec![3], 4, false));
        assert_eq!(page(&ring, &all, Some(1), 1), (vec![3], 4, false), "what has gone is left out");
        assert_eq!(page(&ring, &all, Some(EVENTS_MAX as u64), 9), (vec![10_000, 10_001, 10_002], 10_003, true));
    }

    #[test]
    fn a_place_is_read_as_it_is_written() {
        let place = Place { term: 7, after: 9 };
        assert_eq!(place.to_string().parse(), Ok(place));
        assert_eq!((place.of(7), place.of(8)), (Some(place), None));
        for wrong in ["", "7", "7-", "-9", "a-b", "7-9-1"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
