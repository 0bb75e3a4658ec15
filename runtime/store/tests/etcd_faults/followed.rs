use std::sync::Arc;

use switchyard_store::{
    EtcdStore, Revision, Snapshot, SnapshotWatch,
    histories::{History, Truth},
    testing::{DEADLINE, eventually},
    watch,
};
use tokio::time::timeout;

use super::{PREFIX, assert_possible};

/// A watch and the history of it.
pub(super) struct Followed {
    pub(super) history: History,
    watch: SnapshotWatch,
}

impl Followed {
    /// Begins, and waits for the first list.
    pub(super) async fn start(store: EtcdStore) -> Self {
        let history = History::default();
        let watch = watch(Arc::new(store), PREFIX, Some(history.recorder()));
        let mut followed = Self { history, watch };
        followed.reaches(Revision::default()).await;
        followed
    }

    /// Waits until it is at least there.
    pub(super) async fn reaches(&mut self, revision: Revision) -> Arc<Snapshot> {
        let reached = async {
            loop {
                match self.watch.latest() {
                    Some(snapshot) if snapshot.revision >= revision => return snapshot,
                    _ => self.watch.next().await,
                };
            }
        };
        timeout(DEADLINE, reached).await.unwrap()
    }

    /// Waits until its stream has ended so often.
    pub(super) async fn fails(&self, times: usize) {
        eventually("the end of a stream", || async { (self.history.failures() >= times).then_some(()) }).await;
    }

    /// What it shows is what there is, and what it has seen may be so.
    pub(super) async fn verify(&mut self, truth: &Truth) {
        let snapshot = self.reaches(truth.until()).await;
        assert_eq!(snapshot.entries, truth.at(truth.until()).unwrap());
        assert_possible(&self.history.seen(), truth);
    }
}
