use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{engine::Class, pool::Places};

/// What the host holds at this moment. After a drain nothing of the old generation is left in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostGauges {
    /// Strategies that hold instances in slots.
    pub live_generations: u64,
    /// Instances, self-tests and stagings included.
    pub live_instances: u64,
    /// Their linear memory, in bytes.
    pub live_bytes: u64,
    /// Plugins that are compiled and in memory.
    pub compiled_plugins: u64,
}

/// The counters behind [`HostGauges`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) generations: AtomicU64,
    pub(crate) instances: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// Counts one generation for as long as any of its instances lives.
#[derive(Debug)]
pub(crate) struct GenerationGuard(Arc<Counters>);

impl GenerationGuard {
    pub(crate) fn new(counters: &Arc<Counters>) -> Self {
        counters.generations.fetch_add(1, Relaxed);
        Self(Arc::clone(counters))
    }
}

impl Drop for GenerationGuard {
    fn drop(&mut self) {
        self.0.generations.fetch_sub(1, Relaxed);
    }
}

/// Counts one instance and its memory, and holds its place in its pool.
#[derive(Debug)]
pub(crate) struct InstanceGuard {
    counters: Arc<Counters>,
    places: Arc<Places>,
    bytes: u64,
}

impl InstanceGuard {
    /// Takes a place; none: all of them are taken.
    pub(crate) fn take(counters: &Arc<Counters>, places: &Arc<Places>) -> Option<Self> {
        if !places.take() {
            return None;
        }
        counters.instances.fetch_add(1, Relaxed);
        Some(Self { counters: Arc::clone(counters), places: Arc::clone(places), bytes: 0 })
    }

    /// Of which class the instance is.
    pub(crate) fn class(&self) -> Class {
        self.places.class
    }

    /// The instance's memory is `bytes` now; it only grows.
    pub(crate) fn grown_to(&mut self, bytes: u64) {
        self.counters.bytes.fetch_add(bytes.saturating_sub(self.bytes), Relaxed);
        self.bytes = self.bytes.max(bytes);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for InstanceGuard {
    fn drop(&mut self) {
        self.counters.bytes.fetch_sub(self.bytes, Relaxed);
        self.counters.instances.fetch_sub(1, Relaxed);
        self.places.give_back();
    }
}
