use std::sync::Weak;

use switchyard_types::Interests;

use super::{
    Event, EventKind, Failure, QueueTable, QueueView, Retry, Scheduling, Task, Verdict, Wants,
    kind::{FAILED, SUBMIT},
};
use crate::{
    Host, HostError, SlotFigures, Strategy, SwapOrder, SwapReport, Upkeep, description::BATCH_MAX, slot::Slot,
};

/// The decisions of a queue: what is taken, what runs next, what is tried again. Cheap to clone.
#[derive(Clone)]
pub struct SchedulingSlot(Slot<Scheduling>);

impl SchedulingSlot {
    /// A slot with as many shards as the table has, on the built-in fallback.
    pub fn new(host: &Host, table: Weak<dyn QueueTable>, shards: usize, upkeep: Upkeep) -> Self {
        Self(Slot::new(host, table, shards, upkeep))
    }

    /// What the engine should buffer. It changes with a swap; reading it costs a load.
    #[inline]
    pub fn wants(&self) -> Wants {
        decode(self.0.wants())
    }

    /// Asks about a task that was pushed, and applies the answer while the shard's decisions are locked.
    ///
    /// `apply` gets none where the fallback decides: no strategy, a busy shard, a quarantine, a failed call.
    #[inline]
    pub fn submit<R>(
        &self,
        shard: usize,
        now_ms: u64,
        task: &Task,
        queue: QueueView,
        apply: impl FnOnce(Option<&Verdict>) -> R,
    ) -> R {
        self.0.decide(
            shard,
            SUBMIT,
            |instance, backlog| instance.submit(now_ms, task, queue, backlog),
            apply,
            |verdict, events| {
                if matches!(verdict, Verdict::Accept(_)) {
                    events.push(placed(task));
                }
            },
        )
    }

    /// Asks about a task that has failed, in the same way. `task.attempt` counts this failure too.
    pub fn failed<R>(
        &self,
        shard: usize,
        now_ms: u64,
        task: &Task,
        failure: Failure,
        apply: impl FnOnce(Option<&Retry>) -> R,
    ) -> R {
        self.0.decide(
            shard,
            FAILED,
            |instance, backlog| instance.failed(now_ms, task, failure, backlog),
            apply,
            |retry, events| {
                events.push(match retry {
                    Retry::Again(_) => placed(task),
                    Retry::GiveUp => Event { kind: EventKind::Removed, ..placed(task) },
                });
            },
        )
    }

    /// Delivers what the table has buffered, now and on this thread.
    pub fn observe(&self, shard: usize) {
        self.0.observe(shard);
    }

    /// Has what the table has buffered delivered soon. Cheap, and idempotent until it happens.
    #[inline]
    pub fn wake(&self, shard: usize) {
        self.0.wake(shard);
    }

    /// Lets `strategy` decide from now on; the same strategy again changes nothing. Blocks while it stages.
    pub fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError> {
        self.swap_with(&SwapOrder::new(strategy, seed))
    }

    /// The same, watched.
    pub fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
        self.0.swap(order)
    }

    pub(crate) fn slot(&self) -> &Slot<Scheduling> {
        &self.0
    }

    /// Back to the built-in fallback.
    pub fn clear(&self) {
        self.0.clear();
    }

    /// What the slot has done. Takes each shard's lock for a moment.
    pub fn figures(&self) -> SlotFigures {
        self.0.figures()
    }
}

/// A placement, told to an instance that did not make it.
fn placed(task: &Task) -> Event {
    Event { id: task.id, tenant: task.tenant, width: task.width, kind: EventKind::Placed, took_ms: 0 }
}

const STARTED: u64 = 1 << 32;
const DONE: u64 = 1 << 33;

/// One word for an atomic: the batch below, a bit for each wish above. Two strategies' words are joined by `or`.
pub(super) fn encode(interests: &Interests) -> u64 {
    let event = |name: &str, bit| if interests.events.iter().any(|event| event == name) { bit } else { 0 };
    u64::from(interests.batch) | event("started", STARTED) | event("done", DONE)
}

fn decode(wants: u64) -> Wants {
    Wants {
        started: wants & STARTED != 0,
        done: wants & DONE != 0,
        // Two joined batches can be more than either.
        batch: ((wants & u64::from(u32::MAX)) as usize).min(BATCH_MAX as usize),
    }
}
