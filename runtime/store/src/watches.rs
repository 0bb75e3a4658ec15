use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::watch;

use crate::{Snapshot, SnapshotWatch, database::Applied};

/// Who follows which prefix. Whoever holds it holds the right to write: a commit and its publication are one step, so
/// that watchers see revisions in their order.
#[derive(Default)]
pub(crate) struct Watches(BTreeMap<String, watch::Sender<Arc<Snapshot>>>);

impl Watches {
    /// A receiver of a prefix that is followed already.
    pub(crate) fn subscribe(&mut self, prefix: &str) -> Option<SnapshotWatch> {
        self.sweep();
        self.0.get(prefix).map(watch::Sender::subscribe)
    }

    /// Begins to follow `prefix`, of which `snapshot` is the present state.
    pub(crate) fn follow(&mut self, prefix: String, snapshot: Snapshot) -> SnapshotWatch {
        let (sender, receiver) = watch::channel(Arc::new(snapshot));
        self.0.insert(prefix, sender);
        receiver
    }

    /// Tells those whose prefix was touched.
    pub(crate) fn publish(&mut self, applied: &Applied) {
        self.sweep();
        for (prefix, sender) in &self.0 {
            let touched = || applied.changes.iter().filter(|change| change.key.starts_with(prefix.as_str()));
            if touched().next().is_none() {
                continue;
            }
            sender.send_modify(|snapshot| {
                // Copies the map only while a reader still holds the previous snapshot.
                let snapshot = Arc::make_mut(snapshot);
                snapshot.revision = applied.revision;
                for change in touched() {
                    match &change.entry {
                        Some(entry) => snapshot.entries.insert(change.key.clone(), entry.clone()),
                        None => snapshot.entries.remove(&change.key),
                    };
                }
            });
        }
    }

    fn sweep(&mut self) {
        self.0.retain(|_, sender| sender.receiver_count() > 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
