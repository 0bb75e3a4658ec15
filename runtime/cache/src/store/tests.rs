use std::collections::BTreeMap;

use parking_lot::Mutex;
use proptest::prelude::*;
use switchyard_host::caching::{Event, EventKind};

use super::*;

const WANTS: Wants = Wants { hits: true, misses: true, keys: false, batch: 16 };
const CAPACITY: u64 = 100;

fn offer(id: u64, size: u32) -> Offer<'static> {
    Offer { id, key: &[], namespace: 0, size, ttl_ms: None, always: false }
}

fn plain(size: u32) -> impl FnOnce(Option<&Slot<()>>) -> Option<Stored<()>> {
    move |_| Some(Stored { payload: (), size, expires_at_ms: NEVER })
}

fn decision(admit: bool, victims: &[u64]) -> Decision {
    Decision { admit, memory: true, ttl_ms: None, compress: false, victims: victims.to_vec() }
}

fn settle(
    shard: &Mutex<Shard<()>>,
    now_ms: u64,
    offer: Offer<'_>,
    decision: Option<&Decision>,
    prepare: impl FnOnce(Option<&Slot<()>>) -> Option<Stored<()>>,
) -> Applied {
    Settling { guard: shard.lock(), wants: WANTS, now_ms, capacity: CAPACITY, offer, decision, contested: false }
        .settle(prepare)
}

fn drain(shard: &Mutex<Shard<()>>) -> Vec<(EventKind, u64)> {
    let mut events = Vec::new();
    shard.lock().events.drain(usize::MAX, &mut events);
    events.iter().map(|event| (event.kind, event.id)).collect()
}

#[test]
fn victims_go_and_the_entry_enters() {
    let shard = Mutex::new(Shard::new(1));
    settle(&shard, 0, offer(1, 60), Some(&decision(true, &[])), plain(60));
    settle(&shard, 0, offer(2, 40), Some(&decision(true, &[])), plain(40));
    let applied = settle(&shard, 0, offer(3, 50), Some(&decision(true, &[1, 9])), plain(50));
    assert_eq!((applied.outcome, applied.unknown_victims, applied.evicted), (Outcome::Stored, 1, 0));
    assert_eq!(shard.lock().table.used(), 90);
    assert_eq!(drain(&shard), [], "an instance knows what it has decided itself");
}

#[test]
fn too_few_victims_are_made_up_for() {
    let shard = Mutex::new(Shard::new(1));
    settle(&shard, 0, offer(1, 60), Some(&decision(true, &[])), plain(60));
    let applied = settle(&shard, 0, offer(2, 60), Some(&decision(true, &[])), plain(60));
    assert_eq!((applied.outcome, applied.evicted), (Outcome::Stored, 1));
    assert_eq!(drain(&shard), [(EventKind::Removed, 1)]);
}

#[test]
fn a_refused_overwrite_removes_the_old_value() {
    let shard = Mutex::new(Shard::new(1));
    settle(&shard, 0, offer(1, 10), None, plain(10));
    assert_eq!(drain(&shard), [(EventKind::Stored, 1)]);
    let applied = settle(&shard, 0, offer(1, 10), Some(&decision(false, &[])), plain(10));
    assert_eq!((applied.outcome, shard.lock().table.len()), (Outcome::Refused, 0));
    assert_eq!(drain(&shard), []);
    // A tier that is not there is no place either, and the instance hears of it.
    let elsewhere = Decision { memory: false, ..decision(true, &[]) };
    settle(&shard, 0, offer(1, 10), Some(&elsewhere), plain(10));
    assert_eq!((drain(&shard), shard.lock().table.len()), (vec![(EventKind::Removed, 1)], 0));
}

#[test]
fn what_was_promised_is_kept_and_told() {
    let shard = Mutex::new(Shard::new(1));
    let promised = Offer { always: true, ..offer(1, 10) };
    let applied = settle(&shard, 0, promised, Some(&decision(false, &[])), plain(10));
    assert_eq!((applied.outcome, shard.lock().table.len()), (Outcome::Stored, 1));
    assert_eq!(drain(&shard), [(EventKind::Stored, 1)]);
    // A value that changed its size since the instance was asked is told, too.
    settle(&shard, 0, promised, Some(&decision(true, &[])), plain(12));
    assert_eq!((drain(&shard), shard.lock().table.used()), (vec![(EventKind::Stored, 1)], 12));
    // And one that in the end was not stored.
    let applied = settle(&shard, 0, Offer { id: 2, ..promised }, Some(&decision(true, &[])), |_| None);
    assert_eq!((applied.outcome, drain(&shard)), (Outcome::Declined, vec![(EventKind::Removed, 2)]));
}

#[test]
fn a_time_to_live_is_only_shortened() {
    let shard = Mutex::new(Shard::new(1));
    let expiry = |asked: u64, decided: Option<u64>| {
        let decided = Decision { ttl_ms: decided, ..decision(true, &[]) };
        settle(&shard, 1_000, offer(1, 1), Some(&decided), |_| {
            Some(Stored { payload: (), size: 1, expires_at_ms: asked })
        });
        let shard = shard.lock();
        shard.table.find(1).and_then(|position| shard.table.slot(position)).map(|slot| slot.expires_at_ms)
    };
    assert_eq!(expiry(NEVER, Some(500)), Some(1_500));
    assert_eq!(expiry(1_200, Some(500)), Some(1_200));
    assert_eq!(expiry(1_200, None), Some(1_200));
    assert_eq!(expiry(NEVER, Some(u64::MAX)), Some(NEVER));
}

#[test]
fn what_is_removed_between_decision_and_store_is_told_in_order() {
    let shard = Mutex::new(Shard::new(1));
    settle(&shard, 0, offer(1, 10), Some(&decision(true, &[])), plain(10));
    // The instance has decided; before that is applied, another client removes the older value.
    shard.lock().delete(WANTS, 0, 1, &[]);
    settle(&shard, 0, offer(1, 10), Some(&decision(true, &[])), plain(10));
    assert_eq!(drain(&shard), [(EventKind::Removed, 1), (EventKind::Stored, 1)]);
}

/// What an instance believes: its own decisions, corrected by the events it is sent.
#[derive(Default)]
struct Mirror(BTreeMap<u64, u32>);

impl Mirror {
    fn decide(&mut self, id: u64, size: u32, decision: &Decision) {
        self.0.retain(|id, _| !decision.victims.contains(id));
        if decision.admit {
            self.0.insert(id, size);
        } else {
            self.0.remove(&id);
        }
    }

    fn hear(&mut self, events: &[Event]) {
        for event in events {
            match event.kind {
                EventKind::Stored => drop(self.0.insert(event.id, event.size)),
                EventKind::Removed => drop(self.0.remove(&event.id)),
                EventKind::Hit | EventKind::Miss => {}
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Request {
    id: u64,
    size: u32,
    ttl_ms: Option<u64>,
    always: bool,
    condition: bool,
    grows: u32,
    answer: Option<(bool, bool, Vec<u64>)>,
    passes_ms: u64,
}

fn request() -> impl Strategy<Value = Request> {
    let answer = prop::option::weighted(
        0.7,
        (prop::bool::weighted(0.8), prop::bool::weighted(0.9), prop::collection::vec(0_u64..30, 0..4)),
    );
    let shape = (0_u64..30, 1_u32..40, prop::option::weighted(0.3, 1_u64..200), prop::bool::weighted(0.2));
    (shape, prop::bool::weighted(0.9), 0_u32..3, answer, 0_u64..40).prop_map(
        |((id, size, ttl_ms, always), condition, grows, answer, passes_ms)| Request {
            id,
            size,
            ttl_ms,
            always,
            condition: condition || !always,
            grows: if always { grows } else { 0 },
            answer,
            passes_ms,
        },
    )
}

proptest! {
    #[test]
    fn budgets_hold_and_instances_know_the_table(requests in prop::collection::vec(request(), 1..300)) {
        let shard = Mutex::new(Shard::new(1));
        let (mut mirror, mut now) = (Mirror::default(), 0);
        for request in requests {
            now += request.passes_ms;
            let decided = request.answer.map(|(admit, memory, victims)| Decision { memory, ..decision(admit, &victims) });
            // As the slot does it: the instance first hears what happened before.
            let mut events = Vec::new();
            shard.lock().events.drain(usize::MAX, &mut events);
            mirror.hear(&events);
            if let Some(decided) = &decided {
                mirror.decide(request.id, request.size, decided);
            }
            let offer = Offer { ttl_ms: request.ttl_ms, always: request.always, ..offer(request.id, request.size) };
            let expires_at_ms = request.ttl_ms.map_or(NEVER, |ttl| now + ttl);
            let size = request.size + request.grows;
            settle(&shard, now, offer, decided.as_ref(), |_| {
                request.condition.then_some(Stored { payload: (), size, expires_at_ms })
            });
            prop_assert!(shard.lock().table.used() <= CAPACITY);
        }
        let mut events = Vec::new();
        shard.lock().events.drain(usize::MAX, &mut events);
        mirror.hear(&events);
        let shard = shard.lock();
        let residents: BTreeMap<u64, u32> =
            (0..shard.table.len()).filter_map(|at| shard.table.slot(at as u32)).map(|slot| (slot.id, slot.size)).collect();
        prop_assert_eq!(mirror.0, residents);
    }
}
