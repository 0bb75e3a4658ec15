//! What the tasks are, in memory, behind one lock: every change of a task's place goes through [`State::move_to`], which
//! keeps the indexes, and [`State::touch`], which has it written.
//!
//! Nothing here waits or asks the time. What has to be done once the lock is released (answer a worker, wake the writer) is
//! left in `handouts` and `staged`.

mod arrive;
mod events;
mod handout;
mod index;
mod manage;
mod queue;
mod settle;
#[cfg(test)]
mod tests;
mod told;
mod unhurried;
mod waiters;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
};

pub(crate) use self::{
    arrive::Arrival,
    events::EventBuffer,
    handout::Claim,
    manage::Filter,
    settle::{Failing, LOST},
    waiters::{Handout, WaiterId},
};
use self::{index::Index, unhurried::Unhurried, waiters::Waiters};
use switchyard_host::scheduling::EventKind;

use crate::{
    LeaseId, TaskId, TasksError,
    disk::Batch,
    objective::Objectives,
    place::Epoch,
    task::{Phase, Task},
};

/// Leases begin at the present millisecond times this, so that a number is not used again after a start: no process hands
/// out a million tasks a second all its life. Thousandths of a millisecond since 1970 stay exact in a double until 2255.
const LEASES_PER_MS: u64 = 1_000;
/// Unhurried changes beyond which nothing more gathers.
const UNHURRIED_MAX: usize = 256;

/// Bounds that the state keeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) tasks_max: usize,
    pub(crate) dead_max: usize,
}

/// One thing to write. A task is written as it stands when the writer comes to it, so that two changes of one task cannot
/// reach the disk in the wrong order.
#[derive(Debug)]
pub(crate) enum Change {
    /// A new task, with its job.
    Arrive(TaskId, bytes::Bytes),
    /// A task that has changed or is gone.
    Touch(TaskId),
    /// More of a failure than the task has in memory.
    Detail(TaskId, bytes::Bytes),
    /// A queue that hands nothing out, or does again.
    Pause(Arc<str>, bool),
}

/// What the writer has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Work {
    Nothing,
    /// It can gather for a while.
    Unhurried,
    /// Somebody waits for it, or it has gathered.
    Waited,
}

/// What a commit takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Take {
    /// What somebody waits for; the rest only where it has gathered.
    Waited,
    All,
}

/// The number of a change: it is safe when the writer has come that far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(pub(crate) u64);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) limits: Limits,
    /// By number, which is the order in which they were accepted.
    tasks: BTreeMap<TaskId, Task>,
    index: Index,
    waiters: Waiters,
    /// Of whoever decides.
    epoch: Epoch,
    /// What the strategy has not been told yet.
    pub(crate) events: EventBuffer,
    /// The waiting task that was offered last for a new rank.
    ranked: Option<TaskId>,
    next_id: u64,
    next_lease: u64,
    staged: VecDeque<Change>,
    /// Tasks that were handed out and not written since: nobody waits for it. A task that is done soon is not written at
    /// all meanwhile, which is half of what a worker would else have to wait for.
    unhurried: Unhurried,
    /// Changes staged since the start.
    tickets: u64,
    /// Workers to be answered once the lock is released.
    pub(crate) handouts: Vec<waiters::Delivery>,
    pub(crate) totals: Totals,
    pub(crate) objectives: Objectives,
}

/// What cannot be told from a queue: it may be gone.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) pushed: u64,
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) lost: u64,
    pub(crate) discarded: u64,
    pub(crate) late: u64,
    pub(crate) buried_dropped: u64,
    /// Tasks that a strategy did not take.
    pub(crate) refused: u64,
}

impl State {
    /// No task.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            tasks: BTreeMap::new(),
            index: Index::default(),
            waiters: Waiters::default(),
            epoch: Epoch::after(None),
            events: EventBuffer::default(),
            ranked: None,
            next_id: 1,
            next_lease: 1,
            staged: VecDeque::new(),
            unhurried: Unhurried::default(),
            tickets: 0,
            handouts: Vec::new(),
            totals: Totals::default(),
            objectives: Objectives::default(),
        }
    }

    /// Takes up what a file had. A strategy may be there already: it is told. `now_ms` does not go back from one start to the
    /// next.
    pub(crate) fn take_up(
        &mut self,
        next_id: u64,
        now_ms: u64,
        tasks: Vec<Task>,
        paused: impl IntoIterator<Item = String>,
    ) {
        self.next_id = self.next_id.max(next_id);
        self.next_lease = self.next_lease.max(now_ms.saturating_mul(LEASES_PER_MS));
        self.epoch = self.epoch.max(Epoch::after(tasks.iter().map(|task| task.place.epoch).max()));
        for task in tasks {
            self.next_id = self.next_id.max(task.id.0 + 1);
            self.next_lease = self.next_lease.max(task.lease().map_or(0, |lease| lease.id.0) + 1);
            let queue = self.index.intern(&task.queue);
            let task = Task { queue, ..task };
            let (id, is_held, is_dead) = (task.id, task.lease().is_some(), matches!(task.phase, Phase::Dead { .. }));
            self.index.add(&task);
            self.tasks.insert(id, task);
            if !is_dead {
                self.tell(id, EventKind::Placed, |_| 0);
            }
            if is_held {
                self.tell(id, EventKind::Started, |_| 0);
            }
        }
        for queue in paused {
            let name = self.index.intern(&queue);
            self.index.queue_mut(&name).paused = true;
        }
    }

    pub(crate) fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.get(&id).filter(|task| !matches!(task.phase, Phase::Arriving { .. }))
    }

    /// Puts a task into another phase and keeps the indexes.
    fn move_to(&mut self, id: TaskId, phase: Phase) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        self.index.take(task);
        task.phase = phase;
        self.index.add(task);
    }

    /// Has a task written as it stands.
    fn touch(&mut self, id: TaskId) -> Ticket {
        self.stage(Change::Touch(id))
    }

    fn stage(&mut self, change: Change) -> Ticket {
        self.staged.push_back(change);
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// The newest change: everything so far is safe when this is.
    pub(crate) fn last_ticket(&self) -> Ticket {
        Ticket(self.tickets)
    }

    fn new_lease(&mut self) -> LeaseId {
        let lease = LeaseId(self.next_lease);
        self.next_lease += 1;
        lease
    }

    /// Forgets a task.
    fn remove(&mut self, id: TaskId) -> Ticket {
        if let Some(task) = self.tasks.remove(&id) {
            self.index.take(&task);
        }
        self.unhurried.remove(&id);
        self.touch(id)
    }

    pub(crate) fn work(&self) -> Work {
        match (self.staged.is_empty(), self.unhurried.len()) {
            (true, 0) => Work::Nothing,
            (true, gathered) if gathered < UNHURRIED_MAX => Work::Unhurried,
            _ => Work::Waited,
        }
    }

    /// When the next timer runs out.
    pub(crate) fn next_timer_ms(&self) -> Option<u64> {
        self.index.timers.first().map(|(at_ms, _)| *at_ms)
    }

    /// Takes up to `max` changes for one commit: what to write, which tasks arrive with it, and how far it goes.
    pub(crate) fn take_batch(
        &mut self,
        max: usize,
        take: Take,
        encode: impl Fn(&Task) -> Result<Vec<u8>, TasksError>,
    ) -> Result<(Batch, Vec<TaskId>, Ticket), TasksError> {
        let mut batch = Batch { next_id: self.next_id, ..Batch::default() };
        let mut arriving = Vec::new();
        // Half of a batch at least is for what nobody waits for, so that it is not put off for ever. Tasks that are gone have
        // a change of their own.
        let has_time = take == Take::Waited && self.unhurried.len() < UNHURRIED_MAX;
        let unhurried = if has_time { 0 } else { self.unhurried.len() };
        let waited = self.staged.len().min(max - unhurried.min(max / 2));
        let mut seen: HashSet<TaskId> = self.unhurried.take(unhurried.min(max - waited)).into_iter().collect();
        for task in seen.iter().filter_map(|id| self.tasks.get(id)) {
            batch.puts.push((task.id, encode(task)?, None));
        }
        for change in self.staged.drain(..waited) {
            let (id, job) = match change {
                Change::Arrive(id, job) => (id, Some(job)),
                Change::Touch(id) => (id, None),
                Change::Detail(id, detail) => {
                    batch.details.extend(self.tasks.contains_key(&id).then_some((id, detail)));
                    continue;
                }
                Change::Pause(queue, paused) => {
                    batch.paused.push((queue.to_string(), paused));
                    continue;
                }
            };
            // Only a task that is not on disk yet arrives, and that is its first change.
            if !seen.insert(id) {
                continue;
            }
            self.unhurried.remove(&id);
            arriving.extend(job.is_some().then_some(id));
            match self.tasks.get(&id) {
                Some(task) => batch.puts.push((id, encode(task)?, job)),
                None => batch.removes.push(id),
            }
        }
        Ok((batch, arriving, Ticket(self.tickets - self.staged.len() as u64)))
    }
}
