//! What instances leave to others: over swaps, on the way back, and where it does harm.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::{collections::BTreeMap, sync::Mutex};

use switchyard_host::{Host, State, StateStore, Strategy, StrategySlot, SwapOrder, Upkeep};
use switchyard_types::{PluginName, Stage};

use support::{Rig, host, strategy, strategy_with};

const CAPACITY: u64 = 100;

/// States in memory.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, State>>);

impl StateStore for Memory {
    fn load(&self, shard: &str, plugin: &PluginName) -> Option<State> {
        self.0.lock().expect("not poisoned").get(&format!("{plugin} {shard}")).cloned()
    }

    fn save(&self, shard: &str, plugin: &PluginName, state: &State) {
        self.0.lock().expect("not poisoned").insert(format!("{plugin} {shard}"), state.clone());
    }
}

impl Memory {
    /// The only count in it.
    fn count(&self) -> Option<u64> {
        let states = self.0.lock().expect("not poisoned");
        assert!(states.len() <= 1, "{states:?}");
        states.values().next().map(|state| u64::from_le_bytes(state.bytes[..].try_into().expect("a count")))
    }
}

/// Another version of the fixture that remembers; what it does besides stands in `more`.
fn version(host: &Host, version: u32, more: &[(&str, &str)]) -> Strategy {
    let mark = format!("(i32.store8 (i32.const 2064) (i32.const {}))", 48 + version);
    strategy_with(host, "remembers", &[&[("describe", mark.as_str())], more].concat())
}

/// How many stores the instance knows of.
fn known(rig: &Rig) -> u64 {
    rig.slot.figures().shards.counters["stored"] as u64
}

fn store(rig: &mut Rig, count: u64) {
    (0..count).for_each(|id| rig.store(id));
}

fn rig(host: &Host) -> Rig {
    Rig::new(host, CAPACITY, Upkeep::Caller)
}

#[test]
fn roll_back_goes_on_from_the_state_that_the_last_healthy_version_left() {
    let host = host();
    let mut rig = rig(&host);
    let [one, two, three] = [1, 2, 3].map(|number| version(&host, number, &[]));
    rig.slot.swap(&one, 1).expect("a swap");
    store(&mut rig, 5);
    rig.slot.swap(&two, 1).expect("a swap");
    store(&mut rig, 3);
    assert_eq!(known(&rig), 8, "a successor goes on from there");
    rig.slot.swap(&three, 1).expect("a swap");
    store(&mut rig, 1);
    assert_eq!(known(&rig), 9);
    // Neither has shown that it is healthy: what they have learnt is not believed.
    rig.slot.swap(&one, 1).expect("a swap");
    assert_eq!(known(&rig), 5);
    rig.slot.swap(&two, 1).expect("a swap");
    store(&mut rig, 2);
    StrategySlot::trust(&rig.slot);
    rig.slot.swap(&one, 1).expect("a swap");
    assert_eq!(known(&rig), 7, "a healthy one is");
}

#[test]
fn roll_back_finds_its_state_behind_a_version_that_has_none() {
    let host = host();
    let mut rig = rig(&host);
    let (one, stateless, saved) = (version(&host, 1, &[]), strategy(&host, "honest"), Memory::default());
    rig.slot.swap(&one, 1).expect("a swap");
    store(&mut rig, 5);
    rig.slot.swap_with(&SwapOrder::new(&stateless, 1).with_states(&saved)).expect("a swap");
    assert_eq!(saved.count(), Some(5), "a node that starts again now finds it too");
    rig.slot.swap(&one, 1).expect("a swap");
    assert_eq!(known(&rig), 5);
}

#[test]
fn a_slot_that_runs_nothing_begins_with_what_was_saved() {
    let host = host();
    let (mut rig, saved) = (rig(&host), Memory::default());
    let one = version(&host, 1, &[]);
    let order = || SwapOrder::new(&one, 1).with_states(&saved);
    rig.slot.swap_with(&order()).expect("a swap");
    store(&mut rig, 5);
    StrategySlot::export(&rig.slot, &version(&host, 2, &[]), &saved);
    assert_eq!(saved.count(), None, "another version does not decide");
    StrategySlot::export(&rig.slot, &one, &saved);
    assert_eq!(saved.count(), Some(5));
    rig.slot.clear();
    rig.slot.swap_with(&order()).expect("a swap");
    assert_eq!(known(&rig), 5);
    // A slot that runs something goes on from that.
    store(&mut rig, 1);
    let two = version(&host, 2, &[]);
    rig.slot.swap_with(&SwapOrder::new(&two, 1).with_states(&saved)).expect("a swap");
    assert_eq!((known(&rig), saved.count()), (6, Some(6)));
}

/// Traps in a store once it knows of more than a thousand; its self-test has fewer than 100,000 behind it at an import.
const FATAL: &str = "(if (i64.gt_u (global.get $known) (i64.const 1000000)) (then unreachable))";

/// Makes a rig's next state a fatal one for those with [`FATAL`] in them.
fn grown(host: &Host) -> Strategy {
    version(host, 9, &[("store", "(global.set $known (i64.add (global.get $known) (i64.const 2000000)))")])
}

#[test]
fn rejected_state_is_not_imported_twice_by_the_version_that_failed_with_it() {
    let host = host();
    let mut rig = rig(&host);
    rig.slot.swap(&grown(&host), 1).expect("a swap");
    store(&mut rig, 1);
    StrategySlot::trust(&rig.slot);
    let failing = version(&host, 2, &[("store", FATAL)]);
    rig.slot.swap(&failing, 1).expect("it takes the state");
    store(&mut rig, 1);
    assert_eq!((rig.fell_back, host.rejected_states().added()), (1, 1), "and fails with it");
    store(&mut rig, 5);
    assert_eq!((rig.fell_back, known(&rig)), (1, 5), "the next instance begins with nothing");
    rig.slot.swap(&grown(&host), 1).expect("back");
    assert_eq!(known(&rig), 2_000_001, "to the version that wrote it, the state does no harm");
    rig.slot.swap(&failing, 1).expect("once more");
    assert_eq!(known(&rig), 0, "without the state");
    store(&mut rig, 5);
    assert_eq!((rig.fell_back, host.rejected_states().added()), (1, 1));
    // Another process that was told of it does the same.
    let other = support::host();
    other.rejected_states().extend(host.rejected_states().list());
    let mut rig = Rig::new(&other, CAPACITY, Upkeep::Caller);
    rig.slot.swap(&grown(&other), 1).expect("a swap");
    store(&mut rig, 1);
    rig.slot.swap(&version(&other, 2, &[("store", FATAL)]), 1).expect("a swap");
    assert_eq!(known(&rig), 0);
}

#[test]
fn rejected_state_of_a_running_version_refuses_its_successor() {
    let host = host();
    let mut rig = rig(&host);
    rig.slot.swap(&grown(&host), 1).expect("a swap");
    store(&mut rig, 1);
    for (body, stage) in [("import", Stage::Import), ("adopt", Stage::Adopt)] {
        let before = host.rejected_states().added();
        let error = rig.slot.swap(&version(&host, 2, &[(body, FATAL)]), 1).expect_err("it fails");
        assert!(!error.may_pass() && error.stage() == stage, "{error:?}");
        assert_eq!(host.rejected_states().added(), before + 1);
    }
    store(&mut rig, 1);
    assert_eq!((rig.fell_back, known(&rig)), (0, 2), "the running one never stopped");
}

#[test]
fn rejected_state_from_a_store_is_no_reason_not_to_start() {
    let host = host();
    let (mut rig, saved) = (rig(&host), Memory::default());
    let grown = grown(&host);
    rig.slot.swap(&grown, 1).expect("a swap");
    store(&mut rig, 1);
    StrategySlot::export(&rig.slot, &grown, &saved);
    for (number, body) in [(2, "import"), (3, "adopt")] {
        rig.slot.clear();
        let order = version(&host, number, &[(body, FATAL)]);
        rig.slot.swap_with(&SwapOrder::new(&order, 1).with_states(&saved)).expect("it starts");
        assert_eq!((known(&rig), host.rejected_states().list().len() as u32), (0, number - 1));
    }
}

/// Knows of too many once it has made as many as no self-test makes.
const GROWS_LATE: &str = "(if (i64.gt_u (global.get $stores) (i64.const 25000)) (then
    (global.set $known (i64.add (global.get $known) (i64.const 2000000)))))";

/// A version that cannot bear what it left itself must not keep a node from going back to it.
#[test]
fn rejected_state_that_was_kept_is_no_reason_not_to_go_back() {
    let host = host();
    let stateless = strategy(&host, "honest");
    for (number, body) in [(1, "import"), (2, "adopt")] {
        let mut rig = rig(&host);
        let old = version(&host, number, &[("store", GROWS_LATE), (body, FATAL)]);
        rig.slot.swap(&old, 1).expect("a swap");
        store(&mut rig, 25_001);
        rig.slot.swap(&stateless, 1).expect("a swap");
        let before = host.rejected_states().added();
        rig.slot.swap(&old, 1).expect("the way back is open");
        assert_eq!((known(&rig), host.rejected_states().added()), (0, before + 1), "without the state");
    }
}

#[test]
fn a_version_that_fails_before_its_import_says_nothing_of_the_state() {
    // At the size of the rig's table, which no self-test has.
    let too_small = format!("(if (i64.eq (local.get 1) (i64.const {CAPACITY})) (then unreachable))");
    let host = host();
    let mut rig = rig(&host);
    rig.slot.swap(&version(&host, 1, &[]), 1).expect("a swap");
    store(&mut rig, 1);
    let error = rig.slot.swap(&version(&host, 2, &[("resize", too_small.as_str())]), 1).expect_err("it fails");
    assert_eq!((error.stage(), host.rejected_states().added()), (Stage::Configure, 0), "{error:?}");
    rig.slot.swap(&version(&host, 3, &[]), 1).expect("a swap");
    assert_eq!(known(&rig), 1, "the state is as good as before");
}

#[test]
fn an_instance_whose_export_fails_is_not_asked_again() {
    let host = host();
    let (mut rig, saved) = (rig(&host), Memory::default());
    let fails = version(&host, 1, &[("export", FATAL)]);
    rig.slot.swap(&fails, 1).expect("a swap");
    StrategySlot::export(&rig.slot, &fails, &saved);
    assert_eq!(saved.count(), Some(0));
    rig.slot.swap(&grown(&host), 1).expect("a swap");
    store(&mut rig, 1);
    StrategySlot::trust(&rig.slot);
    rig.slot.swap(&fails, 1).expect("a swap");
    for _ in 0..10 {
        StrategySlot::export(&rig.slot, &fails, &saved);
        store(&mut rig, 1);
    }
    let figures = rig.slot.figures();
    assert!(!figures.quarantined && rig.fell_back <= 1, "{figures:?}");
    assert_eq!(saved.count(), Some(0), "what was saved before stays");
}

#[test]
fn a_state_that_is_too_large_is_not_taken() {
    // A list of 4 MiB and one byte: its length alone is looked at.
    const LARGE: &str = "(if (i64.gt_u (global.get $stores) (i64.const 25000)) (then
        (drop (memory.grow (i32.const 128))) (i32.store (i32.const 772) (i32.const 4194305))))";
    let host = host();
    let (mut rig, saved) = (rig(&host), Memory::default());
    let large = version(&host, 1, &[("export", LARGE)]);
    rig.slot.swap(&large, 1).expect("a swap");
    // As many as no self-test makes.
    store(&mut rig, 25_001);
    StrategySlot::export(&rig.slot, &large, &saved);
    assert_eq!(saved.count(), None);
    store(&mut rig, 2);
    assert_eq!(rig.fell_back, 1, "it cost one decision");
}
