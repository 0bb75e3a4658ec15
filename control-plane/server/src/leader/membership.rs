use std::{sync::Arc, time::Duration};

use switchyard_store::{
    ConfigStore, Leadership, LeaseId, LeaseKeeper, Operation, Revision, SnapshotWatch, StoreError, Transaction,
    campaign, keyspace, watch as follow,
};
use switchyard_sync::ServerKey;
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
    key: ServerKey,
    leader: watch::Sender<Option<Leader>>,
    /// The term of office that this server holds as far as it may believe itself.
    term: watch::Sender<Option<u64>>,
}

impl Membership {
    /// And what tells who leads.
    pub(crate) fn new(store: Arc<dyn ConfigStore>, record: ServerRecord, key: ServerKey) -> (Self, Lead) {
        let (leader, receiver) = watch::channel(None);
        let lead = Lead::new(record.id.clone(), receiver);
        (Self { store, record, key, leader, term: watch::Sender::new(None) }, lead)
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
        let (mut term, mut holder) = (self.term.subscribe(), None);
        loop {
            tokio::select! {
                snapshot = office.next() => {
                    let found = snapshot.entries.get(keyspace::LEADER);
                    holder = found.and_then(|entry| {
                        let record = ServerRecord::open(&self.key.trust(), keyspace::LEADER, &entry.value).ok()?;
                        Some(Leader { server: record.id, url: record.url, term: entry.revision.0 })
                    });
                }
                // It lives as long as this does.
                _ = term.changed() => {}
            }
            let own = *term.borrow_and_update();
            // A server that is cut off is told by nobody that its time is over: its own lease says so.
            let leader = holder.clone().filter(|leader| leader.server != self.record.id || own == Some(leader.term));
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
                    self.term.send_replace(None);
                    tracing::warn!(%error, "this server takes its place anew");
                    tokio::time::sleep(RETRY).await;
                }
            }
            self.term.send_replace(None);
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
            self.term.send_replace(Some(office.revision.0));
            tracing::info!(server = self.record.id, term = office.revision.0, "this server leads");
            let fenced = Duties::new(Arc::clone(&self.store), office).run().await;
            self.term.send_replace(None);
            tracing::warn!(server = self.record.id, ?fenced, "this server does not lead any more");
        }
    }

    async fn register(&self, lease: LeaseId) -> Result<Revision, StoreError> {
        let key = keyspace::server(&self.record.id);
        let value = self.record.signed(&self.key, &key, lease)?;
        let operation = Operation::Put { key, value, lease: Some(lease) };
        self.store.txn(Transaction { preconditions: Vec::new(), operations: vec![operation] }).await
    }

    async fn stand(&self, lease: LeaseId) -> Result<Leadership, StoreError> {
        let value = self.record.signed(&self.key, keyspace::LEADER, lease)?;
        campaign(&*self.store, keyspace::LEADER, value, lease).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{lead::Office, testing::CutStore};

    /// The longest that a lease may be believed, and room for a machine that does other things.
    const DEADLINE: Duration = Duration::from_secs(60);

    async fn until(lead: &Lead, what: &str, holds: impl Fn(&Office) -> bool) {
        let held = async {
            while !holds(&lead.office()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, held).await.unwrap_or_else(|_| panic!("{what}: {:?}", lead.office()));
    }

    #[tokio::test]
    async fn a_leader_that_is_cut_off_leads_no_longer_than_its_lease() {
        let store = Arc::new(CutStore::new());
        let record = ServerRecord::new("http://127.0.0.1:1".to_owned());
        let key = ServerKey::generate().unwrap();
        let (membership, lead) = Membership::new(Arc::clone(&store) as _, record, key);
        let stop = CancellationToken::new();
        let running = tokio::spawn(membership.run(stop.clone()));
        until(&lead, "it leads", |office| matches!(office, Office::Here(_))).await;
        store.cut();
        until(&lead, "it does not believe itself any more", |office| *office == Office::Nobody).await;
        store.mend();
        until(&lead, "it leads again", |office| matches!(office, Office::Here(_))).await;
        stop.cancel();
        running.await.unwrap();
    }
}
