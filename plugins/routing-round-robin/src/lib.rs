//! Round robin: backends take turns, each as often as its weight says.
//!
//! Smooth weighted round robin as nginx has it (Dounin, 2012): each candidate gains its weight, the richest is chosen and pays
//! the sum. With equal weights that is the plain cycle; with others, the turns of a heavy backend are spread out. What this is
//! not: aware of load. Start reading at [`RoundRobin`].

use std::{cmp::Reverse, collections::BTreeMap};

use switchyard_sdk::{
    export_routing,
    lifecycle::NoConfiguration,
    routing::{Backend, Candidate, Choice, Request, Routing},
};

/// One backend's turn.
#[derive(Debug, Clone, Copy)]
struct Turn {
    weight: i64,
    /// What it has gained and not paid.
    credit: i64,
}

impl Turn {
    const NEW: Self = Self { weight: 1, credit: 0 };
}

/// The strategy.
#[derive(Debug, Default)]
pub struct RoundRobin {
    turns: BTreeMap<u32, Turn>,
    /// Credits of the candidates at hand; kept for its memory.
    order: Vec<(Reverse<i64>, u32)>,
}

impl Routing for RoundRobin {
    type Configuration = NoConfiguration;

    fn new(_: NoConfiguration, _seed: u64) -> Result<Self, String> {
        Ok(Self::default())
    }

    fn backends(&mut self, _now_ms: u64, backends: &[Backend]) {
        self.turns.retain(|backend, _| backends.iter().any(|declared| declared.backend == *backend));
        for declared in backends {
            // A weight of 0 would never have its turn.
            self.turns.entry(declared.backend).or_insert(Turn::NEW).weight = i64::from(declared.weight.max(1));
        }
    }

    fn pick(&mut self, _now_ms: u64, _request: &Request, candidates: &[Candidate]) -> Choice {
        self.order.clear();
        let mut total = 0;
        for candidate in candidates {
            let turn = self.turns.entry(candidate.backend).or_insert(Turn::NEW);
            turn.credit = turn.credit.saturating_add(turn.weight);
            total += turn.weight;
            self.order.push((Reverse(turn.credit), candidate.backend));
        }
        // Stable: of equal credits the first candidate.
        self.order.sort_by_key(|(credit, _)| *credit);
        if let Some(chosen) = self.order.first().and_then(|(_, backend)| self.turns.get_mut(backend)) {
            chosen.credit -= total;
        }
        Choice::order(self.order.iter().map(|(_, backend)| *backend))
    }
}

export_routing!(RoundRobin);

#[cfg(test)]
mod tests {
    use switchyard_sdk::testing::RouteDriver;

    use super::*;

    fn sent(weights: &[u32], requests: usize) -> Vec<u32> {
        let mut route = RouteDriver::<RoundRobin>::new("{}", weights).unwrap();
        (0..requests).map(|_| route.send().unwrap()).collect()
    }

    #[test]
    fn equals_take_turns() {
        assert_eq!(sent(&[1, 1, 1], 7), [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn the_turns_of_a_heavy_backend_are_spread_out() {
        assert_eq!(sent(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn the_cycle_goes_on_without_a_sick_backend() {
        let mut route = RouteDriver::<RoundRobin>::new("{}", &[1, 1, 1]).unwrap();
        assert_eq!(route.choose(), Choice::Order(vec![0, 1, 2]));
        route.set_healthy(1, false);
        let turns: Vec<_> = (0..20).map(|_| route.send().unwrap()).collect();
        let of = |backend| turns.iter().filter(|turn| **turn == backend).count();
        assert!(of(0).abs_diff(of(2)) <= 2 && of(1) == 0, "{turns:?}");
    }

    #[test]
    fn a_backend_without_weight_is_not_forgotten() {
        assert!(sent(&[0, 1], 2).contains(&0));
    }
}
