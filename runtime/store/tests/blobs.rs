//! Blobs are whole, right, or refused.

use switchyard_store::{BLOB_BYTES_MAX, BlobError, BlobSource, BlobStore};
use switchyard_types::Digest;
use tempfile::TempDir;

#[tokio::test]
async fn a_blob_is_what_its_digest_says() {
    let folder = TempDir::new().unwrap();
    let blobs = BlobStore::open(folder.path().join("server/blobs")).unwrap();
    let missing = Digest::of(b"never put");
    assert!(matches!(blobs.get(&missing).await, Err(BlobError::NotFound(digest)) if digest == missing));

    for bytes in [b"".as_slice(), b"a plugin", &vec![7; 3 << 20]] {
        let digest = blobs.put(bytes).await.unwrap();
        assert_eq!(digest, Digest::of(bytes));
        assert_eq!(blobs.fetch(&digest).await.unwrap(), bytes);
        assert_eq!(blobs.put(bytes).await.unwrap(), digest, "putting twice is no error");
    }

    let digest = Digest::of(b"a plugin");
    let reopened = BlobStore::open(folder.path().join("server/blobs")).unwrap();
    assert_eq!(reopened.get(&digest).await.unwrap(), b"a plugin".as_slice());
}

#[tokio::test]
async fn a_damaged_blob_is_refused_and_mended_by_putting_it_again() {
    let folder = TempDir::new().unwrap();
    let blobs = BlobStore::open(folder.path()).unwrap();
    let digest = blobs.put(b"a plugin").await.unwrap();
    for damage in [b"A plugin".as_slice(), b"a plug", b""] {
        std::fs::write(folder.path().join(digest.hex()), damage).unwrap();
        assert!(matches!(blobs.get(&digest).await, Err(BlobError::Corrupt(named)) if named == digest));
    }
    blobs.put(b"a plugin").await.unwrap();
    assert_eq!(blobs.get(&digest).await.unwrap(), b"a plugin".as_slice());
}

#[tokio::test]
async fn what_is_too_large_is_refused_unread() {
    let folder = TempDir::new().unwrap();
    let blobs = BlobStore::open(folder.path()).unwrap();
    let digest = Digest::of(b"x");
    let file = std::fs::File::create(folder.path().join(digest.hex())).unwrap();
    file.set_len(BLOB_BYTES_MAX + 1).unwrap();
    assert!(matches!(blobs.get(&digest).await, Err(BlobError::TooLarge { bytes }) if bytes == BLOB_BYTES_MAX + 1));
}

#[tokio::test]
async fn only_whole_blobs_are_in_the_folder() {
    let folder = TempDir::new().unwrap();
    let blobs = BlobStore::open(folder.path()).unwrap();
    let puts: Vec<_> = (0..8_u8)
        .map(|n| {
            let blobs = blobs.clone();
            tokio::spawn(async move { blobs.put(&vec![n % 2; 1 << 20]).await.unwrap() })
        })
        .collect();
    for put in puts {
        let digest = put.await.unwrap();
        assert_eq!(blobs.get(&digest).await.unwrap().len(), 1 << 20);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no staged file stays behind");
}
