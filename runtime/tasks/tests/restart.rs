//! What a file keeps, who may have it, and what the handle does without a protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use support::{Serving, config, job, job_with, wait_until};
use switchyard_tasks::{Durability, TaskFilter, TaskState, Tasks, TasksConfig, TasksError};

const NO_WAIT: Duration = Duration::ZERO;

fn states(tasks: &Tasks) -> BTreeMap<String, TaskState> {
    tasks.list(TaskFilter::default(), 100).0.into_iter().map(|task| (task.jid, task.state)).collect()
}

async fn push(tasks: &Tasks, job: String) -> switchyard_tasks::TaskId {
    tasks.push(Bytes::from(job)).await.unwrap()
}

#[test]
fn everything_is_where_it_was_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Serving::open(config(&folder));
    let mut client = first.client(Some("worker-1"));
    for (jid, more) in [
        ("held----", ""),
        ("dead----", ",\"retry\":-1"),
        ("done----", ""),
        ("waits---", ",\"priority\":9"),
        ("later---", r#","at":"2999-01-01T00:00:00Z""#),
        ("paused--", r#","queue":"other""#),
    ] {
        assert_eq!(client.say(&format!("PUSH {}", job_with(jid, more))), "+OK");
        if more.is_empty() || more.contains("retry") {
            assert!(client.say("FETCH default").contains(jid));
        }
    }
    client.say(r#"FAIL {"jid":"dead----","errtype":"E","message":"why"}"#);
    client.say(r#"ACK {"jid":"done----"}"#);
    client.say("QUEUE PAUSE other");
    let before = states(&first.tasks);
    first.stop();
    drop((first, client));

    let second = Serving::open(config(&folder));
    assert_eq!(states(&second.tasks), before);
    assert_eq!(before["held----"], TaskState::Leased);
    let mut client = second.client(Some("worker-1"));
    assert_eq!(client.say("FETCH other"), "nothing", "the queue is paused still");
    assert!(client.say("FETCH default").contains("waits---"));
    assert_eq!(client.say(r#"ACK {"jid":"held----"}"#), "+OK");
    assert_eq!((second.tasks.figures().done, second.tasks.figures().late), (1, 0), "its worker still holds it");
    let (dead, _) = second.tasks.list(TaskFilter { state: Some(TaskState::Dead), ..TaskFilter::default() }, 10);
    assert_eq!(dead[0].failure.as_ref().unwrap().message, "why");
    let id = tokio::runtime::Runtime::new().unwrap().block_on(push(&second.tasks, job("newer---")));
    assert_eq!(id.0, 7, "numbers are not given twice");
}

#[tokio::test]
async fn numbers_go_on_when_the_last_task_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    let first = push(&tasks, job("aaaaaaaa")).await;
    tasks.delete(first).await.unwrap();
    drop(tasks);
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    assert!(push(&tasks, job("bbbbbbbb")).await > first);
}

#[tokio::test]
async fn a_file_belongs_to_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    let second = Tasks::open(&support::host(), config(&folder)).err().unwrap();
    assert!(matches!(&second, TasksError::Locked { path } if path.ends_with("tasks.redb")), "{second:?}");
    drop(tasks);
    Tasks::open(&support::host(), config(&folder)).unwrap();
}

#[test]
fn what_is_no_file_of_tasks_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.redb");
    let text = "not tasks, ".repeat(1_000);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(Tasks::open(&support::host(), TasksConfig::new(&path)), Err(TasksError::Disk(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn many_pushes_share_a_write() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::open(&support::host(), TasksConfig { durability: Durability::Disk, ..config(&folder) }).unwrap();
    let pushes = (0..200).map(|n| {
        let tasks = tasks.clone();
        tokio::spawn(async move { push(&tasks, job(&format!("job-{n:04}"))).await })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.unwrap();
    }
    let figures = tasks.figures();
    assert_eq!(figures.pushed, 200);
    assert!(figures.commits < 200, "{} writes", figures.commits);
}

#[tokio::test]
async fn a_lease_is_written_though_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    push(&tasks, job("aaaaaaaa")).await;
    let commits = tasks.figures().commits;
    tasks.fetch("w", &["default"], NO_WAIT).await.unwrap().unwrap();
    wait_until("the lease is written", || tasks.figures().commits > commits);
}

#[tokio::test]
async fn a_lease_is_settled_once() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    let id = push(&tasks, job("aaaaaaaa")).await;
    let held = tasks.fetch("w", &["default"], NO_WAIT).await.unwrap().unwrap();
    assert_eq!(held.id, id);
    tasks.acknowledge(id, held.lease).await.unwrap();
    assert!(matches!(tasks.acknowledge(id, held.lease).await, Err(TasksError::NotHeld(_))));
    assert!(matches!(tasks.fail(id, held.lease, "E", "m").await, Err(TasksError::NotHeld(_))));
    assert!(matches!(tasks.get(id), Err(TasksError::NotFound(_))));
    assert_eq!(tasks.fetch("w", &["default"], NO_WAIT).await.unwrap(), None);
}

#[tokio::test]
async fn a_lease_is_not_numbered_as_one_before_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = switchyard_tasks::LeaseId(0);
    for _ in 0..3 {
        let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
        let id = push(&tasks, job("aaaaaaaa")).await;
        let held = tasks.fetch("w", &["default"], NO_WAIT).await.unwrap().unwrap();
        assert!(held.id == id && held.lease > last, "nothing of the last one is left but the number");
        last = held.lease;
        tasks.acknowledge(id, held.lease).await.unwrap();
    }
}

#[tokio::test]
async fn a_fetch_that_is_dropped_takes_nothing_along() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    for n in 0..50 {
        let waits = tokio::spawn({
            let tasks = tasks.clone();
            async move { tasks.fetch("gone", &["default"], Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        let pushed = tokio::spawn({
            let tasks = tasks.clone();
            async move { push(&tasks, job(&format!("job-{n:04}"))).await }
        });
        tokio::task::yield_now().await;
        waits.abort();
        let got = waits.await.is_ok();
        pushed.await.unwrap();
        if !got {
            let held = tasks.fetch("w", &["default"], Duration::from_secs(60)).await.unwrap().unwrap();
            tasks.acknowledge(held.id, held.lease).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_job_stays_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = Tasks::open(&support::host(), config(&folder)).unwrap();
    let odd = r#" { "jid" : "aaaaaaaa", "jobtype":"t","args":[1.0e2, 0.1000, "\u00e9\/", {"b":1,"a":2}], "queue":"default","enqueued_at":"x" }  "#;
    push(&tasks, odd.to_owned()).await;
    let held = tasks.fetch("w", &["default"], NO_WAIT).await.unwrap().unwrap();
    assert_eq!(held.job, format!("{}}}", odd.trim_end().strip_suffix('}').unwrap()));
}

/// Fifty lines of five hundred bytes for each of a hundred thousand dead letters are not to be in memory.
#[test]
fn a_backtrace_is_on_the_disk_and_whoever_asks_for_the_task_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut serving = Serving::open(TasksConfig { log_bytes_max: 10_000, ..config(&folder) });
    let mut client = serving.client(Some("w"));
    let lines: Vec<String> = (0..50).map(|n| format!("{n:0500}")).collect();
    let backtrace = serde_json::to_string(&lines).unwrap();
    for (jid, retry) in [("dead----", -1), ("retried-", 5)] {
        assert_eq!(client.say(&format!("PUSH {}", job_with(jid, &format!(r#","retry":{retry}"#)))), "+OK");
        assert!(client.say("FETCH default").contains(jid));
        let fail =
            format!(r#"FAIL {{"jid":"{jid}","errtype":"E","message":"{}","backtrace":{backtrace}}}"#, "m".repeat(900));
        assert_eq!(client.say(&fail), "+OK");
    }
    for _ in 0..2 {
        let (listed, _) = serving.tasks.list(TaskFilter::default(), 10);
        for task in listed {
            let brief = task.failure.unwrap();
            assert_eq!((brief.message.len(), brief.backtrace.len()), (200, 0));
            let whole = serving.tasks.get(task.id).unwrap().failure.unwrap();
            assert_eq!((whole.message.len(), &whole.backtrace), (900, &lines));
        }
        serving.stop();
        drop(serving);
        serving = Serving::open(config(&folder));
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(serving.tasks.retry(switchyard_tasks::TaskId(2))).unwrap();
    let mut client = serving.client(Some("w"));
    let job: serde_json::Value = serde_json::from_str(&client.say("FETCH default")).unwrap();
    assert_eq!(job["failure"]["backtrace"], serde_json::json!(lines));
    // The next failure has less to say.
    assert_eq!(client.say(r#"FAIL {"jid":"retried-","errtype":"E","message":"again"}"#), "+OK");
    let failure = serving.tasks.get(switchyard_tasks::TaskId(2)).unwrap().failure.unwrap();
    assert_eq!((failure.message.as_str(), failure.backtrace.len()), ("again", 0));
}
