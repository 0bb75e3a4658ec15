use super::Item;

/// An id and its neighbours. The first `N` nodes are the heads of the queues: each queue is a ring through its head, so
/// that linking has no special cases.
#[derive(Debug, Clone, Copy)]
struct Node<T> {
    id: u64,
    size: u32,
    previous: u32,
    next: u32,
    /// [`VACANT`]: nobody is here, and `next` is the next vacant node.
    queue: u8,
    value: T,
}

const VACANT: u8 = u8::MAX;
/// No node: the end of the chain of vacant ones.
const NONE: u32 = u32::MAX;

/// A slab of nodes in `N` doubly linked queues.
#[derive(Debug, Clone)]
pub(super) struct Nodes<T, const N: usize> {
    nodes: Vec<Node<T>>,
    vacant: u32,
    used: [u64; N],
}

impl<T: Copy + Default, const N: usize> Nodes<T, N> {
    const CHECKED: () = assert!(N >= 1 && N < VACANT as usize, "1 to 254 queues");

    pub(super) fn new() -> Self {
        let () = Self::CHECKED;
        let head = |queue: u8| Node {
            id: 0,
            size: 0,
            previous: u32::from(queue),
            next: u32::from(queue),
            queue,
            value: T::default(),
        };
        Self { nodes: (0..N as u8).map(head).collect(), vacant: NONE, used: [0; N] }
    }

    pub(super) fn reserve(&mut self, ids: usize) {
        self.nodes.reserve(ids.saturating_add(N).saturating_sub(self.nodes.len()));
    }

    pub(super) fn id(&self, node: u32) -> Option<u64> {
        self.nodes.get(node as usize).map(|node| node.id)
    }

    pub(super) fn item(&self, node: u32) -> Option<Item<T>> {
        let node = self.nodes.get(node as usize)?;
        Some(Item { id: node.id, size: node.size, queue: usize::from(node.queue), value: node.value })
    }

    pub(super) fn value_mut(&mut self, node: u32) -> Option<&mut T> {
        self.nodes.get_mut(node as usize).map(|node| &mut node.value)
    }

    pub(super) fn set_size(&mut self, node: u32, size: u32) {
        let Some(node) = self.nodes.get_mut(node as usize) else { return };
        let before = std::mem::replace(&mut node.size, size);
        if let Some(used) = self.used.get_mut(usize::from(node.queue)) {
            *used = *used - u64::from(before) + u64::from(size);
        }
    }

    pub(super) fn used(&self, queue: usize) -> u64 {
        self.used.get(queue).copied().unwrap_or_default()
    }

    pub(super) fn front(&self, queue: usize) -> Option<u32> {
        if queue >= N {
            return None;
        }
        self.after(queue, queue as u32)
    }

    /// The node behind `node` in its queue.
    pub(super) fn after(&self, queue: usize, node: u32) -> Option<u32> {
        let next = self.nodes.get(node as usize)?.next;
        (next as usize != queue).then_some(next)
    }

    /// Adds a node at the back of a queue. None: there is no such queue, or no number left for a node.
    pub(super) fn add(&mut self, queue: usize, id: u64, size: u32, value: T) -> Option<u32> {
        if queue >= N {
            return None;
        }
        let node = Node { id, size, previous: 0, next: 0, queue: VACANT, value };
        let at = match self.nodes.get_mut(self.vacant as usize) {
            Some(vacant) => {
                let at = self.vacant;
                self.vacant = vacant.next;
                *vacant = node;
                at
            }
            None => {
                let at = u32::try_from(self.nodes.len()).ok().filter(|at| *at < NONE)?;
                self.nodes.push(node);
                at
            }
        };
        self.link(queue, at);
        Some(at)
    }

    pub(super) fn move_to_back(&mut self, queue: usize, node: u32) {
        if queue < N {
            self.unlink(node);
            self.link(queue, node);
        }
    }

    pub(super) fn remove(&mut self, at: u32) {
        self.unlink(at);
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.queue = VACANT;
            node.next = self.vacant;
            self.vacant = at;
        }
    }

    fn link(&mut self, queue: usize, at: u32) {
        let head = queue as u32;
        let Some(last) = self.nodes.get_mut(queue).map(|head| std::mem::replace(&mut head.previous, at)) else {
            return;
        };
        if let Some(last) = self.nodes.get_mut(last as usize) {
            last.next = at;
        }
        let Some(node) = self.nodes.get_mut(at as usize) else { return };
        node.previous = last;
        node.next = head;
        node.queue = queue as u8;
        if let Some(used) = self.used.get_mut(queue) {
            *used += u64::from(node.size);
        }
    }

    fn unlink(&mut self, at: u32) {
        let Some(node) = self.nodes.get(at as usize).copied() else { return };
        if let Some(previous) = self.nodes.get_mut(node.previous as usize) {
            previous.next = node.next;
        }
        if let Some(next) = self.nodes.get_mut(node.next as usize) {
            next.previous = node.previous;
        }
        if let Some(used) = self.used.get_mut(usize::from(node.queue)) {
            *used -= u64::from(node.size);
        }
    }
}
