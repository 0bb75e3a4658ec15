use std::{collections::BTreeMap, sync::Arc, time::Duration};

use switchyard_plan::{DesiredState, plan};
use switchyard_store::{BlobSource, ConfigStore, Snapshot, SnapshotWatch, StoreError, keyspace};
use switchyard_types::{Generation, StrategyDocument};
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
        let mut watch = answer(self.store.watch(keyspace::STRATEGIES)).await?;
        loop {
            let snapshot = Arc::clone(&watch.borrow_and_update());
            match self.generation_of(&snapshot).await? {
                Some(generation) => {
                    *failures = 0;
                    self.consider(&snapshot, generation);
                    watch.changed().await.map_err(|_| FollowError::Ended)?;
                }
                None => catch_up(&mut watch).await?,
            }
        }
    }

    /// The generation that belongs to a snapshot; none: the generation is newer than the snapshot. Both are written in one
    /// transaction, so a generation that is not newer than the snapshot is the snapshot's.
    async fn generation_of(&self, snapshot: &Snapshot) -> Result<Option<Generation>, FollowError> {
        let Some(found) = answer(self.store.get(keyspace::GENERATION)).await? else {
            return Ok(Some(Generation::default()));
        };
        if found.revision > snapshot.revision {
            return Ok(None);
        }
        let generation = serde_json::from_slice(&found.value)
            .map_err(|error| StoreError::Invalid(format!("{} is not a generation: {error}", keyspace::GENERATION)))?;
        Ok(Some(generation))
    }

    fn consider(&mut self, snapshot: &Snapshot, generation: Generation) {
        let documents = match documents(snapshot) {
            Ok(documents) => documents,
            Err(error) => {
                tracing::error!(%error, %generation, "this desired state is not followed");
                return;
            }
        };
        let desired = plan(generation, &documents, &self.labels);
        if !desired.supersedes(self.seen) {
            tracing::error!(%generation, seen = %self.seen, "the store's desired state is older than what was seen: not followed");
            return;
        }
        self.seen = generation;
        self.plans.send_replace(Some(desired));
    }
}

/// One document that cannot be read stops the plan: passing over it would take away what it asks for.
fn documents(snapshot: &Snapshot) -> Result<Vec<StrategyDocument>, StoreError> {
    let read = |(key, found): (&String, &switchyard_store::Versioned)| {
        serde_json::from_slice(&found.value)
            .map_err(|error| StoreError::Invalid(format!("{key} cannot be read: {error}")))
    };
    snapshot.entries.iter().map(read).collect()
}

async fn catch_up(watch: &mut SnapshotWatch) -> Result<(), FollowError> {
    let changed = timeout(Duration::from_secs(LAG_SECONDS_MAX), watch.changed()).await;
    changed.map_err(|_| FollowError::Lags)?.map_err(|_| FollowError::Ended)
}

async fn answer<T>(question: impl Future<Output = Result<T, StoreError>>) -> Result<T, FollowError> {
    let answered = timeout(Duration::from_secs(STORE_SECONDS_MAX), question).await;
    Ok(answered.map_err(|_| FollowError::Silent)??)
}
