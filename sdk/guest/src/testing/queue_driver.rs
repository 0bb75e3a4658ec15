use std::collections::{BTreeMap, VecDeque};

use crate::scheduling::{
    Component, Event, EventKind, Failure, Load, Placement, QueueView, Resident, Retry, Scheduling, Task, Verdict,
};

/// Events and tasks in one call.
const BATCH_MAX: usize = 256;
/// Tasks that are ranked anew after one tick.
const RANKED_MAX: usize = 1_024;
const NOTHING: Load = Load { waiting: 0, delayed: 0, leased: 0, accepted: 0, done: 0, failed: 0 };

/// A queue around a scheduling strategy, with a clock of its own: nothing happens until it is told.
///
/// Tasks are handed out, events told and ranks renewed in the order and the batches of a node's queue.
pub struct QueueDriver<S> {
    strategy: Component<S>,
    /// Of a task that a worker holds, `due_ms` is when it was taken.
    queue: BTreeMap<u64, Resident>,
    backlog: VecDeque<Event>,
    /// What happened since the last tick.
    since: Load,
    /// The task after which the next round of new ranks begins.
    ranked: u64,
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
        let (queue, backlog, dead) = Default::default();
        Ok(Self { strategy, queue, backlog, since: NOTHING, ranked: 0, dead, now_ms: 0, ids: 0, seed: 1 })
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
        let Self { queue, backlog, since, ranked, dead, now_ms, ids, seed, .. } = self;
        Ok(QueueDriver { strategy, queue, backlog, since, ranked, dead, now_ms, ids, seed })
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
        let verdict = self.strategy.submit(self.now_ms, &task, &queue, self.backlog.make_contiguous());
        self.backlog.clear();
        match verdict {
            Verdict::Accept(placement) => self.place(task, placement),
            Verdict::Refuse(reason) => return Err(reason),
        }
        self.since.accepted += 1;
        Ok(task.id)
    }

    /// A worker asks for a task; none: none may run now.
    pub fn fetch(&mut self) -> Option<Task> {
        let waiting = self.queue.values_mut().filter(|resident| !resident.leased && resident.due_ms <= self.now_ms);
        let next = waiting.min_by(|one, other| one.rank.total_cmp(&other.rank))?;
        next.leased = true;
        let (task, waited_ms) = (next.task, self.now_ms - next.due_ms);
        next.due_ms = self.now_ms;
        if S::INTERESTS.started() {
            self.tell(&task, EventKind::Started, waited_ms);
        }
        Some(task)
    }

    /// A worker is done. Whether it held the task.
    pub fn acknowledge(&mut self, id: u64) -> bool {
        let Some(resident) = self.queue.get(&id).copied().filter(|resident| resident.leased) else { return false };
        self.queue.remove(&id);
        self.since.done += 1;
        if S::INTERESTS.done() {
            self.tell(&resident.task, EventKind::Done, self.now_ms - resident.due_ms);
        }
        true
    }

    /// A worker has failed. What becomes of the task; none: nobody held it.
    pub fn fail(&mut self, id: u64, failure: Failure) -> Option<Retry> {
        let resident = self.queue.get(&id).copied().filter(|resident| resident.leased)?;
        let task = Task { attempt: resident.task.attempt + 1, ..resident.task };
        let retry = self.strategy.failed(self.now_ms, &task, failure, self.backlog.make_contiguous());
        self.backlog.clear();
        self.since.failed += 1;
        match retry {
            Retry::Again(placement) => self.place(task, placement),
            Retry::GiveUp => {
                self.queue.remove(&id);
                self.dead.push(id);
            }
        }
        Some(retry)
    }

    /// Time passes. At its end the strategy is ticked once, and ranks anew, where it wants to.
    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.flush();
        if S::INTERESTS.tick_ms().is_none() {
            return;
        }
        let QueueView { waiting, delayed, leased } = self.view();
        let load = Load { waiting, delayed, leased, ..std::mem::replace(&mut self.since, NOTHING) };
        self.strategy.tick(self.now_ms, &load);
        if S::INTERESTS.ranks() {
            self.rank();
        }
    }

    /// The next of the waiting tasks, round and round.
    fn rank(&mut self) {
        let (now_ms, after) = (self.now_ms, self.ranked);
        let waits = |resident: &&Resident| !resident.leased && resident.due_ms <= now_ms;
        let round = self.queue.range(after + 1..).chain(self.queue.range(..=after)).map(|(_, resident)| resident);
        let waiting: Vec<_> = round.filter(waits).take(RANKED_MAX).map(|resident| resident.task).collect();
        for chunk in waiting.chunks(BATCH_MAX) {
            for (task, rank) in chunk.iter().zip(self.strategy.rank(now_ms, chunk)) {
                self.queue.entry(task.id).and_modify(|resident| resident.rank = rank);
            }
        }
        self.ranked = waiting.last().map_or(0, |task| task.id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::Interests;

    /// Writes down what it is told.
    #[derive(Debug, Default)]
    struct Listener {
        heard: Vec<String>,
    }

    #[derive(Debug, Default, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
    struct Nothing {}

    impl Scheduling for Listener {
        type Configuration = Nothing;
        const INTERESTS: Interests = Interests::NONE.with_started().with_done().with_ranks().with_tick_ms(1_000);
        const STATE_FORMAT: Option<&'static str> = Some("heard/1");

        fn new(_: Nothing, _: u64) -> Result<Self, String> {
            Ok(Self::default())
        }

        fn submit(&mut self, _: u64, task: &Task, _: &QueueView) -> Verdict {
            match task.priority {
                1 => Verdict::Refuse("no".to_owned()),
                2 => Verdict::Accept(Placement { rank: 0.0, delay_ms: 500 }),
                _ => Verdict::Accept(Placement::at(0.0)),
            }
        }

        fn failed(&mut self, _: u64, _: &Task, _: Failure) -> Retry {
            Retry::GiveUp
        }

        fn rank(&mut self, _: u64, task: &Task) -> f64 {
            self.heard.push(format!("rank {}", task.id));
            0.0
        }

        fn event(&mut self, _: u64, event: &Event) {
            self.heard.push(format!("{:?} {} {}", event.kind, event.id, event.took_ms));
        }

        fn tick(&mut self, now_ms: u64, load: &Load) {
            let Load { waiting, delayed, leased, accepted, done, failed } = load;
            self.heard.push(format!("tick {now_ms}: {waiting} {delayed} {leased}, {accepted} {done} {failed}"));
        }

        fn export_state(&self) -> Vec<u8> {
            self.heard.join(", ").into_bytes()
        }

        fn import_state(&mut self, _: &str, _: &[u8]) -> Result<(), String> {
            Ok(())
        }
    }

    #[test]
    fn a_strategy_hears_what_a_nodes_queue_tells() {
        let mut queue = QueueDriver::<Listener>::new("{}").unwrap();
        let of = |queue: &QueueDriver<Listener>, priority| Task { priority, ..queue.task() };
        let delayed = queue.push(of(&queue, 2)).unwrap();
        queue.push(of(&queue, 5)).unwrap();
        queue.push(of(&queue, 5)).unwrap();
        queue.now_ms += 100;
        let first = queue.fetch().unwrap();
        // A refusal is an answer too: what came before it has been told.
        assert_eq!(queue.push(of(&queue, 1)), Err("no".to_owned()));
        queue.now_ms += 300;
        assert!(queue.acknowledge(first.id) && !queue.acknowledge(first.id));
        queue.pass(400);
        assert_eq!(queue.fetch().unwrap().id, delayed);
        queue.flush();
        let heard = String::from_utf8(queue.strategy.export_state()).unwrap();
        let expected = "Started 2 100, Done 2 300, tick 800: 2 0 0, 3 1 0, rank 1, rank 3, Started 1 300";
        let heard = heard.replace("EventKind::", "");
        assert_eq!(heard, expected);
    }
}
