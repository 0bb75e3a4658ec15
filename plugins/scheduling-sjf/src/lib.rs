//! Shortest job first: the waiting task with the smallest estimate runs next.
//!
//! It has the lowest mean wait of all orders when estimates are right (Smith, "Various optimizers for single-stage
//! production", 1956), and no bound on the longest one: a long task waits as long as shorter ones keep coming. Where that
//! matters use `scheduling-priority`. Start reading at [`Sjf`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    export_scheduling,
    lifecycle::Interests,
    random::Random,
    scheduling::{Backoff, Failure, Placement, QueueView, Retry, Scheduling, Task, Verdict},
};

/// What an operator can set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// The estimate of a task that came without one, in milliseconds.
    #[schemars(range(max = 31_536_000_000_u64))]
    pub unknown_ms: u64,
    /// When a task that failed is tried again.
    pub retry: Backoff,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { unknown_ms: 60_000, retry: Backoff::default() }
    }
}

/// The strategy.
#[derive(Debug)]
pub struct Sjf {
    configuration: Configuration,
    random: Random,
}

impl Sjf {
    fn rank_of(&self, task: &Task) -> f64 {
        task.estimate_ms.unwrap_or(self.configuration.unknown_ms) as f64
    }
}

impl Scheduling for Sjf {
    type Configuration = Configuration;

    const INTERESTS: Interests = Interests::NONE.with_ranks_once();

    fn new(configuration: Configuration, seed: u64) -> Result<Self, String> {
        Ok(Self { configuration, random: Random::new(seed) })
    }

    fn submit(&mut self, _now_ms: u64, task: &Task, _queue: &QueueView) -> Verdict {
        Verdict::Accept(Placement::at(self.rank_of(task)))
    }

    fn failed(&mut self, _now_ms: u64, task: &Task, _failure: Failure) -> Retry {
        let rank = self.rank_of(task);
        self.configuration.retry.retry(task, rank, &mut self.random)
    }

    fn rank(&mut self, _now_ms: u64, task: &Task) -> f64 {
        self.rank_of(task)
    }
}

export_scheduling!(Sjf);

#[cfg(test)]
mod tests {
    use switchyard_sdk::testing::QueueDriver;

    use super::*;

    #[test]
    fn the_shortest_runs_first_and_equals_in_order() {
        let mut queue = QueueDriver::<Sjf>::new(r#"{"unknown_ms": 15}"#).unwrap();
        for estimate_ms in [Some(30), Some(10), None, Some(10), Some(20)] {
            queue.push(Task { estimate_ms, ..queue.task() }).unwrap();
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.fetch()).map(|task| task.id).collect();
        assert_eq!(order, [2, 4, 3, 5, 1]);
    }
}
