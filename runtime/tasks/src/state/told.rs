//! What a strategy is told of the state, and what it changes in it between decisions.

use std::ops::Bound;

use switchyard_host::scheduling::{Event, EventKind, Load, Resident, Wants};

use super::{Failing, State};
use crate::{
    TaskId,
    clock::Moment,
    job::Hints,
    place::{Epoch, Place, Standing},
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

    /// What the engine buffers for a strategy. Where there is none any more, the fallback's time begins.
    pub(crate) fn listen(&mut self, wants: Wants) {
        let listened = self.events.listens();
        self.events.listen(wants);
        if listened && !self.events.listens() {
            self.take_over();
        }
    }

    /// Another decides from now on: whatever it places comes after what is there.
    pub(crate) fn take_over(&mut self) {
        self.epoch = Epoch::after(Some(self.epoch));
    }

    /// Where a new task stands.
    pub(crate) fn stand(&mut self, queue: &str, priority: u8, decided: Option<Placement>) -> Standing {
        let Some(Placement { rank, delay_ms }) = decided else { return self.stand_in(queue, priority) };
        let place = Place { epoch: self.epoch, rank };
        if let Some(queue) = self.index.queues.get_mut(queue) {
            queue.given = Some(place);
        }
        Standing { place, delay_ms }
    }

    /// Where a task stands that the strategy was to place and did not: beside the one that it has placed last. Where it has
    /// placed none, or there is no strategy, the task stands among those of the fallback.
    fn stand_in(&self, queue: &str, priority: u8) -> Standing {
        let Placement { rank, delay_ms } = placement::fallback(priority);
        let given = self.index.queues.get(queue).and_then(|queue| queue.given);
        let given = given.filter(|place| place.epoch == self.epoch && self.events.listens());
        Standing { place: given.unwrap_or_else(|| self.among_the_fallbacks(rank)), delay_ms }
    }

    fn among_the_fallbacks(&self, rank: Rank) -> Place {
        Place { epoch: self.epoch.fallback(), rank }
    }

    /// Where a task stands that has failed; none: it is given up. Where there is a strategy and it has not said it, the task
    /// keeps its place.
    pub(crate) fn fate(&self, failing: &Failing, decided: Option<Retry>, random: u64) -> Option<Standing> {
        let Failing { priority, attempt, retry, place, .. } = *failing;
        let by_strategy = decided.is_some();
        match decided.unwrap_or_else(|| placement::fallback_retry(priority, attempt, retry, random)) {
            Retry::GiveUp => None,
            Retry::Again(Placement { rank, delay_ms }) if by_strategy => {
                Some(Standing { place: Place { epoch: self.epoch, rank }, delay_ms })
            }
            Retry::Again(Placement { delay_ms, .. }) if self.events.listens() => Some(Standing { place, delay_ms }),
            Retry::Again(Placement { rank, delay_ms }) => {
                Some(Standing { place: self.among_the_fallbacks(rank), delay_ms })
            }
        }
    }

    /// Tells the strategy how it is with a task of which its decision came too late.
    pub(crate) fn correct(&mut self, failing: &Failing) {
        let gone = self.task(failing.id).is_none_or(|task| matches!(task.phase, Phase::Dead { .. }));
        let kind = if gone { EventKind::Removed } else { EventKind::Placed };
        let Hints { tenant, width, .. } = failing.hints;
        self.events.push(Event { id: failing.id.0, tenant, width, kind, took_ms: 0 });
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

    /// Up to `max` of the waiting tasks that whoever decides now has not placed, those that stand last first.
    pub(crate) fn unranked(&self, moment: Moment, max: usize, into: &mut Vec<switchyard_host::scheduling::Task>) {
        let first = (Place { epoch: self.epoch, rank: Rank::LOWEST }, TaskId(0));
        let earlier = self.index.queues.values().flat_map(|queue| queue.waiting.range(..first).rev());
        let tasks = earlier.take(max).filter_map(|(_, id)| self.tasks.get(id));
        into.extend(tasks.map(|task| sight::task(task, moment)));
    }

    /// A new rank for a task that waits. It is not written: a start has tasks where they were placed, and whoever decides then
    /// is asked about them all, because it takes over.
    pub(crate) fn rerank(&mut self, id: TaskId, rank: Rank) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let place = Place { epoch: self.epoch, rank };
        if task.phase != Phase::Waiting || task.place == place {
            return;
        }
        self.index.take(task);
        task.place = place;
        self.index.add(task);
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
