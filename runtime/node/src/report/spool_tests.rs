use proptest::prelude::*;
use switchyard_types::{Event, EventKind, SlotId, StrategyKind, Window};

use super::*;

fn window() -> ReportItem {
    ReportItem::Window(Box::new(Window {
        slot: SlotId { kind: StrategyKind::Caching, target: String::new() },
        version: None,
        hook: "store".to_owned(),
        start_unix_ms: 1,
        span_ms: 10_000,
        measures: switchyard_types::Measures { calls: 1, ..switchyard_types::Measures::default() },
    }))
}

fn event(message: &str) -> ReportItem {
    ReportItem::Event(Box::new(Event::new(EventKind::Flipped, 1, message)))
}

fn spool() -> Spool {
    Spool::new("node-1".parse().unwrap(), SessionId::from_random(1), Saved::default())
}

fn numbers(spool: &Spool) -> Vec<u64> {
    spool.batch().map(|batch| batch.items.iter().map(|item| item.sequence).collect()).unwrap_or_default()
}

/// As a leader that takes everything.
fn tell(spool: &mut Spool, term: u64) -> Progress {
    let batch = spool.batch().unwrap();
    let known = batch.term == Some(term);
    let acknowledged = known.then(|| batch.items.last().unwrap().sequence);
    spool.answered(&batch, ReportAnswer { acknowledged, term })
}

#[test]
fn what_is_acknowledged_is_told_once() {
    let mut spool = spool();
    spool.push([event("a"), event("b"), event("c")], 0);
    assert_eq!(tell(&mut spool, 7), Progress::Begun, "a leader is met before it is told");
    let batch = spool.batch().unwrap();
    let half = ReportAnswer { acknowledged: Some(2), term: 7 };
    assert_eq!(spool.answered(&batch, half), Progress::Taken);
    assert_eq!(numbers(&spool), [3]);
    assert_eq!(spool.answered(&batch, half), Progress::None, "it was known already");
    let nothing = ReportAnswer { acknowledged: None, term: 7 };
    assert_eq!(spool.answered(&batch, nothing), Progress::None);
    assert_eq!(tell(&mut spool, 7), Progress::Taken);
    assert_eq!(spool.batch(), None);
}

#[test]
fn a_new_leader_is_told_again_what_is_still_remembered() {
    let mut spool = spool();
    spool.push([event("a"), window()], 0);
    tell(&mut spool, 1);
    tell(&mut spool, 1);
    spool.push([event("b")], 1);
    assert_eq!(numbers(&spool), [3]);
    assert_eq!(tell(&mut spool, 2), Progress::Begun);
    assert_eq!(numbers(&spool), [1, 2, 3]);
    assert_eq!(tell(&mut spool, 2), Progress::Taken);
    // Later the window is too old to be of use; the event is not.
    spool.push([event("c")], TOLD_WINDOW_MS_MAX + 1);
    assert_eq!(tell(&mut spool, 3), Progress::Begun);
    assert_eq!(numbers(&spool), [1, 3, 4]);
    assert_eq!(spool.dropped, Dropped::default(), "all of it has been told");
}

#[test]
fn a_greeting_tells_nothing_and_meets_a_new_leader() {
    let mut spool = spool();
    spool.push([event("a")], 0);
    tell(&mut spool, 1);
    tell(&mut spool, 1);
    let greet = |spool: &mut Spool, term| {
        let greeting = spool.greeting();
        spool.answered(&greeting, ReportAnswer { acknowledged: None, term })
    };
    assert_eq!((greet(&mut spool, 1), spool.batch()), (Progress::Taken, None));
    assert_eq!((greet(&mut spool, 2), numbers(&spool)), (Progress::Begun, vec![1]));
}

#[test]
fn told_events_are_bounded_by_their_number() {
    let mut spool = spool();
    for n in 0..TOLD_EVENTS_MAX as u64 + 10 {
        spool.push([event("a")], n);
        while spool.batch().is_some() {
            tell(&mut spool, 1);
        }
    }
    spool.push([event("last")], 0);
    tell(&mut spool, 2);
    let all = TOLD_EVENTS_MAX as u64 + 11;
    let first = spool.batch().unwrap().items[0].sequence;
    assert_eq!((first, spool.entries.len()), (all - TOLD_EVENTS_MAX as u64, TOLD_EVENTS_MAX + 1));
}

#[test]
fn windows_are_dropped_before_events_and_counted() {
    let mut spool = spool();
    spool.push([event("first")], 0);
    spool.push((0..ITEMS_MAX + 4).map(|_| window()), 0);
    assert_eq!((spool.entries.len(), spool.dropped), (ITEMS_MAX, Dropped { windows: 5, events: 0 }));
    assert_eq!(numbers(&spool)[..2], [1, 7], "the event is still there");
    spool.push((0..ITEMS_MAX).map(|_| event("a")), 0);
    assert_eq!(spool.dropped, Dropped { windows: ITEMS_MAX as u64 + 4, events: 1 });
    let batch = spool.batch().unwrap();
    assert_eq!((batch.items.len(), batch.dropped), (BATCH_ITEMS_MAX, spool.dropped));
    // A node that starts again still says so.
    let saved = serde_json::from_slice(&serde_json::to_vec(&spool.saved()).unwrap()).unwrap();
    let again = Spool::new(spool.node.clone(), SessionId::from_random(2), saved);
    assert_eq!(again.greeting().dropped, spool.dropped);
}

#[test]
fn bytes_have_bounds_too() {
    let mut spool = spool();
    let large = "x".repeat(Event::MESSAGE_CHARS_MAX);
    spool.push((0..ITEMS_MAX).map(|_| event(&large)), 0);
    assert!(spool.bytes <= BYTES_MAX && spool.dropped.events > 0, "{}", spool.bytes);
    let batch = spool.batch().unwrap();
    let bytes: usize = batch.items.iter().map(bytes_of).sum();
    assert!(bytes <= BATCH_BYTES_MAX && batch.items.len() > 100, "{bytes}");
}

#[test]
fn what_is_refused_for_good_is_given_up_and_counted() {
    let mut spool = spool();
    spool.push([event("a"), window()], 0);
    let batch = spool.batch().unwrap();
    spool.push([event("b")], 0);
    spool.give_up(&batch);
    assert_eq!((numbers(&spool), spool.dropped), (vec![3], Dropped { windows: 1, events: 1 }));
}

#[test]
fn the_next_process_tells_what_this_one_has_left_under_its_own_name() {
    let mut first = spool();
    first.push([event("told"), window()], 0);
    tell(&mut first, 9);
    tell(&mut first, 9);
    first.push([event("untold"), window()], 0);
    let text = serde_json::to_vec(&first.saved()).unwrap();
    let saved = serde_json::from_slice(&text).unwrap();
    let mut second = Spool::new("node-1".parse().unwrap(), SessionId::from_random(2), saved);
    second.push([event("new")], 0);
    assert_eq!(numbers(&second), [3, 4], "of the process before");
    assert_eq!(second.batch().unwrap().session, SessionId::from_random(1));
    assert_eq!(tell(&mut second, 9), Progress::Taken, "the leader is the same");
    assert_eq!((numbers(&second), second.batch().unwrap().session), (vec![1], SessionId::from_random(2)));
    tell(&mut second, 10);
    assert_eq!(numbers(&second), [1, 3, 4], "a new leader hears of the event before it too");
}

proptest! {
    /// Whatever leaders come and go and answer, the last of them has heard of everything that nobody dropped.
    #[test]
    fn nothing_is_lost_and_nothing_is_out_of_order(steps in prop::collection::vec((0..4_u8, 1..4_u64, 0..9_usize), 1..80)) {
        let mut spool = spool();
        let mut heard: std::collections::BTreeMap<u64, Vec<u64>> = std::collections::BTreeMap::new();
        let mut pushed = 0;
        let mut answer = |spool: &mut Spool, term: u64, most: usize| {
            let Some(batch) = spool.batch() else { return };
            let known = heard.entry(term).or_default();
            let mut acknowledged = None;
            if batch.term == Some(term) {
                for item in batch.items.iter().take(most) {
                    if known.last().is_none_or(|last| *last < item.sequence) {
                        known.push(item.sequence);
                    }
                }
                acknowledged = known.last().copied();
            }
            spool.answered(&batch, ReportAnswer { acknowledged, term });
        };
        for (step, term, count) in steps {
            if step == 0 {
                pushed += count as u64;
                spool.push((0..count).map(|_| event("a")), 0);
            } else {
                answer(&mut spool, term, count);
            }
        }
        for _ in 0..4 {
            answer(&mut spool, 9, usize::MAX);
        }
        prop_assert!(spool.batch().is_none());
        let expected: Vec<u64> = if pushed == 0 { Vec::new() } else { (1..=pushed).collect() };
        // Without anything to tell there is no meeting either.
        let last = heard.get(&spool.term.unwrap_or_default()).cloned().unwrap_or_default();
        prop_assert_eq!(last, expected);
    }
}
