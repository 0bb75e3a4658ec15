use std::{
    collections::HashMap,
    sync::{Arc, Weak, atomic::Ordering::Relaxed},
};

use parking_lot::Mutex;
use switchyard_types::{Digest, Stage, StrategyKind};
use wasmtime::component::Component;

use crate::{
    HostConfig, HostError, HostGauges, Plugin, Progress, RejectedStates,
    compile::{CompiledCache, compile},
    contract,
    engine::{self, Class},
    gauges::Counters,
    plugin::PluginInner,
    policy::PolicyThreads,
    pool::Pool,
    ticker::Ticker,
};

/// A handle on the host: cheap to clone, every method blocks. It is called from threads of its own or through
/// `spawn_blocking`, never from a task.
#[derive(Clone)]
pub struct Host(Arc<Shared>);

struct Shared {
    config: HostConfig,
    native: Pool,
    large: Pool,
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
        engine::check_sizes(config.instances_max, config.large_instances_max)?;
        let native = Pool::new(Class::Native, config.instances_max)?;
        let large = Pool::new(Class::Large, config.large_instances_max)?;
        let compiled =
            config.compiled_dir.as_deref().map(|dir| CompiledCache::open(dir, &native.engine)).transpose()?;
        Ok(Self(Arc::new(Shared {
            ticker: Ticker::start(&[&native.engine, &large.engine])?,
            compiled,
            rejected: RejectedStates::default(),
            counters: Arc::default(),
            policy: PolicyThreads::start()?,
            plugins: Mutex::default(),
            native,
            large,
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
        let (component, class) = self.component(digest, bytes)?;
        let plugin = Plugin::link(self, digest, bytes.len() as u64, (&component, class), progress)?;
        let mut plugins = self.0.plugins.lock();
        plugins.retain(|_, plugin| plugin.strong_count() > 0);
        plugins.insert(digest, Arc::downgrade(&plugin.0));
        Ok(plugin)
    }

    pub(crate) fn component(&self, digest: Digest, bytes: &[u8]) -> Result<(Component, Class), HostError> {
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
        compile(&self.0.config.compiler, &self.0.native.engine, bytes)
    }

    /// In the smallest class that it fits into. What our own compiler has made can only fail the limits of a pool, which the
    /// worker does not have.
    fn deserialize(&self, compiled: &[u8]) -> Result<(Component, Class), HostError> {
        let native = self.0.native.deserialize(compiled).map(|component| (component, Class::Native));
        native.or_else(|_| Ok((self.0.large.deserialize(compiled)?, Class::Large)))
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

    /// Where instances of a class come from.
    pub(crate) fn pool(&self, class: Class) -> &Pool {
        match class {
            Class::Native => &self.0.native,
            Class::Large => &self.0.large,
        }
    }

    pub(crate) fn ticker(&self) -> &Ticker {
        &self.0.ticker
    }

    pub(crate) fn counters(&self) -> &Arc<Counters> {
        &self.0.counters
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
