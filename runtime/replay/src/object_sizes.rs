use std::collections::{HashMap, hash_map::Entry};

/// Objects whose sizes are remembered: about 2 GiB. A longer trace is replayed by entries, or in parts.
const OBJECTS_MAX: usize = 1 << 26;

/// The size of each object, from its first request on.
///
/// Tables of block requests log how much was asked for, which changes from request to request; an object in a cache has
/// one size. Taking the first is what libCacheSim's published figures for `cloudPhysicsIO` were made with, and a hit does
/// not store anything that could have another.
#[derive(Debug, Default)]
pub(crate) struct ObjectSizes(HashMap<u64, u32>);

impl ObjectSizes {
    /// What the object takes, of which this request says `size`; none: there are too many objects to remember.
    pub(crate) fn of(&mut self, id: u64, size: u32) -> Option<u32> {
        let full = self.0.len() >= OBJECTS_MAX;
        match self.0.entry(id) {
            Entry::Occupied(known) => Some(*known.get()),
            Entry::Vacant(_) if full => None,
            Entry::Vacant(new) => Some(*new.insert(size)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_keeps_its_first_size() {
        let mut sizes = ObjectSizes::default();
        let seen = [(1, 10), (2, 5), (1, 20), (2, 1)].map(|(id, size)| sizes.of(id, size));
        assert_eq!(seen, [Some(10), Some(5), Some(10), Some(5)]);
    }
}
