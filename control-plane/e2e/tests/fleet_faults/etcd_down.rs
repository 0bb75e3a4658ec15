use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use switchyard_e2e::{
    admin::caching_strategy,
    fleet::{Fleet, Follows},
    process::{Process, open_files, resident_bytes},
};

use super::{
    GROWTH_BYTES_MAX, GROWTH_FILES_MAX, PATIENCE, decides, deciding, declare, ended_without_an_error, eventually,
    goes_on, healthy, jobs::Jobs, load, measured, nothing_panicked, published, soak, staleness, within,
};

/// What a node in contact never reaches: silence counts as dead before.
const STALE_SECONDS: f64 = 13.0;
const OUTAGE_SECONDS: f64 = 600.0;
/// By then caches are full and connections open.
const REQUESTS_BEFORE: usize = 3_000;

/// How long etcd is away, as those say who follow it.
fn outage_seconds() -> f64 {
    if soak() { OUTAGE_SECONDS } else { STALE_SECONDS + 2.0 }
}

/// What a process held when it had nothing to recover from.
struct Held {
    process: u32,
    resident_bytes: u64,
    open_files: usize,
}

impl Held {
    fn by(process: u32) -> Self {
        let (resident_bytes, open_files) = (resident_bytes(process).unwrap(), open_files(process).unwrap());
        Self { process, resident_bytes, open_files }
    }

    /// I5. Connections that were given up close when both sides have noticed.
    async fn is_held_again(&self) -> (i64, usize) {
        let more = || Held::by(self.process);
        let fits = || {
            let now = more();
            now.resident_bytes <= self.resident_bytes + GROWTH_BYTES_MAX
                && now.open_files <= self.open_files + GROWTH_FILES_MAX
        };
        eventually("no more is held than before", || async { fits().then_some(()) }).await;
        let now = more();
        (now.resident_bytes as i64 - self.resident_bytes as i64, now.open_files)
    }
}

async fn grows_stale(node: &Process, what: &str) -> f64 {
    let patience = Duration::from_secs_f64(outage_seconds()) + PATIENCE;
    within(patience, what, || async { staleness(node).await.filter(|age| *age > outage_seconds()) }).await
}

/// F3: nodes that follow etcd and nodes that follow the server go on, and one of each is started meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn f3_all_of_etcd_is_down() {
    let mut fleet = Fleet::start(1, 1).await.unwrap();
    let admin = fleet.admin(0).unwrap();
    let small = ["--cache-budget", "2000"];
    let start = |fleet: &Fleet, name: &str, follows| fleet.start_node(name, follows, &small).unwrap();
    let of_etcd = start(&fleet, "of-etcd", Follows::Etcd);
    let of_server = start(&fleet, "of-server", Follows::Servers);
    let restarted = [("restarted-etcd", Follows::Etcd), ("restarted-server", Follows::Servers)];
    let to_restart = restarted.map(|(name, follows)| start(&fleet, name, follows));
    let [lru, s3fifo] = published(&admin).await;
    declare(&admin, lru).await;
    for node in [&of_etcd, &of_server].into_iter().chain(&to_restart) {
        decides(node, lru).await;
        healthy(&admin, node, lru).await;
    }
    let mut loads = vec![load(&of_etcd), load(&of_server)];
    let jobs = Jobs::start(&of_etcd.ready().faktory);
    for load in &loads {
        goes_on(load, REQUESTS_BEFORE).await;
    }
    let held = [of_etcd.id().unwrap(), of_server.id().unwrap(), fleet.server(0).unwrap().id()].map(Held::by);

    fleet.etcd.members[0].kill();
    let away = Instant::now();
    let mut starts = Vec::new();
    let mut alone = Vec::new();
    for (node, (name, follows)) in to_restart.into_iter().zip(restarted) {
        node.kill().unwrap();
        let begun = Instant::now();
        let node = start(&fleet, name, follows);
        assert_eq!(deciding(&node), Some(lru.to_string()), "it starts from its own records");
        starts.push(begun.elapsed().as_millis());
        loads.push(load(&node));
        alone.push(node);
    }
    // A change is refused as what may be tried again, and says when.
    let document = caching_strategy("pages", &s3fifo.to_string(), None);
    let answer = admin.request(Method::PUT, "/v1/strategies/pages").json(&document).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "1"));
    let mut ages = vec![grows_stale(&of_etcd, "the staleness of a node that follows etcd grows").await];
    ages.push(grows_stale(&of_server, "the staleness of a node that follows the server grows").await);
    jobs.go_on(1).await;

    fleet.etcd.members[0].restart().await;
    let (down, back) = (away.elapsed(), Instant::now());
    assert_eq!(declare(&admin, s3fifo).await, 2, "nothing was written meanwhile");
    for node in [&of_etcd, &of_server].into_iter().chain(&alone) {
        decides(node, s3fifo).await;
        eventually("in contact again", || async { staleness(node).await.filter(|age| *age < STALE_SECONDS) }).await;
    }
    let converged = back.elapsed();
    for load in &loads {
        goes_on(load, 1).await;
    }
    let mut requests = 0;
    for load in loads {
        requests += ended_without_an_error(load);
    }
    assert_eq!(jobs.failures(), (vec![], 0));
    let worked = jobs.finish().await;
    assert_eq!(worked.twice, 0);
    let mut growth = Vec::new();
    for held in &held {
        growth.push(held.is_held_again().await);
    }
    nothing_panicked(&fleet, &["of-etcd", "of-server", "restarted-etcd", "restarted-server"]);
    measured(
        "F3",
        json!({
            "what": "all of etcd down, four nodes under load, two of them started meanwhile", "down_s": down.as_secs_f64(),
            "requests": requests, "failed_requests": 0, "jobs_run": worked.begun,
            "staleness_s_through_etcd_and_server": ages, "starts_alone_ms": starts, "converged_after_ms": converged.as_millis(),
            "grown_bytes_and_open_files_of_nodes_and_server": growth,
        }),
    );
}
