//! Least latency: the backend that is expected to answer first gets the next request.
//!
//! Peak EWMA, as Finagle has it ("Beyond round robin: load balancing for latency", Twitter 2015): each backend's latency is an
//! exponentially weighted moving average that jumps up to a slow answer at once and comes down with time; the cost of a backend
//! is that average times the requests in flight, with the one at hand. A failure counts as a very slow answer, so an erring
//! backend that answers fast does not draw everything to itself. Start reading at [`LeastLatency`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    export_routing,
    lifecycle::Interests,
    routing::{Backend, Candidate, Choice, Outcome, OutcomeKind, Request, Resident, Routing},
};

/// What an operator can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configuration {
    /// How long a latency is remembered, in milliseconds: after it, an old average counts for 37 %.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub decay_ms: u64,
    /// What a failed try counts as, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub failure_ms: u32,
}

impl Default for Configuration {
    fn default() -> Self {
        Self { decay_ms: 10_000, failure_ms: 5_000 }
    }
}

/// What is known of one backend.
#[derive(Debug, Clone, Copy)]
struct Latency {
    average_us: f64,
    at_ms: u64,
}

impl Latency {
    fn heard(&mut self, now_ms: u64, latency_us: f64, decay_ms: u64) {
        if latency_us >= self.average_us {
            self.average_us = latency_us;
        } else {
            let kept = (-(now_ms.saturating_sub(self.at_ms) as f64) / decay_ms as f64).exp();
            self.average_us = self.average_us * kept + latency_us * (1.0 - kept);
        }
        self.at_ms = now_ms;
    }

    /// Without news it comes down too: who was slow once gets another chance.
    fn now(&self, now_ms: u64, decay_ms: u64) -> f64 {
        self.average_us * (-(now_ms.saturating_sub(self.at_ms) as f64) / decay_ms as f64).exp()
    }
}

/// The strategy.
#[derive(Debug)]
pub struct LeastLatency {
    configuration: Configuration,
    latencies: BTreeMap<u32, Latency>,
}

impl LeastLatency {
    /// Of a backend that has not been tried: as good as the best, so that it is tried and not flooded.
    fn best_us(&self, now_ms: u64, candidates: &[Candidate]) -> f64 {
        let known = candidates.iter().filter_map(|candidate| self.latencies.get(&candidate.backend));
        known.map(|latency| latency.now(now_ms, self.configuration.decay_ms)).reduce(f64::min).unwrap_or(1.0)
    }

    fn cost(&self, now_ms: u64, candidate: &Candidate, unknown_us: f64) -> f64 {
        let latency = self.latencies.get(&candidate.backend);
        let latency_us = latency.map_or(unknown_us, |latency| latency.now(now_ms, self.configuration.decay_ms));
        // A microsecond more than nothing: what has decayed to zero still fills up.
        (latency_us + 1.0) * (f64::from(candidate.in_flight) + 1.0)
    }
}

impl Routing for LeastLatency {
    type Configuration = Configuration;

    const INTERESTS: Interests = Interests::NONE.with_outcomes().with_batch(32);

    fn new(configuration: Configuration, _seed: u64) -> Result<Self, String> {
        Ok(Self { configuration, latencies: BTreeMap::new() })
    }

    fn backends(&mut self, _now_ms: u64, backends: &[Backend]) {
        self.latencies.retain(|backend, _| backends.iter().any(|declared| declared.backend == *backend));
    }

    fn pick(&mut self, now_ms: u64, _request: &Request, candidates: &[Candidate]) -> Choice {
        let unknown_us = self.best_us(now_ms, candidates);
        let cost = |candidate: &Candidate| (self.cost(now_ms, candidate, unknown_us), candidate.backend);
        let mut order: Vec<_> = candidates.iter().map(cost).collect();
        order.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Choice::order(order.into_iter().map(|(_, backend)| backend))
    }

    fn outcome(&mut self, now_ms: u64, outcome: &Outcome) {
        let failure_us = f64::from(self.configuration.failure_ms) * 1_000.0;
        let latency_us = match outcome.kind {
            OutcomeKind::Answered => f64::from(outcome.latency_us),
            OutcomeKind::Failed | OutcomeKind::Unreachable => failure_us.max(f64::from(outcome.latency_us)),
        };
        let new = Latency { average_us: latency_us, at_ms: now_ms };
        let decay_ms = self.configuration.decay_ms;
        self.latencies.entry(outcome.backend).or_insert(new).heard(now_ms, latency_us, decay_ms);
    }

    fn adopt(&mut self, now_ms: u64, resident: &Resident) {
        if resident.latency_us > 0 {
            let known = Latency { average_us: f64::from(resident.latency_us), at_ms: now_ms };
            self.latencies.insert(resident.backend, known);
        }
    }
}

export_routing!(LeastLatency);

#[cfg(test)]
mod tests {
    use switchyard_sdk::testing::RouteDriver;

    use super::*;

    fn route() -> RouteDriver<LeastLatency> {
        RouteDriver::new(r#"{"decay_ms": 1000}"#, &[1, 1]).unwrap()
    }

    fn first(route: &mut RouteDriver<LeastLatency>) -> u32 {
        let Choice::Order(order) = route.choose() else { unreachable!("nothing is refused") };
        order[0]
    }

    #[test]
    fn the_slow_one_gets_little_until_it_is_forgiven() {
        let mut route = route();
        route.end(0, OutcomeKind::Answered, 50_000);
        route.end(1, OutcomeKind::Answered, 1_000);
        let mut counts = [0_u32; 2];
        for _ in 0..51 {
            counts[route.send().unwrap() as usize] += 1;
        }
        assert_eq!(counts, [1, 50], "fifty times as slow");
        (0..50).for_each(|_| route.end(1, OutcomeKind::Answered, 1_000));
        route.end(0, OutcomeKind::Answered, 1_000);
        assert_eq!(first(&mut route), 1);
        route.pass(20_000);
        assert_eq!((route.send(), route.send()), (Some(1), Some(0)), "what was long ago counts for nothing");
    }

    #[test]
    fn errors_that_come_fast_do_not_draw_requests() {
        let mut route = route();
        route.end(0, OutcomeKind::Failed, 10);
        route.end(1, OutcomeKind::Answered, 90_000);
        assert_eq!(first(&mut route), 1);
    }

    #[test]
    fn load_counts_as_much_as_latency() {
        let mut route = route();
        let sent: Vec<_> = (0..4).map(|_| route.send().unwrap()).collect();
        assert_eq!(sent, [0, 1, 0, 1]);
    }
}
