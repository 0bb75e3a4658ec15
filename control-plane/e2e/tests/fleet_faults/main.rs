//! Faults of a fleet that run long or wide: nodes are killed again and again under load, all of etcd is away, the time of day
//! jumps, hundreds of nodes come back at once.
//!
//! Each test prints what it measured, a JSON line each, and asserts counts and states alone. With `SWITCHYARD_SOAK=1` the
//! counts and durations are those that the faults ask for; without, as much as fits into about a minute.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "these are tests, and what they measure is for whoever collects it"
)]

mod clock;
mod etcd_down;
mod herd;
mod jobs;
mod kills;

use std::time::Duration;

use serde_json::Value;
use switchyard_e2e::{
    admin::{Admin, caching_strategy},
    fleet::Fleet,
    load::{Load, Plan},
    paths,
    process::Process,
    resp::RespClient,
    workload::Workload,
};
use switchyard_store::{ConfigStore, EtcdStore, Revision, histories::Truth, keyspace};
use switchyard_types::{Digest, NodeStatus};
use tokio::time::{Instant, sleep};

/// What does not come within this has not come: machines that test are busy, and some do much else beside.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(20);
/// The strategy that is declared, and replaced again and again.
const STRATEGY: &str = "pages";
const CONNECTIONS: usize = 2;
/// The load is a thousand requests a second: beside it there must be time for the faults.
const LOAD_REQUESTS: usize = 100_000;
const LOAD_SECONDS: u64 = 100;
/// A node that has been through a fault may hold this much more than before: allocators keep what they had.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// And so many more files: connections that are kept for the next request.
const GROWTH_FILES_MAX: usize = 16;

/// Whether this runs at full scale.
fn soak() -> bool {
    std::env::var_os("SWITCHYARD_SOAK").is_some_and(|value| value == "1")
}

/// For whoever collects it.
fn measured(fault: &str, mut what: Value) {
    what.as_object_mut().unwrap().insert("fault".to_owned(), fault.into());
    println!("{what}");
}

/// Waits until a condition gives something.
async fn within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut condition: impl FnMut() -> F,
) -> T {
    let end = Instant::now() + patience;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {patience:?}");
        sleep(POLL).await;
    }
}

async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, condition: impl FnMut() -> F) -> T {
    within(PATIENCE, what, condition).await
}

fn load(node: &Process) -> Load {
    let ids = Workload::generated(3).ids.into_iter().take(LOAD_REQUESTS).collect();
    let address = node.ready().resp.parse().unwrap();
    let duration_min = Duration::from_secs(LOAD_SECONDS);
    Load::start(ids, Plan { address, connections: CONNECTIONS, duration_min, repeat: true }).unwrap()
}

/// Waits until so many more requests were made.
async fn goes_on(load: &Load, requests: usize) {
    let from = load.position();
    eventually("requests go on", || async { (load.position() >= from + requests).then_some(()) }).await;
}

fn ended_without_an_error(load: Load) -> u64 {
    let served = load.finish().unwrap();
    assert_eq!((served.errors, served.first_error), (0, None));
    served.requests
}

async fn published(admin: &Admin) -> [Digest; 2] {
    let mut digests = Vec::new();
    for name in ["caching-lru", "caching-s3fifo"] {
        let component = std::fs::read(paths::plugin(name).unwrap()).unwrap();
        digests.push(admin.push(component).await.unwrap().accepted().unwrap().digest);
    }
    digests.try_into().unwrap()
}

/// The counter of the generation to which the declaration belongs.
async fn declare(admin: &Admin, plugin: Digest) -> u64 {
    let document = caching_strategy(STRATEGY, &plugin.to_string(), None);
    // Servers that have just come back have nothing to write to for a moment.
    let declared =
        eventually("the strategy is declared", || async { admin.apply(&document).await.ok()?.accepted().ok() }).await;
    declared.status.unwrap().generation.counter
}

/// The plugin that decides, as the cache itself says.
fn deciding(node: &Process) -> Option<String> {
    RespClient::connect(node.ready().resp.as_str()).ok()?.info("caching_plugin").ok()?
}

async fn decides(node: &Process, plugin: Digest) {
    eventually("the plugin decides", || async { (deciding(node)? == plugin.to_string()).then_some(()) }).await;
}

/// Waits until the node's report says what is waited for.
async fn reported(admin: &Admin, node: &Process, what: &str, holds: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
    let id = &node.ready().node;
    eventually(what, || async { admin.node(id).await.ok()?.filter(|status| holds(status)) }).await
}

/// Waits until the node would start again with this plugin alone.
async fn healthy(admin: &Admin, node: &Process, plugin: Digest) {
    let is = |status: &NodeStatus| {
        status.slots.iter().any(|slot| slot.last_healthy.as_ref().is_some_and(|version| version.digest == plugin))
    };
    reported(admin, node, "it has shown that it runs well", is).await;
}

/// How old what a node follows may be, as its metrics say.
async fn staleness(node: &Process) -> Option<f64> {
    let text = reqwest::get(format!("http://{}/metrics", node.ready().http)).await.ok()?.text().await.ok()?;
    let line = text.lines().find(|line| line.starts_with("config_staleness_seconds"))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// I4.
fn nothing_panicked(fleet: &Fleet, nodes: &[&str]) {
    let logs = nodes.iter().map(|node| fleet.node_log(node).unwrap()).chain([fleet.server(0).unwrap().log().unwrap()]);
    for log in logs {
        let panicked: Vec<_> = log.lines().filter(|line| line.contains("panicked")).collect();
        assert!(panicked.is_empty(), "{panicked:?}");
    }
}

/// Follows what has happened to the declarations up to now: in pieces, because the leader makes etcd forget what is old.
async fn learn(truth: &mut Truth, store: &EtcdStore) {
    let now = eventually("the seal", || async { store.get(keyspace::SEAL).await.ok()? }).await.revision;
    if now > truth.until() {
        let mut updates = store.updates(keyspace::DESIRED, truth.until()).await.unwrap();
        truth.follow(&mut updates, now).await.unwrap();
    }
}

async fn truth(store: &EtcdStore) -> (Truth, Revision) {
    let start = store.snapshot(keyspace::DESIRED).await.unwrap();
    let revision = start.revision;
    (Truth::new(start), revision)
}
