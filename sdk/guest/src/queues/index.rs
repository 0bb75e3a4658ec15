/// Where an id's node is.
#[derive(Debug, Clone, Copy)]
struct Place {
    hash: u32,
    /// 0: nobody. Node 0 is the head of a queue and never indexed.
    node: u32,
}

const EMPTY: Place = Place { hash: 0, node: 0 };
const BITS_MIN: u32 = 3;
/// 2^64 divided by the golden ratio: ids are hashes already in a node, but small numbers in tests.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// Finds nodes by id: linear probing, with entries moved back at a removal.
///
/// The standard map is refused here because removals leave marks in it, and clearing those up walks the whole table
/// while a caller waits. This one does the same small work at every call and takes 8 bytes a place.
#[derive(Debug, Clone)]
pub(super) struct Index {
    places: Vec<Place>,
    bits: u32,
    len: usize,
}

pub(super) fn hash(id: u64) -> u32 {
    (id.wrapping_mul(SPREAD) >> 32) as u32
}

impl Index {
    pub(super) fn new() -> Self {
        Self { places: vec![EMPTY; 1 << BITS_MIN], bits: BITS_MIN, len: 0 }
    }

    pub(super) fn reserve(&mut self, entries: usize) {
        let bits = (entries.saturating_add(entries / 3) + 1).next_power_of_two().ilog2();
        if bits > self.bits {
            self.grow(bits);
        }
    }

    /// The node with this hash that `is` accepts.
    pub(super) fn find(&self, hash: u32, is: impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.home(hash);
        loop {
            let place = self.at(at);
            if place.node == 0 {
                return None;
            }
            if place.hash == hash && is(place.node) {
                return Some(place.node);
            }
            at = self.after(at);
        }
    }

    /// Adds a node that is not there.
    pub(super) fn insert(&mut self, hash: u32, node: u32) {
        // At three quarters a search for what is absent looks at nine places on average.
        if (self.len + 1) * 4 > self.places.len() * 3 {
            self.grow(self.bits + 1);
        }
        self.put(Place { hash, node });
        self.len += 1;
    }

    /// Removes a node and closes the gap, so that no mark is left behind.
    pub(super) fn remove(&mut self, hash: u32, node: u32) {
        let mut gap = self.home(hash);
        while self.at(gap).node != node {
            if self.at(gap).node == 0 {
                return;
            }
            gap = self.after(gap);
        }
        let mut at = gap;
        loop {
            at = self.after(at);
            let place = self.at(at);
            if place.node == 0 {
                break;
            }
            if self.distance(self.home(place.hash), at) >= self.distance(gap, at) {
                self.set(gap, place);
                gap = at;
            }
        }
        self.set(gap, EMPTY);
        self.len -= 1;
    }

    fn grow(&mut self, bits: u32) {
        let places = std::mem::replace(&mut self.places, vec![EMPTY; 1 << bits]);
        self.bits = bits;
        for place in places {
            if place.node != 0 {
                self.put(place);
            }
        }
    }

    fn put(&mut self, place: Place) {
        let mut at = self.home(place.hash);
        while self.at(at).node != 0 {
            at = self.after(at);
        }
        self.set(at, place);
    }

    fn home(&self, hash: u32) -> usize {
        (hash >> (u32::BITS - self.bits)) as usize
    }

    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.places.len() - 1)
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.places.len() - 1)
    }

    fn at(&self, at: usize) -> Place {
        self.places.get(at).copied().unwrap_or(EMPTY)
    }

    fn set(&mut self, at: usize, place: Place) {
        if let Some(slot) = self.places.get_mut(at) {
            *slot = place;
        }
    }
}
