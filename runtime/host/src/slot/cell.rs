use std::sync::Arc;

use switchyard_types::Digest;

use super::Shared;
use crate::{
    CallError, Strategy, description::BATCH_MAX, figures::HookMeter, gauges::GenerationGuard, instance::Instance,
    kind::Kind, quarantine::FailureWindow,
};

/// Events that are held for an instance in staging. At a million events a second a shard, that is a second.
const TEE_EVENTS_MAX: usize = 1 << 20;

/// An instance that fails within so many calls after an import may have failed for what it imported.
const SUSPECT_CALLS: u64 = 1_000;

/// Events for an instance in staging. Past the bound they are dropped, and the staging fails.
struct Tee<E> {
    events: Vec<E>,
    overflowed: bool,
}

impl<E> Tee<E> {
    fn write(&mut self, write: impl FnOnce(&mut Vec<E>)) {
        if self.overflowed {
            return;
        }
        write(&mut self.events);
        if self.events.len() > TEE_EVENTS_MAX {
            *self = Self { events: Vec::new(), overflowed: true };
        }
    }
}

/// What one shard's lock protects.
pub(super) struct Cell<K: Kind> {
    pub(super) running: Option<Running<K>>,
    /// The backlog of the call at hand; kept for its memory.
    backlog: Vec<K::Event>,
    /// What happens while a new instance is staged, for that instance.
    tee: Option<Tee<K::Event>>,
    pub(super) window: FailureWindow,
    /// As many as the kind has hooks that return a decision.
    pub(super) asked: Box<[HookMeter]>,
    pub(super) batched: HookMeter,
    pub(super) ticks: HookMeter,
    pub(super) next_tick_ms: u64,
    /// Slices that the last tick has made due and that are not done.
    slices_due: usize,
}

/// What decides in a shard.
pub(super) struct Running<K: Kind> {
    pub(super) strategy: Strategy,
    pub(super) seed: u64,
    /// None: it failed and waits for its successor; the fallback decides.
    pub(super) instance: Option<Instance<K::Calls>>,
    /// The state that the instance began with, by its name.
    pub(super) imported: Option<Digest>,
    /// Whether it is asked for its state; not after that has failed.
    pub(super) exports: bool,
    /// All shards of one swap hold the same one.
    #[expect(dead_code, reason = "it counts by being held")]
    pub(super) generation: Arc<GenerationGuard>,
}

impl<K: Kind> Default for Cell<K> {
    fn default() -> Self {
        Self {
            running: None,
            backlog: Vec::with_capacity(BATCH_MAX as usize),
            tee: None,
            window: FailureWindow::default(),
            asked: K::ASKED.iter().map(|hook| HookMeter::new(!hook.waited)).collect(),
            batched: HookMeter::new(true),
            ticks: HookMeter::new(true),
            next_tick_ms: 0,
            slices_due: 0,
        }
    }
}

impl<K: Kind> Cell<K> {
    /// Takes the next events out of the table: the backlog of the next call. Returns how many.
    #[inline]
    pub(super) fn drain(&mut self, table: &K::Table, shard: usize) -> usize {
        self.backlog.clear();
        K::drain(table, shard, BATCH_MAX as usize, &mut self.backlog);
        if let Some(tee) = &mut self.tee {
            tee.write(|events| events.extend_from_slice(&self.backlog));
        }
        self.backlog.len()
    }

    /// A call with the backlog that returns a decision.
    #[inline]
    pub(super) fn ask<D>(
        &mut self,
        hook: usize,
        shared: &Shared<K>,
        call: impl FnOnce(&mut Instance<K::Calls>, &[K::Event]) -> Result<D, CallError>,
    ) -> Option<D> {
        let instance = live(&mut self.running, shared)?;
        let meter = self.asked.get_mut(hook)?;
        let sample = meter.begin();
        let result = call(instance, &self.backlog);
        meter.end(sample, &result);
        self.judge(shared, result)
    }

    /// Delivers the backlog in a batch.
    pub(super) fn observe(&mut self, shared: &Shared<K>, now_ms: u64) {
        let Some(instance) = live(&mut self.running, shared) else { return };
        let sample = self.batched.begin();
        let result = K::observe(instance, now_ms, &self.backlog);
        self.batched.end(sample, &result);
        self.judge(shared, result);
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, shared: &Shared<K>, now_ms: u64, table: &K::Table, shard: usize) {
        let Some(plugin) = self.running.as_ref().map(|running| running.strategy.plugin().clone()) else { return };
        let Some(instance) = live(&mut self.running, shared) else { return };
        let sample = self.ticks.begin();
        let result = K::tick(instance, now_ms, &plugin.manifest().interests, table, shard);
        self.ticks.end(sample, &result);
        self.judge(shared, result);
        self.slices_due = K::slices(&plugin.manifest().interests);
    }

    /// One slice of what is too long for one hold of the shard. False: there is nothing to do.
    pub(super) fn slice(&mut self, shared: &Shared<K>, now_ms: u64, table: &K::Table, shard: usize) -> bool {
        let Some(plugin) = self.running.as_ref().map(|running| running.strategy.plugin().clone()) else { return false };
        let Some(instance) = live(&mut self.running, shared) else { return false };
        let interests = &plugin.manifest().interests;
        let Some(slice) = K::slice(table, shard, interests, &mut self.slices_due) else { return false };
        let sample = self.batched.begin();
        let result = slice(instance, now_ms);
        self.batched.end(sample, &result);
        self.judge(shared, result).is_some()
    }

    pub(super) fn has_slices_due(&self) -> bool {
        self.slices_due > 0
    }

    /// Says again what the instance must know of its table. It happens when an operator changes a budget: nobody needs
    /// figures of it, and its clock readings would cost more than the call.
    pub(super) fn settle(&mut self, shared: &Shared<K>, table: &K::Table, shard: usize) {
        let Some(instance) = live(&mut self.running, shared) else { return };
        let result = K::settle(instance, table, shard);
        self.judge(shared, result);
    }

    /// After a failure the instance is gone: nobody knows what state it is in.
    #[inline]
    fn judge<R>(&mut self, shared: &Shared<K>, result: Result<R, CallError>) -> Option<R> {
        match result {
            Ok(value) => {
                self.window.succeeded();
                Some(value)
            }
            Err(error) => {
                self.lost(shared, &error);
                None
            }
        }
    }

    #[cold]
    pub(super) fn lost(&mut self, shared: &Shared<K>, error: &CallError) {
        if let Some(running) = &mut self.running {
            running.instance = None;
            // A state that came so shortly before is under suspicion; a machine that gave the call no time is not evidence.
            let suspect =
                running.imported.take().filter(|_| self.window.calls() < SUSPECT_CALLS && !error.is_starved());
            shared.host.rejected_states().extend(suspect);
            tracing::warn!(plugin = %running.strategy.plugin().manifest().name, %error, "an instance failed");
        }
        if self.window.failed(error) {
            shared.quarantine(error);
        }
    }

    /// From now on everything that happens is also kept for a new instance.
    pub(super) fn open_tee(&mut self) {
        self.tee = Some(Tee { events: Vec::new(), overflowed: false });
    }

    pub(super) fn close_tee(&mut self) {
        self.tee = None;
    }

    /// What a decision did, for the instance in staging.
    #[inline]
    pub(super) fn teed(&mut self, write: impl FnOnce(&mut Vec<K::Event>)) {
        if let Some(tee) = &mut self.tee {
            tee.write(write);
        }
    }

    /// What was kept since the last time; none: more than the bound, the new instance has fallen behind.
    pub(super) fn take_teed(&mut self) -> Option<Vec<K::Event>> {
        let tee = self.tee.as_mut()?;
        (!tee.overflowed).then(|| std::mem::take(&mut tee.events))
    }

    pub(super) fn give_up_instance(&mut self) {
        if let Some(running) = &mut self.running {
            running.instance = None;
        }
    }

    /// Events that the instance in staging has not got yet.
    pub(super) fn teed_len(&self) -> usize {
        self.tee.as_ref().map_or(0, |tee| tee.events.len())
    }

    /// How often the strategy wants to be ticked; none: never.
    #[inline]
    pub(super) fn tick_ms(&self) -> Option<u32> {
        self.running.as_ref()?.strategy.plugin().manifest().interests.tick_ms
    }

    pub(super) fn needs_revival(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.instance.is_none())
    }
}

/// The instance that may be called.
#[inline]
fn live<'a, K: Kind>(running: &'a mut Option<Running<K>>, shared: &Shared<K>) -> Option<&'a mut Instance<K::Calls>> {
    running.as_mut()?.instance.as_mut().filter(|_| !shared.is_quarantined())
}
