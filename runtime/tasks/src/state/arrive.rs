use std::sync::Arc;

use bytes::Bytes;
use switchyard_host::scheduling::{EventKind, QueueView};

use super::{Change, State, Ticket, queue::Queue};
use crate::{
    TaskId, TasksError,
    job::Job,
    placement::Placement,
    task::{Phase, Task},
};

/// Queues at once: each has its own figures and may have its own strategy.
const QUEUES_MAX: usize = 1_024;
/// A delay beyond this is cut: ten years, in milliseconds. What is later than that is a mistake in a unit.
const DELAY_MAX_MS: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// A task that is to come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Invited {
    pub(crate) id: TaskId,
    pub(crate) accepted_ms: u64,
    /// Its queue without it.
    pub(crate) queue: QueueView,
}

/// A job on its way in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) invited: Invited,
    pub(crate) job: Job,
    pub(crate) payload: Bytes,
    pub(crate) placement: Placement,
    /// When the job itself says that it may run.
    pub(crate) at_ms: Option<u64>,
}

impl State {
    /// The number of a task that is to come, where there is room for it.
    pub(crate) fn invite(&mut self, now_ms: u64, queue: &str) -> Result<Invited, TasksError> {
        if self.tasks.len() >= self.limits.tasks_max {
            return Err(TasksError::Full("the queues are full: try again when workers have caught up"));
        }
        self.room_for(queue)?;
        let id = TaskId(self.next_id);
        self.next_id += 1;
        let queue = self.index.queues.get(queue).map(Queue::view).unwrap_or_default();
        Ok(Invited { id, accepted_ms: now_ms, queue })
    }

    /// Takes back a job that nobody was answered for. False: it is in already.
    pub(crate) fn withdraw(&mut self, id: TaskId) -> bool {
        let arriving = self.tasks.get(&id).is_some_and(|task| matches!(task.phase, Phase::Arriving { .. }));
        if arriving {
            self.tell(id, EventKind::Removed, |_| 0);
            self.remove(id);
        }
        arriving
    }

    /// Takes a job. Nobody gets it before it is as safe as was promised: else it might run, be lost, and be pushed again.
    pub(crate) fn arrive(&mut self, now_ms: u64, arrival: Arrival) -> Ticket {
        let Arrival { invited: Invited { id, accepted_ms, .. }, job, payload, placement, at_ms } = arrival;
        let due_ms = now_ms.saturating_add(placement.delay_ms).max(at_ms.unwrap_or(0));
        let due_ms = due_ms.min(now_ms.saturating_add(DELAY_MAX_MS));
        // It was there when the task was invited.
        let queue = self.index.intern(&job.queue);
        self.totals.pushed += 1;
        self.index.queue_mut(&queue).pushed += 1;
        let task = Task {
            id,
            jid: Arc::from(job.jid),
            kind: Arc::from(job.kind),
            queue,
            priority: job.priority,
            retry: job.retry,
            reserve_ms: job.reserve_ms,
            hints: job.hints,
            accepted_ms,
            ready_ms: accepted_ms,
            attempt: 0,
            rank: placement.rank,
            phase: Phase::Arriving { due_ms },
            failure: None,
        };
        self.index.add(&task);
        self.tasks.insert(id, task);
        self.events.accepted();
        self.stage(Change::Arrive(id, payload))
    }

    /// Makes the queue of this name. A new one takes the place of one that holds nothing where there are too many.
    fn room_for(&mut self, name: &str) -> Result<(), TasksError> {
        if !self.index.queues.contains_key(name) && self.index.queues.len() >= QUEUES_MAX {
            let idle = self.index.queues.iter().find(|(_, queue)| queue.tasks == 0 && !queue.paused);
            let idle = idle.map(|(name, _)| Arc::clone(name));
            let idle = idle.ok_or(TasksError::Full("there are too many queues: use one that exists"))?;
            self.index.queues.remove(&idle);
        }
        self.index.intern(name);
        Ok(())
    }

    /// Lets a task in that is safe now.
    pub(crate) fn admit(&mut self, now_ms: u64, id: TaskId) {
        if let Some(Task { phase: Phase::Arriving { due_ms }, .. }) = self.tasks.get(&id) {
            let due_ms = *due_ms;
            self.ready_at(now_ms, id, due_ms);
        }
    }

    /// A task that may run at this time: at once, if it has come.
    pub(super) fn ready_at(&mut self, now_ms: u64, id: TaskId, due_ms: u64) {
        if due_ms > now_ms {
            self.move_to(id, Phase::Delayed { due_ms });
        } else {
            if let Some(task) = self.tasks.get_mut(&id) {
                task.ready_ms = now_ms;
            }
            self.move_to(id, Phase::Waiting);
            self.serve(now_ms, id);
        }
    }

    /// Puts a task into the place that was decided for it.
    pub(super) fn place(&mut self, now_ms: u64, id: TaskId, placement: Placement) -> Ticket {
        // The index knows a waiting task by its rank.
        let Some(task) = self.tasks.get_mut(&id) else { return self.last_ticket() };
        self.index.take(task);
        task.rank = placement.rank;
        self.index.add(task);
        let due_ms = now_ms.saturating_add(placement.delay_ms.min(DELAY_MAX_MS));
        self.ready_at(now_ms, id, due_ms);
        self.touch(id)
    }
}
