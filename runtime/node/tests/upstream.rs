//! A node whose store goes away and comes back, and whose disk refuses to remember.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{fs, io, sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{Fleet, reported, whole_cache};
use futures_util::StreamExt;
use serde_json::json;
use switchyard_store::{
    ConfigStore, EmbeddedStore, LeaseId, Range, Revision, Snapshot, StoreError, Transaction, Updates, Versioned,
    keyspace,
};
use switchyard_types::{NodeRecord, Stage};
use tokio::sync::watch;

/// A real store behind a line that can be cut.
struct Line {
    store: EmbeddedStore,
    cuts: watch::Sender<bool>,
    /// That were granted, in order.
    leases: parking_lot::Mutex<Vec<LeaseId>>,
}

impl Line {
    fn new(fleet: &Fleet, cut: bool) -> Arc<Self> {
        Arc::new(Self {
            store: fleet.store.clone(),
            cuts: watch::Sender::new(cut),
            leases: parking_lot::Mutex::default(),
        })
    }

    fn cut(&self) {
        self.cuts.send_replace(true);
    }

    fn mend(&self) {
        self.cuts.send_replace(false);
    }

    fn check(&self) -> Result<(), StoreError> {
        let broken = || StoreError::Unavailable(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)));
        if *self.cuts.borrow() { Err(broken()) } else { Ok(()) }
    }
}

#[async_trait]
impl ConfigStore for Line {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.check()?;
        self.store.get(key).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.check()?;
        self.store.list(range).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        self.check()?;
        self.store.txn(transaction).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.check()?;
        self.store.snapshot(prefix).await
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        self.check()?;
        let mut cut = self.cuts.subscribe();
        let cut = async move { while !*cut.borrow_and_update() && cut.changed().await.is_ok() {} };
        Ok(Box::pin(self.store.updates(prefix, after).await?.take_until(Box::pin(cut))))
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.check()?;
        let lease = self.store.lease(ttl).await?;
        self.leases.lock().push(lease);
        Ok(lease)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.check()?;
        self.store.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.check()?;
        self.store.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.check()?;
        self.store.compact(revision).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_without_its_store_and_catches_up_when_it_is_back() {
    let mut fleet = Fleet::new();
    let line = Line::new(&fleet, false);
    let node = fleet.start(Some(fleet.upstream_by(line.clone()))).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    node.until_healthy(lru).await;
    line.cut();
    fleet.delete("sessions").await;
    let s3fifo = fleet.declare_plugin("sessions", "caching-s3fifo", json!({})).await;
    assert_eq!(node.active().await, lru);
    line.mend();
    let slot = node.until_healthy(s3fifo).await;
    assert_eq!(slot.flips, 2, "only the newest state was followed");
    reported(&fleet, &node, "what was missed", |status| status.generation.counter == 3).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_before_its_store() {
    let mut fleet = Fleet::new();
    let line = Line::new(&fleet, true);
    let node = fleet.start(Some(fleet.upstream_by(line.clone()))).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    line.mend();
    node.until_healthy(lru).await;
    reported(&fleet, &node, "the status", |status| status.generation.counter == 1).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_disk_refuses_to_remember_is_not_followed_and_reported() {
    let mut fleet = Fleet::new();
    // A folder with something in it cannot be replaced by a file.
    let obstacle = fleet.node_file("received.json");
    fs::create_dir_all(obstacle.join("in-the-way")).unwrap();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let slot = node.slot_until("the refusal", |slot| slot.last_failure.is_some()).await;
    let failure = slot.last_failure.unwrap();
    assert_eq!((failure.version.digest, failure.failure.stage), (lru, Stage::Fetch));
    assert!(failure.failure.reason.contains("data folder"), "{failure:?}");
    assert_eq!((slot.active, slot.received), (None, None));
    fs::remove_dir_all(&obstacle).unwrap();
    assert_eq!(node.until_healthy(lru).await.last_failure, None);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_remembered_as_healthy_decides_all_the_same() {
    let mut fleet = Fleet::new();
    let obstacle = fleet.node_file("healthy.json");
    fs::create_dir_all(obstacle.join("in-the-way")).unwrap();
    let node = fleet.start(fleet.upstream()).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    let slot = node.slot_until("the flip", |slot| slot.active.is_some()).await;
    assert_eq!((slot.active.unwrap().digest, slot.last_healthy), (lru, None));
    fs::remove_dir_all(&obstacle).unwrap();
    node.until_healthy(lru).await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_goes_with_its_lease_and_comes_back_under_the_next() {
    let mut fleet = Fleet::new();
    let line = Line::new(&fleet, false);
    let node = fleet.start(Some(fleet.upstream_by(line.clone()))).await;
    let lru = fleet.declare_plugin("sessions", "caching-lru", json!({})).await;
    node.until_healthy(lru).await;
    reported(&fleet, &node, "the strategy", |status| whole_cache(status).last_healthy.is_some()).await;
    let first = line.leases.lock().last().copied().unwrap();

    let (id, status) = (node.handle.id().clone(), keyspace::status(node.handle.id()));
    fleet.store.revoke(first).await.unwrap();
    let record = || async {
        let found = fleet.store.get(&keyspace::node(&id)).await.unwrap().unwrap();
        serde_json::from_slice::<NodeRecord>(&found.value).unwrap()
    };
    let known = record().await;
    assert_eq!((known.node.clone(), known.labels["region"].as_str()), (id.clone(), "eu"), "who it is stays");
    reported(&fleet, &node, "the status under another lease", |status| {
        whole_cache(status).active.as_ref().is_some_and(|active| active.digest == lru)
    })
    .await;
    assert_ne!(line.leases.lock().last().copied(), Some(first));

    node.stop().await;
    assert!(fleet.store.get(&status).await.unwrap().is_none(), "a node that has stopped is not there");
    let known = record().await.into_status();
    assert_eq!(whole_cache(&known).active.as_ref().map(|active| active.digest), Some(lru), "what it ran last is known");
    assert!(known.figures.is_empty() && known.slots.iter().all(|slot| slot.hooks.is_empty()));
}
