//! The configuration store: small versioned values under keys, changed by transactions, followed by watches; and beside
//! it the blobs, the bytes of plugins under their digests. It is the only crate that will name etcd.
//!
//! What this is not: a place for figures or for events, and no judge of what the values mean.
//!
//! Start reading at [`ConfigStore`]; `keyspace` lists every key that exists, `contract` what every implementation
//! promises. [`EmbeddedStore`] is the one for a single process.

mod blobs;
mod bounds;
pub mod contract;

mod database;
mod embedded;
mod error;
pub mod keyspace;
mod store;
mod watches;

pub use blobs::{BLOB_BYTES_MAX, BlobError, BlobSource, BlobStore};
pub use bounds::{KEY_BYTES_MAX, LIST_ENTRIES_MAX, OPERATIONS_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX};
pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub use store::{
    ConfigStore, Leadership, LeaseId, Operation, Precondition, Range, Revision, Snapshot, SnapshotWatch, Transaction,
    Versioned,
};
