use super::{
    histogram::{Counts, Histogram},
    number::Number,
    refusal::Refusal,
    window::Span,
};

/// Values a gauge or counter keeps: over ten minutes one every two seconds, 4.8 KB.
const NUMBER_SLOTS_MAX: usize = 300;
/// Moments that a posted histogram keeps: each is a whole set of buckets.
const HISTOGRAM_SLOTS_MAX: usize = 40;
/// Moments that a histogram of the node's own keeps: over ten minutes one every five seconds, as often as it is asked.
const OWN_HISTOGRAM_SLOTS_MAX: usize = 120;
/// Upper bounds of one histogram. Prometheus's own advice is ten; the SDKs' defaults have fifteen.
const BOUNDS_MAX: usize = 128;
/// Lines of a histogram in the exposition besides its bounds: the last bucket, sum and count.
const HISTOGRAM_LINES: usize = 3;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Gauge,
    Counter,
    Histogram,
}

/// A value on its way in.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// What is now.
    Now(f64),
    /// A sum since `started`.
    Total { value: f64, started: u64 },
    /// A sum since the last value.
    More(f64),
    /// Counts of a histogram, since `started` or, where that is none, since the last ones.
    Counts { bounds: Box<[f64]>, counts: Counts, started: Option<u64> },
}

impl Value {
    /// Refuses what would disturb whoever reads it.
    pub(crate) fn check(&self, kind: Kind) -> Result<(), Refusal> {
        match self {
            Self::Counts { bounds, counts, .. } => check_histogram(bounds, counts),
            Self::Now(value) | Self::Total { value, .. } | Self::More(value) if !value.is_finite() => {
                Err(Refusal::NotFinite)
            }
            Self::Total { value, .. } | Self::More(value) if kind == Kind::Counter && *value < 0.0 => {
                Err(Refusal::Negative)
            }
            Self::Now(_) | Self::Total { .. } | Self::More(_) => Ok(()),
        }
    }

    /// Lines of the exposition that stand for it: what is counted against the bound of series.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Counts { bounds, .. } => bounds.len() + HISTOGRAM_LINES,
            _ => 1,
        }
    }
}

fn check_histogram(bounds: &[f64], counts: &Counts) -> Result<(), Refusal> {
    if !counts.sum.is_finite() || bounds.iter().any(|bound| !bound.is_finite()) {
        return Err(Refusal::NotFinite);
    }
    let rising = bounds.iter().zip(bounds.iter().skip(1)).all(|(one, next)| one < next);
    let fits = bounds.len() <= BOUNDS_MAX && counts.buckets.len() == bounds.len() + 1;
    if rising && fits { Ok(()) } else { Err(Refusal::Malformed) }
}

/// Who a series belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The node: host metrics and the engines' figures.
    Own,
    /// Whoever posts.
    Posted,
}

/// A series with its values.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) origin: Origin,
    pub(crate) touched_ms: u64,
    pub(crate) weight: usize,
    pub(crate) data: Data,
}

#[derive(Debug)]
pub(crate) enum Data {
    Number(Number),
    Histogram(Histogram),
}

impl Entry {
    pub(crate) fn new(origin: Origin, value: &Value) -> Self {
        let data = match value {
            Value::Counts { bounds, .. } => Data::Histogram(Histogram::new(bounds)),
            _ => Data::Number(Number::new()),
        };
        Self { origin, touched_ms: 0, weight: value.weight(), data }
    }

    pub(crate) fn put(&mut self, retention_ms: u64, now_ms: u64, value: Value) {
        self.touched_ms = self.touched_ms.max(now_ms);
        match (&mut self.data, value) {
            (Data::Number(number), value) => {
                put_number(number, Span::new(retention_ms, NUMBER_SLOTS_MAX), now_ms, value)
            }
            (Data::Histogram(histogram), Value::Counts { bounds, counts, started }) => {
                histogram.rebound(&bounds);
                let slots_max = if self.origin == Origin::Own { OWN_HISTOGRAM_SLOTS_MAX } else { HISTOGRAM_SLOTS_MAX };
                let span = Span::new(retention_ms, slots_max);
                match started {
                    Some(started) => histogram.total(span, now_ms, counts, started),
                    None => histogram.add(span, now_ms, &counts),
                }
            }
            // The kind of a family never changes while it has series, and the store compares it first.
            (Data::Histogram(_), _) => {}
        }
    }
}

fn put_number(number: &mut Number, span: Span, now_ms: u64, value: Value) {
    match value {
        Value::Now(value) => number.set(span, now_ms, value),
        Value::Total { value, started } => number.total(span, now_ms, value, started),
        Value::More(value) => number.add(span, now_ms, value),
        Value::Counts { .. } => {}
    }
}
