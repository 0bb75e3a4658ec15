use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included},
};

use futures_util::StreamExt;
use tokio::time::timeout;

use crate::{Change, Revision, SILENCE_MAX, Snapshot, StoreError, Update, Updates, Versioned};

/// What one transaction changed under the prefix; without an entry the key is gone.
type Changes = BTreeMap<String, Option<Versioned>>;

/// What really happened under a prefix: a state, and every transaction after it up to some revision. What is outside of
/// that is not known, and nothing that was seen of it is judged.
#[derive(Debug, Clone)]
pub struct Truth {
    start: Snapshot,
    changes: BTreeMap<Revision, Changes>,
    until: Revision,
}

/// Why what happened cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The store does not tell it.
    #[error("the store does not tell what happened")]
    Store(#[from] StoreError),
    /// The stream of updates has ended or is silent.
    #[error("the store has told what happened up to {} and no further", .0.0)]
    Short(Revision),
    /// The store has told the same revision twice, or one after a later one.
    #[error("the store has told revision {} after revision {}", .0.0, .1.0)]
    Disorder(Revision, Revision),
}

impl Truth {
    /// Begins with a state that is known for sure.
    pub fn new(start: Snapshot) -> Self {
        Self { until: start.revision, start, changes: BTreeMap::new() }
    }

    /// Takes what happened up to the revision `until`, at which something must have changed under the prefix: nothing else
    /// shows that the stream is that far. The updates are those after [`Truth::until`], from the store itself and on a
    /// connection that nobody disturbs.
    pub async fn follow(&mut self, updates: &mut Updates, until: Revision) -> Result<(), TruthError> {
        while self.until < until {
            match timeout(SILENCE_MAX, updates.next()).await {
                Ok(Some(update)) => self.take(update?)?,
                Ok(None) | Err(_) => return Err(TruthError::Short(self.until)),
            }
        }
        Ok(())
    }

    /// Up to where it is known.
    pub fn until(&self) -> Revision {
        self.until
    }

    fn take(&mut self, update: Update) -> Result<(), TruthError> {
        match update {
            Update::Alive => {}
            Update::Progress(revision) => self.until = self.until.max(revision),
            Update::Changed { revision, .. } if revision <= self.until => {
                return Err(TruthError::Disorder(revision, self.until));
            }
            Update::Changed { revision, changes } => {
                let changes = changes.into_iter().map(|Change { key, entry }| (key, entry)).collect();
                self.changes.insert(revision, changes);
                self.until = revision;
            }
        }
        Ok(())
    }

    /// Every transaction, with what it left under each key that it changed.
    pub fn transactions(&self) -> impl Iterator<Item = (Revision, &BTreeMap<String, Option<Versioned>>)> {
        self.changes.iter().map(|(revision, changes)| (*revision, changes))
    }

    /// The state at a revision.
    pub fn at(&self, revision: Revision) -> Option<BTreeMap<String, Versioned>> {
        if !self.knows(revision) {
            return None;
        }
        let mut entries = self.start.entries.clone();
        for (key, entry) in self.changes.range(..=revision).flat_map(|(_, changes)| changes) {
            match entry {
                Some(entry) => entries.insert(key.clone(), entry.clone()),
                None => entries.remove(key),
            };
        }
        Some(entries)
    }

    /// Whether the state at this revision is known.
    pub(super) fn knows(&self, revision: Revision) -> bool {
        (self.start.revision..=self.until).contains(&revision)
    }

    /// Whether it is known what this revision has changed. What has led to the state at the start is not.
    pub(super) fn knows_changes(&self, revision: Revision) -> bool {
        revision > self.start.revision && revision <= self.until
    }

    pub(super) fn changes_of(&self, revision: Revision) -> Option<&Changes> {
        self.changes.get(&revision)
    }

    /// The first transaction after one revision and up to another.
    pub(super) fn first_in(&self, after: Revision, up_to: Revision) -> Option<Revision> {
        self.between(after, up_to).next()
    }

    /// The transactions after one revision and up to another.
    pub(super) fn between(&self, after: Revision, up_to: Revision) -> impl Iterator<Item = Revision> {
        // A map panics at a range that is upside down.
        let range = (after < up_to).then(|| self.changes.range((Excluded(after), Included(up_to))));
        range.into_iter().flatten().map(|(revision, _)| *revision)
    }
}
