use std::{ops::Bound, sync::Arc};

use switchyard_host::scheduling::EventKind;

use super::{Change, State, Ticket};
use crate::{
    QueueFigures, TaskId, TaskState, TasksError,
    place::Standing,
    task::{Phase, Task},
};

/// Tasks that one look at a list passes at most: the lock is held meanwhile.
const LOOKED_AT_MAX: usize = 10_000;

/// Tasks that are forgotten in one hold of the lock.
const CLEARED_MAX: usize = 1_000;

/// Which tasks of a list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) queue: Option<String>,
    pub(crate) state: Option<TaskState>,
    /// Only tasks after this one.
    pub(crate) after: Option<TaskId>,
    pub(crate) limit: usize,
}

impl Filter {
    fn passes(&self, task: &Task) -> bool {
        let state = TaskState::of(&task.phase);
        state.is_some_and(|state| self.state.is_none_or(|only| only == state))
            && self.queue.as_deref().is_none_or(|only| *only == *task.queue)
    }
}

impl State {
    /// Tasks in the order of their numbers, and the number after which the list goes on.
    pub(crate) fn list(&self, filter: &Filter) -> (Vec<&Task>, Option<TaskId>) {
        let start = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let (mut found, mut last) = (Vec::new(), None);
        for (looked_at, (id, task)) in self.tasks.range((start, Bound::Unbounded)).enumerate() {
            if found.len() >= filter.limit || looked_at >= LOOKED_AT_MAX {
                return (found, last);
            }
            last = Some(*id);
            found.extend(filter.passes(task).then_some(task));
        }
        (found, None)
    }

    /// Sends a dead or delayed task back to wait, where it stood before.
    pub(crate) fn retry(&mut self, now_ms: u64, id: TaskId) -> Result<Ticket, TasksError> {
        let task = self.task(id).ok_or(TasksError::NotFound(id))?;
        match task.phase {
            Phase::Leased(_) => Err(TasksError::Leased(id)),
            Phase::Waiting => Err(TasksError::Waiting(id)),
            // A dead one has all its attempts again: whoever sends it back has changed something.
            Phase::Dead { .. } | Phase::Delayed { .. } | Phase::Arriving { .. } => {
                let dead = matches!(task.phase, Phase::Dead { .. });
                let standing = Standing { place: task.place, delay_ms: 0 };
                if let Some(task) = self.tasks.get_mut(&id).filter(|_| dead) {
                    task.attempt = 0;
                }
                self.tell(id, EventKind::Placed, |_| 0);
                Ok(self.place(now_ms, id, standing))
            }
        }
    }

    /// Forgets a task. A worker that holds it finds out when it acknowledges.
    pub(crate) fn delete(&mut self, id: TaskId) -> Result<Ticket, TasksError> {
        self.task(id).ok_or(TasksError::NotFound(id))?;
        Ok(self.forget(id))
    }

    /// A dead letter is forgotten by strategies already.
    fn forget(&mut self, id: TaskId) -> Ticket {
        if self.task(id).is_some_and(|task| !matches!(task.phase, Phase::Dead { .. })) {
            self.tell(id, EventKind::Removed, |_| 0);
        }
        self.remove(id)
    }

    /// Forgets tasks after `after`, those that are on their way in excepted: as many as one look passes. The task after which
    /// it goes on, if it does.
    pub(crate) fn clear(&mut self, queue: Option<&str>, after: Option<TaskId>) -> Option<TaskId> {
        let filter = Filter { queue: queue.map(str::to_owned), state: None, after, limit: CLEARED_MAX };
        let (found, next) = self.list(&filter);
        let ids: Vec<TaskId> = found.into_iter().map(|task| task.id).collect();
        for id in ids {
            self.forget(id);
        }
        next
    }

    /// Has a queue hand nothing out, or hand out again. One that is to be paused is made: what comes into it waits.
    pub(crate) fn pause(&mut self, now_ms: u64, name: &str, paused: bool) -> Result<Ticket, TasksError> {
        let known = self.index.queues.get(name).map(|queue| queue.paused);
        if known.unwrap_or(false) == paused {
            return Ok(self.last_ticket());
        }
        let name = self.room_for(name)?;
        self.index.queue_mut(&name).paused = paused;
        if !paused {
            self.serve_all(now_ms, &name);
        }
        Ok(self.stage(Change::Pause(name, paused)))
    }

    /// Gives waiting tasks to waiting workers until one of them is out.
    fn serve_all(&mut self, now_ms: u64, name: &Arc<str>) {
        while let Some((_, id)) = self.index.queue_mut(name).waiting.first().copied() {
            let before = self.handouts.len();
            self.serve(now_ms, id);
            if self.handouts.len() == before {
                return;
            }
        }
    }

    /// Every queue with its figures.
    pub(crate) fn queue_figures(&self) -> Vec<(Arc<str>, QueueFigures)> {
        let of = |(name, queue): (&Arc<str>, &super::queue::Queue)| {
            let figures = QueueFigures {
                waiting: queue.waiting.len() as u64,
                delayed: queue.delayed,
                leased: queue.leased,
                dead: queue.dead,
                paused: queue.paused,
                pushed: queue.pushed,
                done: queue.done,
                failed: queue.failed,
                lost: queue.lost,
                discarded: queue.discarded,
            };
            (Arc::clone(name), figures)
        };
        self.index.queues.iter().map(of).collect()
    }
}
