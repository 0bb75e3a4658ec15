use std::sync::Arc;

use bytes::Bytes;
use switchyard_store::{
    BlobError, BlobSource, BlobStore,
    remote::{RemoteBlobs, Servers},
};
use switchyard_types::Digest;

use crate::peers::Peers;

/// The bytes of plugins: this server's own, and what other servers have. A plugin is published to one of them, and every one
/// hands it out.
#[derive(Clone)]
pub(crate) struct Blobs {
    own: BlobStore,
    peers: Peers,
}

impl Blobs {
    pub(crate) fn new(own: BlobStore, peers: Peers) -> Self {
        Self { own, peers }
    }

    pub(crate) async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        self.own.put(bytes).await
    }

    /// This server's own.
    pub(crate) async fn own(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        self.own.get(digest).await
    }

    /// This server's own, else a peer's, which is kept: damaged bytes are mended by that too.
    pub(crate) async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let missing = match self.own.get(digest).await {
            Err(error @ (BlobError::NotFound(_) | BlobError::Corrupt(_))) => error,
            found => return found,
        };
        let Some(bytes) = self.ask_peers(digest).await else { return Err(missing) };
        self.own.put(&bytes).await?;
        Ok(bytes)
    }

    async fn ask_peers(&self, digest: &Digest) -> Option<Bytes> {
        for peer in self.peers.others().await.ok()? {
            let servers = Arc::new(Servers::new([&peer.url]).ok()?);
            let remote = RemoteBlobs::new(servers, self.peers.token().to_owned()).ok()?.at_once();
            match remote.fetch(digest).await {
                Ok(bytes) => return Some(bytes),
                Err(error) => tracing::debug!(peer = peer.url, %error, "a peer gives no blob"),
            }
        }
        None
    }
}
