//! What a writer says of a change when the answer to it was lost, or none comes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use switchyard_store::{
    ConfigStore, EmbeddedStore, LeaseId, Range, Revision, Snapshot, StoreError, Transaction, Updates, Versioned,
    keyspace,
};
use switchyard_sync::{Decision, DesiredWriter, Edit, Present, ServerKey, WriteError};
use tempfile::TempDir;

/// A store that makes the first change, loses the answer, and lets others write meanwhile.
struct Lossy {
    store: EmbeddedStore,
    /// Changes of others.
    others: u32,
    /// What stands for each of them, in the document that the lost one wrote.
    document: &'static str,
    /// None: the first is lost before it arrives, and everything after it is refused so.
    refusal: Option<fn() -> StoreError>,
    asked: AtomicU32,
}

fn key() -> ServerKey {
    ServerKey::from_secret_text(&"7".repeat(64)).unwrap()
}

fn at() -> String {
    format!("{}doc", keyspace::DESIRED)
}

async fn write(store: Arc<dyn ConfigStore>, value: &str) -> Result<Revision, WriteError<Infallible>> {
    let decide = |_: Present<'_>| -> Result<_, Infallible> {
        Ok(Decision::Write(Edit { key: at(), value: Some(Bytes::copy_from_slice(value.as_bytes())) }, ()))
    };
    Ok(DesiredWriter::new(store, key()).write(decide).await?.1.unwrap())
}

fn lost() -> StoreError {
    StoreError::Unavailable("the network".into())
}

#[async_trait]
impl ConfigStore for Lossy {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.store.get(key).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.store.list(range).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.store.snapshot(prefix).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        let first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
        match self.refusal {
            Some(_) if first => Err(lost()),
            Some(refusal) => Err(refusal()),
            None if first => {
                self.store.txn(transaction).await?;
                for n in 0..self.others {
                    write(Arc::new(self.store.clone()), &format!("{} {n}", self.document)).await.unwrap();
                }
                Err(lost())
            }
            None => self.store.txn(transaction).await,
        }
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        self.store.updates(prefix, after).await
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.store.lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.store.compact(revision).await
    }
}

fn lossy(folder: &TempDir, others: u32, refusal: Option<fn() -> StoreError>) -> Arc<Lossy> {
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    Arc::new(Lossy { store, others, document: "theirs", refusal, asked: AtomicU32::new(0) })
}

/// The revision of another's document beside our content would let our client overwrite what it has never seen.
#[tokio::test]
async fn a_change_whose_answer_was_lost_is_told_at_its_own_revision() {
    for others in [0, 1, 30] {
        let folder = TempDir::new().unwrap();
        let store = lossy(&folder, others, None);
        let before = write(Arc::new(store.store.clone()), "before").await.unwrap();
        let told = write(store.clone(), "ours").await.unwrap();
        assert_eq!(told, Revision(before.0 + 1), "{others} others");
        assert_eq!(store.snapshot(keyspace::DESIRED).await.unwrap().revision.0, told.0 + u64::from(others));
    }
}

#[tokio::test]
async fn a_change_that_the_seal_does_not_remember_any_more_is_not_said_to_be_none() {
    let folder = TempDir::new().unwrap();
    let store = lossy(&folder, 40, None);
    let before = write(Arc::new(store.store.clone()), "before").await.unwrap();
    let told = write(store.clone(), "ours").await;
    assert!(matches!(told, Err(WriteError::Store(StoreError::Unavailable(_)))), "{told:?}");
    let now = store.snapshot(keyspace::DESIRED).await.unwrap().revision;
    assert_eq!(now.0, before.0 + 41, "it was not made twice");
}

/// A store that refuses everything after a lost answer: what it says is told, and it is not asked without a pause.
#[tokio::test(start_paused = true)]
async fn a_store_that_refuses_after_a_lost_answer_is_asked_with_pauses() {
    let folder = TempDir::new().unwrap();
    let store = lossy(&folder, 0, Some(|| StoreError::Full("the quota".to_owned())));
    let Err(WriteError::Store(StoreError::Unavailable(why))) = write(store.clone(), "ours").await else {
        panic!("the first may still arrive")
    };
    let mut causes = std::iter::successors(Some(&*why as &dyn std::error::Error), |cause| cause.source());
    assert!(causes.any(|cause| cause.to_string() == "the store is full: the quota"), "{why}");
    let asked = store.asked.load(Ordering::Relaxed);
    assert!(asked < 1_000, "{asked} times within seconds");
}
