use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use switchyard_host::routing::{self, Load, OUTCOMES_MAX, Outcome, OutcomeKind, Resident};

use crate::{backend::Backend, clock::Clock, figures::Counter, route::Member};

/// A route as its strategy's instances see it.
pub(super) struct Ledger {
    backends: Mutex<Vec<(Arc<Backend>, u32)>>,
    shards: Vec<Shard>,
    clock: Clock,
}

#[derive(Default)]
struct Shard {
    outcomes: Mutex<VecDeque<Outcome>>,
    requests: Counter,
    failures: Counter,
    /// The counters at the last look.
    before: Mutex<(u64, u64)>,
}

impl Ledger {
    pub(super) fn new(shards: usize, clock: Clock) -> Self {
        Self { backends: Mutex::default(), shards: (0..shards).map(|_| Shard::default()).collect(), clock }
    }

    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(super) fn set_backends(&self, members: &[Member]) {
        let now = members.iter().map(|member| (member.backend.clone(), member.weight)).collect();
        let before = std::mem::replace(&mut *self.backends.lock(), now);
        drop(before);
    }

    pub(super) fn asked(&self, shard: usize) {
        if let Some(shard) = self.shards.get(shard) {
            shard.requests.one();
        }
    }

    /// Returns how many outcomes wait.
    pub(super) fn ended(&self, shard: usize, outcome: Outcome, wanted: bool) -> usize {
        let Some(shard) = self.shards.get(shard) else { return 0 };
        if outcome.kind != OutcomeKind::Answered {
            shard.failures.one();
        }
        if !wanted {
            return 0;
        }
        let mut outcomes = shard.outcomes.lock();
        if outcomes.len() < OUTCOMES_MAX {
            outcomes.push_back(outcome);
        }
        outcomes.len()
    }
}

impl routing::RouteTable for Ledger {
    fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn backends(&self, into: &mut Vec<routing::Backend>) {
        let backends = self.backends.lock();
        into.extend(backends.iter().map(|(backend, weight)| routing::Backend {
            backend: backend.number,
            weight: *weight,
            healthy: backend.is_healthy(),
        }));
    }

    fn drain(&self, shard: usize, max: usize, into: &mut Vec<Outcome>) {
        let Some(shard) = self.shards.get(shard) else { return };
        let mut outcomes = shard.outcomes.lock();
        let count = outcomes.len().min(max);
        into.extend(outcomes.drain(..count));
    }

    fn residents(&self, into: &mut Vec<Resident>) {
        let backends = self.backends.lock();
        into.extend(backends.iter().map(|(backend, _)| Resident {
            backend: backend.number,
            in_flight: backend.in_flight(),
            latency_us: backend.latency.get(),
        }));
    }

    fn load(&self, shard: usize) -> Load {
        let in_flight = self.backends.lock().iter().map(|(backend, _)| u64::from(backend.in_flight())).sum();
        let Some(shard) = self.shards.get(shard) else { return Load::default() };
        let now = (shard.requests.get(), shard.failures.get());
        let before = std::mem::replace(&mut *shard.before.lock(), now);
        Load { requests: now.0 - before.0, in_flight, failures: now.1 - before.1 }
    }
}
