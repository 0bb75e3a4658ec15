use std::{
    fs::{self, File},
    hash::{Hash, Hasher},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    time::SystemTime,
};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use switchyard_types::Digest;
use wasmtime::Engine;

use super::prune::{Bounds, prune};
use crate::HostError;

const MAC_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
/// A compiled plugin of 64 MiB of WebAssembly stays below this.
const COMPILED_BYTES_MAX: u64 = 512 << 20;
/// What the folder keeps. A compiled plugin of ordinary size has about a MiB, and a node runs some tens: every version of
/// the last months fits, and two of the largest. What is over it is compiled again when it comes back.
const KEPT_MAX: Bounds = Bounds { entries: 256, bytes: 1 << 30 };
const COMPILED_SUFFIX: &str = ".cwasm";
/// Files in the making. One that a process left behind when it was killed goes the way of the others.
const UNFINISHED_PREFIX: &str = ".unfinished-";

/// Compiled plugins on disk, by digest and by what this engine would compile. A compiled file is machine code: it is
/// loaded only if it carries a MAC made with this folder's own key, over the very buffer that is then used.
pub(crate) struct CompiledCache {
    dir: PathBuf,
    /// Keyed, with nothing in it yet.
    mac: Hmac<Sha256>,
    compatibility: u64,
    kept_max: Bounds,
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
        Ok(Self { dir: dir.to_owned(), mac, compatibility: compatibility(engine), kept_max: KEPT_MAX })
    }

    #[cfg(test)]
    pub(crate) fn keep_at_most(&mut self, entries: usize) {
        self.kept_max = Bounds { entries, ..KEPT_MAX };
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
        self.mark_used(digest);
        Some(bytes)
    }

    /// The time of its last change is when it was last used: times of access are switched off on many machines. Where it
    /// cannot be set, the file goes earlier than others, and is compiled again.
    fn mark_used(&self, digest: Digest) {
        let marked = File::options().append(true).open(self.path(digest));
        if let Err(error) = marked.and_then(|file| file.set_modified(SystemTime::now())) {
            tracing::debug!(%digest, %error, "a compiled plugin could not be marked as used");
        }
    }

    /// Keeps a compiled form, and no more of the others than the folder may have. Those that are `loaded` all stay, however
    /// long ago they were read: the next start needs them first. A full disk costs a compilation then, nothing else.
    pub(crate) fn put(&self, digest: Digest, compiled: &[u8], loaded: &[Digest]) {
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(UNFINISHED_PREFIX).tempfile_in(&self.dir)?;
            file.write_all(&self.mac(digest, compiled).finalize().into_bytes())?;
            file.write_all(compiled)?;
            file.persist(self.path(digest))?;
            Ok(())
        };
        let staying: Vec<_> = loaded.iter().chain([&digest]).map(|digest| self.path(*digest)).collect();
        if let Err(error) = write() {
            tracing::warn!(%digest, %error, "a compiled plugin could not be kept");
        } else if let Err(error) = prune(&self.dir, &staying, self.kept_max, is_ours) {
            tracing::warn!(%error, "compiled plugins that are no longer used could not be removed");
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.dir.join(format!("{}-{:016x}{COMPILED_SUFFIX}", digest.hex(), self.compatibility))
    }

    fn mac(&self, digest: Digest, compiled: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(&self.compatibility.to_le_bytes());
        mac.update(digest.to_string().as_bytes());
        mac.update(compiled);
        mac
    }
}

/// The key is not: without it everything here would be worthless. What others put here is not either.
fn is_ours(name: &str) -> bool {
    name.ends_with(COMPILED_SUFFIX) || name.starts_with(UNFINISHED_PREFIX)
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
        cache.put(digest, b"machine code", &[]);
        let again = CompiledCache::open(dir.path(), &engine).expect("the same cache");
        assert_eq!(again.get(digest).as_deref(), Some(&b"machine code"[..]));

        let cut_off = tempfile::tempdir().expect("a folder");
        fs::write(cut_off.path().join("mac.key"), b"short").expect("written");
        CompiledCache::open(cut_off.path(), &engine).expect("a new key").put(digest, b"machine code", &[]);
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

    #[test]
    fn the_folder_keeps_what_was_used_last() {
        let dir = tempfile::tempdir().expect("a folder");
        let engine = engine::compiling().expect("an engine");
        let mut cache = CompiledCache::open(dir.path(), &engine).expect("a cache");
        cache.keep_at_most(3);
        let digests = [0u8, 1, 2, 3, 4].map(|seed| Digest::of(&[seed]));
        let there = |cache: &CompiledCache| digests.map(|digest| cache.path(digest).exists());
        let age = |path: &Path, seconds| {
            let file = File::options().append(true).open(path).expect("a file");
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(seconds)).expect("its time");
        };
        for (digest, seconds) in digests.iter().zip([500, 400, 300]) {
            cache.put(*digest, b"machine code", &[]);
            age(&cache.path(*digest), seconds);
        }
        assert!(cache.get(digests[0]).is_some(), "the oldest is used again");
        cache.put(digests[3], b"machine code", &[]);
        assert_eq!(there(&cache), [true, false, true, true, false], "the one that was not used for longest went");

        age(&cache.path(digests[0]), 100);
        age(&cache.path(digests[2]), 900);
        cache.put(digests[1], b"machine code", &[digests[2]]);
        assert_eq!(there(&cache), [false, true, true, true, false], "what is loaded stays however old it is");
        cache.put(digests[0], b"machine code", &[digests[1], digests[2], digests[3]]);
        assert_eq!(there(&cache), [true, true, true, true, false], "also over the bound");

        let (foreign, unfinished) = (dir.path().join("notes.txt"), dir.path().join(".unfinished-left"));
        for path in [&foreign, &unfinished, &dir.path().join("mac.key")] {
            File::options().create(true).append(true).open(path).expect("a file");
            age(path, 1_000);
        }
        // One plugin alone is over this bound: it stays, and nothing beside it.
        cache.kept_max = Bounds { bytes: 1, ..KEPT_MAX };
        cache.put(digests[4], b"machine code", &[]);
        assert_eq!(there(&cache), [false, false, false, false, true]);
        assert_eq!((foreign.exists(), unfinished.exists()), (true, false));
        let again = CompiledCache::open(dir.path(), &engine).expect("the same cache");
        assert_eq!(again.get(digests[4]).as_deref(), Some(&b"machine code"[..]), "the key is still there");
    }
}
