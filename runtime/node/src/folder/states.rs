use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use switchyard_host::State;
use switchyard_types::{Digest, PluginName, SlotId, StrategyName};
use tempfile::NamedTempFile;

/// What an instance may leave, in bytes, as its contract says.
const STATE_BYTES_MAX: usize = 4 << 20;
/// The line before it: five short names.
const HEADER_BYTES_MAX: usize = 4 << 10;
const MAC_BYTES: usize = 32;
/// Says what the node's secret is used for here: it has another use beside this one.
const PURPOSE: &[u8] = b"switchyard state 1\n";

/// What instances knew when they were last asked, one file a shard. A file is read only if this node wrote it: whoever may
/// write here could otherwise tell a strategy what it has learnt.
#[derive(Clone)]
pub(crate) struct States {
    folder: PathBuf,
    /// Keyed with the node's secret, with nothing else in it yet.
    mac: Hmac<Sha256>,
}

/// Whose state it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateOwner {
    pub(crate) slot: SlotId,
    pub(crate) strategy: StrategyName,
    pub(crate) plugin: PluginName,
    /// The part of the slot's engine.
    pub(crate) shard: String,
}

/// The first line of a file; the rest is the state.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    owner: StateOwner,
    format: String,
}

/// Why a file gives no state.
#[derive(Debug, thiserror::Error)]
enum StateError {
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("this node did not write it so: it is damaged, or comes from elsewhere")]
    Forged,
    #[error("it belongs to another strategy or shard")]
    Other,
}

impl States {
    /// States in this folder, for whoever has the secret.
    pub(crate) fn open(folder: PathBuf, secret: &[u8; 16]) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(io::Error::other)?;
        mac.update(PURPOSE);
        Ok(Self { folder, mac })
    }

    /// The state of an owner; none: there is none that this node wrote for just this owner. The reason is logged.
    pub(crate) fn read(&self, owner: &StateOwner) -> Option<State> {
        let path = self.path(owner);
        match self.try_read(&path, owner) {
            Ok(state) => state,
            Err(error @ StateError::Other) => {
                tracing::info!(file = %path.display(), %error, "a state is passed over");
                None
            }
            Err(error) => {
                tracing::error!(file = %path.display(), %error, "a state is passed over: the instance starts without");
                None
            }
        }
    }

    fn try_read(&self, path: &Path, owner: &StateOwner) -> Result<Option<State>, StateError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut bytes = Vec::new();
        // One byte more than is ever written: what is longer fails its MAC.
        let bytes_max = MAC_BYTES + HEADER_BYTES_MAX + STATE_BYTES_MAX + 1;
        file.take(bytes_max as u64).read_to_end(&mut bytes)?;
        let (mac, content) = bytes.split_at_checked(MAC_BYTES).ok_or(StateError::Forged)?;
        self.mac.clone().chain_update(content).verify_slice(mac).map_err(|_| StateError::Forged)?;
        let mut parts = content.splitn(2, |byte| *byte == b'\n');
        let (Some(header), Some(state)) = (parts.next(), parts.next()) else { return Err(StateError::Forged) };
        let header: Header = serde_json::from_slice(header).map_err(|_| StateError::Forged)?;
        if header.owner != *owner {
            return Err(StateError::Other);
        }
        Ok(Some(State { format: header.format, bytes: state.into() }))
    }

    /// Keeps a state: it is whole or as it was before, also after a power loss. One that is too large is not kept.
    pub(crate) fn write(&self, owner: &StateOwner, state: &State) -> io::Result<()> {
        if state.bytes.len() > STATE_BYTES_MAX {
            return Err(io::Error::other(format!(
                "it has {} bytes: at most {STATE_BYTES_MAX} are kept",
                state.bytes.len()
            )));
        }
        let mut header = serde_json::to_vec(&Header { owner: owner.clone(), format: state.format.clone() })?;
        header.push(b'\n');
        let mac = self.mac.clone().chain_update(&header).chain_update(&state.bytes).finalize().into_bytes();
        let path = self.path(owner);
        let folder = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        fs::create_dir_all(folder)?;
        let mut file = NamedTempFile::new_in(folder)?;
        for part in [&mac[..], &header, &state.bytes] {
            file.write_all(part)?;
        }
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        // The rename is durable only when the folder is.
        File::open(folder)?.sync_all()
    }

    /// Removes every state of a slot.
    pub(crate) fn remove(&self, slot: &SlotId) -> io::Result<()> {
        match fs::remove_dir_all(self.folder_of(slot)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Names of slots and shards may be anything: on disk they have one form.
    fn path(&self, owner: &StateOwner) -> PathBuf {
        self.folder_of(&owner.slot).join(Digest::of(owner.shard.as_bytes()).hex())
    }

    fn folder_of(&self, slot: &SlotId) -> PathBuf {
        self.folder.join(Digest::of(slot.to_string().as_bytes()).hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use switchyard_types::StrategyKind;

    const SECRET: [u8; 16] = [7; 16];

    fn owner() -> StateOwner {
        StateOwner {
            slot: SlotId { kind: StrategyKind::Caching, target: "../x".to_owned() },
            strategy: "sessions".parse().unwrap(),
            plugin: "caching-s3fifo".parse().unwrap(),
            shard: "0-of-2".to_owned(),
        }
    }

    fn state(bytes: &[u8]) -> State {
        State { format: "s3fifo/1".to_owned(), bytes: bytes.into() }
    }

    #[test]
    fn a_state_comes_back_for_its_owner_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let states = States::open(folder.path().join("states"), &SECRET).unwrap();
        assert_eq!(states.read(&owner()), None);
        for bytes in [&b"one\ntwo\n"[..], &[0; STATE_BYTES_MAX], b""] {
            states.write(&owner(), &state(bytes)).unwrap();
            assert_eq!(states.read(&owner()), Some(state(bytes)));
        }
        states.write(&owner(), &state(&[0; STATE_BYTES_MAX + 1])).unwrap_err();
        assert_eq!(states.read(&owner()), Some(state(b"")), "the one before is intact");
        for other in [
            StateOwner { strategy: "pages".parse().unwrap(), ..owner() },
            StateOwner { plugin: "caching-lru".parse().unwrap(), ..owner() },
            StateOwner { shard: "1-of-2".to_owned(), ..owner() },
        ] {
            assert_eq!(states.read(&other), None, "{other:?}");
        }
        let elsewhere = States::open(folder.path().join("states"), &[8; 16]).unwrap();
        assert_eq!(elsewhere.read(&owner()), None, "another node's secret");
        states.remove(&owner().slot).unwrap();
        states.remove(&owner().slot).unwrap();
        assert_eq!(states.read(&owner()), None);
    }
}
