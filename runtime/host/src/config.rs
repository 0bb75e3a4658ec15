use std::{ffi::OsString, path::PathBuf};

/// Instances that the pool has room for unless a node says otherwise: 16 slots with 8 shards, twice (a swap holds both
/// sets for a moment). Address space only; memory is taken when a plugin touches it.
const INSTANCES_MAX: u32 = 256;

/// Instances with more than 64 MiB of memory that the pool has room for unless a node says otherwise: one slot with eight
/// shards on a script engine, twice.
const LARGE_INSTANCES_MAX: u32 = 16;

/// Where machine code comes from.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// A process of its own with limits on memory, CPU and wall time. A hostile component can exhaust a compiler; the
    /// sandbox's promise begins only after it.
    Worker {
        /// A program that calls [`compile_worker`](crate::compile_worker).
        program: PathBuf,
        /// What it needs to be told to do so.
        arguments: Vec<OsString>,
    },
    /// This process, without limits: for components that are trusted, in benches and tests.
    InProcess,
}

/// What a host needs.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where compiled plugins are kept between starts; none: every start compiles.
    pub compiled_dir: Option<PathBuf>,
    /// Where machine code comes from.
    pub compiler: Compiler,
    /// Instances at once, over all slots, that have up to 64 MiB of memory each.
    pub instances_max: u32,
    /// Instances at once, over all slots, that may have more: up to 512 MiB each, for script engines.
    pub large_instances_max: u32,
}

impl HostConfig {
    /// A host that compiles with `compiler` and keeps nothing.
    pub fn new(compiler: Compiler) -> Self {
        Self { compiled_dir: None, compiler, instances_max: INSTANCES_MAX, large_instances_max: LARGE_INSTANCES_MAX }
    }

    /// Keeps compiled plugins in this folder.
    pub fn with_compiled_dir(self, dir: PathBuf) -> Self {
        Self { compiled_dir: Some(dir), ..self }
    }
}
