use serde::Serialize;

use super::script::Flip;
use crate::load::Outcome;

/// Of a phase, this share of the requests shows whether a strategy began cold.
const BEGIN_PERCENT: usize = 2;

/// The requests that one strategy decided about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Phase {
    pub(super) strategy: String,
    /// The first request.
    pub(super) from: usize,
    #[serde(flatten)]
    pub(super) ratios: Ratios,
    pub(super) first_2_percent: Ratios,
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

/// Cuts the workload at the flips. `outcomes` and `reference` have one entry a request.
pub(super) fn cut(flips: &[Flip], outcomes: &[Outcome], reference: &[bool]) -> Vec<Phase> {
    let ends = flips.iter().skip(1).map(|next| next.at).chain([outcomes.len()]);
    let phase = |(flip, end): (&Flip, usize)| {
        let begin = flip.at + (end.saturating_sub(flip.at) * BEGIN_PERCENT).div_ceil(100);
        Phase {
            strategy: flip.strategy.clone(),
            from: flip.at,
            ratios: ratios(flip.at, end, outcomes, reference),
            first_2_percent: ratios(flip.at, begin, outcomes, reference),
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
}
