//! A store, blobs and nodes on a temporary folder: what a server would do, done by the test.

#![allow(dead_code, reason = "every test file uses another part")]

pub(crate) mod fixture;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use switchyard_host::{
    Compiler, Host, HostConfig,
    caching::{Budget, Unit},
};
use switchyard_node::{Node, NodeConfig, NodeError, NodeHandle, Upstream, compiled_dir};
use switchyard_store::{BlobStore, ConfigStore, EmbeddedStore, Operation, Snapshot, Transaction, keyspace};
use switchyard_sync::{Decision, DesiredWriter, Edit, Present, ServerKey};
use switchyard_tasks::Durability;
use switchyard_types::{Digest, Generation, NodeStatus, RouteDocument, SlotStatus, StrategyDocument, StrategyKind};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Nothing here takes a second; a machine that does three other things may take a while.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The bytes of one of the project's strategies.
pub(crate) fn plugin(name: &str) -> Vec<u8> {
    let folder = std::env::var_os("SWITCHYARD_PLUGINS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins"));
    let file = folder.join(format!("{name}.wasm"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}: run cargo xtask test", file.display()))
}

/// What a server holds, and the data folder of one node.
pub(crate) struct Fleet {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: EmbeddedStore,
    pub(crate) blobs: BlobStore,
    pub(crate) key: ServerKey,
    writer: DesiredWriter,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path().join("server/store.redb")).unwrap();
        let blobs = BlobStore::open(folder.path().join("server/blobs")).unwrap();
        let key = ServerKey::generate().unwrap();
        let writer = DesiredWriter::new(Arc::new(store.clone()), key.clone());
        Self { folder, store, blobs, key, writer }
    }

    pub(crate) fn upstream(&self) -> Option<Upstream> {
        Some(self.upstream_by(Arc::new(self.store.clone())))
    }

    /// The same store by another way.
    pub(crate) fn upstream_by(&self, store: Arc<dyn ConfigStore>) -> Upstream {
        let (blobs, trust) = (Arc::new(self.blobs.clone()), self.key.trust());
        Upstream { store, blobs, trust, recorder: None, servers: Vec::new(), token: None }
    }

    pub(crate) fn data(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn node_file(&self, name: &str) -> PathBuf {
        self.data().join("node").join(name)
    }

    /// Publishes a plugin of the project and declares a strategy of it.
    pub(crate) async fn declare_plugin(&mut self, strategy: &str, name: &str, spec: Value) -> Digest {
        let digest = self.blobs.put(&plugin(name)).await.unwrap();
        self.declare(strategy, digest, spec).await;
        digest
    }

    /// Declares a strategy with a digest that nobody has looked at.
    pub(crate) async fn declare(&mut self, strategy: &str, digest: Digest, spec: Value) {
        let configuration = spec.get("configuration").cloned().unwrap_or(json!({}));
        let mut full = json!({"kind": "caching", "plugin": digest});
        full.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let document = |generation: Generation| {
            let status = json!({"generation": generation, "digest": digest, "configuration": configuration});
            let document = json!({"kind": "Strategy", "name": strategy, "spec": full, "status": status});
            let document: StrategyDocument = serde_json::from_value(document).unwrap();
            serde_json::to_vec(&document).unwrap()
        };
        self.edit(keyspace::strategy(&strategy.parse().unwrap()), |next| Some(document(next))).await;
    }

    /// Declares a route.
    pub(crate) async fn declare_route(&mut self, name: &str, spec: Value) {
        let document = |generation: Generation| {
            let status = json!({"generation": generation});
            let document = json!({"kind": "Route", "name": name, "spec": spec, "status": status});
            let document: RouteDocument = serde_json::from_value(document).unwrap();
            serde_json::to_vec(&document).unwrap()
        };
        self.edit(keyspace::route(&name.parse().unwrap()), |next| Some(document(next))).await;
    }

    pub(crate) async fn delete_route(&mut self, name: &str) {
        self.edit(keyspace::route(&name.parse().unwrap()), |_| None).await;
    }

    pub(crate) async fn delete(&mut self, strategy: &str) {
        self.edit(keyspace::strategy(&strategy.parse().unwrap()), |_| None).await;
    }

    async fn edit(&self, key: String, value: impl Fn(Generation) -> Option<Vec<u8>>) {
        let decide = |present: Present<'_>| -> Result<_, std::convert::Infallible> {
            let edit = Edit { key: key.clone(), value: value(present.next).map(Into::into) };
            Ok(Decision::Write(edit, ()))
        };
        self.writer.write(decide).await.unwrap();
    }

    /// What is declared, for [`Self::restore`].
    pub(crate) async fn backup(&self) -> Snapshot {
        self.store.snapshot(keyspace::DESIRED).await.unwrap()
    }

    /// Puts a backup back, as somebody would who restores the store and tells nobody.
    pub(crate) async fn restore(&self, backup: &Snapshot) {
        let now = self.backup().await;
        let gone = now.entries.keys().filter(|key| !backup.entries.contains_key(*key));
        let put = backup.entries.iter().map(|(key, entry)| Operation::put(key, entry.value.clone()));
        let operations = put.chain(gone.map(Operation::delete)).collect();
        self.store.txn(Transaction { preconditions: Vec::new(), operations }).await.unwrap();
    }

    pub(crate) async fn raise_epoch(&self) {
        self.writer.raise_epoch::<std::convert::Infallible>().await.unwrap();
    }

    pub(crate) async fn try_start(&self, upstream: Option<Upstream>) -> Result<Running, NodeError> {
        self.try_start_at("127.0.0.1:0".parse().unwrap(), upstream).await
    }

    pub(crate) async fn try_start_at(
        &self,
        address: SocketAddr,
        upstream: Option<Upstream>,
    ) -> Result<Running, NodeError> {
        let config = NodeConfig { resp_listen: address, ..self.config() };
        self.run(config, upstream).await
    }

    /// With this said about the cache, and no upstream.
    pub(crate) async fn try_start_with(&self, cache: (Option<Budget>, Option<usize>)) -> Result<Running, NodeError> {
        let (cache_budget, cache_shards) = cache;
        self.run(NodeConfig { cache_budget, cache_shards, ..self.config() }, None).await
    }

    /// With a cache of this size.
    pub(crate) async fn start_with_cache(&self, budget: Budget, upstream: Option<Upstream>) -> Running {
        self.run(NodeConfig { cache_budget: Some(budget), ..self.config() }, upstream).await.unwrap()
    }

    fn config(&self) -> NodeConfig {
        NodeConfig {
            data_dir: self.data().to_owned(),
            labels: [("region".to_owned(), "eu".to_owned())].into(),
            resp_listen: "127.0.0.1:0".parse().unwrap(),
            faktory_listen: "127.0.0.1:0".parse().unwrap(),
            faktory_password: None,
            http_listen: "127.0.0.1:0".parse().unwrap(),
            alert_webhook: None,
            alert_webhook_internal: false,
            gateway_listen: "127.0.0.1:0".parse().unwrap(),
            durability: Durability::Process,
            cache_budget: Some(Budget { unit: Unit::Entries, capacity: 100 }),
            cache_shards: Some(2),
        }
    }

    async fn run(&self, config: NodeConfig, upstream: Option<Upstream>) -> Result<Running, NodeError> {
        let compiled_dir = Some(compiled_dir(self.data()));
        let host = Host::new(HostConfig { compiled_dir, ..HostConfig::new(Compiler::InProcess) }).unwrap();
        let node = Node::start(config, host.clone(), upstream).await?;
        let (handle, stop) = (node.handle(), CancellationToken::new());
        let task = tokio::spawn(node.run(stop.clone()));
        Ok(Running { handle, host, stop, task })
    }

    pub(crate) async fn start(&self, upstream: Option<Upstream>) -> Running {
        self.try_start(upstream).await.unwrap()
    }
}

/// A node that serves.
pub(crate) struct Running {
    pub(crate) handle: NodeHandle,
    pub(crate) host: Host,
    stop: CancellationToken,
    task: JoinHandle<Result<(), NodeError>>,
}

impl Running {
    pub(crate) async fn status(&self) -> NodeStatus {
        let handle = self.handle.clone();
        tokio::task::spawn_blocking(move || handle.status()).await.unwrap()
    }

    /// The slot of the whole cache.
    pub(crate) async fn slot(&self) -> SlotStatus {
        let status = self.status().await;
        status.slots.into_iter().find(is_whole_cache).unwrap()
    }

    /// What decides in the slot of the whole cache now.
    pub(crate) async fn active(&self) -> Digest {
        let slot = self.slot().await;
        let Some(active) = &slot.active else { panic!("nothing is active: {slot:#?}") };
        active.digest
    }

    /// Waits until the slot of the whole cache is as it should be, and returns it.
    pub(crate) async fn slot_until(&self, what: &str, condition: impl Fn(&SlotStatus) -> bool) -> SlotStatus {
        self.until(what, |status| status.slots.iter().any(|slot| is_whole_cache(slot) && condition(slot))).await;
        self.slot().await
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let status = self.status().await;
            if condition(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{what} did not happen: {status:#?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until this plugin decides and is remembered as healthy.
    pub(crate) async fn until_healthy(&self, digest: Digest) -> SlotStatus {
        self.slot_until("the strategy becomes healthy", |slot| {
            slot.active.as_ref().is_some_and(|active| active.digest == digest) && slot.last_healthy == slot.active
        })
        .await
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// A node has slots of other kinds too.
fn is_whole_cache(slot: &SlotStatus) -> bool {
    slot.slot.kind == StrategyKind::Caching && slot.slot.target.is_empty()
}

pub(crate) fn whole_cache(status: &NodeStatus) -> &SlotStatus {
    status.slots.iter().find(|slot| is_whole_cache(slot)).unwrap()
}

/// Waits until the store holds a status that is as it should be.
pub(crate) async fn reported(fleet: &Fleet, node: &Running, what: &str, condition: impl Fn(&NodeStatus) -> bool) {
    let key = keyspace::status(node.handle.id());
    let deadline = Instant::now() + DEADLINE;
    loop {
        let found = fleet.store.get(&key).await.unwrap();
        let status = found.map(|found| serde_json::from_slice::<NodeStatus>(&found.value).unwrap());
        if status.as_ref().is_some_and(&condition) {
            return;
        }
        assert!(Instant::now() < deadline, "{what} was not reported: {status:#?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
