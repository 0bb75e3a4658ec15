use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{Event, Failure, Load, QueueView, Resident, Retry, Task, Verdict};
use crate::lifecycle::Interests;

/// A scheduling strategy. [`export_scheduling!`](crate::export_scheduling) makes a component of it.
///
/// The order of calls: `new`, `import_state` (where formats match), `adopt` for every task of the queue, `adopted`; then
/// `submit`, `failed` and `event` as things happen, `tick` now and then. `now_ms` is milliseconds of the node's monotonic
/// clock, of the trace in a replay.
pub trait Scheduling: Sized + 'static {
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

    /// A caller waits: is the task taken, and where does it stand? Of the tasks that this instance has placed the one with the
    /// lowest rank runs first, of equal ones the one that was accepted first.
    fn submit(&mut self, now_ms: u64, task: &Task, queue: &QueueView) -> Verdict;

    /// A caller waits: a task has failed. `task.attempt` counts this failure too.
    fn failed(&mut self, now_ms: u64, task: &Task, failure: Failure) -> Retry;

    /// A new rank for a task that waits. Called once for every task that waits when the strategy takes over, and for the waiting
    /// tasks in turn after every tick, where `INTERESTS` asks for it. Ranks compare only with those of the same instance, so a
    /// strategy that can rank a task at any time should ask for `with_ranks_once`: else what it found runs before what it places.
    fn rank(&mut self, _now_ms: u64, _task: &Task) -> f64 {
        0.0
    }

    /// Something happened. A task can be told as `Placed` although it is known: by `adopt`, while a swap is on its way.
    fn event(&mut self, _now_ms: u64, _event: &Event) {}

    /// The queue holds this task. In the order in which they were accepted.
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
