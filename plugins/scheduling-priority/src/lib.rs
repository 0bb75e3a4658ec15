//! Priority with ageing: the more urgent task runs first, and nobody starves.
//!
//! A task's rank is the time at which it was accepted plus `step_ms` for each level below the highest. That is linear ageing
//! (priority that grows with the wait: Kleinrock, "A delay dependent queue discipline", 1964) without a clock: two tasks that
//! wait age alike, so their order never changes and is settled when the second one comes. What is accepted
//! `step_ms` x (difference of levels) later no longer overtakes, so a task of level 1 is passed only by what comes in the
//! 8 x `step_ms` after it. Start reading at [`Priority`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    export_scheduling,
    lifecycle::Interests,
    random::Random,
    scheduling::{Backoff, Failure, Placement, QueueView, Retry, Scheduling, Task, Verdict},
};

/// The most urgent level.
const PRIORITY_MAX: u8 = 9;

/// What an operator can set.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// How much longer than a task one level above it a task may wait, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub step_ms: u64,
    /// When a task that failed is tried again.
    pub retry: Backoff,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { step_ms: 60_000, retry: Backoff::default() }
    }
}

/// The strategy.
#[derive(Debug)]
pub struct Priority {
    configuration: Configuration,
    random: Random,
}

impl Priority {
    fn rank_of(&self, task: &Task) -> f64 {
        let levels = PRIORITY_MAX - task.priority.clamp(1, PRIORITY_MAX);
        task.accepted_ms as f64 + self.configuration.step_ms as f64 * f64::from(levels)
    }
}

impl Scheduling for Priority {
    type Configuration = Configuration;

    const INTERESTS: Interests = Interests::NONE.with_ranks_once();

    fn new(configuration: Configuration, seed: u64) -> Result<Self, String> {
        Ok(Self { configuration, random: Random::new(seed) })
    }

    fn submit(&mut self, _now_ms: u64, task: &Task, _queue: &QueueView) -> Verdict {
        Verdict::Accept(Placement::at(self.rank_of(task)))
    }

    /// It keeps its place: what it has waited counts.
    fn failed(&mut self, _now_ms: u64, task: &Task, _failure: Failure) -> Retry {
        let rank = self.rank_of(task);
        self.configuration.retry.retry(task, rank, &mut self.random)
    }

    fn rank(&mut self, _now_ms: u64, task: &Task) -> f64 {
        self.rank_of(task)
    }
}

export_scheduling!(Priority);

#[cfg(test)]
mod tests {
    use switchyard_sdk::testing::QueueDriver;

    use super::*;

    #[test]
    fn the_more_urgent_runs_first() {
        let mut queue = QueueDriver::<Priority>::new("{}").unwrap();
        for priority in [1, 9, 5, 9] {
            queue.push(Task { priority, ..queue.task() }).unwrap();
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.fetch()).map(|task| task.id).collect();
        assert_eq!(order, [2, 4, 3, 1]);
    }

    #[test]
    fn nobody_starves() {
        let mut queue = QueueDriver::<Priority>::new(r#"{"step_ms": 1000}"#).unwrap();
        let lowest = queue.push(Task { priority: 1, ..queue.task() }).unwrap();
        // One urgent task a second comes for ever, and one a second is worked off.
        let passed_by = (0..100).find(|_| {
            queue.pass(1_000);
            queue.push(Task { priority: 9, ..queue.task() }).unwrap();
            queue.fetch().unwrap().id == lowest
        });
        assert_eq!(passed_by, Some(7), "eight levels below, so what comes eight steps later waits");
    }
}
