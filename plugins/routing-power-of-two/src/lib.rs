//! The power of two choices: of two different backends taken at random the one with fewer requests in flight gets the next
//! one, the first of the two on a tie.
//!
//! Mitzenmacher, "The power of two choices in randomized load balancing" (2001): nearly as even as looking at all of them, and
//! many nodes that look at the same backends do not run after the same one. Weights are not looked at. Start reading at [`PowerOfTwo`].

use switchyard_sdk::{
    export_routing,
    lifecycle::NoConfiguration,
    random::Random,
    routing::{Backend, Candidate, Choice, Request, Routing},
};

/// The strategy.
#[derive(Debug)]
pub struct PowerOfTwo {
    random: Random,
}

impl PowerOfTwo {
    /// Two different places below `len`, which is at least 2.
    fn two(&mut self, len: usize) -> (usize, usize) {
        let one = self.random.below(len as u64) as usize;
        let other = self.random.below(len as u64 - 1) as usize;
        (one, if other >= one { other + 1 } else { other })
    }
}

impl Routing for PowerOfTwo {
    type Configuration = NoConfiguration;

    fn new(_: NoConfiguration, seed: u64) -> Result<Self, String> {
        Ok(Self { random: Random::new(seed) })
    }

    fn backends(&mut self, _now_ms: u64, _backends: &[Backend]) {}

    fn pick(&mut self, _now_ms: u64, _request: &Request, candidates: &[Candidate]) -> Choice {
        if candidates.len() < 2 {
            return Choice::order(candidates.iter().map(|candidate| candidate.backend));
        }
        let (one, other) = self.two(candidates.len());
        let (Some(one), Some(other)) = (candidates.get(one), candidates.get(other)) else {
            return Choice::Order(Vec::new());
        };
        let (best, second) = if other.in_flight < one.in_flight { (other, one) } else { (one, other) };
        // Where both fail, anybody else is better than nobody.
        let third = candidates.iter().find(|candidate| ![best.backend, second.backend].contains(&candidate.backend));
        Choice::order([best, second].into_iter().chain(third).map(|candidate| candidate.backend))
    }
}

export_routing!(PowerOfTwo);

#[cfg(test)]
mod tests {
    use switchyard_sdk::testing::RouteDriver;

    use super::*;

    #[test]
    fn the_busiest_of_all_is_never_chosen_and_the_others_are() {
        let mut route = RouteDriver::<PowerOfTwo>::new("{}", &[1; 4]).unwrap();
        let mut counts = [0_u32; 4];
        for _ in 0..4_000 {
            counts[route.send().unwrap() as usize] += 1;
        }
        assert!(counts.iter().all(|count| count.abs_diff(1_000) < 5), "{counts:?}");
    }

    #[test]
    fn an_order_names_different_backends() {
        let mut route = RouteDriver::<PowerOfTwo>::new("{}", &[1; 3]).unwrap();
        for _ in 0..100 {
            let Choice::Order(mut order) = route.choose() else { unreachable!("nothing is refused") };
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2]);
        }
        route.set_healthy(0, false);
        route.set_healthy(2, false);
        assert_eq!(route.choose(), Choice::Order(vec![1]));
    }
}
