use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use tokio::sync::oneshot;

use crate::{LeaseId, TaskId, owner::Owner};

/// A task in a worker's hands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handout {
    pub(crate) id: TaskId,
    pub(crate) lease: LeaseId,
}

/// An answer to be sent once the lock is released.
pub(crate) type Delivery = (oneshot::Sender<Handout>, Handout);

/// A worker's place in the line; an earlier one is lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WaiterId(u64);

/// A worker that waits for a task of one of its queues.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) owner: Owner,
    pub(super) answer: oneshot::Sender<Handout>,
    queues: Vec<Arc<str>>,
}

/// The workers that wait, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    next: u64,
    by_id: BTreeMap<WaiterId, Waiter>,
    /// Queues that nobody waits for are not here: any name may be asked for.
    by_queue: HashMap<Arc<str>, BTreeSet<WaiterId>>,
}

impl Waiters {
    pub(super) fn add(&mut self, owner: Owner, queues: Vec<Arc<str>>, answer: oneshot::Sender<Handout>) -> WaiterId {
        let id = WaiterId(self.next);
        self.next += 1;
        for queue in &queues {
            self.by_queue.entry(Arc::clone(queue)).or_default().insert(id);
        }
        self.by_id.insert(id, Waiter { owner, answer, queues });
        id
    }

    /// Takes a worker out of the line.
    pub(super) fn remove(&mut self, id: WaiterId) -> Option<Waiter> {
        let waiter = self.by_id.remove(&id)?;
        for queue in &waiter.queues {
            if let Some(line) = self.by_queue.get_mut(queue) {
                line.remove(&id);
                if line.is_empty() {
                    self.by_queue.remove(queue);
                }
            }
        }
        Some(waiter)
    }

    /// Takes out the worker that has waited longest for this queue.
    pub(super) fn first(&mut self, queue: &str) -> Option<Waiter> {
        let id = *self.by_queue.get(queue)?.first()?;
        self.remove(id)
    }
}
