use std::{
    path::Path,
    sync::{Arc, Weak},
    time::Duration,
};

use async_trait::async_trait;
use parking_lot::Mutex as Lock;
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    task::spawn_blocking,
    time::Instant,
};

use crate::{
    ConfigStore, LeaseId, Operation, Range, Revision, Snapshot, StoreError, Transaction, Updates, Versioned,
    bounds::{check_key, check_lease_ttl, check_range, check_transaction},
    database::Database,
    history::{self, History},
    leases::Leases,
};

/// How often it is looked whether leases are over, in milliseconds.
const LEASES_LOOK_MS: u64 = 200;

/// The store of one process: a file, fsynced at every commit, locked against a second process. Cloning it gives another
/// handle; the file closes and the streams of updates end with the last one.
#[derive(Clone)]
pub struct EmbeddedStore(Arc<Shared>);

struct Shared {
    database: Arc<Database>,
    /// An asynchronous lock, and owned by the blocking commit: a caller that goes away neither releases it early nor
    /// leaves a thread waiting. A commit and its place in the history are one step under it.
    writer: Arc<Mutex<Writer>>,
    /// Held for moments.
    history: Arc<Lock<History>>,
}

#[derive(Default)]
struct Writer {
    leases: Leases,
    /// Whether somebody looks after them.
    watched: bool,
}

impl EmbeddedStore {
    /// Opens the file, and creates it and its folder where they are missing. Blocks, after a crash for as long as it
    /// takes to read the file once. A file that another process has open is [`StoreError::Locked`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let database = Database::open(path.as_ref())?;
        let history = History::new(database.revision()?);
        Ok(Self(Arc::new(Shared {
            database: Arc::new(database),
            writer: Arc::default(),
            history: Arc::new(Lock::new(history)),
        })))
    }
}

impl Shared {
    async fn blocking<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Database) -> Result<T, StoreError> + Send + 'static,
    {
        let database = Arc::clone(&self.database);
        spawn_blocking(move || work(&database)).await.map_err(StoreError::unavailable)?
    }

    async fn commit(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        writer.leases.check(&transaction, Instant::now())?;
        self.apply(writer, transaction, |_| {}).await
    }

    /// Ends leases, and takes away what is bound to them in one transaction.
    async fn end(&self, ended: Vec<LeaseId>) -> Result<(), StoreError> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        let operations = writer.leases.keys_of(&ended).into_iter().map(Operation::delete).collect();
        let transaction = Transaction { preconditions: Vec::new(), operations };
        self.apply(writer, transaction, move |leases| leases.end(&ended)).await.map(drop)
    }

    async fn apply(
        &self,
        mut writer: OwnedMutexGuard<Writer>,
        transaction: Transaction,
        then: impl FnOnce(&mut Leases) + Send + 'static,
    ) -> Result<Revision, StoreError> {
        let history = Arc::clone(&self.history);
        self.blocking(move |database| {
            let applied = database.apply(&transaction)?;
            writer.leases.note(&transaction);
            then(&mut writer.leases);
            let revision = applied.revision;
            if !applied.changes.is_empty() {
                history.lock().push(applied);
            }
            Ok(revision)
        })
        .await
    }
}

/// Ends what is over, until there are no leases or no store.
async fn look_after_leases(shared: Weak<Shared>) {
    loop {
        tokio::time::sleep(Duration::from_millis(LEASES_LOOK_MS)).await;
        let Some(shared) = shared.upgrade() else { return };
        let over = shared.writer.lock().await.leases.over(Instant::now());
        if !over.is_empty() && shared.end(over).await.is_err() {
            // The disk refuses: the keys stay, and it is tried again.
            continue;
        }
        let mut writer = shared.writer.lock().await;
        if writer.leases.is_empty() {
            writer.watched = false;
            return;
        }
    }
}

#[async_trait]
impl ConfigStore for EmbeddedStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        check_key(key)?;
        let key = key.to_owned();
        self.0.blocking(move |database| database.get(&key)).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        check_range(range)?;
        let (prefix, after, limit) = (range.prefix.to_owned(), range.after.map(str::to_owned), range.limit);
        self.0.blocking(move |database| database.list(&prefix, after.as_deref(), limit)).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        check_key(prefix)?;
        let prefix = prefix.to_owned();
        self.0.blocking(move |database| database.list(&prefix, None, usize::MAX)).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        check_transaction(&transaction)?;
        self.0.commit(transaction).await
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        check_key(prefix)?;
        history::updates(&self.0.history, prefix, after)
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let ttl = check_lease_ttl(ttl)?;
        // Random: a holder that has outlived the process of an earlier store must not meet its number again.
        let id = LeaseId(fastrand::u64(1..=i64::MAX.unsigned_abs()));
        let mut writer = self.0.writer.lock().await;
        writer.leases.grant(id, ttl, Instant::now())?;
        if !std::mem::replace(&mut writer.watched, true) {
            tokio::spawn(look_after_leases(Arc::downgrade(&self.0)));
        }
        Ok(id)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.writer.lock().await.leases.keep_alive(lease, Instant::now())
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.end(vec![lease]).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.0.history.lock().forget(revision);
        Ok(())
    }
}
