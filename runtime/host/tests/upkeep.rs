//! What nobody waits for: ticks, and how a quarantine ends.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use switchyard_host::{Host, Upkeep};

use support::{Rig, came, host, strategy, ticking};

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
