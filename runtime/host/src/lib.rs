//! The WebAssembly host: plugins become compiled components, compiled components become strategies, strategies decide in
//! slots. It is the only crate that names wasmtime, and none of its types leave it.
//!
//! The way of a plugin: [`Host::load`] (compile in a worker process, link, describe) gives a [`Plugin`];
//! [`Plugin::strategy`] (configure, self-test on a throw-away instance) gives a [`Strategy`]; [`caching::CachingSlot`]
//! holds one instance per shard and swaps them under load.
//!
//! What this is not: it knows no protocol, no file format of the control plane, and no policy beyond "the fallback
//! decides". Start reading at `instance.rs` (one call into a guest) and `slot.rs` (the staged swap).

pub mod caching;
mod error;

pub use error::{CallError, HostError};
