use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use switchyard_store::{ConfigStore, LeaseId, LeaseKeeper, Operation, StoreError, Transaction, keyspace};
use switchyard_types::{NodeRecord, NodeStatus};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::policy::{LastPut, Put, SPREAD_MS, when};
use crate::{backoff::Backoff, causes::with_causes, shared::Shared, upstream::STORE_SECONDS_MAX};

/// How long a node that says nothing still counts as there.
const LEASE: Duration = Duration::from_secs(15);
/// How long nothing is looked at, in milliseconds, when nobody says anything: the keeper's belief in a lease ends by itself.
const LOOK_EVERY_MS: u64 = 1_000;
/// How long the last word of a node that stops may take, in seconds.
const LAST_WORD_SECONDS_MAX: u64 = 1;

/// Puts the node's status into the store, under a lease: when the node is gone, so is its status. Beside it stands a record
/// that stays, with what the node last was. A put that is lost is followed by the next; none of them stops the node.
pub(crate) struct Reporter {
    pub(crate) store: Arc<dyn ConfigStore>,
    pub(crate) shared: Arc<Shared>,
    /// The status as the observer sees it.
    pub(crate) seen: watch::Receiver<Option<Arc<NodeStatus>>>,
}

/// What the store has of the node, and under which lease.
struct Known {
    lease: LeaseId,
    put: LastPut,
}

impl Reporter {
    /// Reports until shutdown, and once more at its end.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let keeper = LeaseKeeper::start(Arc::clone(&self.store), LEASE);
        if shutdown.run_until_cancelled(self.report(&keeper)).await.is_none() {
            let last_word = async {
                let record = NodeRecord::of(&*self.latest()?);
                self.put(vec![operation(keyspace::node(&record.node), &record, None).ok()?]).await.ok()?;
                // The status goes with it: a node that has stopped is not there any more.
                keeper.shutdown().await;
                Some(())
            };
            // The store may be what is being stopped.
            let _ = timeout(Duration::from_secs(LAST_WORD_SECONDS_MAX), last_word).await;
        }
    }

    async fn report(&self, keeper: &LeaseKeeper) {
        let (mut seen, mut leases) = (self.seen.clone(), keeper.changes());
        let mut known: Option<Known> = None;
        let mut failures = 0;
        loop {
            seen.mark_unchanged();
            leases.mark_unchanged();
            let mut due_ms = None;
            if let Some(lease) = keeper.lease() {
                // What stood under another lease is gone with it.
                known.take_if(|known| known.lease != lease);
                match self.look(lease, &mut known).await {
                    Ok(next_ms) => {
                        failures = 0;
                        due_ms = next_ms;
                    }
                    Err(error) => {
                        failures += 1;
                        tracing::warn!(error = with_causes(&error), "the node's status was not stored");
                        sleep(Backoff::STORE.jittered(failures)).await;
                    }
                }
            }
            tokio::select! {
                // A sender that is gone says nothing more, and wakes nobody.
                Ok(()) = seen.changed() => {}
                Ok(()) = leases.changed() => {}
                () = sleep(Duration::from_millis(due_ms.unwrap_or(LOOK_EVERY_MS))) => {}
            }
        }
    }

    /// Puts the status if it is worth it; else after how many milliseconds it is, if it does not change again.
    async fn look(&self, lease: LeaseId, known: &mut Option<Known>) -> Result<Option<u64>, StoreError> {
        let now_ms = self.shared.now_ms();
        let Some(status) = self.latest() else { return Ok(None) };
        match when(known.as_mut().map(|known| &mut known.put), &status, now_ms) {
            Put::Never => return Ok(None),
            Put::At(due_ms) => return Ok(Some(due_ms.saturating_sub(now_ms))),
            Put::Now => {}
        }
        let last = known.as_ref().map(|known| &known.put);
        let mut operations = vec![operation(keyspace::status(&status.node), &*status, Some(lease))?];
        // Figures alone are nothing to remember a node by.
        if last.is_none_or(|last| last.status.without_figures() != status.without_figures()) {
            let record = NodeRecord::of(&status);
            operations.push(operation(keyspace::node(&record.node), &record, None)?);
        }
        self.put(operations).await?;
        // Without randomness the delay is the longest: right, only not spread.
        let spread_ms = getrandom::u64().map_or(SPREAD_MS, |random| random % SPREAD_MS);
        *known = Some(Known { lease, put: LastPut { status, at_ms: now_ms, spread_ms, untold_since_ms: None } });
        Ok(None)
    }

    fn latest(&self) -> Option<Arc<NodeStatus>> {
        self.seen.borrow().clone()
    }

    async fn put(&self, operations: Vec<Operation>) -> Result<(), StoreError> {
        let put = self.store.txn(Transaction { preconditions: Vec::new(), operations });
        match timeout(Duration::from_secs(STORE_SECONDS_MAX), put).await {
            Ok(result) => result.map(|_| ()),
            Err(elapsed) => Err(StoreError::Unavailable(Box::new(elapsed))),
        }
    }
}

fn operation<T: Serialize>(key: String, value: &T, lease: Option<LeaseId>) -> Result<Operation, StoreError> {
    let value = serde_json::to_vec(value).map_err(|error| StoreError::Invalid(error.to_string()))?;
    Ok(Operation::Put { key, value: Bytes::from(value), lease })
}
