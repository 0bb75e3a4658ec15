//! The configuration store: small versioned values under keys, changed by transactions, followed by watches; and beside
//! it the blobs, the bytes of plugins under their digests. It is the only crate that names etcd.
//!
//! What this is not: a place for figures or for events, and no judge of what the values mean.
//!
//! Start reading at [`ConfigStore`]; `keyspace` lists every key that exists, `contract` what every implementation
//! promises. [`EmbeddedStore`] is the one for a single process, [`EtcdStore`] the one for a fleet,
//! [`remote::RemoteStore`] the one for whoever reaches a store through a server.

mod backoff;
mod blobs;
mod bounds;
pub mod contract;

mod database;
mod election;
mod embedded;
mod error;
mod etcd;
pub mod histories;
mod history;
pub mod keyspace;
mod lease_keeper;
mod leases;
mod mirror;
mod relay;
pub mod remote;
mod store;
pub mod testing;
mod watch;

pub use blobs::{BLOB_BYTES_MAX, BlobError, BlobSource, BlobStore};
pub use bounds::{
    KEY_BYTES_MAX, LEASE_SECONDS, LIST_ENTRIES_MAX, OPERATIONS_MAX, TRANSACTION_BYTES_MAX, VALUE_BYTES_MAX,
};
pub use election::{Leadership, campaign};
pub use embedded::EmbeddedStore;
pub use error::StoreError;
pub use etcd::{EtcdConfig, EtcdStore, EtcdUser};
pub use lease_keeper::LeaseKeeper;
pub use mirror::{Disorder, Mirror};
pub use relay::RelayStore;
pub use store::{
    Change, ConfigStore, HEARTBEAT, LeaseId, Operation, Precondition, Range, Revision, Snapshot, Transaction, Update,
    Updates, Versioned,
};
pub use watch::{Observation, Recorder, SILENCE_MAX, SnapshotWatch, watch, watch_paced};
