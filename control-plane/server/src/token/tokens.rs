use std::time::Duration;

use parking_lot::Mutex;
use switchyard_store::{ConfigStore, Range, Snapshot, StoreError, keyspace};
use switchyard_sync::TrustKey;
use switchyard_types::Digest;
use tokio::{
    sync::Mutex as Turn,
    time::{Instant, timeout},
};

use super::{Role, StoredRole, TokenError, equal, hash, opened};

/// How long the store may take to say what is right. A node that waits for its answer must not lose patience meanwhile.
const STORE_TIME_MAX: Duration = Duration::from_secs(2);
/// After the store did not answer, it is not asked for so long: nobody waits for it again.
const SILENCE: Duration = Duration::from_secs(5);
/// How old what is known of a node's token may be: nodes ask often, and a rotation may count a moment later for them.
const NODES_KNOWN_MAX: Duration = Duration::from_secs(2);
/// Keys beside the hashes: one, and room for those of a newer version.
const KEYS_MAX: usize = 16;

/// The hashes of the tokens that are taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hashes {
    admin: Option<Digest>,
    node: Option<Digest>,
}

impl Hashes {
    /// As the store has them, in one question.
    pub(super) async fn read(store: &dyn ConfigStore, trust: &TrustKey) -> Result<Self, StoreError> {
        let keys = Range { prefix: keyspace::TRUST, after: None, limit: KEYS_MAX };
        let found = timeout(STORE_TIME_MAX, store.list(keys)).await;
        let found = found.map_err(|elapsed| StoreError::Unavailable(elapsed.into()))??;
        let [admin, node] = [StoredRole::Admin, StoredRole::Node].map(|role| digest(&found, trust, role));
        Ok(Self { admin, node })
    }

    pub(super) fn role_of(&self, presented: &Digest) -> Option<Role> {
        let is = |stored: &Option<Digest>| stored.is_some_and(|stored| equal(&stored, presented));
        is(&self.admin).then_some(Role::Admin).or(is(&self.node).then_some(Role::Node))
    }
}

/// A hash that no server has put there is none: whoever has put it there is not let in by it.
fn digest(found: &Snapshot, trust: &TrustKey, role: StoredRole) -> Option<Digest> {
    let entry = found.entries.get(&role.key())?;
    opened(trust, role, &entry.value).inspect_err(|error| tracing::error!(%error, "a token is not taken")).ok()
}

/// Checks tokens for a server. It remembers what the store said last: nodes ask too often for the store to be asked each
/// time, and while the store is away nobody is locked out who had a right to come in.
///
/// The store is asked one question at a time, and whoever comes while it is asked waits for the next one: strangers, who need no
/// token to ask, load it no more than that.
pub(crate) struct Tokens {
    peer: Digest,
    trust: TrustKey,
    memory: Mutex<Memory>,
    /// Of asking the store.
    turn: Turn<()>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    known: Option<Known>,
    /// The store is not asked before that.
    silent_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    hashes: Hashes,
    /// When the store was asked for them.
    asked: Instant,
}

impl Tokens {
    pub(crate) fn new(peer_token: &str, trust: TrustKey) -> Self {
        Self { peer: Digest::of(peer_token.as_bytes()), trust, memory: Mutex::default(), turn: Turn::default() }
    }

    /// Whose token `presented` is; none: nobody's.
    pub(crate) async fn verify(&self, store: &dyn ConfigStore, presented: &str) -> Result<Option<Role>, TokenError> {
        let Some(presented) = hash(presented) else { return Ok(None) };
        if equal(&self.peer, &presented) {
            return Ok(Some(Role::Peer));
        }
        let fresh = self.memory.lock().known.filter(|known| known.asked.elapsed() < NODES_KNOWN_MAX);
        if fresh.and_then(|known| known.hashes.role_of(&presented)) == Some(Role::Node) {
            return Ok(Some(Role::Node));
        }
        Ok(self.hashes(store).await?.role_of(&presented))
    }

    /// As the store has them now; while it does not answer, as it had them last.
    async fn hashes(&self, store: &dyn ConfigStore) -> Result<Hashes, StoreError> {
        let came = Instant::now();
        let _turn = self.turn.lock().await;
        let Memory { known, silent_until } = *self.memory.lock();
        let remembered = |error| known.map(|known| known.hashes).ok_or(error);
        if let Some(known) = known.filter(|known| known.asked > came) {
            return Ok(known.hashes);
        }
        if silent_until.is_some_and(|until| Instant::now() < until) {
            return remembered(StoreError::Unavailable("the store did not answer a moment ago".into()));
        }
        let asked = Instant::now();
        match Hashes::read(store, &self.trust).await {
            Ok(hashes) => {
                *self.memory.lock() = Memory { known: Some(Known { hashes, asked }), silent_until: None };
                Ok(hashes)
            }
            Err(error @ StoreError::Unavailable(_)) => {
                self.memory.lock().silent_until = Some(Instant::now() + SILENCE);
                remembered(error)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use switchyard_sync::ServerKey;

    use super::*;
    use crate::{
        testing::CutStore,
        token::{ensure, rotate},
    };

    #[tokio::test]
    async fn a_store_that_hangs_is_asked_once_and_nobody_is_locked_out() {
        let store = CutStore::new();
        let key = ServerKey::generate().unwrap();
        let admin = ensure(&store, &key, StoredRole::Admin).await.unwrap().unwrap();
        let node = ensure(&store, &key, StoredRole::Node).await.unwrap().unwrap();
        let tokens = Tokens::new("peer", key.trust());
        assert_eq!(tokens.verify(&store, admin.as_str()).await.unwrap(), Some(Role::Admin));
        store.cut();
        tokio::time::pause();
        tokio::time::advance(2 * NODES_KNOWN_MAX).await;
        let (before, start) = (store.asked(), Instant::now());
        let strangers = (0..50).map(|n| format!("swy_{n:064}")).collect::<Vec<_>>();
        let strangers = strangers.iter().map(|token| tokens.verify(&store, token));
        for found in futures_util::future::join_all(strangers).await {
            assert_eq!(found.unwrap(), None);
        }
        for (token, role) in [(&admin, Role::Admin), (&node, Role::Node), (&node, Role::Node)] {
            assert_eq!(tokens.verify(&store, token.as_str()).await.unwrap(), Some(role));
        }
        assert_eq!(store.asked(), before + 1, "one question, whoever waits");
        assert!(start.elapsed() <= 2 * STORE_TIME_MAX, "{:?}", start.elapsed());

        // A server that has never been told who may come in lets nobody in, and says so at once the second time.
        let new = Tokens::new("peer", key.trust());
        for _ in 0..2 {
            assert!(matches!(
                new.verify(&store, node.as_str()).await,
                Err(TokenError::Store(StoreError::Unavailable(_)))
            ));
        }
        assert_eq!(store.asked(), before + 2);

        tokio::time::advance(SILENCE).await;
        tokio::time::resume();
        store.mend();
        let other = rotate(&store, &key, StoredRole::Node).await.unwrap();
        assert_eq!(tokens.verify(&store, other.as_str()).await.unwrap(), Some(Role::Node));
        assert_eq!(tokens.verify(&store, node.as_str()).await.unwrap(), None, "what was remembered is over");
    }
}
