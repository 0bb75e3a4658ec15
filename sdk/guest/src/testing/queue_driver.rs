use std::collections::{BTreeMap, VecDeque};

use crate::scheduling::{
    Component, Event, EventKind, Failure, Placement, QueueView, Resident, Retry, Scheduling, Task, Verdict,
};

/// Events and tasks in one call.
const BATCH_MAX: usize = 256;

/// A queue around a scheduling strategy, with a clock of its own: nothing happens until it is told.
///
/// Tasks are handed out, events told and ranks renewed in the order and the batches of a node's queue.
pub struct QueueDriver<S> {
    strategy: Component<S>,
    queue: BTreeMap<u64, Resident>,
    backlog: VecDeque<Event>,
    dead: Vec<u64>,
    now_ms: u64,
    ids: u64,
    seed: u64,
}

impl<S: Scheduling> QueueDriver<S> {
    /// An empty queue with a strategy of this configuration, as JSON. The error is the strategy's.
    pub fn new(configuration: &str) -> Result<Self, String> {
        let mut strategy = Component::new();
        strategy.configure(configuration, 1)?;
        strategy.adopt(0, &[], true);
        let (queue, backlog) = Default::default();
        Ok(Self { strategy, queue, backlog, dead: Vec::new(), now_ms: 0, ids: 0, seed: 1 })
    }

    /// Another strategy takes over this queue, as at a swap; it takes over the state too where formats match.
    pub fn swap<T: Scheduling>(mut self, configuration: &str) -> Result<QueueDriver<T>, String> {
        self.flush();
        let mut strategy = Component::<T>::new();
        strategy.configure(configuration, self.seed)?;
        if let (Some(old), Some(new)) = (S::STATE_FORMAT, T::STATE_FORMAT)
            && old == new
        {
            strategy.import_state(old, &self.strategy.export_state())?;
        }
        let residents: Vec<_> = self.queue.values().copied().collect();
        for chunk in residents.chunks(BATCH_MAX) {
            strategy.adopt(self.now_ms, chunk, false);
        }
        strategy.adopt(self.now_ms, &[], true);
        let Self { queue, backlog, dead, now_ms, ids, seed, .. } = self;
        Ok(QueueDriver { strategy, queue, backlog, dead, now_ms, ids, seed })
    }

    /// A task as most are: priority 5, nobody's, one worker, no estimate.
    pub fn task(&self) -> Task {
        Task {
            id: 0,
            priority: 5,
            tenant: 0,
            width: 1,
            estimate_ms: None,
            deadline_ms: None,
            attempt: 0,
            accepted_ms: 0,
        }
    }

    /// Pushes a task; number and time are the queue's. Its number, or why it was refused.
    pub fn push(&mut self, task: Task) -> Result<u64, String> {
        self.ids += 1;
        let task = Task { id: self.ids, accepted_ms: self.now_ms, attempt: 0, ..task };
        let queue = self.view();
        match self.strategy.submit(self.now_ms, &task, &queue, self.backlog.make_contiguous()) {
            Verdict::Accept(placement) => self.place(task, placement),
            Verdict::Refuse(reason) => return Err(reason),
        }
        Ok(task.id)
    }

    /// A worker asks for a task; none: none may run now.
    pub fn fetch(&mut self) -> Option<Task> {
        let waiting = self.queue.values_mut().filter(|resident| !resident.leased && resident.due_ms <= self.now_ms);
        let next = waiting.min_by(|one, other| one.rank.total_cmp(&other.rank))?;
        next.leased = true;
        let (task, waited_ms) = (next.task, self.now_ms - next.task.accepted_ms);
        if S::INTERESTS.started() {
            self.tell(&task, EventKind::Started, waited_ms);
        }
        Some(task)
    }

    /// A worker is done. Whether it held the task.
    pub fn acknowledge(&mut self, id: u64) -> bool {
        let Some(resident) = self.queue.get(&id).copied().filter(|resident| resident.leased) else { return false };
        self.queue.remove(&id);
        if S::INTERESTS.done() {
            self.tell(&resident.task, EventKind::Done, 0);
        }
        true
    }

    /// A worker has failed. What becomes of the task; none: nobody held it.
    pub fn fail(&mut self, id: u64, failure: Failure) -> Option<Retry> {
        let resident = self.queue.get(&id).copied().filter(|resident| resident.leased)?;
        let task = Task { attempt: resident.task.attempt + 1, ..resident.task };
        let retry = self.strategy.failed(self.now_ms, &task, failure, self.backlog.make_contiguous());
        match retry {
            Retry::Again(placement) => self.place(task, placement),
            Retry::GiveUp => {
                self.queue.remove(&id);
                self.dead.push(id);
                self.backlog.clear();
            }
        }
        Some(retry)
    }

    /// Time passes. The strategy is ticked at its end, and ranks anew where it wants to.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.flush();
        if !S::INTERESTS.ranks() {
            return;
        }
        let waiting: Vec<_> = self.queue.values().filter(|resident| !resident.leased).map(|r| r.task).collect();
        for chunk in waiting.chunks(BATCH_MAX) {
            for (task, rank) in chunk.iter().zip(self.strategy.rank(self.now_ms, chunk)) {
                self.queue.entry(task.id).and_modify(|resident| resident.rank = rank);
            }
        }
    }

    /// Tasks that were given up, in order.
    pub fn dead(&self) -> &[u64] {
        &self.dead
    }

    /// How many tasks the queue holds.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    fn place(&mut self, task: Task, placement: Placement) {
        self.backlog.clear();
        let due_ms = self.now_ms + placement.delay_ms;
        self.queue.insert(task.id, Resident { task, rank: placement.rank, due_ms, leased: false });
    }

    fn view(&self) -> QueueView {
        let leased = self.queue.values().filter(|resident| resident.leased).count() as u64;
        let delayed = self.queue.values().filter(|resident| resident.due_ms > self.now_ms).count() as u64;
        QueueView { waiting: self.queue.len() as u64 - leased - delayed, delayed, leased }
    }

    fn tell(&mut self, task: &Task, kind: EventKind, took_ms: u64) {
        self.backlog.push_back(Event { id: task.id, tenant: task.tenant, width: task.width, kind, took_ms });
        if self.backlog.len() >= BATCH_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.strategy.observe(self.now_ms, self.backlog.make_contiguous());
        self.backlog.clear();
    }
}
