use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use switchyard_types::{
    BATCH_BYTES_MAX, BATCH_ITEMS_MAX, Dropped, NodeId, NumberedItem, ReportAnswer, ReportBatch, ReportItem, SessionId,
};

/// Items that are kept: with twenty hooks in use, those of more than an hour without a server.
const ITEMS_MAX: usize = 8_192;
/// Bytes that they may have, as they are sent.
const BYTES_MAX: usize = 8 << 20;
/// For how long a window that a server has taken is kept for its successor, in milliseconds.
const TOLD_WINDOW_MS_MAX: u64 = 15 * 60 * 1_000;
/// Events that a server has taken and that are kept for its successor.
const TOLD_EVENTS_MAX: usize = 256;

/// What a node has to tell, and what it has told lately: a new leader knows nothing, and is told again. Pure: clock, disk and
/// network are the caller's.
#[derive(Debug)]
pub(crate) struct Spool {
    node: NodeId,
    session: SessionId,
    /// The number of the next item.
    next: u64,
    /// In the order in which they are told.
    entries: VecDeque<Entry>,
    /// How many of the first have been taken by the leader of `term`.
    told: usize,
    bytes: usize,
    term: Option<u64>,
    /// In the life of the data folder.
    dropped: Dropped,
    changes: u64,
}

#[derive(Debug)]
struct Entry {
    session: SessionId,
    item: NumberedItem,
    bytes: usize,
    /// When it came, by the clock of this process; 0: before it.
    at_ms: u64,
    /// Some leader has taken it once.
    was_told: bool,
}

/// What an answer has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Some of it need not be told again.
    Taken,
    /// There is another leader, who is told from the beginning.
    Begun,
    /// Nothing has changed: to tell it again at once would not change it either.
    None,
}

/// What stands on disk. Windows that were told are left out: a new leader can do without them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Saved {
    term: Option<u64>,
    /// Absent in what older versions wrote.
    #[serde(default)]
    dropped: Dropped,
    entries: Vec<SavedEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedEntry {
    session: SessionId,
    told: bool,
    item: NumberedItem,
}

impl Spool {
    /// What an earlier process of this node has left, for a new one.
    pub(crate) fn new(node: NodeId, session: SessionId, saved: Saved) -> Self {
        let told = saved.entries.iter().take_while(|entry| entry.told).count();
        let entry = |SavedEntry { session, told, item }| {
            let bytes = bytes_of(&item);
            Entry { session, item, bytes, at_ms: 0, was_told: told }
        };
        let entries: VecDeque<_> = saved.entries.into_iter().map(entry).collect();
        let bytes = entries.iter().map(|entry| entry.bytes).sum();
        let Saved { term, dropped, .. } = saved;
        let mut spool = Self { node, session, next: 1, entries, told, bytes, term, dropped, changes: 0 };
        spool.keep_bounds();
        spool
    }

    /// As it should stand on disk.
    pub(crate) fn saved(&self) -> Saved {
        let kept = |(place, entry): (usize, &Entry)| {
            let told = place < self.told;
            let saved = SavedEntry { session: entry.session.clone(), told, item: entry.item.clone() };
            (!told || !entry.is_window()).then_some(saved)
        };
        let (term, dropped) = (self.term, self.dropped);
        Saved { term, dropped, entries: self.entries.iter().enumerate().filter_map(kept).collect() }
    }

    /// Grows with everything that changes what should stand on disk.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Adds items that are told after all others.
    pub(crate) fn push(&mut self, items: impl IntoIterator<Item = ReportItem>, now_ms: u64) {
        for item in items {
            let item = NumberedItem { sequence: self.next, item };
            self.next += 1;
            let bytes = bytes_of(&item);
            self.bytes += bytes;
            self.changes += 1;
            let session = self.session.clone();
            self.entries.push_back(Entry { session, item, bytes, at_ms: now_ms, was_told: false });
        }
        self.forget(now_ms);
        self.keep_bounds();
    }

    /// What is told next; none: everything has been.
    pub(crate) fn batch(&self) -> Option<ReportBatch> {
        let first = self.entries.get(self.told)?;
        let (mut items, mut bytes) = (Vec::new(), 0);
        for entry in self.entries.iter().skip(self.told).take(BATCH_ITEMS_MAX) {
            bytes += entry.bytes;
            if entry.session != first.session || (bytes > BATCH_BYTES_MAX && !items.is_empty()) {
                break;
            }
            items.push(entry.item.clone());
        }
        let (node, session) = (self.node.clone(), first.session.clone());
        Some(ReportBatch { node, session, term: self.term, items, dropped: self.dropped })
    }

    /// A batch without items: whoever leads answers with its term, and a new one is told again.
    pub(crate) fn greeting(&self) -> ReportBatch {
        let (node, session) = (self.node.clone(), self.session.clone());
        ReportBatch { node, session, term: self.term, items: Vec::new(), dropped: self.dropped }
    }

    /// Notes what a server has answered to a batch.
    pub(crate) fn answered(&mut self, batch: &ReportBatch, answer: ReportAnswer) -> Progress {
        if self.term != Some(answer.term) {
            self.term = Some(answer.term);
            self.told = 0;
            self.changes += 1;
            return Progress::Begun;
        }
        let before = self.told;
        let taken = |entry: &Entry| {
            entry.session == batch.session && answer.acknowledged.is_some_and(|upto| entry.item.sequence <= upto)
        };
        while let Some(entry) = self.entries.get_mut(self.told).filter(|entry| taken(entry)) {
            entry.was_told = true;
            self.told += 1;
        }
        if self.told == before {
            // Of a greeting nothing was to be taken.
            return if batch.items.is_empty() { Progress::Taken } else { Progress::None };
        }
        self.changes += 1;
        Progress::Taken
    }

    /// Gives up a batch that a server has refused and would refuse again.
    pub(crate) fn give_up(&mut self, batch: &ReportBatch) {
        let last = batch.items.last().map_or(0, |item| item.sequence);
        while self
            .entries
            .get(self.told)
            .is_some_and(|entry| entry.session == batch.session && entry.item.sequence <= last)
        {
            self.remove(self.told);
        }
    }

    /// Lets go what was told long enough ago.
    fn forget(&mut self, now_ms: u64) {
        let is_old = |entry: &Entry| entry.is_window() && now_ms.saturating_sub(entry.at_ms) > TOLD_WINDOW_MS_MAX;
        while let Some(place) = self.position(0..self.told, is_old) {
            self.remove(place);
        }
        let events = self.entries.iter().take(self.told).filter(|entry| !entry.is_window()).count();
        for _ in TOLD_EVENTS_MAX..events {
            if let Some(place) = self.position(0..self.told, |entry| !entry.is_window()) {
                self.remove(place);
            }
        }
    }

    /// What was told goes before what was not, and windows go before events; of each the oldest.
    fn keep_bounds(&mut self) {
        while self.entries.len() > ITEMS_MAX || self.bytes > BYTES_MAX {
            let (told, all) = (0..self.told, self.told..self.entries.len());
            let place = self.position(told.clone(), Entry::is_window).or((!told.is_empty()).then_some(0));
            let place = place.or_else(|| self.position(all, Entry::is_window)).unwrap_or(self.told);
            self.remove(place);
        }
    }

    fn position(&self, places: std::ops::Range<usize>, is_it: impl Fn(&Entry) -> bool) -> Option<usize> {
        places.clone().zip(self.entries.range(places)).find(|(_, entry)| is_it(entry)).map(|(place, _)| place)
    }

    fn remove(&mut self, place: usize) {
        let Some(entry) = self.entries.remove(place) else { return };
        self.bytes -= entry.bytes;
        self.changes += 1;
        if place < self.told {
            self.told -= 1;
        }
        if !entry.was_told {
            let count = if entry.is_window() { &mut self.dropped.windows } else { &mut self.dropped.events };
            *count += 1;
        }
    }
}

impl Entry {
    fn is_window(&self) -> bool {
        matches!(self.item.item, ReportItem::Window(_))
    }
}

/// As it is sent. What cannot be written is not sent either, and counts as little.
fn bytes_of(item: &NumberedItem) -> usize {
    serde_json::to_vec(item).map_or(0, |bytes| bytes.len())
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
