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

use support::{Serving, backend::Backend, host, named, nobody, route, wait_until, within};
use switchyard_gateway::{Gateway, GatewayConfig};
use switchyard_host::{Compiler, Host, HostConfig, Strategy, StrategySlot as _};
use switchyard_types::{FigureValue, Limits, route::RouteSpec};
use tokio::{runtime::Handle, task::JoinSet};

fn strategy(name: &str) -> Strategy {
    of(&host(), name)
}

fn of(host: &Host, name: &str) -> Strategy {
    let folder = std::env::var_os("SWITCHYARD_PLUGINS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/plugins")), PathBuf::from);
    let path = folder.join(format!("{name}.wasm"));
    let component =
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}: run cargo xtask test", path.display()));
    let plugin = host.load(&component).expect("a plugin");
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
        serving.gateway.set_routes(named(vec![route(&[("a", a.address), other])])).unwrap();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_strategy_decides_for_all_routes_and_for_those_to_come() {
    let (a, b) = (Backend::start("a").await, Backend::start("b").await);
    let at =
        |path: &str, backend: &Backend| RouteSpec { path_prefix: path.to_owned(), ..route(&[("a", backend.address)]) };
    let serving = Serving::start(vec![at("/a", &a)]).await;
    let whole = serving.gateway.whole();
    let give = async |name: &'static str| {
        let whole = whole.clone();
        tokio::task::spawn_blocking(move || whole.swap(&strategy(name), 7)).await.unwrap()
    };
    assert!(!give("routing-round-robin").await.unwrap().unchanged);
    assert!(give("routing-round-robin").await.unwrap().unchanged);
    let gateway = serving.gateway.clone();
    let both = named(vec![at("/a", &a), at("/b", &b)]);
    tokio::task::spawn_blocking(move || gateway.set_routes(both)).await.unwrap().unwrap();
    let plugin = |route: &str| serving.gateway.slot(route).unwrap().figures().strategy.map(|identity| identity.digest);
    assert!(plugin("all").is_some() && plugin("all") == plugin("other-1"));
    let mut client = serving.client().await;
    for path in ["/a", "/b", "/b"] {
        assert_eq!(client.get(path).await.status, 200);
    }
    let figures = whole.figures();
    assert_eq!((figures.flips, figures.hooks["pick"].calls, figures.hooks["pick"].fallbacks), (1, 3, 0));
    assert_eq!(figures.shards.shards, 2 * serving.gateway.slot("all").unwrap().figures().shards.shards);
    assert_eq!(figure(&serving, "gateway.requests"), FigureValue::Counter(3.0));
    assert_eq!(figure(&serving, "http.server.error.ratio{route=other-1}"), FigureValue::Gauge(0.0));
    let FigureValue::Histogram { buckets, .. } = figure(&serving, "http.server.request.duration{route=other-1}") else {
        panic!("durations are a histogram")
    };
    assert_eq!(buckets.iter().sum::<u64>(), 2);
    whole.clear();
    assert_eq!((plugin("all"), plugin("other-1"), whole.figures().strategy), (None, None, None));
}

fn figure(serving: &Serving, name: &str) -> FigureValue {
    let figures = serving.gateway.list();
    figures.into_iter().find(|figure| figure.to_string() == name).unwrap().value
}

#[tokio::test]
async fn what_a_route_has_done_outlives_it() {
    let backend = Backend::start("a").await;
    let serving = Serving::start(vec![route(&[("a", backend.address)])]).await;
    let declared = serving.gateway.routes();
    for round in 1..4 {
        let mut client = serving.client().await;
        assert_eq!(client.get("/").await.status, 200);
        for routes in [vec![], declared.clone()] {
            serving.gateway.set_routes(routes).unwrap();
            assert_eq!(figure(&serving, "gateway.requests"), FigureValue::Counter(f64::from(round)));
        }
    }
    let of_backend = |name: &str| figure(&serving, &format!("gateway.backend.{name}{{route=all,backend=a}}"));
    assert_eq!((of_backend("requests"), of_backend("healthy")), (FigureValue::Counter(0.0), FigureValue::Gauge(1.0)));
    assert_eq!(serving.client().await.get("/status/500").await.status, 500);
    let failed = |kind: &str| figure(&serving, &format!("gateway.backend.failures{{kind={kind},route=all,backend=a}}"));
    assert_eq!((failed("status"), failed("connect")), (FigureValue::Counter(1.0), FigureValue::Counter(0.0)));
    assert_eq!(figure(&serving, "gateway.route.failed{route=all}"), FigureValue::Counter(1.0));
    wait_until("none is in flight", || figure(&serving, "gateway.in_flight") == FigureValue::Gauge(0.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_that_one_route_refuses_happens_nowhere() {
    let a = Backend::start("a").await;
    // Room for the instances of one route and of half another.
    let shards = std::thread::available_parallelism().unwrap().get().next_power_of_two();
    let instances_max = (2 * shards + shards / 2) as u32;
    let host = Host::new(HostConfig { instances_max, ..HostConfig::new(Compiler::InProcess) }).unwrap();
    let gateway = Gateway::new(&host, GatewayConfig::default(), Handle::current());
    let at = move |path: &str| RouteSpec { path_prefix: path.to_owned(), ..route(&[("a", a.address)]) };
    tokio::task::spawn_blocking(move || {
        let whole = gateway.whole();
        let of = |name: &str| of(&host, name);
        gateway.set_routes(named(vec![at("/a")])).unwrap();
        whole.swap(&of("routing-round-robin"), 1).unwrap();
        // No room for a third set of instances: the fallback decides there, until there is.
        let three = || named(vec![at("/a"), at("/b"), at("/c")]);
        let decided = |names: [&str; 3]| names.map(|name| gateway.slot(name).unwrap().figures().strategy.is_some());
        gateway.set_routes(three()).unwrap();
        assert_eq!(decided(["all", "other-1", "other-2"]), [true, true, false]);
        let undecided = || gateway.list().into_iter().find(|one| one.name == "gateway.routes_undecided").unwrap().value;
        assert_eq!(undecided(), FigureValue::Gauge(1.0));
        let [_, second, third] = <[_; 3]>::try_from(three()).unwrap();
        gateway.set_routes(vec![second, third]).unwrap();
        let deadline = std::time::Instant::now() + support::PATIENCE;
        while undecided() != FigureValue::Gauge(0.0) {
            assert!(std::time::Instant::now() < deadline, "it is not tried again");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(gateway.slot("other-2").unwrap().figures().strategy.is_some());
        whole.clear();
        gateway.set_routes(three()).unwrap();
        whole.swap(&of("routing-least-connections"), 1).unwrap_err();
        assert_eq!((whole.figures().strategy, whole.figures().flips), (None, 2));
        let active = ["all", "other-1", "other-2"].map(|route| gateway.slot(route).unwrap().figures().strategy);
        assert_eq!(active, [None, None, None]);
    })
    .await
    .unwrap();
}
