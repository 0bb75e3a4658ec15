//! What a change of the desired state promises: once or not at all, whatever becomes of the answer, and sealed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use switchyard_store::{
    ConfigStore, EmbeddedStore, LeaseId, Operation, Range, Revision, Snapshot, StoreError, Transaction, Updates,
    Versioned, keyspace,
};
use switchyard_sync::{
    DECLARED_BYTES_MAX, Decision, DesiredWriter, Edit, OpenError, Present, Seal, ServerKey, WriteError, open,
};
use tempfile::TempDir;

/// What becomes of the next transaction.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// Applied, and the answer comes.
    Well,
    /// Applied, and the answer is lost.
    AnswerLost,
    /// Never arrives.
    RequestLost,
    /// Arrives after the next transaction did.
    Late,
    /// Refused for want of space.
    Full,
}

/// A real store on a bad line.
struct BadLine {
    store: EmbeddedStore,
    fates: Mutex<VecDeque<Fate>>,
    late: Mutex<Option<Transaction>>,
    sent: Mutex<u32>,
}

fn lost() -> StoreError {
    StoreError::Unavailable("the answer was lost".into())
}

#[async_trait]
impl ConfigStore for BadLine {
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError> {
        self.store.get(key).await
    }
    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError> {
        self.store.list(range).await
    }
    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError> {
        self.store.snapshot(prefix).await
    }
    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError> {
        *self.sent.lock().unwrap() += 1;
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Well);
        match fate {
            Fate::Well => {
                let result = self.store.txn(transaction).await;
                let late = self.late.lock().unwrap().take();
                if let Some(late) = late {
                    // It arrives now; what it was computed from is gone, or it is the same one.
                    assert!(matches!(self.store.txn(late).await, Err(StoreError::Conflict { .. })));
                }
                result
            }
            Fate::AnswerLost => {
                self.store.txn(transaction).await?;
                Err(lost())
            }
            Fate::RequestLost => Err(lost()),
            Fate::Late => {
                *self.late.lock().unwrap() = Some(transaction);
                Err(lost())
            }
            Fate::Full => Err(StoreError::Full("no space".to_owned())),
        }
    }
    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError> {
        self.store.updates(prefix, after).await
    }
    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError> {
        self.store.lease(ttl).await
    }
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.keep_alive(lease).await
    }
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.store.revoke(lease).await
    }
    async fn compact(&self, revision: Revision) -> Result<(), StoreError> {
        self.store.compact(revision).await
    }
}

struct Rig {
    _folder: TempDir,
    line: Arc<BadLine>,
    key: ServerKey,
    writer: DesiredWriter,
}

impl Rig {
    fn new(fates: &[Fate]) -> Self {
        let folder = TempDir::new().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        let fates = Mutex::new(fates.iter().copied().collect());
        let line = Arc::new(BadLine { store, fates, late: Mutex::default(), sent: Mutex::default() });
        let key = ServerKey::generate().unwrap();
        let writer = DesiredWriter::new(Arc::clone(&line) as _, key.clone());
        Self { _folder: folder, line, key, writer }
    }

    async fn add_one(&self, key: &str) -> Result<Option<Revision>, WriteError<Infallible>> {
        add_one(&self.writer, key).await
    }

    async fn count(&self, key: &str) -> u64 {
        number(self.line.get(key).await.unwrap().as_ref())
    }

    async fn seal(&self) -> Seal {
        serde_json::from_slice(&self.line.get(keyspace::SEAL).await.unwrap().unwrap().value).unwrap()
    }
}

fn number(entry: Option<&Versioned>) -> u64 {
    entry.map_or(0, |entry| std::str::from_utf8(&entry.value).unwrap().parse().unwrap())
}

/// Reads a number and writes the next one: what is applied twice, or lost, shows.
async fn add_one(writer: &DesiredWriter, key: &str) -> Result<Option<Revision>, WriteError<Infallible>> {
    let decide = |present: Present<'_>| {
        let value = number(present.snapshot.entries.get(key)) + 1;
        Ok(Decision::Write(Edit { key: key.to_owned(), value: Some(value.to_string().into()) }, ()))
    };
    writer.write(decide).await.map(|((), revision)| revision)
}

const COUNTER: &str = "/switchyard/v1/desired/counter";

/// Whatever becomes of the answers, each change is made once and its revision is told.
async fn check(fates: &[Fate], transactions: u32) {
    let rig = Rig::new(fates);
    let revision = rig.add_one(COUNTER).await.unwrap().unwrap();
    assert_eq!(rig.count(COUNTER).await, 1, "{fates:?}");
    assert_eq!(rig.line.get(COUNTER).await.unwrap().unwrap().revision, revision, "{fates:?}");
    assert_eq!(rig.seal().await.generation.counter, 1, "{fates:?}");
    assert_eq!(*rig.line.sent.lock().unwrap(), transactions, "{fates:?}");
    assert_eq!(rig.add_one(COUNTER).await.unwrap().map(|next| next > revision), Some(true));
    assert_eq!((rig.count(COUNTER).await, rig.seal().await.generation.counter), (2, 2));
}

#[tokio::test]
async fn a_change_is_made_once_whatever_becomes_of_the_answer() {
    check(&[], 1).await;
    check(&[Fate::AnswerLost], 1).await;
    check(&[Fate::RequestLost], 2).await;
    check(&[Fate::RequestLost, Fate::RequestLost, Fate::AnswerLost], 3).await;
    check(&[Fate::Late], 2).await;
}

#[tokio::test]
async fn a_full_store_is_told_and_nothing_is_changed() {
    let rig = Rig::new(&[Fate::Full]);
    assert!(matches!(rig.add_one(COUNTER).await, Err(WriteError::Store(StoreError::Full(_)))));
    assert_eq!(rig.count(COUNTER).await, 0);
    rig.add_one(COUNTER).await.unwrap();
}

#[tokio::test]
async fn more_than_nodes_take_is_not_declared() {
    let rig = Rig::new(&[]);
    let writer = DesiredWriter::new(Arc::clone(&rig.line) as _, rig.key.clone());
    let put = async |name: usize, bytes: usize| {
        let (key, value) = (format!("/switchyard/v1/desired/routes/{name}"), Some(vec![b'x'; bytes].into()));
        let edit = Edit { key, value };
        writer.write::<_, Infallible>(|_| Ok(Decision::Write(edit.clone(), ()))).await.map(|_| ())
    };
    for name in 0..8 {
        put(name, (1 << 20) - 100).await.unwrap();
    }
    let refused = put(8, 1 << 20).await;
    assert!(matches!(refused, Err(WriteError::TooLarge(bytes)) if bytes > DECLARED_BYTES_MAX), "{refused:?}");
    put(7, 100).await.unwrap();
    put(8, 1_000_000).await.unwrap();
}

/// F11: the sum of what a hundred clients add through three servers is exact.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_clients_of_three_servers_lose_nothing() {
    let rig = Rig::new(&[Fate::AnswerLost, Fate::RequestLost, Fate::AnswerLost]);
    let writers: Vec<_> =
        (0..3).map(|_| Arc::new(DesiredWriter::new(Arc::clone(&rig.line) as _, rig.key.clone()))).collect();
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let writer = Arc::clone(&writers[n % writers.len()]);
            tokio::spawn(async move {
                // Between servers a loser is told so, and repeats as a client does after a 409.
                while let Err(error) = add_one(&writer, COUNTER).await {
                    assert!(matches!(error, WriteError::Contended), "{error:?}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((rig.count(COUNTER).await, rig.seal().await.generation.counter), (100, 100));
}

#[tokio::test]
async fn what_is_written_opens_with_the_servers_key_alone() {
    let rig = Rig::new(&[]);
    let snapshot = || async { rig.line.snapshot(keyspace::DESIRED).await.unwrap() };
    let trust = rig.key.trust();
    assert_eq!(open(&snapshot().await, &trust).unwrap().generation.counter, 0, "nothing was ever declared");
    rig.add_one(COUNTER).await.unwrap();
    assert_eq!(open(&snapshot().await, &trust).unwrap().generation.counter, 1);
    let other = ServerKey::generate().unwrap().trust();
    assert!(matches!(open(&snapshot().await, &other), Err(OpenError::OtherSigner(_))));
    let honest = snapshot().await;
    for (what, operation) in [
        ("changed", Operation::put(COUNTER, "7")),
        ("added", Operation::put("/switchyard/v1/desired/routes/x", "{}")),
        ("taken away", Operation::delete(COUNTER)),
        ("unsealed", Operation::delete(keyspace::SEAL)),
    ] {
        let commit = |operations| rig.line.store.txn(Transaction { preconditions: vec![], operations });
        commit(vec![operation.clone()]).await.unwrap();
        assert!(open(&snapshot().await, &trust).is_err(), "{what}");
        // A server does not seal what somebody else wrote.
        assert!(matches!(rig.add_one(COUNTER).await, Err(WriteError::Seal(_))), "{what}");
        commit(vec![Operation::delete(operation.key())]).await.unwrap();
        let put = honest.entries.iter().map(|(key, entry)| Operation::put(key, entry.value.clone()));
        commit(put.collect()).await.unwrap();
    }
    assert!(open(&snapshot().await, &trust).is_ok());
}

#[tokio::test]
async fn an_epoch_is_raised_without_changing_a_document() {
    let rig = Rig::new(&[Fate::Well, Fate::AnswerLost]);
    rig.add_one(COUNTER).await.unwrap();
    let before = rig.line.get(COUNTER).await.unwrap();
    let raised = rig.writer.raise_epoch::<Infallible>().await.unwrap();
    assert_eq!((raised.epoch, raised.counter), (1, 1));
    assert_eq!(rig.line.get(COUNTER).await.unwrap(), before);
    rig.add_one(COUNTER).await.unwrap();
    assert_eq!((rig.seal().await.generation.epoch, rig.seal().await.generation.counter), (1, 2));
}
