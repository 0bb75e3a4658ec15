use switchyard_host::{HostError, SlotFigures, State, StateStore, Strategy, StrategySlot, SwapOrder, SwapReport};
use switchyard_types::{HookFigures, PluginName, RouteName, ShardFigures, StrategyKind};

use crate::Gateway;

/// The decisions of all routes of a gateway as one slot. Every route has instances of its own, which know its backends and
/// no others; what is swapped here is swapped in all of them or in none.
#[derive(Clone)]
pub struct GatewaySlot {
    gateway: Gateway,
}

impl GatewaySlot {
    pub(crate) fn new(gateway: Gateway) -> Self {
        Self { gateway }
    }
}

impl StrategySlot for GatewaySlot {
    fn kind(&self) -> StrategyKind {
        StrategyKind::Routing
    }

    /// Route after route, so that no more than one has two sets of instances. The report has the longest time that one
    /// route's decisions stood still, and sums of the rest.
    fn swap_with(&self, order: &SwapOrder<'_>) -> Result<SwapReport, HostError> {
        let strategy = order.strategy();
        let shared = &self.gateway.shared;
        let _changing = shared.changing.lock();
        let known = |(current, _): &(Strategy, u64)| current.identity() == strategy.identity();
        if shared.together.lock().current.as_ref().is_some_and(known) {
            return Ok(SwapReport { unchanged: true, ..SwapReport::default() });
        }
        let table = shared.routes.load_full();
        let mut whole = SwapReport::default();
        for (at, route) in table.routes().iter().enumerate() {
            let states = order.states().map(|store| RouteStates { store, route: &route.name });
            let order = match &states {
                Some(states) => order.clone().with_states(states),
                None => order.clone(),
            };
            match route.decider.slot().swap_with(&order) {
                Ok(report) => add_report(&mut whole, report),
                Err(error) => {
                    let flipped = table.routes().get(..at).unwrap_or_default();
                    flipped.iter().for_each(|route| shared.align(route));
                    return Err(error);
                }
            }
        }
        let mut together = shared.together.lock();
        together.flipped(Some((strategy.clone(), order.seed())));
        together.last = Some(whole.clone());
        Ok(whole)
    }

    fn export(&self, of: &Strategy, store: &dyn StateStore) {
        for route in self.gateway.shared.routes.load().routes() {
            StrategySlot::export(route.decider.slot(), of, &RouteStates { store, route: &route.name });
        }
    }

    fn trust(&self) {
        self.gateway.shared.routes.load().routes().iter().for_each(|route| StrategySlot::trust(route.decider.slot()));
    }

    fn retry(&self) {
        self.gateway.shared.routes.load().routes().iter().for_each(|route| StrategySlot::retry(route.decider.slot()));
    }

    fn clear(&self) {
        let shared = &*self.gateway.shared;
        let _changing = shared.changing.lock();
        if shared.together.lock().current.is_some() {
            shared.together.lock().flipped(None);
        }
        shared.routes.load().routes().iter().for_each(|route| route.decider.slot().clear());
    }

    /// Sums over the routes that there are now; of latencies the longest.
    fn figures(&self) -> SlotFigures {
        let shared = &*self.gateway.shared;
        let mut whole = {
            let together = shared.together.lock();
            let strategy = together.current.as_ref().map(|(strategy, _)| strategy.identity().clone());
            let (flips, last_swap) = (together.flips, together.last.clone());
            SlotFigures { strategy, flips, last_swap, ..SlotFigures::default() }
        };
        for route in shared.routes.load().routes() {
            let figures = route.decider.slot().figures();
            whole.quarantined |= figures.quarantined;
            whole.half_open_in_ms = whole.half_open_in_ms.into_iter().chain(figures.half_open_in_ms).min();
            add_shards(&mut whole.shards, figures.shards);
            for (name, hook) in figures.hooks {
                add_hook(whole.hooks.entry(name).or_default(), &hook);
            }
            for (name, measures) in figures.measures {
                whole.measures.entry(name).or_default().merge(&measures);
            }
        }
        whole
    }
}

/// A route's part of the states: its shards are named after it.
struct RouteStates<'a> {
    store: &'a dyn StateStore,
    route: &'a RouteName,
}

impl StateStore for RouteStates<'_> {
    fn load(&self, shard: &str, plugin: &PluginName) -> Option<State> {
        self.store.load(&format!("{}/{shard}", self.route), plugin)
    }

    fn save(&self, shard: &str, plugin: &PluginName, state: &State) {
        self.store.save(&format!("{}/{shard}", self.route), plugin, state);
    }
}

fn add_report(whole: &mut SwapReport, report: SwapReport) {
    whole.flip_ms = whole.flip_ms.max(report.flip_ms);
    whole.export_ms = whole.export_ms.max(report.export_ms);
    whole.adopted += report.adopted;
    for (stage, ms) in report.staging_ms {
        *whole.staging_ms.entry(stage).or_default() += ms;
    }
}

fn add_shards(whole: &mut ShardFigures, shards: ShardFigures) {
    whole.shards += shards.shards;
    whole.quarantined += shards.quarantined;
    whole.memory_bytes += shards.memory_bytes;
    whole.victims_unknown += shards.victims_unknown;
    whole.fallback_evictions += shards.fallback_evictions;
    whole.corrected += shards.corrected;
    whole.log_lines_dropped += shards.log_lines_dropped;
    whole.metrics_undeclared += shards.metrics_undeclared;
    for (name, value) in shards.counters {
        *whole.counters.entry(name).or_default() += value;
    }
}

fn add_hook(whole: &mut HookFigures, hook: &HookFigures) {
    let calls = whole.calls + hook.calls;
    let cpu_ns =
        whole.cpu_mean_ns.saturating_mul(whole.calls).saturating_add(hook.cpu_mean_ns.saturating_mul(hook.calls));
    whole.cpu_mean_ns = cpu_ns.checked_div(calls).unwrap_or_default();
    whole.calls = calls;
    whole.traps += hook.traps;
    whole.out_of_memory += hook.out_of_memory;
    whole.budget_exceeded += hook.budget_exceeded;
    whole.starved += hook.starved;
    whole.invalid += hook.invalid;
    whole.fallbacks += hook.fallbacks;
    whole.busy += hook.busy;
    whole.latency_p50_ns = whole.latency_p50_ns.max(hook.latency_p50_ns);
    whole.latency_p99_ns = whole.latency_p99_ns.max(hook.latency_p99_ns);
}
