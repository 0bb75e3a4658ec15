use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Mutex, task::spawn_blocking};

use crate::{
    ConfigStore, Leadership, LeaseId, Operation, Range, Revision, Snapshot, SnapshotWatch, StoreError, Transaction,
    Versioned,
    bounds::{check_key, check_range, check_transaction},
    database::Database,
    watches::Watches,
};

/// Different prefixes that may be followed at once; the keyspace has fewer than ten.
const WATCHES_MAX: usize = 1_024;

/// The store of one process: a file, fsynced at every commit, locked against a second process. Cloning it gives another
/// handle; the file closes and the watches end with the last one.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<Shared>);

struct Shared {
    database: Database,
    /// An asynchronous lock, and owned by the blocking commit: a caller that goes away neither releases it early nor
    /// leaves a thread waiting.
    writer: Arc<Mutex<Watches>>,
}

impl EmbeddedStore {
    /// Opens the file, and creates it and its folder where they are missing. Blocks, after a crash for as long as it
    /// takes to read the file once. A file that another process has open is [`StoreError::Locked`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let database = Database::open(path.as_ref())?;
        Ok(Self(Arc::new(Shared { database, writer: Arc::default() })))
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    {
        let shared = self.0.clone();
        spawn_blocking(move || work(&shared.database)).await.map_err(StoreError::unavailable)?
    }
}

#[async_trait]
impl ConfigStore for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        check_key(key)?;
        let key = key.to_owned();
        self.blocking(move |database| database.get(&key)).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        check_range(range)?;
        let (prefix, after, limit) = (range.prefix.to_owned(), range.after.map(str::to_owned), range.limit);
        self.blocking(move |database| database.list(&prefix, after.as_deref(), limit)).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        check_transaction(&transaction)?;
        if transaction.operations.iter().any(|op| matches!(op, Operation::Put { lease: Some(_), .. })) {
            return Err(StoreError::Unsupported("leases"));
        }
        let mut watches = self.0.writer.clone().lock_owned().await;
        self.blocking(move |database| {
            let applied = database.apply(&transaction)?;
            watches.publish(&applied);
            Ok(applied.revision)
        })
        .await
    }

    async fn watch(&self, prefix: &str) -> Result<SnapshotWatch, StoreError> {
        check_key(prefix)?;
        let mut watches = self.0.writer.clone().lock_owned().await;
        if let Some(receiver) = watches.subscribe(prefix) {
            return Ok(receiver);
        }
        if watches.len() >= WATCHES_MAX {
            return Err(StoreError::Invalid(format!("{WATCHES_MAX} prefixes are followed already")));
        }
        let prefix = prefix.to_owned();
        self.blocking(move |database| {
            let snapshot = database.list(&prefix, None, usize::MAX)?;
            Ok(watches.follow(prefix, snapshot))
        })
        .await
    }

    async fn lease(&self, _ttl: Duration) -> Result<LeaseId, StoreError> {
        Err(StoreError::Unsupported("leases"))
    }

    async fn keep_alive(&self, _lease: LeaseId) -> Result<(), StoreError> {
        Err(StoreError::Unsupported("leases"))
    }

    async fn campaign(&self, _election: &str, _candidate: &str, _lease: LeaseId) -> Result<Leadership, StoreError> {
        Err(StoreError::Unsupported("elections"))
    }
}
