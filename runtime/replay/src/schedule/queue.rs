use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use switchyard_host::scheduling::{Event, EventKind, Load, QueueTable, QueueView, Resident, Task};

/// One job that waits, by its place in the sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    pub(super) place: usize,
    pub(super) task: Task,
    pub(super) rank: f64,
}

/// The queue of a replay as a strategy sees it. Nobody else touches it, so a lock is never contended.
#[derive(Debug, Default)]
pub(super) struct TraceQueue {
    now_ms: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Waiting>,
    /// Jobs that run, by their place in the sequence, and since when, in milliseconds.
    running: BTreeMap<usize, (Waiting, u64)>,
    events: VecDeque<Event>,
    load: Load,
    /// Where the next round of new ranks begins.
    ranked: usize,
}

impl TraceQueue {
    pub(super) fn advance(&self, now_seconds: u64) {
        self.now_ms.store(now_seconds * 1_000, Relaxed);
    }

    pub(super) fn view(&self) -> QueueView {
        let state = self.state.lock();
        QueueView { waiting: state.waiting.len() as u64, delayed: 0, leased: state.running.len() as u64 }
    }

    pub(super) fn push(&self, waiting: Waiting) {
        let mut state = self.state.lock();
        state.load.accepted += 1;
        state.waiting.push(waiting);
    }

    /// Puts the lowest rank first; equal ranks keep the order in which they stand.
    pub(super) fn sort_by_rank(&self) -> Option<Waiting> {
        let mut state = self.state.lock();
        state.waiting.sort_by(|one, other| one.rank.total_cmp(&other.rank));
        state.waiting.first().copied()
    }

    /// Puts what came first first, and says what stands there.
    pub(super) fn sort_by_arrival(&self) -> Vec<Waiting> {
        let mut state = self.state.lock();
        state.waiting.sort_by_key(|waiting| waiting.task.accepted_ms);
        state.waiting.clone()
    }

    /// Takes a job out to run. `tell` is whether the strategy wants to hear of it.
    pub(super) fn start(&self, place: usize, now_seconds: u64, tell: bool) {
        let (mut state, now_ms) = (self.state.lock(), now_seconds * 1_000);
        let Some(at) = state.waiting.iter().position(|waiting| waiting.place == place) else { return };
        let waiting = state.waiting.remove(at);
        state.running.insert(place, (waiting, now_ms));
        if tell {
            state.tell(&waiting.task, EventKind::Started, now_ms.saturating_sub(waiting.task.accepted_ms));
        }
    }

    /// A job has ended.
    pub(super) fn end(&self, place: usize, now_seconds: u64, tell: bool) {
        let mut state = self.state.lock();
        let Some((Waiting { task, .. }, since_ms)) = state.running.remove(&place) else { return };
        state.load.done += 1;
        if tell {
            state.tell(&task, EventKind::Done, (now_seconds * 1_000).saturating_sub(since_ms));
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }
}

impl State {
    fn tell(&mut self, task: &Task, kind: EventKind, took_ms: u64) {
        self.events.push_back(Event { id: task.id, tenant: task.tenant, width: task.width, kind, took_ms });
    }
}

impl QueueTable for TraceQueue {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Relaxed)
    }

    fn drain(&self, _shard: usize, max: usize, into: &mut Vec<Event>) {
        let mut state = self.state.lock();
        let count = state.events.len().min(max);
        into.extend(state.events.drain(..count));
    }

    fn residents(&self, _shard: usize, _cursor: Option<usize>, into: &mut Vec<Resident>) -> Option<usize> {
        let state = self.state.lock();
        let waiting = state.waiting.iter().map(|waiting| (waiting, waiting.task.accepted_ms, false));
        let running = state.running.values().map(|(waiting, since_ms)| (waiting, *since_ms, true));
        let resident = |(Waiting { task, rank, .. }, due_ms, leased): (&Waiting, u64, bool)| Resident {
            task: *task,
            rank: *rank,
            due_ms,
            leased,
        };
        into.extend(waiting.chain(running).map(resident));
        None
    }

    fn load(&self, _shard: usize) -> Load {
        let mut state = self.state.lock();
        let (waiting, leased) = (state.waiting.len() as u64, state.running.len() as u64);
        Load { waiting, leased, ..std::mem::take(&mut state.load) }
    }

    fn ranked(&self, _shard: usize, max: usize, into: &mut Vec<Task>) {
        let mut state = self.state.lock();
        let len = state.waiting.len();
        let from = if state.ranked < len { state.ranked } else { 0 };
        into.extend(state.waiting.iter().skip(from).take(max).map(|waiting| waiting.task));
        state.ranked = from + max;
    }

    fn rerank(&self, _shard: usize, tasks: &[Task], ranks: &[f64]) {
        let ranks: HashMap<_, _> = tasks.iter().map(|task| task.id).zip(ranks).collect();
        for waiting in &mut self.state.lock().waiting {
            if let Some(rank) = ranks.get(&waiting.task.id) {
                waiting.rank = **rank;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_from_its_start_to_its_end() {
        let queue = TraceQueue::default();
        let task = Task {
            id: 1,
            priority: 5,
            tenant: 0,
            width: 2,
            estimate_ms: None,
            deadline_ms: None,
            attempt: 0,
            accepted_ms: 1_000,
        };
        queue.push(Waiting { place: 0, task, rank: 0.0 });
        queue.start(0, 3, true);
        assert_eq!((queue.view().waiting, queue.view().leased), (0, 1));
        let mut residents = Vec::new();
        assert_eq!(queue.residents(0, None, &mut residents), None);
        assert!(residents.iter().all(|resident| resident.leased && resident.due_ms == 3_000) && residents.len() == 1);
        queue.end(0, 10, true);
        queue.end(0, 11, true);
        let mut events = Vec::new();
        queue.drain(0, 256, &mut events);
        let told: Vec<_> = events.iter().map(|event| (event.kind, event.took_ms)).collect();
        assert_eq!(told, [(EventKind::Started, 2_000), (EventKind::Done, 7_000)]);
        let load = queue.load(0);
        assert_eq!((load.accepted, load.done, load.leased), (1, 1, 0));
        assert_eq!(queue.load(0), Load::default());
    }
}
