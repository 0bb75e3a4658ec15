use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Batch, Database, database::store};
use crate::{Durability, TaskId};

#[derive(Debug, Clone)]
enum Step {
    /// Tasks that arrive, change or go: by number, and what their record is then.
    Commit(Vec<(u64, Option<u8>)>, Option<bool>),
    Checkpoint,
    /// The process is gone, and another one opens the files.
    Reopen,
    /// The process goes between the two parts of a checkpoint.
    KilledInCheckpoint,
    /// The process goes in the middle of an append.
    KilledInAppend(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let changes = prop::collection::vec((0..6_u64, prop::option::of(any::<u8>())), 0..4);
    prop_oneof![
        6 => (changes, prop::option::of(any::<bool>())).prop_map(|(changes, paused)| Step::Commit(changes, paused)),
        1 => Just(Step::Checkpoint),
        1 => Just(Step::Reopen),
        1 => Just(Step::KilledInCheckpoint),
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
        let expected: Vec<_> = self.tasks.iter().map(|(id, (record, _))| (*id, record.clone())).collect();
        assert_eq!(content.records, expected);
        assert_eq!(content.paused, if self.paused { vec!["queue"] } else { vec![] });
        assert_eq!(content.next_id, self.next_id + 1);
    }
}

fn follow(steps: Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tasks.redb");
    let open = || Database::open(&path, Durability::Process).unwrap();
    let (mut database, mut model) = (open(), Model::default());
    for step in steps {
        let gone = match step {
            Step::Commit(changes, paused) => {
                database.commit(model.batch(changes, paused)).unwrap();
                false
            }
            Step::Checkpoint => {
                database.checkpoint().unwrap();
                false
            }
            Step::Reopen => true,
            Step::KilledInCheckpoint => {
                let batch = database.pending.lock().to_batch();
                let checkpoint = database.number_of_checkpoint().unwrap() + 1;
                store(&database.tables, &Batch { next_id: model.next_id + 1, ..batch }, checkpoint).unwrap();
                true
            }
            Step::KilledInAppend(byte) => {
                let log = path.with_extension("log");
                let mut content = std::fs::read(&log).unwrap();
                content.extend(std::iter::repeat_n(byte, usize::from(byte)));
                std::fs::write(&log, content).unwrap();
                true
            }
        };
        if gone {
            drop(database);
            database = open();
            model.check_all(&database);
        }
        model.check_jobs(&database);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn files_keep_what_was_committed_wherever_the_process_ends(steps in prop::collection::vec(step(), 1..30)) {
        follow(steps);
    }
}
