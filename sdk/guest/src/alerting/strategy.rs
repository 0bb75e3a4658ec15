use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{Alert, Columns, Load, Notification, Verdict};
use crate::lifecycle::Interests;

/// An alerting strategy. [`export_alerting!`](crate::export_alerting) makes a component of it.
///
/// The order of calls: `new`, `import_state` (where formats match), `adopt` for every alert that is pending or firing,
/// `adopted`; then `evaluate` in the period of the node, `notify` when alerts begin to fire or are resolved, `tick` now and
/// then. `now_ms` is milliseconds of the node's monotonic clock, of the trace in a replay.
pub trait Alerting: Sized + 'static {
    /// What an operator can set. Its `Default` is what runs when nothing is set; its schema is what the control plane
    /// checks. Put `#[serde(default, deny_unknown_fields)]` on it. [`crate::lifecycle::NoConfiguration`]: nothing.
    type Configuration: DeserializeOwned + Serialize + JsonSchema + Default;

    /// What it should be told beyond what it must be.
    const INTERESTS: Interests = Interests::NONE;
    /// Names of the strategy's own counters; with `GAUGES` at most 32.
    const COUNTERS: &'static [&'static str] = &[];
    /// Names of the strategy's own gauges.
    const GAUGES: &'static [&'static str] = &[];
    /// Name and version of what `export_state` writes; none: `adopt` restores everything that matters.
    const STATE_FORMAT: Option<&'static str> = None;

    /// A strategy that knows nothing yet. `seed` is the only randomness there is. An error is a sentence for the person who
    /// wrote the configuration, naming key and value.
    fn new(configuration: Self::Configuration, seed: u64) -> Result<Self, String>;

    /// Which rows are not normal? What no verdict names is normal. `last` closes an evaluation of several calls.
    fn evaluate(&mut self, now_ms: u64, columns: &Columns, last: bool) -> Vec<Verdict>;

    /// These alerts have begun to fire, changed their severity or were resolved: what is sent about them? What is not
    /// overridden sends the rule's reason wherever the node's configuration says.
    fn notify(&mut self, _now_ms: u64, alerts: &[Alert]) -> Vec<Notification> {
        (0..).zip(alerts).map(|(index, alert)| Notification::of(index, alert)).collect()
    }

    /// The host keeps this alert: it is pending or firing.
    fn adopt(&mut self, _now_ms: u64, _alert: &Alert) {}

    /// That was the last one.
    fn adopted(&mut self, _now_ms: u64) {}

    /// Called in the period that `INTERESTS` asks for.
    fn tick(&mut self, _now_ms: u64, _load: &Load) {}

    /// What the host cannot know, at most 4 MiB. Only called with a `STATE_FORMAT`.
    fn export_state(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Takes what an instance of this or an older version exported. An error means: start without it.
    fn import_state(&mut self, format: &str, _bytes: &[u8]) -> Result<(), String> {
        Err(format!("the strategy reads no state, format {format:?} included"))
    }
}
