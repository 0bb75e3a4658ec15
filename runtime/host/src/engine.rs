//! The two engines: one runs instances from a pool, the other only compiles. Their compiled form is the same, because
//! both begin from [`shared_config`].

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::HostError;

/// Linear memory that any instance may have. Native guests need a few MiB for a million entries' metadata.
pub(crate) const MEMORY_BYTES_MAX: usize = 64 << 20;
/// Address space behind each memory: with all of 32 bits reserved, no bounds check is compiled in.
const MEMORY_RESERVATION_BYTES: u64 = 4 << 30;
/// Guests need little: a plain recursion is stopped before it gets near a tokio worker's 2 MiB stack.
const STACK_BYTES_MAX: usize = 512 << 10;
/// Function references of a large Rust guest fit many times over.
const TABLE_ELEMENTS_MAX: usize = 20_000;
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

/// Places of the pool beyond those that are given out: an instance gives its place back a moment before its memory.
const INSTANCES_SLACK: u32 = 64;

/// The engine that runs instances.
pub(crate) fn running(instances_max: u32) -> Result<Engine, HostError> {
    let places = instances_max.saturating_add(INSTANCES_SLACK);
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
        .max_memory_size(MEMORY_BYTES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
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
