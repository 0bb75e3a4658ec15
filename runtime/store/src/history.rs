use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use futures_util::stream;
use parking_lot::Mutex;
use tokio::{sync::watch, time::timeout};

use crate::{Change, HEARTBEAT, Revision, StoreError, Update, Updates, Versioned, database::Applied};

/// Transactions that are remembered for followers.
const TRANSACTIONS_MAX: usize = 4_096;
/// What they may hold together, in bytes of keys and values.
const BYTES_MAX: usize = 32 << 20;

/// What happened lately, as the embedded store and a relay remember it. A follower reads it at its own pace: nobody has a queue, and whoever falls
/// out of it lists again.
pub(crate) struct History {
    applied: VecDeque<Arc<Applied>>,
    bytes: usize,
    /// Everything up to here is forgotten.
    forgotten: Revision,
    /// Of the last transaction; followers wait for it to move.
    latest: watch::Sender<Revision>,
}

impl History {
    /// Of a store that stands at `revision`: what was before is not known.
    pub(crate) fn new(revision: Revision) -> Self {
        Self { applied: VecDeque::new(), bytes: 0, forgotten: revision, latest: watch::Sender::new(revision) }
    }

    /// Adds a transaction that changed something, and wakes the followers.
    pub(crate) fn push(&mut self, applied: Applied) {
        let revision = applied.revision;
        self.bytes += bytes_of(&applied);
        self.applied.push_back(Arc::new(applied));
        while self.applied.len() > TRANSACTIONS_MAX || self.bytes > BYTES_MAX {
            self.forget_first();
        }
        self.latest.send_replace(revision);
    }

    /// Forgets what happened up to a revision.
    pub(crate) fn forget(&mut self, revision: Revision) {
        while self.applied.front().is_some_and(|first| first.revision <= revision) {
            self.forget_first();
        }
        self.forgotten = self.forgotten.max(revision.min(*self.latest.borrow()));
    }

    /// Nothing up to a revision is still to come.
    pub(crate) fn bookmark(&self, revision: Revision) {
        self.latest.send_if_modified(|latest| {
            let newer = revision > *latest;
            *latest = revision.max(*latest);
            newer
        });
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.applied.pop_front() {
            self.bytes -= bytes_of(&first);
            self.forgotten = first.revision;
        }
    }

    /// Moves when there is something new.
    fn latest(&self) -> watch::Receiver<Revision> {
        self.latest.subscribe()
    }

    /// The next update of a prefix after a revision; none: nothing has happened since.
    fn next(&self, prefix: &str, after: Revision) -> Result<Option<Update>, StoreError> {
        let latest = *self.latest.borrow();
        if after < self.forgotten || after > latest {
            return Err(StoreError::Compacted { after });
        }
        let first = self.applied.partition_point(|applied| applied.revision <= after);
        for applied in self.applied.iter().skip(first) {
            let touched = applied.changes.iter().filter(|change| change.key.starts_with(prefix));
            let changes: Vec<Change> = touched.cloned().collect();
            if !changes.is_empty() {
                return Ok(Some(Update::Changed { revision: applied.revision, changes }));
            }
        }
        Ok((latest > after).then_some(Update::Progress(latest)))
    }
}

fn bytes_of(applied: &Applied) -> usize {
    let of =
        |change: &Change| change.key.len() + change.entry.as_ref().map_or(0, |Versioned { value, .. }| value.len());
    applied.changes.iter().map(of).sum()
}

/// What happens under a prefix after a revision. The stream does not keep the history: it ends when that does.
pub(crate) fn updates(history: &Arc<Mutex<History>>, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
    let latest = {
        let history = history.lock();
        history.next(prefix, after)?;
        history.latest()
    };
    let reader = Reader { history: Arc::downgrade(history), prefix: prefix.to_owned(), after, latest };
    Ok(Box::pin(stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(update) => Some((Ok(update), Some(reader))),
            Err(error) => Some((Err(error), None)),
        }
    })))
}

/// A follower's place in a history.
struct Reader {
    history: Weak<Mutex<History>>,
    prefix: String,
    after: Revision,
    latest: watch::Receiver<Revision>,
}

impl Reader {
    async fn next(&mut self) -> Result<Update, StoreError> {
        loop {
            self.latest.mark_unchanged();
            let found = self.history.upgrade().ok_or_else(closed)?.lock().next(&self.prefix, self.after)?;
            if let Some(update) = found {
                if let Update::Changed { revision, .. } | Update::Progress(revision) = &update {
                    self.after = *revision;
                }
                return Ok(update);
            }
            match timeout(HEARTBEAT, self.latest.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return Err(closed()),
                Err(_) => return Ok(Update::Progress(self.after)),
            }
        }
    }
}

fn closed() -> StoreError {
    StoreError::unavailable("the store was closed, or begins anew")
}
