use std::{fmt, sync::Arc};

use serde_json::Value;
use switchyard_types::{Digest, Limits, Stage, StrategyKind};

use crate::{HostError, Plugin, Progress, instance::Instance, kind::Kind, kinds};

/// The self-test's seed and that of the trial configuration. A plugin cannot tell them from others: every seed is a
/// hash's output.
const TRIAL_SEED: u64 = 0x9e6c_63d0_6f1d_7a25;

/// 2^53 - 1, the largest integer of JSON that every reader takes exactly (RFC 8259, section 6).
const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;

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
    pub(crate) fn prove(
        plugin: &Plugin,
        configuration: &Value,
        limits: Limits,
        progress: &Progress,
    ) -> Result<Self, HostError> {
        progress.enter(Stage::Configure);
        // The JSON map of this build keeps keys sorted, so equal configurations are equal texts.
        let text = canonical(configuration.clone()).to_string();
        let identity = StrategyIdentity { digest: plugin.digest(), configuration: text.clone(), limits };
        let strategy = Self(Arc::new(Inner { plugin: plugin.clone(), configuration: text, identity }));
        for kind in &plugin.manifest().kinds {
            strategy.try_out(*kind, progress)?;
        }
        Ok(strategy)
    }

    /// Configures a throw-away instance and puts others through the corpus; again where the machine was too busy to tell.
    fn try_out(&self, kind: StrategyKind, progress: &Progress) -> Result<(), HostError> {
        let trial = || kinds::try_out(kind, self, TRIAL_SEED, progress);
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
        let mut instance = Instance::new(plugin.template(inner.identity.limits)?, inner.identity.limits, K::bind)?;
        instance.declare_metrics(plugin.manifest.counters.len(), plugin.manifest.gauges.len());
        instance
            .configure(&inner.configuration, seed)
            .map_err(|source| HostError::Call { stage: Stage::Configure, source })?;
        Ok(instance)
    }
}

/// A configuration in the form in which plugins get it: whole numbers are written as such. To JSON Schema `10.0` is an
/// integer, to the JSON readers of most languages it is none, and what a schema lets pass must not be refused for how a
/// number is spelt.
pub fn canonical(mut configuration: Value) -> Value {
    match &mut configuration {
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().filter(|_| number.is_f64()).and_then(whole) {
                *number = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = canonical(item.take())),
        Value::Object(fields) => fields.values_mut().for_each(|field| *field = canonical(field.take())),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
    configuration
}

/// Beyond the bound a floating-point number does not tell which integer was meant.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= WHOLE_MAX).then_some(number as i64)
}

impl fmt::Debug for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Strategy({} {:?})", self.0.plugin.manifest().name, self.0.identity)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_numbers_are_written_as_such() {
        let check = |given: &str, expected: &str| {
            let given: Value = serde_json::from_str(given).expect(given);
            assert_eq!(canonical(given).to_string(), expected);
        };
        check(r#"{"b": 10.0, "a": [1e2, {"c": -0.0}]}"#, r#"{"a":[100,{"c":0}],"b":10}"#);
        check("[0.5, -3.0, 7, -7, true, null, \"1.0\"]", r#"[0.5,-3,7,-7,true,null,"1.0"]"#);
        check("18446744073709551615", "18446744073709551615");
        check("1e300", "1e+300");
        assert_eq!(canonical(json!(9_007_199_254_740_991.0)), json!(9_007_199_254_740_991_u64));
        assert_eq!(canonical(json!(9_007_199_254_740_992.0)), json!(9_007_199_254_740_992.0), "which one is unclear");
    }
}
