//! What happens to a slot over several versions: a second update, a refusal that would come again, the way back.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use common::{Fleet, Running, fixture};
use serde_json::json;
use switchyard_types::{Digest, SlotFailure, SlotStatus, Stage};

fn active(slot: &SlotStatus) -> Option<Digest> {
    slot.active.as_ref().map(|active| active.digest)
}

/// The failure of the version at this generation.
async fn refused(node: &Running, counter: u64) -> SlotFailure {
    let is = |slot: &SlotStatus| {
        slot.last_failure.as_ref().is_some_and(|failure| failure.version.generation.counter == counter)
    };
    node.slot_until("the refusal is told", is).await.last_failure.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn second_update_after_a_first_and_while_a_first_is_staged() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    node.until_healthy(lru).await;
    let s3fifo = fleet.declare_plugin("sessions", "caching-s3fifo", json!({})).await;
    node.until_healthy(s3fifo).await;

    let slow = fleet.blobs.put(&fixture::slow()).await.unwrap();
    fleet.declare("sessions", slow, json!({})).await;
    let is_staged = |slot: &SlotStatus| slot.staging.as_ref().is_some_and(|staging| staging.version.digest == slow);
    let slot = node.slot_until("the first is being staged", is_staged).await;
    assert_eq!((active(&slot), slot.flips), (Some(s3fifo), 2), "the old one decides");
    // One that is overtaken before its turn comes, and the newest.
    let overtaken = fleet.blobs.put(b"overtaken").await.unwrap();
    fleet.declare("sessions", overtaken, json!({})).await;
    fleet.declare("sessions", lru, json!({})).await;
    let slot = node.until_healthy(lru).await;
    assert_eq!(slot.last_failure, None, "what was overtaken was not tried");
    assert_eq!((slot.flips, slot.staging.clone()), (4, None), "each that was begun was flipped to as a whole");
    assert_eq!(slot.received, slot.active);
    let gauges = node.host.gauges();
    assert_eq!((gauges.live_generations, gauges.live_instances), (1, 2), "nothing is left of those before");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_fail_again_is_not_tried_again_until_something_changes() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    node.until_healthy(lru).await;
    let bad = fleet.blobs.put(&fixture::caching(&[("adopt", "unreachable")])).await.unwrap();
    fleet.declare("sessions", bad, json!({})).await;
    let first = refused(&node, 2).await;
    assert_eq!((first.failure.stage, first.attempts, first.retry_at_unix_ms), (Stage::SelfTest, 1, None));
    // A try takes another time each time: the same one is the same try.
    assert!(first.took_ms.is_some());
    let check_same = |again: SlotFailure| {
        assert_eq!((again.took_ms, again.attempts, again.failure), (first.took_ms, 1, first.failure.clone()));
    };
    fleet.declare("sessions", bad, json!({"priority": 1})).await;
    check_same(refused(&node, 3).await);
    // Another version ran in between.
    let s3fifo = fleet.declare_plugin("sessions", "caching-s3fifo", json!({})).await;
    assert_eq!(node.until_healthy(s3fifo).await.last_failure, None);
    fleet.declare("sessions", bad, json!({})).await;
    check_same(refused(&node, 5).await);
    // And nobody at all.
    fleet.delete("sessions").await;
    node.slot_until("the fallback", |slot| slot.active.is_none() && slot.received.is_none()).await;
    fleet.declare("sessions", bad, json!({})).await;
    check_same(refused(&node, 7).await);

    fleet.declare("sessions", bad, json!({"limits": {"waited_call_us": 1_000}})).await;
    let limited = refused(&node, 8).await;
    assert_ne!(limited.took_ms, first.took_ms, "other limits are another version");
    node.stop().await;
    let node = fleet.start(fleet.upstream()).await;
    let restarted = refused(&node, 8).await;
    assert_ne!(restarted.took_ms, limited.took_ms, "a process that starts tries again");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_tried_again_with_a_growing_delay() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let bytes = common::plugin("caching-lru");
    let digest = Digest::of(&bytes);
    fleet.declare("sessions", digest, json!({})).await;
    let slot = node
        .slot_until("the second try fails", |slot| {
            slot.last_failure.as_ref().is_some_and(|failure| failure.attempts >= 2)
        })
        .await;
    let failure = slot.last_failure.unwrap();
    assert!(failure.retry_at_unix_ms.is_some_and(|at_ms| at_ms > failure.at_unix_ms), "{failure:?}");
    assert!(failure.outlook(failure.at_unix_ms).starts_with("tried again in "));
    fleet.blobs.put(&bytes).await.unwrap();
    node.until_healthy(digest).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roll_back_to_a_version_that_is_still_warm() {
    let mut fleet = Fleet::new();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let cold = node.until_healthy(lru).await;
    assert_eq!(cold.going_back_ms, None);
    let s3fifo = fleet.declare_plugin("sessions", "caching-s3fifo", json!({})).await;
    node.until_healthy(s3fifo).await;
    // The successor is healthy, and its predecessor is kept all the same.
    for (digest, counter) in [(lru, 3), (s3fifo, 4), (lru, 5)] {
        fleet.declare("sessions", digest, json!({})).await;
        let slot = node.until_healthy(digest).await;
        assert_eq!((slot.active.unwrap().generation.counter, slot.last_failure), (counter, None));
        for stage in [Stage::Fetch, Stage::Compile, Stage::Link, Stage::Describe, Stage::SelfTest] {
            assert!(!slot.staging_ms.contains_key(stage.as_str()), "{stage} is over: {:?}", slot.staging_ms);
        }
        println!("going back: {:.2} ms", slot.going_back_ms.unwrap());
    }
    // Two versions later the first is staged again.
    let other = fleet.blobs.put(&fixture::caching(&[])).await.unwrap();
    fleet.declare("sessions", other, json!({})).await;
    node.until_healthy(other).await;
    fleet.declare("sessions", s3fifo, json!({})).await;
    assert!(node.until_healthy(s3fifo).await.staging_ms.contains_key("compile"), "one is kept, not two");
    node.stop().await;
}
