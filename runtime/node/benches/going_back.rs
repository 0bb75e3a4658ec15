//! How long a node takes to go back to a version that is still warm, with a full cache and clients that use it: from the
//! change in the store to the new status, and of that the part between the node's wish and the first decision
//! (`going_back_ms` in the status). The design allows 100 ms.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing, reason = "a bench")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::{collections::BTreeMap, time::Instant};

use common::{Fleet, Running};
use serde_json::json;
use switchyard_host::caching::{Budget, Unit};
use switchyard_types::{Digest, SlotStatus};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const ENTRIES: u64 = 100_000;
const RETURNS: usize = 50;
/// Commands that a client sends before it reads the answers.
const PIPELINE: u64 = 1_000;
const OK: &[u8] = b"+OK\r\n";

#[tokio::main]
async fn main() {
    let mut fleet = Fleet::new();
    let budget = Budget { unit: Unit::Entries, capacity: ENTRIES };
    let node = fleet.start_with_cache(budget, fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    node.until_healthy(lru).await;
    fill(&node).await;
    let s3fifo = fleet.declare_plugin("sessions", "caching-s3fifo", json!({})).await;
    node.until_healthy(s3fifo).await;
    returns(&mut fleet, &node, [lru, s3fifo], "nobody asks").await;
    let load = tokio::spawn(keep_filling(node.handle.listeners()["resp"]));
    returns(&mut fleet, &node, [lru, s3fifo], "a client stores as fast as it can").await;
    load.abort();
    node.stop().await;
}

async fn returns(fleet: &mut Fleet, node: &Running, versions: [Digest; 2], load: &str) {
    let (mut told, mut whole, mut stages) = (Vec::new(), Vec::new(), BTreeMap::<String, Vec<f64>>::new());
    for turn in 0..RETURNS {
        let (slot, whole_ms) = go_back(fleet, node, versions[turn % 2]).await;
        told.push(slot.going_back_ms.unwrap());
        whole.push(whole_ms);
        slot.staging_ms.into_iter().for_each(|(stage, ms)| stages.entry(stage).or_default().push(ms));
    }
    println!("{RETURNS} returns with {ENTRIES} entries while {load}, in ms:");
    print("going_back_ms", &mut told);
    print("from the change in the store", &mut whole);
    stages.iter_mut().for_each(|(stage, times_ms)| print(&format!("  of it {stage}"), times_ms));
}

async fn go_back(fleet: &mut Fleet, node: &Running, wanted: Digest) -> (SlotStatus, f64) {
    let since = Instant::now();
    fleet.declare("sessions", wanted, json!({})).await;
    let slot = node
        .slot_until("it goes back", |slot| slot.active.as_ref().is_some_and(|active| active.digest == wanted))
        .await;
    let whole_ms = since.elapsed().as_secs_f64() * 1_000.0;
    assert!(!slot.staging_ms.contains_key("compile"), "it was warm: {:?}", slot.staging_ms);
    (slot, whole_ms)
}

async fn fill(node: &Running) {
    let mut client = TcpStream::connect(node.handle.listeners()["resp"]).await.unwrap();
    for from in (0..ENTRIES).step_by(PIPELINE as usize) {
        set(&mut client, from..from + PIPELINE).await;
    }
}

async fn keep_filling(address: std::net::SocketAddr) {
    let mut client = TcpStream::connect(address).await.unwrap();
    for from in (0..u64::MAX).step_by(PIPELINE as usize) {
        set(&mut client, from..from + PIPELINE).await;
    }
}

async fn set(client: &mut TcpStream, keys: std::ops::Range<u64>) {
    let mut answers = vec![0; OK.len() * (keys.end - keys.start) as usize];
    let commands: String = keys.map(|key| format!("SET {key} value\r\n")).collect();
    client.write_all(commands.as_bytes()).await.unwrap();
    client.read_exact(&mut answers).await.unwrap();
    assert!(answers.chunks(OK.len()).all(|answer| answer == OK));
}

fn print(what: &str, times_ms: &mut [f64]) {
    times_ms.sort_by(f64::total_cmp);
    let at = |quantile: f64| times_ms[((times_ms.len() - 1) as f64 * quantile).round() as usize];
    println!("  {what:<30} p50 {:7.2}  p99 {:7.2}  longest {:7.2}", at(0.5), at(0.99), at(1.0));
}
