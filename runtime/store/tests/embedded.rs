//! The embedded store keeps the contract, and what is its own: one process, a model, a kill.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "these are tests")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt;
use proptest::prelude::*;
use switchyard_store::{
    ConfigStore, EmbeddedStore, Mirror, Operation, Precondition, Range, Revision, StoreError, Transaction,
    contract::Fixture, watch,
};
use tempfile::TempDir;

/// The life of a lease that no test sees the end of.
const LONG: Duration = Duration::from_secs(600);

struct Embedded(TempDir);

impl Embedded {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

#[async_trait]
impl Fixture for Embedded {
    async fn open(&self) -> Arc<dyn ConfigStore> {
        Arc::new(EmbeddedStore::open(self.0.path().join("server/store.redb")).unwrap())
    }
}

switchyard_store::contract_suite!(Embedded::new());

#[test]
fn a_second_process_is_told_what_to_do() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.redb");
    let first = EmbeddedStore::open(&path).unwrap();
    let second = EmbeddedStore::open(&path).err().unwrap();
    assert!(matches!(second, StoreError::Locked { .. }), "{second:?}");
    assert!(second.to_string().contains("store.redb is in use by another process: stop that one"), "{second}");
    drop(first);
    EmbeddedStore::open(&path).unwrap();
}

#[test]
fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.redb");
    let _store = EmbeddedStore::open(&path).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn what_is_not_a_store_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.redb");
    let text = "not a store, ".repeat(1_000);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(EmbeddedStore::open(&path), Err(StoreError::Unavailable(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn leased_keys_are_gone_after_reopening() {
    let folder = Embedded::new();
    let store = folder.open().await;
    let lease = store.lease(LONG).await.unwrap();
    let put = |key: &str, lease| Operation::Put { key: key.to_owned(), value: "x".into(), lease };
    let operations = vec![put("/leased", Some(lease)), put("/freed", Some(lease)), put("/stays", None)];
    store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
    let last = store.txn(Transaction { preconditions: vec![], operations: vec![put("/freed", None)] }).await.unwrap();
    drop(store);

    let store = folder.open().await;
    let left = store.snapshot("/").await.unwrap();
    assert_eq!(left.entries.keys().collect::<Vec<_>>(), ["/freed", "/stays"]);
    assert!(left.revision > last, "that they are gone is a change");
    assert!(matches!(store.keep_alive(lease).await, Err(StoreError::LeaseEnded)));
}

#[tokio::test]
async fn updates_end_with_the_store() {
    let folder = Embedded::new();
    let store = folder.open().await;
    let mut updates = store.updates("/a/", Revision(0)).await.unwrap();
    drop(store);
    let end = updates.next().await;
    assert!(matches!(end, Some(Err(StoreError::Unavailable(_)))), "{end:?}");
    assert!(updates.next().await.is_none());
}

#[tokio::test]
async fn history_is_bounded_and_whoever_falls_out_of_it_lists_again() {
    let folder = Embedded::new();
    let store = folder.open().await;
    let mut followed = watch(store.clone(), "/large/", None);
    let start = followed.next().await.revision;
    // More bytes than the history holds: while nobody reads, the oldest go.
    for n in 0..40 {
        let operations = vec![Operation::put(format!("/large/{n}"), vec![b'x'; 1 << 20])];
        store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
    }
    let refused = store.updates("/large/", start).await.err().unwrap();
    assert!(matches!(refused, StoreError::Compacted { after } if after == start), "{refused:?}");
    while followed.next().await.entries.len() < 40 {}
}

#[derive(Debug, Clone)]
enum Step {
    Commit { precondition: Option<(u8, u8)>, operations: BTreeMap<u8, Option<u8>> },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let operations = prop::collection::btree_map(0..6_u8, prop::option::of(any::<u8>()), 0..4);
    let commit = (prop::option::of((0..6_u8, 0..3_u8)), operations)
        .prop_map(|(precondition, operations)| Step::Commit { precondition, operations });
    prop_oneof![9 => commit, 1 => Just(Step::Reopen)]
}

/// A key, its value and the revision that wrote it.
type Model = BTreeMap<String, (Vec<u8>, u64)>;

fn key(n: u8) -> String {
    format!("/model/{n}")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn it_behaves_as_an_ordered_map_does(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow_model(steps));
    }
}

async fn follow_model(steps: Vec<Step>) {
    let folder = Embedded::new();
    let mut store = folder.open().await;
    let mut updates = store.updates("/model/", Revision(0)).await.unwrap();
    let mut mirror = Mirror::default();
    let (mut model, mut revision) = (Model::new(), 0);
    for step in steps {
        match step {
            Step::Reopen => {
                drop(store);
                store = folder.open().await;
                updates = store.updates("/model/", mirror.revision()).await.unwrap();
            }
            Step::Commit { precondition, operations } => {
                revision = commit_both(&*store, &mut model, revision, precondition, operations).await;
            }
        }
        let listed = store.list(Range { prefix: "/model/", after: None, limit: 100 }).await.unwrap();
        let found: Model = listed.entries.iter().map(|(k, v)| (k.clone(), (v.value.to_vec(), v.revision.0))).collect();
        assert_eq!((&found, listed.revision.0), (&model, revision));
        while mirror.revision() < listed.revision {
            mirror.update(updates.next().await.unwrap().unwrap()).unwrap();
        }
        assert_eq!(mirror.snapshot().entries, listed.entries);
    }
}

/// Does the same to the store and to the model; the model's revision afterwards.
async fn commit_both(
    store: &dyn ConfigStore,
    model: &mut Model,
    revision: u64,
    precondition: Option<(u8, u8)>,
    operations: BTreeMap<u8, Option<u8>>,
) -> u64 {
    let condition = precondition.map(|(n, kind)| match kind {
        0 => (key(n), Precondition::Absent),
        1 => (key(n), Precondition::Present),
        _ => (key(n), Precondition::At(Revision(revision))),
    });
    let holds = condition.as_ref().is_none_or(|(key, condition)| match condition {
        Precondition::Absent => !model.contains_key(key),
        Precondition::Present => model.contains_key(key),
        Precondition::At(at) => model.get(key).is_some_and(|(_, wrote)| *wrote == at.0),
    });
    let changes = operations.iter().any(|(n, value)| value.is_some() || model.contains_key(&key(*n)));
    let put_or_delete = |(n, value): (&u8, &Option<u8>)| match value {
        Some(value) => Operation::put(key(*n), vec![*value]),
        None => Operation::delete(key(*n)),
    };
    let operations_sent = operations.iter().map(put_or_delete).collect();
    let sent = Transaction { preconditions: condition.into_iter().collect(), operations: operations_sent };
    let result = store.txn(sent).await;
    if !holds {
        assert!(matches!(result, Err(StoreError::Conflict { .. })), "{result:?}");
        return revision;
    }
    let revision = revision + u64::from(changes);
    assert_eq!(result.unwrap().0, revision);
    for (n, value) in operations {
        match value {
            Some(value) => model.insert(key(n), (vec![value], revision)),
            None => model.remove(&key(n)),
        };
    }
    revision
}

/// Names the file for `writer_that_is_killed`.
const KILLED_STORE: &str = "SWITCHYARD_TEST_KILLED_STORE";

#[tokio::test]
#[ignore = "the child of the next test"]
async fn writer_that_is_killed() {
    let store = EmbeddedStore::open(std::env::var(KILLED_STORE).unwrap()).unwrap();
    let lease = store.lease(LONG).await.unwrap();
    for n in 0_u64.. {
        let leased = Operation::Put { key: "/leased".into(), value: n.to_string().into(), lease: Some(lease) };
        let operations = vec![Operation::put("/left", n.to_string()), Operation::put("/right", n.to_string()), leased];
        store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
        println!("wrote {n}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_outlives_a_kill() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store.redb");
    let mut least = 0;
    for round in 0..3_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer_that_is_killed", "--ignored", "--nocapture"])
            .env(KILLED_STORE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let acknowledged = lines
            .filter_map(|line| line.rsplit_once("wrote ").map(|(_, n)| n.parse::<u64>().unwrap()))
            .find(|n| *n >= 10 + round * 7)
            .unwrap();
        child.kill().unwrap();
        child.wait().unwrap();

        let store = EmbeddedStore::open(&path).unwrap();
        let (left, right) = (store.get("/left").await.unwrap().unwrap(), store.get("/right").await.unwrap().unwrap());
        assert_eq!(left, right, "half a transaction");
        assert_eq!(store.get("/leased").await.unwrap(), None, "its lease ended with the process");
        let found: u64 = std::str::from_utf8(&left.value).unwrap().parse().unwrap();
        assert!(found >= acknowledged, "{found} of {acknowledged}");
        assert!(left.revision.0 > least, "revisions go on");
        least = left.revision.0;
    }
}
