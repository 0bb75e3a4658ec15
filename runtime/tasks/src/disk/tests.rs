use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Batch, Database, Files, database::Sealed};
use crate::{Durability, TaskId};

#[derive(Debug, Clone)]
enum Step {
    /// Tasks that arrive, change or go: by number, and what their record is then.
    Commit(Vec<(u64, Option<u8>)>, Option<bool>),
    Checkpoint,
    /// The process is gone, and another one opens the files.
    Reopen,
    /// A checkpoint that has its time: its next part.
    PartOfCheckpoint,
    /// The process goes in the middle of an append.
    KilledInAppend(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::vec((0..6_u64, prop::option::of(any::<u8>())), 0..4);
    prop_oneof![
        6 => (changes, prop::option::of(any::<bool>())).prop_map(|(changes, paused)| Step::Commit(changes, paused)),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        3 => Just(Step::PartOfCheckpoint),
        1 => any::<u8>().prop_map(Step::KilledInAppend),
    ]
}

/// Numbers are not given twice: a task that comes back is a new one.
#[derive(Debug, Default)]
struct Model {
    names: BTreeMap<u64, TaskId>,
    tasks: BTreeMap<TaskId, (Vec<u8>, Bytes)>,
    paused: bool,
    next_id: u64,
}

impl Model {
    fn batch(&mut self, changes: Vec<(u64, Option<u8>)>, paused: Option<bool>) -> Batch {
        let mut batch = Batch::default();
        let changes: BTreeMap<u64, Option<u8>> = changes.into_iter().collect();
        for (name, change) in changes {
            match (change, self.names.get(&name).copied()) {
                (None, None) => {}
                (None, Some(id)) => {
                    self.names.remove(&name);
                    self.tasks.remove(&id);
                    batch.removes.push(id);
                }
                (Some(record), Some(id)) => {
                    self.tasks.get_mut(&id).unwrap().0 = vec![record];
                    batch.puts.push((id, vec![record], None));
                }
                (Some(record), None) => {
                    self.next_id += 1;
                    let (id, job) = (TaskId(self.next_id), Bytes::from(format!("job {}", self.next_id)));
                    self.names.insert(name, id);
                    self.tasks.insert(id, (vec![record], job.clone()));
                    batch.puts.push((id, vec![record], Some(job)));
                }
            }
        }
        self.paused = paused.unwrap_or(self.paused);
        batch.paused.extend(paused.map(|paused| ("queue".to_owned(), paused)));
        Batch { next_id: self.next_id + 1, ..batch }
    }

    fn check_jobs(&self, database: &Database) {
        for id in 1..=self.next_id {
            let expected = self.tasks.get(&TaskId(id)).map(|(_, job)| job.clone());
            assert_eq!(database.job(TaskId(id)).unwrap(), expected, "{id}");
        }
    }

    fn check_all(&self, database: &Database) {
        let content = database.load().unwrap();
        let expected: BTreeMap<_, _> = self.tasks.iter().map(|(id, (record, _))| (*id, record.clone())).collect();
        assert_eq!(content.records, expected);
        assert_eq!(content.paused.len(), usize::from(self.paused));
        assert_eq!(content.next_id, self.next_id + 1);
    }
}

fn files(folder: &tempfile::TempDir) -> Files {
    Files { path: folder.path().join("tasks.redb"), durability: Durability::Process, log_bytes_max: 1 << 20 }
}

/// How far a checkpoint has come that is made by hand.
#[derive(Default)]
enum Checkpoint {
    #[default]
    None,
    Sealed(Sealed),
    Stored(Sealed),
}

impl Checkpoint {
    fn go_on(self, database: &Database) -> Self {
        match self {
            Self::None => Self::Sealed(database.seal()),
            Self::Sealed(sealed) => {
                sealed.store(&database.tables).unwrap();
                Self::Stored(sealed)
            }
            Self::Stored(sealed) => {
                sealed.forget().unwrap();
                Self::None
            }
        }
    }

    fn finish(self, database: &Database) {
        match self {
            Self::None => {}
            begun => begun.go_on(database).finish(database),
        }
    }
}

fn follow(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let open = || Database::open(&files).unwrap();
    let (mut database, mut model, mut checkpoint) = (open(), Model::default(), Checkpoint::None);
    // So that no checkpoint is of nothing.
    database.commit(model.batch(Vec::new(), None)).unwrap();
    for step in steps {
        let gone = match step {
            Step::Commit(changes, paused) => {
                database.commit(model.batch(changes, paused)).unwrap();
                false
            }
            Step::Checkpoint => {
                std::mem::take(&mut checkpoint).finish(&database);
                database.checkpoint().unwrap();
                false
            }
            Step::PartOfCheckpoint => {
                checkpoint = checkpoint.go_on(&database);
                false
            }
            Step::Reopen => true,
            Step::KilledInAppend(byte) => {
                for log in ["0.log", "1.log"].map(|extension| files.path.with_extension(extension)) {
                    let mut content = std::fs::read(&log).unwrap();
                    content.extend(std::iter::repeat_n(byte, usize::from(byte)));
                    std::fs::write(&log, content).unwrap();
                }
                true
            }
        };
        if gone {
            checkpoint = Checkpoint::None;
            drop(database);
            database = open();
            assert_eq!(database.damage().batches, 0);
            model.check_all(&database);
        }
        model.check_jobs(&database);
    }
}

fn arrival(id: u64) -> Batch {
    let job = Bytes::from(format!("job {id}"));
    Batch { puts: vec![(TaskId(id), vec![b'a'], Some(job))], next_id: id + 1, ..Batch::default() }
}

fn change(id: u64) -> Batch {
    Batch { puts: vec![(TaskId(id), vec![b'b'], None)], next_id: 4, ..Batch::default() }
}

#[test]
fn a_flipped_bit_takes_the_tasks_of_its_batch_and_the_broken_log_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let database = Database::open(&files).unwrap();
    for batch in [arrival(1), arrival(2), arrival(3), change(2), change(3)] {
        database.commit(batch).unwrap();
    }
    drop(database);
    let log = files.path.with_extension("0.log");
    let mut broken = std::fs::read(&log).unwrap();
    // In the second of five batches, of which the first three have one length.
    let at = broken.windows(5).position(|window| window == b"job 2").unwrap();
    broken[at] ^= 1;
    std::fs::write(&log, &broken).unwrap();

    let database = Database::open(&files).unwrap();
    assert_eq!((database.damage().batches, database.damage().tasks), (1, 1));
    let content = database.load().unwrap();
    assert_eq!(content.records, BTreeMap::from([(TaskId(1), vec![b'a']), (TaskId(3), vec![b'b'])]));
    assert_eq!(database.job(TaskId(3)).unwrap(), Some(Bytes::from("job 3")));
    assert!(content.next_id > 4, "what was lost may have given numbers");
    database.commit(change(3)).unwrap();
    drop(database);
    assert_eq!(std::fs::read(folder.path().join("tasks.0.log.corrupt-5")).unwrap(), broken);
    let database = Database::open(&files).unwrap();
    assert_eq!(database.damage().batches, 0, "it is told once");
    assert_eq!(database.load().unwrap().records.len(), 2);
}

#[test]
fn a_last_batch_that_is_broken_is_told_and_numbers_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(&folder);
    let database = Database::open(&files).unwrap();
    database.commit(Batch { clock_ms: 77, ..arrival(1) }).unwrap();
    database.checkpoint().unwrap();
    database.commit(arrival(2)).unwrap();
    drop(database);
    let log = files.path.with_extension("1.log");
    let mut broken = std::fs::read(&log).unwrap();
    *broken.last_mut().unwrap() ^= 1;
    std::fs::write(&log, &broken).unwrap();
    let database = Database::open(&files).unwrap();
    assert_eq!((database.damage().batches, database.damage().tasks), (1, 0));
    let content = database.load().unwrap();
    assert_eq!((content.records.len(), content.clock_ms), (1, 77));
    assert!(content.next_id > 3);
}

#[test]
fn changes_go_on_while_a_checkpoint_is_under_way_and_wait_where_it_would_be_too_much() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files { log_bytes_max: 1_000, ..files(&folder) };
    let database = Database::open(&files).unwrap();
    for id in 1..2_000 {
        database.commit(arrival(id)).unwrap();
        database.tidy().unwrap();
        let bytes = ["0.log", "1.log"].map(|log| files.path.with_extension(log).metadata().unwrap().len());
        assert!(bytes.iter().all(|bytes| *bytes < 5_100), "{bytes:?}");
    }
    drop(database);
    assert_eq!(Database::open(&files).unwrap().load().unwrap().records.len(), 1_999);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn files_keep_what_was_committed_wherever_the_process_ends(steps in prop::collection::vec(step(), 1..30)) {
        follow(steps);
    }
}
