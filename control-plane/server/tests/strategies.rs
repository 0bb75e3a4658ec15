//! The way of a strategy: what is declared, what is refused, and what a generation stands for.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, header},
};
use serde_json::{Value, json};
use support::{PluginText, Rig, built, strategy};

async fn rig() -> Rig {
    let rig = Rig::new().await;
    rig.publish(&PluginText::default()).await.is(201);
    rig
}

fn plain(name: &str) -> Value {
    strategy(name, "plain@0.1.0")
}

fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[key] = value;
    document
}

fn counter(document: &Value) -> u64 {
    document["status"]["generation"]["counter"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_is_created_replaced_and_deleted() {
    let rig = rig().await;
    let created = rig.put(&plain("sessions")).await;
    assert_eq!(counter(created.is(201)), 1);
    assert_eq!(created.body["status"]["configuration"], json!({"entries": 10}), "the plugin's default");
    // Counted when it is asked for; here is nobody to count.
    let mut shown = created.body.clone();
    shown["status"]["fleet"] = json!({"matched": 0, "active": 0, "staging": 0, "failed": 0, "unknown": 0});
    assert_eq!(rig.get("/v1/strategies/sessions").await.is(200), &shown);
    assert_eq!(rig.get("/v1/strategies").await.is(200)["items"], json!([shown]));

    let changed = with(created.body.clone(), "/spec/configuration", json!({"entries": 7}));
    let replaced = rig.put(&changed).await;
    assert_eq!(counter(replaced.is(200)), 2);
    assert!(replaced.body["resourceVersion"].as_u64() > created.body["resourceVersion"].as_u64());

    rig.put(&changed).await.is_error(409, "conflict", "has changed since it was read");
    let stale = created.body["resourceVersion"].as_u64().unwrap();
    let path = format!("/v1/strategies/sessions?resourceVersion={stale}");
    rig.delete(&path).await.is_error(409, "conflict", "has changed since it was read");
    rig.delete("/v1/strategies/sessions?dryRun=true").await.is(200);

    let current = replaced.body["resourceVersion"].as_u64().unwrap();
    let deleted = rig.delete(&format!("/v1/strategies/sessions?resourceVersion={current}")).await;
    assert_eq!(deleted.is(200), &replaced.body);
    rig.get("/v1/strategies/sessions").await.is_error(404, "not-found", "there is no strategy sessions");
    rig.delete("/v1/strategies/sessions").await.is_error(404, "not-found", "there is no strategy sessions");
    rig.put(&changed).await.is_error(409, "conflict", "was deleted since it was read");
    assert_eq!(counter(rig.put(&plain("sessions")).await.is(201)), 4, "the deletion was generation 3");
}

#[tokio::test(flavor = "multi_thread")]
async fn create_takes_free_names_only() {
    let rig = rig().await;
    rig.json(Method::POST, "/v1/strategies", &plain("sessions")).await.is(201);
    let before = rig.state().await;
    let taken = rig.json(Method::POST, "/v1/strategies", &plain("sessions")).await;
    taken.is_error(409, "conflict", "there is a strategy sessions");
    let other = rig.json(Method::PUT, "/v1/strategies/pages", &plain("sessions")).await;
    other.is_error(400, "invalid-request", "make them the same");
    assert_eq!(rig.state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_nothing_for_nodes_keeps_its_generation() {
    let rig = rig().await;
    let created = rig.put(&plain("sessions")).await;
    let before = rig.state().await;
    assert_eq!(rig.put(&plain("sessions")).await.is(200), &created.body);
    assert_eq!(rig.put(&created.body).await.is(200), &created.body);
    assert_eq!(rig.state().await, before, "nothing was written");

    let digest = created.body["status"]["digest"].clone();
    let spelt_out =
        with(with(plain("sessions"), "/spec/plugin", digest), "/spec/configuration", json!({"entries": 10}));
    let worded = rig.put(&with(spelt_out, "/labels", json!({"team": "web"}))).await;
    assert_eq!(counter(worded.is(200)), 1);
    assert_eq!(worded.body["labels"], json!({"team": "web"}));
    assert_ne!(worded.body["resourceVersion"], created.body["resourceVersion"]);

    for (generation, pointer, value) in [
        (2, "/spec/configuration", json!({"entries": 11})),
        (3, "/spec/selector", json!({"region": "eu"})),
        (4, "/spec/priority", json!(5)),
        (5, "/spec/limits", json!({"waited_call_us": 1_000})),
    ] {
        assert_eq!(counter(rig.put(&with(plain("sessions"), pointer, value)).await.is(200)), generation, "{pointer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_checks_everything_and_writes_nothing() {
    let rig = rig().await;
    let before = rig.state().await;
    let path = "/v1/strategies/sessions?dryRun=true";
    let valid = rig.json(Method::PUT, path, &plain("sessions")).await;
    assert_eq!(counter(valid.is(201)), 1);
    assert_eq!(valid.body.get("resourceVersion"), None);
    let wrong = with(plain("sessions"), "/spec/configuration", json!({"entries": 0}));
    rig.json(Method::PUT, path, &wrong).await.is_refused("schema", "entries");
    assert_eq!(rig.state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_has_its_answer() {
    let rig = rig().await;
    rig.publish(&PluginText { name: "moody", behaviour: "honest", ..PluginText::default() }).await.is(201);
    let before = rig.state().await;
    let cases = [
        ("/spec/plugin", json!("unknown@1.0.0"), 404, "not-found", "unknown@1.0.0 is not published: publish it"),
        ("/spec/plugin", json!(format!("sha256:{}", "0".repeat(64))), 404, "not-found", "is not published"),
        ("/spec/plugin", json!("plain"), 400, "invalid-request", "spec.plugin: plugin \"plain\" is not valid"),
        ("/spec/kind", json!("cooking"), 400, "invalid-request", "spec.kind"),
        ("/spec/target", json!("sessions:"), 400, "invalid-request", "spec.target"),
        ("/spec/priority", json!("high"), 400, "invalid-request", "spec.priority: invalid type: string \"high\""),
        ("/spec/prioritee", json!(1), 400, "invalid-request", "spec.prioritee: unknown field `prioritee`"),
        ("/spec/limits", json!({"memory_bytes": 0}), 400, "invalid-request", "limits.memory_bytes is 0"),
        ("/spec/limits", json!({"memory_bytes": -1}), 400, "invalid-request", "spec.limits.memory_bytes"),
        ("/kind", json!("Route"), 400, "invalid-request", "expected \"Strategy\""),
        ("/name", json!("No Name"), 400, "invalid-request", "strategy name"),
        ("/resourceVersion", json!(999_999), 409, "conflict", "was deleted since it was read"),
    ];
    for (pointer, value, status, code, expected) in cases {
        let document = with(plain("sessions"), pointer, value);
        rig.json(Method::PUT, "/v1/strategies/sessions", &document).await.is_error(status, code, expected);
    }
    let wrong = with(plain("sessions"), "/spec/configuration", json!({"entries": 0, "size": 3}));
    let refused = rig.put(&wrong).await;
    refused.is_refused("schema", "the configuration breaks the plugin's schema");
    assert_eq!(refused.body["details"].as_array().unwrap().len(), 2, "every finding: {}", refused.body);
    let labels: serde_json::Map<_, _> = (0..65).map(|n| (format!("l{n}"), json!("x"))).collect();
    rig.put(&with(plain("sessions"), "/labels", json!(labels))).await.is_error(400, "invalid-request", "at most 64");
    assert_eq!(rig.state().await, before, "nothing was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_keep_their_shape() {
    let rig = rig().await;
    let send = async |content_type: &str, body: String| {
        let request = rig.request(Method::PUT, "/v1/strategies/sessions").header(header::CONTENT_TYPE, content_type);
        rig.send(request.body(Body::from(body)).unwrap()).await
    };
    let json = "application/json";
    send(json, "{\"kind\":".to_owned()).await.is_error(400, "invalid-request", "EOF while parsing");
    send(json, "kind: Strategy".to_owned()).await.is_error(400, "invalid-request", "the body is not valid");
    send(json, "[".repeat(100_000)).await.is_error(400, "invalid-request", "the body is not valid");
    send(json, "[]".to_owned()).await.is_error(400, "invalid-request", "the body is not valid");
    send("text/yaml", plain("sessions").to_string()).await.is_error(415, "unsupported-media-type", "text/yaml");
    let large = with(plain("sessions"), "/spec/configuration", json!("x".repeat(1 << 20)));
    send(json, large.to_string()).await.is_error(413, "too-large", "over 1.0 MiB");
    send("application/json; charset=utf-8", plain("sessions").to_string()).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_strategies_do_not_claim_one_slot() {
    let rig = rig().await;
    rig.put(&plain("sessions")).await.is(201);
    let refused = rig.put(&plain("pages")).await;
    refused.is_error(409, "conflict", "pages and sessions both claim the slot caching at priority 0");
    rig.put(&with(plain("pages"), "/spec/priority", json!(1))).await.is(201);
    let eu = with(plain("eu"), "/spec/selector", json!({"region": "eu"}));
    rig.put(&eu).await.is_error(409, "conflict", "eu and sessions");
    rig.put(&with(plain("sessions"), "/spec/selector", json!({"region": "us"}))).await.is(200);
    rig.put(&eu).await.is(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_claim_one_slot_one_wins() {
    let rig = Arc::new(rig().await);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let rig = rig.clone();
            tokio::spawn(async move { rig.put(&plain(&format!("claim-{n}"))).await })
        })
        .collect();
    let mut winners = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        if answer.status.as_u16() == 201 {
            winners += 1;
        } else {
            answer.is_error(409, "conflict", "both claim the slot caching");
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(rig.get("/v1/strategies").await.is(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_have_generations_of_their_own() {
    let rig = Arc::new(rig().await);
    let tasks: Vec<_> = (0..10)
        .map(|n| {
            let rig = rig.clone();
            let document = with(plain(&format!("s-{n}")), "/spec/priority", json!(n));
            tokio::spawn(async move { counter(rig.put(&document).await.is(201)) })
        })
        .collect();
    let mut generations = Vec::new();
    for task in tasks {
        generations.push(task.await.unwrap());
    }
    generations.sort_unstable();
    assert_eq!(generations, (1..=10).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_over_the_same_store_knows_the_same() {
    use tower::ServiceExt;
    let rig = rig().await;
    rig.put(&plain("sessions")).await.is(201);
    // The other server has compiled nothing yet: it takes the plugin from the blobs.
    let other = rig.server().router();
    let document = with(plain("sessions"), "/spec/configuration", json!({"entries": 3})).to_string();
    let request = rig.request(Method::PUT, "/v1/strategies/sessions").header(header::CONTENT_TYPE, "application/json");
    assert_eq!(other.oneshot(request.body(Body::from(document)).unwrap()).await.unwrap().status(), 200);
    assert_eq!(counter(rig.get("/v1/strategies/sessions").await.is(200)), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strategies_of_this_repository_configure() {
    let rig = Rig::new().await;
    rig.upload("/v1/plugins", built("caching-s3fifo")).await.is(201);
    rig.put(&strategy("sessions", "caching-s3fifo@0.1.0")).await.is(201);
    let wrong = with(strategy("sessions", "caching-s3fifo@0.1.0"), "/spec/configuration", json!({"no_such_key": 1}));
    rig.put(&wrong).await.is_refused("schema", "no_such_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_number_may_be_spelt_as_a_fraction() {
    let rig = Rig::new().await;
    rig.upload("/v1/plugins", built("caching-s3fifo")).await.is(201);
    let pages = |percent: Value| {
        with(strategy("pages", "caching-s3fifo@0.1.0"), "/spec/configuration", json!({"small_percent": percent}))
    };
    let created = rig.put(&pages(json!(20.0))).await;
    assert_eq!(created.is(201)["status"]["configuration"], json!({"small_percent": 20}));
    assert_eq!(counter(rig.put(&pages(json!(20))).await.is(200)), 1, "nodes run the same");
    rig.put(&pages(json!(20.5))).await.is_refused("schema", "20.5 is not of type \"integer\"");
}
