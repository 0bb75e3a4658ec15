//! Lists that go on: from the beginning, from a version, and what ends them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

mod support;

use std::sync::Arc;

use axum::http::Method;
use serde_json::{Value, json};
use support::{Rig, Serving, until};
use switchyard_store::{ConfigStore, EtcdConfig, EtcdStore, Operation, Transaction, keyspace, testing::EtcdCluster};

fn route(name: &str, path: &str) -> Value {
    let spec = json!({"path_prefix": path, "backends": [{"name": "a", "address": "127.0.0.1:8081"}]});
    json!({"kind": "Route", "name": name, "spec": spec})
}

async fn put(server: &Serving, document: &Value) -> Value {
    let path = format!("/v1/routes/{}", document["name"].as_str().unwrap());
    let (status, answer) = server.ask(server.request(Method::PUT, &path).json(document)).await;
    assert!(status < 300, "{answer}");
    answer
}

fn short(line: &Value) -> (&str, &str) {
    (line["type"].as_str().unwrap(), line["object"]["name"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_what_is_there_and_then_what_changes() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    let first = put(&server, &route("one", "/one")).await;
    let mut lines = server.lines("/v1/routes?watch=1").await;
    let line = lines.next().await.unwrap();
    assert_eq!((short(&line), &line["object"]), (("ADDED", "one"), &first));
    let bookmark = lines.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");

    put(&server, &route("two", "/two")).await;
    let changed = put(&server, &route("one", "/uno")).await;
    server.ask(server.request(Method::DELETE, "/v1/routes/two")).await;
    assert_eq!(short(&lines.news().await.unwrap()), ("ADDED", "two"));
    let line = lines.news().await.unwrap();
    assert_eq!((short(&line), &line["object"]), (("MODIFIED", "one"), &changed));
    assert_eq!(short(&lines.news().await.unwrap()), ("DELETED", "two"));

    // From a bookmark, and from the version of a list.
    let from = format!("/v1/routes?watch=1&resourceVersion={}", bookmark["object"]["resourceVersion"]);
    let mut later = server.lines(&from).await;
    for expected in [("ADDED", "two"), ("ADDED", "one"), ("DELETED", "two")] {
        assert_eq!(short(&later.news().await.unwrap()), expected);
    }
    let (_, list) = server.get("/v1/routes").await;
    let mut last = server.lines(&format!("/v1/routes?watch=1&resourceVersion={}", list["resourceVersion"])).await;
    put(&server, &route("three", "/three")).await;
    assert_eq!(short(&last.news().await.unwrap()), ("ADDED", "three"));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_store_has_forgotten_is_gone() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    put(&server, &route("one", "/one")).await;
    let old = server.get("/v1/routes").await.1["resourceVersion"].as_u64().unwrap();
    put(&server, &route("two", "/two")).await;
    let (_, list) = server.get("/v1/routes").await;
    rig.store.compact(switchyard_store::Revision(list["resourceVersion"].as_u64().unwrap())).await.unwrap();
    for version in [old, 1_000_000] {
        let (status, answer) = server.get(&format!("/v1/routes?watch=1&resourceVersion={version}")).await;
        assert_eq!((status, &answer["code"]), (410, &json!("expired")), "{answer}");
    }
    for query in ["watch=1&limit=1", "watch=2", "resourceVersion=1", "watch=1&resourceVersion=x"] {
        assert_eq!(server.get(&format!("/v1/routes?{query}")).await.0, 400, "{query}");
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_ends_a_watch_with_an_error() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    let mut lines = server.lines("/v1/strategies?watch=1").await;
    let damaged = Operation::put(format!("{}a", keyspace::STRATEGIES), "{}");
    rig.store.txn(Transaction { preconditions: vec![], operations: vec![damaged] }).await.unwrap();
    let error = lines.news().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!("internal")), "{error}");
    assert_eq!(lines.next().await, None);
    server.stop().await;
}

/// Etcd proves nothing while nothing happens, and a client takes silence for an end.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_watch_over_etcd_says_that_it_is_there_and_ends_with_its_client() {
    let etcd = EtcdCluster::start(1).await;
    let store = EtcdStore::new(EtcdConfig { endpoints: etcd.addresses(), user: None }).unwrap();
    let rig = Rig::new().await;
    let server = rig.serve_over(Arc::new(store.clone())).await;
    put(&server, &route("one", "/one")).await;
    let mut lines = server.lines("/v1/routes?watch=1").await;
    assert_eq!(short(&lines.next().await.unwrap()), ("ADDED", "one"));
    let bookmark = lines.next().await.unwrap();
    for _ in 0..3 {
        assert_eq!(lines.next().await.unwrap(), bookmark, "nothing else has happened");
    }
    put(&server, &route("two", "/two")).await;
    assert_eq!(short(&lines.news().await.unwrap()), ("ADDED", "two"));
    drop(lines);

    // Watches that nobody reads any more give their places back.
    for _ in 0..2 {
        let mut open = Vec::new();
        for _ in 0..128 {
            let place = until("a place is free", async || {
                let answer = server.request(Method::GET, "/v1/nodes?watch=1").send().await.unwrap();
                (answer.status().as_u16() == 200).then_some(answer)
            });
            open.push(place.await);
        }
        let refused = server.request(Method::GET, "/v1/nodes?watch=1").send().await.unwrap();
        assert_eq!(refused.status().as_u16(), 429);
    }
    server.stop().await;
}
