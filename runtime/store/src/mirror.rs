use std::sync::Arc;

use crate::{Revision, Snapshot, Update};

/// A prefix as a follower knows it: a snapshot, and the updates since. Pure: where they come from is the watch's matter.
#[derive(Debug, Default)]
pub struct Mirror {
    snapshot: Arc<Snapshot>,
}

/// Why a mirror does not take an update: whoever sent it breaks the promises of [`crate::Updates`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an update of revision {} came after revision {}", .came.0, .after.0)]
pub struct Disorder {
    /// Of the update.
    pub came: Revision,
    /// What was known by then.
    pub after: Revision,
}

impl Mirror {
    /// What is known. Its revision is the one up to which it is known.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// After which updates are wanted.
    pub fn revision(&self) -> Revision {
        self.snapshot.revision
    }

    /// Takes a whole list: what is not in it is gone. Whether the entries are others now.
    pub fn list(&mut self, snapshot: Snapshot) -> bool {
        let changed = self.snapshot.entries != snapshot.entries;
        self.snapshot = Arc::new(snapshot);
        changed
    }

    /// Takes an update. Whether the entries are others now.
    pub fn update(&mut self, update: Update) -> Result<bool, Disorder> {
        let after = self.snapshot.revision;
        match update {
            Update::Alive => Ok(false),
            // The same bookmark may come twice.
            Update::Progress(came) if came < after => Err(Disorder { came, after }),
            Update::Progress(came) => {
                if came > after {
                    Arc::make_mut(&mut self.snapshot).revision = came;
                }
                Ok(false)
            }
            Update::Changed { revision: came, .. } if came <= after => Err(Disorder { came, after }),
            Update::Changed { revision, changes } => {
                // Copies the map while anybody holds the previous snapshot: whoever shows each one pays a copy for each.
                let snapshot = Arc::make_mut(&mut self.snapshot);
                snapshot.revision = revision;
                for change in changes {
                    match change.entry {
                        Some(entry) => snapshot.entries.insert(change.key, entry),
                        None => snapshot.entries.remove(&change.key),
                    };
                }
                Ok(true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Change, Versioned};

    fn change(key: &str, revision: u64) -> Change {
        Change { key: key.to_owned(), entry: Some(Versioned { value: "x".into(), revision: Revision(revision) }) }
    }

    fn changed(revision: u64, changes: Vec<Change>) -> Update {
        Update::Changed { revision: Revision(revision), changes }
    }

    #[test]
    fn updates_change_what_they_name_and_a_list_everything() {
        let mut mirror = Mirror::default();
        assert!(mirror.update(changed(2, vec![change("/a", 2), change("/b", 2)])).unwrap());
        let gone = Change { key: "/a".to_owned(), entry: None };
        assert!(mirror.update(changed(3, vec![gone, change("/c", 3)])).unwrap());
        assert_eq!(mirror.snapshot().entries.keys().collect::<Vec<_>>(), ["/b", "/c"]);
        assert!(!mirror.update(Update::Progress(Revision(7))).unwrap());
        assert!(!mirror.update(Update::Alive).unwrap());
        assert_eq!(mirror.revision(), Revision(7));
        assert!(mirror.list(Snapshot { revision: Revision(9), ..Snapshot::default() }));
        assert!(mirror.snapshot().entries.is_empty());
        assert!(!mirror.list(Snapshot { revision: Revision(4), ..Snapshot::default() }), "a restored store");
        assert_eq!(mirror.revision(), Revision(4));
    }

    #[test]
    fn what_comes_twice_or_late_is_refused_and_changes_nothing() {
        let mut mirror = Mirror::default();
        mirror.update(changed(5, vec![change("/a", 5)])).unwrap();
        let before = Arc::clone(mirror.snapshot());
        for late in
            [changed(5, vec![change("/b", 5)]), changed(4, vec![change("/b", 4)]), Update::Progress(Revision(4))]
        {
            assert!(mirror.update(late).is_err());
        }
        assert_eq!(*mirror.snapshot(), before);
        assert!(!mirror.update(Update::Progress(Revision(5))).unwrap());
    }
}
