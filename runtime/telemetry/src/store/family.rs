use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use super::{Account, Kind, Meta, Origin, Refusal, Value, cut, entry::Entry, intern::Interner};
use crate::Series;

/// Bytes of a description; what is longer is cut.
const DESCRIPTION_BYTES_MAX: usize = 1_024;
/// Bytes of a unit; a longer one is none. OpenTelemetry allows no more.
const UNIT_BYTES_MAX: usize = 63;

/// A metric and its series.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) unit: Arc<str>,
    pub(super) description: Arc<str>,
    pub(super) kind: Kind,
    pub(super) series: HashMap<Series, Entry>,
}

impl Family {
    pub(super) fn new(meta: Meta<'_>) -> Self {
        let unit = if meta.unit.len() <= UNIT_BYTES_MAX { meta.unit } else { "" };
        let description = cut(meta.description, DESCRIPTION_BYTES_MAX);
        Self { unit: unit.into(), description: description.into(), kind: meta.kind, series: HashMap::new() }
    }

    /// The series, made where there is room for it.
    pub(super) fn entry(
        &mut self,
        series: Series,
        origin: Origin,
        account: &mut Account,
        texts: &mut Interner,
        value: &Value,
    ) -> Result<&mut Entry, Refusal> {
        match self.series.entry(series) {
            hash_map::Entry::Occupied(there) => {
                let entry = there.into_mut();
                fit(entry, origin, account, value)?;
                Ok(entry)
            }
            hash_map::Entry::Vacant(_) if !account.has_room(value.weight()) => Err(Refusal::Full),
            hash_map::Entry::Vacant(place) => {
                keep_texts(texts, place.key());
                account.used += value.weight();
                Ok(place.insert(Entry::new(origin, value)))
            }
        }
    }

    /// Removes posted series that stand in the way of one of the node's own: all where the metric is known as another
    /// kind by them alone, else the one of the same name. Returns what they weighed.
    pub(super) fn make_way(&mut self, series: &Series, kind: Kind) -> usize {
        let only_posted = || self.series.values().all(|entry| entry.origin == Origin::Posted);
        if self.kind != kind && only_posted() {
            return self.series.drain().map(|(_, entry)| entry.weight).sum();
        }
        match self.series.get(series) {
            Some(entry) if entry.origin == Origin::Posted => self.series.remove(series).map_or(0, |entry| entry.weight),
            _ => 0,
        }
    }
}

/// Whether a value may go into this series; a histogram with more buckets needs room for them.
fn fit(entry: &mut Entry, origin: Origin, account: &mut Account, value: &Value) -> Result<(), Refusal> {
    if entry.origin != origin {
        return Err(Refusal::Reserved);
    }
    let used = account.used.saturating_sub(entry.weight) + value.weight();
    if value.weight() > entry.weight && used > account.max {
        return Err(Refusal::Full);
    }
    account.used = used;
    entry.weight = value.weight();
    Ok(())
}

fn keep_texts(texts: &mut Interner, series: &Series) {
    texts.keep(series.metric());
    for (name, value) in series.labels() {
        texts.keep(name);
        texts.keep(value);
    }
}
