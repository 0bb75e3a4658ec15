//! A relay keeps the contract of every store, and spares the store behind it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;
use switchyard_store::{
    ConfigStore, EmbeddedStore, Operation, RelayStore, Revision, StoreError, Transaction, Update, contract::Fixture,
};
use tempfile::TempDir;

/// Everything goes through the relay's memory. The store behind stays open: a relay that ends lets go of it a moment later.
struct Relayed(EmbeddedStore, #[allow(dead_code, reason = "it is there while the store is")] TempDir);

impl Relayed {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self(EmbeddedStore::open(folder.path().join("store.redb")).unwrap(), folder)
    }
}

#[async_trait]
impl Fixture for Relayed {
    async fn open(&self) -> Arc<dyn ConfigStore> {
        Arc::new(RelayStore::new(Arc::new(self.0.clone()), "/"))
    }
}

switchyard_store::contract_suite!(Relayed::new());

async fn put(store: &dyn ConfigStore, key: &str) -> Revision {
    let operations = vec![Operation::put(key, "x")];
    store.txn(Transaction { preconditions: vec![], operations }).await.unwrap()
}

#[tokio::test]
async fn a_follower_who_has_seen_more_elsewhere_is_not_sent_back_in_time() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let relay = RelayStore::new(Arc::new(store.clone()), "/a/");
    put(&store, "/a/1").await;
    relay.snapshot("/a/").await.unwrap();
    // The follower knows what the relay may not have heard yet: it waits, and gets what comes after.
    let seen = put(&store, "/a/2").await;
    let mut updates = relay.updates("/a/", seen).await.unwrap();
    let next = put(&store, "/a/3").await;
    let told = loop {
        match updates.next().await.unwrap().unwrap() {
            Update::Changed { revision, changes } => break (revision, changes[0].key.clone()),
            Update::Progress(_) | Update::Alive => {}
        }
    };
    assert_eq!(told, (next, "/a/3".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_never_comes_is_told_so() {
    let folder = TempDir::new().unwrap();
    let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
    let last = put(&store, "/a/1").await;
    let relay = RelayStore::new(Arc::new(store), "/a/");
    let refused = relay.updates("/a/", Revision(last.0 + 100)).await.err().unwrap();
    assert!(matches!(refused, StoreError::Compacted { .. } | StoreError::Unavailable(_)), "{refused}");
}
