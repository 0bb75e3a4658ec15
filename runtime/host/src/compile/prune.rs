use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// How much of something a folder may keep.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) entries: usize,
    pub(super) bytes: u64,
}

impl Bounds {
    /// One entry more.
    fn and(self, bytes: u64) -> Self {
        Self { entries: self.entries + 1, bytes: self.bytes.saturating_add(bytes) }
    }
}

/// One file, and when it was last of use.
#[derive(Debug, Clone)]
struct Kept {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// Removes what was of no use for longest until the rest of a folder's files that are `ours` keeps the bounds. `staying`
/// files stay whatever clock and bounds say, and count: two files of one moment must not cost the one that was just written.
///
/// A file that somebody reads at this moment stays readable until it is closed, and one that is gone is made again.
pub(super) fn prune(dir: &Path, staying: &[PathBuf], bounds: Bounds, ours: impl Fn(&str) -> bool) -> io::Result<()> {
    let (mut kept, mut spent) = (Vec::new(), Bounds { entries: 0, bytes: 0 });
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // Another process may have removed it since.
        let Ok(metadata) = entry.metadata() else { continue };
        if !metadata.is_file() || !entry.file_name().to_str().is_some_and(&ours) {
            continue;
        }
        if staying.contains(&entry.path()) {
            spent = spent.and(metadata.len());
        } else {
            kept.push(Kept { path: entry.path(), used: metadata.modified()?, bytes: metadata.len() });
        }
    }
    surplus(kept, spent, bounds).try_for_each(|kept| match fs::remove_file(kept.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    })
}

/// What is over the bounds beside what is `spent`. From the first file that does not fit all go, also smaller ones: what
/// stays is then what was used last, and not what happens to be small.
fn surplus(mut kept: Vec<Kept>, mut spent: Bounds, bounds: Bounds) -> impl Iterator<Item = Kept> {
    kept.sort_by_key(|kept| std::cmp::Reverse(kept.used));
    kept.into_iter().skip_while(move |kept| {
        spent = spent.and(kept.bytes);
        spent.entries <= bounds.entries && spent.bytes <= bounds.bytes
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_was_used_last_stays() {
        let check = |sizes: &[u64], entries: usize, bytes: u64, expected: &[&str]| {
            let kept = sizes.iter().enumerate().map(|(age, bytes)| Kept {
                path: age.to_string().into(),
                used: SystemTime::UNIX_EPOCH + Duration::from_secs(100 - age as u64),
                bytes: *bytes,
            });
            // The order of a folder is anybody's.
            let kept = kept.rev().collect();
            let gone = surplus(kept, Bounds { entries: 1, bytes: 10 }, Bounds { entries, bytes });
            let gone: Vec<_> = gone.map(|kept| kept.path.display().to_string()).collect();
            assert_eq!(gone, expected, "{sizes:?} within {entries} and {bytes}");
        };
        check(&[], 1, 10, &[]);
        check(&[10, 10, 10], 4, 40, &[]);
        check(&[10, 10, 10], 3, 40, &["2"]);
        check(&[10, 10, 10], 1, 40, &["0", "1", "2"]);
        check(&[10, 10, 10], 4, 39, &["2"]);
        check(&[10, 100, 1], 4, 40, &["1", "2"]);
        check(&[u64::MAX, u64::MAX], 4, 40, &["0", "1"]);
    }
}
