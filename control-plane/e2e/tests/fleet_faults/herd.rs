use std::{
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use switchyard_e2e::{
    admin::Admin,
    fleet::Fleet,
    latency::{Latencies, Window},
    process::open_files,
    simulated::{PORT_FIRST, Simulated, data_folder, route},
};
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_node::{Secret, Upstream};
use switchyard_store::{
    ConfigStore, Observation, Recorder, StoreError, keyspace,
    remote::{RemoteBlobs, RemoteStore, Servers},
};
use tokio::{task::JoinHandle, time::sleep};

use super::{eventually, measured, soak, within};

/// Lists that a server lets through in a second, and at once after a second of rest.
const LISTS_PER_SECOND: f64 = 45.0;
const LISTS_BURST: f64 = 5.0;
/// A herd that is turned away comes back with growing delays.
const HERD_PATIENCE: Duration = Duration::from_secs(600);
/// Of this process and of the server: a node has a few connections at each end.
const OPEN_FILES: u64 = 16_384;
/// Between two questions of an operator while the herd comes.
const OPERATOR_PAUSE: Duration = Duration::from_millis(20);
const ROUTE: &str = "/v1/routes/measured";

fn nodes() -> usize {
    if soak() { 500 } else { 200 }
}

/// When each of the nodes was given a list, and when it was told that there are too many.
#[derive(Default)]
struct Lists {
    given: Mutex<Vec<(Instant, usize)>>,
    turned_away: Mutex<Vec<Instant>>,
}

struct OfNode(Arc<Lists>, usize);

impl Recorder for OfNode {
    fn record(&self, observation: Observation<'_>) {
        let Self(lists, node) = self;
        match observation {
            Observation::Listed(_) => lists.given.lock().unwrap().push((Instant::now(), *node)),
            Observation::Failed(reason) if reason == StoreError::Busy.to_string() => {
                lists.turned_away.lock().unwrap().push(Instant::now());
            }
            _ => {}
        }
    }
}

/// What one return of the herd was like.
struct Herd {
    lists: usize,
    nodes_that_listed: usize,
    peak_per_second: usize,
    by_second: Vec<usize>,
    turned_away: usize,
}

impl Lists {
    fn clear(&self) {
        self.given.lock().unwrap().clear();
        self.turned_away.lock().unwrap().clear();
    }

    /// Since the server was started, which cannot have let anybody in before.
    fn since(&self, start: Instant) -> Herd {
        let mut given = self.given.lock().unwrap().clone();
        given.sort_unstable();
        let times: Vec<f64> = given.iter().map(|(at, _)| at.duration_since(start).as_secs_f64()).collect();
        for (before, at) in times.iter().enumerate() {
            // A list is noted after it was let through, so this holds however late it is noted.
            let bound = LISTS_BURST + at * LISTS_PER_SECOND;
            assert!((before + 1) as f64 <= bound, "{} lists {at:.3} s after the start", before + 1);
        }
        let within_a_second = |(first, at): (usize, &f64)| times[first..].iter().take_while(|t| **t < at + 1.0).count();
        let mut by_second = vec![0; times.last().map_or(0, |last| *last as usize + 1)];
        times.iter().for_each(|at| by_second[*at as usize] += 1);
        let mut who: Vec<usize> = given.iter().map(|(_, node)| *node).collect();
        who.sort_unstable();
        who.dedup();
        Herd {
            lists: times.len(),
            nodes_that_listed: who.len(),
            peak_per_second: times.iter().enumerate().map(within_a_second).max().unwrap_or(0),
            by_second,
            turned_away: self.turned_away.lock().unwrap().len(),
        }
    }
}

/// Somebody who asks the server that the herd comes back to, again and again.
struct Operator {
    over: Arc<AtomicBool>,
    asking: JoinHandle<(Latencies, usize)>,
}

impl Operator {
    fn start(admin: Admin) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&over);
        let asking = tokio::spawn(async move {
            let (mut latencies, mut failures) = (Latencies::new().unwrap(), 0);
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                let answer = admin.request(Method::GET, ROUTE).send().await;
                latencies.record(Window::Steady, begun.elapsed());
                failures += usize::from(!answer.is_ok_and(|answer| answer.status().is_success()));
                sleep(OPERATOR_PAUSE).await;
            }
            (latencies, failures)
        });
        Self { over, asking }
    }

    async fn end(self) -> (Latencies, usize) {
        self.over.store(true, Ordering::Relaxed);
        self.asking.await.unwrap()
    }
}

/// As many open files as hundreds of nodes need, for this process and those that it starts.
fn allow_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < OPEN_FILES) {
        let current = limit.maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit }).unwrap();
    }
}

async fn followers(fleet: &Fleet, data: &Path, host: &Host, lists: &Arc<Lists>) -> Simulated {
    let key = fleet.store().unwrap().get(keyspace::SERVER_KEY).await.unwrap().unwrap();
    let trust = String::from_utf8_lossy(&key.value).parse().unwrap();
    let token = std::fs::read_to_string(fleet.node_token()).unwrap().trim().to_owned();
    let url = fleet.server(0).unwrap().url();
    let upstream = |number: usize| {
        let servers = Arc::new(Servers::new([&url])?);
        Ok(Upstream {
            store: Arc::new(RemoteStore::new(Arc::clone(&servers), token.clone())?),
            blobs: Arc::new(RemoteBlobs::new(servers, token.clone())?),
            trust,
            recorder: Some(Arc::new(OfNode(Arc::clone(lists), number))),
            servers: vec![url.clone()],
            token: Some(Secret(token.clone())),
        })
    };
    Simulated::start(nodes(), data, host, upstream).await.unwrap()
}

async fn declared(admin: &Admin, port: u16) {
    eventually("the route is taken", || async {
        let answer = admin.request(Method::PUT, ROUTE).json(&route(port)).send().await.ok()?;
        answer.status().is_success().then_some(())
    })
    .await;
}

async fn have(simulated: &Simulated, port: u16) {
    let all = || (simulated.arrivals_us(port).len() == nodes()).then_some(());
    within(HERD_PATIENCE, "all nodes have the route", || async { all() }).await;
}

/// F28: the only server that the nodes know of goes and comes back, while another one takes a change; once more with the history of
/// etcd forgotten meanwhile, so that all must list.
#[tokio::test(flavor = "multi_thread")]
async fn f28_hundreds_of_nodes_come_back_at_once() {
    allow_open_files();
    let mut fleet = Fleet::start(1, 2).await.unwrap();
    let (data, lists) = (data_folder().unwrap(), Arc::new(Lists::default()));
    let host = Host::new(HostConfig { instances_max: 16, ..HostConfig::new(Compiler::InProcess) }).unwrap();
    let (left, stays, store) = (fleet.admin(0).unwrap(), fleet.admin(1).unwrap(), fleet.store().unwrap());
    declared(&stays, PORT_FIRST).await;
    let simulated = followers(&fleet, data.path(), &host, &lists).await;
    have(&simulated, PORT_FIRST).await;
    let rounds = [(1, "the server comes back"), (2, "the server comes back, and history is forgotten")];
    for (round, what) in rounds {
        let port = PORT_FIRST + round;
        fleet.kill_server(0).unwrap();
        declared(&stays, port).await;
        if round == 2 {
            let now = store.snapshot(keyspace::DESIRED).await.unwrap().revision;
            store.compact(now).await.unwrap();
        }
        lists.clear();
        let start = Instant::now();
        fleet.restart_server(0).unwrap();
        let operator = Operator::start(left.clone());
        have(&simulated, port).await;
        let converged = start.elapsed();
        let (latencies, failures) = operator.end().await;
        let (herd, operator) = (lists.since(start), latencies.quantiles()[0]);
        assert_eq!(herd.nodes_that_listed, nodes(), "nobody is told of what happened while the server was away");
        assert_eq!(failures, 0, "an operator is answered while the herd comes");
        within(HERD_PATIENCE, "the status of every node is there", || async {
            (store.snapshot(keyspace::STATUS).await.ok()?.entries.len() == nodes()).then_some(())
        })
        .await;
        measured(
            "F28",
            json!({
                "what": what, "nodes": nodes(), "converged_after_ms": converged.as_millis(), "lists": herd.lists,
                "lists_peak_per_second": herd.peak_per_second, "lists_by_second": herd.by_second,
                "lists_turned_away_429": herd.turned_away, "statuses_back_after_ms": start.elapsed().as_millis(),
                "operator_requests": operator.operations, "operator_p50_ms": operator.p50_us / 1e3,
                "operator_p99_ms": operator.p99_us / 1e3, "operator_longest_ms": operator.max_us / 1e3,
                "server_open_files": open_files(fleet.server(0).unwrap().id()).unwrap(),
            }),
        );
    }
    let log = fleet.server(0).unwrap().log().unwrap();
    assert!(!log.contains("panicked"), "{log}");
    simulated.stop().await;
}
