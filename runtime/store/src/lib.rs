//! The configuration store: small versioned values under keys, changed by transactions, followed by watches. It is the
//! only crate that will name etcd.
//!
//! What this is not: a place for plugins' bytes (they are content-addressed blobs), for figures or for events.
//!
//! Start reading at [`ConfigStore`]; `keyspace` lists every key that exists.

mod error;
pub mod keyspace;
mod store;

pub use error::StoreError;
pub use store::{
    ConfigStore, Leadership, LeaseId, Operation, Precondition, Range, Revision, Snapshot, SnapshotWatch, Transaction,
    Versioned,
};
