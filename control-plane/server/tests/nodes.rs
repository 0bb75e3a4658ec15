//! Real nodes that tell real servers what happens on them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "these are tests")]

mod support;

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};
use support::{Rig, Serving, built, strategy, until};
use switchyard_node::{Durability, Node, NodeConfig, NodeError, NodeHandle, Secret, Upstream};
use switchyard_store::BlobStore;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

struct Running {
    handle: NodeHandle,
    stop: CancellationToken,
    task: JoinHandle<Result<(), NodeError>>,
}

impl Running {
    async fn start(rig: &Rig, data: &Path, servers: Vec<String>) -> Self {
        let any = || "127.0.0.1:0".parse().unwrap();
        let config = NodeConfig {
            data_dir: data.to_owned(),
            labels: [("region".to_owned(), "eu".to_owned())].into(),
            resp_listen: any(),
            faktory_listen: any(),
            faktory_password: None,
            http_listen: any(),
            alert_webhook: None,
            alert_webhook_internal: false,
            gateway_listen: any(),
            durability: Durability::Process,
            cache_budget: None,
            cache_shards: Some(1),
        };
        let upstream = Upstream {
            store: Arc::new(rig.store.clone()),
            blobs: Arc::new(BlobStore::open(rig.folder.path().join("blobs")).unwrap()),
            trust: rig.key.trust(),
            recorder: None,
            servers,
            token: Some(Secret(rig.token.clone())),
        };
        let node = Node::start(config, rig.host.clone(), Some(upstream)).await.unwrap();
        let (handle, stop) = (node.handle(), CancellationToken::new());
        Self { handle, task: tokio::spawn(node.run(stop.clone())), stop }
    }

    /// Entries that a strategy decides about.
    async fn store(&self, count: usize) {
        let mut client = TcpStream::connect(self.handle.listeners()["resp"]).await.unwrap();
        for n in 0..count {
            client.write_all(format!("SET key-{n} value\r\n").as_bytes()).await.unwrap();
            client.read_exact(&mut [0; 5]).await.unwrap();
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// The node's events that this server knows, in their order; none while it knows none, or no leader.
async fn events(server: &Serving, node: &str) -> Vec<Value> {
    let (_, page) = server.get(&format!("/v1/events?node={node}&limit=500")).await;
    page["items"].as_array().cloned().unwrap_or_default()
}

async fn kinds(server: &Serving, node: &str) -> Vec<String> {
    events(server, node).await.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

async fn until_told(server: &Serving, node: &str, kind: &str) {
    until(&format!("{node}: {kind}"), async || kinds(server, node).await.iter().any(|k| k == kind).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_what_happens_and_how_much() {
    let rig = Rig::new().await;
    let server = rig.serve().await;
    let data = tempfile::tempdir().unwrap();
    // The first address is nobody's: the next one is tried.
    let servers = vec!["http://127.0.0.1:1".to_owned(), server.url.clone()];
    let node = Running::start(&rig, data.path(), servers).await;
    let id = node.handle.id().to_string();
    until_told(&server, &id, "started").await;

    rig.upload("/v1/plugins", built("caching-s3fifo")).await.is(201);
    rig.put(&strategy("sessions", "caching-s3fifo@0.1.0")).await.is(201);
    until_told(&server, &id, "healthy").await;
    node.store(500).await;
    // Another version ends the window of this one.
    let mut other = strategy("sessions", "caching-s3fifo@0.1.0");
    other["spec"]["configuration"] = json!({"small_percent": 20});
    rig.put(&other).await.is(200);
    let calls = until("figures of the first version", async || {
        let (_, figures) = server.get("/v1/figures?strategy=sessions").await;
        let first = |row: &&Value| row["hook"] == "store" && row["version"]["generation"]["counter"] == 1;
        let row = figures["items"].as_array().unwrap().iter().find(first)?.clone();
        (row["last_10m"]["calls"].as_u64()? >= 500).then_some(row)
    })
    .await;
    assert_eq!((&calls["last_10m"]["nodes"], &calls["last_10m"]["failures"]["trap"]), (&json!(1), &json!(0)));
    assert!(calls["last_10m"]["latency_p50_ns"].as_u64() > Some(0), "{calls}");

    let told = kinds(&server, &id).await;
    assert_eq!(told[..3], ["started", "flipped", "healthy"], "{told:?}");
    node.stop().await;
    until_told(&server, &id, "stopping").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_is_kept_over_a_restart_and_told_later() {
    let rig = Rig::new().await;
    let data = tempfile::tempdir().unwrap();
    // Reserved, and nobody listens yet.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}");
    let first = Running::start(&rig, data.path(), vec![url.clone()]).await;
    let id = first.handle.id().to_string();
    first.stop().await;
    let second = Running::start(&rig, data.path(), vec![url]).await;
    let server = rig.serve_on(TcpListener::bind(address).await.unwrap(), false);
    until("both starts are told", async || {
        let told = kinds(&server, &id).await;
        (told.iter().filter(|kind| *kind == "started").count() == 2).then_some(())
    })
    .await;
    let (_, page) = server.get("/v1/events").await;
    let sessions: std::collections::BTreeSet<_> =
        page["items"].as_array().unwrap().iter().map(|event| event["session"].to_string()).collect();
    assert_eq!(
        (sessions.len(), kinds(&server, &id).await[..2].to_vec()),
        (2, vec!["started".into(), "stopping".into()])
    );
    second.stop().await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_leader_is_told_what_the_old_one_knew() {
    let rig = Rig::new().await;
    let first = rig.serve_as_one_of_several().await;
    let data = tempfile::tempdir().unwrap();
    let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let second_url = format!("http://{}", second.local_addr().unwrap());
    let node = Running::start(&rig, data.path(), vec![first.url.clone(), second_url]).await;
    let id = node.handle.id().to_string();
    rig.upload("/v1/plugins", built("caching-lru")).await.is(201);
    rig.put(&strategy("sessions", "caching-lru@0.1.0")).await.is(201);
    until("a leader", async || (first.get("/v1/events").await.0 == 200).then_some(())).await;
    until_told(&first, &id, "healthy").await;
    let before = events(&first, &id).await;

    let second = rig.serve_on(second, true);
    first.stop().await;
    until("another leader", async || (second.get("/v1/events").await.0 == 200).then_some(())).await;
    // Also a node on which nothing happens asks who leads, and tells what it remembers.
    let told = until("the new leader knows it", async || {
        let told = events(&second, &id).await;
        (told.len() >= before.len()).then_some(told)
    })
    .await;
    assert_eq!(told[..before.len()], before);
    rig.delete("/v1/strategies/sessions").await.is(200);
    until("the next flip", async || {
        let told = kinds(&second, &id).await;
        (told.iter().filter(|kind| *kind == "flipped").count() == 2).then_some(())
    })
    .await;
    let numbers: Vec<_> = events(&second, &id).await.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "each once and in order: {numbers:?}");
    node.stop().await;
    second.stop().await;
}
