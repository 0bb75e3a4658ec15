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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{
        Take, Work,
        tests::{arrival, empty, pushed, take},
    };

    #[test]
    fn what_nobody_waits_for_counts_against_the_bound_and_is_not_put_off() {
        let mut state = empty();
        (0..600).for_each(|_| _ = pushed(&mut state, 0, arrival("a", 5, 25, None)));
        (0..100).for_each(|_| _ = take(&mut state, 0, "w").unwrap());
        assert_eq!(state.work(), Work::Unhurried);
        (0..200).for_each(|_| _ = take(&mut state, 0, "w").unwrap());
        assert_eq!(state.work(), Work::Waited, "enough has gathered");
        let encode = |_: &crate::task::Task| Ok(Vec::new());
        let mut batches = Vec::new();
        for _ in 0..70 {
            // Somebody waits all the time, for more than a batch takes.
            (0..10).for_each(|n| _ = state.pause(0, "a", n % 2 == 0));
            let (batch, _, _) = state.take_batch(10, Take::All, encode).unwrap();
            assert!(batch.puts.len() + batch.paused.len() <= 10);
            batches.push(batch);
        }
        let leases = batches.iter().map(|batch| batch.puts.len()).sum::<usize>();
        assert_eq!(leases, 300, "each was written once");
        assert!(batches.iter().any(|batch| !batch.paused.is_empty()));
    }

    #[test]
    fn the_first_comes_first_and_what_was_done_meanwhile_does_not_come() {
        let mut unhurried = Unhurried::default();
        [3, 1, 2, 3].map(TaskId).iter().for_each(|id| unhurried.insert(*id));
        unhurried.remove(&TaskId(1));
        assert_eq!((unhurried.len(), unhurried.take(1)), (2, vec![TaskId(3)]));
        unhurried.insert(TaskId(3));
        assert_eq!((unhurried.take(9), unhurried.len()), (vec![TaskId(2), TaskId(3)], 0));
        unhurried.insert(TaskId(4));
        unhurried.remove(&TaskId(4));
        assert!(unhurried.order.is_empty(), "what is done fills nothing");
    }
}
