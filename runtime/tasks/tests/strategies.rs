//! Strategies decide: small plugins as texts, swapped while the tasks serve.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

#[path = "../../host/tests/support/mod.rs"]
mod fixtures;
mod support;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use support::{Serving, config, host, job, job_with, wait_until};
use switchyard_host::{HostError, Strategy};
use switchyard_tasks::{Durability, TaskFilter, TaskId, TaskState, TaskView, Tasks, TasksConfig, TasksError};
use switchyard_types::{HookFigures, Limits};

/// Ranks by what the hooks are given: their second parameter is the number, the third the priority, the seventh the estimate.
const FIFO: &str = "(f64.store (i32.const 1032) (f64.const 0))";
const LIFO: &str = "(f64.store (i32.const 1032) (f64.neg (f64.convert_i64_u (local.get 1))))";
const PRIORITY: &str = "(f64.store (i32.const 1032) (f64.neg (f64.convert_i32_u (local.get 2))))";
const SJF: &str = "(f64.store (i32.const 1032) (f64.convert_i64_u (local.get 6)))";
/// Both hooks answer from one place: accepted, or tried again, at rank 0 and at once.
const RESET: &str = "(i32.store8 (i32.const 1024) (i32.const 0)) (f64.store (i32.const 1032) (f64.const 0))
    (i64.store (i32.const 1040) (i64.const 0))";
/// A refusal, in one word.
const REFUSE: &str = "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1032) (i32.const 1048))
    (i32.store (i32.const 1036) (i32.const 4)) (i32.store (i32.const 1048) (i32.const 0x79737562))";
const GIVE_UP: &str = "(i32.store8 (i32.const 1024) (i32.const 1))";
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// A plugin that does this before it answers `submit` and `failed`.
fn strategy(submit: &str, failed: &str) -> Result<Strategy, HostError> {
    let text = fixtures::of_kind("scheduling", "");
    let answer = "(call $call (i32.const 1024))";
    let mut parts = text.split(answer);
    let mut next = || parts.next().expect("two hooks answer");
    let text = [next(), RESET, submit, answer, next(), RESET, failed, answer, next()].join("\n");
    host().load(&fixtures::encode_kind("scheduling", &text))?.strategy(&json!({}), Limits::DEFAULT)
}

/// This, and only for a certain task of an engine whose clock tells the present: the self-test's does not.
fn once(id: u64, body: &str) -> String {
    format!(
        "(if (i32.and (i64.eq (local.get 1) (i64.const {id}))
              (i64.lt_u (i64.sub (local.get 0) (i64.const 1000000000000)) (i64.const 100000000000000)))
          (then {body}))"
    )
}

fn activate(tasks: &Tasks, submit: &str, failed: &str) {
    tasks.slot().swap(&strategy(submit, failed).expect("it passes every stage"), 1).expect("it is activated");
}

fn tasks(folder: &tempfile::TempDir) -> Tasks {
    Tasks::open(&host(), config(folder)).unwrap()
}

async fn push(tasks: &Tasks, jid: &str, more: &str) -> TaskId {
    tasks.push(Bytes::from(job_with(jid, more))).await.unwrap()
}

async fn fetch(tasks: &Tasks) -> switchyard_tasks::Leased {
    tasks.fetch("w", &["default"], Duration::ZERO).await.unwrap().expect("a task waits")
}

async fn order(tasks: &Tasks, count: usize) -> Vec<u64> {
    let mut order = Vec::new();
    for _ in 0..count {
        order.push(fetch(tasks).await.id.0);
    }
    order
}

fn hook(tasks: &Tasks, hook: &str) -> HookFigures {
    tasks.slot().figures().hooks.get(hook).cloned().expect("the hook is reported")
}

#[tokio::test]
async fn the_strategy_says_what_runs_next_and_a_swap_leaves_the_waiting_where_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = tasks(&folder);
    activate(&tasks, LIFO, "");
    for jid in ["aaaaaaaa", "bbbbbbbb", "cccccccc"] {
        push(&tasks, jid, "").await;
    }
    activate(&tasks, SJF, "");
    for (jid, estimate_ms) in [("dddddddd", 300), ("eeeeeeee", 100), ("ffffffff", 200)] {
        push(&tasks, jid, &format!(r#","custom":{{"estimate_ms":{estimate_ms}}}"#)).await;
    }
    assert_eq!(order(&tasks, 6).await, [3, 2, 1, 5, 6, 4]);
    assert_eq!((hook(&tasks, "submit").calls, hook(&tasks, "submit").fallbacks), (6, 0));
}

#[tokio::test]
async fn ranks_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let first = tasks(&folder);
    activate(&first, LIFO, "");
    for jid in ["aaaaaaaa", "bbbbbbbb", "cccccccc"] {
        push(&first, jid, "").await;
    }
    drop(first);
    let second = tasks(&folder);
    assert_eq!(order(&second, 3).await, [3, 2, 1]);
}

#[test]
fn a_refusal_is_an_error_of_the_protocol_with_the_reason() {
    let serving = Serving::start();
    activate(&serving.tasks, REFUSE, "");
    let mut client = serving.client(None);
    assert_eq!(client.say(&format!("PUSH {}", job("aaaaaaaa"))), "-ERR busy");
    let bulk = client.say(&format!("PUSHB [{}]", job("aaaaaaaa")));
    assert_eq!(bulk, r#"{"aaaaaaaa":"busy"}"#);
    let url = format!("http://{}/v1/tasks", serving.http);
    let (status, message) = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let answer = reqwest::Client::new().post(url).body(job("aaaaaaaa")).send().await.unwrap();
        (answer.status(), answer.json::<serde_json::Value>().await.unwrap()["message"].clone())
    });
    assert_eq!((status.as_u16(), message), (409, json!("busy")));
    let figures = serving.tasks.figures();
    assert_eq!((figures.refused, figures.pushed), (3, 0));
    serving.tasks.slot().clear();
    assert_eq!(client.say(&format!("PUSH {}", job("aaaaaaaa"))), "+OK");
}

async fn failed(tasks: &Tasks, more: &str) -> Option<TaskView> {
    let id = push(tasks, "aaaaaaaa", more).await;
    let leased = fetch(tasks).await;
    assert_eq!(leased.id, id);
    tasks.fail(id, leased.lease, "E", "m").await.unwrap();
    tasks.get(id).ok()
}

#[tokio::test]
async fn the_strategy_says_when_a_failed_task_is_tried_again_and_when_it_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = tasks(&folder);
    activate(&tasks, "", &format!("(i64.store (i32.const 1040) (i64.const {HOUR_MS}))"));
    let again = failed(&tasks, "").await.unwrap();
    assert_eq!((again.state, again.attempt), (TaskState::Delayed, 1));
    assert!((HOUR_MS - 60_000..=HOUR_MS).contains(&again.left_ms.unwrap()));
    assert_eq!(hook(&tasks, "failed").calls, 1);
    // A job that must not run twice does not, whatever a strategy says.
    assert_eq!(failed(&tasks, ",\"retry\":-1").await.unwrap().state, TaskState::Dead);
    assert_eq!(failed(&tasks, ",\"retry\":0").await, None);
    assert_eq!(hook(&tasks, "failed").calls, 1);
    activate(&tasks, "", GIVE_UP);
    assert_eq!(failed(&tasks, "").await.unwrap().state, TaskState::Dead);
    tasks.slot().clear();
    let alone = failed(&tasks, "").await.unwrap();
    assert!(alone.left_ms.unwrap_or(0) < 1_000, "the fallback has its own waits");
}

/// The third task has the plugin do this; before and after, and in the queue, all is well.
async fn contained(body: &str) -> HookFigures {
    let folder = tempfile::tempdir().unwrap();
    let tasks = tasks(&folder);
    activate(&tasks, &format!("{LIFO} {}", once(3, body)), "");
    for jid in ["aaaaaaaa", "bbbbbbbb", "cccccccc"] {
        push(&tasks, jid, "").await;
    }
    let figures = hook(&tasks, "submit");
    // Until the next instance has adopted the queue, the fallback decides.
    let mut beside = vec![2, 3];
    let first = loop {
        let fallbacks = hook(&tasks, "submit").fallbacks;
        let id = push(&tasks, "dddddddd", "").await.0;
        if hook(&tasks, "submit").fallbacks == fallbacks {
            break id;
        }
        beside.push(id);
        assert!(id < 1_000, "no instance comes");
    };
    // What the strategy did not place stands where the last did that it has placed.
    let expected = [vec![first], beside, vec![1]].concat();
    assert_eq!(order(&tasks, expected.len()).await, expected);
    figures
}

#[tokio::test]
async fn a_hostile_strategy_is_contained_and_the_waiting_keep_their_place() {
    let trap = contained("unreachable").await;
    assert_eq!((trap.traps, trap.fallbacks), (1, 1));
    let nan = contained("(f64.store (i32.const 1032) (f64.const nan))").await;
    assert_eq!((nan.invalid, nan.fallbacks), (1, 1));
    let years = contained("(i64.store (i32.const 1040) (i64.const 31557600000000000))").await;
    assert_eq!((years.invalid, years.fallbacks), (1, 1));
    let endless = contained("(loop $again (br $again))").await;
    assert_eq!((endless.budget_exceeded + endless.starved, endless.fallbacks), (1, 1));
}

const PRODUCERS: usize = 2;
const WORKERS: usize = 2;
/// Swaps under load.
const SWAPS: usize = 12;

#[test]
fn swaps_under_load_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::open(TasksConfig { durability: Durability::Process, ..config(&folder) });
    let strategies = [FIFO, SJF, PRIORITY].map(|submit| strategy(submit, "").expect("it passes every stage"));
    let (pushing, pushed, done) = (AtomicBool::new(true), AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|of| {
                scope.spawn({
                    let (serving, pushing, pushed) = (&serving, &pushing, &pushed);
                    move || produce(serving, of, pushing, pushed)
                })
            })
            .collect();
        for of in 0..WORKERS {
            let (serving, done) = (&serving, &done);
            let (pushing, pushed) = (&pushing, &pushed);
            scope.spawn(move || work(serving, of, pushing, pushed, done));
        }
        for swap in 0..SWAPS {
            let before = pushed.load(Ordering::SeqCst);
            let report = serving.tasks.slot().swap(&strategies[swap % 3], swap as u64).expect("it is activated");
            assert!(report.flip_ms >= 0.0);
            wait_until("pushes go on", || pushed.load(Ordering::SeqCst) > before + 50);
        }
        pushing.store(false, Ordering::SeqCst);
        producers.into_iter().for_each(|producer| producer.join().unwrap());
    });
    let done = done.into_inner().unwrap();
    assert_eq!(done.len(), pushed.load(Ordering::SeqCst), "everything was worked");
    assert!(done.values().all(|times| *times == 1), "and once");
    let figures = serving.tasks.figures();
    assert_eq!((figures.late, figures.refused, figures.events_dropped), (0, 0, 0));
    let submit = hook(&serving.tasks, "submit");
    assert_eq!((submit.traps, submit.invalid), (0, 0));
    assert!(submit.calls > 0);
    assert_eq!(serving.tasks.list(TaskFilter::default(), 10).0, []);
}

fn produce(serving: &Serving, of: usize, pushing: &AtomicBool, pushed: &AtomicUsize) {
    let mut client = serving.client(None);
    for n in 0.. {
        if !pushing.load(Ordering::SeqCst) {
            return;
        }
        let more = format!(r#","priority":{},"custom":{{"estimate_ms":{}}}"#, 1 + n % 9, n % 500);
        assert_eq!(client.say(&format!("PUSH {}", job_with(&format!("job-{of}-{n:06}"), &more))), "+OK");
        pushed.fetch_add(1, Ordering::SeqCst);
    }
}

fn work(
    serving: &Serving,
    of: usize,
    pushing: &AtomicBool,
    pushed: &AtomicUsize,
    done: &Mutex<BTreeMap<String, usize>>,
) {
    let mut client = serving.client(Some(&format!("worker-{of}")));
    while pushing.load(Ordering::SeqCst) || done.lock().unwrap().len() < pushed.load(Ordering::SeqCst) {
        let job = client.say("FETCH default");
        let Ok(job) = serde_json::from_str::<serde_json::Value>(&job) else { continue };
        let jid = job["jid"].as_str().unwrap();
        assert_eq!(client.say(&format!(r#"ACK {{"jid":"{jid}"}}"#)), "+OK");
        *done.lock().unwrap().entry(jid.to_owned()).or_default() += 1;
    }
}

#[tokio::test]
async fn the_fallback_decides_where_no_strategy_does() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = tasks(&folder);
    for (jid, priority) in [("aaaaaaaa", 1), ("bbbbbbbb", 9), ("cccccccc", 9)] {
        push(&tasks, jid, &format!(",\"priority\":{priority}")).await;
    }
    assert_eq!(order(&tasks, 3).await, [2, 3, 1]);
    let refused = TasksError::Refused("no".into());
    assert_eq!(refused.to_string(), "no");
}
