use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Every power of two is split into so many buckets of one width, given as a power of two itself. A value is told from the
/// middle of its bucket, so it is wrong by 1/64 of itself at most (1.6 %); below 64 ns it is exact.
const SPLIT_BITS: u32 = 5;
const SPLIT: u64 = 1 << SPLIT_BITS;
/// From 2^36 ns (69 s) on everything is in the last bucket: no call lasts as long.
const BITS_MAX: u32 = 36;
/// Buckets that there can be.
const BUCKETS: u16 = ((BITS_MAX - SPLIT_BITS + 1) << SPLIT_BITS) as u16;

/// How often something took how long, in nanoseconds. The buckets are the same everywhere and for ever, so two histograms are
/// merged by adding their counts, in any order, and what comes out is what one histogram over both would have been.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(u16, u64)>", into = "Vec<(u16, u64)>")]
pub struct LatencyHistogram(BTreeMap<u16, u64>);

impl LatencyHistogram {
    /// Adds so many observations of one value.
    pub fn record(&mut self, value_ns: u64, count: u64) {
        if count > 0 {
            self.add(index(value_ns), count);
        }
    }

    /// Adds everything of another one.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            self.add(*bucket, *count);
        }
    }

    /// What has been observed since an earlier state of the same histogram.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let rest = |bucket: &u16, count: &u64| count.saturating_sub(before.0.get(bucket).copied().unwrap_or(0));
        let grown = self.0.iter().map(|(bucket, count)| (*bucket, rest(bucket, count)));
        Self(grown.filter(|(_, count)| *count > 0).collect())
    }

    /// How many observations there are.
    pub fn count(&self) -> u64 {
        self.0.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The value below which this share (0 to 1) of the observations lies; none: there are no observations.
    pub fn quantile(&self, share: f64) -> Option<u64> {
        let count = self.count();
        let rank = ((share.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut below = 0_u64;
        for (bucket, count) in &self.0 {
            below = below.saturating_add(*count);
            if below >= rank {
                return Some(middle(*bucket));
            }
        }
        None
    }

    fn add(&mut self, bucket: u16, count: u64) {
        let sum = self.0.entry(bucket.min(BUCKETS - 1)).or_default();
        *sum = sum.saturating_add(count);
    }
}

/// A bucket that nobody knows is the last one; one that stands twice is added up.
impl From<Vec<(u16, u64)>> for LatencyHistogram {
    fn from(counts: Vec<(u16, u64)>) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            histogram.add(bucket, count);
        }
        histogram
    }
}

impl From<LatencyHistogram> for Vec<(u16, u64)> {
    fn from(histogram: LatencyHistogram) -> Self {
        histogram.0.into_iter().collect()
    }
}

fn index(value_ns: u64) -> u16 {
    if value_ns < SPLIT {
        return value_ns as u16;
    }
    let power = value_ns.ilog2();
    if power >= BITS_MAX {
        return BUCKETS - 1;
    }
    // In range: below 2^36 there are 1,024 buckets.
    (u64::from(power - SPLIT_BITS) * SPLIT + (value_ns >> (power - SPLIT_BITS))) as u16
}

fn middle(bucket: u16) -> u64 {
    let bucket = u64::from(bucket);
    if bucket < SPLIT {
        return bucket;
    }
    let shift = bucket / SPLIT - 1;
    let lowest = (SPLIT + bucket % SPLIT) << shift;
    lowest + (((1 << shift) - 1) >> 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> LatencyHistogram {
        let mut histogram = LatencyHistogram::default();
        values.iter().for_each(|value| histogram.record(*value, 1));
        histogram
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        assert_eq!(LatencyHistogram::default().quantile(0.5), None);
        let hundred = of(&(1..=60).collect::<Vec<_>>());
        assert_eq!(
            (hundred.quantile(0.5), hundred.quantile(1.0), hundred.quantile(0.0)),
            (Some(30), Some(60), Some(1))
        );
        assert_eq!(of(&[7]).quantile(f64::NAN), Some(7));
        assert_eq!((index(0), index(63), index(64), index(u64::MAX)), (0, 63, 64, BUCKETS - 1));
    }

    #[test]
    fn it_is_read_as_it_is_written_and_nothing_breaks_it() {
        let histogram = of(&[1, 1, 5_000]);
        let text = serde_json::to_string(&histogram).unwrap();
        assert_eq!(serde_json::from_str::<LatencyHistogram>(&text).unwrap(), histogram);
        let odd: LatencyHistogram = serde_json::from_str("[[65535,1],[3,0],[2,18446744073709551615],[2,1]]").unwrap();
        assert_eq!((odd.count(), odd.0.len()), (u64::MAX, 2));
    }

    proptest! {
        #[test]
        fn a_value_is_told_within_its_error(value in 0..1_u64 << BITS_MAX) {
            let told = middle(index(value));
            prop_assert!(told.abs_diff(value) * 64 <= value, "{told} for {value}");
        }

        #[test]
        fn merging_is_adding_and_since_takes_it_back(
            one in prop::collection::vec(0..1_u64 << 40, 0..50),
            two in prop::collection::vec(0..1_u64 << 40, 0..50),
        ) {
            let both = of(&[one.clone(), two.clone()].concat());
            let (one, two) = (of(&one), of(&two));
            let (mut there, mut back) = (one.clone(), two.clone());
            there.merge(&two);
            back.merge(&one);
            prop_assert_eq!(&there, &both);
            prop_assert_eq!(&back, &both);
            prop_assert_eq!(both.since(&one), two);
        }
    }
}
