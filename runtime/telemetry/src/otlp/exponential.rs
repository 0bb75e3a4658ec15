use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets,
};

use crate::store::{Counts, Refusal};

/// The least and the greatest power of two that is an upper bound here: from 0.2 nanoseconds to 68 years, in seconds.
const POWER_MIN: i32 = -32;
const POWER_MAX: i32 = 31;

/// The upper bounds that every exponential histogram gets. They are fixed: bounds that follow the data would be another
/// histogram each time its range grows, and what was counted before could not be compared.
pub(super) fn bounds() -> Box<[f64]> {
    (POWER_MIN..=POWER_MAX).map(|power| 2_f64.powi(power)).collect()
}

/// The counts of an exponential histogram by [`bounds`]. Exact for scales from 0 up, whose buckets lie within one of
/// ours; below, a bucket is counted at its upper bound. Negative observations have no place and are refused.
pub(super) fn counts(point: &ExponentialHistogramDataPoint) -> Result<Counts, Refusal> {
    if point.negative.as_ref().is_some_and(|negative| negative.bucket_counts.iter().any(|count| *count > 0)) {
        return Err(Refusal::Unsupported);
    }
    let mut buckets = vec![0_u64; (POWER_MAX - POWER_MIN) as usize + 2];
    let mut count = |at: usize, more: u64| {
        if let Some(bucket) = buckets.get_mut(at) {
            *bucket = bucket.saturating_add(more);
        }
    };
    count(0, point.zero_count);
    for (power, more) in point.positive.iter().flat_map(|positive| powers(point.scale, positive)) {
        count((power.clamp(POWER_MIN, POWER_MAX + 1) - POWER_MIN) as usize, more);
    }
    let counts = Counts { sum: point.sum.unwrap_or(0.0), buckets: buckets.into() };
    if counts.count() == point.count { Ok(counts) } else { Err(Refusal::Malformed) }
}

/// For each bucket the least power of two that none of its values is above. Bucket `i` holds values up to
/// 2^((i + 1) / 2^scale).
fn powers(scale: i32, buckets: &Buckets) -> impl Iterator<Item = (i32, u64)> {
    let offset = i64::from(buckets.offset);
    let scale = scale.clamp(-10, 20);
    buckets.bucket_counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(at, count)| {
        let upper = offset + at as i64 + 1;
        let power = if scale >= 0 { -((-upper) >> scale) } else { upper << -scale };
        (power.clamp(i64::from(POWER_MIN), i64::from(POWER_MAX) + 1) as i32, *count)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scale: i32, offset: i32, bucket_counts: &[u64], expected: &[(f64, u64)]) {
        let point = ExponentialHistogramDataPoint {
            scale,
            count: bucket_counts.iter().sum(),
            positive: Some(Buckets { offset, bucket_counts: bucket_counts.to_vec() }),
            ..Default::default()
        };
        let counts = counts(&point).unwrap();
        let bounds = bounds();
        let upper = |at: usize| bounds.get(at).copied().unwrap_or(f64::INFINITY);
        let found: Vec<_> =
            counts.buckets.iter().enumerate().filter(|(_, n)| **n > 0).map(|(at, n)| (upper(at), *n)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn buckets_go_under_the_power_of_two_above_them() {
        check(0, 0, &[1, 2], &[(2.0, 1), (4.0, 2)]);
        check(0, -1, &[1, 2], &[(1.0, 1), (2.0, 2)]);
        // Scale 1: buckets (1, √2], (√2, 2], (2, 2√2].
        check(1, 0, &[1, 2, 4], &[(2.0, 3), (4.0, 4)]);
        // Scale −1: bucket 0 is (1, 4].
        check(-1, 0, &[3], &[(4.0, 3)]);
        check(20, i32::MAX - 1, &[1], &[(f64::INFINITY, 1)]);
        check(20, i32::MIN, &[1], &[(bounds()[0], 1)]);
        check(-10, 5, &[1], &[(f64::INFINITY, 1)]);
        check(i32::MIN, i32::MAX, &[1], &[(f64::INFINITY, 1)]);
    }

    #[test]
    fn what_does_not_add_up_is_refused() {
        let point = ExponentialHistogramDataPoint { count: 3, zero_count: 2, ..Default::default() };
        assert_eq!(counts(&point), Err(Refusal::Malformed));
        let negative = Some(Buckets { offset: 0, bucket_counts: vec![1] });
        let point = ExponentialHistogramDataPoint { count: 1, negative, ..Default::default() };
        assert_eq!(counts(&point), Err(Refusal::Unsupported));
    }
}
