//! What a strategy is told of the state, and what it changes in it between decisions.

use std::ops::Bound;

use switchyard_host::scheduling::{Event, EventKind, Load, Resident};

use super::{Failing, State};
use crate::{
    TaskId,
    clock::Moment,
    job::Hints,
    placement::{self, Placement, Retry},
    rank::Rank,
    sight,
    task::{Phase, Task},
};

/// Tasks that one slice of a walk looks at: each costs some 100 ns, and the lock is held for at most 100 µs.
const SLICE_TASKS: usize = 512;

impl State {
    /// Tells the strategy of a task that is there.
    pub(crate) fn tell(&mut self, id: TaskId, kind: EventKind, took_ms: impl FnOnce(&Task) -> u64) {
        let Some(task) = self.tasks.get(&id) else { return };
        let (tenant, width) = (task.hints.tenant, task.hints.width);
        self.events.push(Event { id: id.0, tenant, width, kind, took_ms: took_ms(task) });
    }

    /// Where a task stands that the strategy was to place and did not: beside the one that it has placed last. Ranks of a
    /// strategy and those of the fallback do not compare, and among the wrong ones a task might starve.
    pub(crate) fn stand_in(&self, queue: &str, priority: u8) -> Placement {
        let fallback = placement::fallback(priority);
        let given = self.index.queues.get(queue).and_then(|queue| queue.rank_given);
        let rank = given.filter(|_| self.events.listens()).unwrap_or(fallback.rank);
        Placement { rank, ..fallback }
    }

    /// What becomes of a task that has failed and of which the strategy has not said it. Where there is one the task keeps
    /// its place.
    pub(crate) fn stand_in_retry(&self, failing: &Failing, random: u64) -> Retry {
        let Failing { priority, attempt, retry, rank, .. } = *failing;
        match placement::fallback_retry(priority, attempt, retry, random) {
            Retry::Again(placement) if self.events.listens() => Retry::Again(Placement { rank, ..placement }),
            retry => retry,
        }
    }

    /// Tells the strategy how it is with a task of which its decision came too late.
    pub(crate) fn correct(&mut self, failing: &Failing) {
        let gone = self.task(failing.id).is_none_or(|task| matches!(task.phase, Phase::Dead { .. }));
        let kind = if gone { EventKind::Removed } else { EventKind::Placed };
        let Hints { tenant, width, .. } = failing.hints;
        self.events.push(Event { id: failing.id.0, tenant, width, kind, took_ms: 0 });
    }

    /// Remembers where the strategy has put a task of this queue.
    pub(crate) fn remember_rank(&mut self, queue: &str, rank: Rank) {
        if let Some(queue) = self.index.queues.get_mut(queue) {
            queue.rank_given = Some(rank);
        }
    }

    /// One slice of the tasks that wait, are delayed or leased, after `after`; and where the next begins. Those on their way
    /// in are among them: the instance that has placed them is not the one that asks.
    pub(crate) fn residents(&self, moment: Moment, after: Option<TaskId>, into: &mut Vec<Resident>) -> Option<TaskId> {
        let slice = self.slice(after);
        let last = slice.last().map(|task| task.id);
        into.extend(slice.iter().filter_map(|task| sight::resident(task, moment)));
        last.filter(|_| slice.len() == SLICE_TASKS)
    }

    /// One slice of the waiting tasks, `max` at most, after those of the last call; false: it has come to the end, and the next
    /// call begins anew.
    pub(crate) fn ranked(
        &mut self,
        moment: Moment,
        max: usize,
        into: &mut Vec<switchyard_host::scheduling::Task>,
    ) -> bool {
        let slice = self.slice(self.ranked);
        let (mut last, end) = (slice.last().map(|task| task.id), slice.len() < SLICE_TASKS);
        let waiting = slice.iter().filter(|task| task.phase == Phase::Waiting);
        let found = into.len();
        into.extend(waiting.take(max).map(|task| sight::task(task, moment)));
        let full = into.len() - found == max;
        if full {
            last = into.last().map(|task| TaskId(task.id));
        }
        let more = full || !end;
        self.ranked = last.filter(|_| more);
        more
    }

    fn slice(&self, after: Option<TaskId>) -> Vec<&Task> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.tasks.range((start, Bound::Unbounded)).take(SLICE_TASKS).map(|(_, task)| task).collect()
    }

    /// A new rank for a task that waits. Nobody waits for its being written: after a kill it has its old one.
    pub(crate) fn rerank(&mut self, id: TaskId, rank: Rank) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        if task.phase != Phase::Waiting || task.rank == rank {
            return;
        }
        self.index.take(task);
        task.rank = rank;
        self.index.add(task);
        self.unhurried.insert(id);
    }

    /// What there is now, and what has happened since the last call.
    pub(crate) fn load(&mut self) -> Load {
        let counts = self.events.take_counts();
        self.index.queues.values().fold(counts, |load, queue| {
            let view = queue.view();
            Load {
                waiting: load.waiting + view.waiting,
                delayed: load.delayed + view.delayed,
                leased: load.leased + view.leased,
                ..load
            }
        })
    }
}
