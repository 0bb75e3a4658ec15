//! The admin API: plugins are published, strategies declared, nodes looked at. What it accepts, the nodes can run: a
//! plugin is compiled, linked, described, configured and self-tested before it is published, a configuration is held
//! against its schema and tried before it is declared.
//!
//! What this is not: the server never calls a node. It writes what is wanted into the store and reads there what nodes are; nodes
//! ask it for plugins, and tell the server that leads what has happened on them.
//!
//! Start reading at [`Server`]. `registry.rs` is the way of a plugin, `declarations.rs` that of a strategy, `workshop.rs`
//! what both are tried in; `http/` only extracts, calls and maps.

mod blobs;
mod clock;
mod config;
mod declarations;
mod documents;
mod fleet;
mod gate;
mod http;
pub mod key;
mod lead;
mod leader;
mod paging;
mod peers;
mod problem;
mod registry;
mod reports;
mod schema;
mod server;
mod streams;
#[cfg(test)]
mod testing;
pub mod token;
mod workshop;

pub use config::ServerConfig;
pub use http::openapi;
pub use server::Server;
