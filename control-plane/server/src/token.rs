//! The admin token: shown once when it is made, kept only as its hash.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use switchyard_store::{ConfigStore, Operation, Precondition, StoreError, Transaction, keyspace};
use switchyard_types::Digest;

/// 256 bits: nobody guesses it, so it needs neither salt nor a slow hash.
const TOKEN_BYTES: usize = 32;
/// Tells scanners of logs and repositories what they found.
const PREFIX: &str = "swy_";
/// Characters of a token; a longer one is not hashed at all.
const TOKEN_CHARS: usize = PREFIX.len() + 2 * TOKEN_BYTES;

/// Why a token could not be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The store did not do its part.
    #[error("the admin token cannot be read or written")]
    Store(#[from] StoreError),
    /// The machine gave no random numbers.
    #[error("there are no random numbers for a token")]
    Random(#[source] getrandom::Error),
    /// What is stored is not the hash of a token.
    #[error("the stored hash of the admin token is damaged: make a new token")]
    Damaged(#[source] serde_json::Error),
}

/// A token in the clear: `swy_` and 64 hexadecimal digits. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct AdminToken(String);

impl AdminToken {
    fn generate() -> Result<Self, TokenError> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(format!("{PREFIX}{digits}")))
    }

    /// The text that clients send.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AdminToken(…)")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredToken {
    /// SHA-256 of the whole token.
    digest: Digest,
}

/// Makes the admin token where there is none, and returns it for the one time that it can be shown. None: there is one.
pub async fn ensure(store: &dyn ConfigStore) -> Result<Option<AdminToken>, TokenError> {
    if store.get(&keyspace::admin_token()).await?.is_some() {
        return Ok(None);
    }
    match write(store, vec![(keyspace::admin_token(), Precondition::Absent)]).await {
        Err(TokenError::Store(StoreError::Conflict { .. })) => Ok(None),
        other => other.map(Some),
    }
}

/// Makes a new admin token; the old one is no longer taken.
pub async fn rotate(store: &dyn ConfigStore) -> Result<AdminToken, TokenError> {
    write(store, Vec::new()).await
}

/// Whether `presented` is the admin token. Asks the store every time, so that a rotation counts at once.
pub async fn verify(store: &dyn ConfigStore, presented: &str) -> Result<bool, TokenError> {
    if presented.len() != TOKEN_CHARS {
        return Ok(false);
    }
    let Some(stored) = store.get(&keyspace::admin_token()).await? else { return Ok(false) };
    let stored: StoredToken = serde_json::from_slice(&stored.value).map_err(TokenError::Damaged)?;
    let presented = Digest::of(presented.as_bytes());
    Ok(stored.digest.hex().as_bytes().ct_eq(presented.hex().as_bytes()).into())
}

async fn write(store: &dyn ConfigStore, preconditions: Vec<(String, Precondition)>) -> Result<AdminToken, TokenError> {
    let token = AdminToken::generate()?;
    let stored = StoredToken { digest: Digest::of(token.as_str().as_bytes()) };
    let value = serde_json::to_vec(&stored).map_err(TokenError::Damaged)?;
    let operations = vec![Operation::put(keyspace::admin_token(), value)];
    store.txn(Transaction { preconditions, operations }).await?;
    Ok(token)
}

#[cfg(test)]
mod tests {
    use switchyard_store::EmbeddedStore;

    use super::*;

    #[tokio::test]
    async fn a_token_is_shown_once_and_kept_as_its_hash() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        assert!(!verify(&store, &format!("swy_{}", "0".repeat(64))).await.unwrap(), "there is no token yet");

        let token = ensure(&store).await.unwrap().unwrap();
        assert_eq!(token.as_str().len(), TOKEN_CHARS);
        assert!(ensure(&store).await.unwrap().is_none());
        assert!(verify(&store, token.as_str()).await.unwrap());
        assert!(!format!("{token:?}").contains("swy_"));
        let kept = store.get(&keyspace::admin_token()).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&kept.value).contains(&token.as_str()[4..]));

        for wrong in ["", "swy_", &token.as_str()[1..], &token.as_str().to_uppercase(), &format!("{}0", token.as_str())]
        {
            assert!(!verify(&store, wrong).await.unwrap(), "{wrong}");
        }

        let new = rotate(&store).await.unwrap();
        assert!(verify(&store, new.as_str()).await.unwrap());
        assert!(!verify(&store, token.as_str()).await.unwrap(), "the old token is gone");
    }
}
