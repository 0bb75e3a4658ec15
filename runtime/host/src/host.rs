use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;
use switchyard_types::{Digest, Stage, StrategyKind};
use wasmtime::{
    Engine,
    component::{Component, Linker},
};

use crate::{
    HostConfig, HostError, HostGauges, Plugin, Progress, RejectedStates,
    compile::{CompiledCache, compile},
    contract, engine,
    gauges::Counters,
    guest_state::GuestState,
    plugin::PluginInner,
    policy::PolicyThreads,
    ticker::Ticker,
};

/// A handle on the host: cheap to clone, every method blocks. It is called from threads of its own or through
/// `spawn_blocking`, never from a task.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    config: HostConfig,
    engine: Engine,
    linker: Linker<GuestState>,
    ticker: Ticker,
    compiled: Option<CompiledCache>,
    rejected: RejectedStates,
    counters: Arc<Counters>,
    policy: PolicyThreads,
    /// Loaded plugins by digest: one digest is compiled and linked once, however many strategies use it.
    plugins: Mutex<HashMap<Digest, Weak<PluginInner>>>,
}

impl Host {
    /// Sets up the engine, the ticker and the policy threads.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let engine = engine::running(config.instances_max)?;
        let compiled = config.compiled_dir.as_deref().map(|dir| CompiledCache::open(dir, &engine)).transpose()?;
        Ok(Self(Arc::new(Shared {
            linker: contract::linker(&engine)?,
            ticker: Ticker::start(&engine)?,
            compiled,
            rejected: RejectedStates::default(),
            counters: Arc::default(),
            policy: PolicyThreads::start()?,
            plugins: Mutex::default(),
            engine,
            config,
        })))
    }

    /// Brings a plugin to life: compile (or load what was compiled before), link, describe. The same bytes give the same
    /// plugin for as long as anybody holds it.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, HostError> {
        self.load_watched(bytes, &Progress::default())
    }

    /// The same, for somebody who wants to know how far it is.
    pub fn load_watched(&self, bytes: &[u8], progress: &Progress) -> Result<Plugin, HostError> {
        progress.enter(Stage::Compile);
        let digest = Digest::of(bytes);
        let known = self.0.plugins.lock().get(&digest).and_then(Weak::upgrade);
        if let Some(plugin) = known {
            return Ok(Plugin(plugin));
        }
        let component = self.component(digest, bytes)?;
        let plugin = Plugin::link(self, digest, bytes.len() as u64, &component, progress)?;
        let mut plugins = self.0.plugins.lock();
        plugins.retain(|_, plugin| plugin.strong_count() > 0);
        plugins.insert(digest, Arc::downgrade(&plugin.0));
        Ok(plugin)
    }

    pub(crate) fn component(&self, digest: Digest, bytes: &[u8]) -> Result<Component, HostError> {
        let shared = &self.0;
        if let Some(component) = shared
            .compiled
            .as_ref()
            .and_then(|cache| cache.get(digest))
            .and_then(|compiled| self.deserialize(&compiled).ok())
        {
            return Ok(component);
        }
        let compiled = self.compile(bytes)?;
        // What our own compiler has just made can only fail the pool's limits, which the worker does not have.
        let component = self.deserialize(&compiled).map_err(|error| HostError::Incompatible(error.to_string()))?;
        if let Some(cache) = &shared.compiled {
            cache.put(digest, &compiled, &self.loaded());
        }
        Ok(component)
    }

    /// What is in memory.
    fn loaded(&self) -> Vec<Digest> {
        let plugins = self.0.plugins.lock();
        plugins.iter().filter(|(_, plugin)| plugin.strong_count() > 0).map(|(digest, _)| *digest).collect()
    }

    pub(crate) fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, HostError> {
        compile(&self.0.config.compiler, &self.0.engine, bytes)
    }

    /// # Safety of the inner call
    ///
    /// The bytes come from our own compiler: directly, or from the cache, which has checked a MAC made with a key that
    /// only this host's folder holds, over this very buffer.
    #[allow(unsafe_code, reason = "the one door for machine code; see the safety section")]
    fn deserialize(&self, compiled: &[u8]) -> Result<Component, HostError> {
        unsafe { Component::deserialize(&self.0.engine, compiled) }
            .map_err(|error| HostError::Machine(format!("the compiled form cannot be loaded: {error:#}")))
    }

    /// What the host holds now.
    pub fn gauges(&self) -> HostGauges {
        let counters = &self.0.counters;
        HostGauges {
            live_generations: counters.generations.load(Relaxed),
            live_instances: counters.instances.load(Relaxed),
            live_bytes: counters.bytes.load(Relaxed),
            compiled_plugins: self.loaded().len() as u64,
        }
    }

    /// States that no slot of this host imports again. Whoever starts the host after another says what that one knew.
    pub fn rejected_states(&self) -> &RejectedStates {
        &self.0.rejected
    }

    /// The contracts that plugins of this host may be built for.
    pub fn contracts() -> Vec<String> {
        contract::packages(&StrategyKind::ALL)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(crate) fn linker(&self) -> &Linker<GuestState> {
        &self.0.linker
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.0.ticker
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
    }

    pub(crate) fn instances_max(&self) -> u32 {
        self.0.config.instances_max
    }

    pub(crate) fn policy(&self) -> &PolicyThreads {
        &self.0.policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiler, support};

    #[test]
    fn what_is_loaded_stays_compiled() {
        let dir = tempfile::tempdir().expect("a folder");
        let config = HostConfig::new(Compiler::InProcess).with_compiled_dir(dir.path().to_owned());
        let mut host = Host::new(config).expect("a host");
        let shared = Arc::get_mut(&mut host.0).expect("nobody else has it yet");
        shared.compiled.as_mut().expect("a folder is configured").keep_at_most(1);
        let old = support::plugin(&host, "honest");
        drop(support::plugin(&host, "log-flood"));
        let new = support::plugin(&host, "other");
        let there = |plugin: &Plugin| {
            let names =
                std::fs::read_dir(dir.path()).expect("the folder").map(|entry| entry.expect("a file").file_name());
            names.into_iter().any(|name| name.to_string_lossy().starts_with(&plugin.digest().hex()))
        };
        assert!(there(&old) && there(&new), "both are in memory");
        assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 3, "these two and the key");
    }
}
