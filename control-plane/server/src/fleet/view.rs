use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use switchyard_store::{ConfigStore, Revision, Snapshot, SnapshotWatch, Versioned, keyspace, watch_paced};
use switchyard_types::{NodeId, NodeRecord, NodeStatus, SlotId, SlotVersion};
use tokio::{sync::watch as channel, task::JoinHandle, time::timeout};

/// How long the first answer of the store is waited for.
const READY_MAX: Duration = Duration::from_secs(2);

/// How far behind the store it may be, for what many nodes say at once to be taken in together.
const PACE: Duration = Duration::from_millis(100);

/// A node as far as it is counted.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownNode {
    pub(super) labels: BTreeMap<String, String>,
    /// None: its status is not there.
    pub(super) slots: Option<Vec<KnownSlot>>,
}

/// A slot as far as it is counted.
#[derive(Debug, Clone)]
pub(super) struct KnownSlot {
    pub(super) slot: SlotId,
    pub(super) active: Option<SlotVersion>,
    pub(super) failed: Option<SlotVersion>,
}

/// All nodes, as the store tells of them. It is up to [`PACE`] behind the store.
pub(super) struct FleetView {
    nodes: Arc<Mutex<Arc<BTreeMap<NodeId, KnownNode>>>>,
    ready: channel::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Drop for FleetView {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FleetView {
    /// Begins to follow them.
    pub(super) fn start(store: &Arc<dyn ConfigStore>) -> Self {
        let nodes = Arc::new(Mutex::default());
        let (told, ready) = channel::channel(false);
        let follower = Follower {
            records: watch_paced(Arc::clone(store), keyspace::NODES, None, PACE),
            statuses: watch_paced(Arc::clone(store), keyspace::STATUS, None, PACE),
            nodes: Arc::clone(&nodes),
            read: BTreeMap::new(),
        };
        Self { nodes, ready, task: tokio::spawn(follower.run(told)) }
    }

    /// The nodes as they are known now; none: the store has not answered yet.
    pub(super) async fn nodes(&self) -> Option<Arc<BTreeMap<NodeId, KnownNode>>> {
        let mut ready = self.ready.clone();
        timeout(READY_MAX, ready.wait_for(|ready| *ready)).await.ok()?.ok()?;
        Some(Arc::clone(&self.nodes.lock()))
    }
}

struct Follower {
    records: SnapshotWatch,
    statuses: SnapshotWatch,
    nodes: Arc<Mutex<Arc<BTreeMap<NodeId, KnownNode>>>>,
    /// Which version of each key has been read: in a large fleet a change concerns few of them.
    read: BTreeMap<String, Revision>,
}

impl Follower {
    async fn run(mut self, told: channel::Sender<bool>) {
        let (mut records, mut statuses) = (None, None);
        loop {
            tokio::select! {
                snapshot = self.records.next() => records = Some(snapshot),
                snapshot = self.statuses.next() => statuses = Some(snapshot),
            }
            if let (Some(records), Some(statuses)) = (&records, &statuses) {
                self.follow(records, statuses);
                told.send_replace(true);
            }
        }
    }

    fn follow(&mut self, records: &Snapshot, statuses: &Snapshot) {
        let mut nodes = Arc::clone(&self.nodes.lock());
        let changed = Arc::make_mut(&mut nodes);
        for (id, record) in self.changed::<NodeRecord>(records, keyspace::NODES) {
            changed.entry(id).or_default().labels = record.labels;
        }
        for (id, status) in self.changed::<NodeStatus>(statuses, keyspace::STATUS) {
            let node = changed.entry(id).or_default();
            node.labels = status.labels;
            node.slots = Some(status.slots.into_iter().map(Into::into).collect());
        }
        let there = |snapshot: &Snapshot, prefix| -> BTreeSet<NodeId> {
            snapshot.entries.keys().filter_map(|key| id(key, prefix)).collect()
        };
        let (introduced, reporting) = (there(records, keyspace::NODES), there(statuses, keyspace::STATUS));
        changed.retain(|id, node| {
            node.slots.take_if(|_| !reporting.contains(id));
            introduced.contains(id) || reporting.contains(id)
        });
        self.read.retain(|key, _| records.entries.contains_key(key) || statuses.entries.contains_key(key));
        *self.nodes.lock() = nodes;
    }

    /// What stands there in another version than was read last. What cannot be read is as it was before.
    fn changed<T: DeserializeOwned>(&mut self, snapshot: &Snapshot, prefix: &str) -> Vec<(NodeId, T)> {
        let mut changed = Vec::new();
        for (key, Versioned { value, revision }) in &snapshot.entries {
            if self.read.insert(key.clone(), *revision) == Some(*revision) {
                continue;
            }
            match (id(key, prefix), serde_json::from_slice(value)) {
                (Some(id), Ok(value)) => changed.push((id, value)),
                (_, Err(error)) => tracing::warn!(key, %error, "what a node has written cannot be read"),
                (None, _) => tracing::warn!(key, "this is not the key of a node"),
            }
        }
        changed
    }
}

fn id(key: &str, prefix: &str) -> Option<NodeId> {
    key.strip_prefix(prefix)?.parse().ok()
}
