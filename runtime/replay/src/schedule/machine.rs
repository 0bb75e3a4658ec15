use super::job::Job;

/// A job that runs.
#[derive(Debug, Clone, Copy)]
struct Running {
    /// When it really ends.
    ends: u64,
    /// When it ends by what its user said.
    ends_requested: u64,
    width: u32,
    /// In the sequence.
    place: usize,
}

/// A machine of equal processors.
#[derive(Debug)]
pub(super) struct Machine {
    free: u32,
    running: Vec<Running>,
}

impl Machine {
    pub(super) fn new(processors: u32) -> Self {
        Self { free: processors, running: Vec::new() }
    }

    pub(super) fn fits(&self, job: &Job) -> bool {
        job.width <= self.free
    }

    /// Starts a job that fits.
    pub(super) fn start(&mut self, place: usize, job: &Job, now: u64) {
        self.free -= job.width;
        let (ends, ends_requested) = (now + job.run, now + job.requested);
        self.running.push(Running { ends, ends_requested, width: job.width, place });
    }

    /// When the next job ends; none: none runs.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.running.iter().map(|running| running.ends).min()
    }

    /// Ends the job that ends next, of several at one time only the one that has stood there longest. Its place; none: none
    /// runs.
    pub(super) fn release_one(&mut self) -> Option<usize> {
        // Stable, and kept: later ends come in the order that this leaves behind.
        self.running.sort_by_key(|running| running.ends);
        if self.running.is_empty() {
            return None;
        }
        let Running { width, place, .. } = self.running.remove(0);
        self.free += width;
        Some(place)
    }

    /// When `job` could start at the latest, were every running job to take what its user said.
    pub(super) fn promised_start(&mut self, job: &Job, now: u64) -> u64 {
        self.running.sort_by_key(|running| running.ends_requested);
        let (mut free, mut start) = (self.free, now);
        for running in &self.running {
            free += running.width;
            start = running.ends_requested;
            if free >= job.width {
                break;
            }
        }
        start
    }
}
