//! A running `switchyard dev`, with what one does to it again and again: publish, declare, wait until it decides.

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use switchyard_types::{Digest, Generation, NodeStatus, SlotStatus, StrategyKind};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    admin::{Admin, caching_strategy, strategy},
    paths,
    process::{ANY_PORTS, Process, Ready},
    resp::{Reply, RespClient},
};

/// The strategy that is declared, and replaced again and again.
pub const STRATEGY: &str = "demo";

/// Staging compiles, self-tests and adopts on a machine that is fully loaded.
const FLIP_DEADLINE: Duration = Duration::from_secs(60);
/// How exactly the moment of a flip is known.
const INFO_POLL: Duration = Duration::from_millis(1);
/// How often the node's report is looked at.
const STATUS_POLL: Duration = Duration::from_millis(20);

/// The process, its API and its cache.
#[derive(Debug)]
pub struct Dev {
    process: Process,
    admin: Admin,
    address: SocketAddr,
    folder: TempDir,
    arguments: Vec<OsString>,
}

/// A plugin as the server keeps it.
#[derive(Debug, Clone)]
pub struct Published {
    /// Its own name.
    pub name: String,
    /// `name@version`.
    pub reference: String,
    /// Of its bytes.
    pub digest: Digest,
    /// The file.
    pub component: PathBuf,
}

impl Dev {
    /// Starts one in a scratch folder, with a cache of this budget, on free ports.
    pub fn start(cache_budget: &str, cache_shards: usize) -> Result<Self> {
        Self::start_with(cache_budget, cache_shards, &[])
    }

    /// The same with more arguments.
    pub fn start_with(cache_budget: &str, cache_shards: usize, more: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("switchyard-e2e-").tempdir()?;
        let (data, shards) = (folder.path().join("data").into_os_string(), cache_shards.to_string());
        let ports = ["--listen", "127.0.0.1:0"].into_iter().chain(ANY_PORTS);
        let mut arguments: Vec<OsString> = vec!["dev".into(), "--data".into(), data];
        arguments.extend(ports.map(Into::into));
        arguments.extend(["--cache-budget", cache_budget, "--cache-shards", &shards].map(Into::into));
        arguments.extend(more.iter().map(Into::into));
        Self::start_in(folder, arguments)
    }

    fn start_in(folder: TempDir, arguments: Vec<OsString>) -> Result<Self> {
        let process = Process::start(folder.path(), &arguments)?;
        let admin = Admin::from_context(process.context())?;
        let address = process.ready().resp.parse().context("the RESP address")?;
        Ok(Self { process, admin, address, folder, arguments })
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its API, with the token of its context file.
    pub fn admin(&self) -> &Admin {
        &self.admin
    }

    /// Its RESP port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Its scratch folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Publishes a plugin of this checkout.
    pub async fn publish(&self, name: &str) -> Result<Published> {
        let component = paths::plugin(name)?;
        let manifest = self.admin.push(std::fs::read(&component)?).await?.accepted()?;
        Ok(Published {
            name: name.to_owned(),
            reference: format!("{}@{}", manifest.name, manifest.version),
            digest: manifest.digest,
            component,
        })
    }

    /// Declares that this plugin decides. It does so later, by itself.
    pub async fn declare(&self, plugin: &Published, configuration: Option<Value>) -> Result<Generation> {
        self.apply(&caching_strategy(STRATEGY, &plugin.reference, configuration)).await
    }

    /// Declares a strategy, and gives the generation that it first belongs to.
    async fn apply(&self, document: &Value) -> Result<Generation> {
        let declared = self.admin.apply(document).await?.accepted()?;
        Ok(declared.status.context("the server says nothing of what it has accepted")?.generation)
    }

    /// Waits until the cache itself says that this plugin decides: its node reports that only some time later.
    pub async fn flipped(&self, plugin: &Published) -> Result<()> {
        let mut client = RespClient::connect(self.address)?;
        let digest = plugin.digest.short();
        let end = Instant::now() + FLIP_DEADLINE;
        loop {
            match client.call(&[b"INFO", b"switchyard"])? {
                Reply::Bulk(Some(info)) if String::from_utf8_lossy(&info).contains(&digest) => return Ok(()),
                Reply::Bulk(_) if Instant::now() < end => sleep(INFO_POLL).await,
                Reply::Bulk(_) => bail!("{} does not become active: {}", plugin.reference, self.why().await),
                reply => bail!("INFO switchyard: {reply:?}"),
            }
        }
    }

    /// Waits until the node's report satisfies `condition`, and gives its caching slot.
    pub async fn reported(
        &self,
        what: &str,
        condition: impl Fn(&SlotStatus, &NodeStatus) -> bool,
    ) -> Result<SlotStatus> {
        self.slot_reported(StrategyKind::Caching, what, condition).await
    }

    /// The same for the slot of another kind.
    pub async fn slot_reported(
        &self,
        kind: StrategyKind,
        what: &str,
        condition: impl Fn(&SlotStatus, &NodeStatus) -> bool,
    ) -> Result<SlotStatus> {
        let slot = |status: &NodeStatus| status.slots.iter().find(|slot| slot.slot.kind == kind).cloned();
        let satisfied = |status: &NodeStatus| slot(status).is_some_and(|slot| condition(&slot, status));
        let status = self.until(what, satisfied).await?;
        slot(&status).with_context(|| format!("the node has no slot of the kind {kind}"))
    }

    /// Waits until the node's report satisfies `condition`, and gives it.
    pub async fn until(&self, what: &str, condition: impl Fn(&NodeStatus) -> bool) -> Result<NodeStatus> {
        let end = Instant::now() + FLIP_DEADLINE;
        loop {
            if let Some(status) = self.status().await?
                && condition(&status)
            {
                return Ok(status);
            }
            if Instant::now() >= end {
                bail!("{what}: the node does not report it: {}", self.why().await);
            }
            sleep(STATUS_POLL).await;
        }
    }

    /// Waits until the node reports that this plugin decides.
    pub async fn active(&self, plugin: &Published) -> Result<SlotStatus> {
        self.reported(&plugin.reference, |slot, _| is_active(slot, plugin.digest)).await
    }

    /// Declares it and waits until it decides and the node says so.
    pub async fn activate(&self, plugin: &Published) -> Result<SlotStatus> {
        let generation = self.declare(plugin, None).await?;
        self.flipped(plugin).await?;
        self.reported(&plugin.reference, |slot, _| is_active_since(slot, plugin.digest, generation)).await
    }

    /// Declares that this plugin decides for the slots of a kind, and waits until the node says that it does.
    pub async fn activate_for(&self, kind: StrategyKind, plugin: &Published) -> Result<SlotStatus> {
        let document = strategy(kind.as_str(), kind.as_str(), &plugin.reference, None);
        let generation = self.apply(&document).await?;
        self.slot_reported(kind, &plugin.reference, |slot, _| is_active_since(slot, plugin.digest, generation)).await
    }

    /// What the node last reported.
    pub async fn status(&self) -> Result<Option<NodeStatus>> {
        self.admin.node(&self.process.ready().node).await
    }

    /// Ends it in order.
    pub fn end(self) -> Result<()> {
        let status = self.process.terminate()?;
        if !status.success() {
            bail!("switchyard ended with {status}");
        }
        Ok(())
    }

    /// Ends it by SIGKILL; its data folder lives as long as what is returned.
    pub fn kill(self) -> Result<TempDir> {
        self.process.kill()?;
        Ok(self.folder)
    }

    /// Ends it by SIGKILL, has somebody look at what it has left, and starts it anew on the same data.
    pub fn killed(self, look: impl FnOnce()) -> Result<Self> {
        self.process.kill()?;
        look();
        Self::start_in(self.folder, self.arguments)
    }

    /// Leaves it running, and its folder in place.
    pub fn keep(self) -> Result<(u32, Ready, PathBuf)> {
        Ok((self.process.id()?, self.process.release(), self.folder.keep()))
    }

    async fn why(&self) -> String {
        match self.status().await {
            Ok(Some(status)) => {
                let failures: Vec<_> = status.slots.iter().filter_map(|slot| slot.last_failure.as_ref()).collect();
                failures.first().map_or("its node reports no failure".to_owned(), |last| last.failure.to_string())
            }
            Ok(None) => "its node has not reported".to_owned(),
            Err(error) => format!("{error:#}"),
        }
    }
}

/// An older report may say the same of an earlier time.
fn is_active_since(slot: &SlotStatus, digest: Digest, generation: Generation) -> bool {
    slot.active.as_ref().is_some_and(|active| active.digest == digest && active.generation == generation)
}

fn is_active(slot: &SlotStatus, digest: Digest) -> bool {
    slot.active.as_ref().is_some_and(|active| active.digest == digest)
}
