use serde::Serialize;

use super::script::Flip;
use crate::load::Outcome;

/// Of a phase, this share of the requests shows whether a strategy began cold.
const BEGIN_PERCENT: usize = 2;

/// The strategy that is to show something, against the other one alone.
const SHOWN: &str = "caching-s3fifo";
/// By so much it should be above the other one alone, as a share of the requests.
const GAIN_MIN: f64 = 0.02;

/// The requests that one strategy decided about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Phase {
    pub(super) strategy: String,
    /// The first request.
    pub(super) from: usize,
    #[serde(flatten)]
    pub(super) ratios: Ratios,
    pub(super) first_2_percent: Ratios,
    /// None: the phase is one of the strategy that the others are compared with.
    #[serde(flatten)]
    pub(super) goals: Option<Goals>,
    /// How long decisions stood still before it, in milliseconds.
    pub(super) flip_ms: f64,
}

/// Hits by requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Ratios {
    pub(super) requests: usize,
    pub(super) hit_ratio: f64,
    /// Of `caching-lru` alone over the same requests.
    pub(super) hit_ratio_lru: f64,
}

/// What a phase should show, and whether it did. A workload may not give it: that is told, and is no failure of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Goals {
    /// Whether the hit ratio is at least 2 points above that of `caching-lru` alone.
    pub(super) two_points_above_lru: bool,
    /// Whether the first 2 % of the requests are not below it: the strategy did not begin cold.
    pub(super) first_2_percent_not_below_lru: bool,
}

impl Goals {
    fn of(whole: &Ratios, begin: &Ratios) -> Self {
        Self {
            two_points_above_lru: whole.hit_ratio - whole.hit_ratio_lru >= GAIN_MIN,
            first_2_percent_not_below_lru: begin.hit_ratio >= begin.hit_ratio_lru,
        }
    }
}

/// Cuts the workload at the flips. `outcomes` and `reference` have one entry a request.
pub(super) fn cut(flips: &[Flip], outcomes: &[Outcome], reference: &[bool]) -> Vec<Phase> {
    let ends = flips.iter().skip(1).map(|next| next.at).chain([outcomes.len()]);
    let phase = |(flip, end): (&Flip, usize)| {
        let begin = flip.at + (end.saturating_sub(flip.at) * BEGIN_PERCENT).div_ceil(100);
        let whole = ratios(flip.at, end, outcomes, reference);
        let first_2_percent = ratios(flip.at, begin, outcomes, reference);
        Phase {
            strategy: flip.strategy.clone(),
            from: flip.at,
            goals: (flip.strategy == SHOWN).then(|| Goals::of(&whole, &first_2_percent)),
            ratios: whole,
            first_2_percent,
            flip_ms: flip.flip_ms,
        }
    };
    flips.iter().zip(ends).map(phase).collect()
}

fn ratios(from: usize, to: usize, outcomes: &[Outcome], reference: &[bool]) -> Ratios {
    let outcomes = outcomes.get(from..to).unwrap_or_default();
    let reference = reference.get(from..to).unwrap_or_default();
    let requests = outcomes.len();
    let ratio = |hits: usize| hits as f64 / requests.max(1) as f64;
    Ratios {
        requests,
        hit_ratio: ratio(outcomes.iter().filter(|outcome| **outcome == Outcome::Hit).count()),
        hit_ratio_lru: ratio(reference.iter().filter(|hit| **hit).count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_cut_at_the_flips() {
        let flip = |strategy: &str, at| Flip { strategy: strategy.to_owned(), at, flip_ms: 0.1 };
        let outcomes: Vec<_> = (0..200).map(|at| if at < 100 { Outcome::Miss } else { Outcome::Hit }).collect();
        let reference: Vec<_> = (0..200).map(|at| at % 2 == 0).collect();
        let phases = cut(&[flip("a", 0), flip("b", 50)], &outcomes, &reference);
        let seen: Vec<_> = phases.iter().map(|phase| (phase.from, &phase.ratios, &phase.first_2_percent)).collect();
        let ratios = |requests, hit_ratio, hit_ratio_lru| Ratios { requests, hit_ratio, hit_ratio_lru };
        assert_eq!(seen[0], (0, &ratios(50, 0.0, 0.5), &ratios(1, 0.0, 1.0)));
        assert_eq!(seen[1], (50, &ratios(150, 100.0 / 150.0, 0.5), &ratios(3, 0.0, 2.0 / 3.0)));
    }

    #[test]
    fn goals_are_met_from_their_bounds_on_and_stand_beside_the_figures() {
        let ratios = |hit_ratio, hit_ratio_lru| Ratios { requests: 100, hit_ratio, hit_ratio_lru };
        let check = |whole: (f64, f64), begin: (f64, f64), above, not_below| {
            let goals = Goals::of(&ratios(whole.0, whole.1), &ratios(begin.0, begin.1));
            assert_eq!((goals.two_points_above_lru, goals.first_2_percent_not_below_lru), (above, not_below));
        };
        check((0.4779, 0.4369), (0.6120, 0.6033), true, true);
        check((0.02, 0.0), (0.5, 0.5), true, true);
        check((0.45, 0.4369), (0.6032, 0.6033), false, false);

        let flip = |strategy: &str, at| Flip { strategy: strategy.to_owned(), at, flip_ms: 0.1 };
        let flips = [flip("caching-lru", 0), flip("caching-s3fifo", 50)];
        let phases = serde_json::to_value(cut(&flips, &[Outcome::Hit; 100], &[false; 100])).unwrap();
        assert_eq!(phases[0].get("two_points_above_lru"), None);
        assert_eq!(phases[1]["two_points_above_lru"], true);
        assert_eq!(phases[1]["first_2_percent_not_below_lru"], true);
        assert_eq!((&phases[1]["strategy"], &phases[1]["hit_ratio"]), (&"caching-s3fifo".into(), &1.0.into()));
    }
}
