//! From WebAssembly to machine code: in a worker process, kept in a cache that only believes what it wrote itself.

mod cache;
mod client;
mod prune;
mod worker;

pub(crate) use cache::CompiledCache;
pub(crate) use client::compile;
pub use worker::compile_worker;

#[cfg(test)]
mod damage_tests;
