//! A node whose store goes away and comes back, and whose disk refuses to remember.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod common;

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use common::{Fleet, reported};
use parking_lot::Mutex;
use serde_json::json;
use switchyard_node::Upstream;
use switchyard_store::{
    ConfigStore, EmbeddedStore, Leadership, LeaseId, Range, Revision, Snapshot, SnapshotWatch, StoreError, Transaction,
    Versioned,
};
use switchyard_types::Stage;
use tokio::{sync::watch, task::JoinHandle};

/// A real store behind a line that can be cut.
struct Line {
    store: EmbeddedStore,
    cut: AtomicBool,
    relays: Mutex<Vec<JoinHandle<()>>>,
}

impl Line {
    fn cut(&self) {
        self.cut.store(true, SeqCst);
        self.relays.lock().drain(..).for_each(|relay| relay.abort());
    }

    fn mend(&self) {
        self.cut.store(false, SeqCst);
    }

    fn check(&self) -> Result<(), StoreError> {
        let broken = || StoreError::Unavailable(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)));
        if self.cut.load(SeqCst) { Err(broken()) } else { Ok(()) }
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

    async fn watch(&self, prefix: &str) -> Result<SnapshotWatch, StoreError> {
        self.check()?;
        let mut source = self.store.watch(prefix).await?;
        let (sender, receiver) = watch::channel(source.borrow_and_update().clone());
        self.relays.lock().push(tokio::spawn(async move {
            while source.changed().await.is_ok() {
                sender.send_replace(source.borrow_and_update().clone());
            }
        }));
        Ok(receiver)
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.store.lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.keep_alive(lease).await
    }

    async fn campaign(&self, election: &str, candidate: &str, lease: LeaseId) -> Result<Leadership, StoreError> {
        self.store.campaign(election, candidate, lease).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_without_its_store_and_catches_up_when_it_is_back() {
    let mut fleet = Fleet::new();
    let line = Arc::new(Line { store: fleet.store.clone(), cut: AtomicBool::new(false), relays: Mutex::default() });
    let upstream = Upstream { store: line.clone(), blobs: Arc::new(fleet.blobs.clone()) };
    let node = fleet.start(Some(upstream)).await;
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
    let line = Arc::new(Line { store: fleet.store.clone(), cut: AtomicBool::new(true), relays: Mutex::default() });
    let node = fleet.start(Some(Upstream { store: line.clone(), blobs: Arc::new(fleet.blobs.clone()) })).await;
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
