//! The key that seals the desired state: one for all servers of a fleet, kept in a file of each and never in the store.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use switchyard_store::{ConfigStore, Operation, Precondition, StoreError, Transaction, keyspace};
use switchyard_sync::{KeyError, ServerKey, TrustKey};

/// In the server's part of the data folder.
pub const FILE: &str = "server-key";

/// Why there is no key to seal with.
#[derive(Debug, thiserror::Error)]
pub enum ServerKeyError {
    /// The file cannot be read or written.
    #[error("the server's key {path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds no key.
    #[error("the server's key {path} cannot be used")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// The fleet has another key.
    #[error(
        "this server's key {ours} is not the one that the fleet trusts ({theirs}): copy the file {FILE} of a server that \
         runs already into this server's data folder"
    )]
    Other {
        /// The public half of ours.
        ours: Box<TrustKey>,
        /// The public half of the fleet's.
        theirs: Box<TrustKey>,
    },
    /// The store did not do its part.
    #[error("the fleet's public key cannot be read or written")]
    Store(#[from] StoreError),
    /// What stands in the store is no key.
    #[error("the fleet's public key in the store is damaged")]
    Stored(#[source] KeyError),
}

/// The key in the folder; where there is none a new one, that only its owner may read.
pub fn load(folder: &Path) -> Result<ServerKey, ServerKeyError> {
    let path = folder.join(FILE);
    let damaged = |source| ServerKeyError::Damaged { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) => ServerKey::from_secret_text(&text).map_err(damaged),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = ServerKey::generate().map_err(damaged)?;
            write(&path, &key.secret_text()).map_err(|source| ServerKeyError::File { path: path.clone(), source })?;
            Ok(key)
        }
        Err(source) => Err(ServerKeyError::File { path, source }),
    }
}

fn write(path: &Path, secret: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Puts the public half where nodes find it when they join; where another one stands, this server is refused.
pub async fn publish(store: &dyn ConfigStore, key: &ServerKey) -> Result<(), ServerKeyError> {
    let ours = key.trust();
    let at = keyspace::SERVER_KEY.to_owned();
    let transaction = Transaction {
        preconditions: vec![(at.clone(), Precondition::Absent)],
        operations: vec![Operation::put(&at, ours.to_string())],
    };
    match store.txn(transaction).await {
        Ok(_) => return Ok(()),
        Err(StoreError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    match trusted(store).await? {
        Some(theirs) if theirs != ours => Err(ServerKeyError::Other { ours: ours.into(), theirs: theirs.into() }),
        _ => Ok(()),
    }
}

/// The public half of the fleet's key; none: no server has ever run.
pub async fn trusted(store: &dyn ConfigStore) -> Result<Option<TrustKey>, ServerKeyError> {
    let Some(entry) = store.get(keyspace::SERVER_KEY).await? else { return Ok(None) };
    String::from_utf8_lossy(&entry.value).parse().map(Some).map_err(ServerKeyError::Stored)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use switchyard_store::EmbeddedStore;

    use super::*;

    #[tokio::test]
    async fn a_key_is_made_once_and_another_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let key = load(folder.path()).unwrap();
        assert_eq!(fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load(folder.path()).unwrap().trust(), key.trust());
        let store = EmbeddedStore::open(folder.path().join("store.redb")).unwrap();
        assert!(trusted(&store).await.unwrap().is_none());
        publish(&store, &key).await.unwrap();
        publish(&store, &key).await.unwrap();
        let other = tempfile::tempdir().unwrap();
        let refused = publish(&store, &load(other.path()).unwrap()).await.unwrap_err();
        assert!(matches!(refused, ServerKeyError::Other { .. }) && refused.to_string().contains(FILE), "{refused}");
        fs::write(other.path().join(FILE), "nonsense").unwrap();
        assert!(matches!(load(other.path()), Err(ServerKeyError::Damaged { .. })));
    }
}
