use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use bytes::Bytes;

use super::{Batch, jobs::Jobs, tables::Content};
use crate::TaskId;

/// What one file of the log has and the database has not, by task: the last word on each.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// None: the task is gone, and the database may still have it.
    records: HashMap<TaskId, Option<Vec<u8>>>,
    /// Jobs that came with it.
    jobs: HashMap<TaskId, Bytes>,
    /// Of failures.
    details: HashMap<TaskId, Bytes>,
    paused: BTreeMap<String, bool>,
    next_id: u64,
    clock_ms: u64,
}

impl FromIterator<Batch> for Pending {
    fn from_iter<I: IntoIterator<Item = Batch>>(batches: I) -> Self {
        let mut pending = Self::default();
        batches.into_iter().for_each(|batch| pending.add(batch));
        pending
    }
}

impl Pending {
    pub(super) fn add(&mut self, batch: Batch) {
        for (id, record, job) in batch.puts {
            self.records.insert(id, Some(record));
            if let Some(job) = job {
                self.jobs.insert(id, job);
            }
        }
        self.details.extend(batch.details);
        for id in batch.removes {
            self.details.remove(&id);
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

    /// None: it is not known here. `Some(None)`: the task is gone.
    fn job(&self, id: TaskId) -> Option<Option<Bytes>> {
        match self.records.get(&id) {
            Some(None) => Some(None),
            _ => self.jobs.get(&id).cloned().map(Some),
        }
    }

    /// Forgets the tasks that are there and have no job, neither here nor where `known` looks; how many they were.
    pub(super) fn drop_orphans<E>(&mut self, known: impl Fn(TaskId) -> Result<bool, E>) -> Result<Vec<TaskId>, E> {
        let mut orphans = Vec::new();
        for (id, record) in &self.records {
            if record.is_some() && !self.jobs.contains_key(id) && !known(*id)? {
                orphans.push(*id);
            }
        }
        for id in &orphans {
            self.records.insert(*id, None);
        }
        Ok(orphans)
    }

    /// Gives no number again of those that were given in so many bytes.
    pub(super) fn skip_ids(&mut self, given_so_far: u64, bytes: u64) {
        self.next_id = self.next_id.max(given_so_far).saturating_add(bytes);
    }

    /// What it makes of what the database has.
    fn apply(&self, content: &mut Content) {
        for (id, record) in &self.records {
            match record {
                Some(record) => drop(content.records.insert(*id, record.clone())),
                None => drop(content.records.remove(id)),
            }
        }
        for (queue, paused) in &self.paused {
            match paused {
                true => drop(content.paused.insert(queue.clone())),
                false => drop(content.paused.remove(queue)),
            }
        }
        content.next_id = content.next_id.max(self.next_id);
        content.clock_ms = content.clock_ms.max(self.clock_ms);
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
        batch.details = self.details.iter().map(|(id, detail)| (*id, detail.clone())).collect();
        batch.paused = self.paused.iter().map(|(queue, paused)| (queue.clone(), *paused)).collect();
        // Neighbours in the tree are written together.
        batch.puts.sort_unstable_by_key(|(id, _, _)| *id);
        batch.removes.sort_unstable();
        batch
    }
}

/// What the two files of the log have.
#[derive(Debug, Default)]
pub(super) struct Pendings {
    pub(super) newest: Pending,
    /// What is being put into the database.
    pub(super) sealed: Option<Arc<Pending>>,
    jobs: Jobs,
}

impl Pendings {
    pub(super) fn new(newest: Pending) -> Self {
        Self { newest, sealed: None, jobs: Jobs::default() }
    }

    pub(super) fn add(&mut self, batch: Batch) {
        self.jobs.learn(&batch);
        self.newest.add(batch);
    }

    /// None: the database knows. `Some(None)`: the task is gone.
    pub(super) fn job(&self, id: TaskId) -> Option<Option<Bytes>> {
        let sealed = || self.sealed.as_ref()?.job(id);
        self.newest.job(id).or_else(sealed).or_else(|| self.jobs.get(id).map(Some))
    }

    /// None: the database may know.
    pub(super) fn detail(&self, id: TaskId) -> Option<Bytes> {
        let sealed = || self.sealed.as_ref()?.details.get(&id);
        self.newest.details.get(&id).or_else(sealed).cloned()
    }

    /// What they make of what the database has.
    pub(super) fn apply(&self, content: &mut Content) {
        self.sealed.iter().for_each(|sealed| sealed.apply(content));
        self.newest.apply(content);
    }

    /// Goes on with an empty one; what there was is sealed until the database has it.
    pub(super) fn turn(&mut self) -> Arc<Pending> {
        let sealed = Arc::new(std::mem::take(&mut self.newest));
        self.sealed = Some(Arc::clone(&sealed));
        sealed
    }
}
