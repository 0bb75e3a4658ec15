use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use crate::HostError;

/// How often slots are asked whether time alone gives them something to do.
const TIMER_PERIOD: Duration = Duration::from_millis(10);
/// And how often when no strategy asked for ticks: half-open quarantines and lost instances can wait so long.
const IDLE_PERIOD: Duration = Duration::from_millis(250);
/// More threads would only contend for the shards of the same few slots.
const THREADS_MAX: usize = 4;

/// What policy threads do for a slot.
pub(crate) trait Chores: Send + Sync {
    /// Events have gathered in this shard, its instance is gone, or a quarantine is over.
    fn tend(&self, shard: usize);

    /// Time has passed. Returns whether the slot wants to be asked at the finer period. All slots are asked by one thread:
    /// what takes longer than a tick is left to `tend`.
    fn pass_time(&self) -> bool;
}

/// Threads for everything nobody waits for: batched hooks and revivals on some, ticks on one of their own, so that no
/// staging holds up another slot's time. They are never an async runtime's workers, so a slow plugin can delay other
/// batches but no request.
pub(crate) struct PolicyThreads {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// For the threads of the queue.
    wake: Condvar,
    /// For the timer.
    registered: Condvar,
}

#[derive(Default)]
struct State {
    /// Each shard of each slot stands here at most once: its own flag sees to that, and bounds the queue.
    queue: VecDeque<(Weak<dyn Chores>, usize)>,
    slots: Vec<Weak<dyn Chores>>,
    closed: bool,
}

impl PolicyThreads {
    pub(crate) fn start() -> Result<Self, HostError> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new(), registered: Condvar::new() });
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for index in 0..(cores / 2).clamp(1, THREADS_MAX) {
            spawn(format!("switchyard-policy-{index}"), &shared, do_chores)?;
        }
        spawn("switchyard-timer".to_owned(), &shared, keep_time)?;
        Ok(Self { shared })
    }

    /// Lets time pass for a slot from now on.
    pub(crate) fn register(&self, slot: Weak<dyn Chores>) {
        let mut state = self.shared.state.lock();
        state.slots.retain(|slot| slot.strong_count() > 0);
        state.slots.push(slot);
        drop(state);
        self.shared.registered.notify_one();
    }

    /// Has a shard tended soon.
    pub(crate) fn enqueue(&self, slot: Weak<dyn Chores>, shard: usize) {
        self.shared.state.lock().queue.push_back((slot, shard));
        self.shared.wake.notify_one();
    }
}

impl Drop for PolicyThreads {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.wake.notify_all();
        self.shared.registered.notify_one();
    }
}

fn spawn(name: String, shared: &Arc<Shared>, run: fn(&Shared)) -> Result<(), HostError> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name(name)
        .spawn(move || run(&shared))
        .map(drop)
        .map_err(|error| HostError::Machine(format!("a policy thread cannot be started: {error}")))
}

fn do_chores(shared: &Shared) {
    while let Some((slot, shard)) = next_chore(shared) {
        if let Some(slot) = slot.upgrade() {
            slot.tend(shard);
        }
    }
}

/// None: the host is gone.
fn next_chore(shared: &Shared) -> Option<(Weak<dyn Chores>, usize)> {
    let mut state = shared.state.lock();
    while !state.closed {
        if let Some(chore) = state.queue.pop_front() {
            return Some(chore);
        }
        shared.wake.wait(&mut state);
    }
    None
}

fn keep_time(shared: &Shared) {
    let mut due = Instant::now();
    while let Some(slots) = slots_at(shared, due) {
        // Every slot is asked: the first that wants the finer period must not end it.
        let mut fine = false;
        for slot in slots.iter().filter_map(Weak::upgrade) {
            fine |= slot.pass_time();
        }
        due = Instant::now() + if fine { TIMER_PERIOD } else { IDLE_PERIOD };
    }
}

/// The slots, when it is time and there are any. None: the host is gone.
fn slots_at(shared: &Shared, due: Instant) -> Option<Vec<Weak<dyn Chores>>> {
    let mut state = shared.state.lock();
    while !state.closed {
        if state.slots.is_empty() {
            shared.registered.wait(&mut state);
        } else if Instant::now() < due {
            shared.registered.wait_until(&mut state, due);
        } else {
            state.slots.retain(|slot| slot.strong_count() > 0);
            return Some(state.slots.clone());
        }
    }
    None
}
