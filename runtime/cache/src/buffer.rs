use std::cell::RefCell;

/// Room of a fresh buffer: what Redis reads at once.
pub(crate) const BUFFER_BYTES: usize = 16 << 10;
/// A buffer that has grown beyond this is not kept.
const KEPT_BYTES_MAX: usize = 128 << 10;
/// Buffers that a thread keeps.
const KEPT_MAX: usize = 32;

thread_local! {
    static KEPT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer. A connection takes one when there is something to do and gives it back when it waits, so that idle
/// clients hold none.
pub(crate) fn take() -> Vec<u8> {
    KEPT.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES))
}

/// Gives a buffer back.
pub(crate) fn give(mut buffer: Vec<u8>) {
    if !(BUFFER_BYTES..=KEPT_BYTES_MAX).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    KEPT.with_borrow_mut(|kept| {
        if kept.len() < KEPT_MAX {
            kept.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_and_a_large_one_does_not() {
        let mut buffer = take();
        buffer.extend_from_slice(b"secret");
        give(buffer);
        give(Vec::with_capacity(KEPT_BYTES_MAX + 1));
        let again = take();
        assert!(again.is_empty() && again.capacity() <= KEPT_BYTES_MAX);
        assert_eq!(KEPT.with_borrow(Vec::len), 0);
    }
}
