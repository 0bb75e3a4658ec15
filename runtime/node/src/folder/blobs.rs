use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use switchyard_store::{BlobError, BlobStore};
use switchyard_types::Digest;

/// Plugins' bytes on the node's own disk, so that what ran once can run again with everything else down.
#[derive(Clone)]
pub(crate) struct LocalBlobs {
    store: BlobStore,
    folder: PathBuf,
}

/// Files looked at in one pruning: a node holds a handful, and what is left over is met the next time.
const PRUNE_FILES_MAX: usize = 1_000;

impl LocalBlobs {
    /// Opens the folder, and creates it where it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, BlobError> {
        Ok(Self { store: BlobStore::open(folder)?, folder: folder.to_owned() })
    }

    /// The bytes of a digest, checked; none: they are not here. Damaged ones count as not here, and are reported.
    pub(crate) async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, BlobError> {
        match self.store.get(digest).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(BlobError::NotFound(_)) => Ok(None),
            Err(error @ BlobError::Corrupt(_)) => {
                tracing::error!(%error, "the plugin's bytes on this node are passed over");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps bytes under their digest. They replace damaged ones of the same digest.
    pub(crate) async fn put(&self, bytes: &[u8]) -> Result<Digest, BlobError> {
        self.store.put(bytes).await
    }

    /// Removes what is not in `keep`, and says how many files that were. Blocking.
    pub(crate) fn prune(&self, keep: &BTreeSet<Digest>) -> io::Result<usize> {
        let keep: BTreeSet<String> = keep.iter().map(Digest::hex).collect();
        let mut removed = 0;
        for entry in fs::read_dir(&self.folder)?.take(PRUNE_FILES_MAX) {
            let entry = entry?;
            let name = entry.file_name();
            // A file under any other name is somebody else's, or being written.
            let is_blob = name.to_str().is_some_and(|name| format!("sha256:{name}").parse::<Digest>().is_ok());
            if is_blob && !name.to_str().is_some_and(|name| keep.contains(name)) {
                fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn blobs_are_kept_checked_and_pruned() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::open(folder.path()).unwrap();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        assert!(blobs.get(&one).await.unwrap().is_none());
        blobs.put(b"one").await.unwrap();
        blobs.put(b"two").await.unwrap();
        fs::write(folder.path().join("note.txt"), "").unwrap();
        assert_eq!(blobs.prune(&BTreeSet::from([one])).unwrap(), 1);
        assert_eq!(blobs.get(&one).await.unwrap().as_deref(), Some(b"one".as_slice()));
        assert!(blobs.get(&two).await.unwrap().is_none());
        assert!(folder.path().join("note.txt").exists());
    }

    #[tokio::test]
    async fn a_damaged_blob_is_passed_over_and_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = LocalBlobs::open(folder.path()).unwrap();
        let digest = Digest::of(b"one");
        blobs.put(b"one").await.unwrap();
        fs::write(folder.path().join(digest.hex()), b"two").unwrap();
        assert!(blobs.get(&digest).await.unwrap().is_none());
        blobs.put(b"one").await.unwrap();
        assert!(blobs.get(&digest).await.unwrap().is_some());
    }
}
