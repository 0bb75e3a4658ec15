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
    writer: Arc<Mutex<()>>,
    /// Held for moments, and changed under the writer's lock but for their clocks: a lease that is asked for in time must not
    /// wait for the disk.
    leases: Arc<Lock<Kept>>,
    /// Held for moments.
    history: Arc<Lock<History>>,
}

#[derive(Default)]
struct Kept {
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
            leases: Arc::default(),
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
        self.leases.lock().leases.check(&transaction, Instant::now())?;
        self.apply(writer, transaction, |_| {}).await
    }

    /// Ends leases, and takes away what is bound to them in one transaction. Of those that were over it ends the ones that
    /// nobody has asked to keep meanwhile.
    async fn end(&self, which: impl FnOnce(&Leases) -> Vec<LeaseId>) -> Result<(), StoreError> {
        let writer = Arc::clone(&self.writer).lock_owned().await;
        let (ended, operations) = {
            let kept = &mut *self.leases.lock();
            let ended = which(&kept.leases);
            if ended.is_empty() {
                return Ok(());
            }
            // From here on they cannot be kept any more: what is bound to them goes.
            kept.leases.expire(&ended);
            let operations = kept.leases.keys_of(&ended).into_iter().map(Operation::delete).collect();
            (ended, operations)
        };
        let transaction = Transaction { preconditions: Vec::new(), operations };
        self.apply(writer, transaction, move |leases| leases.end(&ended)).await.map(drop)
    }

    async fn apply(
        &self,
        writer: OwnedMutexGuard<()>,
        transaction: Transaction,
        then: impl FnOnce(&mut Leases) + Send + 'static,
    ) -> Result<Revision, StoreError> {
        let (history, kept) = (Arc::clone(&self.history), Arc::clone(&self.leases));
        self.blocking(move |database| {
            let _writer = writer;
            let applied = database.apply(&transaction)?;
            {
                let leases = &mut kept.lock().leases;
                leases.note(&transaction);
                then(leases);
            }
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
        let is_over = !shared.leases.lock().leases.over(Instant::now()).is_empty();
        if is_over && shared.end(|leases| leases.over(Instant::now())).await.is_err() {
            // The disk refuses: the keys stay, and it is tried again.
            continue;
        }
        let mut kept = shared.leases.lock();
        if kept.leases.is_empty() {
            kept.watched = false;
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
        let mut kept = self.0.leases.lock();
        kept.leases.grant(id, ttl, Instant::now())?;
        if !std::mem::replace(&mut kept.watched, true) {
            tokio::spawn(look_after_leases(Arc::downgrade(&self.0)));
        }
        Ok(id)
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.leases.lock().leases.keep_alive(lease, Instant::now())
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.end(|_| vec![lease]).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.0.history.lock().forget(revision);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_lease_that_is_kept_in_time_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        let lease = store.lease(Duration::from_secs(600)).await.unwrap();
        // A commit that takes long.
        let _writer = Arc::clone(&store.0.writer).lock_owned().await;
        store.keep_alive(lease).now_or_never().unwrap().unwrap();
        store.lease(Duration::from_secs(600)).now_or_never().unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_lease_whose_keys_are_being_taken_away_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        let lease = store.lease(Duration::from_secs(600)).await.unwrap();
        store.0.leases.lock().leases.expire(&[lease]);
        assert!(matches!(store.keep_alive(lease).await, Err(StoreError::LeaseEnded)));
    }
}
