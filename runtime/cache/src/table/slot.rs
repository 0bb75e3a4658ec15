use std::sync::Arc;

/// What an entry holds beside what the table needs to know. The table of a replay holds nothing.
pub(crate) trait Payload {
    /// Whether it belongs to this key: two keys can have one id.
    fn belongs_to(&self, key: &[u8]) -> bool;

    /// Key and value, in bytes.
    fn bytes(&self) -> u64;
}

impl Payload for () {
    fn belongs_to(&self, _key: &[u8]) -> bool {
        true
    }

    fn bytes(&self) -> u64 {
        0
    }
}

/// Key and value in one allocation, shared with the readers that are still writing it to a socket.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    bytes: Arc<[u8]>,
    key_bytes: u32,
}

impl Record {
    pub(crate) fn new(key: &[u8], value: &[u8]) -> Self {
        // Zeros first: this is the one way to a shared slice that neither copies twice nor needs unsafe code.
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, key.len() + value.len()).collect();
        if let Some((key_place, value_place)) =
            Arc::get_mut(&mut bytes).and_then(|bytes| bytes.split_at_mut_checked(key.len()))
        {
            key_place.copy_from_slice(key);
            value_place.copy_from_slice(value);
        }
        Self { bytes, key_bytes: key.len() as u32 }
    }

    pub(crate) fn key(&self) -> &[u8] {
        self.bytes.get(..self.key_bytes as usize).unwrap_or_default()
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.bytes.get(self.key_bytes as usize..).unwrap_or_default()
    }
}

impl Payload for Record {
    #[inline]
    fn belongs_to(&self, key: &[u8]) -> bool {
        self.key() == key
    }

    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// The time of an entry that does not expire.
pub(crate) const NEVER: u64 = u64::MAX;

/// An entry on its way into the table.
#[derive(Debug)]
pub(crate) struct Incoming<P> {
    pub(crate) id: u64,
    pub(crate) namespace: u32,
    /// In the budget's unit.
    pub(crate) size: u32,
    /// Milliseconds of the table's clock; [`NEVER`] for none.
    pub(crate) expires_at_ms: u64,
    pub(crate) payload: P,
}

/// An entry of the table: 64 bytes with a record in it, one cache line.
#[derive(Debug)]
pub(crate) struct Slot<P> {
    pub(crate) id: u64,
    pub(crate) payload: P,
    pub(crate) expires_at_ms: u64,
    /// The table's count of accesses when this was last one of them: an order without ties, which a clock is not.
    pub(crate) last_access: u64,
    pub(crate) hits: u32,
    pub(crate) size: u32,
    pub(crate) namespace: u32,
    pub(super) timer: u32,
}

impl<P> Slot<P> {
    pub(crate) fn expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms <= now_ms
    }

    /// What is left of its time to live; none: it does not expire.
    pub(crate) fn ttl_ms(&self, now_ms: u64) -> Option<u64> {
        (self.expires_at_ms != NEVER).then(|| self.expires_at_ms.saturating_sub(now_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_one_cache_line() {
        assert_eq!(size_of::<Slot<Record>>(), 64);
        assert_eq!(size_of::<Slot<()>>(), 40);
    }

    #[test]
    fn key_and_value_come_back() {
        for (key, value) in [(&b"k"[..], &b"value"[..]), (b"", b""), (b"", b"v"), (b"key", b"")] {
            let record = Record::new(key, value);
            assert_eq!((record.key(), record.value()), (key, value));
            assert_eq!(record.bytes(), (key.len() + value.len()) as u64);
            assert!(record.belongs_to(key) && !record.belongs_to(b"other"));
        }
    }
}
