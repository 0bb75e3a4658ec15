use super::{
    source::Sum,
    window::{Span, Window},
};

/// Counts of a histogram at one moment, each bucket for itself.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Counts {
    pub(crate) sum: f64,
    pub(crate) buckets: Box<[u64]>,
}

impl Counts {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, bucket| sum.saturating_add(*bucket))
    }

    fn zero(buckets: usize) -> Self {
        Self { sum: 0.0, buckets: vec![0; buckets].into() }
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket = bucket.saturating_add(*more);
        }
    }

    fn minus(&self, base: &Self) -> Vec<u64> {
        self.buckets.iter().zip(&base.buckets).map(|(now, then)| now.saturating_sub(*then)).collect()
    }
}

/// A histogram with explicit upper bounds; a last bucket without a bound follows them.
#[derive(Debug)]
pub(crate) struct Histogram {
    pub(crate) bounds: Box<[f64]>,
    pub(crate) window: Window<Counts>,
    before: Counts,
    current: Counts,
}

impl Histogram {
    pub(crate) fn new(bounds: &[f64]) -> Self {
        let zero = Counts::zero(bounds.len() + 1);
        Self { bounds: bounds.into(), window: Window::new(), before: zero.clone(), current: zero }
    }

    /// Other bounds: what was counted by the old ones cannot be told by the new ones, so it begins again.
    pub(crate) fn rebound(&mut self, bounds: &[f64]) {
        if *self.bounds != *bounds {
            self.window.clear();
            *self = Self::new(bounds);
        }
    }

    /// Counts since the source began.
    pub(crate) fn total(&mut self, span: Span, now_ms: u64, counts: Counts, sum: Sum) {
        if sum == Sum::BeginsAgain {
            self.before.add(&self.current);
        }
        self.current = counts;
        self.push(span, now_ms);
    }

    /// Whether counts since the beginning are lower than the ones before, by the same bounds.
    pub(crate) fn falls(&self, bounds: &[f64], counts: &Counts) -> bool {
        *self.bounds == *bounds && counts.buckets.iter().zip(&self.current.buckets).any(|(now, then)| now < then)
    }

    /// Counts since the last ones.
    pub(crate) fn add(&mut self, span: Span, now_ms: u64, counts: &Counts) {
        self.current.add(counts);
        self.push(span, now_ms);
    }

    fn push(&mut self, span: Span, now_ms: u64) {
        let mut counts = self.before.clone();
        counts.add(&self.current);
        self.window.push(span, now_ms, counts);
    }

    /// The quantile of what was counted since `since_ms`, by linear interpolation within a bucket as Prometheus's
    /// `histogram_quantile` does it; none where nothing was.
    pub(crate) fn quantile(&self, since_ms: u64, quantile: f64) -> Option<f64> {
        let (_, now) = self.window.last()?;
        let (_, then) = self.window.base(since_ms)?;
        quantile_of(&self.bounds, &now.minus(then), quantile)
    }

    /// The mean of what was observed since `since_ms`; none where nothing was.
    pub(crate) fn mean(&self, since_ms: u64) -> Option<f64> {
        self.observed(since_ms).filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum / count)
    }

    /// The sum of what was observed since `since_ms`, and how often.
    pub(crate) fn observed(&self, since_ms: u64) -> Option<(f64, f64)> {
        let (_, now) = self.window.last()?;
        let (_, then) = self.window.base(since_ms)?;
        Some((now.sum - then.sum, now.count().saturating_sub(then.count()) as f64))
    }

    /// Observations a second since `since_ms`.
    pub(crate) fn rate(&self, since_ms: u64) -> Option<f64> {
        let (at, now) = self.window.last()?;
        let (since, then) = self.window.base(since_ms)?;
        let seconds = (at - since) as f64 / 1e3;
        Some(now.count().saturating_sub(then.count()) as f64 / seconds)
    }
}

fn quantile_of(bounds: &[f64], buckets: &[u64], quantile: f64) -> Option<f64> {
    let count = buckets.iter().fold(0_u64, |sum, bucket| sum.saturating_add(*bucket));
    if count == 0 {
        return None;
    }
    let rank = quantile.clamp(0.0, 1.0) * count as f64;
    let mut below = 0_u64;
    for (at, bucket) in buckets.iter().enumerate() {
        let reached = below.saturating_add(*bucket);
        if *bucket > 0 && reached as f64 >= rank {
            return Some(within(bounds, at, (rank - below as f64) / *bucket as f64));
        }
        below = reached;
    }
    bounds.last().copied()
}

/// The value at a share of a bucket. The last bucket has no upper bound: its lower one is all that is known. The first one
/// begins at 0 unless its bound is below.
fn within(bounds: &[f64], bucket: usize, share: f64) -> f64 {
    let lower = bucket.checked_sub(1).and_then(|below| bounds.get(below)).copied();
    match (lower, bounds.get(bucket).copied()) {
        (None, None) => 0.0,
        (Some(lower), None) => lower,
        (None, Some(upper)) if upper <= 0.0 => upper,
        (None, Some(upper)) => upper * share.max(0.0),
        (Some(lower), Some(upper)) => lower + (upper - lower) * share.max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(buckets: &[u64], quantile: f64, expected: Option<f64>) {
        assert_eq!(quantile_of(&[1.0, 2.0, 4.0], buckets, quantile), expected);
    }

    #[test]
    fn quantiles_lie_within_their_bucket() {
        check(&[0, 0, 0, 0], 0.5, None);
        check(&[10, 0, 0, 0], 0.5, Some(0.5));
        check(&[0, 10, 0, 0], 0.5, Some(1.5));
        check(&[5, 0, 5, 0], 0.5, Some(1.0));
        check(&[5, 0, 5, 0], 0.9, Some(3.6));
        check(&[0, 0, 0, 9], 0.5, Some(4.0));
        check(&[1, 1, 1, 1], 0.0, Some(0.0));
    }

    #[test]
    fn a_quantile_forgets_what_was_before_its_window() {
        let span = Span { slot_ms: 10, slots_max: 100 };
        let counts =
            |buckets: &[u64]| Counts { sum: buckets.iter().sum::<u64>() as f64 * 2.0, buckets: buckets.into() };
        let mut histogram = Histogram::new(&[1.0, 2.0, 4.0]);
        histogram.total(span, 0, counts(&[100, 0, 0, 0]), Sum::GoesOn);
        assert_eq!(histogram.quantile(0, 0.5), None);
        histogram.total(span, 100, counts(&[100, 0, 10, 0]), Sum::GoesOn);
        assert_eq!(histogram.quantile(0, 0.5), Some(3.0));
        // The source begins again: only what it counted since is new.
        histogram.total(span, 200, counts(&[0, 10, 0, 0]), Sum::BeginsAgain);
        assert_eq!(histogram.quantile(100, 0.5), Some(1.5));
        assert_eq!(histogram.rate(100), Some(100.0));
        assert_eq!((histogram.mean(100), histogram.mean(200)), (Some(2.0), None));
        let fewer = counts(&[0, 9, 0, 0]);
        assert!(histogram.falls(&[1.0, 2.0, 4.0], &fewer) && !histogram.falls(&[1.0, 2.0, 5.0], &fewer));
        histogram.rebound(&[1.0]);
        assert_eq!(histogram.quantile(0, 0.5), None);
    }
}
