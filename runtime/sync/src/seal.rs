use std::fmt;

use serde::{Deserialize, Serialize};
use switchyard_store::{Snapshot, keyspace};
use switchyard_types::{Digest, Generation};

use crate::{KeyError, ServerKey, TrustKey};

/// Changes whose ids a seal remembers: more than are ever under way at once, so that whoever does not know whether a change
/// of theirs was made finds its id here, or knows that it was not.
const CHANGES_MAX: usize = 32;

/// Names one change of the desired state: 32 hexadecimal digits that nobody else draws.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChangeId(String);

impl ChangeId {
    /// A new one.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|_| KeyError::Random)?;
        Ok(Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    }
}

impl fmt::Debug for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands over everything that is declared: its generation, and a signature over all of it. It is written in every
/// transaction that changes a document, so that the documents and the seal of one revision always belong together: a document
/// that was changed, added, taken away or brought back from an older generation by anybody but a server breaks it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Of the desired state.
    pub generation: Generation,
    /// Over every declared document and its key.
    pub documents: Digest,
    /// The ids of the last changes, the newest last.
    pub changes: Vec<ChangeId>,
    /// Of a server, over the generation and the digest.
    pub signature: String,
}

impl Seal {
    /// Seals these documents. `before` is the seal that this one replaces.
    pub(crate) fn new(
        key: &ServerKey,
        generation: Generation,
        documents: &Snapshot,
        before: Option<&Self>,
        change: ChangeId,
    ) -> Self {
        let documents = digest(documents);
        let before = before.map(|seal| seal.changes.as_slice()).unwrap_or_default();
        let kept = before.len().saturating_sub(CHANGES_MAX - 1);
        let changes = before.iter().skip(kept).cloned().chain([change]).collect();
        Self { generation, documents, changes, signature: key.sign(&message(generation, documents)) }
    }

    /// Whether a server that is trusted has sealed just these documents.
    pub(crate) fn covers(&self, documents: &Snapshot, trust: &TrustKey) -> Covers {
        if self.documents != digest(documents) {
            return Covers::OtherDocuments;
        }
        if !trust.signed(&message(self.generation, self.documents), &self.signature) {
            return Covers::OtherSigner;
        }
        Covers::Yes
    }
}

/// What a seal says of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covers {
    Yes,
    OtherDocuments,
    OtherSigner,
}

/// Nothing else that the key signs begins like this.
fn message(generation: Generation, documents: Digest) -> Vec<u8> {
    format!("switchyard desired state 1\n{generation}\n{documents}\n").into_bytes()
}

/// Over every key but the seal's own, in their order, and over the digest of each value: no two sets of documents give the
/// same text.
fn digest(documents: &Snapshot) -> Digest {
    let mut text = String::new();
    for (key, entry) in documents.entries.iter().filter(|(key, _)| *key != keyspace::SEAL) {
        text.push_str(key);
        text.push(' ');
        text.push_str(&Digest::of(&entry.value).hex());
        text.push('\n');
    }
    Digest::of(text.as_bytes())
}
