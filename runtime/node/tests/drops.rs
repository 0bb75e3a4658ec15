//! F22: clients that go away while their call waits.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Fleet, Running, fixture};
use serde_json::json;
use switchyard_types::Digest;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
};

/// Clients that go away, and how many of them are there at once.
const CLIENTS: usize = 10_000;
const AT_ONCE: usize = 100;
/// Commands that a client leaves behind.
const COMMANDS: usize = 4;

/// Keeps its shard busy for a good part of a millisecond at every store, so that others wait for it.
fn busy(version: u32) -> Vec<u8> {
    let version = format!("(i32.store8 (i32.const 2064) (i32.const {}))", 48 + version);
    let store = "(global.set $known (i64.const 20000))
        (loop $again
          (global.set $known (i64.sub (global.get $known) (i64.const 1)))
          (br_if $again (i64.ne (global.get $known) (i64.const 0))))";
    fixture::caching(&[("describe", &version), ("store", store)])
}

/// Sends its commands, and is gone before anybody has answered. Whether it was let in at all.
async fn go_away(address: std::net::SocketAddr, client: usize) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    let commands: String = (0..COMMANDS).map(|at| format!("SET {client}.{at} value\r\n")).collect();
    // The node may have closed it: such a client has left nothing behind.
    stream.write_all(commands.as_bytes()).await.is_ok()
}

async fn is_served(node: &Running) {
    let mut client = BufReader::new(TcpStream::connect(node.handle.listeners()["resp"]).await.unwrap());
    for (command, expected) in [("SET last value\r\n", "+OK\r\n"), ("PING\r\n", "+PONG\r\n")] {
        client.write_all(command.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_line(&mut answer).await.unwrap();
        assert_eq!(answer, expected);
    }
}

async fn declared(fleet: &mut Fleet, version: u32) -> Digest {
    let digest = fleet.blobs.put(&busy(version)).await.unwrap();
    fleet.declare("sessions", digest, json!({"limits": {"waited_call_us": 20_000}})).await;
    digest
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_go_away_while_their_call_waits_leave_nothing_behind() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let first = declared(&mut fleet, 1).await;
    node.until_healthy(first).await;
    let address = node.handle.listeners()["resp"];
    let (mut clients, mut came) = (JoinSet::new(), 0);
    for client in 0..CLIENTS {
        if clients.len() == AT_ONCE {
            came += usize::from(clients.join_next().await.unwrap().unwrap());
        }
        clients.spawn(go_away(address, client));
        // Instances come and go meanwhile: their places wait for calls of clients that are gone.
        if client % (CLIENTS / 4) == CLIENTS / 8 {
            declared(&mut fleet, 2 + (client / (CLIENTS / 4)) as u32).await;
        }
    }
    while let Some(client) = clients.join_next().await {
        came += usize::from(client.unwrap());
    }
    let last = declared(&mut fleet, 9).await;
    let slot = node.until_healthy(last).await;
    is_served(&node).await;
    let store = &slot.hooks["store"];
    println!("{came} clients, {} calls, {} busy, {} fallbacks", store.calls, store.busy, store.fallbacks);
    assert!(came > CLIENTS / 2, "{came} of {CLIENTS} were let in");
    assert!(store.busy > 0, "no call waited so long that another had to decide: {store:?}");
    assert!(store.calls > 0 && slot.flips >= 3, "{slot:#?}");
    assert_eq!((store.traps, store.invalid, slot.shards.quarantined), (0, 0, 0));
    node.until("every place is given back", |status| (status.live_generations, status.live_instances) == (1, 2)).await;
    fleet.delete("sessions").await;
    node.until("and the last ones too", |status| (status.live_instances, status.live_bytes) == (0, 0)).await;
    // A task that had panicked would be the end of the engine.
    node.stop().await;
}
