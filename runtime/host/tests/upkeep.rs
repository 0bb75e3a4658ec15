//! What nobody waits for: ticks, and how a quarantine ends.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use switchyard_host::{Host, Upkeep, caching::Entry};

use support::{Log, Rig, came, host, strategy, ticking};

/// After so many stores `trap-every-later-call` traps; with as many residents as this table has, it does not adopt either.
const HONEST_STORES: u64 = 25_000;
const CAPACITY: u64 = 100;
/// The quarantine, in milliseconds.
const HALF_OPEN_AFTER_MS: u64 = 300_000;

/// A slot whose strategy has failed too often.
fn quarantined(host: &Host, upkeep: Upkeep) -> Rig {
    let mut rig = Rig::new(host, CAPACITY, upkeep);
    rig.slot.swap(&strategy(host, "trap-every-later-call"), 1).expect("it passes every stage");
    for id in 0..HONEST_STORES {
        rig.store(id);
    }
    // Where a policy thread held the shard, the fallback has decided, and one honest call is left.
    let failed = came(|| {
        rig.store(HONEST_STORES);
        rig.slot.figures().quarantined
    });
    assert!(failed, "it traps, and its successors do not adopt");
    rig
}

#[test]
fn ticks_do_not_wait_for_the_half_open_trial_of_another_slot() {
    const TICKS: u64 = 3;
    let host = host();
    let guilty = quarantined(&host, Upkeep::Threads);
    let neighbour = Rig::new(&host, CAPACITY, Upkeep::Threads);
    neighbour.slot.swap(&ticking(&host), 1).expect("a swap");
    let (table, ticked) = (Arc::clone(&neighbour.table), Arc::new(AtomicBool::new(false)));
    let told = Arc::clone(&ticked);
    guilty.table.on_walk(move || {
        let enough = table.ticks() + TICKS;
        let passed = came(|| {
            table.pass_ms(10);
            table.ticks() >= enough
        });
        told.store(passed, SeqCst);
    });
    guilty.table.empty();
    guilty.table.pass_ms(HALF_OPEN_AFTER_MS);
    assert!(came(|| !guilty.slot.figures().quarantined), "it is tried again");
    assert!(ticked.load(SeqCst), "the neighbour was ticked while the trial was held up");
}

#[test]
fn batches_do_not_wait_for_the_half_open_trials_of_other_slots() {
    // More than the threads that a machine of any size has for batches.
    const GUILTY: usize = 5;
    let host = host();
    let guilty: Vec<_> = (0..GUILTY).map(|_| quarantined(&host, Upkeep::Threads)).collect();
    let mut neighbour = Rig::new(&host, CAPACITY, Upkeep::Threads);
    neighbour.slot.swap(&strategy(&host, "honest"), 1).expect("a swap");
    neighbour.store(1);
    let delivered = Arc::new(AtomicUsize::new(0));
    for rig in &guilty {
        let (mut neighbour, delivered) = (neighbour.another_client(), Arc::clone(&delivered));
        rig.table.on_walk(move || {
            let batches = |neighbour: &Rig| neighbour.slot.figures().hooks["observe"].calls;
            let before = batches(&neighbour);
            let passed = came(|| {
                neighbour.access(1);
                neighbour.slot.wake(0);
                batches(&neighbour) > before
            });
            delivered.fetch_add(usize::from(passed), SeqCst);
        });
    }
    for rig in &guilty {
        rig.table.empty();
        rig.table.pass_ms(HALF_OPEN_AFTER_MS);
    }
    for rig in &guilty {
        assert!(came(|| !rig.slot.figures().quarantined), "it is tried again");
    }
    assert_eq!(delivered.load(SeqCst), GUILTY, "the neighbour heard of its reads during every trial");
}

#[test]
fn ticks_do_not_wait_for_a_busy_shard_of_another_slot() {
    const TICKS: u64 = 3;
    let host = host();
    // Registered first, so it is asked first.
    let busy = Rig::new(&host, CAPACITY, Upkeep::Threads);
    let neighbour = Rig::new(&host, CAPACITY, Upkeep::Threads);
    for rig in [&busy, &neighbour] {
        rig.slot.swap(&ticking(&host), 1).expect("a swap");
    }
    let entry = Entry { id: 1, namespace: 0, size: 1, ttl_ms: None, key: None };
    let ticked = busy.slot.store(0, 0, &entry, |_| {
        // The shard is locked as long as this takes.
        let enough = neighbour.table.ticks() + TICKS;
        came(|| {
            neighbour.table.pass_ms(10);
            neighbour.table.ticks() >= enough
        })
    });
    assert!(ticked, "the neighbour was ticked while the shard was busy");
}

#[test]
fn a_trial_that_fails_is_told_with_its_reason() {
    let (log, host) = (Log::default(), host());
    tracing::subscriber::with_default(log.subscriber(), || {
        let mut rig = quarantined(&host, Upkeep::Caller);
        // With a full table it does not adopt.
        rig.table.pass_ms(HALF_OPEN_AFTER_MS);
        rig.store(0);
        assert!(rig.slot.figures().quarantined);
    });
    let told = log.text();
    let trial = told.lines().find(|line| line.contains("failed again")).expect(&told);
    assert!(trial.contains("WARN") && trial.contains("hostile") && trial.contains("trapped"), "{trial}");
}

#[test]
fn a_replay_ticks_by_the_tables_clock() {
    let host = host();
    let mut rig = Rig::new(&host, CAPACITY, Upkeep::Caller);
    rig.slot.swap(&ticking(&host), 1).expect("a swap");
    let mut check = |ms: u64, expected: u64| {
        rig.table.pass_ms(ms);
        rig.store(1);
        rig.store(2);
        let figures = rig.slot.figures();
        assert_eq!((rig.table.ticks(), figures.hooks["tick"].calls), (expected, expected), "{ms} ms later");
    };
    check(0, 1);
    check(9, 1);
    check(1, 2);
    check(1_000, 3);
    rig.table.pass_ms(10);
    rig.slot.observe(0);
    assert_eq!(rig.table.ticks(), 4, "batches let time pass too");
}

#[test]
fn a_replay_tries_a_quarantined_strategy_again_by_the_tables_clock() {
    let host = host();
    let mut rig = quarantined(&host, Upkeep::Caller);
    (rig.decided, rig.fell_back) = (0, 0);
    rig.table.pass_ms(HALF_OPEN_AFTER_MS - 1);
    rig.store(0);
    assert_eq!((rig.decided, rig.fell_back), (0, 1), "it is too early");
    rig.table.empty();
    rig.table.pass_ms(1);
    rig.store(0);
    assert_eq!((rig.decided, rig.fell_back), (1, 1), "a cold instance decides");
    assert!(!rig.slot.figures().quarantined);
}
