//! Every series that the node knows, with its last values. What comes in is checked first and costs nothing when it is
//! refused; what is over the bound is refused and counted, and the series that are there go on.

mod current;
mod entry;
mod family;
mod histogram;
mod intern;
mod number;
mod query;
mod refusal;
mod snapshot;
mod source;
mod window;

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
};

use crate::Series;

use entry::{Data, Entry};
pub(crate) use entry::{Kind, Origin, Value};
use family::Family;
pub(crate) use histogram::Counts;
use intern::Interner;
pub use query::{Query, Reading, Selector};
pub use refusal::Refusal;
pub(crate) use refusal::Refused;
pub(crate) use snapshot::{FamilySnapshot, ValueSnapshot};
pub(crate) use source::Taken;

/// Series of the node's own, apart from those that others post: nobody can crowd them out.
const OWN_SERIES_MAX: usize = 4_000;
/// Labels of one series.
const LABELS_MAX: usize = 64;
/// Bytes of name and labels of one series.
const SERIES_BYTES_MAX: usize = 4 << 10;

/// What stands around a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta<'a> {
    pub(crate) name: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) description: &'a str,
    pub(crate) kind: Kind,
}

/// The series.
#[derive(Debug)]
pub(crate) struct Store {
    families: HashMap<Arc<str>, Family>,
    texts: Interner,
    retention_ms: u64,
    own: Account,
    posted: Account,
}

/// Series that there are and may be, a histogram counted by its lines.
#[derive(Debug)]
struct Account {
    used: usize,
    max: usize,
}

impl Store {
    pub(crate) fn new(series_max: usize, retention_ms: u64) -> Self {
        let account = |max| Account { used: 0, max };
        Self {
            families: HashMap::new(),
            texts: Interner::default(),
            retention_ms: retention_ms.max(1),
            own: account(OWN_SERIES_MAX),
            posted: account(series_max),
        }
    }

    /// Takes a value in of which nobody says when it was taken, or says why not.
    pub(crate) fn put<'a>(
        &mut self,
        now_ms: u64,
        origin: Origin,
        meta: Meta<'_>,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: Value,
    ) -> Result<(), Refusal> {
        self.put_taken(now_ms, origin, meta, labels, Taken::default(), value)
    }

    /// The same with when it was taken.
    pub(crate) fn put_taken<'a>(
        &mut self,
        now_ms: u64,
        origin: Origin,
        meta: Meta<'_>,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        taken: Taken,
        value: Value,
    ) -> Result<(), Refusal> {
        value.check(meta.kind)?;
        let series = self.named(meta.name, labels)?;
        if origin == Origin::Own {
            self.make_way(&series, meta.kind);
        }
        let Self { families, texts, own, posted, retention_ms } = self;
        let account = if origin == Origin::Own { own } else { posted };
        let family = match families.entry(Arc::clone(series.metric())) {
            hash_map::Entry::Occupied(there) => there.into_mut(),
            hash_map::Entry::Vacant(_) if !account.has_room(value.weight()) => return Err(Refusal::Full),
            hash_map::Entry::Vacant(place) => place.insert(Family::new(meta)),
        };
        if family.kind != meta.kind {
            return Err(Refusal::Kind);
        }
        let entry = family.entry(series, origin, account, texts, &value)?;
        entry.put(*retention_ms, now_ms, taken, value)
    }

    /// Takes away what others have posted where the node has something of its own to say: an engine may be asked for the
    /// first time long after somebody took its names.
    fn make_way(&mut self, series: &Series, kind: Kind) {
        let Some(family) = self.families.get_mut(series.metric()) else { return };
        let freed = family.make_way(series, kind);
        self.posted.used = self.posted.used.saturating_sub(freed);
        if family.series.is_empty() {
            self.families.remove(series.metric());
        }
    }

    /// The name of a series, of texts that are shared where they are known. Checked before anything is copied.
    fn named<'a>(&self, metric: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Series, Refusal> {
        let mut bytes = metric.len();
        let mut kept = Vec::new();
        for (name, value) in labels {
            bytes += name.len() + value.len();
            if kept.len() == LABELS_MAX || bytes > SERIES_BYTES_MAX {
                return Err(Refusal::Labels);
            }
            kept.push((self.texts.find(name), self.texts.find(value)));
        }
        if metric.is_empty() || bytes > SERIES_BYTES_MAX {
            return Err(Refusal::Labels);
        }
        Ok(Series::new(self.texts.find(metric), kept))
    }

    /// Forgets series that have been silent for as long as windows reach.
    pub(crate) fn sweep(&mut self, now_ms: u64) {
        let silent_since = now_ms.saturating_sub(self.retention_ms);
        for family in self.families.values_mut() {
            family.series.retain(|_, entry| {
                let stays = entry.touched_ms >= silent_since;
                if !stays {
                    let account = if entry.origin == Origin::Own { &mut self.own } else { &mut self.posted };
                    account.used = account.used.saturating_sub(entry.weight);
                }
                stays
            });
            family.series.shrink_to_fit();
        }
        self.families.retain(|_, family| !family.series.is_empty());
        self.texts.sweep();
    }

    /// Series of the node's own and of others, a histogram counted by its lines.
    pub(crate) fn series(&self) -> (usize, usize) {
        (self.own.used, self.posted.used)
    }

    /// Series of others that there may be.
    pub(crate) fn series_max(&self) -> usize {
        self.posted.max
    }
}

impl Account {
    fn has_room(&self, weight: usize) -> bool {
        self.used + weight <= self.max
    }
}

/// The beginning of a text, in at most so many bytes.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests;
