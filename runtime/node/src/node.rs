use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use switchyard_cache::{Cache, CacheConfig, CacheService};
use switchyard_host::Host;
use switchyard_types::{NodeId, NodeStatus, SlotId, StrategyKind};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    NodeConfig, NodeError, Upstream,
    agent::Agent,
    config::node_dir,
    folder::{CacheSize, DataFolder, Identity, LocalBlobs},
    reconcile::{Reconciler, Stager, boot},
    report::{Reporter, StatusSource},
    shared::Shared,
    upstream::Follower,
};

/// How long the parts of a node may take to end after shutdown, in seconds: connections drain, a staging that has begun
/// is finished.
const DRAIN_SECONDS_MAX: u64 = 10;

/// A node that has started: what it remembers is active, its address is bound, and nobody is served yet.
pub struct Node {
    service: CacheService,
    agent: Agent,
    upstream: Option<(Follower, Reporter)>,
    handle: NodeHandle,
}

/// Looks at a node while it runs. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    source: Arc<StatusSource>,
    resp: SocketAddr,
}

impl Node {
    /// Takes the data folder, activates what last ran well and binds the address. No upstream: the node serves just what it
    /// remembers.
    pub async fn start(config: NodeConfig, host: Host, upstream: Option<Upstream>) -> Result<Self, NodeError> {
        let folder = Arc::new(DataFolder::open(&node_dir(&config.data_dir))?);
        let Identity { node, secret } = Identity::load(&folder)?;
        let blobs = open_blobs(&folder)?;
        let size = CacheSize::new(config.cache_budget, config.cache_shards).or_remembered(&folder);
        let cache = CacheConfig { secret: Some(secret), ..size.config() };
        let cache = Cache::new(&host, cache).map_err(NodeError::Cache)?;
        let whole = SlotId { kind: StrategyKind::Caching, target: String::new() };
        let shared = Arc::new(Shared::new(BTreeMap::from([(whole, cache.slot().clone())])));
        let stager = Stager { host: host.clone(), blobs, upstream: upstream.as_ref().map(|up| Arc::clone(&up.blobs)) };
        let reconciler =
            Reconciler { node: node.clone(), shared: Arc::clone(&shared), folder: Arc::clone(&folder), stager };
        let remembered = boot(folder.records());
        let seen = remembered.seen;
        // Before the address is bound: the first request meets the strategy that last ran well.
        reconciler.boot(remembered).await;
        let (listener, resp) = listen(config.resp_listen).await?;
        // Not before: what does not start is nothing to come back to.
        size.remember(&folder)?;
        let listeners = BTreeMap::from([("resp".to_owned(), resp.to_string())]);
        let service = CacheService::new(cache.clone(), listener);
        let labels = config.labels;
        let source = Arc::new(StatusSource { node, labels: labels.clone(), listeners, host, cache, shared });
        let (plans, newest) = watch::channel(None);
        let upstream = upstream.map(|Upstream { store, .. }| {
            let reporter = Reporter { store: Arc::clone(&store), source: Arc::clone(&source) };
            (Follower { store, labels, seen, plans }, reporter)
        });
        Ok(Self { service, agent: Agent::new(reconciler, newest), upstream, handle: NodeHandle { source, resp } })
    }

    /// To look at the node while it runs.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Serves until shutdown, then drains for a bounded time. The engine's end is the node's end; the other parts are not
    /// supposed to end, and when one does all the same, clients go on being served.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NodeError> {
        let stop = shutdown.child_token();
        let _stop_when_dropped = stop.clone().drop_guard();
        // A token of its own: an engine that fails cancels the one that it was given.
        let mut service = tokio::spawn(self.service.run(stop.child_token()));
        let mut parts = JoinSet::new();
        parts.spawn(self.agent.run(stop.clone()));
        if let Some((follower, reporter)) = self.upstream {
            parts.spawn(follower.run(stop.clone()));
            parts.spawn(reporter.run(stop.clone()));
        }
        let ended = loop {
            tokio::select! {
                // First: on shutdown everything else ends too, and that is no failure.
                biased;
                () = stop.cancelled() => break None,
                served = &mut service => break Some(served),
                Some(part) = parts.join_next() => tracing::error!(?part, "a part of the node has ended by itself"),
            }
        };
        stop.cancel();
        match ended {
            None => drain(parts, Some(service)).await,
            Some(served) => {
                drain(parts, None::<JoinHandle<()>>).await;
                served.map_err(NodeError::Broken)?.map_err(NodeError::Cache)?;
                return Err(NodeError::Ended);
            }
        }
        Ok(())
    }
}

impl NodeHandle {
    /// The node's identity.
    pub fn id(&self) -> &NodeId {
        &self.source.node
    }

    /// The address that the cache listens on.
    pub fn resp_address(&self) -> SocketAddr {
        self.resp
    }

    /// What the node would report now. It may wait for a call into a plugin to end: from a task, through `spawn_blocking`.
    pub fn status(&self) -> NodeStatus {
        self.source.read()
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), NodeError> {
    let failed = |source| NodeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

fn open_blobs(folder: &DataFolder) -> Result<LocalBlobs, NodeError> {
    let path = folder.join("blobs");
    LocalBlobs::open(&path).map_err(|error| NodeError::Folder { path, source: io::Error::other(error) })
}

/// Waits for every part, together no longer than the bound. What is not done by then is dropped with its task.
async fn drain<T>(mut parts: JoinSet<()>, service: Option<JoinHandle<T>>) {
    let all = async {
        if let Some(service) = service {
            drop(service.await);
        }
        while parts.join_next().await.is_some() {}
    };
    if timeout(Duration::from_secs(DRAIN_SECONDS_MAX), all).await.is_err() {
        tracing::warn!("the node stops before everything has ended: {DRAIN_SECONDS_MAX} s have passed");
    }
}
