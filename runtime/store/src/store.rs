use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

use crate::StoreError;

/// The store's version of a key or of everything: grows with every transaction that changes something. The generation of
/// a desired state is something else, and lives inside values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

/// A value and the revision that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The bytes as they were put.
    pub value: Bytes,
    /// Of the last put.
    pub revision: Revision,
}

/// What must hold for a transaction to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// The key does not exist.
    Absent,
    /// The key exists, whatever its revision.
    Present,
    /// The key was last put at this revision.
    At(Revision),
}

/// One change of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Writes a value; with a lease it goes away when the lease ends.
    Put {
        /// Where.
        key: String,
        /// What.
        value: Bytes,
        /// Bound to this lease.
        lease: Option<LeaseId>,
    },
    /// Removes a key; one that does not exist is no error.
    Delete {
        /// Which.
        key: String,
    },
}

impl Operation {
    /// Writes a value without a lease.
    pub fn put(key: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: None }
    }

    /// Removes a key.
    pub fn delete(key: impl Into<String>) -> Self {
        Self::Delete { key: key.into() }
    }

    /// What it changes.
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// All of it or nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// Checked first, together.
    pub preconditions: Vec<(String, Precondition)>,
    /// Applied in order; a key may stand in one operation only.
    pub operations: Vec<Operation>,
}

/// Every key under a prefix at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Of the store when the snapshot was taken.
    pub revision: Revision,
    /// In the order of keys.
    pub entries: BTreeMap<String, Versioned>,
}

/// Part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a str,
    /// Only keys greater than this; none: from the first.
    pub after: Option<&'a str>,
    /// At most so many, 1 to [`crate::LIST_ENTRIES_MAX`].
    pub limit: usize,
}

/// Whole snapshots of a prefix: the first is there at once, later ones as they come, each complete. A slow reader sees
/// the newest and misses those between. The sender goes away when the store closes. Changes elsewhere in the store wake
/// nobody, so the snapshot's revision is that of the last change under the prefix, or of the store when it was first read.
pub type SnapshotWatch = watch::Receiver<Arc<Snapshot>>;

/// Names a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeaseId(pub u64);

/// Holding an election. Every write of a leader carries `Precondition::At(revision)` on `key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// The leader key.
    pub key: String,
    /// The revision that created it.
    pub revision: Revision,
}

/// Small versioned values under `/`-separated keys, with transactions and watches. The implementations differ in where
/// the values live; `contract` holds what all of them promise.
#[async_trait]
pub trait ConfigStore: Send + Sync + 'static {
    /// One key.
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError>;

    /// Keys of a range, in order, with the revision that they were read at.
    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError>;

    /// Applies a transaction. A precondition that does not hold is [`StoreError::Conflict`] and nothing has changed; a
    /// [`StoreError::Unavailable`] leaves the outcome unknown, to be read back.
    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError>;

    /// Follows everything under a prefix.
    async fn watch(&self, prefix: &str) -> Result<SnapshotWatch, StoreError>;

    /// A lease that ends after `ttl` unless it is kept alive.
    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError>;

    /// Lets a lease live for another `ttl`.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Waits until this candidate leads the election, for as long as the lease lives.
    async fn campaign(&self, election: &str, candidate: &str, lease: LeaseId) -> Result<Leadership, StoreError>;
}
