use std::sync::Arc;

use super::{Data, Entry, Origin, Store, number::Number};
use crate::Series;

/// Which series are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// The name of the metric.
    pub metric: Arc<str>,
    /// Labels that a series must have with exactly these values; it may have more.
    pub labels: Vec<(String, String)>,
}

impl Selector {
    /// Every series of a metric.
    pub fn of(metric: impl Into<Arc<str>>) -> Self {
        Self { metric: metric.into(), labels: Vec::new() }
    }

    /// The same, only those with a label of this value.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    fn takes(&self, series: &Series) -> bool {
        self.labels.iter().all(|(name, value)| series.label(name) == Some(value))
    }
}

/// What is asked of a series. Windows reach back from now, at most as far as values are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Query {
    /// The last value; of a histogram, how many observations there were.
    Latest,
    /// The mean of the values in the window; of a histogram, of what it observed in the window.
    Mean {
        /// Its length in milliseconds.
        window_ms: u64,
    },
    /// The least of the values in the window, of a gauge or counter.
    Min {
        /// Its length in milliseconds.
        window_ms: u64,
    },
    /// The greatest of the values in the window, of a gauge or counter.
    Max {
        /// Its length in milliseconds.
        window_ms: u64,
    },
    /// How much the series grew a second over the window; of a histogram, observations a second.
    Rate {
        /// Its length in milliseconds.
        window_ms: u64,
    },
    /// A quantile of what a histogram observed in the window.
    Quantile {
        /// From 0 to 1.
        quantile: f64,
        /// Its length in milliseconds.
        window_ms: u64,
    },
}

/// What a series answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Which series.
    pub series: Series,
    /// Its answer: finite.
    pub value: f64,
    /// When its last value came, on the monotonic clock, in milliseconds.
    pub at_ms: u64,
}

impl Store {
    /// The answers of all selected series that have one, by the series' names.
    pub(crate) fn query(&self, now_ms: u64, selector: &Selector, query: Query) -> Vec<Reading> {
        let Some(family) = self.families.get(&selector.metric) else { return Vec::new() };
        let selected = family.series.iter().filter(|(series, _)| selector.takes(series));
        let answer = |(series, entry): (&Series, &Entry)| {
            let value = entry.answer(now_ms, query).filter(|value| value.is_finite())?;
            Some(Reading { series: series.clone(), value, at_ms: entry.touched_ms })
        };
        let mut readings: Vec<_> = selected.filter_map(answer).collect();
        readings.sort_by(|a, b| a.series.cmp(&b.series));
        readings
    }

    /// The last value of a series of the node's own, whatever others post by the same name.
    pub(crate) fn own_latest(&self, now_ms: u64, selector: &Selector) -> Option<f64> {
        let family = self.families.get(&selector.metric)?;
        let mut own = family.series.iter().filter(|(_, entry)| entry.origin == Origin::Own);
        own.find(|(series, _)| selector.takes(series))?.1.answer(now_ms, Query::Latest)
    }
}

impl Entry {
    fn answer(&self, now_ms: u64, query: Query) -> Option<f64> {
        match (&self.data, query) {
            (Data::Number(number), Query::Latest) => number.window.last().map(|(_, value)| *value),
            (Data::Number(number), Query::Mean { window_ms }) => number.mean(since(now_ms, window_ms)),
            (Data::Number(number), Query::Min { window_ms }) => number.fold(since(now_ms, window_ms), f64::min),
            (Data::Number(number), Query::Max { window_ms }) => number.fold(since(now_ms, window_ms), f64::max),
            (Data::Number(number), Query::Rate { window_ms }) => number.rate(since(now_ms, window_ms)),
            (Data::Histogram(histogram), Query::Latest) => {
                histogram.window.last().map(|(_, counts)| counts.count() as f64)
            }
            (Data::Histogram(histogram), Query::Mean { window_ms }) => histogram.mean(since(now_ms, window_ms)),
            (Data::Histogram(histogram), Query::Rate { window_ms }) => histogram.rate(since(now_ms, window_ms)),
            (Data::Histogram(histogram), Query::Quantile { quantile, window_ms }) => {
                histogram.quantile(since(now_ms, window_ms), quantile)
            }
            (Data::Number(_), Query::Quantile { .. }) | (Data::Histogram(_), _) => None,
        }
    }
}

impl Number {
    fn fold(&self, since_ms: u64, fold: impl FnMut(f64, f64) -> f64) -> Option<f64> {
        self.window.since(since_ms).map(|(_, value)| *value).reduce(fold)
    }

    fn mean(&self, since_ms: u64) -> Option<f64> {
        let values = self.window.since(since_ms).count();
        // Divided first: the sum of finite numbers may be infinite.
        let share = self.window.since(since_ms).map(|(_, value)| value / values as f64).sum();
        (values > 0).then_some(share)
    }

    pub(super) fn rate(&self, since_ms: u64) -> Option<f64> {
        let (at, now) = self.window.last()?;
        let (since, then) = self.window.base(since_ms)?;
        Some((now - then) / ((at - since) as f64 / 1e3))
    }
}

fn since(now_ms: u64, window_ms: u64) -> u64 {
    now_ms.saturating_sub(window_ms)
}
