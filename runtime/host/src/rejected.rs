use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use parking_lot::Mutex;
use switchyard_types::Digest;

/// States that are remembered; the oldest go first. A plugin that fails with its state does so a few times in its life.
const REJECTED_MAX: usize = 1_024;

/// States after whose import an instance soon failed: none of them is imported again. Each is named by a digest of the
/// plugin's bytes, the format and the state, because what one version cannot bear another may have written.
#[derive(Debug, Default)]
pub struct RejectedStates {
    names: Mutex<VecDeque<Digest>>,
    /// How many have been added: it changes whenever the names do.
    added: AtomicU64,
}

impl RejectedStates {
    /// All of them, the oldest first.
    pub fn list(&self) -> Vec<Digest> {
        self.names.lock().iter().copied().collect()
    }

    /// Remembers these too.
    pub fn extend(&self, names: impl IntoIterator<Item = Digest>) {
        let mut known = self.names.lock();
        for name in names {
            if !known.contains(&name) {
                known.push_back(name);
                self.added.fetch_add(1, Relaxed);
            }
        }
        let excess = known.len().saturating_sub(REJECTED_MAX);
        known.drain(..excess);
    }

    /// How many were ever added: whoever keeps them looks whether it has changed.
    pub fn added(&self) -> u64 {
        self.added.load(Relaxed)
    }

    pub(crate) fn contains(&self, name: &Digest) -> bool {
        self.names.lock().contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_none_stands_there_twice() {
        let rejected = RejectedStates::default();
        let name = |number: usize| Digest::of(&number.to_le_bytes());
        rejected.extend((0..REJECTED_MAX).map(name));
        rejected.extend([name(0), name(5)]);
        assert_eq!((rejected.list().len(), rejected.added()), (REJECTED_MAX, REJECTED_MAX as u64));
        rejected.extend([name(REJECTED_MAX)]);
        assert!(!rejected.contains(&name(0)) && rejected.contains(&name(REJECTED_MAX)));
        assert_eq!(rejected.list().len(), REJECTED_MAX);
    }
}
