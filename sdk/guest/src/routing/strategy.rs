use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{Backend, Candidate, Choice, Load, Outcome, Request, Resident};
use crate::lifecycle::Interests;

/// A routing strategy. [`export_routing!`](crate::export_routing) makes a component of it.
///
/// The order of calls: `new`, `backends`, `import_state` (where formats match), `adopt` for every backend, `adopted`; then
/// `pick` and `outcome` as things happen, `backends` and `tick` now and then. `now_ms` is milliseconds of the node's
/// monotonic clock, of the trace in a replay.
pub trait Routing: Sized + 'static {
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

    /// The route's backends, all of them, healthy or not. Also whenever one is added, removed or changes its health.
    fn backends(&mut self, now_ms: u64, backends: &[Backend]);

    /// A caller waits: who gets the request? There are 1 to 256 candidates, healthy and not tried for it yet.
    fn pick(&mut self, now_ms: u64, request: &Request, candidates: &[Candidate]) -> Choice;

    /// A try has ended. Told where `INTERESTS` asks for it.
    fn outcome(&mut self, _now_ms: u64, _outcome: &Outcome) {}

    /// What the host knows of a backend.
    fn adopt(&mut self, _now_ms: u64, _resident: &Resident) {}

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
