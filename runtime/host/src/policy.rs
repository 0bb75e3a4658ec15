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
    /// Events have gathered in this shard, or its instance is gone.
    fn tend(&self, shard: usize);

    /// Time has passed. Returns whether the slot wants to be asked at the finer period.
    fn pass_time(&self) -> bool;
}

/// Threads for everything nobody waits for: batched hooks, revivals, ticks. They are never an async runtime's workers,
/// so a slow plugin can delay other batches but no request.
pub(crate) struct PolicyThreads {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    /// Each shard of each slot stands here at most once: its own flag sees to that, and bounds the queue.
    queue: VecDeque<(Weak<dyn Chores>, usize)>,
    slots: Vec<Weak<dyn Chores>>,
    next_timer: Option<Instant>,
    closed: bool,
}

impl PolicyThreads {
    pub(crate) fn start() -> Result<Self, HostError> {
        let shared = Arc::new(Shared { state: Mutex::default(), wake: Condvar::new() });
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for index in 0..(cores / 2).clamp(1, THREADS_MAX) {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("switchyard-policy-{index}"))
                .spawn(move || run(&shared))
                .map_err(|error| HostError::Machine(format!("a policy thread cannot be started: {error}")))?;
        }
        Ok(Self { shared })
    }

    /// Lets time pass for a slot from now on.
    pub(crate) fn register(&self, slot: Weak<dyn Chores>) {
        let mut state = self.shared.state.lock();
        state.slots.retain(|slot| slot.strong_count() > 0);
        state.slots.push(slot);
        state.next_timer.get_or_insert_with(Instant::now);
        drop(state);
        self.shared.wake.notify_one();
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
    }
}

enum Job {
    Tend(Weak<dyn Chores>, usize),
    PassTime(Vec<Weak<dyn Chores>>),
    End,
}

fn run(shared: &Shared) {
    loop {
        match next_job(shared) {
            Job::Tend(slot, shard) => {
                if let Some(slot) = slot.upgrade() {
                    slot.tend(shard);
                }
            }
            Job::PassTime(slots) => {
                // Every slot is asked: the first that wants the finer period must not end it.
                let mut fine = false;
                for slot in slots.iter().filter_map(Weak::upgrade) {
                    fine |= slot.pass_time();
                }
                let mut state = shared.state.lock();
                state.next_timer = Some(Instant::now() + if fine { TIMER_PERIOD } else { IDLE_PERIOD });
                drop(state);
                // Whoever waits does so without a deadline while the timer is out; one must know the new one.
                shared.wake.notify_one();
            }
            Job::End => return,
        }
    }
}

fn next_job(shared: &Shared) -> Job {
    let mut state = shared.state.lock();
    loop {
        if state.closed {
            return Job::End;
        }
        if state.next_timer.is_some_and(|due| due <= Instant::now()) {
            // Taken out while it runs, so that one thread at a time does it.
            state.next_timer = None;
            state.slots.retain(|slot| slot.strong_count() > 0);
            return Job::PassTime(state.slots.clone());
        }
        if let Some((slot, shard)) = state.queue.pop_front() {
            return Job::Tend(slot, shard);
        }
        match state.next_timer {
            Some(due) => drop(shared.wake.wait_until(&mut state, due)),
            None => shared.wake.wait(&mut state),
        }
    }
}
