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
const BATCH_THREADS_MAX: usize = 4;
/// One strategy that loops while it adopts must not keep another slot from its new instance.
const STAGING_THREADS: usize = 2;

/// What policy threads do for a slot.
pub(crate) trait Chores: Send + Sync {
    /// Events have gathered in this shard.
    fn tend(&self, shard: usize);

    /// The instance of this shard is gone, or a quarantine is over.
    fn restage(&self, shard: usize);

    /// Time has passed. Returns whether the slot wants to be asked at the finer period. All slots are asked by one thread:
    /// what takes longer than a tick, or waits for anybody, is left to the others.
    fn pass_time(&self) -> bool;
}

/// What is to be done with a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chore {
    Tend,
    Restage,
}

/// Threads for everything nobody waits for: batched hooks on some, new instances on others, ticks on one of their own. A
/// batch has milliseconds, and a staging may adopt a large table or loop for a second: it holds up nobody's batches, and
/// neither holds up another slot's time. They are never an async runtime's workers, so a slow plugin delays no request.
pub(crate) struct PolicyThreads {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    batches: Lane,
    stagings: Lane,
    timer: Mutex<Timer>,
    registered: Condvar,
}

/// A queue and whoever waits at it.
#[derive(Default)]
struct Lane {
    queue: Mutex<Queue>,
    wake: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Each shard of each slot stands here at most once: its own flag sees to that, and bounds the queue.
    chores: VecDeque<(Weak<dyn Chores>, usize)>,
    closed: bool,
}

#[derive(Default)]
struct Timer {
    slots: Vec<Weak<dyn Chores>>,
    closed: bool,
}

impl PolicyThreads {
    pub(crate) fn start() -> Result<Self, HostError> {
        let shared = Arc::<Shared>::default();
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        for index in 0..(cores / 2).clamp(1, BATCH_THREADS_MAX) {
            spawn(format!("switchyard-policy-{index}"), &shared, tend)?;
        }
        for index in 0..STAGING_THREADS {
            spawn(format!("switchyard-stage-{index}"), &shared, restage)?;
        }
        spawn("switchyard-timer".to_owned(), &shared, keep_time)?;
        Ok(Self { shared })
    }

    /// Lets time pass for a slot from now on.
    pub(crate) fn register(&self, slot: Weak<dyn Chores>) {
        let mut timer = self.shared.timer.lock();
        timer.slots.retain(|slot| slot.strong_count() > 0);
        timer.slots.push(slot);
        drop(timer);
        self.shared.registered.notify_one();
    }

    /// Has something done soon.
    pub(crate) fn enqueue(&self, chore: Chore, slot: Weak<dyn Chores>, shard: usize) {
        let lane = match chore {
            Chore::Tend => &self.shared.batches,
            Chore::Restage => &self.shared.stagings,
        };
        lane.queue.lock().chores.push_back((slot, shard));
        lane.wake.notify_one();
    }
}

impl Drop for PolicyThreads {
    fn drop(&mut self) {
        for lane in [&self.shared.batches, &self.shared.stagings] {
            lane.queue.lock().closed = true;
            lane.wake.notify_all();
        }
        self.shared.timer.lock().closed = true;
        self.shared.registered.notify_one();
    }
}

impl Lane {
    /// None: the host is gone.
    fn next(&self) -> Option<(Weak<dyn Chores>, usize)> {
        let mut queue = self.queue.lock();
        while !queue.closed {
            if let Some(chore) = queue.chores.pop_front() {
                return Some(chore);
            }
            self.wake.wait(&mut queue);
        }
        None
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

fn tend(shared: &Shared) {
    while let Some((slot, shard)) = shared.batches.next() {
        if let Some(slot) = slot.upgrade() {
            slot.tend(shard);
        }
    }
}

fn restage(shared: &Shared) {
    while let Some((slot, shard)) = shared.stagings.next() {
        if let Some(slot) = slot.upgrade() {
            slot.restage(shard);
        }
    }
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
    let mut timer = shared.timer.lock();
    while !timer.closed {
        if timer.slots.is_empty() {
            shared.registered.wait(&mut timer);
        } else if Instant::now() < due {
            shared.registered.wait_until(&mut timer, due);
        } else {
            timer.slots.retain(|slot| slot.strong_count() > 0);
            return Some(timer.slots.clone());
        }
    }
    None
}
