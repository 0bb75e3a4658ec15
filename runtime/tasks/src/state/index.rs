use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use super::queue::Queue;
use crate::{
    TaskId,
    owner::Owner,
    task::{Phase, Task},
};

/// Where tasks are found: by queue, by time, by what their workers call them.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) queues: BTreeMap<Arc<str>, Queue>,
    /// Delayed tasks and leases, by when their time comes.
    pub(super) timers: BTreeSet<(u64, TaskId)>,
    /// Dead letters, oldest first.
    pub(super) dead: BTreeSet<(u64, TaskId)>,
    /// Leased tasks by their `jid`: one name may have been pushed more than once.
    pub(super) held: HashMap<Arc<str>, Vec<TaskId>>,
    /// Leased tasks by who holds them.
    pub(super) owned: HashMap<Owner, BTreeSet<TaskId>>,
}

impl Index {
    /// The one copy of a queue's name.
    pub(super) fn intern(&mut self, name: &str) -> Arc<str> {
        if let Some((name, _)) = self.queues.get_key_value(name) {
            return Arc::clone(name);
        }
        let name: Arc<str> = Arc::from(name);
        self.queues.insert(Arc::clone(&name), Queue::default());
        name
    }

    pub(super) fn queue_mut(&mut self, name: &Arc<str>) -> &mut Queue {
        self.queues.entry(Arc::clone(name)).or_default()
    }

    pub(super) fn add(&mut self, task: &Task) {
        let id = task.id;
        let queue = self.queue_mut(&task.queue);
        queue.tasks += 1;
        match &task.phase {
            Phase::Arriving { .. } => {}
            Phase::Waiting => drop(queue.waiting.insert((task.place, id))),
            Phase::Delayed { .. } => queue.delayed += 1,
            Phase::Leased(lease) => {
                queue.leased += 1;
                self.owned.entry(lease.owner.clone()).or_default().insert(id);
                self.held.entry(Arc::clone(&task.jid)).or_default().push(id);
            }
            Phase::Dead { since_ms } => {
                queue.dead += 1;
                self.dead.insert((*since_ms, id));
            }
        }
        self.timers.extend(task.timer_ms().map(|at_ms| (at_ms, id)));
    }

    pub(super) fn take(&mut self, task: &Task) {
        let id = task.id;
        let queue = self.queue_mut(&task.queue);
        queue.tasks -= 1;
        match &task.phase {
            Phase::Arriving { .. } => {}
            Phase::Waiting => drop(queue.waiting.remove(&(task.place, id))),
            Phase::Delayed { .. } => queue.delayed -= 1,
            Phase::Leased(lease) => {
                queue.leased -= 1;
                self.let_go(task, &lease.owner);
            }
            Phase::Dead { since_ms } => {
                queue.dead -= 1;
                self.dead.remove(&(*since_ms, id));
            }
        }
        if let Some(at_ms) = task.timer_ms() {
            self.timers.remove(&(at_ms, id));
        }
    }

    fn let_go(&mut self, task: &Task, owner: &Owner) {
        if let Some(owned) = self.owned.get_mut(owner) {
            owned.remove(&task.id);
            if owned.is_empty() {
                self.owned.remove(owner);
            }
        }
        let Some(held) = self.held.get_mut(&task.jid) else { return };
        held.retain(|id| *id != task.id);
        if held.is_empty() {
            self.held.remove(&task.jid);
        }
    }
}
