use super::{Claim, State, Ticket};
use crate::{
    TaskId,
    clock::wall_ms,
    placement::{self, Retry},
    task::{Failure, Phase, Task},
};

/// How long dead letters are kept, in milliseconds: 180 days, as Faktory keeps them.
const DEAD_AGE_MAX_MS: u64 = 180 * 24 * 60 * 60 * 1_000;
/// The class of the failure of a task whose lease ran out.
const LOST: &str = "lost";

/// A failure and the number that spreads its retry.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) failure: Failure,
    pub(crate) random: u64,
}

impl Report {
    /// A worker has not come back in time.
    pub(crate) fn lost(message: &str) -> Self {
        let failure = Failure {
            failed_at_ms: wall_ms(),
            kind: LOST.to_owned(),
            message: message.to_owned(),
            backtrace: Vec::new(),
        };
        // Without a random number the task waits the whole time.
        Self { failure, random: getrandom::u64().unwrap_or(u64::MAX) }
    }
}

impl State {
    /// A worker has done its task. None: it does not hold it any more.
    pub(crate) fn acknowledge(&mut self, claim: Claim<'_>) -> Option<Ticket> {
        let Some(id) = self.find(claim) else {
            self.totals.late += 1;
            return None;
        };
        self.totals.done += 1;
        if let Some(task) = self.tasks.get(&id) {
            self.index.queue_mut(&task.queue.clone()).done += 1;
        }
        Some(self.remove(id))
    }

    /// A worker could not do its task. None: it does not hold it any more.
    pub(crate) fn fail(&mut self, now_ms: u64, claim: Claim<'_>, report: Report) -> Option<Ticket> {
        let Some(id) = self.find(claim) else {
            self.totals.late += 1;
            return None;
        };
        self.failed(now_ms, id, report)
    }

    /// What happens to a task that has failed, or was lost.
    fn failed(&mut self, now_ms: u64, id: TaskId, report: Report) -> Option<Ticket> {
        let task = self.tasks.get_mut(&id)?;
        self.totals.failed += 1;
        let queue = self.index.queue_mut(&task.queue);
        queue.failed += 1;
        queue.lost += u64::from(report.failure.kind == LOST);
        task.attempt = task.attempt.saturating_add(1);
        task.failure = Some(Box::new(report.failure));
        match placement::fallback_retry(task.priority, task.attempt, task.retry, report.random) {
            Retry::Again(placement) => Some(self.place(now_ms, id, placement)),
            // As Faktory has it: no retry wanted, no memory wanted.
            Retry::GiveUp if task.retry == 0 => {
                queue.discarded += 1;
                Some(self.remove(id))
            }
            Retry::GiveUp => Some(self.bury(now_ms, id)),
        }
    }

    fn bury(&mut self, now_ms: u64, id: TaskId) -> Ticket {
        self.move_to(id, Phase::Dead { since_ms: now_ms });
        self.touch(id);
        self.prune_dead(now_ms);
        self.last_ticket()
    }

    /// Drops dead letters that are too many or too old. The oldest ones are named in no log: a count says how many.
    fn prune_dead(&mut self, now_ms: u64) {
        while let Some((since_ms, id)) = self.index.dead.first().copied() {
            let too_old = now_ms.saturating_sub(since_ms) > DEAD_AGE_MAX_MS;
            if !too_old && self.index.dead.len() <= self.limits.dead_max {
                return;
            }
            self.totals.buried_dropped += 1;
            self.remove(id);
        }
    }

    /// Does what is due, at most `max` of it: lets delayed tasks run, and takes tasks from workers that are too slow or gone.
    /// Returns whether more is due.
    pub(crate) fn pass_time(&mut self, now_ms: u64, max: usize) -> bool {
        for _ in 0..max {
            let due = self.index.timers.first().filter(|(at_ms, _)| *at_ms <= now_ms).copied();
            let Some((_, id)) = due else { return false };
            if self.tasks.get(&id).is_some_and(|task| task.lease().is_some()) {
                self.failed(now_ms, id, Report::lost("the lease ran out"));
            } else {
                self.ready_at(now_ms, id, now_ms);
            }
        }
        true
    }

    /// Takes everything from a worker that is gone.
    pub(crate) fn lose_worker(&mut self, now_ms: u64, worker: &str) {
        let held = self.index.held.values().flatten();
        let of_worker =
            |id: &&TaskId| self.tasks.get(*id).and_then(Task::lease).is_some_and(|lease| *lease.worker == *worker);
        let gone: Vec<TaskId> = held.filter(of_worker).copied().collect();
        for id in gone {
            self.failed(now_ms, id, Report::lost("the worker was silent for too long"));
        }
    }

    /// The workers that hold something.
    pub(crate) fn holders(&self) -> Vec<String> {
        let mut workers: Vec<String> =
            self.tasks.values().filter_map(|task| task.lease().map(|lease| lease.worker.to_string())).collect();
        workers.sort();
        workers.dedup();
        workers
    }
}
