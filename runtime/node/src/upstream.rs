use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use switchyard_plan::{DesiredState, plan};
use switchyard_store::{BlobSource, ConfigStore, Revision, Snapshot, SnapshotWatch, StoreError, keyspace};
use switchyard_types::Generation;
use tokio::{sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{backoff::Backoff, causes::with_causes};

/// Where a node's desired state and plugins come from.
#[derive(Clone)]
pub struct Upstream {
    /// Specifications go down through it and statuses up.
    pub store: Arc<dyn ConfigStore>,
    /// Plugins' bytes.
    pub blobs: Arc<dyn BlobSource>,
}

/// How long one question to the store may take, in seconds.
pub(crate) const STORE_SECONDS_MAX: u64 = 10;
/// How long the watch may lag behind the generation before it is begun anew, in seconds.
const LAG_SECONDS_MAX: u64 = 5;

/// Turns what the store holds into plans for one node.
pub(crate) struct Follower {
    pub(crate) store: Arc<dyn ConfigStore>,
    pub(crate) labels: BTreeMap<String, String>,
    /// The newest generation that the node knows of.
    pub(crate) seen: Generation,
    /// Where plans go; one that was not taken when the next comes is never seen.
    pub(crate) plans: watch::Sender<Option<DesiredState>>,
}

/// Why following came to an end.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store gave no answer within {STORE_SECONDS_MAX} s")]
    Silent,
    #[error("the store has ended the watch")]
    Ended,
    #[error("the watch lags behind the generation")]
    Lags,
}

impl Follower {
    /// Follows until shutdown. A store that goes away is asked again, with back-off.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut failures = 0;
        loop {
            let Some(Err(error)) = shutdown.run_until_cancelled(self.follow(&mut failures)).await else { return };
            failures += 1;
            let delay = Backoff::STORE.jittered(failures);
            let error = with_causes(&error);
            tracing::warn!(error, ?delay, "the store is asked again; the node goes on with what it has");
            if shutdown.run_until_cancelled(tokio::time::sleep(delay)).await.is_none() {
                return;
            }
        }
    }

    async fn follow(&mut self, failures: &mut u32) -> Result<std::convert::Infallible, FollowError> {
        let strategies = answer(self.store.watch(keyspace::STRATEGIES)).await?;
        let routes = answer(self.store.watch(keyspace::ROUTES)).await?;
        let mut declared = Declared { strategies, routes };
        loop {
            let snapshots = declared.snapshots()?;
            match self.generation_of(snapshots.revision()).await? {
                Some(generation) => {
                    *failures = 0;
                    self.consider(&snapshots, generation);
                    declared.changed().await?;
                }
                None => declared.catch_up().await?,
            }
        }
    }

    /// The generation that belongs to what was read at this revision; none: the generation is newer. It is written in one
    /// transaction with every strategy and route, so a generation that is not newer belongs to what was read.
    async fn generation_of(&self, read: Revision) -> Result<Option<Generation>, FollowError> {
        let Some(found) = answer(self.store.get(keyspace::GENERATION)).await? else {
            return Ok(Some(Generation::default()));
        };
        if found.revision > read {
            return Ok(None);
        }
        let generation = serde_json::from_slice(&found.value)
            .map_err(|error| StoreError::Invalid(format!("{} is not a generation: {error}", keyspace::GENERATION)))?;
        Ok(Some(generation))
    }

    fn consider(&mut self, snapshots: &Snapshots, generation: Generation) {
        let desired = match snapshots.plan(generation, &self.labels) {
            Ok(desired) => desired,
            Err(error) => {
                tracing::error!(%error, %generation, "this desired state is not followed");
                return;
            }
        };
        if !desired.supersedes(self.seen) {
            tracing::error!(%generation, seen = %self.seen, "the store's desired state is older than what was seen: not followed");
            return;
        }
        self.seen = generation;
        self.plans.send_replace(Some(desired));
    }
}

/// What is declared, as it is followed.
struct Declared {
    strategies: SnapshotWatch,
    routes: SnapshotWatch,
}

/// What was declared at one time.
struct Snapshots {
    strategies: Arc<Snapshot>,
    routes: Arc<Snapshot>,
}

impl Declared {
    /// Both as they were at one time: a store publishes changes in their order, so what has not moved while the other was
    /// read was the same then.
    fn snapshots(&mut self) -> Result<Snapshots, FollowError> {
        loop {
            let strategies = Arc::clone(&self.strategies.borrow_and_update());
            let routes = Arc::clone(&self.routes.borrow_and_update());
            if !self.strategies.has_changed().map_err(|_| FollowError::Ended)? {
                return Ok(Snapshots { strategies, routes });
            }
        }
    }

    async fn changed(&mut self) -> Result<(), FollowError> {
        let changed = tokio::select! {
            changed = self.strategies.changed() => changed,
            changed = self.routes.changed() => changed,
        };
        changed.map_err(|_| FollowError::Ended)
    }

    async fn catch_up(&mut self) -> Result<(), FollowError> {
        let changed = timeout(Duration::from_secs(LAG_SECONDS_MAX), self.changed()).await;
        changed.map_err(|_| FollowError::Lags)?
    }
}

impl Snapshots {
    /// Of the last change in either.
    fn revision(&self) -> Revision {
        self.strategies.revision.max(self.routes.revision)
    }

    fn plan(&self, generation: Generation, labels: &BTreeMap<String, String>) -> Result<DesiredState, StoreError> {
        Ok(plan(generation, &documents(&self.strategies)?, &documents(&self.routes)?, labels))
    }
}

/// One document that cannot be read stops the plan: passing over it would take away what it asks for.
fn documents<T: DeserializeOwned>(snapshot: &Snapshot) -> Result<Vec<T>, StoreError> {
    let read = |(key, found): (&String, &switchyard_store::Versioned)| {
        serde_json::from_slice(&found.value)
            .map_err(|error| StoreError::Invalid(format!("{key} cannot be read: {error}")))
    };
    snapshot.entries.iter().map(read).collect()
}

async fn answer<T>(question: impl Future<Output = Result<T, StoreError>>) -> Result<T, FollowError> {
    let answered = timeout(Duration::from_secs(STORE_SECONDS_MAX), question).await;
    Ok(answered.map_err(|_| FollowError::Silent)??)
}
