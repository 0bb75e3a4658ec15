//! Hostile plugins of the kinds beside caching: each is contained, the fallback answers, and what the engine holds is adopted by
//! the next instance.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::print_stdout, reason = "tests")]

mod support;

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use serde_json::json;
use switchyard_host::{
    Host, HostError, SlotFigures, Strategy, StrategySlot, Upkeep,
    alerting::{Alert, AlertTable, AlertingSlot, Columns},
    routing::{
        Backend, Candidate, Choice, Method, Outcome, Request, Resident as RouteResident, RouteTable, RoutingSlot,
    },
    scheduling::{Event, Failure, Load, QueueTable, QueueView, Resident, SchedulingSlot, Task, Verdict},
    scoring::{Resident as ScoreResident, ScoreTable, ScoringSlot},
};
use switchyard_types::{HookFigures, Limits, StrategyKind};

/// Calls after which a fixture turns: its self-test is over, whatever the kind.
const HONEST_CALLS: u64 = 25_000;

/// A plugin of a kind that is honest for a while, and then does this in its hook.
fn turning(host: &Host, kind: StrategyKind, then: &str) -> Result<Strategy, HostError> {
    let body = format!("(if (i64.gt_u (global.get $stores) (i64.const {HONEST_CALLS})) (then {then}))");
    hooked(host, kind, &body)
}

/// A plugin of a kind that does this in its hook.
fn hooked(host: &Host, kind: StrategyKind, body: &str) -> Result<Strategy, HostError> {
    let text = support::of_kind(kind.as_str(), &format!(";; begin call\n{body}\n;; end call\n"));
    host.load(&support::encode_kind(kind.as_str(), &text))?.strategy(&json!({}), Limits::DEFAULT)
}

const LOOP: &str = "(loop $again (br $again))";
const TRAP: &str = "unreachable";

fn task(id: u64) -> Task {
    Task { id, priority: 5, tenant: 0, width: 1, estimate_ms: None, deadline_ms: None, attempt: 0, accepted_ms: 0 }
}

/// Writes down who is adopted; everything else is nothing.
#[derive(Default)]
struct Engine {
    walks: Mutex<u64>,
    clock_ms: AtomicU64,
}

impl Engine {
    fn walks(&self) -> u64 {
        *self.walks.lock().expect("not poisoned")
    }

    fn clock_ms(&self) -> u64 {
        self.clock_ms.load(SeqCst)
    }

    fn pass_ms(&self, ms: u64) {
        self.clock_ms.fetch_add(ms, SeqCst);
    }

    fn walked(&self) {
        *self.walks.lock().expect("not poisoned") += 1;
    }
}

impl QueueTable for Engine {
    fn now_ms(&self) -> u64 {
        self.clock_ms()
    }
    fn drain(&self, _: usize, _: usize, _: &mut Vec<Event>) {}
    fn residents(&self, _: usize, _: Option<usize>, into: &mut Vec<Resident>) -> Option<usize> {
        self.walked();
        into.push(Resident { task: task(1), rank: 0.0, due_ms: 0, leased: false });
        None
    }
    fn load(&self, _: usize) -> Load {
        Load::default()
    }
    fn took_over(&self, _: usize) {}
    fn unranked(&self, _: usize, _: usize, _: &mut Vec<Task>) {}
    fn ranked(&self, _: usize, _: usize, _: &mut Vec<Task>) {}
    fn rerank(&self, _: usize, _: &[Task], _: &[f64]) {}
}

impl RouteTable for Engine {
    fn now_ms(&self) -> u64 {
        self.clock_ms()
    }
    fn backends(&self, into: &mut Vec<Backend>) {
        into.push(Backend { backend: 7, weight: 1, healthy: true });
    }
    fn drain(&self, _: usize, _: usize, _: &mut Vec<Outcome>) {}
    fn residents(&self, into: &mut Vec<RouteResident>) {
        self.walked();
        into.push(RouteResident { backend: 7, in_flight: 0, latency_us: 0 });
    }
    fn load(&self, _: usize) -> switchyard_host::routing::Load {
        Default::default()
    }
}

impl AlertTable for Engine {
    fn now_ms(&self) -> u64 {
        self.clock_ms()
    }
    fn residents(&self, _: usize, _: &mut Vec<Alert>) {
        self.walked();
    }
    fn load(&self, _: usize) -> switchyard_host::alerting::Load {
        Default::default()
    }
}

impl ScoreTable for Engine {
    fn now_ms(&self) -> u64 {
        self.clock_ms()
    }
    fn residents(&self, _: &mut Vec<ScoreResident>) {
        self.walked();
    }
    fn load(&self) -> switchyard_host::scoring::Load {
        Default::default()
    }
}

type Swap = Box<dyn Fn(&Strategy) -> Result<(), HostError>>;

/// What a kind's engine asks its slot, and whether the strategy answered.
struct Rig {
    engine: Arc<Engine>,
    any: Arc<dyn StrategySlot>,
    ask: Box<dyn Fn() -> bool>,
    swap: Swap,
    figures: Box<dyn Fn() -> SlotFigures>,
}

const ALL: [StrategyKind; 4] =
    [StrategyKind::Alerting, StrategyKind::Routing, StrategyKind::Scheduling, StrategyKind::Scoring];

fn rig(host: &Host, kind: StrategyKind) -> Rig {
    match kind {
        StrategyKind::Alerting => alerting(host),
        StrategyKind::Routing => routing(host),
        StrategyKind::Scheduling => scheduling(host),
        StrategyKind::Scoring => scoring(host),
        StrategyKind::Caching => unreachable!("caching has tests of its own"),
    }
}

fn scheduling(host: &Host) -> Rig {
    let engine = Arc::<Engine>::default();
    let weak: Weak<Engine> = Arc::downgrade(&engine);
    let slot = SchedulingSlot::new(host, weak, 1, Upkeep::Caller);
    let (asked, figures, clock, any) = (slot.clone(), slot.clone(), Arc::clone(&engine), Arc::new(slot.clone()));
    Rig {
        engine,
        any,
        ask: Box::new(move || {
            asked.submit(0, clock.clock_ms(), &task(1), QueueView::default(), |verdict| verdict.is_some())
        }),
        swap: Box::new(move |strategy| slot.swap(strategy, 1).map(drop)),
        figures: Box::new(move || figures.figures()),
    }
}

fn request() -> Request {
    Request { path_id: 0, client: 0, affinity: None, method: Method::Get, path: None }
}

fn routing(host: &Host) -> Rig {
    let engine = Arc::<Engine>::default();
    let weak: Weak<Engine> = Arc::downgrade(&engine);
    let slot = RoutingSlot::new(host, weak, 1, Upkeep::Caller);
    let (asked, figures, clock, any) = (slot.clone(), slot.clone(), Arc::clone(&engine), Arc::new(slot.clone()));
    let candidates = [Candidate { backend: 7, in_flight: 0 }, Candidate { backend: 8, in_flight: 0 }];
    let picked = move |choice: Option<&Choice>| match choice {
        Some(choice) => *choice == Choice::Order(vec![7]),
        None => false,
    };
    Rig {
        engine,
        any,
        ask: Box::new(move || asked.pick(0, clock.clock_ms(), &request(), &candidates, picked)),
        swap: Box::new(move |strategy| slot.swap(strategy, 1).map(drop)),
        figures: Box::new(move || figures.figures()),
    }
}

fn alerting(host: &Host) -> Rig {
    let engine = Arc::<Engine>::default();
    let weak: Weak<Engine> = Arc::downgrade(&engine);
    let slot = AlertingSlot::new(host, weak, 1, Upkeep::Caller);
    let (asked, figures, clock, any) = (slot.clone(), slot.clone(), Arc::clone(&engine), Arc::new(slot.clone()));
    Rig {
        engine,
        any,
        ask: Box::new(move || asked.evaluate(0, clock.clock_ms(), &one_row(), true, |verdicts| verdicts.is_some())),
        swap: Box::new(move |strategy| slot.swap(strategy, 1).map(drop)),
        figures: Box::new(move || figures.figures()),
    }
}

/// Series 8, of a metric without a name.
fn one_row() -> Columns {
    let mut columns =
        Columns { series: vec![8], name: vec![0], labels: vec![0], value: vec![1.0], ..Columns::default() };
    assert_eq!(columns.texts.push(""), Some(0));
    columns
}

fn scoring(host: &Host) -> Rig {
    let engine = Arc::<Engine>::default();
    let weak: Weak<Engine> = Arc::downgrade(&engine);
    let slot = ScoringSlot::new(host, weak, Upkeep::Caller);
    let (asked, figures, clock, any) = (slot.clone(), slot.clone(), Arc::clone(&engine), Arc::new(slot.clone()));
    Rig {
        engine,
        any,
        ask: Box::new(move || asked.score(clock.clock_ms(), &[], |scores| scores.is_some())),
        swap: Box::new(move |strategy| slot.swap(strategy, 1).map(drop)),
        figures: Box::new(move || figures.figures()),
    }
}

/// A strategy that has just been honest for the last time, in its slot.
fn turned(host: &Host, kind: StrategyKind, then: &str) -> Rig {
    let rig = rig(host, kind);
    (rig.swap)(&turning(host, kind, then).expect("it passes every stage")).expect("it is activated");
    // The calls of the self-test were another instance's.
    assert!((0..HONEST_CALLS).all(|_| (rig.ask)()), "{kind} is honest so far");
    rig
}

fn asked(rig: &Rig) -> HookFigures {
    let hooks = (rig.figures)().hooks;
    let hook = ["submit", "pick", "evaluate", "score"].iter().find_map(|hook| hooks.get(*hook));
    hook.cloned().expect("the hook is reported")
}

/// Lets a fixture of a kind turn, and says what came of its hook. The engine is adopted again, and a caching slot beside it
/// is untouched.
fn contained(kind: StrategyKind, then: &str) -> HookFigures {
    let host = support::host();
    let mut neighbour = support::Rig::new(&host, 100, Upkeep::Caller);
    neighbour.slot.swap(&support::strategy(&host, "honest"), 1).expect("honest");
    let rig = turned(&host, kind, then);
    let walks = rig.engine.walks();
    assert!(!(rig.ask)(), "{kind}: the fallback answers");
    assert!((rig.ask)(), "{kind}: the next instance is honest");
    assert_eq!(rig.engine.walks(), walks + 1, "{kind}: it has adopted what the engine holds");
    (0..100).for_each(|id| neighbour.store(id));
    assert_eq!((neighbour.decided, neighbour.fell_back), (100, 0), "{kind}: the neighbour is untouched");
    asked(&rig)
}

#[test]
fn an_honest_plugin_of_each_kind_decides() {
    for kind in ALL {
        let host = support::host();
        let rig = rig(&host, kind);
        assert!(!(rig.ask)(), "{kind}: there is only the fallback");
        (rig.swap)(&hooked(&host, kind, "").expect("it passes every stage")).expect("it is activated");
        assert!((rig.ask)(), "{kind}");
    }
}

#[test]
fn a_trap_costs_one_decision_and_the_next_instance_adopts() {
    for kind in ALL {
        let figures = contained(kind, TRAP);
        assert_eq!((figures.traps, figures.fallbacks, figures.invalid), (1, 1, 0), "{kind}");
    }
}

#[test]
fn a_loop_is_stopped() {
    for kind in ALL {
        let figures = contained(kind, LOOP);
        assert_eq!((figures.budget_exceeded + figures.starved, figures.fallbacks), (1, 1), "{kind}");
    }
}

#[test]
fn answers_that_break_the_contract_are_refused() {
    use StrategyKind::{Alerting, Routing, Scheduling, Scoring};
    let check = |kind, what: &str, then: &str| {
        let figures = contained(kind, then);
        assert_eq!((figures.invalid, figures.fallbacks, figures.traps), (1, 1, 0), "{kind}: {what}");
    };
    let nan = "(f64.store (i32.const 1032) (f64.const nan))";
    check(Scheduling, "a rank that is no number", nan);
    check(Scheduling, "a delay of a million years", "(i64.store (i32.const 1040) (i64.const 31557600000000000))");
    check(Routing, "an unknown backend", "(i32.store (i32.const 1056) (i32.const 999))");
    check(Routing, "nobody", "(i32.store (i32.const 1032) (i32.const 0))");
    check(Routing, "four backends", "(i32.store (i32.const 1032) (i32.const 4))");
    check(
        Routing,
        "a refusal that is a success",
        "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 200))",
    );
    let told = "(i32.store (i32.const 1024) (i32.const 1152)) (i32.store (i32.const 1028) (i32.const 1))";
    let told = |change: &str| format!("{told} {change}");
    check(Alerting, "a value that is no number", &told("(f64.store (i32.const 1176) (f64.const nan))"));
    check(Alerting, "a rule without a name", &told("(i32.store (i32.const 1156) (i32.const 0))"));
    check(Alerting, "five thousand verdicts", &told("(i32.store (i32.const 1028) (i32.const 5000))"));
    check(Scoring, "a score above 100", "(f64.store (i32.const 1168) (f64.const 101))");
    check(Scoring, "a score that is no number", "(f64.store (i32.const 1168) (f64.const nan))");
    check(Scoring, "a scope without a name", "(i32.store (i32.const 1156) (i32.const 0))");
}

#[test]
fn a_verdict_about_a_series_that_is_not_there_is_dropped_and_counted() {
    let host = support::host();
    let rig = turned(
        &host,
        StrategyKind::Alerting,
        "(i32.store (i32.const 1024) (i32.const 1152)) (i32.store (i32.const 1028) (i32.const 1))",
    );
    assert!((rig.ask)(), "the rest of the answer counts");
    let figures = (rig.figures)();
    assert_eq!((figures.shards.corrected, asked(&rig).invalid), (1, 0));
}

#[test]
fn what_is_wrong_from_the_start_fails_the_self_test() {
    let host = support::host();
    for (kind, body) in [
        (StrategyKind::Scheduling, "(f64.store (i32.const 1032) (f64.const inf))"),
        (StrategyKind::Routing, "(i32.store (i32.const 1032) (i32.const 0))"),
        (StrategyKind::Scoring, "(f64.store (i32.const 1168) (f64.const -1))"),
        (StrategyKind::Alerting, TRAP),
    ] {
        let error = hooked(&host, kind, body).expect_err("it is not published");
        assert!(matches!(error, HostError::SelfTestCall { .. }), "{kind}: {error}");
    }
}

#[test]
fn a_call_for_which_nobody_waits_is_always_measured() {
    for kind in ALL {
        let host = support::host();
        let rig = rig(&host, kind);
        (rig.swap)(&hooked(&host, kind, "").expect("it passes every stage")).expect("it is activated");
        assert!((rig.ask)(), "{kind}");
        let batched = matches!(kind, StrategyKind::Alerting | StrategyKind::Scoring);
        assert_eq!(asked(&rig).latency_p50_ns > 0, batched, "{kind}: of one call");
    }
}

/// Evaluates while a successor adopts, from a thread of its own, and says when it was let.
struct Meanwhile {
    slot: Mutex<Option<AlertingSlot>>,
    order: Arc<Mutex<Vec<&'static str>>>,
    evaluating: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl AlertTable for Meanwhile {
    fn now_ms(&self) -> u64 {
        0
    }
    fn residents(&self, _: usize, _: &mut Vec<Alert>) {
        let Some(slot) = self.slot.lock().expect("not poisoned").take() else { return };
        let (order, (done, is_done)) = (Arc::clone(&self.order), std::sync::mpsc::channel::<()>());
        let evaluate = move || {
            let _turn = slot.turn();
            order.lock().expect("not poisoned").push("evaluated");
            drop(done);
        };
        *self.evaluating.lock().expect("not poisoned") = Some(std::thread::spawn(evaluate));
        // It would have been long enough for it.
        let _ = is_done.recv_timeout(std::time::Duration::from_millis(200));
        self.order.lock().expect("not poisoned").push("adopted");
    }
    fn load(&self, _: usize) -> switchyard_host::alerting::Load {
        Default::default()
    }
}

#[test]
fn no_alert_changes_between_its_adoption_and_the_flip() {
    let host = support::host();
    let table = Arc::new(Meanwhile { slot: Mutex::default(), order: Arc::default(), evaluating: Mutex::default() });
    let weak: Weak<Meanwhile> = Arc::downgrade(&table);
    let slot = AlertingSlot::new(&host, weak, 1, Upkeep::Caller);
    *table.slot.lock().expect("not poisoned") = Some(slot.clone());
    slot.swap(&hooked(&host, StrategyKind::Alerting, "").expect("honest"), 1).expect("it is activated");
    let evaluating = table.evaluating.lock().expect("not poisoned").take();
    evaluating.expect("it was started").join().expect("it ends");
    assert_eq!(*table.order.lock().expect("not poisoned"), ["adopted", "evaluated"]);
}

#[test]
fn a_failed_task_is_asked_about_too() {
    let host = support::host();
    let engine = Arc::<Engine>::default();
    let weak: Weak<Engine> = Arc::downgrade(&engine);
    let slot = SchedulingSlot::new(&host, weak, 1, Upkeep::Caller);
    slot.swap(&turning(&host, StrategyKind::Scheduling, TRAP).expect("honest at first"), 1).expect("it is activated");
    let failed = || slot.failed(0, 0, &Task { attempt: 1, ..task(1) }, Failure::Lost, |retry| retry.is_some());
    assert!((0..HONEST_CALLS).all(|_| failed()) && !failed() && failed());
    let accepted = slot.submit(0, 0, &task(2), QueueView::default(), |verdict| verdict.cloned());
    assert!(matches!(accepted, Some(Verdict::Accept(placement)) if placement.rank == 0.0));
    let hooks = slot.figures().hooks;
    assert_eq!((hooks["failed"].traps, hooks["failed"].fallbacks), (1, 1));
    assert_eq!((hooks["submit"].calls, hooks["submit"].fallbacks), (1, 0));
}

/// A time at which [`AILING`] fails, in milliseconds of the engine's clock. No self-test has such a time.
const ILL_MS: u64 = 5_000_000_000;
/// Whoever is asked during a hundred days fails, and is well again afterwards.
const AILING: &str = "(if (i64.ge_u (global.get $now) (i64.const 5000000000))
    (then (if (i64.lt_u (global.get $now) (i64.const 13640000000)) (then unreachable))))";
const MINUTE_MS: u64 = 60_000;

/// A slot of any kind whose strategy was quarantined at [`ILL_MS`].
fn quarantined(host: &Host, kind: StrategyKind) -> Rig {
    let rig = rig(host, kind);
    (rig.swap)(&hooked(host, kind, AILING).expect("it passes every stage")).expect("it is activated");
    rig.engine.pass_ms(ILL_MS);
    assert!((0..3).all(|_| !(rig.ask)()), "{kind}: the fallback answers");
    assert!((rig.figures)().quarantined, "{kind}");
    rig
}

#[test]
fn a_quarantine_doubles_with_every_trial_that_fails() {
    for kind in ALL {
        let host = support::host();
        let rig = quarantined(&host, kind);
        for minutes in [5, 10, 20, 40, 60, 60] {
            let left = || (rig.figures)().half_open_in_ms;
            assert_eq!(left(), Some(minutes * MINUTE_MS), "{kind}");
            rig.engine.pass_ms(minutes * MINUTE_MS - 1);
            let calls = asked(&rig).calls;
            assert!(!(rig.ask)() && asked(&rig).calls == calls, "{kind}: it is not asked before its time");
            rig.engine.pass_ms(1);
            assert!(!(rig.ask)(), "{kind}: and fails again");
            assert_eq!(asked(&rig).calls, calls + 1, "{kind}: once, and it is over");
            assert_eq!(host.gauges().live_instances, 0, "{kind}");
        }
    }
}

#[test]
fn a_quarantine_ends_with_a_cold_instance_once_the_strategy_is_well() {
    for kind in ALL {
        let host = support::host();
        let rig = quarantined(&host, kind);
        let walks = rig.engine.walks();
        rig.engine.pass_ms(2 * ILL_MS);
        assert!((rig.ask)() && !(rig.figures)().quarantined, "{kind}");
        assert_eq!(rig.engine.walks(), walks + 1, "{kind}: it has adopted what the engine holds");
    }
}

#[test]
fn a_quarantine_ends_when_somebody_asks_for_the_strategy_again() {
    for kind in ALL {
        let host = support::host();
        let rig = quarantined(&host, kind);
        rig.any.retry();
        assert!(!(rig.ask)(), "{kind}: still ill");
        assert_eq!((rig.figures)().half_open_in_ms, Some(10 * MINUTE_MS), "{kind}: the doubling goes on");
        // Another content is another strategy.
        let other = hooked(&host, kind, "(nop)").expect("it passes every stage");
        (rig.swap)(&other).expect("it is activated");
        assert!((rig.ask)() && !(rig.figures)().quarantined, "{kind}");
        rig.any.retry();
        assert!((rig.ask)(), "{kind}: nothing happens to who is well");
    }
}

/// Open files of this process, and the bytes that it holds.
fn held() -> (usize, u64) {
    let files = std::fs::read_dir("/proc/self/fd").expect("this is Linux").count();
    let statm = std::fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let pages: u64 = statm.split_ascii_whitespace().nth(1).expect("a field").parse().expect("a number");
    (files, pages * rustix::param::page_size() as u64)
}

/// Swaps between two versions of a kind again and again; after each nothing is left of the other.
fn swapped_over_and_over(
    kind: StrategyKind,
    host: &Host,
    versions: &[Strategy; 2],
    swap: &dyn Fn(&Strategy),
    ask: &dyn Fn(),
) {
    const WARM_UP: usize = 100;
    const SWAPS: usize = 500;
    const SLACK_BYTES: u64 = 4 << 20;
    let round = |turn: usize| {
        swap(&versions[turn % 2]);
        ask();
        let gauges = host.gauges();
        assert_eq!((gauges.live_generations, gauges.live_instances), (1, 1), "{kind}: after swap {turn}");
        gauges.live_bytes
    };
    let bytes = (0..WARM_UP).map(round).max().expect("some");
    let (files, resident) = held();
    for turn in WARM_UP..SWAPS {
        assert!(round(turn) <= bytes, "{kind}: memory of instances");
    }
    let (files_after, resident_after) = held();
    assert_eq!(files_after, files, "{kind}: open files");
    let risen = resident_after.saturating_sub(resident);
    println!("{kind}: {} KiB more after {} swaps", risen >> 10, SWAPS - WARM_UP);
    assert!(risen <= SLACK_BYTES, "{kind}: {risen} bytes more");
}

#[test]
fn many_swaps_of_each_kind_leave_nothing_behind() {
    for kind in ALL {
        let host = support::host();
        let rig = rig(&host, kind);
        let versions = ["", "(nop)"].map(|body| hooked(&host, kind, body).expect("it passes every stage"));
        let swap = |strategy: &Strategy| (rig.swap)(strategy).expect("a swap");
        swapped_over_and_over(kind, &host, &versions, &swap, &|| assert!((rig.ask)(), "{kind}"));
    }
    // The fixture that remembers: its state goes from hand to hand.
    let host = support::host();
    let rig = support::Rig::new(&host, 100, Upkeep::Caller);
    let versions = [&[][..], &[("adopt", "(nop)")]].map(|more| support::strategy_with(&host, "remembers", more));
    let swap = |strategy: &Strategy| drop(rig.slot.swap(strategy, 1).expect("a swap"));
    let stores = AtomicU64::new(0);
    let ask = || {
        let mut client = rig.another_client();
        client.store(stores.fetch_add(1, SeqCst));
        // Nobody says that a version is healthy: going back and forth is between the same two states.
        StrategySlot::trust(&rig.slot);
    };
    swapped_over_and_over(StrategyKind::Caching, &host, &versions, &swap, &ask);
    let known = rig.slot.figures().shards.counters["stored"] as u64;
    assert_eq!(known, stores.load(SeqCst), "and none was forgotten on the way");
}
