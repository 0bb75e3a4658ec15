use proptest::prelude::*;

use super::Queues;

const QUEUES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Push(usize, u64, u32),
    MoveToBack(usize, u64),
    MoveFront(usize, usize),
    PopFront(usize),
    Remove(u64),
    SetSize(u64, u32),
    Reserve(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 0..40_u64;
    prop_oneof![
        5 => (0..QUEUES, id(), 0..9_u32).prop_map(|(queue, id, size)| Step::Push(queue, id, size)),
        2 => (0..QUEUES, id()).prop_map(|(queue, id)| Step::MoveToBack(queue, id)),
        2 => (0..QUEUES, 0..QUEUES).prop_map(|(from, to)| Step::MoveFront(from, to)),
        2 => (0..QUEUES).prop_map(Step::PopFront),
        2 => id().prop_map(Step::Remove),
        1 => (id(), 0..9_u32).prop_map(|(id, size)| Step::SetSize(id, size)),
        1 => (0..200_usize).prop_map(Step::Reserve),
    ]
}

/// The same with nothing clever: vectors that are searched.
#[derive(Default)]
struct Model([Vec<(u64, u32)>; QUEUES]);

impl Model {
    fn remove(&mut self, id: u64) -> Option<(u64, u32)> {
        let queue = self.0.iter_mut().find(|queue| queue.iter().any(|(other, _)| *other == id))?;
        let at = queue.iter().position(|(other, _)| *other == id)?;
        Some(queue.remove(at))
    }

    fn pop(&mut self, queue: usize) -> Option<(u64, u32)> {
        (!self.0[queue].is_empty()).then(|| self.0[queue].remove(0))
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Push(queue, id, size) => {
                self.remove(id);
                self.0[queue].push((id, size));
            }
            Step::MoveToBack(queue, id) => {
                let moved = self.remove(id);
                self.0[queue].extend(moved);
            }
            Step::MoveFront(from, to) => {
                let moved = self.pop(from);
                self.0[to].extend(moved);
            }
            Step::PopFront(queue) => drop(self.pop(queue)),
            Step::Remove(id) => drop(self.remove(id)),
            Step::SetSize(id, size) => {
                let item = self.0.iter_mut().flatten().find(|(other, _)| *other == id);
                item.into_iter().for_each(|item| item.1 = size);
            }
            Step::Reserve(_) => {}
        }
    }
}

fn apply(queues: &mut Queues<u8, QUEUES>, step: &Step) {
    match *step {
        Step::Push(queue, id, size) => queues.push_back(queue, id, size, size as u8),
        Step::MoveToBack(queue, id) => drop(queues.move_to_back(queue, id)),
        Step::MoveFront(from, to) => {
            let value = queues.front(from).map(|item| item.value).unwrap_or_default();
            queues.move_front(from, to, value);
        }
        Step::PopFront(queue) => drop(queues.pop_front(queue)),
        Step::Remove(id) => drop(queues.remove(id)),
        Step::SetSize(id, size) => {
            queues.set_size(id, size);
            queues.value_mut(id).into_iter().for_each(|value| *value = size as u8);
        }
        Step::Reserve(ids) => queues.reserve(ids),
    }
}

proptest! {
    /// Ids that differ in the lowest bits, in the highest, and by a stride: the index must hold for all of them.
    #[test]
    fn queues_do_what_vectors_do(steps in prop::collection::vec(step(), 1..400), shift in prop::sample::select(vec![0, 20, 58])) {
        let shifted = |id: u64| id << shift;
        let (mut queues, mut model) = (Queues::new(), Model::default());
        for step in &steps {
            model.apply(step);
            let step = match *step {
                Step::Push(queue, id, size) => Step::Push(queue, shifted(id), size),
                Step::MoveToBack(queue, id) => Step::MoveToBack(queue, shifted(id)),
                Step::Remove(id) => Step::Remove(shifted(id)),
                Step::SetSize(id, size) => Step::SetSize(shifted(id), size),
                ref other => other.clone(),
            };
            apply(&mut queues, &step);
        }
        for (queue, expected) in model.0.iter().enumerate() {
            let items: Vec<(u64, u32)> = queues.iter(queue).map(|item| (item.id, item.size)).collect();
            prop_assert_eq!(items, expected.iter().map(|(id, size)| (shifted(*id), *size)).collect::<Vec<_>>());
            prop_assert_eq!(queues.used(queue), expected.iter().map(|(_, size)| u64::from(*size)).sum::<u64>());
            prop_assert_eq!(queues.is_empty(queue), expected.is_empty());
            for (id, size) in expected {
                let item = queues.get(shifted(*id)).expect("every id is found");
                prop_assert_eq!((item.queue, item.size, item.value), (queue, *size, *size as u8));
            }
        }
    }
}

#[test]
fn a_queue_that_does_not_exist_changes_nothing() {
    let mut queues: Queues<(), 1> = Queues::new();
    queues.push_back(1, 5, 1, ());
    assert!(queues.get(5).is_none() && queues.pop_front(1).is_none() && queues.used(1) == 0);
    queues.push_back(0, 5, 1, ());
    assert!(queues.move_to_back(1, 5));
    assert_eq!(queues.get(5).map(|item| item.queue), Some(0));
}
