use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use switchyard_host::{Host, StrategySlot};
use switchyard_plan::NodeView;
use switchyard_store::SnapshotWatch;
use switchyard_sync::TrustKey;
use switchyard_types::{Figure, NodeId, NodeStatus, SlotId, route::DeclaredRoute};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    NodeConfig, NodeError, Upstream,
    agent::Agent,
    causes::with_causes,
    checkpoint::Checkpoints,
    config::node_dir,
    engines::{self, Engine, EngineError, Figures, Ground, Run, SetRoutes, Taken},
    files,
    folder::{DataFolder, Identity, LocalBlobs, Records, States, Trust},
    reconcile::{Boot, Reconciler, Stager, boot},
    report::{Outbox, Reporter, Reporting, Sender, StatusSource},
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
    upstream: Option<(Follower, Reporter, Reporting)>,
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
        let home = Home::open(&config)?;
        let (folder, secret) = (&home.folder, home.identity.secret);
        let contact = Arc::clone(&home.contact);
        let figures: Figures = Arc::new(move || contact_figures(&contact));
        let clients_max = files::clients_max();
        let ground = Ground { config: &config, host: &host, folder, secret, clients_max, figures };
        let (engines, set_routes) = engines::start(&ground).await?;
        Self::assemble(config, host, upstream, home, engines, set_routes).await
    }

    /// A node that follows, remembers and reports as any other, and has no engines: what it would give to its gateway goes to
    /// `routes`. To see what a fleet of a thousand costs, and how fast it is told.
    pub async fn without_engines(
        config: NodeConfig,
        host: Host,
        upstream: Upstream,
        routes: impl Fn(&[DeclaredRoute]) + Send + Sync + 'static,
    ) -> Result<Self, NodeError> {
        let home = Home::open(&config)?;
        let set_routes: SetRoutes = Arc::new(move |declared| {
            routes(&declared);
            Ok(Taken { routes: declared, refused: BTreeMap::new() })
        });
        Self::assemble(config, host, Some(upstream), home, Vec::new(), set_routes).await
    }

    async fn assemble(
        config: NodeConfig,
        host: Host,
        upstream: Option<Upstream>,
        Home { folder, identity, blobs, contact }: Home,
        engines: Vec<Engine>,
        set_routes: SetRoutes,
    ) -> Result<Self, NodeError> {
        let Identity { node, secret } = identity;
        let labels = config.labels;
        if let Some(upstream) = &upstream {
            Trust::pin(&folder, upstream.trust)?;
        }
        let Assembled { slots, listeners, mut figures, engines } = assemble(engines);
        let own = Arc::clone(&contact);
        figures.push(Arc::new(move || contact_figures(&own)));
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
        let remembered = remembered(&folder, &node, &labels)?;
        let seen = remembered.seen;
        // Before anybody is served: the first request meets the strategy that last ran well.
        reconciler.boot(remembered).await;
        let addresses = listeners.iter().map(|(name, address)| ((*name).to_owned(), address.to_string())).collect();
        let source =
            Arc::new(StatusSource { node, labels: labels.clone(), listeners: addresses, host, figures, shared });
        let (plans, newest) = watch::channel(None);
        let reporting = upstream.as_ref().map(|upstream| report(upstream, &source, &folder)).transpose()?;
        let upstream = upstream.zip(reporting).map(|(upstream, reporting)| {
            let (desired, trust) = (upstream.desired(), upstream.trust);
            // The first and only time.
            let _ = contact.set(desired.clone());
            let node = source.node.clone();
            let shared = Arc::clone(&source.shared);
            let reporter =
                Reporter { store: upstream.store, shared: Arc::clone(&source.shared), seen: reporting.seen() };
            (Follower { desired, trust, node, labels, seen, plans, shared }, reporter, reporting)
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
        if let Some((follower, reporter, reporting)) = self.upstream {
            parts.spawn(follower.run(stop.clone()));
            parts.spawn(reporter.run(stop.clone()));
            parts.spawn(reporting.run(stop.clone()));
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

/// What a node has on disk of its own.
struct Home {
    folder: Arc<DataFolder>,
    identity: Identity,
    blobs: LocalBlobs,
    /// Where the node is told what to run; not before it follows somebody.
    contact: Arc<Contact>,
}

type Contact = OnceLock<SnapshotWatch>;

/// How old what the node follows may be.
fn contact_figures(contact: &Contact) -> Vec<Figure> {
    let text = "For how long the store has said nothing: what the node follows may be as old as that";
    let figure = |watch: &SnapshotWatch| Figure::gauge("config.staleness", "s", text, watch.staleness().as_secs_f64());
    contact.get().map(figure).into_iter().collect()
}

impl Home {
    fn open(config: &NodeConfig) -> Result<Self, NodeError> {
        let folder = Arc::new(DataFolder::open(&node_dir(&config.data_dir))?);
        let identity = Identity::load(&folder)?;
        let blobs = open_blobs(&folder)?;
        Ok(Self { folder, identity, blobs, contact: Arc::default() })
    }
}

/// What the node tries first. What it was told counts if a server has sealed it whom the node trusts, whoever has had the disk
/// meanwhile.
fn remembered(folder: &DataFolder, node: &NodeId, labels: &BTreeMap<String, String>) -> Result<Boot, NodeError> {
    let Records { received, healthy } = folder.records();
    let trust = Trust::pinned(folder)?;
    let view = NodeView { id: node, labels };
    let planned = received.zip(trust).map(|(received, trust)| received.plan(&trust, &view)).transpose();
    let received = planned.unwrap_or_else(|error| {
        tracing::error!(%error, "what the node was told last is passed over");
        None
    });
    Ok(boot(received, healthy))
}

/// The key of the servers that the node with this data folder follows; none: it has never joined.
pub fn pinned_trust(config: &NodeConfig) -> Result<Option<TrustKey>, NodeError> {
    Trust::pinned(&DataFolder::open(&node_dir(&config.data_dir))?)
}

/// What notices what happens, and tells the servers.
fn report(upstream: &Upstream, source: &Arc<StatusSource>, folder: &Arc<DataFolder>) -> Result<Reporting, NodeError> {
    let outbox = Arc::new(Outbox::open(Arc::clone(folder), source.node.clone()));
    let sender = Sender::new(&upstream.servers, upstream.token.clone(), Arc::clone(&outbox));
    let sender = sender.map_err(|error| NodeError::Reports { reason: with_causes(&error) })?;
    Ok(Reporting::new(Arc::clone(source), outbox, sender))
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
