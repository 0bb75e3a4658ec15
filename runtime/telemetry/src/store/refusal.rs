use std::collections::BTreeMap;

/// Why a value was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// NaN or infinite.
    #[error("the value is not a finite number")]
    NotFinite,
    /// A counter below 0.
    #[error("a counter is below zero")]
    Negative,
    /// No value, buckets that do not fit their bounds, and the like.
    #[error("the point is malformed")]
    Malformed,
    /// A kind of metric that is not kept.
    #[error("this kind of metric is not supported: gauges, sums and histograms are")]
    Unsupported,
    /// There are as many series as there may be.
    #[error("there are as many series as there may be")]
    Full,
    /// A name or the labels are too long or too many.
    #[error("the name or the labels are over their bounds")]
    Labels,
    /// The metric is already there as another kind.
    #[error("the metric is already known as another kind")]
    Kind,
    /// The series is one of the node's own.
    #[error("the series is one of the node's own")]
    Reserved,
    /// A later value of the series is there.
    #[error("a later value of the series is there")]
    Late,
}

impl Refusal {
    /// Its name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFinite => "not_finite",
            Self::Negative => "negative",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::Full => "full",
            Self::Labels => "labels",
            Self::Kind => "kind",
            Self::Reserved => "reserved",
            Self::Late => "late",
        }
    }
}

/// How many values were refused, by reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Refused(BTreeMap<Refusal, u64>);

impl Refused {
    pub(crate) fn add(&mut self, refusal: Refusal, values: u64) {
        *self.0.entry(refusal).or_default() += values;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(refusal, values)| self.add(refusal, values));
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Refusal, u64)> {
        self.0.iter().map(|(refusal, values)| (*refusal, *values))
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }
}
