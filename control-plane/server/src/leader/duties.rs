use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use switchyard_store::{
    ConfigStore, Leadership, Operation, Precondition, Revision, Snapshot, SnapshotWatch, StoreError, Transaction,
    Versioned, keyspace, watch_paced,
};
use switchyard_types::{NodeId, NodeRecord};
use tokio::time::{Instant, sleep_until};

use super::lost::{Absences, Mark};
use crate::{clock::unix_ms, documents};

/// How much history followers find, at least; as long as a server of Kubernetes keeps its own.
const HISTORY: Duration = Duration::from_secs(300);
/// How often it is noted where the store stands, and what is older is forgotten.
const HISTORY_LOOK: Duration = Duration::from_secs(60);
/// How long after a change it is looked at: a fleet that flips changes every status at once.
const PACE: Duration = Duration::from_millis(500);
/// After a write that failed.
const RETRY: Duration = Duration::from_secs(1);

/// What a leader does for as long as it leads.
pub(super) struct Duties {
    store: Arc<dyn ConfigStore>,
    office: Leadership,
    nodes: SnapshotWatch,
    statuses: SnapshotWatch,
    /// By key: who each node is, as of which revision of its record.
    known: BTreeMap<String, (Revision, NodeRecord)>,
    absences: Absences,
    /// Where the store stood at each look, the oldest first.
    marks: VecDeque<(Instant, Revision)>,
}

/// The term of office is over: somebody else leads, or nobody.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fenced;

impl Duties {
    pub(super) fn new(store: Arc<dyn ConfigStore>, office: Leadership) -> Self {
        let nodes = watch_paced(Arc::clone(&store), keyspace::NODES, None, PACE);
        let statuses = watch_paced(Arc::clone(&store), keyspace::STATUS, None, PACE);
        let (known, absences, marks) = Default::default();
        Self { store, office, nodes, statuses, known, absences, marks }
    }

    /// Until the store says that the office is another's. Who knows earlier drops this.
    pub(super) async fn run(mut self) -> Fenced {
        let mut history_at = Instant::now();
        loop {
            let next = match self.mark_nodes().await {
                Ok(next) => next,
                Err(fenced) => return fenced,
            };
            if Instant::now() >= history_at {
                self.forget_history().await;
                history_at = Instant::now() + HISTORY_LOOK;
            }
            let wake = next.map_or(history_at, |next| next.min(history_at));
            tokio::select! {
                _ = self.nodes.next() => {}
                _ = self.statuses.next() => {}
                () = sleep_until(wake) => {}
            }
        }
    }

    /// Notes who is lost and who is back; and says when to look again.
    async fn mark_nodes(&mut self) -> Result<Option<Instant>, Fenced> {
        let (Some(nodes), Some(statuses)) = (self.nodes.latest(), self.statuses.latest()) else { return Ok(None) };
        self.read(&nodes);
        let known = self.known.values().map(|(_, record)| {
            let present = statuses.entries.contains_key(&keyspace::status(&record.node));
            (record, present)
        });
        let (marks, mut next) = self.absences.marks(known, Instant::now());
        for (node, mark) in marks {
            let Some(entry) = nodes.entries.get(&keyspace::node(&node)) else { continue };
            let Ok(record) = serde_json::from_slice::<NodeRecord>(&entry.value) else { continue };
            if !self.mark(&record, entry.revision, mark).await? {
                next = Some(next.unwrap_or(Instant::now() + RETRY).min(Instant::now() + RETRY));
            }
        }
        Ok(next)
    }

    /// Reads the records that have changed since: in a large fleet few have. What cannot be read is not ours to mark.
    fn read(&mut self, nodes: &Snapshot) {
        self.known.retain(|key, _| nodes.entries.contains_key(key));
        for (key, Versioned { value, revision }) in &nodes.entries {
            if self.known.get(key).is_some_and(|(read, _)| read == revision) {
                continue;
            }
            match serde_json::from_slice::<NodeRecord>(value) {
                // What it was when it last said so is nothing to hold in memory for every node.
                Ok(record) => self.known.insert(key.clone(), (*revision, NodeRecord { summary: None, ..record })),
                Err(_) => self.known.remove(key),
            };
        }
    }

    /// Whether it is noted, or needs not be: the node itself has written its record meanwhile, and the watch tells of that.
    async fn mark(&self, record: &NodeRecord, revision: Revision, mark: Mark) -> Result<bool, Fenced> {
        let lost_at_unix_ms = (mark == Mark::Lost).then(unix_ms);
        let key = keyspace::node(&record.node);
        let Ok(value) = documents::encode(&NodeRecord { lost_at_unix_ms, ..record.clone() }) else { return Ok(true) };
        let transaction = Transaction {
            preconditions: vec![self.office.precondition(), (key.clone(), Precondition::At(revision))],
            operations: vec![Operation::put(key, value)],
        };
        match self.store.txn(transaction).await {
            Ok(_) => {
                told(&record.node, mark);
                Ok(true)
            }
            Err(StoreError::Conflict { key, .. }) if key == self.office.key => Err(Fenced),
            Err(StoreError::Conflict { .. }) => Ok(true),
            Err(error) => {
                tracing::warn!(node = %record.node, %error, "it is not noted whether a node is there");
                Ok(false)
            }
        }
    }

    /// Forgets what is older than followers may need: every status is a put, and a store that forgets nothing is full one day.
    async fn forget_history(&mut self) {
        let now = Instant::now();
        let Some(latest) = self.statuses.latest().map(|statuses| statuses.revision) else { return };
        self.marks.push_back((now, latest));
        let mut old = None;
        while let Some((_, revision)) = self.marks.pop_front_if(|(at, _)| now.duration_since(*at) >= HISTORY) {
            old = Some(revision);
        }
        if let Some(revision) = old
            && let Err(error) = self.store.compact(revision).await
        {
            tracing::warn!(%error, "the store's history is not shortened");
        }
    }
}

fn told(node: &NodeId, mark: Mark) {
    match mark {
        Mark::Lost => tracing::warn!(%node, "the node is lost: its lease has ended"),
        Mark::Back => tracing::info!(%node, "the node is back"),
    }
}

#[cfg(test)]
mod tests {
    use switchyard_store::EmbeddedStore;

    use super::*;

    #[tokio::test]
    async fn what_a_superseded_leader_would_note_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store: Arc<dyn ConfigStore> = Arc::new(EmbeddedStore::open(folder.path().join("store.redb")).unwrap());
        let put = async |key: &str, value: Vec<u8>| {
            let transaction = Transaction { preconditions: vec![], operations: vec![Operation::put(key, value)] };
            store.txn(transaction).await.unwrap()
        };
        let record = NodeRecord::new("node-1".parse().unwrap(), BTreeMap::new());
        let key = keyspace::node(&record.node);
        let term = put(keyspace::LEADER, b"one".to_vec()).await;
        let written = put(&key, documents::encode(&record).unwrap()).await;
        let office = |revision| Leadership { key: keyspace::LEADER.to_owned(), revision };
        let superseded = Duties::new(Arc::clone(&store), office(term));
        let next = put(keyspace::LEADER, b"two".to_vec()).await;
        assert_eq!(superseded.mark(&record, written, Mark::Lost).await, Err(Fenced));
        assert_eq!(store.get(&key).await.unwrap().unwrap().revision, written, "nothing was noted");

        let leads = Duties::new(Arc::clone(&store), office(next));
        assert_eq!(leads.mark(&record, written, Mark::Lost).await, Ok(true));
        let noted: NodeRecord = serde_json::from_slice(&store.get(&key).await.unwrap().unwrap().value).unwrap();
        assert!(noted.lost_at_unix_ms.is_some());
        // It was noted meanwhile: that is no reason to stop.
        assert_eq!(leads.mark(&record, written, Mark::Lost).await, Ok(true));
    }
}
