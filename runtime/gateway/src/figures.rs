use std::{
    array,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use http::StatusCode;
use switchyard_types::FigureValue;

use crate::clock::micros;

/// Buckets of a power of two: a bucket is at most an eighth wide, so a quantile is at most that much too high.
const STEPS: u64 = 8;
/// Powers of two above the first [`STEPS`] microseconds: the last bucket begins beyond an hour.
const POWERS: usize = 30;
const BUCKETS: usize = (POWERS + 1) * STEPS as usize;

/// In seconds: what OpenTelemetry's conventions advise for `http.server.request.duration`.
const DURATION_BOUNDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// What a route has done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteFigures {
    /// Requests that it took.
    pub requests: u64,
    /// Of these, not ended yet.
    pub in_flight: u64,
    /// Answers by their class: 1xx (upgrades) to 5xx.
    pub statuses: [u64; 5],
    /// Of the 5xx, those that the gateway gave because no backend answered.
    pub unanswered: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Requests tried although every backend was unhealthy.
    pub all_unhealthy: u64,
    /// Bytes of requests' bodies, counted when a request has ended.
    pub request_bytes: u64,
    /// Bytes of answers' bodies.
    pub answer_bytes: u64,
    /// From the request's head to the answer's.
    pub latency: Latency,
}

impl RouteFigures {
    /// Answers with a status from 500, whoever gave them.
    pub fn failed(&self) -> u64 {
        let [.., failed] = self.statuses;
        failed
    }
}

/// What a backend has done for its route.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BackendFigures {
    /// Tries that were sent to it.
    pub requests: u64,
    /// Of these, not ended yet.
    pub in_flight: u64,
    /// Its answers by their class: 1xx (upgrades) to 5xx.
    pub statuses: [u64; 5],
    /// Connections that could not be opened.
    pub connect_errors: u64,
    /// Connections that could not be opened because this machine had no room for them.
    pub exhausted: u64,
    /// Requests that it did not get because it had as many as it may.
    pub full: u64,
    /// Connections that broke before the answer.
    pub lost: u64,
    /// Answers that did not come in time.
    pub timeouts: u64,
    /// Connections opened.
    pub connections_opened: u64,
    /// Connections that wait for a request.
    pub connections_idle: u64,
    /// Checks made.
    pub checks: u64,
    /// Of these, failed.
    pub checks_failed: u64,
    /// Times that it became unhealthy.
    pub ejections: u64,
    /// From the try, or the end of the request's body, to the head of its answer.
    pub latency: Latency,
}

/// Quantiles of a latency, in microseconds; each at most an eighth too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Latency {
    /// Measured answers.
    pub count: u64,
    /// Mean.
    pub mean_us: u64,
    /// Half were faster.
    pub p50_us: u64,
    /// 99 of 100 were faster.
    pub p99_us: u64,
    /// 999 of 1,000 were faster.
    pub p999_us: u64,
}

/// What the listener has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenerFigures {
    /// Clients now.
    pub connections: u64,
    /// Clients since the start.
    pub accepted: u64,
    /// Clients refused because there were too many.
    pub refused: u64,
    /// Clients cut off because their request's head did not end.
    pub stuck: u64,
    /// Clients of HTTP/2 cut off because they took nothing of their answers.
    pub stalled: u64,
    /// Clients cut off because their requests did not end when the service stopped.
    pub cut: u64,
}

#[derive(Debug, Default)]
pub(crate) struct ListenerCounters {
    pub(crate) connections: Counter,
    pub(crate) accepted: Counter,
    pub(crate) refused: Counter,
    pub(crate) stuck: Counter,
    pub(crate) stalled: Counter,
    pub(crate) cut: Counter,
}

impl ListenerCounters {
    pub(crate) fn figures(&self) -> ListenerFigures {
        ListenerFigures {
            connections: self.connections.get(),
            accepted: self.accepted.get(),
            refused: self.refused.get(),
            stuck: self.stuck.get(),
            stalled: self.stalled.get(),
            cut: self.cut.get(),
        }
    }
}

/// A figure that many threads raise: order does not matter between figures.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// One more, and how many there are with it.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn less(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Answers by class.
#[derive(Debug, Default)]
pub(crate) struct Statuses([Counter; 5]);

impl Statuses {
    pub(crate) fn count(&self, status: StatusCode) {
        if let Some(class) = self.0.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            class.one();
        }
    }

    pub(crate) fn get(&self) -> [u64; 5] {
        self.0.each_ref().map(Counter::get)
    }
}

/// A histogram with fixed buckets: two additions for an answer, no lock.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[Counter; BUCKETS]>,
    sum_us: Counter,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: Box::new(array::from_fn(|_| Counter::default())), sum_us: Counter::default() }
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let time_us = micros(time);
        self.sum_us.add(time_us);
        if let Some(bucket) = self.buckets.get(bucket_of(time_us)) {
            bucket.one();
        }
    }

    /// How many times there are.
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }

    /// In seconds, by the bounds that OpenTelemetry advises for requests. A time less than an eighth below a bound may be
    /// counted above it.
    pub(crate) fn durations(&self) -> FigureValue {
        let mut buckets = vec![0; DURATION_BOUNDS.len() + 1];
        for (bucket, count) in self.buckets.iter().enumerate() {
            let upper = upper_us(bucket) as f64 / 1e6;
            let place = DURATION_BOUNDS.partition_point(|bound| *bound < upper);
            if let Some(sum) = buckets.get_mut(place) {
                *sum += count.get();
            }
        }
        FigureValue::Histogram {
            sum: self.sum_us.get() as f64 / 1e6,
            bounds: &DURATION_BOUNDS,
            buckets: buckets.into(),
        }
    }

    pub(crate) fn latency(&self) -> Latency {
        let counts: Vec<u64> = self.buckets.iter().map(Counter::get).collect();
        let count = counts.iter().sum();
        let quantile = |per_mille: u64| quantile(&counts, count, per_mille);
        let mean_us = self.sum_us.get().checked_div(count).unwrap_or_default();
        Latency { count, mean_us, p50_us: quantile(500), p99_us: quantile(990), p999_us: quantile(999) }
    }
}

/// Below [`STEPS`] every microsecond has its bucket; above, every power of two has as many.
fn bucket_of(time_us: u64) -> usize {
    if time_us < STEPS {
        return time_us as usize;
    }
    let power = time_us.ilog2() - STEPS.ilog2();
    let step = (time_us >> power) - STEPS;
    ((u64::from(power) + 1) * STEPS + step).min(BUCKETS as u64 - 1) as usize
}

/// The largest time in a bucket.
fn upper_us(bucket: usize) -> u64 {
    let (power, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if power == 0 { step } else { ((STEPS + step + 1) << (power - 1)) - 1 }
}

fn quantile(counts: &[u64], count: u64, per_mille: u64) -> u64 {
    let wanted = (count * per_mille).div_ceil(1000).max(1);
    let mut seen = 0;
    let reached = counts.iter().position(|bucket| {
        seen += bucket;
        seen >= wanted
    });
    reached.map_or(0, upper_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_its_bucket() {
        for time_us in (0..5_000).chain((12..33).map(|power| 1 << power)) {
            let upper = upper_us(bucket_of(time_us));
            assert!(upper >= time_us && upper - time_us <= time_us / 8, "{time_us}: {upper}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn durations_lie_within_their_bounds() {
        let histogram = Histogram::default();
        for time_us in [0, 4_000, 5_500, 1_100_000, 11_000_000, 3_600_000_000] {
            histogram.record(Duration::from_micros(time_us));
        }
        let FigureValue::Histogram { sum, bounds, buckets } = histogram.durations() else { panic!("a histogram") };
        assert_eq!((bounds.len(), buckets.len(), sum), (14, 15, 3_612.109_5));
        let filled: Vec<_> = buckets.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(filled, [(0, &2), (1, &1), (10, &1), (14, &2)]);
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let histogram = Histogram::default();
        assert_eq!(histogram.latency(), Latency::default());
        (1..=1_000).for_each(|time_us| histogram.record(Duration::from_micros(time_us)));
        let latency = histogram.latency();
        assert_eq!((latency.count, latency.mean_us), (1_000, 500));
        for (quantile, exact) in [(latency.p50_us, 500), (latency.p99_us, 990), (latency.p999_us, 999)] {
            assert!((exact..=exact + exact / 8).contains(&quantile), "{quantile} for {exact}");
        }
    }
}
