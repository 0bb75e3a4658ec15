//! A node that follows a store: what it activates, what it keeps when something is wrong, and what it says of it.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Fleet, fixture, reported, whole_cache};
use serde_json::json;
use switchyard_store::{ConfigStore, Operation, Transaction, keyspace};
use switchyard_types::{Digest, NodeRecord, NodeStatus, Stage};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// A time to live that no self-test tries, in milliseconds.
const FATAL_TTL_MS: u64 = 77_777;

/// One inline command, and its one line of answer.
async fn ask(client: &mut TcpStream, command: &str) -> String {
    client.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    BufReader::new(client).read_line(&mut answer).await.unwrap();
    answer.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_strategies_serves_by_its_fallback_and_introduces_itself() {
    let fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let mut client = TcpStream::connect(node.handle.listeners()["resp"]).await.unwrap();
    assert_eq!(ask(&mut client, "PING").await, "+PONG");
    let address = node.handle.listeners()["resp"].to_string();
    reported(&fleet, &node, "the listener", |status| status.listeners["resp"] == address).await;
    let found = fleet.store.get(&keyspace::node(node.handle.id())).await.unwrap().unwrap();
    let record: NodeRecord = serde_json::from_slice(&found.value).unwrap();
    assert_eq!((&record.node, record.labels["region"].as_str()), (node.handle.id(), "eu"));
    let slot = node.slot().await;
    assert_eq!((slot.received, slot.active, slot.flips), (None, None, 0));
    drop(client);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_is_activated_swapped_and_removed() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let slot = node.until_healthy(lru).await;
    let version = slot.active.clone().unwrap();
    assert_eq!((version.strategy.as_str(), version.generation.counter), ("sessions", 1));
    assert_eq!((slot.received, slot.staged), (slot.active.clone(), slot.active));
    assert_eq!(slot.plugin.unwrap().0.as_str(), "caching-lru");
    assert!(["fetch", "compile", "configure"].iter().all(|stage| slot.staging_ms.contains_key(*stage)));

    let s3fifo = fleet.declare_plugin("sessions", "caching-s3fifo", json!({})).await;
    let slot = node.until_healthy(s3fifo).await;
    assert_eq!((slot.flips, slot.last_failure, slot.shards.quarantined), (2, None, 0));
    reported(&fleet, &node, "the swap", |status| {
        status.generation.counter == 2
            && whole_cache(status).active.as_ref().is_some_and(|active| active.digest == s3fifo)
    })
    .await;

    fleet.delete("sessions").await;
    let slot = node.slot_until("the fallback", |slot| slot.active.is_none() && slot.last_healthy.is_none()).await;
    assert_eq!((slot.received, slot.staged), (None, None));
    node.until("release", |status| status.live_instances == 0 && status.live_generations == 0).await;
    // Nothing names the plugins any more, so their bytes are gone from the node.
    assert_eq!(std::fs::read_dir(fleet.node_file("blobs")).unwrap().count(), 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_again_changes_nothing() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let before = node.until_healthy(lru).await;
    let gauges = node.host.gauges();
    fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let after = node
        .slot_until("the new generation is noted", |slot| {
            slot.active.as_ref().is_some_and(|active| active.generation.counter == 2)
                && slot.last_healthy == slot.active
        })
        .await;
    assert_eq!((after.flips, after.flip_ms), (before.flips, before.flip_ms));
    assert_eq!(after.staging_ms, before.staging_ms);
    assert_eq!(node.host.gauges(), gauges);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_fails_keeps_the_old_one_and_says_where() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let good = node.until_healthy(lru).await.active;

    let garbage = fleet.blobs.put(b"not a component").await.unwrap();
    let core_module = fleet.blobs.put(b"\0asm\x01\0\0\0").await.unwrap();
    let s3fifo = fleet.blobs.put(&common::plugin("caching-s3fifo")).await.unwrap();
    let damaged = fleet.blobs.put(b"damaged").await.unwrap();
    std::fs::write(fleet.data().join("server/blobs").join(damaged.hex()), b"other").unwrap();
    let wrong = json!({"configuration": {"small_percent": "many"}});
    for (digest, spec, stages) in [
        (Digest::of(b"nobody has this"), json!({}), &[Stage::Fetch][..]),
        (damaged, json!({}), &[Stage::Verify]),
        (garbage, json!({}), &[Stage::Compile]),
        (core_module, json!({}), &[Stage::Compile, Stage::Link]),
        (s3fifo, wrong, &[Stage::Configure]),
    ] {
        fleet.declare("sessions", digest, spec).await;
        let slot = node
            .slot_until("the failure is noted", |slot| {
                slot.last_failure.as_ref().is_some_and(|failure| failure.version.digest == digest)
            })
            .await;
        let failure = slot.last_failure.unwrap();
        assert!(stages.contains(&failure.failure.stage), "{failure:?}");
        assert_eq!((&slot.active, &slot.last_healthy, slot.flips), (&good, &good, 1));
        assert_eq!((slot.received.unwrap().digest, &slot.staged), (digest, &good));
        reported(&fleet, &node, "the failure", |status| {
            whole_cache(status).last_failure.as_ref().is_some_and(|last| last.version.digest == digest)
        })
        .await;
    }

    // What failed is forgotten when something newer is staged with success.
    fleet.declare("sessions", s3fifo, json!({})).await;
    assert_eq!(node.until_healthy(s3fifo).await.last_failure, None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_arrives_late_is_fetched_when_its_time_has_come() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let bytes = common::plugin("caching-lru");
    let digest = Digest::of(&bytes);
    fleet.declare("sessions", digest, json!({})).await;
    node.slot_until("the fetch fails", |slot| slot.last_failure.is_some()).await;
    fleet.blobs.put(&bytes).await.unwrap();
    node.until_healthy(digest).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_quarantined_on_trial_is_reported_and_never_trusted() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let good = node.until_healthy(lru).await.active;
    let traps = fleet.blobs.put(&fixture::traps_on_ttl(FATAL_TTL_MS)).await.unwrap();
    fleet.declare("sessions", traps, json!({})).await;

    let mut client = TcpStream::connect(node.handle.listeners()["resp"]).await.unwrap();
    let deadline = std::time::Instant::now() + common::DEADLINE;
    let mut key = 0;
    let slot = loop {
        let slot = node.slot().await;
        if slot.last_failure.is_some() || slot.last_healthy != good {
            break slot;
        }
        assert!(std::time::Instant::now() < deadline, "no quarantine: {slot:#?}");
        key += 1;
        assert_eq!(ask(&mut client, &format!("SET {key} value PX {FATAL_TTL_MS}")).await, "+OK", "the fallback stores");
    };
    let failure = slot.last_failure.unwrap();
    assert_eq!((failure.version.digest, failure.failure.stage), (traps, Stage::Flip), "{failure:?}");
    assert_eq!((slot.active.unwrap().digest, &slot.last_healthy), (traps, &good));
    let line = |line: &&str| line.starts_with("switchyard_slot_quarantined{") && line.contains("kind=\"caching\"");
    let seen = || async {
        let text = metrics(&node).await;
        text.lines().find(line).is_some_and(|line| !line.ends_with(" 0.0") && !line.ends_with(" 0"))
    };
    while !seen().await {
        assert!(std::time::Instant::now() < deadline, "{}", metrics(&node).await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let text = metrics(&node).await;
    let hook = ["switchyard_slot_failures_total{", "cause=\"trap\"", "hook=\"store\"", "kind=\"caching\""];
    let trapped = text.lines().find(|line| hook.iter().all(|part| line.contains(part))).unwrap();
    assert!(!trapped.ends_with(" 0.0") && !trapped.ends_with(" 0"), "{trapped}");
    drop(client);
    node.stop().await;
    // Alone again, the node runs what it could trust.
    let node = fleet.start(None).await;
    assert_eq!(node.active().await, lru);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strategies_for_other_nodes_and_slots_leave_this_one_alone() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("europe", "caching-lru", json!({"selector": {"region": "eu"}})).await;
    let before = node.until_healthy(lru).await;
    fleet.declare_plugin("america", "caching-s3fifo", json!({"selector": {"region": "us"}, "priority": 9})).await;
    fleet.declare_plugin("web", "caching-s3fifo", json!({"target": "web"})).await;
    let status = node
        .until("the slot without an engine is reported", |status| {
            status.slots.iter().any(|slot| slot.slot.target == "web" && slot.last_failure.is_some())
        })
        .await;
    assert_eq!(status.generation.counter, 3);
    assert_eq!(node.slot().await.active, before.active);
    fleet.delete("web").await;
    node.until("the slot is forgotten", |status| status.slots.iter().all(|slot| slot.slot.target.is_empty())).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_desired_state_is_not_followed() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let backup = fleet.backup().await;
    let s3fifo = fleet.declare_plugin("sessions", "caching-s3fifo", json!({"priority": 1})).await;
    node.until_healthy(s3fifo).await;
    fleet.restore(&backup).await;
    let status = node.until("the refusal", |status| status.not_followed.is_some()).await;
    assert!(status.not_followed.unwrap().contains("raise its epoch"));
    assert_eq!((node.active().await, status.generation.counter), (s3fifo, 2));
    // Another change is not enough: it is only as new as what the node has seen.
    fleet.declare_plugin("pages", "caching-lru", json!({"priority": -1})).await;
    assert_eq!(node.active().await, s3fifo);
    fleet.raise_epoch().await;
    let lru = node.until("the old state under a new epoch", |status| status.generation.epoch == 1).await;
    assert_eq!(lru.not_followed, None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_trusted_server_has_sealed_is_not_followed() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    node.until_healthy(lru).await;
    let honest = fleet.backup().await;
    let (key, entry) = honest.entries.iter().find(|(key, _)| key.contains("/strategies/")).unwrap();
    let forged = String::from_utf8_lossy(&entry.value).replace("\"priority\":0", "\"priority\":7");
    for (what, operations) in [
        ("is not what a server sealed", vec![Operation::put(key, forged)]),
        ("is not what a server sealed", vec![Operation::delete(key)]),
        ("has no seal", vec![Operation::delete(keyspace::SEAL)]),
        ("is not of the server that this node trusts", {
            let mut seal: serde_json::Value = serde_json::from_slice(&honest.entries[keyspace::SEAL].value).unwrap();
            seal["signature"] = json!("");
            vec![Operation::put(keyspace::SEAL, seal.to_string())]
        }),
    ] {
        let transaction = Transaction { preconditions: vec![], operations };
        fleet.store.txn(transaction).await.unwrap();
        let told = |status: &NodeStatus| status.not_followed.as_ref().is_some_and(|why| why.contains(what));
        node.until(what, told).await;
        assert_eq!(node.active().await, lru, "{what}");
        fleet.restore(&honest).await;
        node.until("trust again", |status| status.not_followed.is_none()).await;
    }
    node.stop().await;
}

/// What the node tells Prometheus.
async fn metrics(node: &common::Running) -> String {
    let mut stream = TcpStream::connect(node.handle.listeners()["http"]).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
