/// Items of one chunk. A list in chunks grows without copying what it holds (a copied table of a million entries is a
/// pause of tens of milliseconds under the shard's lock) and wastes at most two chunks instead of half of itself.
const CHUNK_ITEMS: usize = 1024;

/// A dense list in chunks: positions run from 0 to `len` without holes.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, position: u32) -> Option<&T> {
        let position = position as usize;
        self.chunks.get(position / CHUNK_ITEMS)?.get(position % CHUNK_ITEMS)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, position: u32) -> Option<&mut T> {
        let position = position as usize;
        self.chunks.get_mut(position / CHUNK_ITEMS)?.get_mut(position % CHUNK_ITEMS)
    }

    /// Appends an item and says where it is.
    pub(crate) fn push(&mut self, item: T) -> u32 {
        let position = self.len;
        match self.chunks.get_mut(position / CHUNK_ITEMS) {
            Some(chunk) => chunk.push(item),
            None => {
                let mut chunk = Vec::with_capacity(CHUNK_ITEMS);
                chunk.push(item);
                self.chunks.push(chunk);
            }
        }
        self.len += 1;
        position as u32
    }

    /// Takes an item out; the last item moves to its place.
    pub(crate) fn swap_remove(&mut self, position: u32) -> Option<T> {
        if position as usize >= self.len {
            return None;
        }
        let last = self.pop()?;
        match self.get_mut(position) {
            Some(place) => Some(std::mem::replace(place, last)),
            None => Some(last),
        }
    }

    fn pop(&mut self) -> Option<T> {
        let last = self.len.checked_sub(1)?;
        let item = self.chunks.get_mut(last / CHUNK_ITEMS)?.pop()?;
        self.len = last;
        // One empty chunk stays, so that a list that goes back and forth over a chunk's edge does not allocate.
        if self.chunks.len() > last / CHUNK_ITEMS + 2 {
            self.chunks.pop();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_item_fills_the_hole() {
        let mut slab = Slab::new();
        for n in 0..5_000_u32 {
            assert_eq!(slab.push(n), n);
        }
        assert_eq!(slab.swap_remove(7), Some(7));
        assert_eq!(slab.get(7), Some(&4_999));
        assert_eq!((slab.swap_remove(4_999), slab.len()), (None, 4_999));
        assert_eq!(slab.swap_remove(4_998), Some(4_998));
        while slab.len() > 0 {
            slab.swap_remove(0);
        }
        assert!(slab.chunks.len() <= 2 && slab.get(0).is_none());
    }
}
