use std::sync::Arc;

use super::{Counts, Data, Entry, Kind, Origin, Store};
use crate::Series;

/// A metric as it stands at one moment.
#[derive(Debug)]
pub(crate) struct FamilySnapshot {
    pub(crate) name: Arc<str>,
    pub(crate) unit: Arc<str>,
    pub(crate) description: Arc<str>,
    pub(crate) kind: Kind,
    pub(crate) series: Vec<(Series, ValueSnapshot)>,
}

#[derive(Debug)]
pub(crate) enum ValueSnapshot {
    Number(f64),
    Histogram { bounds: Box<[f64]>, counts: Counts },
}

impl Store {
    /// The last value of every series, families and series by name. A copy, so that nobody waits while it is written out.
    pub(crate) fn snapshot(&self) -> Vec<FamilySnapshot> {
        self.snapshot_of(|_| true)
    }

    /// The same of the node's own series.
    pub(crate) fn own_snapshot(&self) -> Vec<FamilySnapshot> {
        self.snapshot_of(|entry| entry.origin == Origin::Own)
    }

    fn snapshot_of(&self, takes: fn(&Entry) -> bool) -> Vec<FamilySnapshot> {
        let all = self.families.iter().map(|(name, family)| family.snapshot(name, takes));
        let mut families: Vec<_> = all.filter(|family| !family.series.is_empty()).collect();
        families.sort_by(|a, b| a.name.cmp(&b.name));
        families
    }
}

impl super::Family {
    fn snapshot(&self, name: &Arc<str>, takes: fn(&Entry) -> bool) -> FamilySnapshot {
        let taken = self.series.iter().filter(|(_, entry)| takes(entry));
        let values = taken.filter_map(|(series, entry)| Some((series.clone(), entry.data.latest()?)));
        let mut series: Vec<_> = values.collect();
        series.sort_by(|a, b| a.0.cmp(&b.0));
        FamilySnapshot {
            name: Arc::clone(name),
            unit: Arc::clone(&self.unit),
            description: Arc::clone(&self.description),
            kind: self.kind,
            series,
        }
    }
}

impl Data {
    fn latest(&self) -> Option<ValueSnapshot> {
        match self {
            Self::Number(number) => number.window.last().map(|(_, value)| ValueSnapshot::Number(*value)),
            Self::Histogram(histogram) => histogram.window.last().map(|(_, counts)| ValueSnapshot::Histogram {
                bounds: histogram.bounds.clone(),
                counts: counts.clone(),
            }),
        }
    }
}
