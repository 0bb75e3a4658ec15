//! The self-test of scheduling: a fixed corpus, seeded and the same everywhere, on throw-away instances.

use std::collections::VecDeque;

use super::{Event, EventKind, Failure, Load, QueueView, Resident, Retry, Scheduling, Task, Verdict};
use crate::{
    HostError, Strategy,
    corpus::{Random, State, call, nondeterministic},
    description::BATCH_MAX,
    instance::Instance,
    kind::Kind,
};

type Plugin = Instance<<Scheduling as Kind>::Calls>;

/// Tasks of the main part.
const TASKS: u64 = 5_000;
/// Tasks after an import, decided by two instances alike.
const TASKS_AFTER_IMPORT: u64 = 500;
/// Tasks that the test's queue holds before workers take some.
const WAITING_MAX: usize = 200;

/// Puts a strategy through the corpus.
pub(crate) fn self_test(strategy: &Strategy, seed: u64) -> Result<(), HostError> {
    boundaries(&mut fresh(strategy, seed)?)?;
    let mut twins = [fresh(strategy, seed)?, fresh(strategy, seed)?];
    let mut queue = Queue::new();
    run(&mut twins, &mut queue, TASKS)?;
    take_over(strategy, seed, &mut twins[0], queue)
}

fn fresh(strategy: &Strategy, seed: u64) -> Result<Plugin, HostError> {
    let mut instance = strategy.instance::<Scheduling>(seed)?;
    call("adopt", instance.adopt(0, &[], true))?;
    Ok(instance)
}

/// Values at the ends of their ranges.
fn boundaries(instance: &mut Plugin) -> Result<(), HostError> {
    call("observe", instance.observe(0, &[]))?;
    call("rank", instance.rank(0, &[]))?;
    for extreme in [0, 1, u64::MAX] {
        for given in [None, Some(0), Some(u64::MAX)] {
            for priority in [0, 1, 5, 9, u8::MAX] {
                let task = Task {
                    id: extreme,
                    priority,
                    tenant: extreme as u32,
                    width: extreme as u32,
                    estimate_ms: given,
                    deadline_ms: given,
                    attempt: extreme as u32,
                    accepted_ms: extreme,
                };
                let queue = QueueView { waiting: extreme, delayed: extreme, leased: extreme };
                call("submit", instance.submit(extreme, &task, queue, &[]))?;
                call("failed", instance.failed(extreme, &task, Failure::Lost, &[]))?;
                call("rank", instance.rank(extreme, &[task]))?;
            }
        }
        for kind in [EventKind::Started, EventKind::Done, EventKind::Removed, EventKind::Placed] {
            let event = Event { id: extreme, tenant: 0, width: u32::MAX, kind, took_ms: extreme };
            call("observe", instance.observe(extreme, &[event]))?;
        }
    }
    call("tick", instance.tick(u64::MAX, Load { waiting: u64::MAX, ..Load::default() }))
}

/// The same calls in the same order must give the same decisions.
fn run(twins: &mut [Plugin; 2], queue: &mut Queue, tasks: u64) -> Result<(), HostError> {
    for _ in 0..tasks {
        let task = queue.next_task();
        let verdicts = twins.each_mut().map(|twin| twin.submit(queue.now_ms, &task, queue.view(), &queue.backlog));
        let [one, other] = verdicts.map(|verdict| call("submit", verdict));
        let verdict = one?;
        if verdict != other? {
            return Err(nondeterministic());
        }
        queue.backlog.clear();
        queue.place(task, &verdict);
        queue.work(twins)?;
    }
    let waiting: Vec<_> = queue.waiting.iter().map(|(task, _)| *task).take(BATCH_MAX as usize).collect();
    let [one, other] = twins.each_mut().map(|twin| twin.rank(queue.now_ms, &waiting));
    match call("rank", one)? == call("rank", other)? {
        true => Ok(()),
        false => Err(nondeterministic()),
    }
}

/// Two successors that take over the same state and the same queue go on alike.
fn take_over(strategy: &Strategy, seed: u64, old: &mut Plugin, mut queue: Queue) -> Result<(), HostError> {
    let state = State::exported(strategy, old)?;
    let residents = queue.residents();
    let successor = || -> Result<Plugin, HostError> {
        let mut instance = strategy.instance::<Scheduling>(seed)?;
        state.import(&mut instance)?;
        call("adopt", instance.adopt(queue.now_ms, &residents, true))?;
        Ok(instance)
    };
    let mut twins = [successor()?, successor()?];
    queue.backlog.clear();
    run(&mut twins, &mut queue, TASKS_AFTER_IMPORT)
}

/// A queue as an engine keeps it, as plain as can be: whoever waits longest is taken next.
struct Queue {
    waiting: VecDeque<(Task, f64)>,
    backlog: Vec<Event>,
    now_ms: u64,
    ids: u64,
    random: Random,
}

impl Queue {
    fn new() -> Self {
        Self { waiting: VecDeque::new(), backlog: Vec::new(), now_ms: 0, ids: 0, random: Random::new() }
    }

    fn next_task(&mut self) -> Task {
        let random = self.random.draw();
        self.now_ms += random % 20;
        self.ids += 1;
        Task {
            id: self.ids,
            priority: 1 + (random >> 8) as u8 % 9,
            tenant: (random >> 16) as u32 % 4,
            width: 1 + (random >> 24) as u32 % 8,
            estimate_ms: (random >> 40 & 1 == 0).then_some(random >> 41 & 0xffff),
            deadline_ms: (random >> 40 & 3 == 0).then_some(self.now_ms + 60_000),
            attempt: 0,
            accepted_ms: self.now_ms,
        }
    }

    fn view(&self) -> QueueView {
        QueueView { waiting: self.waiting.len() as u64, delayed: 0, leased: 0 }
    }

    fn place(&mut self, task: Task, verdict: &Verdict) {
        if let Verdict::Accept(placement) = verdict {
            self.waiting.push_back((task, placement.rank));
        }
    }

    /// Workers take what is too much; one task in ten fails once.
    fn work(&mut self, twins: &mut [Plugin; 2]) -> Result<(), HostError> {
        while self.waiting.len() > WAITING_MAX {
            let Some((task, rank)) = self.waiting.pop_front() else { break };
            self.happened(&task, EventKind::Started);
            if task.attempt == 0 && task.id.is_multiple_of(10) {
                let task = Task { attempt: 1, ..task };
                if again(twins, self.now_ms, &task, &self.backlog)? {
                    self.waiting.push_back((task, rank));
                }
                self.backlog.clear();
            } else {
                self.happened(&task, EventKind::Done);
            }
        }
        Ok(())
    }

    fn happened(&mut self, task: &Task, kind: EventKind) {
        if self.backlog.len() < BATCH_MAX as usize {
            self.backlog.push(Event { id: task.id, tenant: task.tenant, width: task.width, kind, took_ms: 7 });
        }
    }

    fn residents(&self) -> Vec<Resident> {
        let resident =
            |(task, rank): &(Task, f64)| Resident { task: *task, rank: *rank, due_ms: task.accepted_ms, leased: false };
        self.waiting.iter().map(resident).take(BATCH_MAX as usize).collect()
    }
}

fn again(twins: &mut [Plugin; 2], now_ms: u64, task: &Task, backlog: &[Event]) -> Result<bool, HostError> {
    let [one, other] = twins.each_mut().map(|twin| twin.failed(now_ms, task, Failure::Failed, backlog));
    let retry = call("failed", one)?;
    match retry == call("failed", other)? {
        true => Ok(matches!(retry, Retry::Again(_))),
        false => Err(nondeterministic()),
    }
}
