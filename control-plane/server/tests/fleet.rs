//! What is known of the nodes: who reports, who did once, and what they make of strategies.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};
use support::{PluginText, Rig, strategy, until};
use switchyard_store::{ConfigStore, LeaseId, Operation, Transaction, keyspace};
use switchyard_types::NodeId;

fn id(node: &str) -> NodeId {
    node.parse().unwrap()
}

fn status(node: &str, slots: Value) -> Value {
    json!({"node": node, "labels": {"region": "eu"}, "generation": {"epoch": 0, "counter": 1}, "slots": slots,
           "live_generations": 1, "live_instances": 2, "live_bytes": 3, "figures": {"cache.hits": 1.0},
           "resident_bytes": 4, "at_unix_ms": 5})
}

fn record(node: &str, summary: Option<Value>) -> Value {
    json!({"node": node, "labels": {"region": "eu"}, "contracts": ["switchyard:caching@0.1.0"], "summary": summary})
}

fn slot(active: &Value, failed: Option<Value>) -> Value {
    json!([{"slot": {"kind": "caching"}, "received": active, "staged": null, "active": active, "last_healthy": null,
            "last_failure": failed, "plugin": null, "flip_ms": null, "flips": 1,
            "shards": {"shards": 1, "quarantined": 0, "memory_bytes": 0, "victims_unknown": 0, "fallback_evictions": 0}}])
}

/// As a node does: its record for ever, its status under its lease.
async fn join(rig: &Rig, node: &str, lease: LeaseId, slots: Value) {
    let status = status(node, slots);
    let record = record(node, Some(status.clone()));
    let operations = vec![
        Operation::put(keyspace::node(&id(node)), record.to_string()),
        Operation::Put { key: keyspace::status(&id(node)), value: status.to_string().into(), lease: Some(lease) },
    ];
    rig.store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
}

async fn lease(rig: &Rig) -> LeaseId {
    rig.store.lease(Duration::from_secs(3_600)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_lease_has_ended_is_unknown_and_not_gone() {
    let rig = Rig::new().await;
    let (a, b) = (lease(&rig).await, lease(&rig).await);
    join(&rig, "node-a", a, json!([])).await;
    join(&rig, "node-c", b, json!([])).await;
    rig.write(&[(keyspace::node(&id("node-b")), record("node-b", None))]).await;
    let states = async |path: &str| {
        let answer = rig.get(path).await;
        let items = answer.is(200)["items"].as_array().unwrap().clone();
        let state = |node: &Value| format!("{} {}", node["node"].as_str().unwrap(), node["status"].as_str().unwrap());
        (items.iter().map(state).collect::<Vec<_>>(), answer.body["continue"].as_str().map(str::to_owned))
    };
    let all = || ["node-a reporting", "node-b unknown", "node-c reporting"].map(str::to_owned).to_vec();
    assert_eq!(states("/v1/nodes").await, (all(), None));
    let (first, token) = states("/v1/nodes?limit=2").await;
    assert_eq!(first, all()[..2]);
    assert_eq!(states(&format!("/v1/nodes?limit=2&continue={}", token.unwrap())).await, (all()[2..].to_vec(), None));

    rig.store.revoke(a).await.unwrap();
    assert_eq!(states("/v1/nodes?limit=1").await.0, ["node-a unknown"]);
    let node = rig.get("/v1/nodes/node-a").await;
    assert_eq!((&node.is(200)["status"], &node.body["generation"]["counter"]), (&json!("unknown"), &json!(1)));
    assert_eq!(rig.get("/v1/nodes/node-b").await.is(200)["labels"], json!({"region": "eu"}));
    rig.get("/v1/nodes/node-d").await.is_error(404, "not-found", "no node node-d has reported");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_counted_by_what_they_make_of_a_strategy() {
    let rig = Rig::new().await;
    rig.publish(&PluginText::default()).await.is(201);
    let created = rig.put(&strategy("sessions", "plain@0.1.0")).await;
    let status = &created.is(201)["status"];
    let version = json!({"strategy": "sessions", "generation": status["generation"], "digest": status["digest"]});
    let failure = json!({"version": version, "stage": "link", "reason": "r", "at_unix_ms": 1});
    let (alive, gone) = (lease(&rig).await, lease(&rig).await);
    join(&rig, "node-a", alive, slot(&version, None)).await;
    join(&rig, "node-b", alive, slot(&Value::Null, None)).await;
    join(&rig, "node-c", alive, slot(&Value::Null, Some(failure))).await;
    join(&rig, "node-d", gone, slot(&version, None)).await;
    let counted = async |expected: Value| {
        until(&expected.to_string(), async || {
            let fleet = rig.get("/v1/strategies/sessions").await.is(200)["status"]["fleet"].clone();
            (fleet == expected).then_some(())
        })
        .await;
    };
    counted(json!({"matched": 4, "active": 2, "staging": 1, "failed": 1, "unknown": 0})).await;
    rig.store.revoke(gone).await.unwrap();
    counted(json!({"matched": 4, "active": 1, "staging": 1, "failed": 1, "unknown": 1})).await;
    assert_eq!(rig.get("/v1/strategies").await.is(200)["items"][0]["status"]["fleet"]["matched"], 4);

    // Another one takes the slot: it is on its way everywhere, and this one is nowhere wanted any more.
    let mut above = strategy("above", "plain@0.1.0");
    above["spec"]["priority"] = json!(1);
    rig.put(&above).await.is(201);
    counted(json!({"matched": 0, "active": 0, "staging": 0, "failed": 0, "unknown": 0})).await;
    // What is counted never becomes part of what is stored.
    let shown = rig.get("/v1/strategies/sessions").await;
    let again = rig.put(shown.is(200)).await;
    assert_eq!(again.is(200)["resourceVersion"], shown.body["resourceVersion"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_that_means_nobody_is_told_as_a_warning() {
    let rig = Rig::new().await;
    rig.publish(&PluginText::default()).await.is(201);
    let mut far = strategy("far", "plain@0.1.0");
    far["spec"]["selector"] = json!({"region": "mars"});
    let answer = rig.put(&far).await;
    assert_eq!(answer.is(201)["status"].get("warnings"), None, "no node is known: nobody can say");

    let alive = lease(&rig).await;
    join(&rig, "node-a", alive, json!([])).await;
    let warning = json!(["spec.selector and spec.cohort match none of the 1 known nodes"]);
    let path = "/v1/strategies/far?dryRun=true";
    until("the node is known", async || {
        let answer = rig.json(Method::PUT, path, &far).await;
        (answer.is(200)["status"].get("warnings") == Some(&warning)).then_some(())
    })
    .await;
    far["spec"]["selector"] = json!({"region": ["mars", "eu"]});
    assert_eq!(rig.json(Method::PUT, path, &far).await.is(200)["status"].get("warnings"), None);
    let spec = json!({"selector": {"region": "mars"}, "backends": [{"name": "a", "address": "127.0.0.1:1"}]});
    let route = json!({"kind": "Route", "name": "shop", "spec": spec});
    assert_eq!(rig.json(Method::POST, "/v1/routes", &route).await.is(201)["status"]["warnings"], warning);
    assert_eq!(rig.get("/v1/routes/shop").await.is(200)["status"].get("warnings"), None, "it is not stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_can_be_watched() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    let alive = lease(&rig).await;
    join(&rig, "node-a", alive, json!([])).await;
    let mut lines = server.lines("/v1/nodes?watch=1").await;
    // Two keys make a node, and it is told once of one change.
    let next = async |lines: &mut support::Lines, kind: &str, node: &str, state: Value| {
        let line = lines.news().await.unwrap();
        let object = &line["object"];
        assert_eq!((&line["type"], &object["node"], &object["status"]), (&json!(kind), &json!(node), &state), "{line}");
    };
    next(&mut lines, "ADDED", "node-a", json!("reporting")).await;
    let other = lease(&rig).await;
    join(&rig, "node-b", other, json!([])).await;
    next(&mut lines, "ADDED", "node-b", json!("reporting")).await;
    rig.store.revoke(other).await.unwrap();
    next(&mut lines, "MODIFIED", "node-b", json!("unknown")).await;
    let gone = Operation::delete(keyspace::node(&id("node-b")));
    rig.store.txn(Transaction { preconditions: vec![], operations: vec![gone] }).await.unwrap();
    next(&mut lines, "DELETED", "node-b", Value::Null).await;

    // From a version on nothing is known of who reports: it is looked up where it matters.
    let (_, list) = server.get("/v1/nodes").await;
    let mut later = server.lines(&format!("/v1/nodes?watch=1&resourceVersion={}", list["resourceVersion"])).await;
    rig.write(&[(keyspace::node(&id("node-a")), record("node-a", None))]).await;
    next(&mut later, "ADDED", "node-a", json!("reporting")).await;
    rig.store.revoke(alive).await.unwrap();
    next(&mut later, "MODIFIED", "node-a", json!("unknown")).await;
    next(&mut lines, "MODIFIED", "node-a", json!("unknown")).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_strategies_tells_how_far_the_nodes_are() {
    let rig = Rig::new().await;
    rig.publish(&PluginText::default()).await.is(201);
    let created = rig.put(&strategy("sessions", "plain@0.1.0")).await;
    let status = &created.is(201)["status"];
    let version = json!({"strategy": "sessions", "generation": status["generation"], "digest": status["digest"]});
    let server = rig.serve().await;
    let alive = lease(&rig).await;
    join(&rig, "node-a", alive, slot(&Value::Null, None)).await;
    let mut lines = server.lines("/v1/strategies?watch=1").await;
    let mut counted = async |expected: Value| {
        loop {
            let line = lines.news().await.unwrap();
            assert_eq!(line["object"]["resourceVersion"], created.body["resourceVersion"]);
            let fleet = &line["object"]["status"]["fleet"];
            if json!([fleet["active"], fleet["matched"]]) == expected {
                return line["type"].clone();
            }
        }
    };
    counted(json!([0, 1])).await;
    join(&rig, "node-a", alive, slot(&version, None)).await;
    assert_eq!(counted(json!([1, 1])).await, "MODIFIED");
    join(&rig, "node-b", alive, slot(&version, None)).await;
    assert_eq!(counted(json!([2, 2])).await, "MODIFIED");
    server.stop().await;
}
