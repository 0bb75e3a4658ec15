//! The cache engine: a sharded table that forgets, behind the protocol of Redis.
//!
//! A [`Cache`] owns the table and asks the strategy of its slot what to keep; a [`CacheService`] lets clients in; a
//! [`TraceCache`] is the same table for the replay of a trace. A read takes the lock of one shard, copies the value and
//! leaves an event: it never waits for a plugin. A store asks the plugin first, applies its answer under the shard's lock,
//! and evicts by sampled LRU where there is no answer or too few victims.
//!
//! What this is not: a store (a value may be gone at any time, and nothing is written to disk), a Redis (one database, the
//! commands of `command/spec.rs`), or a place for policy. Start reading at `store.rs` (how a decision meets the table),
//! then `table/mod.rs` and `connection.rs`.

mod buffer;
mod cache;
mod clock;
mod command;
mod config;
mod connection;
mod error;
mod events;
mod figures;
mod namespace;
mod resp;
mod server;
mod shard;
mod shards;
mod store;
mod table;
mod trace;
mod value;
mod write;

pub use cache::Cache;
pub use config::{CacheConfig, SHARDS_MAX};
pub use error::CacheError;
pub use figures::CacheFigures;
pub use namespace::namespace_of;
pub use server::CacheService;
pub use table::ENTRY_OVERHEAD_BYTES;
pub use trace::TraceCache;
pub use value::Value;
pub use write::{Condition, Expiry, Write, Written};
