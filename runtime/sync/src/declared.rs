use serde::de::DeserializeOwned;
use switchyard_store::{Revision, Snapshot, keyspace};
use switchyard_types::{Generation, RouteDocument, StrategyDocument};

use crate::{Seal, TrustKey, seal::Covers};

/// Everything that is declared, at one generation, as a trusted server sealed it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Declared {
    /// Of the desired state; the first when nothing was ever declared.
    pub generation: Generation,
    /// Of the store.
    pub revision: Revision,
    /// By name.
    pub strategies: Vec<StrategyDocument>,
    /// By name.
    pub routes: Vec<RouteDocument>,
}

/// Why what a store holds is not followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There are documents and no seal.
    #[error("what is declared has no seal: it was not written by a server")]
    Unsealed,
    /// The documents are not those that were sealed.
    #[error("what is declared is not what a server sealed at generation {0}: somebody else has written to the store")]
    OtherDocuments(Generation),
    /// The seal is not of the pinned key.
    #[error(
        "the seal of generation {0} is not of the server that this node trusts: if the server's key was replaced on \
         purpose, let the node join again"
    )]
    OtherSigner(Generation),
    /// A trusted server wrote what this version cannot read.
    #[error("{key} cannot be read: {reason}")]
    Malformed {
        /// Which.
        key: String,
        /// Why.
        reason: String,
    },
}

/// Opens what a store holds under [`keyspace::DESIRED`]. One document that cannot be read stops the whole: passing over it
/// would take away what it asks for.
pub fn open(snapshot: &Snapshot, trust: &TrustKey) -> Result<Declared, OpenError> {
    let Some(seal) = seal(snapshot)? else {
        // Nothing was ever declared: there is nothing to trust or not to trust.
        let empty = snapshot.entries.is_empty();
        let declared = Declared { revision: snapshot.revision, ..Declared::default() };
        return if empty { Ok(declared) } else { Err(OpenError::Unsealed) };
    };
    match seal.covers(snapshot, trust) {
        Covers::Yes => Ok(Declared {
            generation: seal.generation,
            revision: snapshot.revision,
            strategies: documents(snapshot, keyspace::STRATEGIES)?,
            routes: documents(snapshot, keyspace::ROUTES)?,
        }),
        Covers::OtherDocuments => Err(OpenError::OtherDocuments(seal.generation)),
        Covers::OtherSigner => Err(OpenError::OtherSigner(seal.generation)),
    }
}

/// The seal that stands there; none: nothing was ever declared.
pub(crate) fn seal(snapshot: &Snapshot) -> Result<Option<Seal>, OpenError> {
    let Some(entry) = snapshot.entries.get(keyspace::SEAL) else { return Ok(None) };
    serde_json::from_slice(&entry.value).map(Some).map_err(|error| malformed(keyspace::SEAL, &error))
}

fn documents<T: DeserializeOwned>(snapshot: &Snapshot, prefix: &str) -> Result<Vec<T>, OpenError> {
    let below = snapshot.entries.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
    below.map(|(key, entry)| serde_json::from_slice(&entry.value).map_err(|error| malformed(key, &error))).collect()
}

fn malformed(key: &str, error: &serde_json::Error) -> OpenError {
    OpenError::Malformed { key: key.to_owned(), reason: error.to_string() }
}
