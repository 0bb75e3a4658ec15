use switchyard_host::scheduling::EventKind;

use super::{Change, Claim, State, Ticket};
use crate::{
    LeaseId, TaskId,
    job::Hints,
    placement::Retry,
    rank::Rank,
    task::{Failure, Phase, Task},
};

/// How long dead letters are kept, in milliseconds: 180 days, as Faktory keeps them.
const DEAD_AGE_MAX_MS: u64 = 180 * 24 * 60 * 60 * 1_000;
/// The class of the failure of a task whose lease ran out.
pub(crate) const LOST: &str = "lost";

/// A task whose lease ends in a failure, as far as a decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) id: TaskId,
    pub(crate) lease: LeaseId,
    pub(crate) priority: u8,
    pub(crate) hints: Hints,
    pub(crate) accepted_ms: u64,
    /// Where it stood.
    pub(crate) rank: Rank,
    pub(crate) retry: i32,
    /// Failures, this one included.
    pub(crate) attempt: u32,
}

impl Failing {
    fn of(task: &Task) -> Option<Self> {
        let Task { id, priority, hints, accepted_ms, rank, retry, attempt, .. } = *task;
        let (lease, attempt) = (task.lease()?.id, attempt.saturating_add(1));
        Some(Self { id, lease, priority, hints, accepted_ms, rank, retry, attempt })
    }
}

impl State {
    /// A worker has done its task. None: it does not hold it any more.
    pub(crate) fn acknowledge(&mut self, now_ms: u64, claim: Claim<'_>) -> Option<Ticket> {
        let Some(id) = self.find(claim) else {
            self.totals.late += 1;
            return None;
        };
        self.totals.done += 1;
        if let Some(task) = self.tasks.get(&id) {
            self.index.queue_mut(&task.queue.clone()).done += 1;
        }
        let ran = |task: &Task| task.lease().map_or(0, |lease| now_ms.saturating_sub(lease.since_ms));
        self.tell(id, EventKind::Done, ran);
        self.events.done();
        Some(self.remove(id))
    }

    /// A worker could not do its task. None: it does not hold it any more. What becomes of the task is decided with the
    /// lock released, and then done by [`State::fail`].
    pub(crate) fn failing(&mut self, claim: Claim<'_>) -> Option<Failing> {
        let failing = self.find(claim).and_then(|id| Failing::of(self.tasks.get(&id)?));
        self.totals.late += u64::from(failing.is_none());
        failing
    }

    /// Does what was decided for a task that has failed. None: its lease has ended meanwhile, and with it the failure.
    pub(crate) fn fail(&mut self, now_ms: u64, failing: Failing, failure: Failure, retry: Retry) -> Option<Ticket> {
        let id = self.find(Claim::Lease(failing.id, failing.lease))?;
        let task = self.tasks.get_mut(&id)?;
        self.totals.failed += 1;
        self.events.failed();
        let lost = u64::from(failure.kind == LOST);
        self.totals.lost += lost;
        let queue = self.index.queue_mut(&task.queue);
        queue.failed += 1;
        queue.lost += lost;
        task.attempt = failing.attempt;
        task.failure = Some(Box::new(failure.brief()));
        // Before the task itself, so that whoever waits for that has this too.
        if let Some(detail) = failure.detail() {
            self.staged.push_back(Change::Detail(id, detail));
            self.tickets += 1;
        }
        match retry {
            Retry::Again(placement) => Some(self.place(now_ms, id, placement)),
            // As Faktory has it: no retry wanted, no memory wanted.
            Retry::GiveUp if task.retry == 0 => {
                self.totals.discarded += 1;
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

    /// Lets at most `max` delayed tasks run whose time has come. The leases among what is due have ended: they are returned,
    /// and stay due until they have failed.
    pub(crate) fn pass_time(&mut self, now_ms: u64, max: usize) -> Vec<Failing> {
        let due = self.index.timers.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).take(max);
        let due: Vec<TaskId> = due.map(|(_, id)| *id).collect();
        let mut ended = Vec::new();
        for id in due {
            match self.tasks.get(&id).and_then(Failing::of) {
                Some(failing) => ended.push(failing),
                None => self.ready_at(now_ms, id, now_ms),
            }
        }
        ended
    }

    /// Everything that a worker holds.
    pub(crate) fn held_by(&self, worker: &str) -> Vec<Failing> {
        let held = self.index.held.values().flatten().filter_map(|id| self.tasks.get(id));
        held.filter(|task| task.lease().is_some_and(|lease| *lease.worker == *worker)).filter_map(Failing::of).collect()
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
