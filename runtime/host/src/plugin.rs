use std::sync::{Arc, OnceLock};

use serde_json::Value;
use switchyard_types::{Digest, Limits, PluginManifest, Stage, StrategyKind};
use wasmtime::component::Component;

use crate::{
    CallError, Host, HostError, Progress, Strategy,
    bindings::EveryPluginIndices,
    contract,
    description::manifest,
    engine::Class,
    instance::{Instance, Template},
    kinds,
    pool::Pool,
};

/// A plugin that is compiled, linked and described. Cheap to clone; shared by digest.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<PluginInner>);

pub(crate) struct PluginInner {
    pub(crate) manifest: PluginManifest,
    /// Of the smallest class that the component fits into.
    template: Template,
    /// Of the large class, where that is another; made when a strategy first wants so much memory.
    large: OnceLock<Template>,
    host: Host,
}

impl PluginInner {
    /// What instances with these limits are made from.
    pub(crate) fn template(&self, limits: Limits) -> Result<&Template, HostError> {
        if self.template.places.class == Class::Large || Class::for_memory(limits.memory_bytes) == Class::Native {
            return Ok(&self.template);
        }
        if let Some(large) = self.large.get() {
            return Ok(large);
        }
        let pool = self.host.pool(Class::Large);
        let failed = |error: wasmtime::Error| HostError::Machine(format!("a plugin cannot be copied: {error:#}"));
        let compiled = self.template.pre.component().serialize().map_err(failed)?;
        let template = template(&self.host, pool, Arc::clone(&self.template.name), &pool.deserialize(&compiled)?)?;
        Ok(self.large.get_or_init(|| template))
    }
}

fn template(host: &Host, pool: &Pool, name: Arc<str>, component: &Component) -> Result<Template, HostError> {
    let incompatible = |error: wasmtime::Error| HostError::Incompatible(format!("{error:#}"));
    let pre = pool.linker.instantiate_pre(component).map_err(incompatible)?;
    let lifecycle = Arc::new(EveryPluginIndices::new(&pre).map_err(incompatible)?);
    let (counters, places) = (Arc::clone(host.counters()), Arc::clone(&pool.places));
    Ok(Template { name, pre, lifecycle, counters, places, ticker: host.ticker().clone() })
}

impl Plugin {
    /// Links a component and asks it what it is.
    pub(crate) fn link(
        host: &Host,
        digest: Digest,
        size_bytes: u64,
        (component, class): (&Component, Class),
        progress: &Progress,
    ) -> Result<Self, HostError> {
        progress.enter(Stage::Link);
        let pool = host.pool(class);
        let exported = contract::check(&pool.engine, component)?;
        let mut template = template(host, pool, digest.short().into(), component)?;
        progress.enter(Stage::Describe);
        let mut instance = Instance::new(&template, template.limits(), |_, _| Ok(())).map_err(at_describe)?;
        exported.iter().try_for_each(|kind| check_types(&template, *kind))?;
        let description = instance.describe().map_err(|source| HostError::Call { stage: Stage::Describe, source })?;
        let manifest = manifest(description, digest, size_bytes, &exported)?;
        template.name = manifest.name.as_str().into();
        Ok(Self(Arc::new(PluginInner { manifest, template, large: OnceLock::new(), host: host.clone() })))
    }

    /// What the plugin says of itself.
    pub fn manifest(&self) -> &PluginManifest {
        &self.0.manifest
    }

    /// The identity of its bytes.
    pub fn digest(&self) -> Digest {
        self.0.manifest.digest
    }

    /// Configures a throw-away instance and puts another through the self-test: what comes back can be activated.
    pub fn strategy(&self, configuration: &Value, limits: Limits) -> Result<Strategy, HostError> {
        self.strategy_watched(configuration, limits, &Progress::default())
    }

    /// The same, for somebody who wants to know how far it is.
    pub fn strategy_watched(
        &self,
        configuration: &Value,
        limits: Limits,
        progress: &Progress,
    ) -> Result<Strategy, HostError> {
        Strategy::prove(self, configuration, limits, progress)
    }
}

/// Binds the functions of a kind once, so that a wrong signature is refused here and not in a slot.
fn check_types(template: &Template, kind: StrategyKind) -> Result<(), HostError> {
    kinds::bind(kind, template).map_err(|error| match error {
        HostError::Call { source: CallError::InvalidResult(reason), .. } => HostError::Incompatible(format!(
            "a function of {} does not have the contract's type: {reason}; rebuild the plugin with the SDK of this \
             release",
            contract::interface(kind)
        )),
        other => at_describe(other),
    })
}

/// A plugin that fails in its start code fails at the first stage that runs code.
fn at_describe(error: HostError) -> HostError {
    match error {
        HostError::Call { source, .. } => HostError::Call { stage: Stage::Describe, source },
        other => other,
    }
}
