//! A store that can be cut off, for the tests of what a server does then.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use switchyard_store::{
    ConfigStore, EmbeddedStore, LeaseId, Range, Revision, Snapshot, StoreError, Transaction, Updates, Versioned,
};
use tempfile::TempDir;
use tokio::sync::watch;

/// Cut off, it answers nothing, and streams that have begun say nothing more.
pub(crate) struct CutStore {
    _folder: TempDir,
    /// The store itself, which nobody cuts.
    pub(crate) inner: EmbeddedStore,
    cut: watch::Sender<bool>,
    asked: AtomicUsize,
}

impl CutStore {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let inner = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        Self { _folder: folder, inner, cut: watch::Sender::new(false), asked: AtomicUsize::new(0) }
    }

    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    pub(crate) fn mend(&self) {
        self.cut.send_replace(false);
    }

    /// Questions so far, with those that were not answered.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    async fn reached(&self) -> &EmbeddedStore {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *self.cut.borrow() {
            std::future::pending::<()>().await;
        }
        &self.inner
    }
}

#[async_trait]
impl ConfigStore for CutStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.reached().await.get(key).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.reached().await.list(range).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.reached().await.snapshot(prefix).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        self.reached().await.txn(transaction).await
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        let updates = self.reached().await.updates(prefix, after).await?;
        let mut cut = self.cut.subscribe();
        let is_cut = async move {
            let _ = cut.wait_for(|cut| *cut).await;
        };
        Ok(updates.take_until(is_cut).chain(futures_util::stream::pending()).boxed())
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.reached().await.lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.reached().await.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.reached().await.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.reached().await.compact(revision).await
    }
}
