use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use switchyard_store::{ConfigStore, Revision, Snapshot, SnapshotWatch, Versioned, keyspace, watch_paced};
use switchyard_types::{NodeId, NodeRecord, NodeStatus, SlotId, SlotVersion, StrategyDocument, StrategyName};
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

/// What was known at one time.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    /// Grows with everything that changes; 0: the store has not answered yet.
    pub(super) version: u64,
    pub(super) nodes: Arc<BTreeMap<NodeId, KnownNode>>,
    pub(super) strategies: Arc<BTreeMap<StrategyName, StrategyDocument>>,
}

/// All nodes and strategies, as the store tells of them. It is up to [`PACE`] behind the store.
pub(super) struct FleetView {
    known: Arc<Mutex<Known>>,
    version: channel::Receiver<u64>,
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
        let known = Arc::new(Mutex::default());
        let (told, version) = channel::channel(0);
        let follow = |prefix| watch_paced(Arc::clone(store), prefix, None, PACE);
        let follower = Follower {
            records: follow(keyspace::NODES),
            statuses: follow(keyspace::STATUS),
            strategies: follow(keyspace::STRATEGIES),
            known: Arc::clone(&known),
            read: BTreeMap::new(),
        };
        Self { known, version, task: tokio::spawn(follower.run(told)) }
    }

    /// What is known now; none: the store has not answered yet.
    pub(super) async fn known(&self) -> Option<Known> {
        let mut version = self.version.clone();
        timeout(READY_MAX, version.wait_for(|version| *version > 0)).await.ok()?.ok()?;
        Some(self.known.lock().clone())
    }

    /// Moves with everything that changes.
    pub(super) fn moves(&self) -> channel::Receiver<u64> {
        self.version.clone()
    }
}

struct Follower {
    records: SnapshotWatch,
    statuses: SnapshotWatch,
    strategies: SnapshotWatch,
    known: Arc<Mutex<Known>>,
    /// Which version of each key has been read: in a large fleet a change concerns few of them.
    read: BTreeMap<String, Revision>,
}

impl Follower {
    async fn run(mut self, told: channel::Sender<u64>) {
        let (mut records, mut statuses, mut strategies) = (None, None, None);
        loop {
            tokio::select! {
                snapshot = self.records.next() => records = Some(snapshot),
                snapshot = self.statuses.next() => statuses = Some(snapshot),
                snapshot = self.strategies.next() => strategies = Some(snapshot),
            }
            if let (Some(records), Some(statuses), Some(strategies)) = (&records, &statuses, &strategies) {
                told.send_replace(self.follow(records, statuses, strategies));
            }
        }
    }

    /// Takes in what has changed, and says which version of all that is.
    fn follow(&mut self, records: &Snapshot, statuses: &Snapshot, strategies: &Snapshot) -> u64 {
        let new_records = self.changed::<NodeId, NodeRecord>(records, keyspace::NODES);
        let new_statuses = self.changed::<NodeId, NodeStatus>(statuses, keyspace::STATUS);
        let declared = self.changed::<StrategyName, StrategyDocument>(strategies, keyspace::STRATEGIES);
        let there = |key: &String| [records, statuses, strategies].iter().any(|all| all.entries.contains_key(key));
        self.read.retain(|key, _| there(key));
        // Everything is read: in place, unless somebody is looking at what was known before.
        let known = &mut *self.known.lock();
        let nodes = Arc::make_mut(&mut known.nodes);
        Self::take_in(nodes, new_records, new_statuses);
        Self::forget(nodes, records, statuses);
        if !declared.is_empty() || known.strategies.len() != strategies.entries.len() {
            let kept = Arc::make_mut(&mut known.strategies);
            kept.extend(declared);
            kept.retain(|name, _| strategies.entries.contains_key(&keyspace::strategy(name)));
        }
        known.version += 1;
        known.version
    }

    fn take_in(
        nodes: &mut BTreeMap<NodeId, KnownNode>,
        records: Vec<(NodeId, NodeRecord)>,
        statuses: Vec<(NodeId, NodeStatus)>,
    ) {
        for (id, record) in records {
            nodes.entry(id).or_default().labels = record.labels;
        }
        for (id, status) in statuses {
            let node = nodes.entry(id).or_default();
            node.labels = status.labels;
            node.slots = Some(status.slots.into_iter().map(Into::into).collect());
        }
    }

    /// Who has neither a record nor a status any more; and what nodes without a status last said.
    fn forget(nodes: &mut BTreeMap<NodeId, KnownNode>, records: &Snapshot, statuses: &Snapshot) {
        let there = |snapshot: &Snapshot, prefix| -> BTreeSet<NodeId> {
            snapshot.entries.keys().filter_map(|key| id(key, prefix)).collect()
        };
        let (introduced, reporting) = (there(records, keyspace::NODES), there(statuses, keyspace::STATUS));
        nodes.retain(|id, node| {
            node.slots.take_if(|_| !reporting.contains(id));
            introduced.contains(id) || reporting.contains(id)
        });
    }

    /// What stands there in another version than was read last. What cannot be read is as it was before.
    fn changed<K: FromStr, T: DeserializeOwned>(&mut self, snapshot: &Snapshot, prefix: &str) -> Vec<(K, T)> {
        let mut changed = Vec::new();
        for (key, Versioned { value, revision }) in &snapshot.entries {
            if self.read.insert(key.clone(), *revision) == Some(*revision) {
                continue;
            }
            match (id(key, prefix), serde_json::from_slice(value)) {
                (Some(id), Ok(value)) => changed.push((id, value)),
                (_, Err(error)) => tracing::warn!(key, %error, "what stands in the store cannot be read"),
                (None, _) => tracing::warn!(key, "this is not the key of anything that is known"),
            }
        }
        changed
    }
}

fn id<K: FromStr>(key: &str, prefix: &str) -> Option<K> {
    key.strip_prefix(prefix)?.parse().ok()
}
