//! A node that starts alone: from what it remembers, whatever has become of the files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{fs, path::Path};

use common::Fleet;
use serde_json::json;
use switchyard_host::caching::{Budget, Unit};
use switchyard_node::NodeError;
use switchyard_types::Digest;

/// A fleet whose node has run LRU and knows that it is healthy, and then stopped.
async fn with_history() -> (Fleet, Digest) {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    node.until_healthy(lru).await;
    node.stop().await;
    (fleet, lru)
}

fn truncate(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_runs_what_was_last_healthy_from_its_first_moment() {
    let (fleet, lru) = with_history().await;
    let node = fleet.start(None).await;
    // No waiting: it was active before the address was bound.
    let slot = node.slot().await;
    let Some(active) = slot.active.clone() else { panic!("nothing is active: {slot:#?}") };
    assert_eq!((active.digest, active.generation.counter, slot.flips), (lru, 1, 1));
    assert_eq!((slot.received, slot.last_healthy), (slot.active.clone(), slot.active));
    assert_eq!(node.status().await.generation.counter, 1);
    let id = node.handle.id().clone();
    node.stop().await;
    assert_eq!(*fleet.start(None).await.handle.id(), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_nothing_about_its_cache_has_the_one_that_it_had() {
    let fleet = Fleet::new();
    let cache = async |given| {
        let node = fleet.try_start_with(given).await.unwrap();
        let capacity = node.status().await.figures["cache.capacity"];
        node.stop().await;
        capacity as u64
    };
    let entries = |capacity| Some(Budget { unit: Unit::Entries, capacity });
    assert_eq!(cache((entries(10_000), Some(4))).await, 10_000);
    assert_eq!(cache((None, None)).await, 10_000);
    assert_eq!(cache((entries(500), None)).await, 500);
    assert_eq!(cache((None, Some(1))).await, 500);
    truncate(&fleet.node_file("cache.json"));
    assert_eq!(cache((None, Some(1))).await, 256 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_and_never_healthy_does_not_replace_what_was() {
    let (mut fleet, lru) = with_history().await;
    let node = fleet.start(fleet.upstream()).await;
    let garbage = fleet.blobs.put(b"not a component").await.unwrap();
    fleet.declare("sessions", garbage, json!({})).await;
    node.slot_until("the failure", |slot| slot.last_failure.is_some()).await;
    node.stop().await;
    let node = fleet.start(None).await;
    assert_eq!(node.active().await, lru);
    assert_eq!(node.status().await.generation.counter, 2, "the node remembers what it has seen");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_store_that_wants_the_same_flips_once() {
    let (mut fleet, lru) = with_history().await;
    let node = fleet.start(fleet.upstream()).await;
    fleet.declare("elsewhere", lru, json!({"selector": {"region": "us"}})).await;
    node.until("the store is followed", |status| status.generation.counter == 2).await;
    let slot = node.until_healthy(lru).await;
    assert_eq!(slot.flips, 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_passed_over_for_the_other() {
    for damage in [
        truncate,
        flip_a_bit,
        |path: &Path| fs::write(path, b"").unwrap(),
        |path: &Path| fs::remove_file(path).unwrap(),
    ] {
        let (fleet, lru) = with_history().await;
        damage(&fleet.node_file("healthy.json"));
        let node = fleet.start(None).await;
        assert_eq!(node.active().await, lru);
        // It shows once more that it runs well, and is remembered again.
        node.until_healthy(lru).await;
        node.stop().await;
        damage(&fleet.node_file("received.json"));
        let node = fleet.start(None).await;
        assert_eq!(node.active().await, lru);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_both_records_damaged_the_fallback_serves_until_the_store_answers() {
    let (fleet, lru) = with_history().await;
    truncate(&fleet.node_file("healthy.json"));
    flip_a_bit(&fleet.node_file("received.json"));
    let node = fleet.start(None).await;
    let slot = node.slot().await;
    assert_eq!((slot.active, slot.received), (None, None));
    node.stop().await;
    let node = fleet.start(fleet.upstream()).await;
    node.until_healthy(lru).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_plugin_is_reported_and_fetched_again_when_that_is_possible() {
    let (fleet, lru) = with_history().await;
    flip_a_bit(&fleet.node_file("blobs").join(lru.hex()));
    let node = fleet.start(None).await;
    let slot = node.slot().await;
    assert_eq!((slot.active, slot.last_failure.unwrap().version.digest), (None, lru));
    node.stop().await;
    let node = fleet.start(fleet.upstream()).await;
    node.until_healthy(lru).await;
    node.stop().await;
    let node = fleet.start(None).await;
    assert_eq!(node.active().await, lru, "the good bytes are on the node's disk again");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_plugins_are_only_a_shortcut() {
    let (fleet, lru) = with_history().await;
    fs::remove_dir_all(fleet.node_file("compiled")).unwrap();
    let node = fleet.start(None).await;
    assert_eq!(node.active().await, lru);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_node_on_the_same_folder_is_refused() {
    let fleet = Fleet::new();
    let node = fleet.start(None).await;
    let Err(error) = fleet.try_start(None).await else { panic!("two nodes on one folder") };
    assert!(matches!(error, NodeError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("another process runs the node in"), "{error}");
    node.stop().await;
    fleet.start(None).await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let fleet = Fleet::new();
    let node = fleet.start(None).await;
    let address = node.handle.listeners()["resp"];
    let other = Fleet::new();
    let Err(error) = other.try_start_at(address, None).await else { panic!("two nodes on one port") };
    assert!(matches!(error, NodeError::Listen { .. }) && error.to_string().contains(&address.to_string()), "{error}");
    node.stop().await;
}
