use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use switchyard_host::caching::{Budget, Unit};
use switchyard_tasks::Durability;

/// What a cache may hold of which nobody ever said it: little enough for any machine that runs one.
pub(crate) const CACHE_BUDGET: Budget = Budget { unit: Unit::Bytes, capacity: 256 << 20 };

/// What a node needs to be told. Everything else it is told by the store.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The data folder. The node keeps to `node/` in it: `identity.json`, `trust.json`, `cache.json`, `received.json`, `healthy.json`,
    /// `rejected-states.json`, `reports.json`, `states/`, `blobs/`, `compiled/` and `lock`.
    pub data_dir: PathBuf,
    /// What strategies select nodes by.
    pub labels: BTreeMap<String, String>,
    /// Where the cache is spoken to in the Redis protocol. Port 0: any free port.
    pub resp_listen: SocketAddr,
    /// Where tasks are pushed and worked off in the Faktory work protocol. Port 0: any free port.
    pub faktory_listen: SocketAddr,
    /// What clients of the tasks must know, and whoever changes tasks over HTTP; none: everybody may.
    pub faktory_password: Option<Secret>,
    /// Where the node answers HTTP: metrics in and out, tasks, alerts, scores. Port 0: any free port.
    pub http_listen: SocketAddr,
    /// Where changes of alerts are posted, besides the log: an `http` address.
    pub alert_webhook: Option<String>,
    /// Whether that may lie on this machine or in a private network.
    pub alert_webhook_internal: bool,
    /// Where HTTP requests come in that go to the backends of routes. Port 0: any free port.
    pub gateway_listen: SocketAddr,
    /// What an acknowledged task survives.
    pub durability: Durability,
    /// What the cache may hold; none: what was given last for this data folder, else 256 MiB.
    pub cache_budget: Option<Budget>,
    /// Into how many shards the cache is split; none: what was given last for this data folder, else as many as the
    /// machine has processors.
    pub cache_shards: Option<usize>,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Where the host of the node with this data folder keeps compiled plugins. They are the node's way to start within
/// milliseconds, and may be deleted at any time.
pub fn compiled_dir(data_dir: &Path) -> PathBuf {
    node_dir(data_dir).join("compiled")
}

/// The node's part of a data folder.
pub(crate) fn node_dir(data_dir: &Path) -> PathBuf {
    data_dir.join("node")
}
