use std::sync::Arc;

use serde_json::Value;
use switchyard_types::{Digest, Limits, PluginManifest, Stage, StrategyKind};
use wasmtime::component::Component;

use crate::{
    CallError, Host, HostError, Progress, Strategy,
    bindings::EveryPluginIndices,
    contract,
    description::manifest,
    instance::{Instance, Template},
    kinds,
};

/// A plugin that is compiled, linked and described. Cheap to clone; shared by digest.
#[derive(Clone)]
pub struct Plugin(pub(crate) Arc<PluginInner>);

pub(crate) struct PluginInner {
    pub(crate) manifest: PluginManifest,
    pub(crate) template: Template,
}

impl Plugin {
    /// Links a component and asks it what it is.
    pub(crate) fn link(
        host: &Host,
        digest: Digest,
        size_bytes: u64,
        component: &Component,
        progress: &Progress,
    ) -> Result<Self, HostError> {
        progress.enter(Stage::Link);
        let exported = contract::check(host.engine(), component)?;
        let incompatible = |error: wasmtime::Error| HostError::Incompatible(format!("{error:#}"));
        let pre = host.linker().instantiate_pre(component).map_err(incompatible)?;
        let lifecycle = Arc::new(EveryPluginIndices::new(&pre).map_err(incompatible)?);
        let mut template = Template {
            name: digest.short().into(),
            pre,
            lifecycle,
            counters: Arc::clone(host.counters()),
            instances_max: host.instances_max(),
            ticker: host.ticker().clone(),
        };
        progress.enter(Stage::Describe);
        let mut instance = Instance::new(&template, Limits::DEFAULT, |_, _| Ok(())).map_err(at_describe)?;
        exported.iter().try_for_each(|kind| check_types(&template, *kind))?;
        let description = instance.describe().map_err(|source| HostError::Call { stage: Stage::Describe, source })?;
        let manifest = manifest(description, digest, size_bytes, &exported)?;
        template.name = manifest.name.as_str().into();
        Ok(Self(Arc::new(PluginInner { manifest, template })))
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
