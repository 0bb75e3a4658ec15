use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use switchyard_sync::DECLARED_BYTES_MAX;
use switchyard_types::Digest;
use tempfile::NamedTempFile;

/// The largest such file that is read: the largest is what was declared, as text within text, in which a character may take six.
pub(crate) const FILE_BYTES_MAX: u64 = 6 * DECLARED_BYTES_MAX as u64 + (16 << 20);

/// The first of the file's two lines; the second is the content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    content: Digest,
}

const VERSION: u32 = 1;

/// Why a file gives no content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckedError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Its content is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
}

/// Writes two lines of JSON, a header with the content's digest and the content. The file is whole or as it was before,
/// also after a power loss: written beside it, synchronised, renamed. Only the owner may read it.
///
/// The digest is taken over the bytes as they stand in the file, because JSON that is read and written again need not
/// give the same bytes.
pub(crate) fn write_checked<T: Serialize>(path: &Path, content: &T) -> io::Result<()> {
    let content = serde_json::to_vec(content)?;
    let mut bytes = serde_json::to_vec(&Header { version: VERSION, content: Digest::of(&content) })?;
    bytes.extend([&b"\n"[..], &content, b"\n"].concat());
    let folder = path.parent().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    // The rename is durable only when the folder is.
    File::open(folder)?.sync_all()
}

/// Reads what [`write_checked`] wrote; none: there is no such file.
pub(crate) fn read_checked<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CheckedError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(CheckedError::Damaged("it is larger than anything that is written there"));
    }
    parse(&bytes).map(Some)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CheckedError> {
    let body = bytes.strip_suffix(b"\n").ok_or(CheckedError::Damaged("its end is missing"))?;
    let mut lines = body.splitn(2, |byte| *byte == b'\n');
    let (Some(header), Some(content)) = (lines.next(), lines.next()) else {
        return Err(CheckedError::Damaged("it has no content"));
    };
    let header: Header =
        serde_json::from_slice(header).map_err(|_| CheckedError::Damaged("its first line is not a header"))?;
    if header.version != VERSION {
        return Err(CheckedError::Damaged("it was written by another version of Switchyard"));
    }
    if header.content != Digest::of(content) {
        return Err(CheckedError::Damaged("its content has another digest than its header says"));
    }
    serde_json::from_slice(content).map_err(|_| CheckedError::Damaged("its content has another shape"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::fs;

    fn written(content: &Value) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        write_checked(&path, content).unwrap();
        assert_eq!(read_checked::<Value>(&path).unwrap().as_ref(), Some(content));
        fs::read(path).unwrap()
    }

    #[test]
    fn a_missing_file_is_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_checked::<Value>(&folder.path().join("none")).unwrap().is_none());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_is_the_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        for content in [json!({"a": 1}), json!([1.5, "é\n", null])] {
            write_checked(&path, &content).unwrap();
            assert_eq!(read_checked::<Value>(&path).unwrap(), Some(content));
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn another_shape_is_damage() {
        let bytes = written(&json!({"a": 1}));
        assert!(parse::<Value>(&bytes).is_ok());
        assert!(matches!(parse::<Vec<u32>>(&bytes), Err(CheckedError::Damaged(_))));
    }

    proptest! {
        #[test]
        fn a_flipped_bit_is_found(position: prop::sample::Index, bit in 0..8u8) {
            let mut bytes = written(&json!({"strategy": "sessions", "configuration": {"small": 0.1}}));
            let position = position.index(bytes.len());
            bytes[position] ^= 1 << bit;
            prop_assert!(parse::<Value>(&bytes).is_err(), "bit {bit} of byte {position}");
        }

        #[test]
        fn a_truncated_file_is_found(length: prop::sample::Index) {
            let bytes = written(&json!({"strategy": "sessions"}));
            prop_assert!(parse::<Value>(&bytes[..length.index(bytes.len())]).is_err());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(parse::<Value>(&bytes).is_err());
        }
    }
}
