//! Ids in queues: what most caching strategies are made of.

mod index;
mod nodes;
#[cfg(test)]
mod tests;

use index::{Index, hash};
use nodes::Nodes;

/// An id in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<T> {
    /// Its id.
    pub id: u64,
    /// What it takes of the budget.
    pub size: u32,
    /// The queue it is in.
    pub queue: usize,
    /// What the strategy keeps with it.
    pub value: T,
}

/// `N` queues of ids; an id is in at most one of them and is found, moved and removed in constant time.
///
/// An id takes 24 bytes (with a value of one byte) and 11 to 21 bytes of index. Naming a queue that does not exist
/// (`N` or more) changes nothing.
///
/// ```
/// use switchyard_sdk::queues::Queues;
///
/// let mut recent: Queues<(), 1> = Queues::new();
/// for id in [7, 8, 9] {
///     recent.push_back(0, id, 1, ());
/// }
/// recent.move_to_back(0, 7);
/// assert_eq!(recent.pop_front(0).map(|item| item.id), Some(8));
/// ```
#[derive(Debug, Clone)]
pub struct Queues<T, const N: usize> {
    nodes: Nodes<T, N>,
    index: Index,
}

impl<T: Copy + Default, const N: usize> Default for Queues<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy + Default, const N: usize> Queues<T, N> {
    /// Empty queues.
    pub fn new() -> Self {
        Self { nodes: Nodes::new(), index: Index::new() }
    }

    /// Makes room for this many ids at once: growing while a caller waits takes milliseconds for a hundred thousand.
    pub fn reserve(&mut self, ids: usize) {
        self.nodes.reserve(ids);
        self.index.reserve(ids);
    }

    /// What is known of an id.
    pub fn get(&self, id: u64) -> Option<Item<T>> {
        self.nodes.item(self.find(id)?)
    }

    /// The value kept with an id.
    pub fn value_mut(&mut self, id: u64) -> Option<&mut T> {
        self.nodes.value_mut(self.find(id)?)
    }

    /// Changes what an id takes, where it stands. False: it is in no queue.
    pub fn set_size(&mut self, id: u64, size: u32) -> bool {
        match self.find(id) {
            Some(node) => {
                self.nodes.set_size(node, size);
                true
            }
            None => false,
        }
    }

    /// Adds an id behind the others. One that is in a queue already is moved there, with the new size and value.
    pub fn push_back(&mut self, queue: usize, id: u64, size: u32, value: T) {
        self.remove(id);
        if let Some(node) = self.nodes.add(queue, id, size, value) {
            self.index.insert(hash(id), node);
        }
    }

    /// Moves an id behind the others of `queue`. False: it is in no queue.
    pub fn move_to_back(&mut self, queue: usize, id: u64) -> bool {
        match self.find(id) {
            Some(node) => {
                self.nodes.move_to_back(queue, node);
                true
            }
            None => false,
        }
    }

    /// Moves the first of one queue behind the others of another (or of the same), with a new value.
    pub fn move_front(&mut self, from: usize, to: usize, value: T) -> bool {
        let Some(node) = self.nodes.front(from) else { return false };
        self.nodes.move_to_back(to, node);
        if let Some(kept) = self.nodes.value_mut(node) {
            *kept = value;
        }
        true
    }

    /// The first of a queue.
    pub fn front(&self, queue: usize) -> Option<Item<T>> {
        self.nodes.item(self.nodes.front(queue)?)
    }

    /// Removes the first of a queue.
    pub fn pop_front(&mut self, queue: usize) -> Option<Item<T>> {
        self.take(self.nodes.front(queue)?)
    }

    /// Removes an id from whichever queue it is in.
    pub fn remove(&mut self, id: u64) -> Option<Item<T>> {
        self.take(self.find(id)?)
    }

    /// The sum of a queue's sizes.
    pub fn used(&self, queue: usize) -> u64 {
        self.nodes.used(queue)
    }

    /// Whether a queue holds nothing.
    pub fn is_empty(&self, queue: usize) -> bool {
        self.nodes.front(queue).is_none()
    }

    /// A queue from front to back.
    pub fn iter(&self, queue: usize) -> impl Iterator<Item = Item<T>> + '_ {
        std::iter::successors(self.nodes.front(queue), move |node| self.nodes.after(queue, *node))
            .filter_map(|node| self.nodes.item(node))
    }

    fn find(&self, id: u64) -> Option<u32> {
        self.index.find(hash(id), |node| self.nodes.id(node) == Some(id))
    }

    fn take(&mut self, node: u32) -> Option<Item<T>> {
        let item = self.nodes.item(node)?;
        self.index.remove(hash(item.id), node);
        self.nodes.remove(node);
        Some(item)
    }
}
