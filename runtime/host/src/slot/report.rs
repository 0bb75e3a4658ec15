use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

use switchyard_types::{HookFigures, Measures, ShardFigures};

use super::{Slot, cell::Cell, state::Kept};
use crate::{Strategy, StrategyIdentity, figures::Totals, kind::Kind};

/// How a swap went.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SwapReport {
    /// The same strategy was active already: nothing was done.
    pub unchanged: bool,
    /// How long decisions stood still, in milliseconds.
    pub flip_ms: f64,
    /// How long the export of the old state held one shard, in milliseconds, at most.
    pub export_ms: f64,
    /// Residents that the new instances took over.
    pub adopted: u64,
    /// How long each stage took, in milliseconds, over all shards.
    pub staging_ms: BTreeMap<String, f64>,
}

/// What a slot has done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlotFigures {
    /// What is active; none: the built-in fallback.
    pub strategy: Option<StrategyIdentity>,
    /// Whether the fallback decides because the strategy failed too often.
    pub quarantined: bool,
    /// How long it is until a quarantined strategy is tried again, in milliseconds.
    pub half_open_in_ms: Option<u64>,
    /// Flips since the slot exists.
    pub flips: u64,
    /// The last swap.
    pub last_swap: Option<SwapReport>,
    /// By hook.
    pub hooks: BTreeMap<String, HookFigures>,
    /// The same since the slot exists, as it is reported, and with it what the fallback decided while there was no strategy.
    pub measures: BTreeMap<String, Measures>,
    /// The instances.
    pub shards: ShardFigures,
}

/// What whoever replaces instances keeps.
#[derive(Default)]
pub(super) struct History {
    pub(super) active: Option<Strategy>,
    pub(super) seed: u64,
    pub(super) flips: u64,
    pub(super) last: Option<SwapReport>,
    /// While the active version has not shown that it is healthy.
    pub(super) kept: Option<Kept>,
}

impl<K: Kind> Slot<K> {
    /// Figures of the slot.
    pub(crate) fn figures(&self) -> SlotFigures {
        let shared = &*self.0;
        let [mut observe, mut tick] = <[Totals; 2]>::default();
        let mut shards = ShardFigures { shards: shared.shards.len() as u32, ..ShardFigures::default() };
        for shard in &shared.shards {
            let cell = shard.cell.lock();
            cell.batched.add_to(&mut observe);
            cell.ticks.add_to(&mut tick);
            add_instance(&cell, &mut shards);
        }
        let quarantined = shared.is_quarantined();
        if quarantined {
            shards.quarantined = shards.shards;
        }
        let asked = K::ASKED.iter().enumerate().map(|(at, hook)| (hook.name.to_owned(), self.asked(at)));
        let batched = [("observe", observe), ("tick", tick)]
            .map(|(name, total)| (name.to_owned(), (total.measures(), total.finish())));
        let (mut hooks, mut measures) = (BTreeMap::new(), BTreeMap::new());
        for (name, (measured, figures)) in asked.chain(batched) {
            hooks.insert(name.clone(), figures);
            measures.insert(name, measured);
        }
        let history = shared.history.lock();
        SlotFigures {
            strategy: history.active.as_ref().map(|strategy| strategy.identity().clone()),
            quarantined,
            half_open_in_ms: shared.half_open_in_ms(),
            flips: history.flips,
            last_swap: history.last.clone(),
            hooks,
            measures,
            shards,
        }
    }

    /// One of the hooks that return a decision, over all shards.
    fn asked(&self, hook: usize) -> (Measures, HookFigures) {
        let (mut total, mut fallbacks, mut busy, mut alone) = (Totals::default(), 0, 0, 0);
        for shard in &self.0.shards {
            if let Some(asked) = shard.asked.get(hook) {
                fallbacks += asked.fallbacks.load(Relaxed);
                busy += asked.busy.load(Relaxed);
                alone += asked.alone.load(Relaxed);
            }
            if let Some(meter) = shard.cell.lock().asked.get(hook) {
                meter.add_to(&mut total);
            }
        }
        let measures = Measures { fallbacks: fallbacks + alone, busy, ..total.measures() };
        (measures, HookFigures { fallbacks, busy, ..total.finish() })
    }
}

fn add_instance<K: Kind>(cell: &Cell<K>, shards: &mut ShardFigures) {
    let Some(running) = &cell.running else { return };
    let Some(instance) = &running.instance else { return };
    let state = instance.state();
    shards.memory_bytes += state.memory.bytes();
    shards.log_lines_dropped += state.log.dropped();
    shards.metrics_undeclared += state.metrics.undeclared;
    let manifest = running.strategy.plugin().manifest();
    let counters = manifest.counters.iter().zip(state.metrics.counters.iter().map(|counter| *counter as f64));
    let gauges = manifest.gauges.iter().zip(state.metrics.gauges.iter().copied());
    for (name, value) in counters.chain(gauges) {
        *shards.counters.entry(name.clone()).or_default() += value;
    }
}
