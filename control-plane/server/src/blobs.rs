use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use parking_lot::Mutex;
use switchyard_store::{BlobError, BlobStore};
use switchyard_types::Digest;
use tokio::sync::{Mutex as Turn, OwnedSemaphorePermit};

use crate::{gate::Gate, peers::Peers, problem::Problem};

/// Plugins in memory at once, each once, however many nodes are being sent it: each may have 64 MiB.
const COPIES_MAX: usize = 8;

/// The bytes of plugins: this server's own, and what other servers have. A plugin is published to one of them, and every one
/// hands it out.
#[derive(Clone)]
pub(crate) struct Blobs(Arc<Shared>);

struct Shared {
    own: BlobStore,
    peers: Peers,
    room: Gate,
    /// What somebody is being sent or waits for. Whoever wants the same waits for whoever came first.
    copies: Mutex<BTreeMap<Digest, Arc<Turn<Weak<Copy>>>>>,
}

/// Bytes that somebody is being sent.
struct Copy {
    bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// Keeps the copy for as long as it is being sent.
struct Sent(Arc<Copy>);

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl Blobs {
    pub(crate) fn new(own: BlobStore, peers: Peers) -> Self {
        let room = Gate::new("too many plugins are being sent", COPIES_MAX, 0);
        Self(Arc::new(Shared { own, peers, room, copies: Mutex::default() }))
    }

    pub(crate) async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        self.0.own.put(bytes).await
    }

    /// This server's own, for another server. It waits for nobody: two that want the same of each other would wait for ever.
    pub(crate) async fn own(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        self.0.own.get(digest).await
    }

    /// This server's own, else a peer's, which is kept: damaged bytes are mended by that too. Of several who ask for the same at
    /// once one looks, and all get the same bytes.
    pub(crate) async fn get(&self, digest: &Digest) -> Result<Bytes, Problem> {
        let shared = &*self.0;
        let turn = shared.turn(digest);
        let mut held = turn.lock().await;
        if let Some(copy) = held.upgrade() {
            return Ok(Bytes::from_owner(Sent(copy)));
        }
        let room = shared.room.enter().await?;
        let copy = Arc::new(Copy { bytes: shared.find(digest).await?, _room: room });
        *held = Arc::downgrade(&copy);
        Ok(Bytes::from_owner(Sent(copy)))
    }
}

impl Shared {
    /// Of those who want these bytes. What nobody wants or is being sent any more is forgotten.
    fn turn(&self, digest: &Digest) -> Arc<Turn<Weak<Copy>>> {
        let mut copies = self.copies.lock();
        copies
            .retain(|_, turn| Arc::strong_count(turn) > 1 || turn.try_lock().is_ok_and(|copy| copy.strong_count() > 0));
        Arc::clone(copies.entry(*digest).or_default())
    }

    async fn find(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let missing = match self.own.get(digest).await {
            Err(error @ (BlobError::NotFound(_) | BlobError::Corrupt(_))) => error,
            found => return found,
        };
        let Some(bytes) = self.peers.fetch(digest).await else { return Err(missing) };
        // A disk that is full is no reason not to hand out what is there.
        if let Err(error) = self.own.put(&bytes).await {
            tracing::warn!(%digest, error = &error as &dyn std::error::Error, "a peer's plugin is not kept");
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use switchyard_store::EmbeddedStore;
    use switchyard_sync::ServerKey;
    use switchyard_types::ErrorCode;

    use super::*;

    #[tokio::test]
    async fn bytes_are_in_memory_once_and_there_are_so_many() {
        let folder = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        let own = BlobStore::open(folder.path().join("blobs")).unwrap();
        let peers = Peers::new(Arc::new(store), &ServerKey::generate().unwrap(), None);
        let blobs = Blobs::new(own, peers);
        let mut digests = Vec::new();
        for n in 0..=COPIES_MAX {
            digests.push(blobs.put(format!("plugin {n}").as_bytes()).await.unwrap());
        }
        let all = futures_util::future::join_all((0..1_000).map(|_| blobs.get(&digests[0]))).await;
        let all: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        assert!(all.iter().all(|bytes| bytes.as_ptr() == all[0].as_ptr()), "one copy for all of them");
        let mut held = vec![all];
        for digest in &digests[1..COPIES_MAX] {
            held.push(vec![blobs.get(digest).await.unwrap()]);
        }
        let refused = blobs.get(&digests[COPIES_MAX]).await.unwrap_err();
        assert_eq!(refused.public.code, ErrorCode::Busy);
        assert!(blobs.get(&digests[0]).await.is_ok(), "what is there anyway is given");
        // Part of it is enough to keep it.
        let part = held.remove(0).remove(0).slice(3..);
        assert_eq!(blobs.get(&digests[COPIES_MAX]).await.unwrap_err().public.code, ErrorCode::Busy);
        drop(part);
        assert_eq!(blobs.get(&digests[COPIES_MAX]).await.unwrap(), format!("plugin {COPIES_MAX}"));
        drop(held);
        let nobody = Digest::of(b"nobody has this");
        assert_eq!(blobs.get(&nobody).await.unwrap_err().public.code, ErrorCode::NotFound);
        let _last = blobs.get(&digests[0]).await.unwrap();
        assert_eq!(blobs.0.copies.lock().len(), 1, "nothing is remembered of what nobody wants");
    }
}
