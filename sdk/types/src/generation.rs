use std::fmt;

use serde::{Deserialize, Serialize};

/// Ours, not the store's revision: which desired state a node has seen. Compared epoch first; restoring a backup raises
/// the epoch, so that a restored store is newer than what nodes remember of the lost one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Generation {
    /// Raised by a restore.
    pub epoch: u32,
    /// Raised by every change.
    pub counter: u64,
}

impl Generation {
    /// The generation of the next change.
    pub fn next(self) -> Self {
        Self { counter: self.counter.saturating_add(1), ..self }
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.counter)
    }
}
