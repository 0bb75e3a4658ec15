//! A slot: one instance per shard of an engine, and everything that may happen to them. The parts: `cell` (what one
//! shard's lock protects), `staging` (new instances learn the table while the old ones decide), `swap` (the flip),
//! `state` (what instances leave to others), `upkeep` (what nobody waits for),
//! `report` (figures).

mod cell;
mod report;
mod staging;
mod state;
mod swap;
mod upkeep;

use std::{
    sync::{
        Arc, Weak,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};

pub use report::{SlotFigures, SwapReport};
pub use state::{State, StateStore};

use self::{cell::Cell, report::History};
use crate::{
    CallError, Host,
    instance::Instance,
    kind::Kind,
    policy::{Chore, Chores},
    quarantine::Quarantines,
};

/// A caller that finds its shard busy spins so long and then takes the fallback: most decisions are not worth waiting for. A
/// kind whose decisions are says how much longer.
const SPIN_MAX: Duration = Duration::from_micros(20);
/// Spins between two looks at the clock.
const SPINS_PER_LOOK: u32 = 64;

/// Who does what nobody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upkeep {
    /// The host's policy threads: an engine that serves.
    Threads,
    /// Whoever calls, at once: a replay, where the same calls give the same decisions. Time is the table's: ticks that are due
    /// come before a decision and after a batch, and a quarantine ends with the first decision that is asked for after it.
    Caller,
}

/// A handle on a slot.
pub(crate) struct Slot<K: Kind>(Arc<Shared<K>>);

impl<K: Kind> Clone for Slot<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Shared<K: Kind> {
    host: Host,
    table: Weak<K::Table>,
    shards: Box<[Shard<K>]>,
    upkeep: Upkeep,
    me: Weak<Self>,
    /// What the engine buffers, as the kind encodes it; 0: nothing.
    wants: AtomicU64,
    /// What the version in staging wants; 0: none is. A quarantine of the old one must not blind its successor.
    staging_wants: AtomicU64,
    /// Until when the fallback decides, in milliseconds of the engine's clock; 0: no quarantine.
    quarantined_until_ms: AtomicU64,
    /// How long they were.
    quarantines: Mutex<Quarantines>,
    /// Held by whoever replaces instances: one at a time.
    staging: Mutex<()>,
    /// What came of it; held for moments, so that figures never wait for a staging.
    history: Mutex<History>,
}

struct Shard<K: Kind> {
    cell: Mutex<Cell<K>>,
    /// Stands in the queue of the policy threads, for its batches and for a new instance.
    tend_queued: AtomicBool,
    restage_queued: AtomicBool,
    asked: Box<[Asked]>,
}

/// What a hook of one shard did not answer.
#[derive(Default)]
struct Asked {
    busy: AtomicU64,
    fallbacks: AtomicU64,
    /// Decisions of the fallback while there was nobody else to ask.
    alone: AtomicU64,
}

impl<K: Kind> Slot<K> {
    pub(crate) fn new(host: &Host, table: Weak<K::Table>, shards: usize, upkeep: Upkeep) -> Self {
        let shared = Arc::new_cyclic(|me| Shared {
            host: host.clone(),
            table,
            shards: (0..shards).map(|_| Shard::default()).collect(),
            upkeep,
            me: Weak::clone(me),
            wants: AtomicU64::new(0),
            staging_wants: AtomicU64::new(0),
            quarantined_until_ms: AtomicU64::new(0),
            quarantines: Mutex::default(),
            staging: Mutex::default(),
            history: Mutex::default(),
        });
        if upkeep == Upkeep::Threads {
            let chores: Weak<dyn Chores> = shared.me.clone();
            host.policy().register(chores);
        }
        Self(shared)
    }

    /// What the engine should buffer.
    #[inline]
    pub(crate) fn wants(&self) -> u64 {
        self.0.wants.load(Relaxed)
    }

    /// A call that returns a decision: to the hook at `hook` of the kind's. `call` gets the instance and the shard's backlog; `apply` gets its result, or
    /// none where the fallback decides; `tee` says what a decision did, for an instance that is being staged. All three
    /// run with the shard locked, so decisions of one shard are applied in the order in which they were made.
    #[inline]
    pub(crate) fn decide<D, R>(
        &self,
        shard: usize,
        hook: usize,
        call: impl FnOnce(&mut Instance<K::Calls>, &[K::Event]) -> Result<D, CallError>,
        apply: impl FnOnce(Option<&D>) -> R,
        tee: impl FnOnce(&D, &mut Vec<K::Event>),
    ) -> R {
        let shared = &*self.0;
        if self.wants() == 0 {
            shared.let_caller_half_open(shard);
        }
        let Some(slot) = shared.shards.get(shard) else { return apply(None) };
        if self.wants() == 0 {
            slot.count_alone(hook);
            return apply(None);
        }
        let (Some(mut cell), Some(table)) = (slot.lock_or_give_up(hook), shared.table.upgrade()) else {
            return apply(None);
        };
        shared.let_caller_tick(&mut cell, &table, shard);
        cell.drain(&table, shard);
        let decision = cell.ask(hook, shared, call);
        let result = apply(decision.as_ref());
        match &decision {
            Some(decision) => cell.teed(|events| tee(decision, events)),
            None => {
                slot.count_fallback(hook);
                drop(cell);
                shared.ask_for(Chore::Tend, shard);
            }
        }
        result
    }

    /// Delivers what has gathered, now and on this thread.
    pub(crate) fn observe(&self, shard: usize) {
        self.0.tend(shard);
        self.0.let_caller_pass_time(shard);
    }

    /// Has what gathered delivered soon by a policy thread.
    #[inline]
    pub(crate) fn wake(&self, shard: usize) {
        self.0.enqueue(Chore::Tend, shard);
    }

    /// Ends a quarantine now: somebody has asked for the strategy again. It is tried with cold instances, as at any end of one.
    pub(crate) fn retry(&self) {
        let shared = &*self.0;
        let quarantines = shared.quarantines.lock();
        if shared.is_quarantined() {
            shared.quarantined_until_ms.store(shared.now_ms().max(1), SeqCst);
            drop(quarantines);
            shared.ask_for(Chore::Restage, 0);
        }
    }

    /// Tells every instance again what it must know of its table.
    ///
    /// Waits for a staging: an instance that is on its way has been told the old budget.
    pub(crate) fn settle(&self) {
        let _staging = self.0.staging.lock();
        let Some(table) = self.0.table.upgrade() else { return };
        for (index, shard) in self.0.shards.iter().enumerate() {
            shard.cell.lock().settle(&self.0, &table, index);
        }
    }
}

impl<K: Kind> Default for Shard<K> {
    fn default() -> Self {
        Self {
            cell: Mutex::default(),
            tend_queued: AtomicBool::new(false),
            restage_queued: AtomicBool::new(false),
            asked: K::ASKED.iter().map(|_| Asked::default()).collect(),
        }
    }
}

impl<K: Kind> Shard<K> {
    #[inline]
    fn lock_or_give_up(&self, hook: usize) -> Option<MutexGuard<'_, Cell<K>>> {
        self.cell.try_lock().or_else(|| self.spin(hook))
    }

    #[cold]
    fn spin(&self, hook: usize) -> Option<MutexGuard<'_, Cell<K>>> {
        let start = Instant::now();
        while start.elapsed() < SPIN_MAX {
            for _ in 0..SPINS_PER_LOOK {
                std::hint::spin_loop();
            }
            if let Some(cell) = self.cell.try_lock() {
                return Some(cell);
            }
        }
        if let Some(cell) = (!K::WAIT_MAX.is_zero()).then(|| self.cell.try_lock_for(K::WAIT_MAX)).flatten() {
            return Some(cell);
        }
        if let Some(asked) = self.asked.get(hook) {
            asked.busy.fetch_add(1, Relaxed);
        }
        self.count_fallback(hook);
        None
    }

    #[inline]
    fn count_alone(&self, hook: usize) {
        if let Some(asked) = self.asked.get(hook) {
            asked.alone.fetch_add(1, Relaxed);
        }
    }

    fn count_fallback(&self, hook: usize) {
        if let Some(asked) = self.asked.get(hook) {
            asked.fallbacks.fetch_add(1, Relaxed);
        }
    }
}

impl<K: Kind> Shared<K> {
    fn is_quarantined(&self) -> bool {
        self.quarantined_until_ms.load(Relaxed) != 0
    }

    fn half_open_in_ms(&self) -> Option<u64> {
        let until_ms = self.quarantined_until_ms.load(Relaxed);
        (until_ms != 0).then(|| until_ms.saturating_sub(self.now_ms()))
    }

    /// The fallback decides from now on. Nothing is buffered meanwhile: whoever is tried next adopts the table anyway.
    fn quarantine(&self, error: &CallError) {
        let mut quarantines = self.quarantines.lock();
        // Several shards may fail at once, and a trial may fail before it decides.
        if !self.is_quarantined() || self.half_open_is_due() {
            let now_ms = self.now_ms();
            let until_ms = quarantines.begin(now_ms);
            self.quarantined_until_ms.store(until_ms, SeqCst);
            let seconds = until_ms.saturating_sub(now_ms) / 1_000;
            tracing::error!(%error, seconds, "a strategy failed too often and is quarantined; the fallback decides");
        }
        drop(quarantines);
        self.wants.store(self.staging_wants.load(SeqCst), SeqCst);
    }

    /// By the engine's clock, so that a replay's quarantine lasts as long as a node's. Nothing is decided for an engine that
    /// is gone.
    fn now_ms(&self) -> u64 {
        self.table.upgrade().map_or(0, |table| K::now_ms(&table))
    }

    fn ask_for(&self, chore: Chore, shard: usize) {
        match (self.upkeep, chore) {
            (Upkeep::Threads, _) => self.enqueue(chore, shard),
            (Upkeep::Caller, Chore::Tend) => self.tend(shard),
            (Upkeep::Caller, Chore::Restage) => self.restage(shard),
        }
    }

    fn enqueue(&self, chore: Chore, shard: usize) {
        let Some(slot) = self.shards.get(shard) else { return };
        let queued = match chore {
            Chore::Tend => &slot.tend_queued,
            Chore::Restage => &slot.restage_queued,
        };
        if !queued.load(Acquire) && !queued.swap(true, AcqRel) {
            let me: Weak<dyn Chores> = self.me.clone();
            self.host.policy().enqueue(chore, me, shard);
        }
    }
}
