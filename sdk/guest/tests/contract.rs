//! What the driver finds wrong with strategies that are wrong, and what a strategy is told.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use switchyard_sdk::{
    caching::{Budget, Caching, Decision, Entry, Event, EventKind, Load, Resident, Unit, Victims},
    lifecycle::{Interests, NoConfiguration},
    testing::{CacheDriver, shake, spread},
};

const THREE: Budget = Budget { unit: Unit::Entries, capacity: 3 };

/// Names what is never there and makes no room.
#[derive(Default)]
struct Liar;

impl Caching for Liar {
    type Configuration = NoConfiguration;

    fn new(_: NoConfiguration, _seed: u64) -> Result<Self, String> {
        Ok(Self)
    }

    fn resize(&mut self, _budget: Budget) {}

    fn store(&mut self, _now_ms: u64, _entry: &Entry, victims: &mut Victims) -> Decision {
        victims.push(u64::MAX);
        Decision::ADMIT
    }

    fn event(&mut self, _now_ms: u64, _event: &Event) {}
}

/// Writes down what it is told.
#[derive(Default)]
struct Recorder {
    told: Vec<String>,
}

impl Caching for Recorder {
    type Configuration = NoConfiguration;

    const INTERESTS: Interests = Interests::NONE.with_hits().with_misses().with_keys().with_batch(4);
    const STATE_FORMAT: Option<&'static str> = Some("told/1");

    fn new(_: NoConfiguration, seed: u64) -> Result<Self, String> {
        Ok(Self { told: vec![format!("new {seed}")] })
    }

    fn resize(&mut self, budget: Budget) {
        self.told.push(format!("resize {}", budget.capacity));
    }

    fn store(&mut self, now_ms: u64, entry: &Entry, _victims: &mut Victims) -> Decision {
        let key = entry.key.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        self.told.push(format!("store {} at {now_ms} key {key}", entry.id));
        if entry.id == 9 { Decision::REFUSE } else { Decision::ADMIT }
    }

    fn event(&mut self, _now_ms: u64, event: &Event) {
        let kind = match event.kind {
            EventKind::Hit => "hit",
            EventKind::Miss => "miss",
            EventKind::Stored => "stored",
            EventKind::Removed => "removed",
        };
        self.told.push(format!("{kind} {}", event.id));
    }

    fn adopt(&mut self, _now_ms: u64, resident: &Resident) {
        self.told.push(format!("adopt {} hits {}", resident.id, resident.hits));
    }

    fn adopted(&mut self, _now_ms: u64) {
        self.told.push("adopted".to_owned());
    }

    fn tick(&mut self, _now_ms: u64, load: &Load) {
        self.told.push(format!("tick {}/{}", load.hits, load.requests));
    }

    fn export_state(&self) -> Vec<u8> {
        self.told.join("\n").into_bytes()
    }

    fn import_state(&mut self, format: &str, bytes: &[u8]) -> Result<(), String> {
        self.told.push(format!("import {format} {}", bytes.len()));
        Ok(())
    }
}

fn told(cache: &CacheDriver<Recorder>) -> Vec<String> {
    String::from_utf8(cache.state()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_strategy_that_is_wrong_is_found_out() {
    let mut cache = CacheDriver::<Liar>::new("{}", THREE).unwrap();
    cache.play(0..5);
    let figures = cache.figures();
    assert_eq!((figures.unknown_victims, figures.fallback_evictions, figures.missing_victims), (5, 2, 2));
    assert_eq!(cache.entries(), 3);
    let error = shake::<Liar>("{}", Unit::Entries, 7, 100).unwrap_err();
    assert!(error.ends_with("a victim was not resident"), "{error}");
}

#[test]
fn a_strategy_is_told_what_happens_in_order() {
    let mut cache = CacheDriver::<Recorder>::with_seed("{}", THREE, 5).unwrap();
    cache.access(1);
    cache.access(1);
    cache.advance(20);
    cache.put_unasked(2, 7);
    assert!(!cache.put(9, 1), "refused");
    cache.remove(2);
    cache.resize(2);
    cache.tick();
    let expected = [
        "new 5",
        "resize 3",
        "adopted",
        "miss 1",
        "store 1 at 0 key 1",
        "hit 1",
        "stored 2",
        "store 9 at 20 key 9",
        "resize 2",
        "removed 2",
        "tick 1/2",
    ];
    assert_eq!(told(&cache), expected);
    let length = expected.join("\n").len();
    let cache = cache.swap::<Recorder>("{}").unwrap();
    let expected = ["new 5".to_owned(), "resize 2".to_owned(), format!("import told/1 {length}")];
    assert_eq!(told(&cache), [&expected[..], &["adopt 1 hits 1".to_owned(), "adopted".to_owned()]].concat());
}

#[test]
fn a_full_batch_is_told_without_a_write() {
    let mut cache = CacheDriver::<Recorder>::new("{}", THREE).unwrap();
    for id in 0..4 {
        assert_eq!(told(&cache).len(), 3, "before {id}");
        cache.get(id);
    }
    assert_eq!(told(&cache)[3..], ["miss 0", "miss 1", "miss 2", "miss 3"]);
}

#[test]
fn residents_are_adopted_least_recently_used_first() {
    let mut cache = CacheDriver::<Liar>::new("{}", THREE).unwrap();
    cache.play([1, 2, 3, 1]);
    let cache = cache.swap::<Recorder>("{}").unwrap();
    assert_eq!(told(&cache)[2..], ["adopt 2 hits 0", "adopt 3 hits 0", "adopt 1 hits 1", "adopted"]);
}

#[test]
fn a_configuration_that_is_wrong_stops_the_start() {
    let error = CacheDriver::<Recorder>::new(r#"{"speed": 3}"#, THREE).err().unwrap();
    assert!(error.starts_with(r#"configuration key "speed" has the value 3: unknown field"#), "{error}");
}

#[test]
fn small_numbers_are_spread() {
    let first_bytes: std::collections::BTreeSet<u8> = (0..64).map(|id| spread(id).to_be_bytes()[0]).collect();
    assert!(first_bytes.len() > 48);
}
