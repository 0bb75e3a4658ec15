//! Changes of alerts as a receiver of Alertmanager's webhook sees them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod support;

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use serde_json::{Value, json};
use support::{Serving, host, judge, wait_until};
use switchyard_telemetry::{
    Series, TelemetryConfig,
    alerting::{Severity, Verdict, WebhookConfig},
};

/// What a receiver has seen, and what it answers first: then it takes everything.
#[derive(Default)]
struct Seen {
    bodies: Vec<Value>,
    answers: Vec<StatusCode>,
}

type Receiver = Arc<Mutex<Seen>>;

async fn receive(State(receiver): State<Receiver>, Json(body): Json<Value>) -> StatusCode {
    let mut seen = receiver.lock().unwrap();
    seen.bodies.push(body);
    if seen.answers.is_empty() { StatusCode::OK } else { seen.answers.remove(0) }
}

async fn listen(answers: Vec<StatusCode>) -> (Receiver, String) {
    listen_on(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap(), answers)
}

fn listen_on(listener: tokio::net::TcpListener, answers: Vec<StatusCode>) -> (Receiver, String) {
    let receiver = Receiver::new(Mutex::new(Seen { bodies: Vec::new(), answers }));
    let router = Router::new().route("/hook", post(receive)).with_state(Arc::clone(&receiver));
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (receiver, url)
}

async fn serve(webhook: WebhookConfig) -> Serving {
    Serving::start(TelemetryConfig { webhook: Some(webhook), ..Default::default() }).await
}

async fn start(answers: Vec<StatusCode>) -> (Receiver, Serving) {
    let (receiver, url) = listen(answers).await;
    (receiver, serve(WebhookConfig { url, internal: true }).await)
}

/// Everything that is wrong now: rules and hosts.
fn evaluate(serving: &Serving, wrong: &[(&str, &str)]) {
    let verdict = |(rule, host): &(&str, &str)| {
        let verdict = Verdict {
            rule: (*rule).to_owned(),
            series: 1,
            severity: Severity::Critical,
            holds: false,
            value: 0.9,
            for_ms: 0,
            reason: "full".to_owned(),
            evidence: "bound 0.8".to_owned(),
        };
        (Series::new("memory", vec![("host".into(), (*host).into())]), verdict)
    };
    judge(&serving.telemetry, &wrong.iter().map(verdict).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_told_once_when_an_alert_fires_and_when_it_is_over() {
    let (receiver, serving) = start(Vec::new()).await;
    evaluate(&serving, &[("memory", "a")]);
    evaluate(&serving, &[("memory", "a")]);
    wait_until("the alert was told", async || serving.telemetry.alerts().figures().notified == 1).await;
    evaluate(&serving, &[]);
    wait_until("its end was told", async || serving.telemetry.alerts().figures().notified == 2).await;
    let bodies = receiver.lock().unwrap().bodies.clone();
    assert_eq!(bodies.len(), 2);
    let [fired, resolved] = [&bodies[0], &bodies[1]];
    assert_eq!(
        (&fired["version"], &fired["status"], &resolved["status"]),
        (&json!("4"), &json!("firing"), &json!("resolved"))
    );
    let alert = &fired["alerts"][0];
    let labels = json!({"alertname": "memory", "host": "a", "metric": "memory"});
    assert_eq!((&alert["labels"], &fired["commonLabels"]), (&labels, &labels));
    assert_eq!(
        alert["annotations"],
        json!({
        "summary": "[critical] memory: memory{host=\"a\"}", "description": "full", "evidence": "bound 0.8", "severity": "critical", "value": "0.9"})
    );
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    assert_ne!(resolved["alerts"][0]["endsAt"], alert["endsAt"]);
    assert_eq!(resolved["alerts"][0]["startsAt"], alert["startsAt"]);
    assert_eq!(resolved["alerts"][0]["fingerprint"], alert["fingerprint"]);
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_is_told_again_and_one_that_refuses_is_not() {
    let (receiver, serving) =
        start(vec![StatusCode::INTERNAL_SERVER_ERROR, StatusCode::OK, StatusCode::BAD_REQUEST]).await;
    evaluate(&serving, &[("first", "a")]);
    wait_until("the second attempt", async || serving.telemetry.alerts().figures().notified == 1).await;
    evaluate(&serving, &[("first", "a"), ("second", "a")]);
    wait_until("the refusal", async || serving.telemetry.alerts().figures().notifications_failed == 1).await;
    evaluate(&serving, &[("first", "a"), ("second", "a"), ("third", "a"), ("third", "b")]);
    wait_until("the third", async || serving.telemetry.alerts().figures().notified == 3).await;
    assert_eq!(serving.telemetry.alerts().figures().notification_retries, 1);
    let rules: Vec<_> =
        receiver.lock().unwrap().bodies.iter().map(|body| body["groupLabels"]["alertname"].clone()).collect();
    assert_eq!(rules, ["first", "first", "second", "third"]);
    // A receiver that is gone holds nobody up.
    serving.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_told_before_a_restart_is_told_after_it() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there yet.
    let place = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = place.local_addr().unwrap();
    drop(place);
    let config = || TelemetryConfig {
        webhook: Some(WebhookConfig { url: format!("http://{address}/hook"), internal: true }),
        alerts_file: Some(folder.path().join("alerts.json")),
        ..Default::default()
    };
    let serving = Serving::start(config()).await;
    evaluate(&serving, &[("first", "a"), ("second", "a")]);
    wait_until("it was tried", async || serving.telemetry.alerts().figures().notification_retries > 0).await;
    evaluate(&serving, &[("second", "a")]);
    serving.stop().await;

    let (receiver, _) = listen_on(tokio::net::TcpListener::bind(address).await.unwrap(), Vec::new());
    let serving = Serving::start(config()).await;
    wait_until("all were told", async || serving.telemetry.alerts().figures().notified == 3).await;
    // What still fires is not told again.
    evaluate(&serving, &[("second", "a")]);
    assert_eq!(serving.telemetry.alerts().figures().notifications_waiting, 0);
    serving.stop().await;
    assert_eq!(
        told(&receiver),
        ["firing first", "firing second", "resolved first"].map(str::to_owned),
        "each once and in order"
    );
    // And nothing of it a third time.
    let serving = Serving::start(config()).await;
    assert_eq!(serving.telemetry.alerts().figures().notifications_waiting, 0);
    serving.stop().await;
}

/// Status and rule of every alert of every body.
fn told(receiver: &Receiver) -> Vec<String> {
    let bodies = receiver.lock().unwrap().bodies.clone();
    let alerts = bodies.iter().flat_map(|body| body["alerts"].as_array().unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    alerts.map(|alert| format!("{} {}", text(&alert["status"]), text(&alert["labels"]["alertname"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_addresses_must_be_allowed() {
    let webhook = Some(WebhookConfig { url: "http://127.0.0.1:1/".to_owned(), internal: false });
    let telemetry = switchyard_telemetry::Telemetry::new(&host(), TelemetryConfig { webhook, ..Default::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = switchyard_telemetry::TelemetryService::new(telemetry, listener).unwrap_err();
    assert!(refused.to_string().contains("internal"), "{refused}");
    // By name it is found when the name is resolved: somebody listens there, and hears nothing.
    let (receiver, url) = listen(Vec::new()).await;
    let url = url.replace("127.0.0.1", "localhost");
    let serving = serve(WebhookConfig { url: url.clone(), internal: false }).await;
    evaluate(&serving, &[("memory", "a")]);
    wait_until("a failed call", async || serving.telemetry.alerts().figures().notification_retries > 0).await;
    assert!(receiver.lock().unwrap().bodies.is_empty());
    serving.stop().await;
    let serving = serve(WebhookConfig { url, internal: true }).await;
    evaluate(&serving, &[("memory", "a")]);
    wait_until("the alert was told", async || serving.telemetry.alerts().figures().notified == 1).await;
    serving.stop().await;
}
