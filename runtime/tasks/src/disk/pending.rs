use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::Batch;
use crate::TaskId;

/// What the log has and the database has not, by task: the last word on each.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// None: the task is gone, and the database still has it.
    records: HashMap<TaskId, Option<Vec<u8>>>,
    /// Jobs that the database does not have.
    jobs: HashMap<TaskId, Bytes>,
    paused: BTreeMap<String, bool>,
    next_id: u64,
    clock_ms: u64,
}

impl Pending {
    pub(super) fn add(&mut self, batch: Batch) {
        for (id, record, job) in batch.puts {
            self.records.insert(id, Some(record));
            if let Some(job) = job {
                self.jobs.insert(id, job);
            }
        }
        for id in batch.removes {
            // A task that came and went between two checkpoints leaves nothing.
            if self.jobs.remove(&id).is_some() {
                self.records.remove(&id);
            } else {
                self.records.insert(id, None);
            }
        }
        self.paused.extend(batch.paused);
        self.next_id = self.next_id.max(batch.next_id);
        self.clock_ms = self.clock_ms.max(batch.clock_ms);
    }

    /// None: the database knows. `Some(None)`: the task is gone.
    pub(super) fn job(&self, id: TaskId) -> Option<Option<Bytes>> {
        match self.records.get(&id)? {
            None => Some(None),
            Some(_) => self.jobs.get(&id).cloned().map(Some),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// All of it, for the database.
    pub(super) fn to_batch(&self) -> Batch {
        let mut batch = Batch { next_id: self.next_id, clock_ms: self.clock_ms, ..Batch::default() };
        for (id, record) in &self.records {
            match record {
                Some(record) => batch.puts.push((*id, record.clone(), self.jobs.get(id).cloned())),
                None => batch.removes.push(*id),
            }
        }
        batch.paused = self.paused.iter().map(|(queue, paused)| (queue.clone(), *paused)).collect();
        // Neighbours in the tree are written together.
        batch.puts.sort_unstable_by_key(|(id, _, _)| *id);
        batch.removes.sort_unstable();
        batch
    }
}
