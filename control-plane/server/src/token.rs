//! Tokens: one for operators and one that nodes join with. Each is shown once when it is made, and kept only as its hash.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use switchyard_store::{ConfigStore, Operation, Precondition, StoreError, Transaction, keyspace};
use switchyard_types::Digest;
use tokio::time::timeout;

/// 256 bits: nobody guesses it, so it needs neither salt nor a slow hash.
const TOKEN_BYTES: usize = 32;
/// Tells scanners of logs and repositories what they found.
const PREFIX: &str = "swy_";
/// Characters of a token; a longer one is not hashed at all.
const TOKEN_CHARS: usize = PREFIX.len() + 2 * TOKEN_BYTES;

/// How long the store may take to say what is right.
const STORE_TIME_MAX: Duration = Duration::from_secs(5);
/// How old what is known of a node's token may be: nodes ask often, and a rotation may count a moment later for them.
const NODES_KNOWN_MAX: Duration = Duration::from_secs(2);

/// Who presents a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// An operator: everything.
    Admin,
    /// A node: to read what is declared, to fetch plugins, to say what has become of it.
    Node,
    /// Another server of the fleet. Its token follows from the servers' key, and no other can be made.
    Peer,
}

impl Role {
    /// Those whose tokens are in the store.
    const STORED: [Self; 2] = [Self::Admin, Self::Node];

    fn key(self) -> String {
        match self {
            Self::Admin => keyspace::admin_token(),
            Self::Node => keyspace::node_token(),
            Self::Peer => format!("{}peer-token", keyspace::TRUST),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Admin => "admin",
            Self::Node => "node",
            Self::Peer => "peer",
        })
    }
}

/// Why a token could not be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The store did not do its part.
    #[error("the tokens cannot be read or written")]
    Store(#[from] StoreError),
    /// The machine gave no random numbers.
    #[error("there are no random numbers for a token")]
    Random(#[source] getrandom::Error),
    /// What is stored is not the hash of a token.
    #[error("the stored hash of a token is damaged: make a new token")]
    Damaged(#[source] serde_json::Error),
}

/// A token in the clear: `swy_` and 64 hexadecimal digits. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
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

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredToken {
    /// SHA-256 of the whole token.
    digest: Digest,
}

/// Makes a token where there is none, and returns it for the one time that it can be shown. None: there is one.
pub async fn ensure(store: &dyn ConfigStore, role: Role) -> Result<Option<Token>, TokenError> {
    if store.get(&role.key()).await?.is_some() {
        return Ok(None);
    }
    match write(store, role, vec![(role.key(), Precondition::Absent)]).await {
        Err(TokenError::Store(StoreError::Conflict { .. })) => Ok(None),
        other => other.map(Some),
    }
}

/// Makes a new token; the old one is no longer taken.
pub async fn rotate(store: &dyn ConfigStore, role: Role) -> Result<Token, TokenError> {
    write(store, role, Vec::new()).await
}

/// Whose token `presented` is; none: nobody's. Asks the store every time, so that a rotation counts at once.
pub async fn verify(store: &dyn ConfigStore, presented: &str) -> Result<Option<Role>, TokenError> {
    let Some(presented) = hash(presented) else { return Ok(None) };
    for role in Role::STORED {
        if stored(store, role).await?.is_some_and(|stored| equal(&stored, &presented)) {
            return Ok(Some(role));
        }
    }
    Ok(None)
}

/// Checks tokens for a server. It remembers what the store said last: nodes ask too often for the store to be asked each
/// time, and while the store is away nobody is locked out who had a right to come in.
pub(crate) struct Tokens {
    peer: Digest,
    known: Mutex<BTreeMap<Role, Known>>,
}

#[derive(Clone, Copy)]
struct Known {
    digest: Option<Digest>,
    at: Instant,
}

impl Tokens {
    pub(crate) fn new(peer_token: &str) -> Self {
        Self { peer: Digest::of(peer_token.as_bytes()), known: Mutex::default() }
    }

    /// Whose token `presented` is; none: nobody's.
    pub(crate) async fn verify(&self, store: &dyn ConfigStore, presented: &str) -> Result<Option<Role>, TokenError> {
        let Some(presented) = hash(presented) else { return Ok(None) };
        if equal(&self.peer, &presented) {
            return Ok(Some(Role::Peer));
        }
        let known = |role| self.known.lock().get(&role).copied();
        let fresh = known(Role::Node).filter(|known| known.at.elapsed() < NODES_KNOWN_MAX);
        if fresh.and_then(|known| known.digest).is_some_and(|digest| equal(&digest, &presented)) {
            return Ok(Some(Role::Node));
        }
        for role in Role::STORED {
            let digest = match stored(store, role).await {
                Ok(digest) => {
                    self.known.lock().insert(role, Known { digest, at: Instant::now() });
                    digest
                }
                Err(TokenError::Store(StoreError::Unavailable(error))) => match known(role) {
                    Some(known) => known.digest,
                    None => return Err(StoreError::Unavailable(error).into()),
                },
                Err(error) => return Err(error),
            };
            if digest.is_some_and(|digest| equal(&digest, &presented)) {
                return Ok(Some(role));
            }
        }
        Ok(None)
    }
}

/// Of what may be a token at all.
fn hash(presented: &str) -> Option<Digest> {
    (presented.len() == TOKEN_CHARS).then(|| Digest::of(presented.as_bytes()))
}

fn equal(one: &Digest, other: &Digest) -> bool {
    one.hex().as_bytes().ct_eq(other.hex().as_bytes()).into()
}

async fn stored(store: &dyn ConfigStore, role: Role) -> Result<Option<Digest>, TokenError> {
    let asked = timeout(STORE_TIME_MAX, store.get(&role.key())).await;
    let Some(entry) = asked.map_err(|elapsed| StoreError::Unavailable(elapsed.into()))?? else { return Ok(None) };
    let stored: StoredToken = serde_json::from_slice(&entry.value).map_err(TokenError::Damaged)?;
    Ok(Some(stored.digest))
}

async fn write(
    store: &dyn ConfigStore,
    role: Role,
    preconditions: Vec<(String, Precondition)>,
) -> Result<Token, TokenError> {
    let token = Token::generate()?;
    let stored = StoredToken { digest: Digest::of(token.as_str().as_bytes()) };
    let value = serde_json::to_vec(&stored).map_err(TokenError::Damaged)?;
    let operations = vec![Operation::put(role.key(), value)];
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
        assert_eq!(verify(&store, &format!("swy_{}", "0".repeat(64))).await.unwrap(), None, "there is no token yet");

        let token = ensure(&store, Role::Admin).await.unwrap().unwrap();
        assert_eq!(token.as_str().len(), TOKEN_CHARS);
        assert!(ensure(&store, Role::Admin).await.unwrap().is_none());
        assert_eq!(verify(&store, token.as_str()).await.unwrap(), Some(Role::Admin));
        assert!(!format!("{token:?}").contains("swy_"));
        let kept = store.get(&keyspace::admin_token()).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&kept.value).contains(&token.as_str()[4..]));

        for wrong in ["", "swy_", &token.as_str()[1..], &token.as_str().to_uppercase(), &format!("{}0", token.as_str())]
        {
            assert_eq!(verify(&store, wrong).await.unwrap(), None, "{wrong}");
        }

        let new = rotate(&store, Role::Admin).await.unwrap();
        assert_eq!(verify(&store, new.as_str()).await.unwrap(), Some(Role::Admin));
        assert_eq!(verify(&store, token.as_str()).await.unwrap(), None, "the old token is gone");

        let node = ensure(&store, Role::Node).await.unwrap().unwrap();
        let tokens = Tokens::new(&format!("swy_{}", "7".repeat(64)));
        assert_eq!(tokens.verify(&store, &format!("swy_{}", "7".repeat(64))).await.unwrap(), Some(Role::Peer));
        for (token, role) in [(&new, Some(Role::Admin)), (&node, Some(Role::Node)), (&token, None)] {
            assert_eq!(tokens.verify(&store, token.as_str()).await.unwrap(), role);
            assert_eq!(verify(&store, token.as_str()).await.unwrap(), role);
        }
    }
}
