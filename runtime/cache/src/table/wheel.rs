use super::Slab;

/// Resolution of the wheel: 2^4 = 16 milliseconds. Reads check the exact time themselves, so this is only how long the
/// memory of something expired waits.
const TICK_BITS: u32 = 4;
/// Slots of a level: 2^6 = 64, one bit of a word each.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Ten levels of 6 bits and a tick of 4 hold every 64-bit time: no time is too far away.
const LEVELS: usize = 10;

/// No timer, no next node.
pub(crate) const NONE: u32 = u32::MAX;

/// A hierarchical timer wheel (Varghese and Lauck, SOSP 1987): scheduling and cancelling take constant time, and every
/// owner has at most one timer in it, so that it needs no bound of its own. A position in the dense list of owners is
/// what it hands back; it knows nothing else of them.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// In ticks. Everything due before it has been handed out.
    elapsed: u64,
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
    nodes: Slab<Node>,
    free: u32,
    scheduled: usize,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    due: u64,
    owner: u32,
    previous: u32,
    next: u32,
    level: u8,
    slot: u8,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            elapsed: 0,
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            nodes: Slab::new(),
            free: NONE,
            scheduled: 0,
        }
    }

    /// Timers that are running.
    pub(crate) fn len(&self) -> usize {
        self.scheduled
    }

    /// Starts a timer for `owner`. It is due when `deadline_ms` has passed, up to a tick later.
    pub(crate) fn schedule(&mut self, owner: u32, deadline_ms: u64) -> u32 {
        let due = ((deadline_ms >> TICK_BITS) + 1).min(u64::MAX >> TICK_BITS);
        let node = Node { due, owner, previous: NONE, next: NONE, level: 0, slot: 0 };
        let timer = self.allocate(node);
        self.link(timer);
        self.scheduled += 1;
        timer
    }

    /// Stops a timer.
    pub(crate) fn cancel(&mut self, timer: u32) {
        if timer == NONE {
            return;
        }
        self.unlink(timer);
        self.release(timer);
    }

    /// The owner has moved.
    pub(crate) fn reassign(&mut self, timer: u32, owner: u32) {
        if let Some(node) = self.nodes.get_mut(timer) {
            node.owner = owner;
        }
    }

    /// The next owner whose time has come; its timer is gone then. Every step takes one of `steps`, so that a caller
    /// under a lock decides how long it works.
    pub(crate) fn pop_due(&mut self, now_ms: u64, steps: &mut usize) -> Option<u32> {
        let now = now_ms >> TICK_BITS;
        if self.scheduled == 0 {
            self.elapsed = self.elapsed.max(now);
            return None;
        }
        while *steps > 0 {
            let Some((level, slot, start)) = self.next_slot().filter(|(_, _, start)| *start <= now) else {
                self.elapsed = self.elapsed.max(now);
                return None;
            };
            *steps -= 1;
            self.elapsed = self.elapsed.max(start);
            let timer = self.head(level, slot);
            self.unlink(timer);
            if level == 0 {
                let owner = self.nodes.get(timer).map(|node| node.owner);
                self.release(timer);
                return owner;
            }
            self.link(timer);
        }
        None
    }

    /// The slot that begins first of those that hold something, and its first tick. The slot of a higher level that is
    /// being emptied begins before everything that came out of it.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let occupied = self.occupied.iter().enumerate().filter(|(_, occupied)| **occupied != 0);
        let first = occupied.map(|(level, occupied)| {
            let shift = SLOT_BITS * level as u32;
            let slot = occupied.trailing_zeros() as usize;
            let above = self.elapsed.checked_shr(shift + SLOT_BITS).unwrap_or(0);
            (level, slot, ((above << SLOT_BITS) | slot as u64) << shift)
        });
        first.min_by_key(|(_, _, start)| *start)
    }

    fn head(&self, level: usize, slot: usize) -> u32 {
        self.heads.get(level).and_then(|slots| slots.get(slot)).copied().unwrap_or(NONE)
    }

    fn set_head(&mut self, level: usize, slot: usize, timer: u32) {
        if let Some(head) = self.heads.get_mut(level).and_then(|slots| slots.get_mut(slot)) {
            *head = timer;
        }
        if let Some(occupied) = self.occupied.get_mut(level) {
            let bit = 1 << slot;
            *occupied = if timer == NONE { *occupied & !bit } else { *occupied | bit };
        }
    }

    /// Puts a node where its time belongs: the level of the highest bit in which it differs from now.
    fn link(&mut self, timer: u32) {
        let Some(node) = self.nodes.get(timer) else { return };
        let due = node.due.max(self.elapsed);
        let differing = (self.elapsed ^ due) | (SLOTS as u64 - 1);
        let level = ((63 - differing.leading_zeros()) / SLOT_BITS) as usize;
        let slot = (due >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let next = self.head(level, slot);
        if let Some(node) = self.nodes.get_mut(timer) {
            (node.level, node.slot, node.previous, node.next) = (level as u8, slot as u8, NONE, next);
        }
        if let Some(next) = self.nodes.get_mut(next) {
            next.previous = timer;
        }
        self.set_head(level, slot, timer);
    }

    fn unlink(&mut self, timer: u32) {
        let Some(&Node { previous, next, level, slot, .. }) = self.nodes.get(timer) else { return };
        if let Some(next) = self.nodes.get_mut(next) {
            next.previous = previous;
        }
        match self.nodes.get_mut(previous) {
            Some(previous) => previous.next = next,
            None => self.set_head(level.into(), slot.into(), next),
        }
    }

    fn allocate(&mut self, node: Node) -> u32 {
        let timer = self.free;
        match self.nodes.get_mut(timer) {
            Some(place) => {
                self.free = place.next;
                *place = node;
                timer
            }
            None => self.nodes.push(node),
        }
    }

    fn release(&mut self, timer: u32) {
        if let Some(node) = self.nodes.get_mut(timer) {
            node.next = self.free;
            self.free = timer;
            self.scheduled = self.scheduled.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn due_now(wheel: &mut Wheel, now_ms: u64) -> Vec<u32> {
        let mut steps = 1_000_000;
        let mut owners: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(now_ms, &mut steps)).collect();
        owners.sort_unstable();
        owners
    }

    #[test]
    fn a_far_time_takes_bounded_steps() {
        let mut wheel = Wheel::new();
        wheel.schedule(1, u64::MAX);
        wheel.schedule(2, 1 << 50);
        assert_eq!(due_now(&mut wheel, (1 << 50) - 1), [] as [u32; 0]);
        let mut steps = 1;
        assert_eq!((wheel.pop_due((1 << 50) + 16, &mut steps), steps), (None, 0));
        assert_eq!(due_now(&mut wheel, (1 << 50) + 16), [2]);
        assert_eq!(wheel.len(), 1);
    }

    proptest! {
        #[test]
        fn timers_fire_once_and_in_their_tick(
            acts in prop::collection::vec((0_u32..40, prop_oneof![0_u64..500, 0_u64..100_000, 0_u64..20_000_000_000], 0_u64..3_000_000), 1..200)
        ) {
            let mut wheel = Wheel::new();
            let mut model: BTreeMap<u32, (u32, u64)> = BTreeMap::new();
            let mut now = 0;
            for (owner, delay, step) in acts {
                if let Some((timer, _)) = model.remove(&owner) {
                    wheel.cancel(timer);
                } else {
                    model.insert(owner, (wheel.schedule(owner, now + delay), now + delay));
                }
                now += step;
                let fired = due_now(&mut wheel, now);
                for owner in &fired {
                    let (_, deadline) = model.remove(owner).unwrap();
                    prop_assert!(deadline <= now, "{} fired at {}", deadline, now);
                }
                prop_assert!(model.values().all(|(_, deadline)| deadline + 16 >= now));
                prop_assert_eq!(model.len(), wheel.len());
            }
        }
    }
}
