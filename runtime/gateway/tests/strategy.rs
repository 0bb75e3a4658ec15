//! Routes with real strategies in their slots.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests"
)]

mod support;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use support::{Serving, backend::Backend, host, nobody, route, wait_until, within};
use switchyard_host::Strategy;
use switchyard_types::Limits;
use tokio::task::JoinSet;

fn strategy(name: &str) -> Strategy {
    let folder = std::env::var_os("SWITCHYARD_PLUGINS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    let component =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run cargo xtask test", path.display()));
    let plugin = host().load(&component).expect("a plugin");
    let configuration = plugin.manifest().configuration_default.clone();
    plugin.strategy(&configuration, Limits::DEFAULT).expect("a strategy")
}

async fn swap(serving: &Serving, name: &'static str, seed: u64) {
    let slot = serving.gateway.slot("all").expect("a slot");
    tokio::task::spawn_blocking(move || slot.swap(&strategy(name), seed).map(|_| ())).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strategy_sees_what_is_in_flight() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let serving = Serving::start(vec![route(&[("a", a.address), ("b", b.address)])]).await;
    swap(&serving, "routing-least-connections", 1).await;
    let mut slow = serving.client().await;
    slow.send("GET /slow/1000 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    let in_flight = |name: &str| serving.backend(name).figures.in_flight;
    wait_until("one is in flight", || in_flight("a") + in_flight("b") == 1).await;
    let free = if in_flight("a") == 1 { "b" } else { "a" };
    let mut client = serving.client().await;
    for _ in 0..10 {
        assert_eq!(client.get("/echo").await.header("x-backend"), free);
    }
    assert_eq!(slow.answer().await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_of_strategies_and_backends_under_load_fail_no_request() {
    let (a, b, c) = (Backend::start("a").await, Backend::start("b").await, Backend::start("c").await);
    let serving = Serving::start(vec![route(&[("a", a.address), ("b", b.address)])]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let (stop, mut client) = (stop.clone(), serving.client().await);
        clients.spawn(async move {
            let mut failures = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let answer = client.get("/echo").await;
                if answer.status != 200 {
                    failures.push(answer.text());
                }
            }
            failures
        });
    }
    let names = ["routing-round-robin", "routing-least-connections", "routing-power-of-two", "routing-least-latency"];
    for (seed, name) in names.into_iter().cycle().take(12).enumerate() {
        swap(&serving, name, seed as u64).await;
        let before = serving.route("all").figures.requests;
        let other = if seed % 2 == 0 { ("c", c.address) } else { ("b", b.address) };
        serving.gateway.set_routes(vec![route(&[("a", a.address), other])]).unwrap();
        wait_until("requests go on", || serving.route("all").figures.requests > before + 50).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert_eq!(within(clients.join_all()).await.concat(), Vec::<String>::new());
    let figures = serving.gateway.slot("all").unwrap().figures();
    assert!(c.requests() > 0, "{figures:?}");
    assert_eq!(serving.route("all").figures.retries, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_a_strategy_serves_the_retry() {
    let (a, gone) = (Backend::start("a").await, nobody().await);
    let mut spec = route(&[("gone", gone), ("a", a.address)]);
    spec.health.interval_ms = 3_600_000;
    let serving = Serving::start(vec![spec]).await;
    swap(&serving, "routing-least-latency", 1).await;
    let mut client = serving.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("/echo").await.status, 200);
    }
    let figures = serving.gateway.slot("all").unwrap().figures();
    assert!(serving.route("all").figures.retries >= 1, "{figures:?}");
    assert!(serving.gateway.slot("none").is_none());
}
