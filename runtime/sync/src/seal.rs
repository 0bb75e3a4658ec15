use std::fmt;

use serde::{Deserialize, Serialize};
use switchyard_store::{Revision, Snapshot, keyspace};
use switchyard_types::{Digest, Generation};

use crate::{KeyError, ServerKey, TrustKey};

/// Changes whose ids a seal remembers: as many as others usually make while somebody learns what has become of a change whose
/// answer was lost. Whoever takes longer does not learn it.
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
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes))))
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
    /// The store's revisions of those but the newest, whose revision is that of the seal: each change notes the one before.
    /// Shorter than that where the change before was made by a version that notes none.
    #[serde(default)]
    pub revisions: Vec<u64>,
    /// Of a server, over the generation and the digest.
    pub signature: String,
}

impl Seal {
    /// Seals these documents. `before` is the seal that this one replaces, which stands at that revision.
    pub(crate) fn new(
        key: &ServerKey,
        generation: Generation,
        documents: &Snapshot,
        before: Option<(&Self, Revision)>,
        change: ChangeId,
    ) -> Self {
        let documents = digest(documents);
        let (changes, revisions) = before.map_or_else(Default::default, |(seal, at)| {
            (last(&seal.changes, CHANGES_MAX - 1), [last(&seal.revisions, CHANGES_MAX - 2), vec![at.0]].concat())
        });
        let changes = [changes, vec![change]].concat();
        Self { generation, documents, changes, revisions, signature: key.sign(&message(generation, documents)) }
    }

    /// What this seal, which stands at that revision, says of a change that was to be made to `before`.
    pub(crate) fn tells(&self, at: Revision, change: &ChangeId, before: Option<&Self>) -> Told {
        let mut newest_first = self.changes.iter().rev();
        if let Some(age) = newest_first.position(|made| made == change) {
            let revisions = self.revisions.iter().rev().map(|revision| Revision(*revision));
            return [at].into_iter().chain(revisions).nth(age).map_or(Told::Nothing, Told::MadeAt);
        }
        // Whether everything since is remembered.
        let reaches_back = match before.and_then(|seal| seal.changes.last()) {
            Some(before) => self.changes.contains(before),
            None => self.changes.len() < CHANGES_MAX,
        };
        if reaches_back { Told::NotMade } else { Told::Nothing }
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

fn last<T: Clone>(items: &[T], count: usize) -> Vec<T> {
    items.get(items.len().saturating_sub(count)..).unwrap_or_default().to_vec()
}

/// What a seal says of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    MadeAt(Revision),
    NotMade,
    /// Too much has been changed since, or by somebody else than a server.
    Nothing,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_tells_of_a_change_what_it_can_know() {
        let key = ServerKey::from_secret_text(&"7".repeat(64)).unwrap();
        let documents = Snapshot::default();
        let (first, ours) = (ChangeId::generate().unwrap(), ChangeId::generate().unwrap());
        let seal = |before: Option<(&Seal, u64)>, change: &ChangeId| {
            let before = before.map(|(seal, at)| (seal, Revision(at)));
            Seal::new(&key, Generation::default(), &documents, before, change.clone())
        };
        let before = seal(None, &first);
        let made = seal(Some((&before, 10)), &ours);
        assert_eq!(made.tells(Revision(20), &ours, Some(&before)), Told::MadeAt(Revision(20)));
        // The same others come after ours, or without it.
        let (mut with, mut without, mut told) = (made, before.clone(), Vec::new());
        for n in 0..CHANGES_MAX as u64 {
            let other = ChangeId::generate().unwrap();
            with = seal(Some((&with, 20 + n)), &other);
            without = seal(Some((&without, 10 + n)), &other);
            let at = Revision(21 + n);
            told.push((with.tells(at, &ours, Some(&before)), without.tells(at, &ours, Some(&before))));
        }
        let remembered = CHANGES_MAX - 1;
        assert!(told[..remembered].iter().all(|told| *told == (Told::MadeAt(Revision(20)), Told::NotMade)), "{told:?}");
        assert_eq!(told[remembered..], [(Told::Nothing, Told::Nothing)]);
        assert_eq!((with.changes.len(), with.revisions.len()), (CHANGES_MAX, CHANGES_MAX - 1));
        // Of the first change of all there is nothing before.
        assert_eq!(before.tells(Revision(5), &ours, None), Told::NotMade);
        assert_eq!(with.tells(Revision(99), &first, None), Told::Nothing);
    }

    #[test]
    fn a_seal_of_a_version_that_notes_no_revisions_is_read() {
        let key = ServerKey::from_secret_text(&"7".repeat(64)).unwrap();
        let (first, ours) = (ChangeId::generate().unwrap(), ChangeId::generate().unwrap());
        let seal = Seal::new(&key, Generation::default(), &Snapshot::default(), None, first.clone());
        let mut value = serde_json::to_value(&seal).unwrap();
        value.as_object_mut().unwrap().remove("revisions");
        let old: Seal = serde_json::from_value(value).unwrap();
        assert_eq!(old, seal);
        let after =
            Seal::new(&key, Generation::default(), &Snapshot::default(), Some((&old, Revision(7))), ours.clone());
        assert_eq!(after.tells(Revision(9), &first, None), Told::MadeAt(Revision(7)));
        // Two changes of such a version: nobody knows where the first of them was made.
        let unknown = Seal { revisions: Vec::new(), ..after };
        assert_eq!(unknown.tells(Revision(9), &first, None), Told::Nothing);
    }
}
