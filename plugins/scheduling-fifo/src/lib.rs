//! First in, first out: tasks run in the order in which they were accepted, whatever their priority.
//!
//! What this is not: the host's fallback, which lets a higher priority go first. A task that failed keeps its place: once its
//! back-off is over it runs before what was accepted after it. Start reading at [`Fifo`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    export_scheduling,
    lifecycle::Interests,
    random::Random,
    scheduling::{Backoff, Failure, Placement, QueueView, Retry, Scheduling, Task, Verdict},
};

/// What an operator can set.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// When a task that failed is tried again.
    pub retry: Backoff,
}

/// The strategy.
#[derive(Debug)]
pub struct Fifo {
    retry: Backoff,
    random: Random,
}

/// That is the whole policy.
fn rank_of(task: &Task) -> f64 {
    task.accepted_ms as f64
}

impl Scheduling for Fifo {
    type Configuration = Configuration;

    const INTERESTS: Interests = Interests::NONE.with_ranks_once();

    fn new(configuration: Configuration, seed: u64) -> Result<Self, String> {
        Ok(Self { retry: configuration.retry, random: Random::new(seed) })
    }

    fn submit(&mut self, _now_ms: u64, task: &Task, _queue: &QueueView) -> Verdict {
        Verdict::Accept(Placement::at(rank_of(task)))
    }

    fn failed(&mut self, _now_ms: u64, task: &Task, _failure: Failure) -> Retry {
        self.retry.retry(task, rank_of(task), &mut self.random)
    }

    fn rank(&mut self, _now_ms: u64, task: &Task) -> f64 {
        rank_of(task)
    }
}

export_scheduling!(Fifo);

#[cfg(test)]
mod tests {
    use switchyard_sdk::testing::QueueDriver;

    use super::*;

    fn queue(configuration: &str) -> QueueDriver<Fifo> {
        QueueDriver::new(configuration).unwrap()
    }

    #[test]
    fn what_came_first_runs_first() {
        let mut queue = queue("{}");
        for priority in [1, 9, 5] {
            queue.push(Task { priority, ..queue.task() }).unwrap();
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.fetch()).map(|task| task.id).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn a_task_that_failed_keeps_its_place_and_is_given_up_in_the_end() {
        let mut queue = queue(r#"{"retry": {"attempts_max": 2, "base_ms": 100, "cap_ms": 100}}"#);
        (0..2).for_each(|_| drop(queue.push(queue.task())));
        assert_eq!(queue.fetch().unwrap().id, 1);
        assert!(matches!(queue.fail(1, Failure::Failed), Some(Retry::Again(_))));
        queue.pass(100);
        let mut queue: QueueDriver<Fifo> = queue.swap(r#"{"retry": {"attempts_max": 2}}"#).unwrap();
        assert_eq!(queue.fetch().map(|task| (task.id, task.attempt)), Some((1, 1)));
        assert_eq!(queue.fail(1, Failure::Lost), Some(Retry::GiveUp));
        assert_eq!((queue.dead(), queue.len()), (&[1][..], 1));
    }
}
