use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use switchyard_store::{
    ConfigStore, Leadership, LeaseId, LeaseKeeper, Operation, Revision, SnapshotWatch, StoreError, Transaction,
    campaign, keyspace, watch as follow,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::duties::Duties;
use crate::{
    lead::{Lead, Leader},
    peers::ServerRecord,
};

/// How long a server that says nothing still counts as there. A leader that is gone is followed by another after that.
const LEASE: Duration = Duration::from_secs(10);
/// Between two tries after something went wrong.
const RETRY: Duration = Duration::from_secs(1);

/// A server's place among the others: its record, and its candidacy.
pub(crate) struct Membership {
    store: Arc<dyn ConfigStore>,
    record: ServerRecord,
    leader: watch::Sender<Option<Leader>>,
}

impl Membership {
    /// And what tells who leads.
    pub(crate) fn new(store: Arc<dyn ConfigStore>, record: ServerRecord) -> (Self, Lead) {
        let (leader, receiver) = watch::channel(None);
        let lead = Lead::new(record.id.clone(), receiver);
        (Self { store, record, leader }, lead)
    }

    /// Takes part until shutdown, and gives everything back then.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let keeper = LeaseKeeper::start(Arc::clone(&self.store), LEASE);
        let taking_part = async {
            tokio::join!(self.tell_who_leads(), self.take_part(&keeper));
        };
        shutdown.run_until_cancelled(taking_part).await;
        keeper.shutdown().await;
    }

    /// Follows the office, whoever holds it.
    async fn tell_who_leads(&self) {
        let mut office: SnapshotWatch = follow(Arc::clone(&self.store), keyspace::LEADER, None);
        loop {
            let snapshot = office.next().await;
            let found = snapshot.entries.get(keyspace::LEADER);
            let leader = found.and_then(|entry| {
                let record: ServerRecord = serde_json::from_slice(&entry.value).ok()?;
                Some(Leader { server: record.id, url: record.url, term: entry.revision.0 })
            });
            self.leader.send_if_modified(|now| {
                let changed = *now != leader;
                *now = leader;
                changed
            });
        }
    }

    /// With one lease after the other.
    async fn take_part(&self, keeper: &LeaseKeeper) {
        let mut leases = keeper.changes();
        loop {
            let lease = *leases.borrow_and_update();
            let Some(lease) = lease else {
                if leases.changed().await.is_err() {
                    return;
                }
                continue;
            };
            tokio::select! {
                // Lost by our own clock: what is under way in office ends here, before anybody else can hold it.
                _ = leases.changed() => {}
                error = self.serve(lease) => {
                    tracing::warn!(%error, "this server takes its place anew");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Registers, stands for office and holds it, again and again; ends with what goes wrong.
    async fn serve(&self, lease: LeaseId) -> StoreError {
        if let Err(error) = self.register(lease).await {
            return error;
        }
        loop {
            let office = match self.stand(lease).await {
                Ok(office) => office,
                Err(error) => return error,
            };
            tracing::info!(server = self.record.id, term = office.revision.0, "this server leads");
            let fenced = Duties::new(Arc::clone(&self.store), office).run().await;
            tracing::warn!(server = self.record.id, ?fenced, "this server does not lead any more");
        }
    }

    async fn register(&self, lease: LeaseId) -> Result<Revision, StoreError> {
        let operation =
            Operation::Put { key: keyspace::server(&self.record.id), value: self.value()?, lease: Some(lease) };
        self.store.txn(Transaction { preconditions: Vec::new(), operations: vec![operation] }).await
    }

    async fn stand(&self, lease: LeaseId) -> Result<Leadership, StoreError> {
        campaign(&*self.store, keyspace::LEADER, self.value()?, lease).await
    }

    fn value(&self) -> Result<Bytes, StoreError> {
        let value = serde_json::to_vec(&self.record);
        value.map(Bytes::from).map_err(|error| StoreError::Invalid(error.to_string()))
    }
}
