//! Alerts and scores decided by strategies on a live node: from a posted metric to the webhook and the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    io::Write,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use switchyard_e2e::{
    admin::strategy,
    cli,
    dev::Dev,
    resp::{Reply, RespClient},
};
use switchyard_types::StrategyKind;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::Instant,
};

/// Evaluations come every five seconds, scores every fifteen.
const DEADLINE: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Bodies that a webhook was posted.
type Posted = Arc<Mutex<Vec<Value>>>;

/// A receiver that takes everything.
async fn receiver() -> (Posted, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let posted = Posted::default();
    let kept = Arc::clone(&posted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(receive(stream, Arc::clone(&kept)));
        }
    });
    (posted, url)
}

/// Requests of one connection, one after the other.
async fn receive(stream: TcpStream, posted: Posted) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        if length == 0 || stream.read_exact(&mut body).await.is_err() {
            return;
        }
        posted.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        let answer = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        answer.unwrap();
    }
}

/// A node, and what is asked of it over plain HTTP.
struct Rig {
    dev: Dev,
    http: reqwest::Client,
}

impl Rig {
    fn start(more: &[&str]) -> Self {
        let http = reqwest::Client::builder().timeout(DEADLINE).no_proxy().build().unwrap();
        Self { dev: Dev::start_with("100", 1, more).unwrap(), http }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.dev.process().ready().http)
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    /// A gauge as an application posts it.
    async fn post(&self, metric: &str, value: f64) {
        let body = json!({"resourceMetrics": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeMetrics": [{"metrics": [{"name": metric, "gauge": {"dataPoints": [{"asDouble": value}]}}]}],
        }]});
        let answer = self.http.post(self.url("/v1/metrics")).json(&body).send().await.unwrap();
        assert_eq!(answer.json::<Value>().await.unwrap()["partialSuccess"], Value::Null);
    }

    /// Declares a strategy and waits until it decides.
    async fn decide(&self, kind: StrategyKind, plugin: &str, configuration: Value) {
        let published = self.dev.publish(plugin).await.unwrap();
        let document = strategy(kind.as_str(), kind.as_str(), &published.reference, Some(configuration));
        let stored = self.dev.admin().apply(&document).await.unwrap().accepted().unwrap();
        let generation = stored.status.unwrap().generation;
        self.until("the strategy decides", async || {
            let status = self.dev.status().await.unwrap()?;
            let slot = status.slots.into_iter().find(|slot| slot.slot.kind == kind)?;
            slot.active.filter(|active| active.generation == generation)
        })
        .await;
    }

    async fn until<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(
                Instant::now() < end,
                "{what}: not within {DEADLINE:?}; the log ends:\n{}",
                self.dev.process().log()
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the alert of a rule is in a state with a value.
    async fn alert(&self, rule: &str, state: &str, value: f64) -> Value {
        self.until(&format!("{rule} is {state}"), async || {
            let alerts = self.get("/v1/alerts").await;
            let is_it = |alert: &&Value| alert["rule"] == rule && alert["state"] == state && alert["value"] == value;
            alerts["items"].as_array().unwrap().iter().find(is_it).cloned()
        })
        .await
    }

    fn cli(&self, arguments: &[&str]) -> String {
        cli::switchyard(self.dev.process().context(), arguments).unwrap().done().unwrap()
    }
}

/// Titles of what was posted: one for each alert.
fn titles(posted: &Posted) -> Vec<String> {
    let bodies = posted.lock().unwrap().clone();
    let of_body = |body: Value| body["alerts"].as_array().unwrap().clone();
    let alerts = bodies.into_iter().flat_map(of_body);
    alerts.map(|alert| alert["annotations"]["summary"].as_str().unwrap().to_owned()).collect()
}

fn rules(critical: f64) -> Value {
    let rule = json!({"name": "QueueLong", "metric": "shop.queue", "normal": 5.0, "warning": 10.0, "critical": critical, "for_ms": 100});
    json!({ "rules": [rule] })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_posted_metric_makes_an_alert_fire_and_resolve() {
    let (posted, url) = receiver().await;
    let rig = Rig::start(&["--alert-webhook", &url, "--alert-webhook-internal"]);
    rig.decide(StrategyKind::Alerting, "alerting-threshold", rules(20.0)).await;
    // Two values at least: one that is shown again proves nothing of how long it has lasted.
    let fired = rig
        .until("QueueLong fires", async || {
            rig.post("shop.queue", 25.0).await;
            let alerts = rig.get("/v1/alerts?state=firing").await;
            alerts["items"].as_array().unwrap().iter().find(|alert| alert["rule"] == "QueueLong").cloned()
        })
        .await;
    assert_eq!((&fired["severity"], &fired["series"]["labels"]), (&json!("CRITICAL"), &json!([["job", "shop"]])));
    let told = rig.until("the webhook was told", async || titles(&posted).first().cloned()).await;
    assert_eq!(told, "[critical] QueueLong: shop.queue{job=\"shop\"}");
    let shown = rig.cli(&["alerts", "--state", "firing"]);
    assert!(shown.contains("QueueLong") && shown.contains("shop.queue{job=\"shop\"}"), "{shown}");
    assert_eq!(rig.cli(&["alerts", "--state", "pending", "-o", "json"]).trim(), "[]");

    // Another configuration while it fires, and a value that only what fires already is kept by.
    rig.decide(StrategyKind::Alerting, "alerting-threshold", rules(30.0)).await;
    rig.post("shop.queue", 7.0).await;
    let goes_on = rig.alert("QueueLong", "firing", 7.0).await;
    assert_eq!(goes_on["severity"], "WARNING");
    rig.post("shop.queue", 1.0).await;
    rig.alert("QueueLong", "resolved", 7.0).await;
    let all =
        ["[critical]", "[warning]", "[resolved]"].map(|state| format!("{state} QueueLong: shop.queue{{job=\"shop\"}}"));
    rig.until("the webhook was told of the end", async || (titles(&posted).len() >= 3).then_some(())).await;
    assert_eq!(titles(&posted), all);
    let failed = rig.get("/v1/overview").await["alerts"]["evaluationsFailed"].clone();
    assert_eq!(failed, 0, "a swap is no failure");
    rig.dev.end().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_falls_and_recovers_with_its_reason() {
    let rig = Rig::start(&[]);
    let only_success = json!({"response_time": 0.0, "cache_efficiency": 0.0, "system_health": 0.0});
    rig.decide(StrategyKind::Scoring, "scoring-weighted", only_success).await;
    let score = async |value: f64| {
        rig.until(&format!("the score is {value}"), async || {
            let scores = rig.get("/v1/scores").await;
            scores.as_array().unwrap().iter().find(|score| score["value"] == value).cloned()
        })
        .await
    };
    rig.post("http.server.error.ratio", 0.0).await;
    score(100.0).await;
    rig.post("http.server.error.ratio", 0.05).await;
    let bad = score(0.0).await;
    assert_eq!(bad["findings"][0]["text"], "5.00 % of the requests fail.");
    let shown = rig.cli(&["score", "node"]);
    assert!(shown.contains("5.00 % of the requests fail.") && shown.contains("success"), "{shown}");
    rig.post("http.server.error.ratio", 0.0).await;
    // The machine may be busy, which counts for nothing here and is told nevertheless.
    assert!(!score(100.0).await["findings"].to_string().contains("requests fail"));
    let shown: Value = serde_json::from_str(&rig.cli(&["score", "-o", "json"])).unwrap();
    assert_eq!(shown[0]["scope"], "node");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engines_figures_are_series_without_fault() {
    let rig = Rig::start(&[]);
    let mut client = RespClient::connect(rig.dev.address()).unwrap();
    assert_eq!(client.call(&[b"GET", b"nothing"]).unwrap(), Reply::Bulk(None));
    let text = rig
        .until("the cache's figures", async || {
            let text = rig.http.get(rig.url("/metrics")).send().await.unwrap().text().await.unwrap();
            text.lines().any(|line| line == "cache_misses_total 1.0").then_some(text)
        })
        .await;
    for expected in ["# TYPE cache_misses_total counter", "# TYPE cache_entries gauge", "# TYPE tasks_waiting gauge"] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("promtool of the package prometheus: run cargo xtask setup");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success(), "{}\n{text}", String::from_utf8_lossy(&said.stderr));
    let overview = rig.get("/v1/overview").await;
    assert_eq!(
        (&overview["engines"], &overview["figures"]["cache.misses"]),
        (&json!(["cache", "gateway", "node", "tasks", "telemetry"]), &json!(1.0))
    );
}
