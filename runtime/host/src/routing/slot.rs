use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use switchyard_types::Interests;

use super::{Candidate, Choice, Request, RouteTable, Routing, Wants, kind::PICK};
use crate::{
    CallError, Host, HostError, SlotFigures, Strategy, SwapOrder, SwapReport, Upkeep, description::BATCH_MAX,
    slot::Slot,
};

/// The decisions of a route: which backend gets a request. Cheap to clone.
#[derive(Clone)]
pub struct RoutingSlot {
    slot: Slot<Routing>,
    corrected: Arc<AtomicU64>,
}

impl RoutingSlot {
    /// A slot with as many shards as the table has, on the built-in fallback.
    pub fn new(host: &Host, table: Weak<dyn RouteTable>, shards: usize, upkeep: Upkeep) -> Self {
        Self { slot: Slot::new(host, table, shards, upkeep), corrected: Arc::default() }
    }

    /// What the engine should buffer. It changes with a swap; reading it costs a load.
    #[inline]
    pub fn wants(&self) -> Wants {
        decode(self.slot.wants())
    }

    /// Asks about a request, and applies the answer while the shard's decisions are locked. At most
    /// [`CANDIDATES_MAX`](super::CANDIDATES_MAX) candidates, each once.
    ///
    /// `apply` gets none where the fallback decides: no strategy, a busy shard, a quarantine, a failed call, an order without
    /// any candidate. The order that it gets names candidates only, each once.
    #[inline]
    pub fn pick<R>(
        &self,
        shard: usize,
        now_ms: u64,
        request: &Request,
        candidates: &[Candidate],
        apply: impl FnOnce(Option<&Choice>) -> R,
    ) -> R {
        self.slot.decide(
            shard,
            PICK,
            |instance, backlog| self.known(instance.pick(now_ms, request, candidates, backlog)?, candidates),
            apply,
            // What a pick does is told by its outcome.
            |_, _| {},
        )
    }

    /// Without what is not a candidate, or named twice.
    #[inline]
    fn known(&self, choice: Choice, candidates: &[Candidate]) -> Result<Choice, CallError> {
        let Choice::Order(mut order) = choice else { return Ok(choice) };
        let named = order.len();
        let mut place = 0;
        while let Some(backend) = order.get(place).copied() {
            let repeated = order.iter().take(place).any(|before| *before == backend);
            if repeated || !candidates.iter().any(|candidate| candidate.backend == backend) {
                order.remove(place);
            } else {
                place += 1;
            }
        }
        if order.len() < named {
            self.corrected.fetch_add(1, Relaxed);
        }
        match order.is_empty() {
            true => Err(CallError::InvalidResult("none of the backends in the order is a candidate".into())),
            false => Ok(Choice::Order(order)),
        }
    }

    /// Delivers what the table has buffered, now and on this thread.
    pub fn observe(&self, shard: usize) {
        self.slot.observe(shard);
    }

    /// Has what the table has buffered delivered soon. Cheap, and idempotent until it happens.
    #[inline]
    pub fn wake(&self, shard: usize) {
        self.slot.wake(shard);
    }

    /// Tells every instance the route's backends again: one was added or removed, or has changed its health.
    pub fn backends_changed(&self) {
        self.slot.settle();
    }

    /// Lets `strategy` decide from now on; the same strategy again changes nothing. Blocks while it stages.
    pub fn swap(&self, strategy: &Strategy, seed: u64) -> Result<SwapReport, HostError> {
        self.swap_with(&SwapOrder::new(strategy, seed))
    }

    /// The same, watched.
    pub fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
        self.slot.swap(order)
    }

    pub(crate) fn slot(&self) -> &Slot<Routing> {
        &self.slot
    }

    /// Back to the built-in fallback.
    pub fn clear(&self) {
        self.slot.clear();
    }

    /// What the slot has done. Takes each shard's lock for a moment.
    pub fn figures(&self) -> SlotFigures {
        let mut figures = self.slot.figures();
        figures.shards.corrected = self.corrected.load(Relaxed);
        figures
    }
}

const OUTCOMES: u64 = 1 << 32;
const KEYS: u64 = 1 << 34;

/// One word for an atomic: the batch below, a bit for each wish above. Two strategies' words are joined by `or`.
pub(super) fn encode(interests: &Interests) -> u64 {
    let outcomes = if interests.events.iter().any(|event| event == "outcome") { OUTCOMES } else { 0 };
    let keys = if interests.keys { KEYS } else { 0 };
    u64::from(interests.batch) | outcomes | keys
}

fn decode(wants: u64) -> Wants {
    Wants {
        outcomes: wants & OUTCOMES != 0,
        keys: wants & KEYS != 0,
        // Two joined batches can be more than either.
        batch: ((wants & u64::from(u32::MAX)) as usize).min(BATCH_MAX as usize),
    }
}
