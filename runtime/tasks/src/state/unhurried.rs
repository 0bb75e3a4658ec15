use std::collections::{HashSet, VecDeque};

use crate::TaskId;

/// Tasks to be written that nobody waits for, the first one first.
#[derive(Debug, Default)]
pub(super) struct Unhurried {
    there: HashSet<TaskId>,
    /// Some of them are there no more, or were there twice.
    order: VecDeque<TaskId>,
}

impl Unhurried {
    pub(super) fn insert(&mut self, id: TaskId) {
        if self.there.insert(id) {
            self.order.push_back(id);
        }
    }

    pub(super) fn remove(&mut self, id: &TaskId) {
        // Most tasks are done before they are written: they may not fill the order either.
        if self.there.remove(id) && self.there.is_empty() {
            self.order.clear();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.there.len()
    }

    /// Takes the first ones.
    pub(super) fn take(&mut self, max: usize) -> Vec<TaskId> {
        let mut taken = Vec::new();
        while taken.len() < max
            && let Some(id) = self.order.pop_front()
        {
            if self.there.remove(&id) {
                taken.push(id);
            }
        }
        taken
    }
}
