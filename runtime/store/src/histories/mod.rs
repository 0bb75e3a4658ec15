//! What watches have seen, and whether it may be so. A [`History`] keeps the observations of a watch in memory, a
//! [`FileRecorder`] in a file for another process to [`read`]; [`Truth`] is what really happened, as the store tells it
//! afterwards; [`check`] holds one against the other.
//!
//! The six guarantees are those that etcd promises of its watches and tests itself (`tests/robustness/validate/watch.go`).
//! Our watch must keep them from end to end, over reconnects and members. What a watch has not seen *yet* breaks none of
//! them: whoever checks a history compares the last state too.

mod file;
mod truth;
mod validators;
#[cfg(test)]
mod wrong_tests;

use std::sync::Arc;

use parking_lot::Mutex;

pub use file::{FileRecorder, ReadError, read};
pub use truth::{Truth, TruthError};
pub use validators::{Broken, Guarantee, atomic, bookmarkable, check, ordered, reliable, resumable, unique};

use crate::{Disorder, Mirror, Observation, Recorder, Snapshot, Update};

/// One thing that a watch has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A whole list.
    Listed(Snapshot),
    /// One update.
    Updated(Update),
    /// The stream of updates has ended, for this reason.
    Failed(String),
}

impl From<Observation<'_>> for Seen {
    fn from(observation: Observation<'_>) -> Self {
        match observation {
            Observation::Listed(snapshot) => Self::Listed(snapshot.clone()),
            Observation::Updated(update) => Self::Updated(update.clone()),
            Observation::Failed(reason) => Self::Failed(reason.to_owned()),
        }
    }
}

/// The observations of one watch, in its order. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<Vec<Seen>>>);

impl History {
    /// What [`crate::watch`] takes: it adds to this history. One recorder for one watch.
    pub fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::new(self.clone())
    }

    /// What was seen until now.
    pub fn seen(&self) -> Vec<Seen> {
        self.0.lock().clone()
    }

    /// How many lists were seen until now.
    pub fn lists(&self) -> usize {
        self.0.lock().iter().filter(|seen| matches!(seen, Seen::Listed(_))).count()
    }

    /// How often the stream has ended until now.
    pub fn failures(&self) -> usize {
        self.0.lock().iter().filter(|seen| matches!(seen, Seen::Failed(_))).count()
    }
}

impl Recorder for History {
    fn record(&self, observation: Observation<'_>) {
        self.0.lock().push(observation.into());
    }
}

/// The state that a history leads to.
pub fn replay(history: &[Seen]) -> Result<Mirror, Disorder> {
    let mut mirror = Mirror::default();
    for seen in history {
        match seen {
            Seen::Listed(snapshot) => mirror.list(snapshot.clone()),
            Seen::Updated(update) => mirror.update(update.clone())?,
            Seen::Failed(_) => false,
        };
    }
    Ok(mirror)
}
