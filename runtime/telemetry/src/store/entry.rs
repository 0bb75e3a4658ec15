use super::{
    histogram::{Counts, Histogram},
    number::Number,
    refusal::Refusal,
    source::{Source, Taken},
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
    source: Source,
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
        Self { origin, touched_ms: 0, weight: value.weight(), source: Source::default(), data }
    }

    /// Takes a value in, unless a later one is there.
    pub(crate) fn put(&mut self, retention_ms: u64, now_ms: u64, taken: Taken, value: Value) -> Result<(), Refusal> {
        let slots_max = match (&self.data, self.origin) {
            (Data::Number(_), _) => NUMBER_SLOTS_MAX,
            (Data::Histogram(_), Origin::Own) => OWN_HISTOGRAM_SLOTS_MAX,
            (Data::Histogram(_), Origin::Posted) => HISTOGRAM_SLOTS_MAX,
        };
        let (span, source) = (Span::new(retention_ms, slots_max), &mut self.source);
        match &mut self.data {
            Data::Number(number) => put_number(number, source, span, (now_ms, taken), value)?,
            Data::Histogram(histogram) => put_histogram(histogram, source, span, (now_ms, taken), value)?,
        }
        self.touched_ms = self.touched_ms.max(now_ms);
        Ok(())
    }
}

/// When a value came, and when it was taken.
type Times = (u64, Taken);

/// The kind of a family never changes while it has series, and the store compares it first.
fn put_number(
    number: &mut Number,
    source: &mut Source,
    span: Span,
    (now_ms, taken): Times,
    value: Value,
) -> Result<(), Refusal> {
    match value {
        Value::Now(value) => {
            source.value(taken)?;
            number.set(span, now_ms, value);
        }
        Value::Total { value, started } => {
            let sum = source.sum(started, taken, number.falls(value))?;
            number.total(span, now_ms, value, sum);
        }
        // In whatever order differences come, their sum is the same.
        Value::More(value) => number.add(span, now_ms, value),
        Value::Counts { .. } => {}
    }
    Ok(())
}

fn put_histogram(
    histogram: &mut Histogram,
    source: &mut Source,
    span: Span,
    (now_ms, taken): Times,
    value: Value,
) -> Result<(), Refusal> {
    let Value::Counts { bounds, counts, started } = value else { return Ok(()) };
    let sum = started.map(|started| source.sum(started, taken, histogram.falls(&bounds, &counts))).transpose()?;
    histogram.rebound(&bounds);
    match sum {
        Some(sum) => histogram.total(span, now_ms, counts, sum),
        None => histogram.add(span, now_ms, &counts),
    }
    Ok(())
}
