//! Least latency: the backend that is expected to answer first gets the next request.
//!
//! Peak EWMA, as Finagle has it ("Beyond round robin: load balancing for latency", Twitter 2015): each backend's latency is an
//! exponentially weighted moving average that jumps up to a slow answer at once and comes down with time; the cost of a backend
//! is that average times the requests in flight, with the one at hand. A failure counts as a very slow answer, so an erring
//! backend that answers fast does not draw everything to itself. Of equals the one that was never tried comes first, then the
//! one that was not asked for longest, so that every backend is known soon even where requests come one by one. Weights are not
//! looked at: who is twice as fast gets twice as much anyway. Start reading at [`LeastLatency`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchyard_sdk::{
    export_routing,
    lifecycle::Interests,
    routing::{Backend, Candidate, Choice, Outcome, OutcomeKind, Request, Resident, Routing},
};

/// What the host says of a backend whose last try had no answer.
const REACHED_NOBODY: u32 = u32::MAX;

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
    /// By backend, the pick that last named it first.
    asked: BTreeMap<u32, u64>,
    picks: u64,
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
        Ok(Self { configuration, latencies: BTreeMap::new(), asked: BTreeMap::new(), picks: 0 })
    }

    fn backends(&mut self, _now_ms: u64, backends: &[Backend]) {
        let is_declared = |backend: &u32| backends.iter().any(|declared| declared.backend == *backend);
        self.latencies.retain(|backend, _| is_declared(backend));
        self.asked.retain(|backend, _| is_declared(backend));
    }

    fn pick(&mut self, now_ms: u64, _request: &Request, candidates: &[Candidate]) -> Choice {
        let unknown_us = self.best_us(now_ms, candidates);
        let rank = |candidate: &Candidate| {
            let tried = self.latencies.contains_key(&candidate.backend);
            let asked = self.asked.get(&candidate.backend).copied();
            (self.cost(now_ms, candidate, unknown_us), (tried, asked), candidate.backend)
        };
        let mut order: Vec<_> = candidates.iter().map(rank).collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        if let Some((_, _, best)) = order.first() {
            self.picks += 1;
            self.asked.insert(*best, self.picks);
        }
        Choice::order(order.into_iter().map(|(_, _, backend)| backend))
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
        let latency_us = match resident.latency_us {
            0 => return,
            REACHED_NOBODY => self.configuration.failure_ms.saturating_mul(1_000),
            latency_us => latency_us,
        };
        let known = Latency { average_us: f64::from(latency_us), at_ms: now_ms };
        self.latencies.insert(resident.backend, known);
    }
}

export_routing!(LeastLatency);

#[cfg(test)]
mod tests {
    use switchyard_sdk::{routing::Method, testing::RouteDriver};

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
    fn everybody_is_tried_though_requests_come_one_by_one() {
        let mut route = RouteDriver::<LeastLatency>::new("{}", &[1, 1, 1]).unwrap();
        let one = |route: &mut RouteDriver<LeastLatency>, latencies_us: [u32; 3]| {
            let backend = route.send().unwrap();
            route.end(backend, OutcomeKind::Answered, latencies_us[backend as usize]);
            backend
        };
        let latencies_us = [9_000, 5_000, 1_000];
        let sent: Vec<_> = (0..5).map(|_| one(&mut route, latencies_us)).collect();
        assert_eq!(sent, [0, 1, 2, 2, 2]);
        let mut strategy = LeastLatency::new(Configuration::default(), 1).unwrap();
        strategy.adopt(0, &Resident { backend: 0, in_flight: 0, latency_us: 1_000 });
        strategy.adopt(0, &Resident { backend: 1, in_flight: 0, latency_us: 0 });
        let candidates = [0, 1].map(|backend| Candidate { backend, in_flight: 0 });
        let request = Request { path_id: 0, client: 0, affinity: None, method: Method::Get, path: None };
        let Choice::Order(order) = strategy.pick(0, &request, &candidates) else { unreachable!("nothing is refused") };
        assert_eq!(order, [1, 0], "what the successor knows nothing of is tried too");
        strategy.adopt(0, &Resident { backend: 1, in_flight: 0, latency_us: REACHED_NOBODY });
        let Choice::Order(order) = strategy.pick(0, &request, &candidates) else { unreachable!("nothing is refused") };
        assert_eq!(order, [0, 1], "a dead one is not a fast one");
    }

    #[test]
    fn load_counts_as_much_as_latency() {
        let mut route = route();
        let sent: Vec<_> = (0..4).map(|_| route.send().unwrap()).collect();
        assert_eq!(sent, [0, 1, 0, 1]);
    }
}
