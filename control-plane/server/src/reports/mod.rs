//! What nodes tell: taken in by the server that leads, kept in memory within bounds, and shown. `sessions` knows what was told
//! already, `ring` keeps the events, `series` the figures. All of it is lost with the process: nodes tell a new leader again what
//! they still remember.

mod ring;
mod series;
mod sessions;

use parking_lot::Mutex;
use switchyard_types::{
    Dropped, Event, EventKind, FleetEvent, HookReport, ReportAnswer, ReportBatch, ReportItem, StrategyName,
};
use tokio::sync::watch;

pub(crate) use ring::{EventFilter, EventPage, Place};

use self::{ring::EventRing, series::AllSeries, sessions::Sessions};
use crate::clock::unix_ms;

/// Numbers of the events that say what a node has dropped: no node counts that far, and another leader, who is told of the same
/// loss, gives it the same number.
const DROPPED_FROM: u64 = 1 << 52;

/// What was told.
pub(crate) struct Reports {
    state: Mutex<State>,
    /// Counts batches with events; watches of events wait for it to move.
    news: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    sessions: Sessions,
    events: EventRing,
    series: AllSeries,
    /// Items that this version cannot read.
    unknown: u64,
}

impl Default for Reports {
    fn default() -> Self {
        Self { state: Mutex::default(), news: watch::Sender::new(0) }
    }
}

impl Reports {
    /// Takes a batch in this term of office. A node that has not met the leader yet is told who it is, and begins anew.
    pub(crate) fn take(&self, batch: ReportBatch, term: u64) -> ReportAnswer {
        if batch.term != Some(term) {
            return ReportAnswer { acknowledged: None, term };
        }
        let ReportBatch { node, session, items, dropped, .. } = batch;
        // Windows say when they were by the wall clock of their node, so they are laid beside each other by ours.
        let now_ms = unix_ms();
        let (mut has_events, mut state) = (false, self.state.lock());
        for numbered in items {
            if !state.sessions.is_new(&node, &session, numbered.sequence) {
                continue;
            }
            match numbered.item {
                ReportItem::Window(window) => state.series.add(&node, *window, now_ms),
                ReportItem::Event(event) => {
                    has_events = true;
                    let (node, session, sequence) = (node.clone(), session.clone(), numbered.sequence);
                    state.events.push(FleetEvent { node, session, sequence, event: *event });
                }
                ReportItem::Unknown(_) => state.unknown += 1,
            }
        }
        let acknowledged = state.sessions.told(&node, &session);
        if let Some(more) = state.sessions.dropped(&node, &session, dropped) {
            tracing::warn!(%node, windows = more.windows, events = more.events, "a node had to drop reports");
            has_events = true;
            let sequence = DROPPED_FROM.saturating_add(dropped.windows).saturating_add(dropped.events);
            state.events.push(FleetEvent { node, session, sequence, event: told_dropped(more, now_ms) });
        }
        drop(state);
        if has_events {
            self.news.send_modify(|count| *count += 1);
        }
        ReportAnswer { acknowledged, term }
    }

    /// Part of the events, in the order in which they came.
    pub(crate) fn events(&self, filter: &EventFilter, after: Option<Place>, limit: usize) -> EventPage {
        self.state.lock().events.page(filter, after, limit)
    }

    /// Moves when there are new events.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// What hooks have done lately; of one strategy, or of all and of the fallback.
    pub(crate) fn figures(&self, strategy: Option<&StrategyName>) -> Vec<HookReport> {
        self.state.lock().series.figures(strategy, unix_ms())
    }
}

fn told_dropped(Dropped { windows, events }: Dropped, now_ms: u64) -> Event {
    let message = format!("{windows} windows of figures and {events} events were dropped before they could be told");
    Event::new(EventKind::ReportsDropped, now_ms, message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn batch(session: &str, term: Option<u64>, sequences: &[u64]) -> ReportBatch {
        let items: Vec<_> = sequences
            .iter()
            .map(|sequence| json!({"sequence": sequence, "item": "event", "at_unix_ms": 1, "kind": "flipped"}))
            .collect();
        serde_json::from_value(json!({"node": "node-1", "session": session, "term": term, "items": items})).unwrap()
    }

    fn told(reports: &Reports) -> Vec<(String, u64)> {
        let page = reports.events(&EventFilter::default(), None, 1_000);
        page.items.into_iter().map(|event| (event.session.to_string(), event.sequence)).collect()
    }

    #[test]
    fn each_item_is_taken_once_whoever_tells_it_again() {
        const A: &str = "000000000000000a";
        const B: &str = "000000000000000b";
        let reports = Reports::default();
        let check = |batch, acknowledged| {
            assert_eq!(reports.take(batch, 7), ReportAnswer { acknowledged, term: 7 });
        };
        check(batch(A, None, &[1, 2]), None);
        check(batch(A, Some(6), &[1, 2]), None);
        assert!(told(&reports).is_empty(), "a node that has not met this leader begins anew");
        check(batch(A, Some(7), &[1, 2]), Some(2));
        check(batch(A, Some(7), &[1, 2]), Some(2));
        check(batch(A, Some(7), &[2, 5]), Some(5));
        check(batch(B, Some(7), &[1]), Some(1));
        check(batch(A, Some(7), &[6]), Some(6));
        check(batch(B, Some(7), &[]), Some(1));
        let expected = [(A, 1), (A, 2), (A, 5), (B, 1), (A, 6)];
        assert_eq!(told(&reports), expected.map(|(session, sequence)| (session.to_owned(), sequence)));
    }

    #[test]
    fn what_a_node_had_to_drop_is_an_event() {
        let reports = Reports::default();
        let news = reports.news();
        let tell = |dropped: Value| {
            let batch =
                json!({"node": "node-1", "session": "000000000000000a", "term": 7, "items": [], "dropped": dropped});
            reports.take(serde_json::from_value(batch).unwrap(), 7);
        };
        tell(json!({"windows": 3, "events": 0}));
        tell(json!({"windows": 3, "events": 0}));
        assert!(news.has_changed().unwrap());
        tell(json!({"windows": 3, "events": 2}));
        let events = reports.events(&EventFilter::default(), None, 10).items;
        let said: Vec<_> = events.iter().map(|event| (event.event.kind, event.event.message.as_str())).collect();
        let expected = [
            "3 windows of figures and 0 events were dropped before they could be told",
            "0 windows of figures and 2 events were dropped before they could be told",
        ];
        assert_eq!(said, expected.map(|message| (EventKind::ReportsDropped, message)));
        assert_ne!(events[0].sequence, events[1].sequence, "two losses are not taken for one");
    }
}
