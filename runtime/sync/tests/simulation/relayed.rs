//! What a node asks that knows the store through servers: one at a time, and another one after a failure.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use switchyard_store::{
    ConfigStore, LeaseId, Range, RelayStore, Revision, Snapshot, StoreError, Transaction, Updates, Versioned,
};

/// The relays of several servers.
pub struct Relayed {
    servers: Vec<RelayStore>,
    current: Arc<AtomicUsize>,
}

impl Relayed {
    pub fn new(servers: Vec<RelayStore>) -> Self {
        let first = fastrand::usize(..servers.len());
        Self { servers, current: Arc::new(AtomicUsize::new(first)) }
    }

    fn current(&self) -> &RelayStore {
        &self.servers[self.current.load(Ordering::Relaxed) % self.servers.len()]
    }

    fn passed<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if matches!(answer, Err(StoreError::Unavailable(_))) {
            self.current.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }
}

#[async_trait]
impl ConfigStore for Relayed {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.passed(self.current().get(key).await)
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.passed(self.current().list(range).await)
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.passed(self.current().snapshot(prefix).await)
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        self.passed(self.current().txn(transaction).await)
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        let updates = self.passed(self.current().updates(prefix, after).await)?;
        let current = Arc::clone(&self.current);
        Ok(Box::pin(updates.inspect(move |update| {
            if matches!(update, Err(StoreError::Unavailable(_))) {
                current.fetch_add(1, Ordering::Relaxed);
            }
        })))
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.passed(self.current().lease(ttl).await)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.passed(self.current().keep_alive(lease).await)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.passed(self.current().revoke(lease).await)
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.passed(self.current().compact(revision).await)
    }
}
