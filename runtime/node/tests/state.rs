//! What instances know outlives the node, and does no harm.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{fs, path::PathBuf};

use common::{DEADLINE, Fleet, Running, fixture};
use serde_json::json;
use switchyard_types::{Digest, SlotStatus};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

/// Entries that are stored before a node stops.
const STORES: u64 = 20;

async fn store(node: &Running, keys: std::ops::Range<u64>) {
    let mut client = BufReader::new(TcpStream::connect(node.handle.listeners()["resp"]).await.unwrap());
    for key in keys {
        client.write_all(format!("SET {key} value\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_line(&mut answer).await.unwrap();
        assert_eq!(answer, "+OK\r\n");
    }
}

/// Of how many stores the instances know.
fn known(slot: &SlotStatus) -> u64 {
    slot.shards.counters.get("stored").copied().unwrap_or_default() as u64
}

/// The files of states, in order.
fn files(fleet: &Fleet) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries(fleet.node_file("states")).flat_map(entries).collect();
    files.sort();
    files
}

/// A fleet whose node has stopped with what its instances knew on disk.
async fn with_history() -> (Fleet, Digest) {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let digest = fleet.blobs.put(&fixture::remembers(1, "")).await.unwrap();
    fleet.declare("sessions", digest, json!({})).await;
    node.until_healthy(digest).await;
    store(&node, 0..STORES).await;
    let all = |slot: &SlotStatus| known(slot) + slot.hooks["store"].fallbacks >= STORES;
    assert_eq!(known(&node.slot_until("every store is counted", all).await), STORES, "a shard of its own for each");
    node.stop().await;
    assert_eq!(files(&fleet).len(), 2, "one for each shard");
    (fleet, digest)
}

/// What becomes of a file's bytes.
type Damage<'a> = dyn Fn(&[u8]) -> Vec<u8> + 'a;

/// Starts the node alone and says what its instances know.
async fn known_at_start(fleet: &Fleet, digest: Digest) -> u64 {
    let node = fleet.start(None).await;
    assert_eq!(node.active().await, digest, "whatever has become of the states, it decides");
    let known = known(&node.slot().await);
    node.stop().await;
    known
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_starts_again_goes_on_from_what_its_instances_knew() {
    let (fleet, digest) = with_history().await;
    assert_eq!(known_at_start(&fleet, digest).await, STORES);
    assert_eq!(known_at_start(&fleet, digest).await, STORES, "it was written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_state_is_passed_over() {
    let (fleet, digest) = with_history().await;
    let good: Vec<_> = files(&fleet).into_iter().map(|file| (fs::read(&file).unwrap(), file)).collect();
    let (other, _) = with_history().await;
    let foreign = fs::read(&files(&other)[0]).unwrap();
    let damages: [&Damage<'_>; 4] = [
        &|bytes| bytes[..bytes.len() / 2].to_vec(),
        &|bytes| bytes.iter().enumerate().map(|(at, byte)| byte ^ u8::from(at + 1 == bytes.len())).collect(),
        &|_| Vec::new(),
        &|_| foreign.clone(),
    ];
    for damage in damages {
        for (bytes, file) in &good {
            fs::write(file, damage(bytes)).unwrap();
        }
        assert_eq!(known_at_start(&fleet, digest).await, 0);
    }
    for (bytes, file) in &good {
        fs::write(file, bytes).unwrap();
    }
    assert_eq!(known_at_start(&fleet, digest).await, STORES);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategy_that_is_taken_away_leaves_no_state() {
    let (mut fleet, _) = with_history().await;
    let node = fleet.start(fleet.upstream()).await;
    fleet.delete("sessions").await;
    node.slot_until("the fallback", |slot| slot.active.is_none() && slot.last_healthy.is_none()).await;
    node.stop().await;
    assert_eq!(files(&fleet), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn roll_back_finds_the_state_of_the_last_healthy_version() {
    let (mut fleet, digest) = with_history().await;
    let node = fleet.start(fleet.upstream()).await;
    node.until_healthy(digest).await;
    // It is wanted back before it could become healthy.
    let second = fleet.blobs.put(&fixture::remembers(2, "")).await.unwrap();
    fleet.declare("sessions", second, json!({})).await;
    let is_second = |slot: &SlotStatus| slot.active.as_ref().is_some_and(|active| active.digest == second);
    node.slot_until("the second decides", is_second).await;
    store(&node, 100..105).await;
    fleet.declare("sessions", digest, json!({})).await;
    let slot = node.until_healthy(digest).await;
    assert!(slot.going_back_ms.is_some());
    // The machine may have been so slow that the second was trusted; what it learnt is then believed.
    assert!([STORES, STORES + 5].contains(&known(&slot)), "{}", known(&slot));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_state_is_remembered_over_restarts() {
    // Fails with what it took over, and only with that.
    const FATAL: &str = "(if (i64.gt_u (global.get $known) (i64.const 1000000)) (then unreachable))";
    const GROWN: &str = "(if (i64.eq (local.get 1) (local.get 1)) (then \
        (global.set $known (i64.add (global.get $known) (i64.const 2000000)))))";
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let grown = fleet.blobs.put(&fixture::remembers(1, GROWN)).await.unwrap();
    fleet.declare("sessions", grown, json!({})).await;
    node.until_healthy(grown).await;
    store(&node, 0..STORES).await;
    let failing = fleet.blobs.put(&fixture::remembers(2, FATAL)).await.unwrap();
    fleet.declare("sessions", failing, json!({})).await;
    let is_failing = |slot: &SlotStatus| slot.active.as_ref().is_some_and(|active| active.digest == failing);
    node.slot_until("it takes the state over", is_failing).await;
    let deadline = std::time::Instant::now() + DEADLINE;
    let mut keys = 100..;
    // Both shards may have had the same state.
    while node.slot().await.hooks["store"].traps < 2 {
        assert!(std::time::Instant::now() < deadline, "both shards fail: {:#?}", node.slot().await);
        let key = keys.next().unwrap();
        store(&node, key..key + 1).await;
    }
    fleet.declare("sessions", grown, json!({})).await;
    let before = known(&node.until_healthy(grown).await);
    let rejected = node.host.rejected_states().list();
    node.stop().await;

    let node = fleet.start(fleet.upstream()).await;
    assert_eq!(node.host.rejected_states().list(), rejected, "another process knows them");
    assert_eq!(known(&node.slot().await), before, "to the version that wrote it the state does no harm");
    fleet.declare("sessions", failing, json!({})).await;
    let slot = node.until_healthy(failing).await;
    assert_eq!((known(&slot), node.host.rejected_states().list()), (0, rejected), "not imported, and so not failed");
    node.stop().await;
}
