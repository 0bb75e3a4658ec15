use std::sync::Arc;

use switchyard_host::scheduling::EventKind;
use tokio::sync::oneshot;

use super::{Handout, State, WaiterId};
use crate::{
    LeaseId, TaskId,
    owner::Owner,
    task::{Lease, Phase},
};

/// What a worker says it holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Claim<'a> {
    /// A lease by its number.
    Lease(TaskId, LeaseId),
    /// A job by its name, as the Faktory protocol has it: it counts for the worker that has it now.
    Job { owner: &'a Owner, jid: &'a str },
}

impl State {
    /// The first task that waits, in the first of the queues that has one.
    pub(crate) fn take(&mut self, now_ms: u64, owner: &Owner, queues: &[Arc<str>]) -> Option<Handout> {
        let first = |state: &Self, name: &Arc<str>| {
            let queue = state.index.queues.get(name).filter(|queue| !queue.paused)?;
            queue.waiting.first().map(|(_, id)| *id)
        };
        let id = queues.iter().find_map(|queue| first(self, queue))?;
        Some(self.lease(now_ms, id, owner.clone()))
    }

    fn lease(&mut self, now_ms: u64, id: TaskId, owner: Owner) -> Handout {
        let lease = self.new_lease();
        let reserve_ms = self.tasks.get(&id).map_or(0, |task| task.reserve_ms);
        if let Some(task) = self.tasks.get(&id) {
            self.objectives.of(&task.queue).wait.observe(now_ms.saturating_sub(task.ready_ms));
        }
        self.tell(id, EventKind::Started, |task| now_ms.saturating_sub(task.ready_ms));
        let until_ms = now_ms.saturating_add(reserve_ms);
        self.move_to(id, Phase::Leased(Lease { id: lease, owner, since_ms: now_ms, until_ms }));
        // The worker is not kept waiting for this to be written: if it is lost, the task is handed out again.
        self.unhurried.insert(id);
        Handout { id, lease }
    }

    /// Puts a worker into the line.
    pub(crate) fn wait(&mut self, owner: Owner, queues: Vec<Arc<str>>, answer: oneshot::Sender<Handout>) -> WaiterId {
        self.waiters.add(owner, queues, answer)
    }

    /// A worker waits no longer.
    pub(crate) fn leave(&mut self, waiter: WaiterId) {
        self.waiters.remove(waiter);
    }

    /// Gives a task that has begun to wait to whoever has waited longest for its queue.
    pub(super) fn serve(&mut self, now_ms: u64, id: TaskId) {
        let Some(queue) = self.tasks.get(&id).map(|task| Arc::clone(&task.queue)) else { return };
        if self.index.queue_mut(&queue).paused {
            return;
        }
        // Others may wait in the queue already, ahead of this one, when a worker that had taken one has gone.
        let Some((_, first)) = self.index.queue_mut(&queue).waiting.first().copied() else { return };
        if let Some(waiter) = self.waiters.first(&queue) {
            let handout = self.lease(now_ms, first, waiter.owner);
            self.handouts.push((waiter.answer, handout));
        }
    }

    /// Takes back what its worker never got. It has its old place.
    pub(crate) fn give_back(&mut self, now_ms: u64, handout: Handout) {
        if self.find(Claim::Lease(handout.id, handout.lease)).is_some() {
            self.tell(handout.id, EventKind::Placed, |_| 0);
            self.ready_at(now_ms, handout.id, now_ms);
            self.touch(handout.id);
        }
    }

    /// The task that a worker holds.
    pub(super) fn find(&self, claim: Claim<'_>) -> Option<TaskId> {
        match claim {
            Claim::Lease(id, lease) => self.tasks.get(&id)?.lease().is_some_and(|held| held.id == lease).then_some(id),
            Claim::Job { owner, jid } => {
                let held_by = |id: &&TaskId| {
                    self.tasks.get(*id).and_then(|task| task.lease()).is_some_and(|lease| lease.owner == *owner)
                };
                self.index.held.get(jid)?.iter().find(held_by).copied()
            }
        }
    }
}
