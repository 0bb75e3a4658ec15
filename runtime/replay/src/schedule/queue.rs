use std::{
    collections::{HashMap, VecDeque},
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
    events: VecDeque<Event>,
    leased: u64,
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
        QueueView { waiting: state.waiting.len() as u64, delayed: 0, leased: state.leased }
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
        let mut state = self.state.lock();
        let Some(at) = state.waiting.iter().position(|waiting| waiting.place == place) else { return };
        let Waiting { task, .. } = state.waiting.remove(at);
        state.leased += 1;
        if tell {
            let took_ms = (now_seconds * 1_000).saturating_sub(task.accepted_ms);
            let kind = EventKind::Started;
            state.events.push_back(Event { id: task.id, tenant: task.tenant, width: task.width, kind, took_ms });
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
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
        into.extend(state.waiting.iter().map(|Waiting { task, rank, .. }| Resident {
            task: *task,
            rank: *rank,
            due_ms: task.accepted_ms,
            leased: false,
        }));
        None
    }

    fn load(&self, _shard: usize) -> Load {
        let mut state = self.state.lock();
        let (waiting, leased) = (state.waiting.len() as u64, state.leased);
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
