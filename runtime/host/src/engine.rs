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

/// Places of a pool beyond those that are given out: an instance gives its place back a moment before its memory.
const INSTANCES_SLACK: u32 = 64;
/// A pool of few large places needs few beyond them.
const LARGE_INSTANCES_SLACK: u32 = 4;

/// The engine that runs instances of a class.
pub(crate) fn running(class: Class, instances_max: u32) -> Result<Engine, HostError> {
    let slack = match class {
        Class::Native => INSTANCES_SLACK,
        Class::Large => LARGE_INSTANCES_SLACK,
    };
    let places = instances_max.saturating_add(slack);
    check_size(places, instances_max, mappings_max())?;
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

/// A pool that asks for too much would fail late, in the middle of a swap, and with an error of the operating system that
/// names nobody. Half of the mappings are left to everything else.
fn check_size(places: u32, instances_max: u32, mappings_max: u64) -> Result<(), HostError> {
    let addresses = u64::from(places).saturating_mul(2 * MEMORY_RESERVATION_BYTES);
    if addresses > ADDRESSES_MAX {
        return Err(HostError::Machine(format!(
            "{instances_max} instances at once need more addresses than a process has: allow at most {}",
            ADDRESSES_MAX / (2 * MEMORY_RESERVATION_BYTES) - u64::from(INSTANCES_SLACK)
        )));
    }
    let mappings = u64::from(places).saturating_mul(MAPPINGS_PER_INSTANCE);
    if mappings > mappings_max / 2 {
        return Err(HostError::Machine(format!(
            "{instances_max} instances at once need {mappings} memory mappings, and this machine allows a process \
             {mappings_max}: raise vm.max_map_count to {} or allow fewer instances",
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
        let check = |places, mappings_max, expected: &str| {
            let error = check_size(places, places, mappings_max).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(u32::MAX, u64::MAX, "more addresses than a process has: allow at most 8128");
        check(5_000, 65_530, "raise vm.max_map_count to 120000");
        assert_eq!(check_size(320, 256, 65_530), Ok(()));
        let error = running(Class::Native, 1_000_000).expect_err("it is refused").to_string();
        assert!(error.starts_with("1000000 instances at once need more addresses"), "{error}");
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
