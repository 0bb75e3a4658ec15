use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use switchyard_host::routing::{Backend, Candidate, Load, OUTCOMES_MAX, Outcome, OutcomeKind, Resident, RouteTable};

use super::servers::Ended;

/// The route of a replay as a strategy sees it. Nobody else touches it, so a lock is never contended.
pub(super) struct TraceRoute {
    now_ms: AtomicU64,
    state: Mutex<State>,
}

struct State {
    in_flight: Vec<u32>,
    outcomes: VecDeque<Outcome>,
    requests: u64,
}

impl TraceRoute {
    pub(super) fn new(servers: usize) -> Self {
        let state = State { in_flight: vec![0; servers], outcomes: VecDeque::new(), requests: 0 };
        Self { now_ms: AtomicU64::new(0), state: Mutex::new(state) }
    }

    pub(super) fn advance(&self, seconds: f64) {
        self.now_ms.store((seconds * 1e3) as u64, Relaxed);
    }

    pub(super) fn candidates(&self) -> Vec<Candidate> {
        let state = self.state.lock();
        (0..).zip(&state.in_flight).map(|(backend, in_flight)| Candidate { backend, in_flight: *in_flight }).collect()
    }

    pub(super) fn begin(&self, server: u32) {
        let mut state = self.state.lock();
        state.requests += 1;
        if let Some(in_flight) = state.in_flight.get_mut(server as usize) {
            *in_flight += 1;
        }
    }

    pub(super) fn end(&self, ended: Vec<Ended>, tell: bool) {
        let mut state = self.state.lock();
        for Ended { server, response_us } in ended {
            if let Some(in_flight) = state.in_flight.get_mut(server as usize) {
                *in_flight -= 1;
            }
            // As on a node: what is too much is not told.
            if tell && state.outcomes.len() < OUTCOMES_MAX {
                let kind = OutcomeKind::Answered;
                state.outcomes.push_back(Outcome { backend: server, kind, latency_us: response_us });
            }
        }
    }
}

impl RouteTable for TraceRoute {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Relaxed)
    }

    fn backends(&self, into: &mut Vec<Backend>) {
        let servers = self.state.lock().in_flight.len() as u32;
        into.extend((0..servers).map(|backend| Backend { backend, weight: 1, healthy: true }));
    }

    fn drain(&self, _shard: usize, max: usize, into: &mut Vec<Outcome>) {
        let mut state = self.state.lock();
        let count = state.outcomes.len().min(max);
        into.extend(state.outcomes.drain(..count));
    }

    fn residents(&self, into: &mut Vec<Resident>) {
        let state = self.state.lock();
        let resident = |(backend, in_flight): (u32, &u32)| Resident { backend, in_flight: *in_flight, latency_us: 0 };
        into.extend((0..).zip(&state.in_flight).map(resident));
    }

    fn load(&self, _shard: usize) -> Load {
        let mut state = self.state.lock();
        let in_flight = state.in_flight.iter().map(|count| u64::from(*count)).sum();
        Load { requests: std::mem::take(&mut state.requests), in_flight, failures: 0 }
    }
}
