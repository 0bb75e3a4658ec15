use switchyard_sync::TrustKey;

use super::{
    DataFolder,
    checked::{read_checked, write_checked},
};
use crate::NodeError;

const TRUST: &str = "trust.json";

/// Whose desired state a node follows is decided once, when it joins.
pub(crate) struct Trust;

impl Trust {
    /// The key that the node has pinned; none: it has never joined. A damaged file stops the start: any other answer would let
    /// whoever damages it choose.
    pub(crate) fn pinned(folder: &DataFolder) -> Result<Option<TrustKey>, NodeError> {
        let path = folder.join(TRUST);
        let damaged = |error| NodeError::Folder { path: path.clone(), source: std::io::Error::other(error) };
        read_checked(&path).map_err(damaged)
    }

    /// Pins a key, or refuses another one than the pinned.
    pub(crate) fn pin(folder: &DataFolder, key: TrustKey) -> Result<(), NodeError> {
        let path = folder.join(TRUST);
        match Self::pinned(folder)? {
            Some(pinned) if pinned == key => Ok(()),
            Some(pinned) => Err(NodeError::OtherTrust { pinned: pinned.into(), given: key.into(), path }),
            None => write_checked(&path, &key).map_err(|source| NodeError::Folder { path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use switchyard_sync::ServerKey;

    use super::*;

    #[test]
    fn a_key_is_pinned_once() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(temporary.path()).unwrap();
        assert_eq!(Trust::pinned(&folder).unwrap(), None);
        let (one, two) = (ServerKey::generate().unwrap().trust(), ServerKey::generate().unwrap().trust());
        Trust::pin(&folder, one).unwrap();
        Trust::pin(&folder, one).unwrap();
        let refused = Trust::pin(&folder, two).unwrap_err();
        assert!(matches!(refused, NodeError::OtherTrust { .. }) && refused.to_string().contains("trust.json"));
        assert_eq!(Trust::pinned(&folder).unwrap(), Some(one));
        std::fs::write(folder.join(TRUST), "").unwrap();
        assert!(Trust::pinned(&folder).is_err() && Trust::pin(&folder, two).is_err());
    }
}
