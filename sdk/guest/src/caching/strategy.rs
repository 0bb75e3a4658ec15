use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{Budget, Decision, Entry, Event, EventKind, Load, Resident, Victims};
use crate::lifecycle::Interests;

/// A caching strategy. [`export_caching!`](crate::export_caching) makes a component of it.
///
/// The order of calls: `new`, `resize`, `import_state` (where formats match), `adopt` for every resident, `adopted`;
/// then `store` and `event` as things happen, `tick` and `resize` now and then. `now_ms` is milliseconds of the node's
/// monotonic clock, of the trace in a replay.
pub trait Caching: Sized + 'static {
    /// What an operator can set. Its `Default` is what runs when nothing is set; its schema is what the control plane
    /// checks. Put `#[serde(default, deny_unknown_fields)]` on it. [`crate::lifecycle::NoConfiguration`]: nothing.
    type Configuration: DeserializeOwned + Serialize + JsonSchema + Default;

    /// What `event` and `store` should be told beyond what they must be.
    const INTERESTS: Interests = Interests::NONE;
    /// Names of the strategy's own counters; with `GAUGES` at most 32.
    const COUNTERS: &'static [&'static str] = &[];
    /// Names of the strategy's own gauges.
    const GAUGES: &'static [&'static str] = &[];
    /// Name and version of what `export_state` writes; none: `adopt` restores everything that matters.
    const STATE_FORMAT: Option<&'static str> = None;

    /// A strategy without residents. `seed` is the only randomness there is. An error is a sentence for the person who
    /// wrote the configuration, naming key and value.
    fn new(configuration: Self::Configuration, seed: u64) -> Result<Self, String>;

    /// What the shard may hold from now on. Victims that a smaller budget needs are named by the next `store` calls.
    fn resize(&mut self, budget: Budget);

    /// A caller waits: is the entry kept, and who goes? Ids pushed to `victims` are removed before the entry enters and
    /// are not told again as `Removed`. An entry whose id is resident replaces the old value; refused, it removes it.
    fn store(&mut self, now_ms: u64, entry: &Entry, victims: &mut Victims) -> Decision;

    /// Something happened: a read (where `INTERESTS` asks for it), an entry that the host kept or removed by itself.
    fn event(&mut self, now_ms: u64, event: &Event);

    /// The table holds this entry. Least recently used first. What is not overridden takes it for an entry that the
    /// host kept just now.
    fn adopt(&mut self, now_ms: u64, resident: &Resident) {
        let Resident { id, namespace, size, .. } = *resident;
        self.event(now_ms, &Event { id, namespace, size, kind: EventKind::Stored });
    }

    /// That was the last resident.
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
