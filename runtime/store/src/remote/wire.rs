//! What a server and a [`super::RemoteStore`] say to each other: JSON, values in base64.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    Change, LeaseId, Operation, Precondition, Revision, Snapshot, StoreError, Transaction, Update, Versioned,
    error::chain,
};

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireEntry {
    /// Its bytes.
    #[serde(serialize_with = "encode", deserialize_with = "decode")]
    pub value: Vec<u8>,
    /// Of the last put.
    pub revision: u64,
}

/// A key with its value; in a change without one it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireKey {
    /// Which.
    pub key: String,
    /// What stands there.
    pub entry: Option<WireEntry>,
}

/// Keys at one revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireSnapshot {
    /// Of the store.
    pub revision: u64,
    /// In their order.
    pub keys: Vec<WireKey>,
}

/// A line of a stream of updates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireUpdate {
    /// See [`Update::Changed`].
    Changed {
        /// Of the transaction.
        revision: u64,
        /// Each key once.
        changes: Vec<WireKey>,
    },
    /// See [`Update::Progress`].
    Progress(u64),
    /// See [`Update::Alive`].
    Alive,
    /// The stream's last line.
    Error(WireError),
}

/// A transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireTransaction {
    /// Checked first, together.
    pub preconditions: Vec<(String, WirePrecondition)>,
    /// Applied in order.
    pub operations: Vec<WireOperation>,
}

/// See [`Precondition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WirePrecondition {
    /// There is no such key.
    Absent,
    /// There is one.
    Present,
    /// It was last put at this revision.
    At(u64),
}

/// See [`Operation`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireOperation {
    /// Writes a value.
    Put {
        /// Where.
        key: String,
        /// What.
        #[serde(serialize_with = "encode", deserialize_with = "decode")]
        value: Vec<u8>,
        /// Bound to this lease.
        lease: Option<u64>,
    },
    /// Removes a key.
    Delete {
        /// Which.
        key: String,
    },
}

/// Why the store behind the server did not do it; see [`StoreError`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireError {
    /// A precondition did not hold.
    Conflict {
        /// Of which key.
        key: String,
        /// Its revision.
        found: Option<u64>,
    },
    /// A bound, or not well-formed.
    Invalid(String),
    /// List again.
    Compacted {
        /// After which something was asked for.
        after: u64,
    },
    /// The lease has ended.
    LeaseEnded,
    /// No space; nothing was changed.
    Full(String),
    /// Too much at once; nothing was changed.
    Busy,
    /// Not a store that can be used.
    Foreign(String),
    /// The outcome is unknown.
    Unavailable(String),
}

fn encode<S: Serializer>(bytes: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}

impl From<Versioned> for WireEntry {
    fn from(entry: Versioned) -> Self {
        Self { value: entry.value.to_vec(), revision: entry.revision.0 }
    }
}

impl From<WireEntry> for Versioned {
    fn from(entry: WireEntry) -> Self {
        Self { value: entry.value.into(), revision: Revision(entry.revision) }
    }
}

impl From<Change> for WireKey {
    fn from(change: Change) -> Self {
        Self { key: change.key, entry: change.entry.map(Into::into) }
    }
}

impl From<WireKey> for Change {
    fn from(change: WireKey) -> Self {
        Self { key: change.key, entry: change.entry.map(Into::into) }
    }
}

impl From<Snapshot> for WireSnapshot {
    fn from(snapshot: Snapshot) -> Self {
        let keys = snapshot.entries.into_iter().map(|(key, entry)| WireKey { key, entry: Some(entry.into()) });
        Self { revision: snapshot.revision.0, keys: keys.collect() }
    }
}

impl From<WireSnapshot> for Snapshot {
    fn from(snapshot: WireSnapshot) -> Self {
        let entries = snapshot.keys.into_iter().filter_map(|one| Some((one.key, one.entry?.into())));
        Self { revision: Revision(snapshot.revision), entries: entries.collect() }
    }
}

impl From<Result<Update, StoreError>> for WireUpdate {
    fn from(update: Result<Update, StoreError>) -> Self {
        match update {
            Ok(Update::Changed { revision, changes }) => {
                Self::Changed { revision: revision.0, changes: changes.into_iter().map(Into::into).collect() }
            }
            Ok(Update::Progress(revision)) => Self::Progress(revision.0),
            Ok(Update::Alive) => Self::Alive,
            Err(error) => Self::Error(error.into()),
        }
    }
}

impl From<WireUpdate> for Result<Update, StoreError> {
    fn from(update: WireUpdate) -> Self {
        Ok(match update {
            WireUpdate::Changed { revision, changes } => {
                Update::Changed { revision: Revision(revision), changes: changes.into_iter().map(Into::into).collect() }
            }
            WireUpdate::Progress(revision) => Update::Progress(Revision(revision)),
            WireUpdate::Alive => Update::Alive,
            WireUpdate::Error(error) => return Err(error.into()),
        })
    }
}

impl From<Transaction> for WireTransaction {
    fn from(transaction: Transaction) -> Self {
        let preconditions = transaction.preconditions.into_iter().map(|(key, holds)| {
            let holds = match holds {
                Precondition::Absent => WirePrecondition::Absent,
                Precondition::Present => WirePrecondition::Present,
                Precondition::At(revision) => WirePrecondition::At(revision.0),
            };
            (key, holds)
        });
        let operations = transaction.operations.into_iter().map(|operation| match operation {
            Operation::Put { key, value, lease } => {
                WireOperation::Put { key, value: value.to_vec(), lease: lease.map(|lease| lease.0) }
            }
            Operation::Delete { key } => WireOperation::Delete { key },
        });
        Self { preconditions: preconditions.collect(), operations: operations.collect() }
    }
}

impl From<WireTransaction> for Transaction {
    fn from(transaction: WireTransaction) -> Self {
        let preconditions = transaction.preconditions.into_iter().map(|(key, holds)| {
            let holds = match holds {
                WirePrecondition::Absent => Precondition::Absent,
                WirePrecondition::Present => Precondition::Present,
                WirePrecondition::At(revision) => Precondition::At(Revision(revision)),
            };
            (key, holds)
        });
        let operations = transaction.operations.into_iter().map(|operation| match operation {
            WireOperation::Put { key, value, lease } => {
                Operation::Put { key, value: value.into(), lease: lease.map(LeaseId) }
            }
            WireOperation::Delete { key } => Operation::Delete { key },
        });
        Self { preconditions: preconditions.collect(), operations: operations.collect() }
    }
}

impl From<StoreError> for WireError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { key, found } => Self::Conflict { key, found: found.map(|revision| revision.0) },
            StoreError::Invalid(reason) => Self::Invalid(reason),
            StoreError::Compacted { after } => Self::Compacted { after: after.0 },
            StoreError::LeaseEnded => Self::LeaseEnded,
            StoreError::Full(reason) => Self::Full(reason),
            StoreError::Busy => Self::Busy,
            StoreError::Foreign(reason) => Self::Foreign(reason),
            StoreError::Unavailable(source) => Self::Unavailable(chain(&*source)),
            StoreError::Locked { .. } => Self::Unavailable(error.to_string()),
        }
    }
}

impl From<WireError> for StoreError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::Conflict { key, found } => Self::Conflict { key, found: found.map(Revision) },
            WireError::Invalid(reason) => Self::Invalid(reason),
            WireError::Compacted { after } => Self::Compacted { after: Revision(after) },
            WireError::LeaseEnded => Self::LeaseEnded,
            WireError::Full(reason) => Self::Full(reason),
            WireError::Busy => Self::Busy,
            WireError::Foreign(reason) => Self::Foreign(reason),
            WireError::Unavailable(reason) => Self::unavailable(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_store_is_not_available_is_told_with_its_causes() {
        let deep = StoreError::unavailable(StoreError::unavailable("connection refused"));
        let told = WireError::from(deep);
        assert_eq!(told, WireError::Unavailable("the store is not available: connection refused".to_owned()));
        // The other side says the first half itself.
        let again = StoreError::from(told);
        assert_eq!(chain(&again), "the store is not available: the store is not available: connection refused");
    }
}
