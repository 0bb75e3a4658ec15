//! A store in memory that behaves as a real one on a bad network does: answers are late, lost or never come, streams break or
//! fall silent, history is forgotten, leases end. All of it is drawn from the seed.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures_util::stream;
use switchyard_store::{
    Change, ConfigStore, HEARTBEAT, LeaseId, Operation, Precondition, Range, Revision, Snapshot, StoreError,
    Transaction, Update, Updates, Versioned,
};
use tokio::{sync::Notify, time::Instant};

/// How often something goes wrong, in percent of what is asked.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// The request never arrives.
    pub request_lost: u32,
    /// It arrives, and the answer does not.
    pub answer_lost: u32,
    /// It arrives after the caller has given up.
    pub late: u32,
    /// A stream breaks, at each update.
    pub stream_breaks: u32,
    /// A stream falls silent, at each update.
    pub stream_silent: u32,
}

#[derive(Default)]
struct State {
    revision: u64,
    keys: BTreeMap<String, (Versioned, Option<LeaseId>)>,
    /// One entry for each revision.
    history: Vec<(u64, Vec<Change>)>,
    forgotten: u64,
    leases: BTreeMap<LeaseId, (Duration, Instant)>,
    leases_given: u64,
}

/// What all clients share: the truth.
#[derive(Clone, Default)]
pub struct World {
    state: Arc<Mutex<State>>,
    moved: Arc<Notify>,
}

/// One client of it, with weather of its own.
#[derive(Clone)]
pub struct Client {
    world: World,
    weather: Arc<Mutex<Weather>>,
    cut: Arc<Mutex<bool>>,
    /// Transactions whose answer has not come.
    unanswered: Arc<Mutex<u64>>,
}

impl Weather {
    pub const FAIR: Self = Self { request_lost: 0, answer_lost: 0, late: 0, stream_breaks: 0, stream_silent: 0 };
}

impl World {
    pub fn client(&self, weather: Weather) -> Client {
        Client {
            world: self.clone(),
            weather: Arc::new(Mutex::new(weather)),
            cut: Arc::default(),
            unanswered: Arc::default(),
        }
    }

    /// Everything that ever happened, by revision.
    pub fn history(&self) -> Vec<(u64, Vec<Change>)> {
        self.state.lock().unwrap().history.clone()
    }

    pub fn snapshot(&self, prefix: &str) -> Snapshot {
        self.state.lock().unwrap().snapshot(prefix)
    }

    /// Forgets everything but the newest few.
    pub fn compact(&self, keep: u64) {
        let mut state = self.state.lock().unwrap();
        state.forgotten = state.forgotten.max(state.revision.saturating_sub(keep));
    }

    /// Ends what is over.
    pub fn tick(&self) {
        let mut state = self.state.lock().unwrap();
        let now = Instant::now();
        let over: Vec<_> = state.leases.iter().filter(|(_, (_, ends))| *ends <= now).map(|(id, _)| *id).collect();
        for lease in over {
            state.end(lease);
        }
        drop(state);
        self.moved.notify_waiters();
    }

    fn apply(&self, transaction: &Transaction) -> Result<Revision, StoreError> {
        let applied = self.state.lock().unwrap().apply(transaction);
        self.moved.notify_waiters();
        applied
    }
}

impl State {
    fn snapshot(&self, prefix: &str) -> Snapshot {
        let below = self.keys.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        let entries = below.map(|(key, (entry, _))| (key.clone(), entry.clone())).collect();
        Snapshot { revision: Revision(self.revision), entries }
    }

    fn apply(&mut self, transaction: &Transaction) -> Result<Revision, StoreError> {
        for (key, holds) in &transaction.preconditions {
            let found = self.keys.get(key).map(|(entry, _)| entry.revision);
            let holds = match holds {
                Precondition::Absent => found.is_none(),
                Precondition::Present => found.is_some(),
                Precondition::At(at) => found == Some(*at),
            };
            if !holds {
                return Err(StoreError::Conflict { key: key.clone(), found });
            }
        }
        let leases = transaction.operations.iter().filter_map(|operation| match operation {
            Operation::Put { lease, .. } => *lease,
            Operation::Delete { .. } => None,
        });
        if leases.into_iter().any(|lease| self.leases.get(&lease).is_none_or(|(_, ends)| *ends <= Instant::now())) {
            return Err(StoreError::LeaseEnded);
        }
        let revision = Revision(self.revision + 1);
        let mut changes = Vec::new();
        for operation in &transaction.operations {
            match operation {
                Operation::Put { key, value, lease } => {
                    let entry = Versioned { value: value.clone(), revision };
                    self.keys.insert(key.clone(), (entry.clone(), *lease));
                    changes.push(Change { key: key.clone(), entry: Some(entry) });
                }
                Operation::Delete { key } => {
                    if self.keys.remove(key).is_some() {
                        changes.push(Change { key: key.clone(), entry: None });
                    }
                }
            }
        }
        if changes.is_empty() {
            return Ok(Revision(self.revision));
        }
        self.revision = revision.0;
        self.history.push((revision.0, changes));
        Ok(revision)
    }

    fn end(&mut self, lease: LeaseId) {
        self.leases.remove(&lease);
        let bound = self.keys.iter().filter(|(_, (_, of))| *of == Some(lease)).map(|(key, _)| key.clone());
        let operations: Vec<_> = bound.map(Operation::delete).collect();
        self.apply(&Transaction { preconditions: vec![], operations }).unwrap();
    }

    /// What comes first after a revision.
    fn next(&self, prefix: &str, after: Revision) -> Result<Option<Update>, StoreError> {
        if after.0 < self.forgotten || after.0 > self.revision {
            return Err(StoreError::Compacted { after });
        }
        let first = self.history.partition_point(|(revision, _)| *revision <= after.0);
        for (revision, changes) in &self.history[first..] {
            let changes: Vec<_> = changes.iter().filter(|change| change.key.starts_with(prefix)).cloned().collect();
            if !changes.is_empty() {
                return Ok(Some(Update::Changed { revision: Revision(*revision), changes }));
            }
        }
        Ok((self.revision > after.0).then_some(Update::Progress(Revision(self.revision))))
    }
}

fn lost() -> StoreError {
    StoreError::Unavailable("the network".into())
}

fn percent(chance: u32) -> bool {
    fastrand::u32(..100) < chance
}

/// A round trip, and sometimes a slow one.
async fn travel() {
    let ms = if percent(5) { fastrand::u64(0..2_000) } else { fastrand::u64(0..20) };
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

impl Client {
    pub fn cut(&self, cut: bool) {
        *self.cut.lock().unwrap() = cut;
        self.world.moved.notify_waiters();
    }

    pub fn fair(&self) {
        *self.weather.lock().unwrap() = Weather::FAIR;
        self.cut(false);
    }

    /// How many transactions were never answered, of those that are over.
    pub fn unanswered(&self) -> u64 {
        *self.unanswered.lock().unwrap()
    }

    fn is_cut(&self) -> bool {
        *self.cut.lock().unwrap()
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    /// A question, with what the network makes of it.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&World) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        travel().await;
        let weather = self.weather();
        if self.is_cut() || percent(weather.request_lost) {
            // Somebody waits for an answer that never comes, or is told at once.
            if percent(50) {
                std::future::pending::<()>().await;
            }
            return Err(lost());
        }
        if percent(weather.late) {
            let world = self.world.clone();
            let late_ms = fastrand::u64(0..20_000);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(late_ms)).await;
                let _ = question(&world);
            });
            return Err(lost());
        }
        let answer = question(&self.world);
        travel().await;
        if self.is_cut() || percent(weather.answer_lost) { Err(lost()) } else { answer }
    }
}

#[async_trait]
impl ConfigStore for Client {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        let key = key.to_owned();
        let find = move |world: &World| Ok(world.state.lock().unwrap().keys.get(&key).map(|(entry, _)| entry.clone()));
        self.ask(find).await
    }

    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        let (prefix, after, limit) = (range.prefix.to_owned(), range.after.map(str::to_owned), range.limit);
        let find = move |world: &World| {
            let mut snapshot = world.snapshot(&prefix);
            snapshot.entries.retain(|key, _| after.as_ref().is_none_or(|after| key > after));
            while snapshot.entries.len() > limit {
                snapshot.entries.pop_last();
            }
            Ok(snapshot)
        };
        self.ask(find).await
    }

    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        let prefix = prefix.to_owned();
        self.ask(move |world| Ok(world.snapshot(&prefix))).await
    }

    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        // Also one that is given up while it waits.
        *self.unanswered.lock().unwrap() += 1;
        let answer = self.ask(move |world| world.apply(&transaction)).await;
        if !matches!(answer, Err(StoreError::Unavailable(_))) {
            *self.unanswered.lock().unwrap() -= 1;
        }
        answer
    }

    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        let of = prefix.to_owned();
        self.ask(move |world| world.state.lock().unwrap().next(&of, after).map(drop)).await?;
        let place = Some((self.clone(), prefix.to_owned(), after));
        Ok(Box::pin(stream::unfold(place, |place| async {
            let (client, prefix, after) = place?;
            let notify = Arc::clone(&client.world.moved);
            let mut alive_at = Instant::now() + HEARTBEAT;
            loop {
                let moved = notify.notified();
                let weather = client.weather();
                if client.is_cut() || percent(weather.stream_silent) {
                    // Until the watchdog has had enough.
                    std::future::pending::<()>().await;
                }
                if percent(weather.stream_breaks) {
                    return Some((Err(lost()), None));
                }
                let found = client.world.state.lock().unwrap().next(&prefix, after);
                match found {
                    Err(error) => return Some((Err(error), None)),
                    Ok(Some(update)) => {
                        travel().await;
                        let after = match &update {
                            Update::Changed { revision, .. } | Update::Progress(revision) => *revision,
                            Update::Alive => after,
                        };
                        return Some((Ok(update), Some((client, prefix, after))));
                    }
                    Ok(None) => {
                        // It is woken also when nothing has happened here.
                        if tokio::time::timeout_at(alive_at, moved).await.is_err() {
                            if !client.is_cut() {
                                return Some((Ok(Update::Alive), Some((client, prefix, after))));
                            }
                            alive_at = Instant::now() + HEARTBEAT;
                        }
                    }
                }
            }
        })))
    }

    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        let grant = move |world: &World| {
            let mut state = world.state.lock().unwrap();
            state.leases_given += 1;
            let id = LeaseId(state.leases_given);
            state.leases.insert(id, (ttl, Instant::now() + ttl));
            Ok(id)
        };
        self.ask(grant).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        let keep = move |world: &World| {
            let mut state = world.state.lock().unwrap();
            let (ttl, ends) = state.leases.get_mut(&lease).ok_or(StoreError::LeaseEnded)?;
            *ends = Instant::now() + *ttl;
            Ok(())
        };
        self.ask(keep).await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        let end = move |world: &World| {
            world.state.lock().unwrap().end(lease);
            world.moved.notify_waiters();
            Ok(())
        };
        self.ask(end).await
    }

    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        let forget = move |world: &World| {
            let mut state = world.state.lock().unwrap();
            state.forgotten = state.forgotten.max(revision.0.min(state.revision));
            Ok(())
        };
        self.ask(forget).await
    }
}
