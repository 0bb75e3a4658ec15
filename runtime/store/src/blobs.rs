use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use object_store::{GetResult, ObjectStoreExt, PutPayload, local::LocalFileSystem, path::Path as Key};
use std::sync::Arc;
use switchyard_types::Digest;
use tokio::task::spawn_blocking;

/// Bytes of one blob: a script engine with its program is near 20 MiB.
pub const BLOB_BYTES_MAX: u64 = 64 << 20;

/// Why a blob could not be had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// Nobody has put it.
    #[error("there is no blob {0}")]
    NotFound(Digest),
    /// The bytes under this digest are others.
    #[error("the blob {0} is damaged: its bytes have another digest; publish the plugin again to mend it")]
    Corrupt(Digest),
    /// More than a blob may have.
    #[error("the blob has {bytes} bytes: at most {BLOB_BYTES_MAX} are taken")]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The place where blobs are does not answer.
    #[error("the blobs are not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Where a node gets the bytes of a plugin.
#[async_trait]
pub trait BlobSource: Send + Sync + 'static {
    /// The bytes that have this digest; nothing else is ever returned.
    async fn fetch(&self, digest: &Digest) -> Result<Bytes, BlobError>;
}

/// Content-addressed bytes in a folder, one file a digest. A file is whole or not there, and fsynced before `put`
/// returns. Cloning gives another handle.
#[derive(Clone)]
pub struct BlobStore(Arc<LocalFileSystem>);

impl BlobStore {
    /// Opens the folder, and creates it where it is missing.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, BlobError> {
        std::fs::create_dir_all(&folder).map_err(unavailable)?;
        let files = LocalFileSystem::new_with_prefix(folder).map_err(unavailable)?;
        Ok(Self(Arc::new(files.with_fsync(true))))
    }

    /// Stores bytes under their digest. Bytes that are there already are written again, which mends a damaged file.
    pub async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        check_size(bytes.len() as u64)?;
        let (digest, bytes) = digest_of(Bytes::copy_from_slice(bytes)).await?;
        self.0.put(&key(&digest), PutPayload::from(bytes)).await.map_err(unavailable)?;
        Ok(digest)
    }

    /// The bytes of a digest, checked against it.
    pub async fn get(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        let found: GetResult = self.0.get(&key(digest)).await.map_err(|error| match error {
            object_store::Error::NotFound { .. } => BlobError::NotFound(*digest),
            other => unavailable(other),
        })?;
        // Refused before it is read: what is too large was not written by `put`.
        check_size(found.meta.size)?;
        let (actual, bytes) = digest_of(found.bytes().await.map_err(unavailable)?).await?;
        if actual == *digest { Ok(bytes) } else { Err(BlobError::Corrupt(*digest)) }
    }
}

#[async_trait]
impl BlobSource for BlobStore {
    async fn fetch(&self, digest: &Digest) -> Result<Bytes, BlobError> {
        self.get(digest).await
    }
}

/// Hashing 64 MiB takes longer than an asynchronous thread may stand still.
async fn digest_of(bytes: Bytes) -> Result<(Digest, Bytes), BlobError> {
    spawn_blocking(move || (Digest::of(&bytes), bytes)).await.map_err(unavailable)
}

fn check_size(bytes: u64) -> Result<(), BlobError> {
    if bytes > BLOB_BYTES_MAX { Err(BlobError::TooLarge { bytes }) } else { Ok(()) }
}

fn key(digest: &Digest) -> Key {
    Key::from(digest.hex())
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BlobError {
    BlobError::Unavailable(error.into())
}
