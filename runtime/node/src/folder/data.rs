use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use switchyard_plan::DesiredState;
use switchyard_store::Snapshot;
use switchyard_types::Digest;

use super::{
    Received,
    checked::{read_checked, write_checked},
};
use crate::NodeError;

/// The node's part of the data folder, held by this process alone: the lock goes with the value, or with the process.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// What a node remembers of its desired state when it starts. A file that is damaged counts as absent, and was reported.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Records {
    /// What it was last told to run.
    pub(crate) received: Option<Received>,
    /// By slot, what last ran well.
    pub(crate) healthy: Option<DesiredState>,
}

impl DataFolder {
    /// Creates what is missing and takes the lock.
    pub(crate) fn open(path: &Path) -> Result<Self, NodeError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| NodeError::Folder { path, source }
        };
        fs::create_dir_all(path).map_err(failed(path))?;
        let lock_path = path.join("lock");
        let lock =
            File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(failed(&lock_path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(NodeError::Locked { folder: path.to_owned() }),
            Err(error) => Err(failed(&lock_path)(error.into())),
        }
    }

    /// A file or folder of this folder.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads both records.
    pub(crate) fn records(&self) -> Records {
        Records { received: self.read(RECEIVED), healthy: self.read(HEALTHY) }
    }

    /// Remembers what the node was told to run.
    pub(crate) fn write_received(&self, sealed: &Snapshot) -> io::Result<()> {
        write_checked(&self.join(RECEIVED), &Received::new(sealed))
    }

    /// Remembers what ran well.
    pub(crate) fn write_healthy(&self, state: &DesiredState) -> io::Result<()> {
        write_checked(&self.join(HEALTHY), state)
    }

    /// States that no instance imports again. A damaged file counts as absent, and is reported.
    pub(crate) fn rejected(&self) -> Vec<Digest> {
        self.read(REJECTED).unwrap_or_default()
    }

    /// Remembers these states as the rejected ones.
    pub(crate) fn write_rejected(&self, names: &Vec<Digest>) -> io::Result<()> {
        write_checked(&self.join(REJECTED), names)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let path = self.join(name);
        read_checked(&path).unwrap_or_else(|error| {
            tracing::error!(file = %path.display(), %error, "the file is passed over");
            None
        })
    }
}

const RECEIVED: &str = "received.json";
const HEALTHY: &str = "healthy.json";
const REJECTED: &str = "rejected-states.json";

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_types::Generation;

    fn state(counter: u64) -> DesiredState {
        DesiredState { generation: Generation { epoch: 1, counter }, ..DesiredState::default() }
    }

    #[test]
    fn records_are_read_back_and_a_damaged_one_leaves_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        assert_eq!(data.records(), Records::default());
        data.write_received(&Snapshot::default()).unwrap();
        let received = Received::default();
        data.write_healthy(&state(1)).unwrap();
        assert_eq!(data.records(), Records { received: Some(received.clone()), healthy: Some(state(1)) });
        let healthy = data.join(HEALTHY);
        let bytes = fs::read(&healthy).unwrap();
        fs::write(&healthy, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(data.records(), Records { received: Some(received), healthy: None });
    }

    #[test]
    fn a_folder_is_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataFolder::open(folder.path()).unwrap();
        assert!(matches!(DataFolder::open(folder.path()), Err(NodeError::Locked { .. })));
        drop(first);
        assert!(DataFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = DataFolder::open(&file.join("node")).err().unwrap().to_string();
        assert!(error.contains("file/node"), "{error}");
    }
}
