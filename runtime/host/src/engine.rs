//! The engines: two run instances, each from a pool of its own, and one only compiles. Their compiled form is the same,
//! because all begin from [`shared_config`].

use std::fs;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::HostError;

/// Address space behind each memory: with all of 32 bits reserved, no bounds check is compiled in.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Guests need little: a plain recursion is stopped before it gets near a tokio worker's 2 MiB stack.
const STACK_BYTES_MAX: usize = 512 << 10;
/// A component made from one core module has one core instance, and the adapter modules that encoding adds.
const CORE_INSTANCES_PER_COMPONENT_MAX: u32 = 8;
/// One memory, so that the limit of an instance is the limit of its memory; the modules that encoding adds have none.
const MEMORIES_PER_COMPONENT_MAX: u32 = 1;
/// The guest's table, and that of the module through which its imports are called.
const TABLES_PER_COMPONENT_MAX: u32 = 4;
/// Metadata of one core instance or component instance: a hundred thousand functions would be over it.
const INSTANCE_METADATA_BYTES_MAX: usize = 2 << 20;
/// Pages kept with a pool slot so that a reused one needs no new page faults.
const KEEP_RESIDENT_BYTES: usize = 64 << 10;

/// How large an instance may be. A pool has places of one size, so each class has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Native guests: a few MiB for a million entries' metadata, a small table of functions.
    Native,
    /// Script engines, which bring a heap and an interpreter. A node has a few of these.
    Large,
}

impl Class {
    /// The smallest class in which an instance may have so much memory.
    pub(crate) fn for_memory(bytes: u64) -> Self {
        if bytes <= Self::Native.memory_bytes_max() { Self::Native } else { Self::Large }
    }

    /// Linear memory of an instance, in bytes.
    pub(crate) const fn memory_bytes_max(self) -> u64 {
        match self {
            Self::Native => 64 << 20,
            Self::Large => 512 << 20,
        }
    }

    /// Places of its pool beyond those that are given out: an instance gives its place back a moment before its memory. A pool
    /// of few large places needs few beyond them.
    const fn slack(self) -> u32 {
        match self {
            Self::Native => 64,
            Self::Large => 4,
        }
    }

    /// Elements of one table. Function references of a large Rust guest fit many times over; an interpreter has one for
    /// each of its operations and builtins.
    pub(crate) const fn table_elements_max(self) -> usize {
        match self {
            Self::Native => 20_000,
            Self::Large => 100_000,
        }
    }
}

/// What decides the compiled form. Everything that could make two runs differ is off: threads, relaxed SIMD, several
/// memories' worth of proposals that no contract needs; NaNs are canonical.
fn shared_config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_component_model(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .concurrency_support(false)
        .max_wasm_stack(STACK_BYTES_MAX)
        .memory_reservation(MEMORY_RESERVATION_BYTES)
        .memory_may_move(false);
    config
}

/// The engine that runs instances of a class. That all pools together are not too large is for [`check_sizes`].
pub(crate) fn running(class: Class, instances_max: u32) -> Result<Engine, HostError> {
    let places = instances_max.saturating_add(class.slack());
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .total_core_instances(places.saturating_mul(CORE_INSTANCES_PER_COMPONENT_MAX))
        .total_memories(places.saturating_mul(MEMORIES_PER_COMPONENT_MAX))
        .total_tables(places.saturating_mul(TABLES_PER_COMPONENT_MAX))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT_MAX)
        .max_memories_per_component(MEMORIES_PER_COMPONENT_MAX)
        .max_tables_per_component(TABLES_PER_COMPONENT_MAX)
        .max_component_instance_size(INSTANCE_METADATA_BYTES_MAX)
        .max_core_instance_size(INSTANCE_METADATA_BYTES_MAX)
        .max_memory_size(usize::try_from(class.memory_bytes_max()).unwrap_or(usize::MAX))
        .table_elements(class.table_elements_max())
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(KEEP_RESIDENT_BYTES);
    let mut config = shared_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).map_err(|error| {
        HostError::Machine(format!("the pool of {instances_max} instances cannot be set up: {error:#}"))
    })
}

/// The engine that only compiles: a pool cannot be set up under the worker's address-space limit.
pub(crate) fn compiling() -> Result<Engine, HostError> {
    Engine::new(&shared_config())
        .map_err(|error| HostError::Machine(format!("the compiler cannot be set up: {error:#}")))
}

/// Half of the addresses that a process has on the machines that we run on; the rest is for everything else.
const ADDRESSES_MAX: u64 = 1 << 46;
/// Mappings that an instance has while it lives: its memory and tables, each split where it may be touched.
const MAPPINGS_PER_INSTANCE: u64 = 12;
/// What Linux allows a process unless told otherwise.
const MAPPINGS_DEFAULT: u64 = 65_530;

/// Pools that ask for too much would fail late, in the middle of a swap, and with an error of the operating system that names
/// nobody. They share the addresses and mappings of one process, half of which are left to everything else.
pub(crate) fn check_sizes(native_max: u32, large_max: u32) -> Result<(), HostError> {
    check_sizes_within(native_max, large_max, mappings_max())
}

fn check_sizes_within(native_max: u32, large_max: u32, mappings_max: u64) -> Result<(), HostError> {
    const SLACK: u64 = Class::Native.slack() as u64 + Class::Large.slack() as u64;
    let places = u64::from(native_max) + u64::from(large_max) + SLACK;
    let wanted = format!("{native_max} instances and {large_max} large ones at once need");
    if places.saturating_mul(2 * MEMORY_RESERVATION_BYTES) > ADDRESSES_MAX {
        return Err(HostError::Machine(format!(
            "{wanted} more addresses than a process has: allow at most {} together",
            ADDRESSES_MAX / (2 * MEMORY_RESERVATION_BYTES) - SLACK
        )));
    }
    let mappings = places.saturating_mul(MAPPINGS_PER_INSTANCE);
    if mappings > mappings_max / 2 {
        return Err(HostError::Machine(format!(
            "{wanted} {mappings} memory mappings, and this machine allows a process {mappings_max}: raise vm.max_map_count to \
             {} or allow fewer instances",
            2 * mappings
        )));
    }
    Ok(())
}

fn mappings_max() -> u64 {
    let told = fs::read_to_string("/proc/sys/vm/max_map_count").ok();
    told.and_then(|text| text.trim().parse().ok()).unwrap_or(MAPPINGS_DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_that_asks_for_too_much_says_what_to_do() {
        let check = |native, large, mappings_max, expected: &str| {
            let error = check_sizes_within(native, large, mappings_max).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(u32::MAX, u32::MAX, u64::MAX, "more addresses than a process has: allow at most 8124 together");
        check(5_000, 0, 65_530, "raise vm.max_map_count to 121632");
        // Each of them alone would do.
        check(8_000, 125, u64::MAX, "8000 instances and 125 large ones at once need more addresses");
        check(1_400, 1_300, 65_530, "need 33216 memory mappings");
        assert_eq!(check_sizes_within(8_000, 124, u64::MAX), Ok(()));
        assert_eq!(check_sizes_within(256, 16, 65_530), Ok(()));
    }

    #[test]
    fn memory_decides_the_class() {
        for (bytes, class) in [
            (1, Class::Native),
            (64 << 20, Class::Native),
            ((64 << 20) + 1, Class::Large),
            (512 << 20, Class::Large),
            (u64::MAX, Class::Large),
        ] {
            assert_eq!(Class::for_memory(bytes), class, "{bytes}");
        }
    }
}
