use std::{fs, io};

use serde::{Deserialize, Serialize};
use switchyard_types::NodeId;

use super::{
    DataFolder,
    checked::{read_checked, write_checked},
};
use crate::NodeError;

/// Who the node is, for as long as its data folder lives.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Debug))]
#[serde(deny_unknown_fields)]
pub(crate) struct Identity {
    /// Its name in the store.
    pub(crate) node: NodeId,
    /// What keys of its cache are hashed with: stable, so that what a strategy has learnt keeps its meaning, and nobody
    /// else's, so that nobody can make keys collide. Not for logs: there is no `Debug` outside tests.
    pub(crate) secret: [u8; 16],
}

const IDENTITY: &str = "identity.json";

impl Identity {
    /// Reads the folder's identity, or makes one. A damaged one is kept beside the new one: a node under another name
    /// serves, one that does not start does not.
    pub(crate) fn load(folder: &DataFolder) -> Result<Self, NodeError> {
        let path = folder.join(IDENTITY);
        match read_checked(&path) {
            Ok(Some(identity)) => return Ok(identity),
            Ok(None) => {}
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "the node gets a new identity");
                // Failing to keep it costs nothing but the evidence.
                let _ = fs::rename(&path, folder.join("identity.json.damaged"));
            }
        }
        let failed = |source| NodeError::Folder { path: path.clone(), source };
        let identity = Self::random().map_err(failed)?;
        write_checked(&path, &identity).map_err(failed)?;
        Ok(identity)
    }

    fn random() -> io::Result<Self> {
        let name = getrandom::u32().map_err(io::Error::other)?;
        let node = format!("node-{name:08x}").parse().map_err(io::Error::other)?;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        Ok(Self { node, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_stays_and_a_damaged_one_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::open(folder.path()).unwrap();
        let first = Identity::load(&data).unwrap();
        assert!(first.node.as_str().starts_with("node-") && first.node.as_str().len() == 13, "{first:?}");
        assert_eq!(Identity::load(&data).unwrap(), first);
        fs::write(data.join(IDENTITY), "{").unwrap();
        let second = Identity::load(&data).unwrap();
        assert_ne!(second, first);
        assert_eq!(Identity::load(&data).unwrap(), second);
        assert_eq!(fs::read(data.join("identity.json.damaged")).unwrap(), b"{");
    }
}
