use std::{collections::BTreeMap, sync::Arc};

use switchyard_plan::NodeView;
use switchyard_store::{BlobSource, ConfigStore, Recorder, Snapshot, SnapshotWatch, keyspace, watch};
use switchyard_sync::TrustKey;
use switchyard_types::{Generation, NodeId};
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

use crate::{config::Secret, folder::planned, reconcile::Wanted, shared::Shared};

/// Where a node's desired state and plugins come from.
#[derive(Clone)]
pub struct Upstream {
    /// Specifications go down through it and statuses up.
    pub store: Arc<dyn ConfigStore>,
    /// Plugins' bytes.
    pub blobs: Arc<dyn BlobSource>,
    /// Whose desired state is followed, and nobody else's.
    pub trust: TrustKey,
    /// Keeps what the node is told, in its order; none: nobody wants to know.
    pub recorder: Option<Arc<dyn Recorder>>,
    /// Base addresses of servers that take reports, for example `http://127.0.0.1:7070`. None: reports are kept, as far as there
    /// is room.
    pub servers: Vec<String>,
    /// What the node shows them.
    pub token: Option<Secret>,
}

/// How long one question to the store may take, in seconds.
pub(crate) const STORE_SECONDS_MAX: u64 = 10;

/// Turns what the store holds into plans for one node.
pub(crate) struct Follower {
    pub(crate) desired: SnapshotWatch,
    pub(crate) trust: TrustKey,
    pub(crate) node: NodeId,
    pub(crate) labels: BTreeMap<String, String>,
    /// The newest generation that the node knows of.
    pub(crate) seen: Generation,
    /// Where plans go; one that was not taken when the next comes is never seen.
    pub(crate) plans: channel::Sender<Option<Wanted>>,
    pub(crate) shared: Arc<Shared>,
}

impl Upstream {
    /// Begins to follow what is declared.
    pub(crate) fn desired(&self) -> SnapshotWatch {
        watch(Arc::clone(&self.store), keyspace::DESIRED, self.recorder.clone())
    }
}

impl Follower {
    /// Follows until shutdown.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        while let Some(snapshot) = shutdown.run_until_cancelled(self.desired.next()).await {
            let refused = self.consider(snapshot).err();
            if let Some(reason) = &refused {
                tracing::error!(reason, "what the store holds is not followed: the node goes on with what it has");
            }
            if self.shared.read(|state| state.not_followed != refused) {
                self.shared.update(|state| state.not_followed = refused);
            }
        }
    }

    /// Plans for this node what a server that it trusts has sealed; else says why not.
    fn consider(&mut self, snapshot: Arc<Snapshot>) -> Result<(), String> {
        let view = NodeView { id: &self.node, labels: &self.labels };
        let desired = planned(&snapshot, &self.trust, &view).map_err(|error| error.to_string())?;
        if !desired.supersedes(self.seen) {
            let (found, seen) = (desired.generation, self.seen);
            return Err(format!(
                "the store holds generation {found}, and this node has seen {seen}: if the store was restored from a backup, \
                 raise its epoch with `switchyard raise-epoch`"
            ));
        }
        self.seen = desired.generation;
        self.plans.send_replace(Some(Wanted { desired: Arc::new(desired), sealed: snapshot }));
        Ok(())
    }
}
