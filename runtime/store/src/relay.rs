use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, future::ready};
use parking_lot::Mutex;
use tokio::{sync::watch as channel, time::timeout};

use crate::{
    ConfigStore, HEARTBEAT, LeaseId, Mirror, Observation, Operation, Precondition, Range, Recorder, Revision, Snapshot,
    StoreError, Transaction, Update, Updates, Versioned,
    bounds::check_key,
    database::Applied,
    history::{self, History},
    watch::{Contact, Observed, observe},
};

/// How long a follower who has seen more elsewhere is waited for to be caught up with.
const CATCH_UP_MAX: Duration = HEARTBEAT;

/// A store that tells many of what it is told once: what lies under one prefix is followed by one watch, and served to any
/// number of followers from memory. Everything else is asked of the store behind it.
///
/// A relay that has heard nothing of the store for [`crate::SILENCE_MAX`] does not know what is there, and says so instead of
/// going on from memory: whoever follows it moves to another one that may know.
#[derive(Clone)]
pub struct RelayStore(Arc<Relay>);

struct Relay {
    behind: Arc<dyn ConfigStore>,
    prefix: String,
    told: Arc<Told>,
    /// The last transaction under the prefix that went through here: whoever wrote it reads it, if the relay hears of it in
    /// time. One that only deleted what neither it nor the relay knew of does not count: it may have changed nothing.
    written: AtomicU64,
    observed: Observed,
}

/// What the watch has told so far.
struct Told {
    state: Arc<Mutex<State>>,
    /// Up to which revision; none: nothing yet.
    listed: channel::Sender<Option<Revision>>,
}

struct State {
    mirror: Mirror,
    /// Begun anew with a list that is not what was known: what happened between is not known either.
    history: Arc<Mutex<History>>,
}

impl RelayStore {
    /// Begins to follow the prefix.
    pub fn new(behind: Arc<dyn ConfigStore>, prefix: &str) -> Self {
        let history = Arc::new(Mutex::new(History::new(Revision::default())));
        let state = Arc::new(Mutex::new(State { mirror: Mirror::default(), history }));
        let told = Arc::new(Told { state, listed: channel::Sender::new(None) });
        let observed = observe(Arc::clone(&behind), prefix, Arc::clone(&told) as Arc<dyn Recorder>);
        Self(Arc::new(Relay { behind, prefix: prefix.to_owned(), told, written: AtomicU64::new(0), observed }))
    }

    /// How long the store behind has said nothing.
    pub fn staleness(&self) -> Duration {
        self.0.observed.contact.staleness()
    }

    fn is_relayed(&self, prefix: &str) -> bool {
        prefix.starts_with(&self.0.prefix)
    }

    /// Waits until everything up to a revision has come; else nothing is known of what is after it.
    async fn caught_up(&self, revision: Revision) -> Result<(), StoreError> {
        let mut listed = self.0.told.listed.subscribe();
        let reached = async { listed.wait_for(|at| at.is_some_and(|at| at >= revision)).await.is_ok() };
        let reached = timeout(CATCH_UP_MAX, reached).await;
        // Neither what is known nor what is not says anything of a store that is out of sight.
        self.check_contact()?;
        match reached {
            Ok(true) => Ok(()),
            _ if self.0.told.listed.borrow().is_none() => {
                Err(StoreError::unavailable("the store has not answered yet"))
            }
            _ => Err(StoreError::Compacted { after: revision }),
        }
    }

    fn check_contact(&self) -> Result<(), StoreError> {
        if self.0.observed.contact.is_lost() { Err(out_of_sight()) } else { Ok(()) }
    }

    /// Whether a transaction changes something under the prefix, as far as can be known before it is made.
    fn changes(&self, transaction: &Transaction) -> bool {
        let state = self.0.told.state.lock();
        let exists = |key: &String| {
            let said = |(of, holds): &(String, Precondition)| of == key && *holds != Precondition::Absent;
            transaction.preconditions.iter().any(said) || state.mirror.snapshot().entries.contains_key(key)
        };
        transaction.operations.iter().any(|operation| match operation {
            Operation::Put { key, .. } => self.is_relayed(key),
            Operation::Delete { key } => self.is_relayed(key) && exists(key),
        })
    }
}

fn out_of_sight() -> StoreError {
    StoreError::unavailable("this server has lost sight of the store")
}

/// Ends with an error where it would only say that all is well, and nobody knows whether it is.
fn while_in_contact(updates: Updates, contact: Arc<Contact>) -> Updates {
    let checked = updates.map(move |update| match update {
        Ok(Update::Progress(_) | Update::Alive) if contact.is_lost() => Err(out_of_sight()),
        update => update,
    });
    Box::pin(checked.scan(false, |ended, update| {
        let next = (!*ended).then_some(update);
        *ended = next.as_ref().is_some_and(Result::is_err);
        ready(next)
    }))
}

impl Recorder for Told {
    fn record(&self, observation: Observation<'_>) {
        let mut state = self.state.lock();
        match observation {
            Observation::Listed(snapshot) => {
                let goes_on = snapshot.revision >= state.mirror.revision();
                let changed = state.mirror.list(snapshot.clone());
                // A list that is what was known ends no stream: what has come and gone meanwhile has left nothing.
                if goes_on && !changed && self.listed.borrow().is_some() {
                    state.history.lock().bookmark(snapshot.revision);
                } else {
                    state.history = Arc::new(Mutex::new(History::new(snapshot.revision)));
                }
            }
            Observation::Updated(update) => {
                // What breaks the order breaks the watch too, and a list follows.
                if state.mirror.update(update.clone()).is_err() {
                    return;
                }
                let mut history = state.history.lock();
                match update {
                    Update::Changed { revision, changes } => {
                        history.push(Applied { revision: *revision, changes: changes.clone() });
                    }
                    Update::Progress(revision) => history.bookmark(*revision),
                    Update::Alive => {}
                }
            }
            Observation::Failed(_) => return,
        }
        let revision = state.mirror.revision();
        drop(state);
        self.listed.send_replace(Some(revision));
    }
}

#[async_trait]
impl ConfigStore for RelayStore {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.0.behind.get(key).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.0.behind.list(range).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        if !self.is_relayed(prefix) {
            return self.0.behind.snapshot(prefix).await;
        }
        check_key(prefix)?;
        self.caught_up(Revision::default()).await?;
        // A store whose watch is late is no reason to answer nothing; one that is out of sight is.
        match self.caught_up(Revision(self.0.written.load(Ordering::Relaxed))).await {
            Err(StoreError::Compacted { .. }) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        let whole = Arc::clone(self.0.told.state.lock().mirror.snapshot());
        let entries = whole.entries.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        let entries = entries.map(|(key, entry)| (key.clone(), entry.clone())).collect();
        Ok(Snapshot { revision: whole.revision, entries })
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        let relayed = self.changes(&transaction);
        let revision = self.0.behind.txn(transaction).await?;
        if relayed {
            self.0.written.fetch_max(revision.0, Ordering::Relaxed);
        }
        Ok(revision)
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        if !self.is_relayed(prefix) {
            return self.0.behind.updates(prefix, after).await;
        }
        check_key(prefix)?;
        // A follower may come from a server that had heard more: it is not sent back in time.
        self.caught_up(after).await?;
        let history = Arc::clone(&self.0.told.state.lock().history);
        Ok(while_in_contact(history::updates(&history, prefix, after)?, Arc::clone(&self.0.observed.contact)))
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.0.behind.lease(ttl).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.behind.keep_alive(lease).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.0.behind.revoke(lease).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.0.behind.compact(revision).await?;
        // What is still on its way belongs to what is forgotten.
        let _ = self.caught_up(Revision(self.0.written.load(Ordering::Relaxed))).await;
        self.0.told.state.lock().history.lock().forget(revision);
        Ok(())
    }
}
