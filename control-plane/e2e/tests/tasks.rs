//! Scheduling strategies decide on a live node: what a worker gets next, and how a person sees it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use switchyard_e2e::{cli, dev::Dev, faktory::FaktoryClient};
use switchyard_types::StrategyKind::Scheduling;

const PATIENCE: Duration = Duration::from_secs(60);

fn client(dev: &Dev, worker: Option<&str>) -> FaktoryClient {
    FaktoryClient::connect(dev.process().ready().faktory.as_str(), worker).unwrap()
}

fn push(client: &mut FaktoryClient, jid: &str, priority: u64, estimate_ms: u64) {
    let job = json!({
        "jid": jid, "jobtype": "test", "args": [], "priority": priority, "custom": { "estimate_ms": estimate_ms }
    });
    assert_eq!(client.say(&format!("PUSH {job}")).unwrap().as_deref(), Some("+OK"));
}

fn order(worker: &mut FaktoryClient, count: usize) -> Vec<String> {
    let mut order = Vec::new();
    for _ in 0..count {
        let job = worker.fetch("default").unwrap().expect("a task waits");
        let jid = job["jid"].as_str().unwrap();
        assert_eq!(worker.say(&format!(r#"ACK {{"jid":"{jid}"}}"#)).unwrap().as_deref(), Some("+OK"));
        order.push(jid.to_owned());
    }
    order
}

#[tokio::test]
async fn each_strategy_has_its_own_order_and_what_waits_at_a_swap_is_not_overtaken() {
    let dev = Dev::start("100", 1).unwrap();
    let (mut producer, mut worker) = (client(&dev, None), client(&dev, Some("w")));
    let jobs = [("low-long", 1, 900), ("mid-short", 5, 10), ("top-mid-", 9, 500)];
    for (plugin, expected) in [
        ("scheduling-fifo", ["low-long", "mid-short", "top-mid-"]),
        ("scheduling-sjf", ["mid-short", "top-mid-", "low-long"]),
        ("scheduling-priority", ["top-mid-", "mid-short", "low-long"]),
    ] {
        let plugin = dev.publish(plugin).await.unwrap();
        dev.activate_for(Scheduling, &plugin).await.unwrap();
        jobs.iter().for_each(|(jid, priority, estimate_ms)| push(&mut producer, jid, *priority, *estimate_ms));
        assert_eq!(order(&mut worker, 3), expected, "{}", plugin.name);
    }
    // What waits is ranked anew by the shortest first, or runs before what comes: it is the shortest.
    push(&mut producer, "waits---", 9, 1);
    let sjf = dev.publish("scheduling-sjf").await.unwrap();
    dev.activate_for(Scheduling, &sjf).await.unwrap();
    push(&mut producer, "long----", 1, 1_000);
    push(&mut producer, "short---", 1, 10);
    assert_eq!(order(&mut worker, 3), ["waits---", "short---", "long----"]);
    assert!(dev.admin().delete("scheduling").await.unwrap().is_success());
    dev.slot_reported(Scheduling, "the fallback", |slot, _| slot.active.is_none()).await.unwrap();
    push(&mut producer, "usual---", 5, 1);
    push(&mut producer, "urgent--", 9, 1);
    assert_eq!(order(&mut worker, 2), ["urgent--", "usual---"]);
}

/// Tasks that are pushed between two swaps, at least.
const PUSHED_BETWEEN: usize = 50;

fn produce(dev: &Dev, pushed: &AtomicUsize, stop: &AtomicBool) {
    let mut producer = client(dev, None);
    while !stop.load(Ordering::SeqCst) {
        let n = pushed.load(Ordering::SeqCst) as u64;
        push(&mut producer, &format!("job-{n:08}"), 1 + n % 9, n * 37 % 1_000);
        pushed.fetch_add(1, Ordering::SeqCst);
    }
}

fn work(dev: &Dev, name: &str, pushed: &AtomicUsize, stop: &AtomicBool, done: &Mutex<BTreeMap<String, usize>>) {
    let mut worker = client(dev, Some(name));
    while !stop.load(Ordering::SeqCst) || done.lock().unwrap().len() < pushed.load(Ordering::SeqCst) {
        let Some(job) = worker.fetch("default").unwrap() else { continue };
        let jid = job["jid"].as_str().unwrap();
        assert_eq!(worker.say(&format!(r#"ACK {{"jid":"{jid}"}}"#)).unwrap().as_deref(), Some("+OK"));
        *done.lock().unwrap().entry(jid.to_owned()).or_default() += 1;
    }
}

/// Stops the others also when an assertion has failed.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn swaps_under_load_lose_nothing() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let dev = Dev::start("100", 1).unwrap();
    let plugins = ["scheduling-fifo", "scheduling-sjf", "scheduling-priority"]
        .map(|name| runtime.block_on(dev.publish(name)).unwrap());
    let (pushed, stop, done) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        let stops = Stops(&stop);
        scope.spawn(|| produce(&dev, &pushed, &stop));
        scope.spawn(|| work(&dev, "w", &pushed, &stop, &done));
        scope.spawn(|| work(&dev, "x", &pushed, &stop, &done));
        for plugin in plugins.iter().chain(&plugins) {
            runtime.block_on(dev.activate_for(Scheduling, plugin)).unwrap();
            let (enough, end) = (pushed.load(Ordering::SeqCst) + PUSHED_BETWEEN, Instant::now() + PATIENCE);
            while pushed.load(Ordering::SeqCst) < enough {
                assert!(Instant::now() < end, "pushes go on");
                thread::yield_now();
            }
        }
        drop(stops);
    });
    let done = done.into_inner().unwrap();
    assert_eq!(done.len(), pushed.load(Ordering::SeqCst), "everything was worked");
    assert!(done.values().all(|times| *times == 1), "and once");
}

#[test]
fn the_command_line_pushes_lists_shows_and_sends_back() {
    let dev = Dev::start("100", 1).unwrap();
    let run = |arguments: &[&str]| {
        let arguments = [&["tasks"], arguments, &["-o", "json"]].concat();
        cli::switchyard(dev.process().context(), &arguments).unwrap()
    };
    // The server knows the node once it has reported.
    let end = Instant::now() + PATIENCE;
    while run(&["list"]).status != Some(0) {
        assert!(Instant::now() < end, "{}", run(&["list"]).stderr);
    }
    let json = |arguments: &[&str]| serde_json::from_str::<Value>(&run(arguments).done().unwrap()).unwrap();
    let later = ["push", "--type", "encode", "--queue", "video", "--args", "[7]", "--at", "2999-01-01T00:00:00Z"];
    let pushed = json(&[&later[..], &["--priority", "9", "--estimate-ms", "1500", "--tenant", "acme"]].concat());
    let id = pushed["id"].to_string();
    for _ in 0..2 {
        json(&["push", "--type", "mail"]);
    }
    let task = json(&["get", &id]);
    assert_eq!((&task["state"], &task["priority"], &task["job"]["args"]), (&json!("delayed"), &json!(9), &json!([7])));
    assert_eq!(task["job"]["custom"], json!({ "estimate_ms": 1500, "tenant": "acme" }));
    assert_eq!(json(&["list", "--queue", "video", "--state", "delayed"])["items"][0]["jid"], pushed["jid"]);
    let first = json(&["list", "--limit", "1"]);
    let rest = json(&["list", "--continue", first["continue"].as_str().unwrap()]);
    assert_eq!((first["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (1, 2));
    assert_eq!(json(&["retry", &id])["state"], json!("waiting"));
    let again = run(&["retry", &id]);
    assert_eq!(
        (again.status, again.stderr.contains("waits for a worker already")),
        (Some(1), true),
        "{}",
        again.stderr
    );
    let table =
        cli::switchyard(dev.process().context(), &["tasks", "list", "--queue", "video"]).unwrap().done().unwrap();
    assert!(table.starts_with("ID  JID") && table.contains("waiting"), "{table}");
    let url = format!("http://{}", dev.process().ready().http);
    assert_eq!(json(&["get", &id, "--node-http", &url])["jid"], pushed["jid"]);
}
