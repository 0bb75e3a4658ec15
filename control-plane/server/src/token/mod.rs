//! Tokens: one for operators and one that nodes join with. Each is shown once when it is made, and kept only as its hash, signed
//! with the servers' key: whoever else can write into the store makes no token by that.

mod tokens;

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use switchyard_store::{ConfigStore, Operation, Precondition, StoreError, Transaction, keyspace};
use switchyard_sync::{RecordError, ServerKey, TrustKey, open_record, sign_record};
use switchyard_types::Digest;

use self::tokens::Hashes;
pub(crate) use self::tokens::Tokens;

/// 256 bits: nobody guesses it, so it needs neither salt nor a slow hash.
const TOKEN_BYTES: usize = 32;
/// Tells scanners of logs and repositories what they found.
const PREFIX: &str = "swy_";
/// Characters of a token; a longer one is not hashed at all.
const TOKEN_CHARS: usize = PREFIX.len() + 2 * TOKEN_BYTES;

/// Who presents a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An operator: everything.
    Admin,
    /// A node: to read what is declared, to fetch plugins, to say what has become of it.
    Node,
    /// Another server of the fleet. Its token follows from the servers' key, and no other can be made.
    Peer,
}

impl Role {
    /// Every role.
    pub(crate) const ALL: [Self; 3] = [Self::Admin, Self::Node, Self::Peer];

    /// The name as it stands in messages and between servers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Node => "node",
            Self::Peer => "peer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose token is made, and kept in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoredRole {
    /// As [`Role::Admin`].
    Admin,
    /// As [`Role::Node`].
    Node,
}

impl StoredRole {
    fn key(self) -> String {
        match self {
            Self::Admin => keyspace::admin_token(),
            Self::Node => keyspace::node_token(),
        }
    }
}

impl From<StoredRole> for Role {
    fn from(role: StoredRole) -> Self {
        match role {
            StoredRole::Admin => Self::Admin,
            StoredRole::Node => Self::Node,
        }
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
    /// What is stored is not the hash of a token that a server has made.
    #[error("the stored hash of the {role} token is not of a server of this fleet: make a new token")]
    Forged {
        /// Whose token.
        role: Role,
        /// What is wrong with it.
        #[source]
        source: RecordError,
    },
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
struct StoredToken {
    /// SHA-256 of the whole token.
    digest: Digest,
}

/// Makes a token where there is none, and returns it for the one time that it can be shown. None: there is one.
pub async fn ensure(store: &dyn ConfigStore, key: &ServerKey, role: StoredRole) -> Result<Option<Token>, TokenError> {
    if let Some(entry) = store.get(&role.key()).await? {
        return opened(&key.trust(), role, &entry.value).map(|_| None);
    }
    match write(store, key, role, vec![(role.key(), Precondition::Absent)]).await {
        Err(TokenError::Store(StoreError::Conflict { .. })) => Ok(None),
        other => other.map(Some),
    }
}

/// Makes a new token; the old one is no longer taken.
pub async fn rotate(store: &dyn ConfigStore, key: &ServerKey, role: StoredRole) -> Result<Token, TokenError> {
    write(store, key, role, Vec::new()).await
}

/// Whose token `presented` is; none: nobody's. Asks the store every time, so that a rotation counts at once.
pub async fn verify(store: &dyn ConfigStore, trust: &TrustKey, presented: &str) -> Result<Option<Role>, TokenError> {
    let Some(presented) = hash(presented) else { return Ok(None) };
    Ok(Hashes::read(store, trust).await?.role_of(&presented))
}

/// Of what may be a token at all.
fn hash(presented: &str) -> Option<Digest> {
    (presented.len() == TOKEN_CHARS).then(|| Digest::of(presented.as_bytes()))
}

fn equal(one: &Digest, other: &Digest) -> bool {
    one.hex().as_bytes().ct_eq(other.hex().as_bytes()).into()
}

fn opened(trust: &TrustKey, role: StoredRole, value: &[u8]) -> Result<Digest, TokenError> {
    let stored: Result<StoredToken, _> = open_record(trust, &role.key(), value);
    stored.map(|stored| stored.digest).map_err(|source| TokenError::Forged { role: role.into(), source })
}

async fn write(
    store: &dyn ConfigStore,
    key: &ServerKey,
    role: StoredRole,
    preconditions: Vec<(String, Precondition)>,
) -> Result<Token, TokenError> {
    let token = Token::generate()?;
    let stored = StoredToken { digest: Digest::of(token.as_str().as_bytes()) };
    let value = sign_record(key, &role.key(), &stored);
    let value = value.map_err(|source| TokenError::Forged { role: role.into(), source })?;
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
        let key = ServerKey::generate().unwrap();
        let verify = async |token: &str| verify(&store, &key.trust(), token).await.unwrap();
        assert_eq!(verify(&format!("swy_{}", "0".repeat(64))).await, None, "there is no token yet");

        let token = ensure(&store, &key, StoredRole::Admin).await.unwrap().unwrap();
        assert_eq!(token.as_str().len(), TOKEN_CHARS);
        assert!(ensure(&store, &key, StoredRole::Admin).await.unwrap().is_none());
        assert_eq!(verify(token.as_str()).await, Some(Role::Admin));
        assert!(!format!("{token:?}").contains("swy_"));
        let kept = store.get(&keyspace::admin_token()).await.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&kept.value).contains(&token.as_str()[4..]));

        for wrong in ["", "swy_", &token.as_str()[1..], &token.as_str().to_uppercase(), &format!("{}0", token.as_str())]
        {
            assert_eq!(verify(wrong).await, None, "{wrong}");
        }

        let new = rotate(&store, &key, StoredRole::Admin).await.unwrap();
        assert_eq!(verify(new.as_str()).await, Some(Role::Admin));
        assert_eq!(verify(token.as_str()).await, None, "the old token is gone");

        let node = ensure(&store, &key, StoredRole::Node).await.unwrap().unwrap();
        let tokens = Tokens::new(&format!("swy_{}", "7".repeat(64)), key.trust());
        assert_eq!(tokens.verify(&store, &format!("swy_{}", "7".repeat(64))).await.unwrap(), Some(Role::Peer));
        for (token, role) in [(&new, Some(Role::Admin)), (&node, Some(Role::Node)), (&token, None)] {
            assert_eq!(tokens.verify(&store, token.as_str()).await.unwrap(), role);
            assert_eq!(verify(token.as_str()).await, role);
        }
    }

    #[tokio::test]
    async fn a_hash_that_no_server_has_put_there_makes_no_token() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        let key = ServerKey::generate().unwrap();
        let node = ensure(&store, &key, StoredRole::Node).await.unwrap().unwrap();
        let put = async |value: Vec<u8>| {
            let operations = vec![Operation::put(keyspace::admin_token(), value)];
            store.txn(Transaction { preconditions: vec![], operations }).await.unwrap();
        };
        // A node's host knows the token of nodes: neither its bare hash nor the signed one of the other key makes it an operator.
        let digest = Digest::of(node.as_str().as_bytes());
        let bare = serde_json::to_vec(&StoredToken { digest }).unwrap();
        let moved = store.get(&keyspace::node_token()).await.unwrap().unwrap().value.to_vec();
        let foreign = sign_record(&ServerKey::generate().unwrap(), &keyspace::admin_token(), &StoredToken { digest });
        for forged in [bare, moved, foreign.unwrap()] {
            put(forged).await;
            let tokens = Tokens::new("peer", key.trust());
            assert_eq!(tokens.verify(&store, node.as_str()).await.unwrap(), Some(Role::Node));
            assert_eq!(verify(&store, &key.trust(), node.as_str()).await.unwrap(), Some(Role::Node));
            let refused = ensure(&store, &key, StoredRole::Admin).await.unwrap_err();
            assert!(matches!(refused, TokenError::Forged { role: Role::Admin, .. }), "{refused}");
        }
        let new = rotate(&store, &key, StoredRole::Admin).await.unwrap();
        assert_eq!(verify(&store, &key.trust(), new.as_str()).await.unwrap(), Some(Role::Admin));
    }
}
