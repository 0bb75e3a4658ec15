use super::host;

/// One of the strategy's own counters, by its index in the trait's `COUNTERS`.
///
/// A call crosses to the host: count in a field and add the sum in `tick` where it happens at every access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter(u32);

impl Counter {
    /// The counter with this index.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Adds to it.
    pub fn add(self, delta: u64) {
        host::count(self.0, delta);
    }
}

/// One of the strategy's own gauges, by its index in the trait's `GAUGES`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauge(u32);

impl Gauge {
    /// The gauge with this index.
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// Sets it.
    pub fn set(self, value: f64) {
        host::set(self.0, value);
    }
}
