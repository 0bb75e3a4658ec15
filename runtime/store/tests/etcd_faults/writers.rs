use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use switchyard_store::{
    ConfigStore, EtcdStore, Operation, Precondition, Revision, StoreError, Transaction, testing::eventually,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::PREFIX;

/// Keys of one writer that come and go.
const KEYS: usize = 16;

/// Several that write all the time, each its own keys.
pub(super) struct Writers {
    stop: Arc<AtomicBool>,
    /// Of all of them together.
    acknowledged: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Written>>,
}

/// The account of one writer.
pub(super) struct Written {
    writer: usize,
    /// Of each write, in order.
    pub(super) revisions: Vec<Revision>,
    /// When each was known to have happened.
    pub(super) instants: Vec<Instant>,
    /// How many answers left open whether a write has happened.
    pub(super) unknown: usize,
}

impl Written {
    /// Where it counts its writes.
    pub(super) fn key(&self) -> String {
        format!("{PREFIX}{}/last", self.writer)
    }
}

impl Writers {
    /// One for each store, all together at a pace.
    pub(super) fn start(stores: Vec<EtcdStore>, writes_per_second: u32) -> Self {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let pace = Duration::from_secs(1) * u32::try_from(stores.len()).unwrap() / writes_per_second;
        let tasks = stores.into_iter().enumerate().map(|(writer, store)| {
            let written = Written { writer, revisions: vec![], instants: vec![], unknown: 0 };
            let writer = Writer { store, written, acknowledged: Arc::clone(&acknowledged) };
            tokio::spawn(writer.run(pace, Arc::clone(&stop)))
        });
        Self { tasks: tasks.collect(), stop, acknowledged }
    }

    /// Waits until so many more writes are acknowledged.
    pub(super) async fn more(&self, writes: u64) {
        let wanted = self.acknowledged.load(Ordering::SeqCst) + writes;
        let enough = || async { (self.acknowledged.load(Ordering::SeqCst) >= wanted).then_some(()) };
        eventually("more writes", enough).await;
    }

    /// How many writes were acknowledged until now.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Their accounts, when each has resolved its last write.
    pub(super) async fn stop(self) -> Vec<Written> {
        self.stop.store(true, Ordering::SeqCst);
        let mut written = Vec::new();
        for task in self.tasks {
            written.push(task.await.unwrap());
        }
        written
    }
}

struct Writer {
    store: EtcdStore,
    written: Written,
    acknowledged: Arc<AtomicU64>,
}

impl Writer {
    async fn run(mut self, pace: Duration, stop: Arc<AtomicBool>) -> Written {
        let mut ticks = interval(pace);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !stop.load(Ordering::SeqCst) {
            ticks.tick().await;
            let revision = self.write().await;
            self.written.revisions.push(revision);
            self.written.instants.push(Instant::now());
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        self.written
    }

    /// One write, until it has happened for sure. It demands the write before it, so it cannot happen twice.
    async fn write(&mut self) -> Revision {
        let mut is_open = false;
        loop {
            match self.store.txn(self.transaction()).await {
                Ok(revision) => return revision,
                Err(StoreError::Unavailable(_)) => {
                    is_open = true;
                    self.written.unknown += 1;
                }
                // An earlier try has happened after it was looked for.
                Err(StoreError::Conflict { .. }) if is_open => {}
                Err(other) => panic!("{other:?}"),
            }
            if let Some(revision) = self.read_back().await {
                return revision;
            }
        }
    }

    fn transaction(&self) -> Transaction {
        let n = self.written.revisions.len() + 1;
        let before = self.written.revisions.last().map_or(Precondition::Absent, |last| Precondition::At(*last));
        let other = |n: usize| format!("{PREFIX}{}/{}", self.written.writer, n % KEYS);
        let change = match n % 5 {
            4 => Operation::delete(other(n - 2)),
            _ => Operation::put(other(n), format!("{n:0128}")),
        };
        let preconditions = vec![(self.written.key(), before)];
        Transaction { preconditions, operations: vec![Operation::put(self.written.key(), n.to_string()), change] }
    }

    /// Under which revision the write that is tried now has happened.
    async fn read_back(&self) -> Option<Revision> {
        let (key, n) = (self.written.key(), (self.written.revisions.len() + 1).to_string());
        let found = eventually("an answer", || async { self.store.get(&key).await.ok() }).await?;
        (found.value == n).then_some(found.revision)
    }
}
