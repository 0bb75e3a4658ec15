//! Least connections: the backend with the fewest requests in flight for its weight gets the next one.
//!
//! Equals take turns, as in HAProxy's `leastconn`: without that the first of them would get every request while there is
//! little to do. What is counted is in flight from this node; other nodes' requests are not seen. Start reading at
//! [`LeastConnections`].

use std::collections::BTreeMap;

use switchyard_sdk::{
    export_routing,
    lifecycle::NoConfiguration,
    routing::{Backend, Candidate, Choice, Request, Routing},
};

/// The strategy.
#[derive(Debug, Default)]
pub struct LeastConnections {
    weights: BTreeMap<u32, u32>,
    /// When each backend was last chosen, in choices: the one that has waited longest goes first.
    chosen: BTreeMap<u32, u64>,
    choices: u64,
}

impl LeastConnections {
    /// Requests in flight per weight, were it chosen, in parts of 2^32 so that whole numbers compare.
    fn load(&self, candidate: &Candidate) -> u64 {
        let weight = self.weights.get(&candidate.backend).copied().unwrap_or(1).max(1);
        ((u64::from(candidate.in_flight) + 1) << 31) / u64::from(weight)
    }
}

impl Routing for LeastConnections {
    type Configuration = NoConfiguration;

    fn new(_: NoConfiguration, _seed: u64) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn backends(&mut self, _now_ms: u64, backends: &[Backend]) {
        self.weights = backends.iter().map(|backend| (backend.backend, backend.weight)).collect();
        self.chosen.retain(|backend, _| self.weights.contains_key(backend));
    }

    fn pick(&mut self, _now_ms: u64, _request: &Request, candidates: &[Candidate]) -> Choice {
        let last = |candidate: &Candidate| self.chosen.get(&candidate.backend).copied().unwrap_or(0);
        let mut order: Vec<_> = candidates.iter().map(|c| ((self.load(c), last(c)), c.backend)).collect();
        order.sort_by_key(|(key, _)| *key);
        if let Some((_, backend)) = order.first() {
            self.choices += 1;
            self.chosen.insert(*backend, self.choices);
        }
        Choice::order(order.into_iter().map(|(_, backend)| backend))
    }
}

export_routing!(LeastConnections);

#[cfg(test)]
mod tests {
    use switchyard_sdk::{routing::OutcomeKind, testing::RouteDriver};

    use super::*;

    #[test]
    fn who_has_least_to_do_is_next() {
        let mut route = RouteDriver::<LeastConnections>::new("{}", &[1, 1, 1]).unwrap();
        let first: Vec<_> = (0..6).map(|_| route.send().unwrap()).collect();
        assert_eq!(first, [0, 1, 2, 0, 1, 2]);
        route.end(1, OutcomeKind::Answered, 1);
        route.end(1, OutcomeKind::Answered, 1);
        assert_eq!((route.send(), route.send()), (Some(1), Some(1)));
    }

    #[test]
    fn a_weight_of_two_carries_twice_as_much() {
        let mut route = RouteDriver::<LeastConnections>::new("{}", &[2, 1]).unwrap();
        let sent: Vec<_> = (0..9).map(|_| route.send().unwrap()).collect();
        assert_eq!(sent.iter().filter(|backend| **backend == 0).count(), 6);
    }

    #[test]
    fn equals_take_turns_while_nothing_is_in_flight() {
        let mut route = RouteDriver::<LeastConnections>::new("{}", &[1, 1]).unwrap();
        let mut turn = || {
            let backend = route.send().unwrap();
            route.end(backend, OutcomeKind::Answered, 1);
            backend
        };
        assert_eq!([turn(), turn(), turn(), turn()], [0, 1, 0, 1]);
    }
}
