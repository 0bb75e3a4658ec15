//! The pages of a node: figures of engines, alerts and scores, and how errors look.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use support::{Serving, judge, lines, request, tell, wait_until};
use switchyard_telemetry::{
    Query, Selector, Series, TelemetryConfig,
    alerting::{Evaluation, Severity, Verdict},
    scoring::{Finding, Part, Score},
};
use switchyard_types::{Figure, FigureValue};

fn verdict() -> (Series, Verdict) {
    let verdict = Verdict {
        rule: "memory".to_owned(),
        series: 1,
        severity: Severity::Critical,
        holds: false,
        value: 0.93,
        for_ms: 0,
        reason: "memory over 80 %".to_owned(),
        evidence: "bound 0.8".to_owned(),
    };
    (Series::new("system.memory.utilization", Vec::new()), verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn engines_are_asked_at_each_collection() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    let hits = Arc::new(AtomicU64::new(7));
    let read = Arc::clone(&hits);
    serving.telemetry.source("cache", move || {
        let hits = read.load(Ordering::Relaxed) as f64;
        vec![
            Figure::counter("cache.hits", "{hit}", "Reads that found something", hits).with("namespace", "a"),
            Figure::gauge("cache.odd", "1", "No number", f64::NAN),
        ]
    });
    serving.telemetry.source("broken", || panic!("a source that breaks"));
    serving.telemetry.collect();
    assert_eq!(lines(&serving.metrics().await, "cache_hits_total"), [r#"cache_hits_total{namespace="a"} 7.0"#]);
    hits.store(9, Ordering::Relaxed);
    serving.telemetry.collect();
    let latest = serving.telemetry.query(&Selector::of("cache.hits"), Query::Latest);
    assert_eq!(latest[0].value, 9.0);
    let overview = serving.json("/v1/overview").await;
    assert_eq!(overview["engines"], json!(["broken", "cache"]));
    assert_eq!(overview["figures"][r#"cache.hits{namespace="a"}"#], 9.0);
    assert_eq!(overview["points"]["ownRefused"]["not_finite"], 2);
    assert!(overview["host"]["cpuUtilization"].is_number());
    serving.telemetry.remove_source("cache");
    assert_eq!(serving.json("/v1/overview").await["engines"], json!(["broken"]));
}

/// The gateway's and an application's, which a common library names the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_engines_histogram_stands_beside_one_that_is_posted() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    let name = "http.server.request.duration";
    serving.telemetry.source("gateway", move || {
        let value = FigureValue::Histogram { sum: 1.5, bounds: &[1.0], buckets: [2, 1].into() };
        vec![Figure { value, ..Figure::gauge(name, "s", "Duration", 0.0) }.with("route", "shop")]
    });
    serving.telemetry.collect();
    let posted = json!({"name": name, "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
        {"startTimeUnixNano": "1", "timeUnixNano": "9", "count": "3", "sum": 2.5, "bucketCounts": ["1", "2"],
         "explicitBounds": [0.5], "attributes": [{"key": "http.route", "value": {"stringValue": "/cart"}}]},
    ]}});
    assert_eq!(serving.post_json(&request(posted)).await["partialSuccess"], Value::Null);
    serving.telemetry.collect();
    let page = serving.metrics().await;
    let counts = lines(&page, "http_server_request_duration_seconds_count");
    assert_eq!(counts.len(), 2, "{counts:?}");
    assert!(counts.contains(&r#"http_server_request_duration_seconds_count{route="shop"} 3"#), "{counts:?}");
    let points = &serving.json("/v1/overview").await["points"];
    assert_eq!((&points["ownRefused"], &points["refused"]), (&json!({}), &json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machine_is_asked_again_and_again() {
    let often = TelemetryConfig { collect_interval: std::time::Duration::from_millis(5), ..Default::default() };
    let serving = Serving::start(often).await;
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    serving.telemetry.source("counted", move || {
        count.fetch_add(1, Ordering::Relaxed);
        Vec::new()
    });
    wait_until("three collections", async || asked.load(Ordering::Relaxed) >= 3).await;
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_scores_are_shown() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    judge(&serving.telemetry, &[verdict()]);
    tell(&serving.telemetry, Evaluation::Degraded("it trapped"));
    let alerts = serving.json("/v1/alerts").await;
    assert_eq!((alerts["items"].as_array().unwrap().len(), &alerts["continue"]), (2, &Value::Null));
    let memory = alerts["items"].as_array().unwrap().iter().find(|alert| alert["rule"] == "memory").unwrap();
    assert_eq!((&memory["state"], &memory["severity"]), (&json!("firing"), &json!("CRITICAL")));
    assert_eq!(memory["series"]["metric"], "system.memory.utilization");
    assert!(memory["activeForMs"].is_u64() && memory["stateForMs"].is_u64());

    let part = Part { name: "success".to_owned(), weight: 0.25, value: None, evidence: String::new() };
    let finding = Finding { severity: Severity::Warning, text: "slow".to_owned(), advice: "look".to_owned() };
    let (scope, value) = ("shop".to_owned(), Some(71.5));
    let score = Score { scope, value, parts: vec![part], findings: vec![finding], forecast: Some(60.0) };
    serving.telemetry.scores().record(score).unwrap();
    serving.telemetry.scores().mark_stale(u64::MAX, "it trapped");
    let shown = serving.json("/v1/scores/shop").await;
    assert_eq!((&shown["value"], &shown["stale"]), (&json!(71.5), &json!("it trapped")));
    let overview = serving.json("/v1/overview").await;
    assert_eq!((&overview["alerts"]["firing"], &overview["scores"][0]["scope"]), (&json!(2), &json!("shop")));
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_are_listed_in_parts() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    let numbered = |n: usize| {
        let (_, verdict) = verdict();
        (Series::new("m", vec![("n".into(), n.to_string().into())]), verdict)
    };
    let all: Vec<_> = (0..5).map(numbered).collect();
    judge(&serving.telemetry, &all);
    judge(&serving.telemetry, &all[1..]);
    let (mut seen, mut after) = (Vec::new(), String::new());
    for expected in [2, 2, 1] {
        let page = serving.json(&format!("/v1/alerts?limit=2{after}")).await;
        let items = page["items"].as_array().unwrap();
        assert_eq!(items.len(), expected, "{page}");
        seen.extend(items.iter().map(|alert| alert["series"]["labels"][0][1].clone()));
        after = page["continue"].as_str().map(|token| format!("&continue={token}")).unwrap_or_default();
    }
    assert_eq!((seen, after), (["1", "2", "3", "4", "0"].map(Value::from).to_vec(), String::new()));
    let resolved = serving.json("/v1/alerts?state=resolved").await;
    assert_eq!(resolved["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_have_one_shape() {
    let serving = Serving::start(TelemetryConfig::default()).await;
    let check = async |path: &str, post: bool, status: StatusCode, code: &str| {
        let request = if post { serving.http.post(serving.url(path)) } else { serving.http.get(serving.url(path)) };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["code"], code, "{path}");
    };
    check("/v1/nothing", false, StatusCode::NOT_FOUND, "not-found").await;
    check("/v1/scores/nothing", false, StatusCode::NOT_FOUND, "not-found").await;
    check("/v1/overview", true, StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed").await;
    for query in ["limit=0", "limit=501", "state=burning", "page=2"] {
        check(&format!("/v1/alerts?{query}"), false, StatusCode::BAD_REQUEST, "invalid-request").await;
    }
    check("/v1/alerts?continue=1-0", false, StatusCode::GONE, "expired").await;
    check("/v1/metrics", false, StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn firing_alerts_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let config = || TelemetryConfig { alerts_file: Some(folder.path().join("alerts.json")), ..Default::default() };
    let serving = Serving::start(config()).await;
    assert_eq!(judge(&serving.telemetry, &[verdict()]), 1);
    wait_until("the alert is on disk", async || folder.path().join("alerts.json").exists()).await;
    serving.kill().await;

    let serving = Serving::start(config()).await;
    assert_eq!(serving.telemetry.alerts().active().len(), 1);
    // It fires still: the first evaluation after the restart tells nobody anew.
    assert_eq!((judge(&serving.telemetry, &[verdict()]), judge(&serving.telemetry, &[])), (0, 1));
    serving.stop().await;
    assert!(Serving::start(config()).await.telemetry.alerts().active().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_saved_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let later = folder.path().join("later");
    let config = TelemetryConfig { alerts_file: Some(later.join("alerts.json")), ..Default::default() };
    let serving = Serving::start(config).await;
    assert_eq!(judge(&serving.telemetry, &[verdict()]), 1);
    // There is no folder yet, so the first attempt has failed, or will find one.
    std::fs::create_dir(&later).unwrap();
    wait_until("the alert is on disk", async || later.join("alerts.json").exists()).await;
    serving.kill().await;
}

/// Nobody judges what fired in the last life: it is waited for, and not for ever.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_strategy_an_alert_of_an_earlier_life_ends() {
    let folder = tempfile::tempdir().unwrap();
    let never = std::time::Duration::from_secs(3_600);
    let config = |retention_ms| TelemetryConfig {
        alerts_file: Some(folder.path().join("alerts.json")),
        retention: std::time::Duration::from_millis(retention_ms),
        evaluate_interval: never,
        ..Default::default()
    };
    let serving = Serving::start(config(600_000)).await;
    assert_eq!(judge(&serving.telemetry, &[verdict()]), 1);
    serving.stop().await;
    let serving = Serving::start(config(600_000)).await;
    serving.telemetry.evaluate();
    assert_eq!(serving.telemetry.alerts().active().len(), 1, "a strategy may come yet");
    serving.stop().await;
    let serving = Serving::start(config(1)).await;
    wait_until("it has ended", async || {
        serving.telemetry.evaluate();
        serving.telemetry.alerts().active().is_empty()
    })
    .await;
    serving.stop().await;
}
