use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde::Serialize;
use switchyard_store::{ConfigStore, Operation, StoreError, Transaction, keyspace};
use switchyard_types::{NodeRecord, NodeStatus};
use tokio::{task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    StatusSource,
    policy::{LastPut, Put, when},
};
use crate::{backoff::Backoff, causes::with_causes, upstream::STORE_SECONDS_MAX};

/// How often figures are looked at, in milliseconds, when nothing else happens.
const LOOK_EVERY_MS: u64 = 1_000;
/// How long the last word of a node that stops may take, in seconds.
const LAST_WORD_SECONDS_MAX: u64 = 1;

/// Puts the node's status into the store. A lost one is followed by the next; none of them stops the node.
pub(crate) struct Reporter {
    pub(crate) store: Arc<dyn ConfigStore>,
    pub(crate) source: Arc<StatusSource>,
}

impl Reporter {
    /// Reports until shutdown, and once more at its end.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        if shutdown.run_until_cancelled(self.report()).await.is_none() {
            let last_word = async {
                let status = self.read().await?;
                self.put(keyspace::status(&status.node), &status).await.ok()
            };
            // The store may be what is being stopped.
            let _ = timeout(Duration::from_secs(LAST_WORD_SECONDS_MAX), last_word).await;
        }
    }

    async fn report(&self) {
        let mut changes = self.source.shared.changes();
        let mut last = None;
        let mut failures = 0;
        loop {
            changes.mark_unchanged();
            let now_ms = self.source.shared.now_ms();
            let mut wait_ms = LOOK_EVERY_MS;
            if let Some(status) = self.read().await {
                match when(last.as_ref(), &status, now_ms) {
                    Put::Now => match self.introduce_and_put(last.is_none(), &status).await {
                        Ok(()) => {
                            failures = 0;
                            last = Some(LastPut { status, at_ms: now_ms });
                        }
                        Err(error) => {
                            failures += 1;
                            let error = with_causes(&error);
                            tracing::warn!(error, "the node's status was not stored");
                            tokio::time::sleep(Backoff::STORE.jittered(failures)).await;
                        }
                    },
                    Put::At(due_ms) => wait_ms = wait_ms.min(due_ms.saturating_sub(now_ms)),
                    Put::Never => {}
                }
            }
            // The sender lives as long as the source does: an error here is a time-out.
            let _ = timeout(Duration::from_millis(wait_ms), changes.changed()).await;
        }
    }

    async fn read(&self) -> Option<NodeStatus> {
        let source = Arc::clone(&self.source);
        spawn_blocking(move || source.read()).await.ok()
    }

    async fn introduce_and_put(&self, first: bool, status: &NodeStatus) -> Result<(), StoreError> {
        if first {
            let record = NodeRecord { node: status.node.clone(), labels: status.labels.clone() };
            self.put(keyspace::node(&record.node), &record).await?;
        }
        self.put(keyspace::status(&status.node), status).await
    }

    async fn put<T: Serialize>(&self, key: String, value: &T) -> Result<(), StoreError> {
        let value = serde_json::to_vec(value).map_err(|error| StoreError::Invalid(error.to_string()))?;
        let operations = vec![Operation::Put { key, value: Bytes::from(value), lease: None }];
        let put = self.store.txn(Transaction { preconditions: Vec::new(), operations });
        match timeout(Duration::from_secs(STORE_SECONDS_MAX), put).await {
            Ok(result) => result.map(|_| ()),
            Err(elapsed) => Err(StoreError::Unavailable(Box::new(elapsed))),
        }
    }
}
