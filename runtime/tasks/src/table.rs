use parking_lot::{Condvar, Mutex};
use switchyard_host::scheduling::{Event, Load, QueueTable, Resident, Task};

use crate::{TaskId, clock::Clock, rank::Rank, state::State};

/// Slices of a walk for new ranks in one tick: of many delayed tasks or dead letters a tick passes so many, and goes on in the
/// next.
const RANKED_SLICES_MAX: usize = 16;

/// The state behind its lock: what the slot of the strategies reads. It has no file, because a slot may hold it for as long
/// as a swap takes, and the file must be free once the tasks are closed.
pub(crate) struct Table {
    clock: Clock,
    pub(crate) guarded: Mutex<Guarded>,
    /// There is something to write, or the writer is to end.
    pub(crate) work: Condvar,
}

pub(crate) struct Guarded {
    pub(crate) state: State,
    pub(crate) closing: bool,
    /// The writer knows that there is something that nobody waits for.
    pub(crate) gathering: bool,
}

impl Table {
    pub(crate) fn new(clock: Clock, state: State) -> Self {
        Self { clock, guarded: Mutex::new(Guarded { state, closing: false, gathering: false }), work: Condvar::new() }
    }
}

/// One shard: one instance decides for all queues, each of which is ordered by itself.
impl QueueTable for Table {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn drain(&self, _: usize, max: usize, into: &mut Vec<Event>) {
        self.guarded.lock().state.events.drain(max, into);
    }

    fn residents(&self, _: usize, cursor: Option<usize>, into: &mut Vec<Resident>) -> Option<usize> {
        let (moment, after) = (self.clock.moment(), cursor.map(|id| TaskId(id as u64)));
        let next = self.guarded.lock().state.residents(moment, after, into);
        next.map(|id| id.0 as usize)
    }

    fn load(&self, _: usize) -> Load {
        self.guarded.lock().state.load()
    }

    fn took_over(&self, _: usize) {
        self.guarded.lock().state.take_over();
    }

    fn unranked(&self, _: usize, max: usize, into: &mut Vec<Task>) {
        let moment = self.clock.moment();
        self.guarded.lock().state.unranked(moment, max, into);
    }

    fn ranked(&self, _: usize, max: usize, into: &mut Vec<Task>) {
        let (moment, before) = (self.clock.moment(), into.len());
        for _ in 0..RANKED_SLICES_MAX {
            let left = max.saturating_sub(into.len() - before);
            if left == 0 || !self.guarded.lock().state.ranked(moment, left, into) {
                return;
            }
        }
    }

    fn rerank(&self, _: usize, tasks: &[Task], ranks: &[f64]) {
        let mut guarded = self.guarded.lock();
        for (task, rank) in tasks.iter().zip(ranks) {
            // The slot has refused what is not finite.
            if let Some(rank) = Rank::new(*rank) {
                guarded.state.rerank(TaskId(task.id), rank);
            }
        }
    }
}
