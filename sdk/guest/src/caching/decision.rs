use super::{Tiers, Victims};
use crate::bindings::caching::exports::switchyard::caching::caching;

/// What becomes of an entry.
///
/// ```
/// use switchyard_sdk::caching::Decision;
///
/// let for_a_minute = Decision { ttl_ms: Some(60_000), ..Decision::ADMIT };
/// assert!(for_a_minute.admit && !Decision::REFUSE.admit);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether it is kept.
    pub admit: bool,
    /// Where; the host uses those that the node has.
    pub tiers: Tiers,
    /// Time to live instead of the one asked for, in milliseconds; it can only shorten. None: as asked.
    pub ttl_ms: Option<u64>,
    /// A hint for tiers that can hold a value compressed.
    pub compress: bool,
}

impl Decision {
    /// Kept wherever the node can keep it, as long as asked.
    pub const ADMIT: Self = Self { admit: true, tiers: Tiers::all(), ttl_ms: None, compress: false };
    /// Not kept; an older value under the same id goes.
    pub const REFUSE: Self = Self { admit: false, tiers: Tiers::empty(), ttl_ms: None, compress: false };

    pub(super) fn cross(self, victims: &Victims) -> caching::Decision {
        caching::Decision {
            admit: self.admit,
            tiers: self.tiers,
            ttl_ms: self.ttl_ms,
            compress: self.compress,
            victims: victims.as_slice().to_vec(),
        }
    }
}
