//! Plugins that behave until the self-test is over and then do not: each limit fires, the host lives, the fallback
//! answers, other slots are untouched.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::time::Instant;

use switchyard_host::{Host, Upkeep};
use switchyard_types::{HookFigures, Limits};

use support::{Rig, host, limited, strategy};

/// Calls of `store` after which the fixtures turn on their host.
const HONEST_STORES: u64 = 25_000;
const CAPACITY: u64 = 100;

/// A slot whose plugin has just been honest for the last time.
fn turned(host: &Host, fixture: &str, limits: Limits) -> Rig {
    let mut rig = Rig::new(host, CAPACITY, Upkeep::Caller);
    rig.slot.swap(&limited(host, fixture, limits), 1).expect("it passes every stage");
    for id in 0..HONEST_STORES {
        rig.store(id);
    }
    assert_eq!((rig.decided, rig.fell_back), (HONEST_STORES, 0), "{fixture} is honest so far");
    rig
}

fn store_figures(rig: &Rig) -> HookFigures {
    rig.slot.figures().hooks.get("store").cloned().expect("the hook is reported")
}

/// Lets a fixture turn hostile beside an honest neighbour and returns what its `store` hook came to.
fn contained(fixture: &str, stores: u64) -> HookFigures {
    contained_within(fixture, stores, Limits::DEFAULT)
}

fn contained_within(fixture: &str, stores: u64, limits: Limits) -> HookFigures {
    let host = host();
    let mut neighbour = Rig::new(&host, CAPACITY, Upkeep::Caller);
    neighbour.slot.swap(&strategy(&host, "honest"), 1).expect("honest");
    let mut rig = turned(&host, fixture, limits);
    let bytes_max = host.gauges().live_bytes + limits.memory_bytes;
    for id in 0..stores {
        rig.store(HONEST_STORES + id);
        neighbour.store(id);
        assert!(host.gauges().live_bytes <= bytes_max, "memory stays within the limit");
    }
    assert_eq!(rig.table.len() as u64, CAPACITY, "the cache goes on");
    assert_eq!((neighbour.decided, neighbour.fell_back), (stores, 0), "the neighbour is untouched");
    let figures = store_figures(&rig);
    assert_eq!(figures.fallbacks, rig.fell_back);
    figures
}

/// A loop that got no processor is stopped as starved: that shows the wall cap and not the budget, and is tried again.
const ATTEMPTS_MAX: usize = 20;

fn is_stopped_at_its_budget(attempt: impl Fn() -> HookFigures) {
    let stopped = (0..ATTEMPTS_MAX).any(|_| {
        let figures = attempt();
        assert!(figures.budget_exceeded + figures.starved > 0, "it is stopped: {figures:?}");
        assert_eq!((figures.traps, figures.invalid, figures.out_of_memory), (0, 0, 0), "and as nothing else");
        figures.budget_exceeded > 0
    });
    assert!(stopped, "starved {ATTEMPTS_MAX} times in a row");
}

#[test]
fn a_loop_is_stopped_at_its_budget() {
    is_stopped_at_its_budget(|| {
        let figures = contained("loop-store", 3);
        assert_eq!(figures.budget_exceeded + figures.starved, figures.fallbacks);
        figures
    });
}

#[test]
fn a_loop_of_host_calls_is_stopped_at_its_budget() {
    is_stopped_at_its_budget(|| {
        let figures = contained("loop-host-calls", 3);
        assert_eq!(figures.budget_exceeded + figures.starved, figures.fallbacks);
        figures
    });
}

#[test]
fn a_memory_hog_is_stopped_at_its_limit() {
    // So little memory is touched long before the largest budget is used up.
    let limits = Limits { memory_bytes: 4 << 20, waited_call_us: Limits::CEILING.waited_call_us, ..Limits::DEFAULT };
    let figures = contained_within("memory-hog", 1, limits);
    assert_eq!((figures.out_of_memory, figures.traps, figures.budget_exceeded), (1, 0, 0));
}

#[test]
fn a_table_hog_is_stopped_at_the_bound_of_tables() {
    let figures = contained("table-hog", 1);
    assert_eq!((figures.out_of_memory, figures.traps, figures.budget_exceeded), (1, 0, 0));
}

/// A figure of this process's memory, in bytes.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
    let kib: u64 = line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").parse().expect("a number");
    kib << 10
}

/// By how much the process was larger at its largest while something ran.
fn peak_of(run: impl FnOnce()) -> u64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak begins anew");
    let before = memory("VmRSS");
    run();
    memory("VmHWM").saturating_sub(before)
}

#[test]
fn hogs_cost_the_process_no_more_than_their_limit() {
    const SLACK_BYTES: u64 = 16 << 20;
    let limits = Limits { waited_call_us: Limits::CEILING.waited_call_us, ..Limits::DEFAULT };
    for fixture in ["memory-hog", "table-hog", "huge-return"] {
        let host = host();
        let mut rig = turned(&host, fixture, limits);
        // Each begins anew and fails again: what they took does not add up.
        let risen = peak_of(|| (0..3).for_each(|id| rig.store(HONEST_STORES + id)));
        assert!(rig.fell_back >= 1, "{fixture}");
        println!("{{\"fault\":\"F18\",\"what\":\"memory at its peak beside {fixture}\",\"measured_bytes\":{risen}}}");
        assert!(risen <= limits.memory_bytes + SLACK_BYTES, "{fixture}: {risen} bytes more");
        // What is given back after the call is seen too.
        assert!(fixture != "memory-hog" || risen >= limits.memory_bytes / 4, "{fixture}: {risen} bytes more");
    }
}

/// What a loop costs whoever asks it, and what it costs the plugin beside it: printed, for whoever collects the times.
#[test]
fn a_loop_is_stopped_soon_and_its_neighbour_goes_on() {
    const CALLS: u64 = 20_000;
    let host = host();
    let mut neighbour = Rig::new(&host, CAPACITY, Upkeep::Caller);
    neighbour.slot.swap(&strategy(&host, "honest"), 1).expect("honest");
    let mut print_p99 = |when: &str| {
        let mut times: Vec<_> = (0..CALLS)
            .map(|id| {
                let begun = Instant::now();
                neighbour.store(id);
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        let p99_ns = times[times.len() * 99 / 100].as_nanos();
        println!("{{\"fault\":\"F17\",\"what\":\"the neighbour's p99 {when}\",\"measured_ns\":{p99_ns}}}");
    };
    print_p99("before");
    for fixture in ["loop-store", "loop-host-calls", "recursion"] {
        let mut rig = turned(&host, fixture, Limits::DEFAULT);
        let begun = Instant::now();
        rig.store(HONEST_STORES);
        let stopped_us = begun.elapsed().as_micros();
        assert_eq!(rig.fell_back, 1, "{fixture}");
        println!("{{\"fault\":\"F17\",\"what\":\"{fixture} is stopped\",\"measured_us\":{stopped_us}}}");
        std::thread::scope(|scope| {
            // Again and again, until it is quarantined.
            scope.spawn(|| (1..1_000).for_each(|id| rig.store(HONEST_STORES + id)));
            print_p99(&format!("beside {fixture}"));
        });
    }
    assert_eq!(neighbour.fell_back, 0, "the neighbour is untouched");
}

#[test]
fn a_deep_recursion_traps() {
    assert_eq!(contained("recursion", 1).traps, 1);
}

#[test]
fn a_return_of_a_gibibyte_is_refused_before_it_is_copied() {
    assert_eq!(contained("huge-return", 1).invalid, 1);
}

#[test]
fn more_victims_than_the_contract_has_are_refused() {
    assert_eq!(contained("many-victims", 1).invalid, 1);
}

#[test]
fn a_loop_in_a_batch_costs_the_batch_and_the_next_instance_goes_on() {
    is_stopped_at_its_budget(|| {
        let host = host();
        let mut rig = turned(&host, "loop-observe", Limits::DEFAULT);
        rig.store(HONEST_STORES);
        assert!(rig.access(HONEST_STORES), "the last entry is resident, and its read is an event");
        rig.slot.observe(0);
        let observe = rig.slot.figures().hooks["observe"].clone();
        assert_eq!(observe.budget_exceeded + observe.starved, 1, "{observe:?}");
        for id in 0..100 {
            rig.store(2 * HONEST_STORES + id);
        }
        assert_eq!(rig.fell_back, 0, "a new instance has adopted the table and decides");
        observe
    });
}

#[test]
fn a_log_flood_costs_its_own_lines_only() {
    const LINES: u64 = 1_000;
    let host = host();
    let mut rig = turned(&host, "log-flood", Limits::DEFAULT);
    for id in 0..LINES {
        rig.store(HONEST_STORES + id);
    }
    let figures = rig.slot.figures();
    assert_eq!(rig.fell_back, 0, "logging is no fault");
    // Ten lines a second pass; a machine on which a thousand calls take longer than ten seconds lets more through.
    assert!(figures.shards.log_lines_dropped >= LINES - 100, "{figures:?}");
}

#[test]
fn victims_that_do_not_exist_are_ignored_and_counted() {
    let host = host();
    let mut rig = turned(&host, "unknown-victims", Limits::DEFAULT);
    for id in 0..10 {
        rig.store(HONEST_STORES + id);
    }
    let figures = rig.slot.figures();
    assert_eq!(rig.fell_back, 0);
    assert!(figures.shards.victims_unknown >= 10 * 63, "{figures:?}");
    assert_eq!(rig.table.len() as u64, CAPACITY);
}

#[test]
fn a_plugin_that_traps_on_every_call_is_quarantined() {
    let host = host();
    let mut rig = turned(&host, "trap-every-later-call", Limits::DEFAULT);
    for id in 0..1_000 {
        rig.store(HONEST_STORES + id);
    }
    let figures = rig.slot.figures();
    assert!(figures.quarantined);
    assert_eq!(rig.fell_back, 1_000, "every caller got an answer");
    let traps = figures.hooks["store"].traps;
    assert!((1..=3).contains(&traps), "{traps} traps, then the fallback");
    assert_eq!(host.gauges().live_instances, 0, "nothing is left of it");
}

#[test]
fn a_plugin_that_traps_on_one_call_in_a_hundred_is_revived_and_in_the_end_quarantined() {
    let host = host();
    let mut rig = Rig::new(&host, CAPACITY, Upkeep::Caller);
    rig.slot.swap(&strategy(&host, "trap-one-percent"), 1).expect("it passes every stage");
    let mut traps_seen = 0;
    for id in 1_000_000..1_000_900 {
        rig.store(id);
        if id % 100 == 7 {
            traps_seen += 1;
            assert!(!rig.slot.figures().quarantined, "{traps_seen} in a thousand are not enough");
        }
    }
    assert_eq!((rig.fell_back, rig.decided), (9, 891), "each trap cost one caller its decision, and was forgotten");
    for id in 1_000_900..1_001_000 {
        rig.store(id);
    }
    assert!(rig.slot.figures().quarantined, "ten in a thousand are");
}

#[test]
fn an_innocent_plugin_beside_busy_threads_never_exceeds_its_budget() {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    const CALLS: u64 = 100_000;
    let host = host();
    let mut rig = Rig::new(&host, CAPACITY, Upkeep::Caller);
    rig.slot.swap(&strategy(&host, "honest"), 1).expect("honest");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for id in 0..CALLS {
            rig.store(id);
        }
        done.store(true, Relaxed);
    });
    let figures = store_figures(&rig);
    assert_eq!(figures.calls, CALLS);
    assert_eq!(figures.budget_exceeded, 0);
    println!("starved: {} of {CALLS}", figures.starved);
}
