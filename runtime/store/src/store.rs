use std::{collections::BTreeMap, pin::Pin, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;

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

/// One key after a transaction; without an entry it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which key.
    pub key: String,
    /// What stands there now.
    pub entry: Option<Versioned>,
}

/// What a follower of a prefix is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// What one transaction changed under the prefix, whole.
    Changed {
        /// Of the transaction: greater than that of every update before.
        revision: Revision,
        /// Never empty, one for each key.
        changes: Vec<Change>,
    },
    /// A bookmark: nothing at or before this revision is still to come.
    Progress(Revision),
    /// The store has shown that it is there, and no more.
    Alive,
}

/// Updates in the order of their revisions, none left out and none twice. It ends with an error or not at all; what
/// ends it is [`StoreError::Unavailable`] or, when the reader is too slow for the history that the store keeps,
/// [`StoreError::Compacted`]. A store that is silent for longer than [`HEARTBEAT`] twice over is not there any more.
pub type Updates = Pin<Box<dyn Stream<Item = Result<Update, StoreError>> + Send>>;

/// How often at least a stream of updates says something.
pub const HEARTBEAT: Duration = Duration::from_secs(5);

/// Names a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// Small versioned values under `/`-separated keys, with transactions, updates and leases. The implementations differ in
/// where the values live; `contract` holds what all of them promise.
#[async_trait]
pub trait ConfigStore: Send + Sync + 'static {
    /// One key.
    async fn get(&self, key: &str) -> Result<Option<Versioned>, StoreError>;

    /// Keys of a range, in order, with the revision that they were read at.
    async fn list(&self, range: Range<'_>) -> Result<Snapshot, StoreError>;

    /// Everything under a prefix at one revision.
    async fn snapshot(&self, prefix: &str) -> Result<Snapshot, StoreError>;

    /// Applies a transaction. A precondition that does not hold is [`StoreError::Conflict`] and nothing has changed; a
    /// [`StoreError::Unavailable`] leaves the outcome unknown, to be read back.
    async fn txn(&self, transaction: Transaction) -> Result<Revision, StoreError>;

    /// What happens under a prefix after a revision. [`StoreError::Compacted`] when the store does not know that any more,
    /// or does not know that revision at all: read a snapshot and go on from there. Who follows for long uses
    /// [`crate::watch`], which does so.
    async fn updates(&self, prefix: &str, after: Revision) -> Result<Updates, StoreError>;

    /// A lease that ends after `ttl`, in whole seconds and at least one, unless it is kept alive.
    async fn lease(&self, ttl: Duration) -> Result<LeaseId, StoreError>;

    /// Lets a lease live for another `ttl`; [`StoreError::LeaseEnded`] when it is too late for that.
    async fn keep_alive(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Ends a lease now, and with it the keys that are bound to it. One that has ended is no error.
    async fn revoke(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// Forgets the history before a revision: a follower that is further behind lists again.
    async fn compact(&self, revision: Revision) -> Result<(), StoreError>;
}
