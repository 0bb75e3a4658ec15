use std::{
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use switchyard_types::Digest;
use wasmtime::Engine;

use crate::HostError;

const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// A compiled plugin of 64 MiB of WebAssembly stays below this.
const COMPILED_BYTES_MAX: u64 = 512 << 20;

/// Compiled plugins on disk, by digest and by what this engine would compile. A compiled file is machine code: it is
/// loaded only if it carries a MAC made with this folder's own key, over the very buffer that is then used.
pub(crate) struct CompiledCache {
    dir: PathBuf,
    /// Keyed, with nothing in it yet.
    mac: Hmac<Sha256>,
    compatibility: u64,
}

impl CompiledCache {
    pub(crate) fn open(dir: &Path, engine: &Engine) -> Result<Self, HostError> {
        let open = || -> io::Result<Hmac<Sha256>> {
            fs::create_dir_all(dir)?;
            Hmac::new_from_slice(&own_key(&dir.join("mac.key"))?).map_err(io::Error::other)
        };
        let mac = open().map_err(|error| {
            HostError::Machine(format!("the folder for compiled plugins {} cannot be used: {error}", dir.display()))
        })?;
        Ok(Self { dir: dir.to_owned(), mac, compatibility: compatibility(engine) })
    }

    /// The compiled form, if it is there and whole. Anything else is as good as absent: it is compiled again.
    pub(crate) fn get(&self, digest: Digest) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(self.path(digest)).ok()?.take(COMPILED_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        let (mac, compiled) = bytes.split_at_checked(MAC_BYTES)?;
        if self.mac(digest, compiled).verify_slice(mac).is_err() {
            tracing::warn!(%digest, "a compiled plugin on disk is damaged or forged and is not used");
            return None;
        }
        bytes.drain(..MAC_BYTES);
        Some(bytes)
    }

    /// Keeps a compiled form. A full disk costs a compilation at the next start, nothing else.
    pub(crate) fn put(&self, digest: Digest, compiled: &[u8]) {
        let write = || -> io::Result<()> {
            let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
            file.write_all(&self.mac(digest, compiled).finalize().into_bytes())?;
            file.write_all(compiled)?;
            file.persist(self.path(digest))?;
            Ok(())
        };
        if let Err(error) = write() {
            tracing::warn!(%digest, %error, "a compiled plugin could not be kept");
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(format!("{}-{:016x}.cwasm", digest.hex(), self.compatibility))
    }

    fn mac(&self, digest: Digest, compiled: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&self.compatibility.to_le_bytes());
        mac.update(digest.to_string().as_bytes());
        mac.update(compiled);
        mac
    }
}

fn compatibility(engine: &Engine) -> u64 {
    // Keys of the standard hasher's `new` are constant: the same engine hashes alike in every process.
    #[allow(deprecated, reason = "SipHasher is the standard library's only hasher with keys that stay")]
    let mut hasher = std::hash::SipHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn own_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    match File::open(path).and_then(|mut file| file.read_exact(&mut key)) {
        Ok(()) => Ok(key),
        // A key that was cut off is as good as none: it costs one compilation of each plugin.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof) => {
            getrandom::fill(&mut key).map_err(io::Error::other)?;
            // Temporary files are for their owner only; this one becomes the key as a whole or not at all.
            let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
            file.write_all(&key)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine;

    #[test]
    fn only_what_was_written_here_and_is_whole_comes_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = engine::compiling().expect("an engine");
        let digest = Digest::of(b"plugin");
        let cache = CompiledCache::open(dir.path(), &engine).expect("a cache");
        assert_eq!(cache.get(digest), None);
        cache.put(digest, b"machine code");
        let again = CompiledCache::open(dir.path(), &engine).expect("the same cache");
        assert_eq!(again.get(digest).as_deref(), Some(&b"machine code"[..]));

        let cut_off = tempfile::tempdir().expect("a folder");
        fs::write(cut_off.path().join("mac.key"), b"short").expect("written");
        CompiledCache::open(cut_off.path(), &engine).expect("a new key").put(digest, b"machine code");
        let again = CompiledCache::open(cut_off.path(), &engine).expect("the same key");
        assert!(again.get(digest).is_some(), "the new key stays");

        let path = cache.path(digest);
        let good = fs::read(&path).expect("the file");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).expect("written");
            assert_eq!(cache.get(digest), None, "bit {bit}");
        }
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).expect("written");
            assert_eq!(cache.get(digest), None, "{length} bytes");
        }
        fs::write(cache.path(Digest::of(b"other")), &good).expect("written");
        assert_eq!(cache.get(Digest::of(b"other")), None, "moved to another digest");
    }
}
