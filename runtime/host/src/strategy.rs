use std::{fmt, sync::Arc};

use serde_json::Value;
use switchyard_types::{Digest, Limits, Stage, StrategyKind};

use crate::{HostError, Plugin, caching::Caching, instance::Instance, kind::Kind};

/// The self-test's seed and that of the trial configuration. A plugin cannot tell them from others: every seed is a
/// hash's output.
const TRIAL_SEED: u64 = 0x9e6c_63d0_6f1d_7a25;

/// Trials on a busy machine. Each has ten thousand calls, and any of them may be starved.
const TRIALS_MAX: usize = 5;

/// A plugin with its configuration and limits: what instances in slots are made from. Cheap to clone.
#[derive(Clone)]
pub struct Strategy(Arc<Inner>);

struct Inner {
    plugin: Plugin,
    configuration: String,
    identity: StrategyIdentity,
}

/// What makes two strategies the same: activating one where the other is active changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategyIdentity {
    /// The plugin's bytes.
    pub digest: Digest,
    /// The configuration, as canonical JSON: keys in order, no spaces.
    pub configuration: String,
    /// The limits.
    pub limits: Limits,
}

impl Strategy {
    pub(crate) fn prove(plugin: &Plugin, configuration: &Value, limits: Limits) -> Result<Self, HostError> {
        // The JSON map of this build keeps keys sorted, so equal configurations are equal texts.
        let text = configuration.to_string();
        let identity = StrategyIdentity { digest: plugin.digest(), configuration: text.clone(), limits };
        let strategy = Self(Arc::new(Inner { plugin: plugin.clone(), configuration: text, identity }));
        for kind in &plugin.manifest().kinds {
            strategy.try_out(*kind)?;
        }
        Ok(strategy)
    }

    /// Configures a throw-away instance and puts others through the corpus; again where the machine was too busy to tell.
    fn try_out(&self, kind: StrategyKind) -> Result<(), HostError> {
        let trial = || match kind {
            StrategyKind::Caching => {
                drop(self.instance::<Caching>(TRIAL_SEED)?);
                crate::caching::self_test(self, TRIAL_SEED)
            }
        };
        let mut outcome = trial();
        for _ in 1..TRIALS_MAX {
            match outcome {
                Err(error) if error.is_starved() => outcome = trial(),
                told => return told,
            }
        }
        outcome
    }

    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        &self.0.plugin
    }

    /// What makes it the same as another.
    pub fn identity(&self) -> &StrategyIdentity {
        &self.0.identity
    }

    /// A configured instance. It knows nothing of any table yet.
    pub(crate) fn instance<K: Kind>(&self, seed: u64) -> Result<Instance<K::Calls>, HostError> {
        let inner = &*self.0;
        let plugin = &inner.plugin.0;
        let mut instance = Instance::new(&plugin.template, inner.identity.limits, K::bind)?;
        instance.declare_metrics(plugin.manifest.counters.len(), plugin.manifest.gauges.len());
        instance
            .configure(&inner.configuration, seed)
            .map_err(|source| HostError::Call { stage: Stage::Configure, source })?;
        Ok(instance)
    }
}

impl fmt::Debug for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Strategy({} {:?})", self.0.plugin.manifest().name, self.0.identity)
    }
}
