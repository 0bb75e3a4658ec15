//! Strategies decide about alerts and scores: the project's own, and some that trap.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "support/plugin.rs"]
mod plugin;
mod support;

use serde_json::{Value, json};
use support::{Serving, gauge, host, request, requests, wait_until};
use switchyard_host::Host;
use switchyard_telemetry::{
    TelemetryConfig,
    alerting::{Alert, DEGRADED_RULE, Phase},
};
use switchyard_types::Figure;

/// What a strategy does on a live node.
const TRAPS: &str = "unreachable";
const NAMES_THE_FIRST: &str = "(return (i32.const 1024))";
const LOOPS: &str = "(loop $again (br $again))";

/// Series that are not normal at once.
const BREACHING: usize = 4_096;

async fn start(host: &Host) -> Serving {
    // Nothing happens by itself: the tests say when.
    let never = std::time::Duration::from_secs(3_600);
    let config = TelemetryConfig { evaluate_interval: never, score_interval: never, ..Default::default() };
    Serving::on(host, config).await
}

/// The shop's queue is too long from 10 on and well below 5.
fn rules(name: &str) -> Value {
    json!({"rules": [{"name": name, "metric": "shop.queue", "normal": 5.0, "warning": 10.0, "critical": 20.0}]})
}

async fn post(serving: &Serving, value: f64) {
    serving.post_json(&request(gauge("shop.queue", json!(value)))).await;
}

fn alerts(serving: &Serving, rule: &str) -> Vec<Alert> {
    let mut alerts = serving.telemetry.alerts().list();
    alerts.retain(|alert| alert.rule == rule);
    alerts
}

fn state(serving: &Serving, rule: &str) -> Option<Phase> {
    alerts(serving, rule).first().map(|alert| alert.state)
}

/// Waits for a new instance after a trap, and evaluates meanwhile.
async fn evaluate_until(what: &str, serving: &Serving, mut so: impl FnMut() -> bool) {
    wait_until(what, async || {
        serving.telemetry.evaluate();
        so()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thresholds_decide_and_a_swap_keeps_what_fires() {
    let host = host();
    let serving = start(&host).await;
    let slot = serving.telemetry.alerting_slot();
    serving.telemetry.evaluate();
    assert_eq!(serving.telemetry.alert_figures().evaluations, 0, "without a strategy nobody is asked");
    slot.swap(&plugin::of_project(&host, "alerting-threshold", &rules("QueueLong")), 1).unwrap();
    post(&serving, 12.0).await;
    serving.telemetry.evaluate();
    let fired = alerts(&serving, "QueueLong");
    assert_eq!((fired.len(), fired[0].state, fired[0].value), (1, Phase::Firing, 12.0));
    assert_eq!(fired[0].series.label("job"), Some("shop"));
    assert!(fired[0].reason.contains("warning from 10"), "{}", fired[0].reason);

    // Between normal and warning what fires goes on, also for a successor: it has adopted the alert.
    let mut others = rules("QueueLong");
    others["rules"][0]["critical"] = json!(30.0);
    post(&serving, 7.0).await;
    slot.swap(&plugin::of_project(&host, "alerting-threshold", &others), 1).unwrap();
    serving.telemetry.evaluate();
    let now = alerts(&serving, "QueueLong");
    assert_eq!((now.len(), now[0].state, now[0].value), (1, Phase::Firing, 7.0));
    assert_eq!(now[0].state_since_ms, fired[0].state_since_ms, "it has not fired anew");

    post(&serving, 4.0).await;
    serving.telemetry.evaluate();
    assert_eq!(state(&serving, "QueueLong"), Some(Phase::Resolved));
    assert_eq!(serving.telemetry.alert_figures().evaluations_failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_that_fails_forgets_nothing() {
    for fault in [TRAPS, LOOPS] {
        let host = host();
        let serving = start(&host).await;
        let slot = serving.telemetry.alerting_slot();
        slot.swap(&plugin::alerting(&host, NAMES_THE_FIRST), 1).unwrap();
        serving.telemetry.evaluate();
        assert_eq!(state(&serving, "hit"), Some(Phase::Firing), "it fires with the first verdict");

        slot.swap(&plugin::alerting(&host, fault), 1).unwrap();
        serving.telemetry.evaluate();
        assert_eq!(
            (state(&serving, "hit"), state(&serving, DEGRADED_RULE)),
            (Some(Phase::Firing), Some(Phase::Firing))
        );
        evaluate_until("quarantine", &serving, || slot.figures().quarantined).await;
        serving.telemetry.evaluate();
        assert_eq!(state(&serving, "hit"), Some(Phase::Firing));
        assert!(alerts(&serving, DEGRADED_RULE)[0].reason.contains("quarantine"));
        assert_eq!(serving.telemetry.alert_figures().evaluations, 1);

        slot.swap(&plugin::alerting(&host, NAMES_THE_FIRST), 1).unwrap();
        serving.telemetry.evaluate();
        assert_eq!(
            (state(&serving, "hit"), state(&serving, DEGRADED_RULE)),
            (Some(Phase::Firing), Some(Phase::Resolved))
        );
        slot.swap(&plugin::alerting(&host, ""), 1).unwrap();
        serving.telemetry.evaluate();
        assert_eq!(state(&serving, "hit"), Some(Phase::Resolved));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_strategy_does_not_say_is_told_to_everybody() {
    let host = host();
    let serving = start(&host).await;
    serving.telemetry.alerting_slot().swap(&plugin::notifying(&host, TRAPS), 1).unwrap();
    serving.telemetry.evaluate();
    assert_eq!((state(&serving, "hit"), serving.telemetry.alert_figures().notices_fallback), (Some(Phase::Firing), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_that_is_taken_away_leaves_no_alert() {
    let host = host();
    let serving = start(&host).await;
    serving.telemetry.alerting_slot().swap(&plugin::alerting(&host, NAMES_THE_FIRST), 1).unwrap();
    serving.telemetry.evaluate();
    serving.telemetry.alerting_slot().clear();
    serving.telemetry.evaluate();
    assert_eq!(state(&serving, "hit"), Some(Phase::Resolved));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_series_than_a_call_holds_are_one_evaluation() {
    let host = host();
    let serving = start(&host).await;
    let configuration = json!({"rules": [
        {"name": "First", "metric": "a.first", "normal": 1.0, "warning": 1.0, "critical": 2.0},
        {"name": "Last", "metric": "z.last", "normal": 1.0, "warning": 1.0, "critical": 2.0},
    ]});
    let many = (0..5_000).map(|n| gauge(&format!("m.{n:04}"), json!(1.0)));
    let ends = ["a.first", "z.last"].map(|name| gauge(name, json!(3.0)));
    serving.post_json(&requests(many.chain(ends).collect())).await;
    serving
        .telemetry
        .alerting_slot()
        .swap(&plugin::of_project(&host, "alerting-threshold", &configuration), 1)
        .unwrap();
    for _ in 0..2 {
        serving.telemetry.evaluate();
        let states = ["First", "Last"].map(|rule| state(&serving, rule));
        assert_eq!(states, [Some(Phase::Firing); 2]);
    }
    // 256 rows a call, in two evaluations; the node's own series are among them.
    assert!(serving.telemetry.alerting_slot().figures().hooks["evaluate"].calls >= 2 * 5_002_u64.div_ceil(256));
}

/// The incident that alerting exists for: everything is wrong at once, and every series has long labels.
#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_survives_the_incident_it_exists_for() {
    let host = host();
    let serving = start(&host).await;
    let rule = |n: usize| {
        let name = format!("Broken{n}");
        json!({"name": name, "metric": "shop.broken", "normal": 1.0, "warning": 1.0, "critical": 2.0, "for_ms": 3_600_000})
    };
    let rules = json!({"rules": (0..2).map(rule).collect::<Vec<_>>()});
    let slot = serving.telemetry.alerting_slot();
    slot.swap(&plugin::of_project(&host, "alerting-threshold", &rules), 1).unwrap();
    let point = |n: usize| {
        let label = format!("{n}{}", "x".repeat(3_000));
        json!({"asDouble": 3.0, "attributes": [{"key": "path", "value": {"stringValue": label}}]})
    };
    for from in (0..BREACHING).step_by(512) {
        let points: Vec<_> = (from..from + 512).map(point).collect();
        serving.post_json(&request(json!({"name": "shop.broken", "gauge": {"dataPoints": points}}))).await;
    }
    for evaluations in 1..3 {
        serving.telemetry.evaluate();
        let figures = serving.telemetry.alert_figures();
        let hook = &slot.figures().hooks["evaluate"];
        assert_eq!((figures.evaluations, figures.evaluations_failed), (evaluations, 0), "{hook:?}");
        assert_eq!((figures.pending as usize, slot.figures().quarantined), (2 * BREACHING, false));
    }
}

/// What the engines of a node would say.
fn cache_reads(serving: &Serving, hits: f64, misses: f64) {
    serving.telemetry.source("cache", move || {
        let reads = |name: &'static str, value| Figure::counter(name, "", "Reads", value);
        vec![reads("cache.hits", hits), reads("cache.misses", misses)]
    });
    serving.telemetry.collect();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_falls_with_its_reason_and_recovers() {
    let host = host();
    let serving = start(&host).await;
    let slot = serving.telemetry.scoring_slot();
    serving.telemetry.score();
    assert!(serving.telemetry.scores().list().is_empty());
    let weighted = json!({"response_time": 50.0, "success": 50.0, "cache_efficiency": 0.0, "system_health": 0.0});
    slot.swap(&plugin::of_project(&host, "scoring-weighted", &weighted), 1).unwrap();
    let errors = async |ratio: f64| {
        serving.post_json(&request(gauge("http.server.error.ratio", json!(ratio)))).await;
        serving.telemetry.score();
        serving.json("/v1/scores/node").await
    };
    let good = errors(0.0).await;
    assert_eq!((&good["value"], &good["stale"]), (&json!(100.0), &Value::Null));
    let names: Vec<_> = good["parts"].as_array().unwrap().iter().map(|part| &part["name"]).collect();
    assert_eq!(names, ["response-time", "success", "cache-efficiency", "system-health"]);
    assert_eq!((&good["parts"][0]["value"], &good["parts"][0]["evidence"]), (&Value::Null, &json!("not measured")));
    let bad = errors(0.05).await;
    assert_eq!(bad["value"], json!(0.0));
    assert_eq!(bad["findings"][0]["text"], "5.00 % of the requests fail.");
    assert_eq!(bad["findings"][0]["severity"], "CRITICAL");
    assert_eq!(errors(0.0).await["value"], json!(100.0));

    // A strategy that traps: the last score stays and says so.
    slot.swap(&plugin::scoring(&host, TRAPS), 1).unwrap();
    serving.telemetry.score();
    let stale = serving.json("/v1/scores/node").await;
    assert_eq!(stale["value"], json!(100.0));
    assert!(stale["stale"].as_str().unwrap().contains("no usable answer"), "{stale}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_score_is_made_of_what_the_node_measures() {
    let host = host();
    let serving = start(&host).await;
    serving.telemetry.scoring_slot().swap(&plugin::of_project(&host, "scoring-weighted", &json!({})), 1).unwrap();
    cache_reads(&serving, 0.0, 0.0);
    // Another slot of the window: a rate needs two moments.
    wait_until("reads are seen", async || {
        let reads = serving.telemetry.now_ms() as f64;
        cache_reads(&serving, 3.0 * reads, reads);
        serving.telemetry.score();
        part(&serving, "cache-efficiency").await["value"].is_number()
    })
    .await;
    let cache = part(&serving, "cache-efficiency").await;
    assert_eq!((&cache["value"], &cache["evidence"]), (&json!(75.0), &json!("75.0 % of the reads find something.")));
    let health = part(&serving, "system-health").await;
    assert!(health["value"].is_number() && health["evidence"].as_str().unwrap().contains("memory"), "{health}");
}

async fn part(serving: &Serving, name: &str) -> Value {
    let score = serving.json("/v1/scores/node").await;
    score["parts"].as_array().unwrap().iter().find(|part| part["name"] == name).unwrap().clone()
}
