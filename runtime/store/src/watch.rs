use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::{
    sync::watch as channel,
    task::JoinHandle,
    time::{Instant, timeout},
};

use crate::{
    ConfigStore, Disorder, HEARTBEAT, Mirror, Revision, Snapshot, StoreError, Update, Updates, backoff::delay,
    error::chain,
};

/// After how much silence a stream of updates counts as dead: two heartbeats that did not come, and time for a slow one.
pub const SILENCE_MAX: Duration = Duration::from_millis(HEARTBEAT.as_millis() as u64 * 5 / 2);
/// How long one question to the store may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// For how long a list may be of an older revision than one that was shown: whoever gave it has heard nothing since then, or
/// has been told late, and will know that by then.
const OLDER_MAX: Duration = Duration::from_millis(SILENCE_MAX.as_millis() as u64 + ANSWER_MAX.as_millis() as u64);
/// Updates that are taken together before they are shown, where more are there already.
const BATCH_MAX: usize = 1_024;

/// Follows everything under a prefix for as long as somebody holds what is returned. The first snapshot comes when the store
/// has answered, later ones as they come, each complete: a slow reader sees the newest and misses those between. A store
/// that goes away is asked again for ever, with growing delays; after that the watch goes on where it was, or with one list
/// where the store does not know what happened meanwhile.
pub fn watch(
    store: Arc<dyn ConfigStore>,
    prefix: impl Into<String>,
    recorder: Option<Arc<dyn Recorder>>,
) -> SnapshotWatch {
    watch_paced(store, prefix, recorder, Duration::ZERO)
}

/// The same for many keys that change often, of which somebody wants a picture: after an update it is waited for `pace`, and what
/// has come by then is shown together. Each snapshot that is shown costs a copy of all keys. It is not waited while more has
/// come than is taken together: whoever is behind catches up.
pub fn watch_paced(
    store: Arc<dyn ConfigStore>,
    prefix: impl Into<String>,
    recorder: Option<Arc<dyn Recorder>>,
    pace: Duration,
) -> SnapshotWatch {
    let (snapshots, receiver) = channel::channel(None);
    let (contact, task) = Follower::start(store, prefix.into(), Some(snapshots), recorder, pace);
    SnapshotWatch { receiver, contact, _task: Arc::new(task) }
}

/// Follows for a recorder alone: nothing is shown, so nothing is copied for it.
pub(crate) fn observe(store: Arc<dyn ConfigStore>, prefix: &str, recorder: Arc<dyn Recorder>) -> Observed {
    let (contact, task) = Follower::start(store, prefix.to_owned(), None, Some(recorder), Duration::ZERO);
    Observed { contact, _task: task }
}

/// It is followed for as long as this is held.
pub(crate) struct Observed {
    pub(crate) contact: Arc<Contact>,
    _task: Task,
}

/// The newest snapshot of a prefix. Clones see the same one, each at its own pace.
#[derive(Clone)]
pub struct SnapshotWatch {
    receiver: channel::Receiver<Option<Arc<Snapshot>>>,
    contact: Arc<Contact>,
    _task: Arc<Task>,
}

impl SnapshotWatch {
    /// The newest snapshot; none: the store has not answered yet.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.receiver.borrow().clone()
    }

    /// The newest snapshot that this watch has not given yet, at once or when it comes.
    pub async fn next(&mut self) -> Arc<Snapshot> {
        loop {
            // The task ends only with the last watch: there is no other error to speak of.
            if self.receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some(snapshot) = self.receiver.borrow_and_update().clone() {
                return snapshot;
            }
        }
    }

    /// How long the store has said nothing: what is known may be as old as that. In contact it stays below [`SILENCE_MAX`].
    pub fn staleness(&self) -> Duration {
        self.contact.staleness()
    }
}

/// What a watch has seen, for whoever keeps a history of it.
#[derive(Debug, Clone, Copy)]
pub enum Observation<'a> {
    /// A whole list.
    Listed(&'a Snapshot),
    /// One update.
    Updated(&'a Update),
    /// The stream of updates was begun again after this many failures.
    Failed(&'a str),
}

/// Keeps what a watch sees, in its order.
pub trait Recorder: Send + Sync + 'static {
    /// Called before the snapshot is shown.
    fn record(&self, observation: Observation<'_>);
}

/// When the store last said something.
pub(crate) struct Contact(Mutex<Instant>);

impl Contact {
    /// How long ago that is.
    pub(crate) fn staleness(&self) -> Duration {
        self.0.lock().elapsed()
    }

    /// Whether it is so long ago that nobody knows whether the store is there.
    pub(crate) fn is_lost(&self) -> bool {
        self.staleness() >= SILENCE_MAX
    }
}

/// Ends with its last holder.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What was taken together.
struct Taken {
    /// The entries are others now.
    changed: bool,
    /// As much as is taken together; there may be more.
    full: bool,
}

struct Follower {
    store: Arc<dyn ConfigStore>,
    prefix: String,
    mirror: Mirror,
    /// None: nobody looks.
    snapshots: Option<channel::Sender<Option<Arc<Snapshot>>>>,
    contact: Arc<Contact>,
    recorder: Option<Arc<dyn Recorder>>,
    pace: Duration,
    /// In a row.
    failures: u32,
    /// Since when lists have come that are older than what is known.
    older_since: Option<Instant>,
}

/// Why a stream of updates came to an end.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store gave no answer within {} s", ANSWER_MAX.as_secs())]
    NoAnswer,
    #[error("the store was silent for {SILENCE_MAX:?}")]
    Silent,
    #[error("the store has closed the stream")]
    Closed,
    #[error(transparent)]
    Disorder(#[from] Disorder),
    #[error("the store gave a list of revision {}, after revision {}", .came.0, .after.0)]
    Older { came: Revision, after: Revision },
}

impl Ended {
    /// Whether the updates cannot go on from where they were.
    fn needs_list(&self) -> bool {
        matches!(self, Self::Store(StoreError::Compacted { .. }) | Self::Disorder(_) | Self::Older { .. })
    }
}

impl Follower {
    fn start(
        store: Arc<dyn ConfigStore>,
        prefix: String,
        snapshots: Option<channel::Sender<Option<Arc<Snapshot>>>>,
        recorder: Option<Arc<dyn Recorder>>,
        pace: Duration,
    ) -> (Arc<Contact>, Task) {
        let contact = Arc::new(Contact(Mutex::new(Instant::now())));
        let follower = Self {
            store,
            prefix,
            mirror: Mirror::default(),
            snapshots,
            contact: Arc::clone(&contact),
            recorder,
            pace,
            failures: 0,
            older_since: None,
        };
        (contact, Task(tokio::spawn(follower.run())))
    }

    async fn run(mut self) {
        let mut listed = false;
        loop {
            let ended = match if listed { Ok(()) } else { self.list().await } {
                Ok(()) => {
                    listed = true;
                    self.follow().await
                }
                Err(error) => error,
            };
            listed &= !ended.needs_list();
            if !matches!(ended, Ended::Older { .. }) {
                // The next answer may be somebody else's.
                self.older_since = None;
            }
            self.failures = self.failures.saturating_add(1);
            let delay = delay(self.failures);
            let error = chain(&ended);
            tracing::warn!(prefix = self.prefix, error, ?delay, "the store is asked again");
            self.record(Observation::Failed(&error));
            tokio::time::sleep(delay).await;
        }
    }

    async fn list(&mut self) -> Result<(), Ended> {
        let snapshot = answer(self.store.snapshot(&self.prefix)).await?;
        self.check_age(snapshot.revision)?;
        self.in_contact();
        self.record(Observation::Listed(&snapshot));
        self.mirror.list(snapshot);
        self.show();
        Ok(())
    }

    /// Nobody is sent back in time by somebody who has heard less: whoever is cut off finds out, and says so. If older lists come
    /// for longer than that takes, and nothing else, the store itself begins again from a backup.
    fn check_age(&mut self, came: Revision) -> Result<(), Ended> {
        let after = self.mirror.revision();
        if came < after && self.older_since.get_or_insert_with(Instant::now).elapsed() < OLDER_MAX {
            return Err(Ended::Older { came, after });
        }
        self.older_since = None;
        Ok(())
    }

    /// Goes on from where the mirror is, until that ends.
    async fn follow(&mut self) -> Ended {
        let mut updates = match answer(self.store.updates(&self.prefix, self.mirror.revision())).await {
            Ok(updates) => updates,
            Err(ended) => return ended,
        };
        // Whether there may be more already than was taken.
        let mut full = false;
        loop {
            let update = match timeout(SILENCE_MAX, updates.next()).await {
                Err(_) => return Ended::Silent,
                Ok(None) => return Ended::Closed,
                Ok(Some(Err(error))) => return error.into(),
                Ok(Some(Ok(update))) => update,
            };
            if !self.pace.is_zero() && !full {
                tokio::time::sleep(self.pace).await;
            }
            match self.take(update, &mut updates) {
                Ok(taken) => {
                    full = taken.full;
                    if taken.changed {
                        self.show();
                    }
                }
                Err(ended) => return ended,
            }
        }
    }

    /// Takes an update and those that are there already.
    fn take(&mut self, first: Update, updates: &mut Updates) -> Result<Taken, Ended> {
        self.failures = 0;
        self.in_contact();
        let (mut changed, mut update) = (false, first);
        for _ in 0..BATCH_MAX {
            self.record(Observation::Updated(&update));
            changed |= self.mirror.update(update)?;
            update = match updates.next().now_or_never() {
                Some(Some(Ok(next))) => next,
                // What has come is shown before the error counts.
                Some(Some(Err(error))) => {
                    self.show();
                    return Err(error.into());
                }
                Some(None) => {
                    self.show();
                    return Err(Ended::Closed);
                }
                None => return Ok(Taken { changed, full: false }),
            };
        }
        self.record(Observation::Updated(&update));
        changed |= self.mirror.update(update)?;
        Ok(Taken { changed, full: true })
    }

    fn show(&self) {
        if let Some(snapshots) = &self.snapshots {
            snapshots.send_replace(Some(Arc::clone(self.mirror.snapshot())));
        }
    }

    fn in_contact(&self) {
        *self.contact.0.lock() = Instant::now();
    }

    fn record(&self, observation: Observation<'_>) {
        if let Some(recorder) = &self.recorder {
            recorder.record(observation);
        }
    }
}

async fn answer<T>(question: impl Future<Output = Result<T, StoreError>>) -> Result<T, Ended> {
    timeout(ANSWER_MAX, question).await.map_err(|_| Ended::NoAnswer)?.map_err(Ended::from)
}
