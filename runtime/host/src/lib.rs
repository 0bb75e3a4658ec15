//! The WebAssembly host: plugins become compiled components, compiled components become strategies, strategies decide in
//! slots. It is the only crate that names wasmtime, and none of its types leave it.
//!
//! The way of a plugin: [`Host::load`] (compile in a worker process, link, describe) gives a [`Plugin`];
//! [`Plugin::strategy`] (configure, self-test on a throw-away instance) gives a [`Strategy`]; [`caching::CachingSlot`]
//! holds one instance per shard and swaps them under load.
//!
//! What this is not: it knows no protocol, no file format of the control plane, and no policy beyond "the fallback
//! decides". Start reading at `instance.rs` (one call into a guest) and `slot/swap.rs` (the staged swap).

pub mod alerting;
mod any;
mod bindings;
pub mod caching;
mod compile;
mod config;
mod contract;
mod corpus;
mod description;
mod engine;
mod error;
mod figures;
mod functions;
mod gauges;
mod guest_state;
mod host;
mod instance;
mod keyed_hash;
mod kind;
mod kinds;
mod meter;
mod plugin;
mod policy;
mod pool;
mod progress;
mod quarantine;
mod rejected;
pub mod routing;
pub mod scheduling;
pub mod scoring;
mod slot;
#[doc(hidden)]
pub mod steps;
mod strategy;
/// The fixtures of the tests outside, which call this crate by its name.
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
mod support;
mod ticker;

#[cfg(test)]
extern crate self as switchyard_host;

pub use any::{StrategySlot, SwapOrder};
pub use compile::compile_worker;
pub use config::{Compiler, HostConfig};
pub use error::{CallError, HostError};
pub use gauges::HostGauges;
pub use host::Host;
pub use keyed_hash::KeyedHash;
pub use plugin::Plugin;
pub use progress::Progress;
pub use rejected::RejectedStates;
pub use slot::{SlotFigures, State, StateStore, SwapReport, Upkeep};
pub use strategy::{Strategy, StrategyIdentity, canonical};
