//! Strategies of all five kinds are swapped again and again on a live node while its engines serve: no request fails, no task
//! is lost, an alert that fires goes on firing, and nothing of what was there before is left behind.
//!
//! At full scale (`SWITCHYARD_SOAK=1`) ten thousand swaps; here a hundred.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use switchyard_e2e::{
    admin::strategy,
    dev::{Dev, Published},
    faktory::FaktoryClient,
    latency::{Latencies, Window},
    load::{Load, Plan},
    workload::Workload,
};
use switchyard_types::{StrategyKind, StrategyKind::*};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

/// Every round declares another strategy of each kind.
const KINDS: [StrategyKind; 5] = [Caching, Scheduling, Routing, Alerting, Scoring];
/// As the node counts them; at full scale, and in an ordinary run.
const SWAPS: (u64, u64) = (10_000, 100);
/// Between two rests, in which it is measured what there is without swaps.
const ROUNDS_BETWEEN_RESTS: (usize, usize) = (200, 10);
const REST: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(1));
/// The load leaves half of a small machine free: a p99 on a machine that is full says nothing of swaps.
const REQUEST_EVERY: Duration = Duration::from_millis(4);
const PUSH_EVERY: Duration = Duration::from_millis(10);
const CACHE_REQUESTS_PER_SECOND: u32 = 1_000;
/// How often it is looked how many there were, with swaps and without: the node itself counts every five seconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// An alert says how old it was when it was last looked at.
const EVALUATED_EVERY_MS: u128 = 5_000;
const DEADLINE: Duration = Duration::from_secs(120);
/// What an allocator may keep, and bounded histories take until they are full.
const GROWTH_BYTES_MAX: u64 = 64 << 20;
/// Connections that happen to be open at the moment.
const GROWTH_FILES_MAX: usize = 32;

fn is_full_scale() -> bool {
    std::env::var_os("SWITCHYARD_SOAK").is_some_and(|value| value == "1")
}

fn scaled<T>((full, ordinary): (T, T)) -> T {
    if is_full_scale() { full } else { ordinary }
}

/// What of a kind takes turns: a plugin and its configuration.
fn versions(kind: StrategyKind) -> [(&'static str, Option<Value>); 2] {
    let rules = |critical: f64| {
        let rule = json!({"name": "QueueLong", "metric": "shop.queue", "normal": 5.0, "warning": 10.0, "critical": critical, "for_ms": 100});
        Some(json!({ "rules": [rule] }))
    };
    let shares = |system_health: u32| Some(json!({"system_health": system_health}));
    match kind {
        Caching => [("caching-lru", None), ("caching-s3fifo", None)],
        Scheduling => [("scheduling-fifo", None), ("scheduling-sjf", None)],
        Routing => [("routing-round-robin", None), ("routing-power-of-two", None)],
        Alerting => [("alerting-threshold", rules(20.0)), ("alerting-threshold", rules(30.0))],
        Scoring => [("scoring-weighted", shares(10)), ("scoring-weighted", shares(20))],
    }
}

/// Whether swaps are going on.
#[derive(Default)]
struct Going {
    over: AtomicBool,
    swapping: AtomicBool,
}

impl Going {
    fn window(&self) -> Window {
        if self.swapping.load(Relaxed) { Window::Swap } else { Window::Steady }
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Relaxed)
    }
}

/// What one kind of load has seen.
struct Seen {
    latencies: Latencies,
    failures: Vec<String>,
}

impl Seen {
    fn new() -> Self {
        Self { latencies: Latencies::new().unwrap(), failures: Vec::new() }
    }
}

/// A small HTTP server that answers everything.
async fn backend() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer_all(stream));
        }
    });
    address
}

async fn answer_all(mut stream: TcpStream) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(bytes @ 1..) = stream.read(&mut buffer).await {
        request.extend_from_slice(&buffer[..bytes]);
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
                return;
            }
        }
    }
}

/// Requests through the gateway, one after the other.
async fn requests(url: String, going: Arc<Going>) -> Seen {
    let (client, mut seen) = (Client::builder().timeout(DEADLINE).no_proxy().build().unwrap(), Seen::new());
    while going.goes_on() {
        let (window, begun) = (going.window(), Instant::now());
        match client.get(&url).send().await {
            Ok(answer) if answer.status().is_success() => seen.latencies.record(window, begun.elapsed()),
            Ok(answer) => seen.failures.push(answer.status().to_string()),
            Err(error) => seen.failures.push(format!("{error:?}")),
        }
        sleep(REQUEST_EVERY.saturating_sub(begun.elapsed())).await;
    }
    seen
}

/// Jobs by their way: acknowledged to the producer, done by the worker.
#[derive(Default)]
struct Jobs {
    pushed: Mutex<BTreeSet<String>>,
    done: Mutex<BTreeMap<String, usize>>,
    waiting: AtomicUsize,
}

impl Jobs {
    /// How many, if each that was pushed was done, and none twice.
    fn all_done_once(&self) -> usize {
        let (pushed, done) = (self.pushed.lock().unwrap(), self.done.lock().unwrap());
        assert!(pushed.iter().eq(done.keys()), "{} jobs pushed, {} done", pushed.len(), done.len());
        assert!(done.values().all(|times| *times == 1), "a job was done twice");
        pushed.len()
    }
}

fn producer(address: String, jobs: Arc<Jobs>, going: Arc<Going>) -> JoinHandle<Seen> {
    thread::spawn(move || {
        let (mut client, mut seen) = (FaktoryClient::connect(address.as_str(), None).unwrap(), Seen::new());
        for number in 0.. {
            if !going.goes_on() {
                break;
            }
            let (window, begun, id) = (going.window(), Instant::now(), format!("job-{number:08}"));
            let job = json!({"jid": id, "jobtype": "work", "args": [number], "queue": "default"});
            match client.say(&format!("PUSH {job}")).unwrap().as_deref() {
                Some("+OK") => {
                    seen.latencies.record(window, begun.elapsed());
                    jobs.pushed.lock().unwrap().insert(id);
                    jobs.waiting.fetch_add(1, Relaxed);
                }
                said => seen.failures.push(format!("{said:?}")),
            }
            thread::sleep(PUSH_EVERY.saturating_sub(begun.elapsed()));
        }
        seen
    })
}

/// Works until everything is done that was pushed.
fn worker(address: String, jobs: Arc<Jobs>, going: Arc<Going>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut client = FaktoryClient::connect(address.as_str(), Some("worker-1")).unwrap();
        while going.goes_on() || jobs.waiting.load(Relaxed) > 0 {
            let Some(job) = client.fetch("default").unwrap() else { continue };
            let id = job["jid"].as_str().unwrap().to_owned();
            assert_eq!(client.say(&format!("ACK {}", json!({ "jid": id }))).unwrap().as_deref(), Some("+OK"));
            *jobs.done.lock().unwrap().entry(id).or_default() += 1;
            // The push may not have been counted yet: it is answered after the job is there.
            while jobs.waiting.fetch_update(Relaxed, Relaxed, |count| count.checked_sub(1)).is_err() {
                thread::yield_now();
            }
        }
    })
}

/// Flips of each kind so far, as the node's metrics say, again and again.
fn flips(node: &str, going: Arc<Going>) -> watch::Receiver<BTreeMap<String, u64>> {
    let (told, heard) = watch::channel(BTreeMap::new());
    let (url, client) = (format!("http://{node}/metrics"), Client::builder().no_proxy().build().unwrap());
    tokio::spawn(async move {
        while going.goes_on() {
            let text = client.get(&url).send().await.unwrap().text().await.unwrap();
            let lines = text.lines().filter(|line| line.starts_with("switchyard_slot_flips_total{"));
            let read = |line: &str| {
                let kind = line.split_once("kind=\"")?.1.split_once('"')?.0.to_owned();
                Some((kind, line.rsplit_once(' ')?.1.parse::<f64>().ok()? as u64))
            };
            told.send_replace(lines.filter_map(read).collect());
            sleep(LOOK_EVERY).await;
        }
    });
    heard
}

struct Rig {
    dev: Dev,
    going: Arc<Going>,
    published: BTreeMap<&'static str, Published>,
    flips: watch::Receiver<BTreeMap<String, u64>>,
}

impl Rig {
    async fn start() -> Self {
        let dev = Dev::start("10000", 2).unwrap();
        let (going, mut published) = (Arc::new(Going::default()), BTreeMap::new());
        for (plugin, _) in KINDS.into_iter().flat_map(versions) {
            if !published.contains_key(plugin) {
                published.insert(plugin, dev.publish(plugin).await.unwrap());
            }
        }
        let flips = flips(&dev.process().ready().http, Arc::clone(&going));
        Self { dev, going, published, flips }
    }

    async fn route(&self) {
        let backends = [backend().await, backend().await];
        let backends = backends.iter().enumerate().map(|(n, at)| json!({"name": format!("b{n}"), "address": at}));
        let spec = json!({"path_prefix": "/", "backends": backends.collect::<Vec<_>>()});
        let route = json!({"kind": "Route", "name": "shop", "spec": spec});
        let answer = self.dev.admin().request(Method::PUT, "/v1/routes/shop").json(&route).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        self.dev.until("the route", |status| status.routes.iter().any(|route| route.active.is_some())).await.unwrap();
    }

    /// Declares the other version of every kind, and waits until that of the cache decides. One that the node has not come to
    /// when the next is declared is passed over: what counts is how often it has flipped.
    async fn swap_all(&self, round: usize) {
        for kind in KINDS {
            let (plugin, configuration) = versions(kind)[round % 2].clone();
            let document = strategy(kind.as_str(), kind.as_str(), &self.published[plugin].reference, configuration);
            self.dev.admin().apply(&document).await.unwrap().accepted().unwrap();
        }
        let (cached, _) = versions(Caching)[round % 2].clone();
        self.dev.flipped(&self.published[cached]).await.unwrap();
    }

    fn swaps(&self) -> u64 {
        self.flips.borrow().values().sum()
    }

    /// A value that the rules of both versions find too large.
    async fn post(&self) {
        let body = json!({"resourceMetrics": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeMetrics": [{"metrics": [{"name": "shop.queue", "gauge": {"dataPoints": [{"asDouble": 25.0}]}}]}],
        }]});
        let url = format!("http://{}/v1/metrics", self.dev.process().ready().http);
        let client = Client::builder().no_proxy().build().unwrap();
        assert!(client.post(url).json(&body).send().await.unwrap().status().is_success());
    }

    async fn alert(&self) -> Option<Value> {
        let url = format!("http://{}/v1/alerts?state=firing", self.dev.process().ready().http);
        let client = Client::builder().no_proxy().build().unwrap();
        let alerts: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        alerts["items"].as_array().unwrap().iter().find(|alert| alert["rule"] == "QueueLong").cloned()
    }

    async fn fires(&self) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            self.post().await;
            if let Some(alert) = self.alert().await {
                return alert;
            }
            assert!(Instant::now() < end, "the alert does not fire");
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Resident bytes and open files of the node.
    fn held(&self) -> (u64, usize) {
        let process = self.dev.process();
        let files = std::fs::read_dir(format!("/proc/{}/fd", process.id().unwrap())).unwrap().count();
        (process.resident_bytes().unwrap(), files)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swaps_of_all_kinds_under_load_cost_no_request_and_leave_nothing_behind() {
    let rig = Rig::start().await;
    rig.route().await;
    rig.swap_all(0).await;
    rig.fires().await;
    let (ready, going, jobs) = (rig.dev.process().ready().clone(), Arc::clone(&rig.going), Arc::new(Jobs::default()));
    let ids: Vec<u64> = Workload::generated(3).ids.into_iter().take(20_000).collect();
    let duration_min = Duration::from_secs(ids.len() as u64) / CACHE_REQUESTS_PER_SECOND;
    let plan = Plan { address: rig.dev.address(), connections: 2, duration_min, repeat: true };
    let cache = Load::start(ids, plan).unwrap();
    let gateway = tokio::spawn(requests(format!("http://{}/shop", ready.gateway), Arc::clone(&going)));
    let producer = producer(ready.faktory.clone(), Arc::clone(&jobs), Arc::clone(&going));
    let worker = worker(ready.faktory.clone(), Arc::clone(&jobs), Arc::clone(&going));

    let (mut round, began, mut held) = (0, Instant::now(), Vec::new());
    while rig.swaps() < scaled(SWAPS) {
        round += 1;
        if round % scaled(ROUNDS_BETWEEN_RESTS) == 1 {
            rest(&rig, &cache).await;
            held.push(rig.held());
            rig.post().await;
        }
        rig.swap_all(round).await;
    }
    rest(&rig, &cache).await;
    held.push(rig.held());
    let elapsed = began.elapsed();
    let fired_for_ms = rig.alert().await.expect("it still fires")["activeForMs"].as_u64().unwrap();
    assert!(u128::from(fired_for_ms) + EVALUATED_EVERY_MS >= elapsed.as_millis(), "it was resolved: {fired_for_ms} ms");

    going.over.store(true, Relaxed);
    let (cache, gateway) = (cache.finish().unwrap(), gateway.await.unwrap());
    let producer = tokio::task::spawn_blocking(move || producer.join().unwrap()).await.unwrap();
    tokio::task::spawn_blocking(move || worker.join().unwrap()).await.unwrap();
    assert_eq!((cache.errors, &cache.first_error), (0, &None));
    assert_eq!((&gateway.failures[..], &producer.failures[..]), (&[][..], &[][..]));
    let pushed = jobs.all_done_once();

    assert!(rig.flips.borrow().values().all(|flips| *flips >= scaled(SWAPS) / 20), "{:?}", rig.flips.borrow());
    // One generation and one set of instances for each of the five, as after the first round.
    let status = rig.dev.until("the old ones are gone", |status| status.live_generations == KINDS.len() as u64).await;
    let status = status.unwrap();
    assert!(status.slots.iter().all(|slot| slot.last_failure.is_none()), "{:?}", status.slots);
    let ((bytes_first, files_first), (bytes_last, files_last)) =
        (held[usize::from(held.len() > 2)], held[held.len() - 1]);
    let figures = json!({
        "fault": "swaps", "what": "of all five kinds under load", "swaps": rig.swaps(), "by_kind": *rig.flips.borrow(), "declared": 5 * round,
        "seconds": elapsed.as_secs(), "errors": 0, "cache_requests": cache.requests,
        "gateway_requests": operations(&gateway.latencies), "jobs": pushed,
        "cache_p99_us": p99s(&cache.latencies), "gateway_p99_us": p99s(&gateway.latencies), "push_p99_us": p99s(&producer.latencies),
        "resident_mib": held.iter().map(|(bytes, _)| bytes >> 20).collect::<Vec<_>>(),
        "files": held.iter().map(|(_, files)| files).collect::<Vec<_>>(),
        "live_generations": status.live_generations, "live_instances": status.live_instances,
    });
    println!("{figures}");
    assert!(bytes_last.saturating_sub(bytes_first) <= GROWTH_BYTES_MAX, "memory grows: {figures}");
    assert!(files_last <= files_first + GROWTH_FILES_MAX, "open files grow: {figures}");
}

fn operations(latencies: &Latencies) -> u64 {
    latencies.quantiles().iter().map(|window| window.operations).sum()
}

/// Without swaps, beside swaps, and what the second is of the first.
fn p99s(latencies: &Latencies) -> String {
    let of =
        |wanted| latencies.quantiles().into_iter().find(|window| window.window == wanted).map_or(0.0, |w| w.p99_us);
    let (steady, swap) = (of(Window::Steady), of(Window::Swap));
    format!("{steady:.0} steady, {swap:.0} beside swaps ({:.2} x)", swap / steady)
}

/// Some time without swaps, for comparison.
async fn rest(rig: &Rig, cache: &Load) {
    rig.going.swapping.store(false, Relaxed);
    cache.enter(Window::Steady);
    sleep(scaled(REST)).await;
    rig.going.swapping.store(true, Relaxed);
    cache.enter(Window::Swap);
}
