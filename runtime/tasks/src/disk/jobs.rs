use std::collections::HashMap;

use bytes::Bytes;

use super::Batch;
use crate::TaskId;

/// Bytes of jobs in memory; what is over it is read from the database when it is handed out.
const BYTES_MAX: usize = 64 << 20;
/// What one costs besides its own bytes.
const OVERHEAD_BYTES: usize = 128;

/// Jobs that are kept in memory, so that most are handed out without a look at the disk: the first ones that came.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    there: HashMap<TaskId, Bytes>,
    bytes: usize,
}

impl Jobs {
    /// Learns of what has been written.
    pub(super) fn learn(&mut self, batch: &Batch) {
        for id in &batch.removes {
            self.bytes -= self.there.remove(id).map_or(0, |job| cost(&job));
        }
        for (id, _, job) in &batch.puts {
            let Some(job) = job.as_ref().filter(|job| self.bytes + cost(job) <= BYTES_MAX) else { continue };
            self.bytes += cost(job);
            self.bytes -= self.there.insert(*id, job.clone()).map_or(0, |before| cost(&before));
        }
    }

    pub(super) fn get(&self, id: TaskId) -> Option<Bytes> {
        self.there.get(&id).cloned()
    }
}

fn cost(job: &Bytes) -> usize {
    job.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fit_stay_until_they_are_gone() {
        let mut jobs = Jobs::default();
        let half = || Some(Bytes::from(vec![0; BYTES_MAX / 2]));
        let arrive = |jobs: &mut Jobs, id| {
            jobs.learn(&Batch { puts: vec![(TaskId(id), Vec::new(), half())], ..Batch::default() });
            jobs.get(TaskId(id)).is_some()
        };
        assert!(arrive(&mut jobs, 1) && !arrive(&mut jobs, 2));
        // A change without a job changes nothing here.
        jobs.learn(&Batch { puts: vec![(TaskId(1), Vec::new(), None)], ..Batch::default() });
        jobs.learn(&Batch { removes: vec![TaskId(1), TaskId(2)], ..Batch::default() });
        assert_eq!((jobs.get(TaskId(1)), jobs.bytes), (None, 0));
        assert!(arrive(&mut jobs, 3));
    }
}
