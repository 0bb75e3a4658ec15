//! What the integration tests share: telemetry that serves, and what is posted to it.
#![allow(dead_code, reason = "every test file uses its part")]

use std::{
    io::Write,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use flate2::{Compression, write::GzEncoder};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};
use switchyard_host::{Compiler, Host, HostConfig};
use switchyard_telemetry::{
    Series, Telemetry, TelemetryConfig, TelemetryError, TelemetryService,
    alerting::{Evaluation, Notice, Verdict},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Telemetry behind its listener.
pub(crate) struct Serving {
    pub(crate) telemetry: Telemetry,
    pub(crate) address: SocketAddr,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    served: JoinHandle<Result<(), TelemetryError>>,
}

impl Serving {
    pub(crate) async fn start(config: TelemetryConfig) -> Self {
        Self::on(&host(), config).await
    }

    pub(crate) async fn on(host: &Host, config: TelemetryConfig) -> Self {
        let telemetry = Telemetry::new(host, config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = TelemetryService::new(telemetry.clone(), listener).unwrap();
        let (address, stop) = (service.address().unwrap(), CancellationToken::new());
        let served = tokio::spawn(service.run(stop.clone()));
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().unwrap();
        let serving = Self { telemetry, address, http, stop, served };
        // The first answer comes after the first collection.
        serving.metrics().await;
        serving
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn post(&self, content_type: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http.post(self.url("/v1/metrics")).header("content-type", content_type).body(body)
    }

    /// Posts JSON that must be taken; the answer.
    pub(crate) async fn post_json(&self, body: &Value) -> Value {
        let answer = self.post("application/json", body.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    pub(crate) async fn metrics(&self) -> String {
        self.http.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        self.http.get(self.url(path)).send().await.unwrap().json().await.unwrap()
    }

    /// Ends it without any of the things that it does at its end.
    pub(crate) async fn kill(self) {
        self.served.abort();
        let _ = self.served.await;
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}

/// A host that compiles in its own process: what the tests load is trusted.
pub(crate) fn host() -> Host {
    Host::new(HostConfig { instances_max: 32, ..HostConfig::new(Compiler::InProcess) }).unwrap()
}

/// What a strategy says of a series, all of them being there; tells everybody.
pub(crate) fn judge(telemetry: &Telemetry, verdicts: &[(Series, Verdict)]) -> usize {
    let mut series: Vec<_> = verdicts.iter().map(|(series, _)| series.clone()).collect();
    series.extend(telemetry.alerts().list().into_iter().map(|alert| alert.series));
    series.sort();
    let touched_ms = vec![telemetry.now_ms(); series.len()];
    tell(telemetry, Evaluation::Answered { series: &series, touched_ms: &touched_ms, verdicts })
}

pub(crate) fn tell(telemetry: &Telemetry, evaluation: Evaluation<'_>) -> usize {
    let changes = telemetry.alerts().evaluate(evaluation);
    let notices: Vec<_> = changes.into_iter().map(Notice::own).collect();
    telemetry.alerts().tell(&notices);
    notices.len()
}

/// A request with one metric of a service called `shop`.
pub(crate) fn request(metric: Value) -> Value {
    requests(vec![metric])
}

pub(crate) fn requests(metrics: Vec<Value>) -> Value {
    json!({"resourceMetrics": [{
        "resource": {"attributes": [
            {"key": "service.name", "value": {"stringValue": "shop"}},
            {"key": "service.instance.id", "value": {"stringValue": "i-1"}},
            {"key": "deployment.environment", "value": {"stringValue": "test"}},
        ]},
        "scopeMetrics": [{"scope": {"name": "lib", "version": "1"}, "metrics": metrics}],
    }]})
}

pub(crate) fn gauge(name: &str, value: Value) -> Value {
    json!({"name": name, "description": "A gauge", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asDouble": value}]}})
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The lines of an exposition that are of a name, without their labels that are the same for all.
pub(crate) fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let is_of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    text.lines().filter(is_of).collect()
}

/// The Python of the environment that `cargo xtask` makes.
pub(crate) fn python() -> PathBuf {
    let python = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/python/bin/python");
    assert!(python.exists(), "{} is missing: run `cargo xtask test`, whose set-up makes it", python.display());
    python
}

/// A child process that does not outlive its test.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command, missing: &str) -> Self {
        let child = command.stdin(Stdio::null()).spawn();
        Self(child.unwrap_or_else(|error| panic!("{error}: {missing}")))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until something is so.
pub(crate) async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "it never came to this: {what}");
        tokio::task::yield_now().await;
    }
}
