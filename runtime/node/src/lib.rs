//! The node agent: it turns what is wanted into strategies that run, keeps on disk what it would need to do so alone, and
//! reports what has become of it.
//!
//! What this is not: it decides nothing about caching, serves no admin API and never talks to a server. It follows a
//! [`ConfigStore`](switchyard_store::ConfigStore), fetches plugins from a [`BlobSource`](switchyard_store::BlobSource),
//! and goes on with what it has when either is gone.
//!
//! Start reading at [`Node`]; `reconcile/steps.rs` is the pure part (what is to be done) and `reconcile/reconciler.rs` the
//! part that does it.

mod agent;
mod backoff;
mod causes;
mod checkpoint;
mod config;
mod engines;
mod error;
mod files;
mod folder;
mod node;
mod reconcile;
mod report;
mod shared;
mod upstream;

pub use config::{NodeConfig, Secret, compiled_dir};
pub use error::NodeError;
pub use node::{Node, NodeHandle, pinned_trust};
pub use switchyard_tasks::Durability;
pub use upstream::Upstream;
