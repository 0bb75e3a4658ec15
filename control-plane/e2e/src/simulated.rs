//! Many nodes in one process: the agent as it is in every node (it follows, verifies, plans, remembers and reports), without
//! engines. What it would give to its gateway is noted with the time instead.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::{Context, Result};
use switchyard_host::Host;
use switchyard_node::{Durability, Node, NodeConfig, NodeHandle, Upstream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Nodes that run until the value is dropped.
pub struct Simulated {
    handles: Vec<NodeHandle>,
    seen: Arc<Seen>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

/// When each node had which version of the route.
struct Seen {
    began: Instant,
    /// By node: the version in the upper half, when it came in the lower, in microseconds since the beginning.
    nodes: Vec<AtomicU64>,
}

/// What tells versions of the route apart: its only backend's port.
pub const PORT_FIRST: u16 = 10_000;

impl Simulated {
    /// Starts so many, each with what `upstream` gives it, and folders under `data`.
    pub async fn start(
        count: usize,
        data: &Path,
        host: &Host,
        upstream: impl Fn(usize) -> Result<Upstream>,
    ) -> Result<Self> {
        let nodes = (0..count).map(|_| AtomicU64::new(0)).collect();
        let seen = Arc::new(Seen { began: Instant::now(), nodes });
        let (stop, mut running, mut handles) = (CancellationToken::new(), JoinSet::new(), Vec::new());
        for number in 0..count {
            let told = Arc::clone(&seen);
            let routes = move |routes: &[switchyard_types::route::DeclaredRoute]| {
                let version = routes.first().and_then(|route| route.spec.backends.first());
                let port = version.and_then(|backend| backend.address.rsplit_once(':')?.1.parse::<u16>().ok());
                if let Some(port) = port {
                    told.note(number, port);
                }
            };
            let config = config(data, number);
            let node = Node::without_engines(config, host.clone(), upstream(number)?, routes).await?;
            handles.push(node.handle());
            let stop = stop.clone();
            running.spawn(async move {
                let _ = node.run(stop).await;
            });
        }
        Ok(Self { handles, seen, stop, running })
    }

    /// How many of them have this version, and when each got it, in microseconds on the clock of [`Self::now_us`].
    pub fn arrivals_us(&self, port: u16) -> Vec<u64> {
        let of = |seen: &AtomicU64| {
            let seen = seen.load(Ordering::Acquire);
            (seen >> 48 == u64::from(port)).then_some(seen & ((1 << 48) - 1))
        };
        self.seen.nodes.iter().filter_map(of).collect()
    }

    /// Microseconds since the nodes were started.
    pub fn now_us(&self) -> u64 {
        self.seen.now_us()
    }

    /// To look at them.
    pub fn handles(&self) -> &[NodeHandle] {
        &self.handles
    }

    /// Stops all of them.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.running.join_next().await.is_some() {}
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Seen {
    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn note(&self, node: usize, port: u16) {
        let value = u64::from(port) << 48 | self.now_us();
        if let Some(seen) = self.nodes.get(node) {
            seen.store(value, Ordering::Release);
        }
    }
}

fn config(data: &Path, number: usize) -> NodeConfig {
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    NodeConfig {
        data_dir: data.join(number.to_string()),
        labels: Default::default(),
        resp_listen: nowhere,
        faktory_listen: nowhere,
        faktory_password: None,
        http_listen: nowhere,
        alert_webhook: None,
        alert_webhook_internal: false,
        gateway_listen: nowhere,
        durability: Durability::Process,
        cache_budget: None,
        cache_shards: None,
    }
}

/// A folder in memory: a thousand nodes on one disk would wait for each other's writes, as nodes on a thousand machines do not.
pub fn data_folder() -> Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("switchyard-nodes-").tempdir_in(parent).context("no folder for the nodes")
}

/// The document of the route whose versions the nodes tell apart.
pub fn route(port: u16) -> serde_json::Value {
    serde_json::json!({
        "kind": "Route", "name": "measured",
        "spec": {"backends": [{"name": "one", "address": format!("127.0.0.1:{port}")}]},
    })
}
