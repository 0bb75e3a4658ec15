use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Clients at once, each one request at a time.
const CLIENTS: u64 = 8;
/// A request that takes longer has failed.
const REQUEST_DEADLINE: Duration = Duration::from_secs(30);
/// Videos of a draft.
const VIDEOS: u64 = 2;
/// Up to a minute, in milliseconds, in three significant digits.
const MS_MAX: u64 = 60_000;
const SIGNIFICANT_DIGITS: u8 = 3;
/// Longest video, in seconds; the API has the same bound.
const SECONDS_MAX: u64 = 60;

/// Clients of the video API: each makes a draft, adds videos, and asks for status and configuration, again and again.
#[derive(Debug)]
pub(super) struct Clients {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

/// What they saw.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) requests: u64,
    pub(super) failed: u64,
    pub(super) first_error: Option<String>,
    /// Videos that the API has accepted.
    pub(super) videos: HashSet<String>,
    pub(super) phases: Vec<Seen>,
}

/// What they saw in one phase.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) phase: &'static str,
    pub(super) failed: u64,
    /// Milliseconds of those answered.
    pub(super) latencies: Histogram<u64>,
}

#[derive(Debug)]
struct Shared {
    http: Client,
    gateway: String,
    stop: AtomicBool,
    requests: AtomicU64,
    seen: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    first_error: Option<String>,
    videos: HashSet<String>,
    phases: Vec<Seen>,
}

impl Clients {
    /// Begins.
    pub(super) fn start(gateway: String) -> Result<Self> {
        let http = Client::builder().no_proxy().timeout(REQUEST_DEADLINE).build()?;
        let (stop, requests, seen) = Default::default();
        let shared = Arc::new(Shared { http, gateway, stop, requests, seen });
        Ok(Self { shared, tasks: Vec::new() })
    }

    /// What happens from now on is told apart.
    pub(super) fn enter(&mut self, phase: &'static str) -> Result<()> {
        let latencies = Histogram::new_with_bounds(1, MS_MAX, SIGNIFICANT_DIGITS)?;
        self.shared.told().phases.push(Seen { phase, failed: 0, latencies });
        if self.tasks.is_empty() {
            let run = |client| tokio::spawn(self.shared.clone().run(client));
            self.tasks = (0..CLIENTS).map(run).collect();
        }
        Ok(())
    }

    /// Requests so far.
    pub(super) fn requests(&self) -> u64 {
        self.shared.requests.load(Relaxed)
    }

    /// Lets every client end what it has begun.
    pub(super) async fn finish(self) -> Result<Served> {
        self.shared.stop.store(true, Relaxed);
        for task in self.tasks {
            task.await.context("a client panicked")?;
        }
        let told = std::mem::take(&mut *self.shared.told());
        Ok(Served {
            requests: self.shared.requests.load(Relaxed),
            failed: told.phases.iter().map(|phase| phase.failed).sum(),
            first_error: told.first_error,
            videos: told.videos,
            phases: told.phases,
        })
    }
}

impl Shared {
    async fn run(self: Arc<Self>, client: u64) {
        let mut round = 0;
        while !self.stop.load(Relaxed) {
            // What failed is counted where it did; the client begins anew.
            let _ = self.round(client, round).await;
            round += 1;
        }
    }

    async fn round(&self, client: u64, round: u64) -> Result<()> {
        let draft = self.post("/drafts", &format!("{client}-{round}"), &json!({ "title": "holiday" })).await?;
        let draft = id(&draft)?;
        for video in 0..VIDEOS {
            // Short and long ones, urgent and less so, in no order.
            let spread = client * 7 + round * 13 + video * 29;
            let body = json!({ "seconds": 1 + spread * 17 % SECONDS_MAX, "priority": 1 + spread % 9 });
            let key = format!("{client}-{round}-{video}");
            let added = self.post(&format!("/drafts/{draft}/videos"), &key, &body).await?;
            self.told().videos.insert(id(&added)?);
        }
        self.get(&format!("/drafts/{draft}")).await?;
        self.get("/configuration").await?;
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<Value> {
        self.send(path, self.http.get(format!("{}{path}", self.gateway))).await
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> Result<Value> {
        let request = self.http.post(format!("{}{path}", self.gateway)).header("idempotency-key", key);
        self.send(path, request.json(body)).await
    }

    async fn send(&self, path: &str, request: RequestBuilder) -> Result<Value> {
        let begun = Instant::now();
        let answer = answer(request).await;
        let took = begun.elapsed();
        self.requests.fetch_add(1, Relaxed);
        let told = &mut *self.told();
        match (&answer, told.phases.last_mut()) {
            (Ok(_), Some(phase)) => {
                phase.latencies.saturating_record(u64::try_from(took.as_millis()).unwrap_or(MS_MAX).max(1));
            }
            (Err(error), phase) => {
                phase.into_iter().for_each(|phase| phase.failed += 1);
                told.first_error.get_or_insert_with(|| format!("{path}: {error:#}"));
            }
            (Ok(_), None) => {}
        }
        answer
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(request: RequestBuilder) -> Result<Value> {
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    ensure!(status.is_success(), "{status}: {}", String::from_utf8_lossy(&body));
    Ok(serde_json::from_slice(&body)?)
}

fn id(answer: &Value) -> Result<String> {
    Ok(answer.get("id").and_then(Value::as_str).context("the API gives no id")?.to_owned())
}
