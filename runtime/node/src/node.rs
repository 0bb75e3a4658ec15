use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use switchyard_host::{Host, StrategySlot};
use switchyard_types::{NodeId, NodeStatus, SlotId};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    NodeConfig, NodeError, Upstream,
    agent::Agent,
    checkpoint::Checkpoints,
    config::node_dir,
    engines::{self, Engine, EngineError, Figures, Ground, Run},
    files,
    folder::{DataFolder, Identity, LocalBlobs, States},
    reconcile::{Reconciler, Stager, boot},
    report::{Reporter, StatusSource},
    shared::Shared,
    upstream::Follower,
};

/// How long the parts of a node may take to end after shutdown, in seconds: connections drain, a staging that has begun
/// is finished.
const DRAIN_SECONDS_MAX: u64 = 10;

/// A node that has started: what it remembers is active, its addresses are bound, and nobody is served yet.
pub struct Node {
    engines: Vec<(&'static str, Run)>,
    agent: Agent,
    checkpoints: Checkpoints,
    upstream: Option<(Follower, Reporter)>,
    handle: NodeHandle,
}

/// Looks at a node while it runs. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    source: Arc<StatusSource>,
    listeners: Arc<BTreeMap<&'static str, SocketAddr>>,
}

impl Node {
    /// Takes the data folder, starts the engines and activates what last ran well. No upstream: the node serves just what it
    /// remembers.
    pub async fn start(config: NodeConfig, host: Host, upstream: Option<Upstream>) -> Result<Self, NodeError> {
        let folder = Arc::new(DataFolder::open(&node_dir(&config.data_dir))?);
        let Identity { node, secret } = Identity::load(&folder)?;
        let blobs = open_blobs(&folder)?;
        let ground =
            Ground { config: &config, host: &host, folder: &folder, secret, clients_max: files::clients_max() };
        let (engines, set_routes) = engines::start(&ground).await?;
        let Assembled { slots, listeners, figures, engines } = assemble(engines);
        let shared = Arc::new(Shared::new(slots));
        let stager = Stager { host: host.clone(), blobs, upstream: upstream.as_ref().map(|up| Arc::clone(&up.blobs)) };
        let checkpoints = Checkpoints {
            host: host.clone(),
            shared: Arc::clone(&shared),
            folder: Arc::clone(&folder),
            states: open_states(&folder, &secret)?,
        };
        host.rejected_states().extend(folder.rejected());
        let reconciler = Reconciler {
            node: node.clone(),
            shared: Arc::clone(&shared),
            folder: Arc::clone(&folder),
            stager,
            set_routes,
            checkpoints: checkpoints.clone(),
        };
        let remembered = boot(folder.records());
        let seen = remembered.seen;
        // Before anybody is served: the first request meets the strategy that last ran well.
        reconciler.boot(remembered).await;
        let addresses = listeners.iter().map(|(name, address)| ((*name).to_owned(), address.to_string())).collect();
        let labels = config.labels;
        let source =
            Arc::new(StatusSource { node, labels: labels.clone(), listeners: addresses, host, figures, shared });
        let (plans, newest) = watch::channel(None);
        let upstream = upstream.map(|Upstream { store, .. }| {
            let reporter = Reporter { store: Arc::clone(&store), source: Arc::clone(&source) };
            (Follower { store, labels, seen, plans }, reporter)
        });
        let handle = NodeHandle { source, listeners: Arc::new(listeners) };
        Ok(Self { engines, agent: Agent::new(reconciler, newest), checkpoints, upstream, handle })
    }

    /// To look at the node while it runs.
    pub fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Serves until shutdown, then drains for a bounded time. An engine's end is the node's end; the other parts are not
    /// supposed to end, and when one does all the same, clients go on being served.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NodeError> {
        let stop = shutdown.child_token();
        let _stop_when_dropped = stop.clone().drop_guard();
        let mut engines = JoinSet::new();
        for (name, run) in self.engines {
            // A token of its own: an engine that fails cancels the one that it was given.
            let token = stop.child_token();
            engines.spawn(async move { (name, run(token).await) });
        }
        let mut parts = JoinSet::new();
        parts.spawn(self.agent.run(stop.clone()));
        parts.spawn(self.checkpoints.run(stop.clone()));
        if let Some((follower, reporter)) = self.upstream {
            parts.spawn(follower.run(stop.clone()));
            parts.spawn(reporter.run(stop.clone()));
        }
        let ended = loop {
            tokio::select! {
                // First: on shutdown everything else ends too, and that is no failure.
                biased;
                () = stop.cancelled() => break None,
                Some(ended) = engines.join_next() => break Some(ended),
                Some(part) = parts.join_next() => tracing::error!(?part, "a part of the node has ended by itself"),
            }
        };
        stop.cancel();
        drain(parts, engines).await;
        match ended {
            None => Ok(()),
            Some(Ok((engine, Err(source)))) => Err(NodeError::Engine { engine, source }),
            Some(Ok((engine, Ok(())))) => Err(NodeError::Ended { engine }),
            Some(Err(broken)) => Err(NodeError::Broken(broken)),
        }
    }
}

/// The parts of all engines, each with its like.
struct Assembled {
    slots: BTreeMap<SlotId, Arc<dyn StrategySlot>>,
    listeners: BTreeMap<&'static str, SocketAddr>,
    figures: Vec<Figures>,
    engines: Vec<(&'static str, Run)>,
}

fn assemble(started: Vec<Engine>) -> Assembled {
    let (slots, listeners, figures, engines) = Default::default();
    let mut all = Assembled { slots, listeners, figures, engines };
    for engine in started {
        all.slots.extend(engine.slots);
        all.listeners.extend(engine.listeners);
        all.figures.push(engine.figures);
        all.engines.push((engine.name, engine.run));
    }
    all
}

impl NodeHandle {
    /// The node's identity.
    pub fn id(&self) -> &NodeId {
        &self.source.node
    }

    /// Where its engines listen, by protocol (`resp`).
    pub fn listeners(&self) -> &BTreeMap<&'static str, SocketAddr> {
        &self.listeners
    }

    /// What the node would report now. It may wait for a call into a plugin to end: from a task, through `spawn_blocking`.
    pub fn status(&self) -> NodeStatus {
        self.source.read()
    }
}

fn open_blobs(folder: &DataFolder) -> Result<LocalBlobs, NodeError> {
    let path = folder.join("blobs");
    LocalBlobs::open(&path).map_err(|error| NodeError::Folder { path, source: io::Error::other(error) })
}

fn open_states(folder: &DataFolder, secret: &[u8; 16]) -> Result<States, NodeError> {
    let path = folder.join("states");
    States::open(path.clone(), secret).map_err(|source| NodeError::Folder { path, source })
}

/// Waits for every part, together no longer than the bound. What is not done by then is dropped with its task.
async fn drain(mut parts: JoinSet<()>, mut engines: JoinSet<(&'static str, Result<(), EngineError>)>) {
    let all = async {
        while let Some(ended) = engines.join_next().await {
            if let Ok((engine, Err(error))) = ended {
                tracing::error!(engine, %error, "an engine did not end well");
            }
        }
        while parts.join_next().await.is_some() {}
    };
    if timeout(Duration::from_secs(DRAIN_SECONDS_MAX), all).await.is_err() {
        tracing::warn!("the node stops before everything has ended: {DRAIN_SECONDS_MAX} s have passed");
    }
}
