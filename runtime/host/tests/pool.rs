//! The pools: what a large instance may have, and what happens when there is no place.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use serde_json::json;
use switchyard_host::{CallError, Compiler, Host, HostConfig, HostError, Upkeep};
use switchyard_types::Limits;

use support::{Rig, component_with, encode, strategy};

const CAPACITY: u64 = 100;
const LARGE: Limits = Limits { memory_bytes: 200 << 20, ..Limits::DEFAULT };

/// Grows to 101 MiB when it is configured, and touches the last page.
const GROW: &str = "(if (i32.eq (memory.grow (i32.const 1600)) (i32.const -1)) (then unreachable))
    (i32.store (i32.const 105906172) (i32.const 7))";

fn host(instances_max: u32, large_instances_max: u32) -> Host {
    let config = HostConfig { instances_max, large_instances_max, ..HostConfig::new(Compiler::InProcess) };
    Host::new(config).expect("a host")
}

fn rig(host: &Host) -> Rig {
    Rig::new(host, CAPACITY, Upkeep::Caller)
}

#[test]
fn an_instance_that_needs_more_than_64_mib_gets_it_where_its_limits_say_so() {
    let host = host(32, 16);
    let plugin = host.load(&component_with("honest", &[("configure", GROW)])).expect("it only says what it is");
    let error = plugin.strategy(&json!({}), Limits::DEFAULT).expect_err("it is over the default");
    let HostError::Call { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*source, CallError::OutOfMemory { limit_bytes: 64 << 20 });
    let tight = Limits { memory_bytes: 100 << 20, ..Limits::DEFAULT };
    let error = plugin.strategy(&json!({}), tight).expect_err("and over a tighter one").to_string();
    assert!(error.contains("104857600 bytes"), "{error}");

    let large = plugin.strategy(&json!({}), LARGE).expect("it fits");
    let mut rig = rig(&host);
    rig.slot.swap(&large, 1).expect("a swap");
    (0..1_000).for_each(|id| rig.store(id));
    assert_eq!((rig.decided, rig.fell_back), (1_000, 0));
    assert_eq!((host.gauges().live_instances, host.gauges().live_bytes), (1, 1_616 << 16));
    // Native ones are beside it.
    rig.slot.swap(&strategy(&host, "honest"), 1).expect("a swap");
    assert_eq!((host.gauges().live_instances, host.gauges().live_bytes), (1, 1 << 20));
}

#[test]
fn a_component_that_begins_large_is_a_large_one() {
    let base = include_str!("hostile/base.wat");
    let text = base.replace("(memory (export \"memory\") 16)", "(memory (export \"memory\") 2000)");
    let host = host(32, 16);
    let plugin = host.load(&encode(&text)).expect("it is described in a large place");
    let error = plugin.strategy(&json!({}), Limits::DEFAULT).expect_err("nobody allowed it so much");
    assert!(error.to_string().contains("more memory than its limit"), "{error}");
    let large = plugin.strategy(&json!({}), LARGE).expect("now somebody does");
    rig(&host).slot.swap(&large, 1).expect("a swap");
}

#[test]
fn a_loop_in_a_large_instance_is_stopped_too() {
    let host = host(32, 16);
    let again = "(if (i64.gt_u (global.get $stores) (i64.const 25000)) (then (loop $again (br $again))))";
    let plugin = host.load(&component_with("honest", &[("store", again)])).expect("it loads");
    let mut rig = rig(&host);
    rig.slot.swap(&plugin.strategy(&json!({}), LARGE).expect("honest so far"), 1).expect("a swap");
    (0..25_001).for_each(|id| rig.store(id));
    let store = rig.slot.figures().hooks["store"].clone();
    assert_eq!((rig.fell_back, store.budget_exceeded + store.starved), (1, 1), "{store:?}");
}

#[test]
fn each_class_has_its_places_and_a_full_one_says_which() {
    let host = host(6, 6);
    let plugin = host.load(&component_with("honest", &[])).expect("it loads");
    let (native, large) = (
        plugin.strategy(&json!({}), Limits::DEFAULT).expect("native"),
        plugin.strategy(&json!({}), LARGE).expect("large"),
    );
    let fill = |strategy| {
        let rigs: Vec<_> = (0..6).map(|_| rig(&host)).collect();
        rigs.iter().for_each(|rig| drop(rig.slot.swap(strategy, 1).expect("there is room")));
        rigs
    };
    let (natives, larges) = (fill(&native), fill(&large));
    for (strategy, memory_mib_max) in [(&native, 64), (&large, 512)] {
        let error = rig(&host).slot.swap(strategy, 1).expect_err("there is none");
        assert_eq!(error, HostError::Exhausted { instances_max: 6, memory_mib_max });
        assert!(error.may_pass() && error.to_string().contains("are in use"), "{error}");
    }
    drop(natives);
    rig(&host).slot.swap(&native, 1).expect("there is room again");
    drop(larges);
    rig(&host).slot.swap(&large, 1).expect("there is room again");
    assert_eq!(host.gauges().live_instances, 0);
}

#[test]
fn a_pool_that_asks_for_too_much_is_a_clear_error_at_the_start() {
    let config = HostConfig { large_instances_max: 1_000_000, ..HostConfig::new(Compiler::InProcess) };
    let error = Host::new(config).err().expect("it is refused").to_string();
    assert!(error.contains("1000000 large ones at once need more addresses"), "{error}");
}

#[test]
fn four_times_as_many_slots_as_places_all_answer_and_give_every_place_back() {
    const PLACES: u64 = 8;
    const ATTEMPTS: u64 = 320;
    let host = host(PLACES as u32, 1);
    let versions = [strategy(&host, "honest"), strategy(&host, "other")];
    let (refused, answered) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for client in 0..4 * PLACES {
            let (host, versions, refused, answered) = (&host, &versions, &refused, &answered);
            scope.spawn(move || {
                let mut rig = Rig::new(host, CAPACITY, Upkeep::Threads);
                for turn in 0..ATTEMPTS {
                    match rig.slot.swap(&versions[((client + turn) % 2) as usize], turn) {
                        Ok(_) => {}
                        Err(HostError::Exhausted { instances_max, .. }) => {
                            assert_eq!(u64::from(instances_max), PLACES);
                            refused.fetch_add(1, SeqCst);
                        }
                        Err(error) => panic!("no error of a pool reaches anybody: {error:?}"),
                    }
                    rig.store(turn);
                    if turn % 3 == client % 3 {
                        rig.slot.clear();
                    }
                }
                answered.fetch_add(rig.decided + rig.fell_back, SeqCst);
            });
        }
    });
    let refused = refused.load(SeqCst);
    println!("{refused} of {} swaps found no place", 4 * PLACES * ATTEMPTS);
    assert!(refused > 0, "it was really full");
    assert_eq!(answered.load(SeqCst), 4 * PLACES * ATTEMPTS, "whoever asked got an answer");
    assert!(support::came(|| host.gauges().live_instances == 0), "{:?}", host.gauges());
    let rigs: Vec<_> = (0..PLACES).map(|_| rig(&host)).collect();
    rigs.iter().for_each(|rig| drop(rig.slot.swap(&versions[0], 1).expect("every place is there")));
}
